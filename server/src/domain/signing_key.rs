//! Signing keys and what is published of them.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

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

/// A public key as the JWK Set carries it (RFC 7517). It has no place for a private member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    pub id: KeyId,
    pub algorithm: SigningAlgorithm,
    pub material: PublicKeyMaterial,
}

/// What makes a key the key that it is: the members of RFC 7638 §3.2, in its order. All values are
/// base64url.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kty", deny_unknown_fields)]
pub enum PublicKeyMaterial {
    /// RFC 7518 §6.2.1, on P-256.
    #[serde(rename = "EC")]
    Ec { crv: String, x: String, y: String },
    /// RFC 8037 §2, Ed25519.
    #[serde(rename = "OKP")]
    Okp { crv: String, x: String },
    /// RFC 7518 §6.3.1.
    #[serde(rename = "RSA")]
    Rsa { e: String, n: String },
}

impl PublicKeyMaterial {
    pub fn p256(x: String, y: String) -> Self {
        let crv = "P-256".to_owned();
        Self::Ec { crv, x, y }
    }

    pub fn ed25519(x: String) -> Self {
        let crv = "Ed25519".to_owned();
        Self::Okp { crv, x }
    }

    /// The canonical JSON that the thumbprint is made of: members in lexical order, no spaces (RFC
    /// 7638 §3).
    pub fn canonical(&self) -> String {
        match self {
            Self::Ec { crv, x, y } => {
                format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            Self::Okp { crv, x } => format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#),
            Self::Rsa { e, n } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
        }
    }

    /// The thumbprint with SHA-256.
    pub fn thumbprint(&self) -> KeyId {
        KeyId(URL_SAFE_NO_PAD.encode(Sha256::digest(self.canonical())))
    }
}

impl PublicKey {
    /// The key under its thumbprint.
    pub fn new(algorithm: SigningAlgorithm, material: PublicKeyMaterial) -> Self {
        Self {
            id: material.thumbprint(),
            algorithm,
            material,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7638 §3.1.
    #[test]
    fn the_thumbprint_is_that_of_the_rfc() {
        let material = PublicKeyMaterial::Rsa {
            e: "AQAB".into(),
            n: "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw".into(),
        };
        assert_eq!(
            material.thumbprint().as_str(),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
        let read: PublicKeyMaterial = serde_json::from_str(&material.canonical()).expect("a key");
        assert_eq!(read, material);
    }
}
