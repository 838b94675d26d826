//! Why a Redis is of no use now, in words that say what to do.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::infrastructure::tls::{CertificateTrouble, certificate_trouble};

/// What is said while no Sentinel has named a primary.
pub(super) const NO_PRIMARY: &str = "no Sentinel has named a primary";

/// Why a Redis can't be used. No text repeats its address: it may carry a password.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RedisUnfit {
    /// Nothing answers, or not yet: waiting may help.
    #[error("Redis can't be reached")]
    Unreachable(#[source] RedisError),
    /// It may be going down, or want TLS.
    #[error(
        "Redis hangs up before it answers: where it wants TLS, its address begins with rediss://"
    )]
    HangsUp(#[source] RedisError),
    #[error(
        "Redis doesn't answer in time: it is busy or behind a broken link, or it has no TLS at this port and \
         the address begins with rediss://"
    )]
    Silent(#[source] RedisError),
    /// It may be made the primary: waiting may help.
    #[error("this Redis is a replica, which takes no writes: name the primary, or its Sentinels")]
    Replica,
    #[error(
        "Redis would drop refresh families when its memory is full (maxmemory-policy {0}); \
         set maxmemory-policy noeviction"
    )]
    Evicts(String),
    #[error("this Redis is part of a Cluster: begin its address with redis-cluster://")]
    Cluster,
    #[error("this Redis is part of no Cluster: begin its address with redis://")]
    NoCluster,
    /// It is being set up, or nodes are gone: waiting may help.
    #[error("the Cluster names no primary for the slot")]
    NoSlots,
    /// A slot has no primary, or most primaries are gone: waiting may help.
    #[error("the Cluster is down (cluster_state:fail): its nodes refuse every key")]
    ClusterDown,
    #[error("Redis has no database of the number at the end of its address")]
    NoDatabase,
    #[error("Redis refuses our user or password")]
    BadCredentials(#[source] RedisError),
    #[error("Redis refuses: look at what our user may do")]
    Refused(#[source] RedisError),
    #[error(
        "no authority that is trusted here has signed the certificate of Redis: set \
         TOKENHOUSE_REDIS_CA_FILE to the file with the one that did"
    )]
    UnknownAuthority,
    #[error(
        "the certificate of Redis is for another host: connect by a name that it has, or give \
         Redis a certificate with this name"
    )]
    WrongName,
    #[error("the certificate of Redis has expired or isn't valid yet")]
    NotNow,
}

impl RedisUnfit {
    /// What a command, or connecting for it, failed of.
    pub(super) fn of(error: RedisError) -> Self {
        match certificate_trouble(&error) {
            Some(CertificateTrouble::UnknownAuthority) => return Self::UnknownAuthority,
            Some(CertificateTrouble::WrongName) => return Self::WrongName,
            Some(CertificateTrouble::NotNow) => return Self::NotNow,
            Some(CertificateTrouble::Other) => return Self::Refused(error),
            None => {}
        }
        match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS")) => {
                Self::BadCredentials(error)
            }
            (ErrorKind::InvalidClientConfig | ErrorKind::Server(ServerErrorKind::NoPerm), _) => {
                Self::Refused(error)
            }
            // The library's only words for it.
            _ if error.to_string().contains("refused to switch database") => Self::NoDatabase,
            // Ours: nobody is there who could hang up.
            _ if error.to_string().contains(NO_PRIMARY) => Self::Unreachable(error),
            // The library counts it among the connections that are gone.
            _ if error.is_connection_refusal() => Self::Unreachable(error),
            _ if error.is_timeout() => Self::Silent(error),
            _ if error.is_connection_dropped() => Self::HangsUp(error),
            _ => Self::Unreachable(error),
        }
    }

    /// Whether the same attempt may succeed later without anybody changing a setting.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_)
                | Self::HangsUp(_)
                | Self::Silent(_)
                | Self::Replica
                | Self::NoSlots
                | Self::ClusterDown
        )
    }

    /// For `/readyz`, in front of since when.
    pub(super) fn in_short(&self) -> &'static str {
        match self {
            Self::Unreachable(_) | Self::HangsUp(_) | Self::Silent(_) => "unreachable",
            Self::Replica => "a replica",
            Self::Evicts(_) => "set to evict",
            Self::Cluster => "a Cluster",
            Self::NoCluster => "not a Cluster",
            Self::NoSlots => "a Cluster without slots",
            Self::ClusterDown => "a Cluster that is down",
            Self::NoDatabase => "without the database of its address",
            Self::BadCredentials(_) => "refusing our user or password",
            Self::Refused(_) => "refusing us",
            Self::UnknownAuthority => "with a certificate of an unknown authority",
            Self::WrongName => "with a certificate for another host",
            Self::NotNow => "with a certificate that is not valid now",
        }
    }
}
