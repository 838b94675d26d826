//! Clients of a tenant (RFC 6749 §2): who they are (`mod`), what they registered (`metadata`), how
//! that is read (`registration`), and where answers may go (`redirect_uri`).

pub mod initial_access;
pub mod lifetimes;
pub mod metadata;
pub mod redirect_uri;
pub mod registration;
pub mod secrets;

use std::fmt;

use serde::{Deserialize, Serialize};

use self::{
    metadata::{AuthMethod, ClientMetadata, GrantType},
    secrets::ClientSecrets,
};
use super::{
    secret::{RegistrationAccess, TokenDigest},
    timestamp::Timestamp,
};

/// The `client_id`: 1 to 64 characters of `[A-Za-z0-9._-]`, and never a UUID: a client must not be
/// taken for a user, whose `sub` is one (RFC 9700 §4.15).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientId(String);

/// Why a text is no [`ClientId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to 64 letters, digits, dots, hyphens and underscores, and must not be a UUID")]
pub struct NotAClientId;

impl ClientId {
    pub fn parse(text: &str) -> Result<Self, NotAClientId> {
        let well_formed = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if well_formed && uuid::Uuid::try_parse(text).is_err() {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAClientId)
        }
    }

    /// A fresh id from 120 random bits.
    pub fn new(entropy: [u8; 15]) -> Self {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        Self(format!("c_{}", URL_SAFE_NO_PAD.encode(entropy)))
    }

    /// The client that the session API of every tenant acts as.
    pub fn first_party() -> Self {
        Self("first-party".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ClientId {
    type Error = NotAClientId;

    fn try_from(text: String) -> Result<Self, NotAClientId> {
        Self::parse(&text)
    }
}

impl From<ClientId> for String {
    fn from(id: ClientId) -> Self {
        id.0
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

/// A client of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub id: ClientId,
    /// Only clients that authenticate with a secret have any.
    pub secrets: ClientSecrets,
    pub metadata: ClientMetadata,
    /// Belongs to the tenant itself: no consent is asked for it.
    pub first_party: bool,
    /// Of a client that registered itself (RFC 7591): the token that manages it.
    pub registration_access: Option<TokenDigest<RegistrationAccess>>,
    /// Grants from before this point count no more.
    pub not_before: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Client {
    /// The client that the session API acts as. It has no redirect URI and no grant type: nothing
    /// of OAuth can be done in its name.
    pub fn first_party(tenant_name: &str, now: Timestamp) -> Self {
        Self {
            id: ClientId::first_party(),
            secrets: ClientSecrets::default(),
            metadata: ClientMetadata {
                client_name: tenant_name.to_owned(),
                token_endpoint_auth_method: Some(AuthMethod::None),
                grant_types: Vec::new(),
                response_types: Vec::new(),
                ..ClientMetadata::default()
            },
            first_party: true,
            registration_access: None,
            not_before: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// Whether the client can keep a secret (RFC 6749 §2.1).
    pub fn is_confidential(&self) -> bool {
        self.metadata.auth_method() != AuthMethod::None
    }

    /// Whether the client may use `grant` (RFC 7591 §2, `grant_types`).
    pub fn may_use(&self, grant: GrantType) -> bool {
        self.metadata.grant_types.contains(&grant)
    }

    /// Whether it can get a token for itself at this moment (RFC 6749 §4.4).
    pub fn acts_for_itself(&self, now: Timestamp) -> bool {
        let method = self.metadata.auth_method();
        let authenticates = match method.has_secret() {
            true => self.secrets.counting(now).next().is_some(),
            false => method != AuthMethod::None,
        };
        authenticates && self.may_use(GrantType::ClientCredentials)
    }

    /// Whether it registered itself.
    pub fn is_dynamic(&self) -> bool {
        self.registration_access.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_never_taken_for_a_user() {
        assert!(ClientId::parse("demo-web").is_ok());
        for text in [
            "",
            "a b",
            "a/b",
            "01a1f6b2-5f00-7a3c-8d4e-0f1a2b3c4d5e",
            "01a1f6b25f007a3c8d4e0f1a2b3c4d5e",
        ] {
            assert_eq!(ClientId::parse(text), Err(NotAClientId), "{text}");
        }
        let fresh = ClientId::new([7; 15]);
        assert_eq!(ClientId::parse(fresh.as_str()), Ok(fresh.clone()));
    }
}
