//! Signing keys and what is published of them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a key of ours signs (RFC 7518 §3.1, RFC 8037 §3.1). One key has one algorithm, and
/// verification takes it from the key, never from a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum SigningAlgorithm {
    Es256,
    EdDsa,
    Rs256,
    Ps256,
}

impl SigningAlgorithm {
    pub const ALL: [Self; 4] = [Self::Rs256, Self::Es256, Self::Ps256, Self::EdDsa];

    /// The JOSE name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
        }
    }

    /// Reads a JOSE name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

impl From<SigningAlgorithm> for &'static str {
    fn from(algorithm: SigningAlgorithm) -> Self {
        algorithm.name()
    }
}

impl TryFrom<String> for SigningAlgorithm {
    type Error = UnknownAlgorithm;

    fn try_from(name: String) -> Result<Self, UnknownAlgorithm> {
        Self::parse(&name).ok_or(UnknownAlgorithm)
    }
}

/// A JOSE name that is none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no signature algorithm that is supported here")]
pub struct UnknownAlgorithm;

/// How clients may sign what they send us. All asymmetric, and never `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum ForeignAlgorithm {
    Es256,
    Es384,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    EdDsa,
}

impl ForeignAlgorithm {
    pub const ALL: [Self; 9] = [
        Self::Es256,
        Self::Es384,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::EdDsa,
    ];

    /// The JOSE name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Reads a JOSE name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

impl From<ForeignAlgorithm> for &'static str {
    fn from(algorithm: ForeignAlgorithm) -> Self {
        algorithm.name()
    }
}

impl TryFrom<String> for ForeignAlgorithm {
    type Error = UnknownAlgorithm;

    fn try_from(name: String) -> Result<Self, UnknownAlgorithm> {
        Self::parse(&name).ok_or(UnknownAlgorithm)
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
