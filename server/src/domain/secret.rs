//! Secrets as types: what is handed out and what is kept are never the same type, and neither
//! prints.

use std::{fmt, marker::PhantomData};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// What kind of thing a token is; its text begins with the prefix, so that secret scanners find
/// leaked ones. Changing a prefix revokes every token of the kind.
pub trait TokenKind {
    /// Such as `thr_`.
    const PREFIX: &'static str;
}

/// The operator's bearer token.
#[derive(Debug)]
pub enum Operator {}
impl TokenKind for Operator {
    const PREFIX: &'static str = "tho_";
}

/// A confidential client's secret.
#[derive(Debug)]
pub enum ClientSecret {}
impl TokenKind for ClientSecret {
    const PREFIX: &'static str = "ths_";
}

/// The token that manages a client which registered itself (RFC 7592 §3).
#[derive(Debug)]
pub enum RegistrationAccess {}
impl TokenKind for RegistrationAccess {
    const PREFIX: &'static str = "thm_";
}

/// The token that allows to register clients (RFC 7591 §3).
#[derive(Debug)]
pub enum InitialAccess {}
impl TokenKind for InitialAccess {
    const PREFIX: &'static str = "tha_";
}

/// What lets somebody who was invited become a user.
#[derive(Debug)]
pub enum Invitation {}
impl TokenKind for Invitation {
    const PREFIX: &'static str = "thi_";
}

/// An authorization code (RFC 6749 §4.1.2).
#[derive(Debug)]
pub enum AuthorizationCode {}
impl TokenKind for AuthorizationCode {
    const PREFIX: &'static str = "thc_";
}

/// What a browser holds of its sign-in on the hosted pages.
#[derive(Debug)]
pub enum BrowserSession {}
impl TokenKind for BrowserSession {
    const PREFIX: &'static str = "thb_";
}

/// An opaque secret that we hand out. Neither `Clone`, `Display` nor `Serialize`.
pub struct OpaqueToken<K> {
    text: Zeroizing<String>,
    kind: PhantomData<fn() -> K>,
}

impl<K: TokenKind> OpaqueToken<K> {
    /// A token from 256 random bits.
    pub fn from_entropy(mut entropy: [u8; 32]) -> Self {
        let text = Zeroizing::new(format!("{}{}", K::PREFIX, URL_SAFE_NO_PAD.encode(entropy)));
        entropy.zeroize();
        Self {
            text,
            kind: PhantomData,
        }
    }

    /// The token itself: for the one answer that hands it out.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What is kept of it.
    pub fn digest(&self) -> TokenDigest<K> {
        TokenDigest::of(&self.text)
    }
}

impl<K> fmt::Debug for OpaqueToken<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What is kept instead of the token: its SHA-256. Tokens have 256 bits of entropy, so a slow hash
/// would add nothing but time.
pub struct TokenDigest<K> {
    bytes: [u8; 32],
    kind: PhantomData<fn() -> K>,
}

impl<K> TokenDigest<K> {
    /// The digest of a presented text.
    pub fn of(text: &str) -> Self {
        Self {
            bytes: Sha256::digest(text).into(),
            kind: PhantomData,
        }
    }

    /// The digest a store kept.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self {
            bytes,
            kind: PhantomData,
        }
    }

    /// The bytes, for stores.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl<K> Clone for TokenDigest<K> {
    fn clone(&self) -> Self {
        Self::from_bytes(self.bytes)
    }
}

impl<K> PartialEq for TokenDigest<K> {
    /// In constant time.
    fn eq(&self, other: &Self) -> bool {
        self.bytes.ct_eq(&other.bytes).into()
    }
}

impl<K> Eq for TokenDigest<K> {}

impl<K> fmt::Debug for TokenDigest<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[digest]")
    }
}

/// 256 bits of key material. Overwritten when dropped.
#[derive(Clone)]
pub struct Key256(Zeroizing<[u8; 32]>);

impl Key256 {
    /// A key from these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A key from a slice, if it has the right length.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        <[u8; 32]>::try_from(bytes).ok().map(Self::from_bytes)
    }

    /// The bytes, for the algorithm that uses the key.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Key256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_carries_its_prefix_and_prints_nothing() {
        let token = OpaqueToken::<Operator>::from_entropy([7; 32]);
        assert!(token.expose().starts_with("tho_"));
        assert_eq!(token.expose().len(), 4 + 43);
        assert_eq!(format!("{token:?}"), "[redacted]");
        assert_eq!(
            format!("{:?} {:?}", token.digest(), Key256::from_bytes([1; 32])),
            "[digest] [key]"
        );
    }

    #[test]
    fn digests_are_equal_only_for_equal_tokens() {
        let token = OpaqueToken::<Operator>::from_entropy([7; 32]);
        assert_eq!(token.digest(), TokenDigest::of(token.expose()));
        assert_ne!(token.digest(), TokenDigest::of("tho_other"));
    }
}
