//! Why there is no connection to a database, in words that say what to do.

use sea_orm::{DbErr, RuntimeErr, sqlx};

use super::address::BadAddress;
use crate::infrastructure::tls::{CertificateTrouble, certificate_trouble};

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
        cause: DbErr,
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
    /// It answers, and doesn't want us: waiting doesn't help.
    #[error("{host} refuses")]
    Refused {
        host: String,
        #[source]
        cause: DbErr,
    },
}

impl NoConnection {
    /// What an attempt to connect to `url` failed of.
    pub(super) fn of(cause: DbErr, url: &str) -> Self {
        let host = host(url);
        // The library's error doesn't name this one as its source.
        let of_connection = match &cause {
            DbErr::Conn(RuntimeErr::SqlxError(error)) => Some(error.as_ref()),
            _ => None,
        };
        match of_connection.and_then(|error| certificate_trouble(error)) {
            Some(CertificateTrouble::UnknownAuthority) => return Self::UnknownAuthority { host },
            Some(CertificateTrouble::WrongName) => return Self::WrongName { host },
            Some(CertificateTrouble::NotNow) => return Self::NotNow { host },
            Some(CertificateTrouble::Other) => return Self::Refused { host, cause },
            None => {}
        }
        match &cause {
            DbErr::Conn(RuntimeErr::SqlxError(error)) => match error.as_ref() {
                // The library's only words for a server that answers N to the wish for TLS.
                sqlx::Error::Tls(text) if text.to_string().contains("not support TLS") => {
                    Self::NoTls { host }
                }
                sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Protocol(_) => {
                    Self::Unreachable { host, cause }
                }
                sqlx::Error::Database(answer) if may_pass(answer.code().as_deref()) => {
                    Self::Unreachable { host, cause }
                }
                _ => Self::Refused { host, cause },
            },
            DbErr::ConnectionAcquire(_) => Self::Unreachable { host, cause },
            _ => Self::Refused { host, cause },
        }
    }

    /// Whether the same attempt may succeed later without anybody changing a setting.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// Starting up, shutting down, or with too many clients.
fn may_pass(code: Option<&str>) -> bool {
    matches!(code, Some("57P01" | "57P02" | "57P03" | "53300" | "53400"))
}

/// The host and port, or what else there is to name.
fn host(url: &str) -> String {
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
