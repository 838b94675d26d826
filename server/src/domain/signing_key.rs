//! Signing keys and what is published of them.

use std::fmt;

/// How a key signs (RFC 7518 §3.1). One key has one algorithm, and verification takes it from the
/// key, never from a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SigningAlgorithm {
    Es256,
}

impl SigningAlgorithm {
    /// The JOSE name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
        }
    }

    /// Reads a JOSE name.
    pub fn parse(name: &str) -> Option<Self> {
        (name == "ES256").then_some(Self::Es256)
    }
}

/// The `kid`: the key's JWK thumbprint (RFC 7638).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(String);

impl KeyId {
    pub fn from_thumbprint(thumbprint: String) -> Self {
        Self(thumbprint)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A public key as the JWK Set carries it (RFC 7517, RFC 7518 §6.2.1). It has no place for a
/// private member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    pub id: KeyId,
    pub algorithm: SigningAlgorithm,
    /// P-256 coordinates, base64url.
    pub x: String,
    pub y: String,
}

/// A key as a store keeps it: the private half is sealed under the tenant's data key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSigningKey {
    pub public: PublicKey,
    pub sealed_private_key: Vec<u8>,
}
