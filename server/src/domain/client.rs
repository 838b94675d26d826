//! Clients of a tenant (RFC 6749 §2).

use std::fmt;

use super::{
    secret::{ClientSecret, TokenDigest},
    timestamp::Timestamp,
};

/// The `client_id`: 1 to 64 characters of `[A-Za-z0-9._-]`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(String);

/// Why a text is no [`ClientId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to 64 letters, digits, dots, hyphens and underscores")]
pub struct NotAClientId;

impl ClientId {
    pub fn parse(text: &str) -> Result<Self, NotAClientId> {
        let well_formed = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAClientId)
        }
    }

    /// The client that the session API of every tenant acts as.
    pub fn first_party() -> Self {
        Self("first-party".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a client can keep a secret (RFC 6749 §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientKind {
    Public,
    Confidential {
        secret_digest: TokenDigest<ClientSecret>,
    },
}

/// A client of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub id: ClientId,
    pub name: String,
    pub kind: ClientKind,
    /// Belongs to the tenant itself: no consent is asked for it.
    pub first_party: bool,
    /// Grants from before this point count no more.
    pub not_before: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}
