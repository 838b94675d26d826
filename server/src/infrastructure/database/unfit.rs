//! Why there is no connection to a database, in words that say what to do.

use std::{borrow::Cow, sync::Arc};

use sea_orm::{
    DbErr, RuntimeErr,
    sqlx::{self, error::DatabaseError},
};
use tokenhouse_migration::Answer;

use super::address::BadAddress;
use crate::{
    application::error::Cause,
    infrastructure::tls::{CertificateTrouble, certificate_trouble},
};

/// Why a database can't be opened. No text repeats the address: it may carry a password.
#[derive(Debug, thiserror::Error)]
pub enum NoConnection {
    #[error("its address {0}")]
    Address(#[from] BadAddress),
    /// Nothing answers, or not yet: waiting may help.
    #[error("{host} can't be reached")]
    Unreachable {
        host: String,
        #[source]
        cause: Cause,
    },
    /// Others have all connections: waiting may help.
    #[error(
        "{host} has no connection left for us: each instance opens up to 16, so raise \
         max_connections or run fewer instances"
    )]
    Crowded {
        host: String,
        #[source]
        cause: Cause,
    },
    #[error(
        "{host} has no TLS: turn it on there, or, in a network that you trust, set sslmode=disable"
    )]
    NoTls { host: String },
    #[error(
        "no authority that is trusted here has signed the certificate of {host}: name the file \
         with the one that did as sslrootcert"
    )]
    UnknownAuthority { host: String },
    #[error(
        "the certificate is for another host than {host}: connect by a name that it has, or give \
         the database a certificate with this name"
    )]
    WrongName { host: String },
    #[error("the certificate of {host} has expired or isn't valid yet")]
    NotNow { host: String },
    #[error("{host} refuses our user or password")]
    BadCredentials {
        host: String,
        #[source]
        cause: Cause,
    },
    /// It answers, and doesn't want us: waiting doesn't help.
    #[error("{host} refuses us")]
    Refused {
        host: String,
        #[source]
        cause: Cause,
    },
}

impl NoConnection {
    /// What an attempt to connect to `host` failed of.
    pub(super) fn of(error: Arc<sqlx::Error>, host: &str) -> Self {
        let host = host.to_owned();
        let code = error.as_database_error().and_then(DatabaseError::code);
        let code = code.map(Cow::into_owned);
        match (certificate_trouble(error.as_ref()), error.as_ref()) {
            (Some(CertificateTrouble::UnknownAuthority), _) => Self::UnknownAuthority { host },
            (Some(CertificateTrouble::WrongName), _) => Self::WrongName { host },
            (Some(CertificateTrouble::NotNow), _) => Self::NotNow { host },
            // The library's only words for a server that answers N to the wish for TLS.
            (None, sqlx::Error::Tls(text)) if text.to_string().contains("not support TLS") => {
                Self::NoTls { host }
            }
            (None, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Protocol(_)) => {
                let cause = error.into();
                Self::Unreachable { host, cause }
            }
            _ => Self::answered(code.as_deref(), in_its_words(error), host),
        }
    }

    /// What a server said that doesn't let us in.
    fn answered(code: Option<&str>, cause: Cause, host: String) -> Self {
        match code {
            // Starting up or shutting down.
            Some("57P01" | "57P02" | "57P03") => Self::Unreachable { host, cause },
            // too_many_connections, configuration_limit_exceeded
            Some("53300" | "53400") => Self::Crowded { host, cause },
            // invalid_authorization_specification, invalid_password
            Some("28000" | "28P01") => Self::BadCredentials { host, cause },
            _ => Self::Refused { host, cause },
        }
    }

    /// Whether the same attempt may succeed later without anybody changing a setting.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Crowded { .. })
    }

    /// For `/readyz`, in front of since when.
    pub fn in_short(&self) -> &'static str {
        match self {
            Self::Address(_) => "at an address that can't be used",
            Self::Unreachable { .. } => "unreachable",
            Self::Crowded { .. } => "out of connections",
            Self::NoTls { .. } => "without TLS",
            Self::UnknownAuthority { .. } => "with a certificate of an unknown authority",
            Self::WrongName { .. } => "with a certificate for another host",
            Self::NotNow { .. } => "with a certificate that is not valid now",
            Self::BadCredentials { .. } => "refusing our user or password",
            Self::Refused { .. } => "refusing us",
        }
    }
}

fn in_its_words(error: Arc<sqlx::Error>) -> Cause {
    match Answer::of(&error) {
        Some(answer) => answer.into(),
        None => error.into(),
    }
}

/// Why there is no pool of connections to `host`.
pub(super) fn opening(error: &DbErr, host: &str) -> NoConnection {
    no_connection(error, host).unwrap_or_else(|| {
        // The pool gave up, for reasons it had and didn't keep.
        let cause = sqlx::Error::PoolTimedOut.into();
        NoConnection::Unreachable {
            host: host.to_owned(),
            cause,
        }
    })
}

/// Why the pool could make no connection to `host`; none when the statement is at fault.
pub(super) fn no_connection(error: &DbErr, host: &str) -> Option<NoConnection> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(cause)) => {
            Some(NoConnection::of(Arc::clone(cause), host))
        }
        _ => None,
    }
}

/// The host and port of an address, or what else there is to name.
pub(super) fn host(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(url) if url.scheme() != "sqlite" => {
            let host = url.host_str().filter(|host| !host.is_empty());
            let host = host.unwrap_or("the database's socket");
            match url.port() {
                Some(port) => format!("{host}:{port}"),
                None => host.to_owned(),
            }
        }
        _ => "the database".to_owned(),
    }
}
