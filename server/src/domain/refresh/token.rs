//! The form of a refresh token:
//!
//! ```text
//! thr_ base64url( version 1 ‖ tag key id 1 ‖ family 16 ‖ generation 4 ‖ secret 32 ‖ tag 16 )
//! tag = HMAC-SHA256(tag key, "rt1" ‖ tenant ‖ family ‖ generation ‖ SHA-256(secret)) cut to 16
//! ```

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::domain::{
    id::{GrantId, TenantId},
    secret::Key256,
};

const PREFIX: &str = "thr_";
const VERSION: u8 = 1;
const TAG_LENGTH: usize = 16;
const LENGTH: usize = 1 + 1 + 16 + 4 + 32 + TAG_LENGTH;
/// 70 bytes in base64url without padding.
const TEXT_LENGTH: usize = PREFIX.len() + LENGTH.div_ceil(3) * 4 - 2;

/// How many rotations lie between the first token of a family and this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u32);

impl Generation {
    pub const FIRST: Self = Self(0);

    /// The one after this. Saturates: after four thousand million rotations the family is stuck and
    /// the next presentation ends it, which is the safe side.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Which of the tenant's tag keys made the tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TagKeyId(pub u8);

/// The key that a tenant's refresh tokens are tagged with.
#[derive(Clone, Debug)]
pub struct TagKey {
    pub id: TagKeyId,
    pub key: Key256,
}

/// The part of a refresh token that gives it power.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    pub fn from_entropy(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// For sealing it, and for nothing else.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn digest(&self) -> SecretDigest {
        SecretDigest(Sha256::digest(self.0.as_slice()).into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// SHA-256 of a [`Secret`]: what stores keep.
#[derive(Clone, Copy)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for SecretDigest {
    /// In constant time.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretDigest {}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[digest]")
    }
}

/// A refresh token that we minted.
#[derive(Clone, Debug)]
pub struct RefreshToken {
    pub family: GrantId,
    pub generation: Generation,
    pub secret: Secret,
}

/// A text that is not of the form, or whose tag is not ours for this tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a refresh token of this tenant")]
pub struct MalformedToken;

/// A token of the right form whose tag has not been checked yet.
pub struct UntrustedToken {
    bytes: Zeroizing<[u8; LENGTH]>,
}

impl fmt::Debug for UntrustedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl UntrustedToken {
    /// Reads the form. Costs no I/O and no key.
    pub fn parse(text: &str) -> Result<Self, MalformedToken> {
        if text.len() != TEXT_LENGTH {
            return Err(MalformedToken);
        }
        let encoded = text.strip_prefix(PREFIX).ok_or(MalformedToken)?;
        let mut bytes = Zeroizing::new([0; LENGTH]);
        // Refuses padding, the other alphabet and stray trailing bits: a token has one spelling.
        let length = URL_SAFE_NO_PAD
            .decode_slice(encoded, bytes.as_mut_slice())
            .map_err(|_| MalformedToken)?;
        if length != LENGTH || bytes[0] != VERSION {
            return Err(MalformedToken);
        }
        Ok(Self { bytes })
    }

    /// Which key its tag claims to be made with.
    pub fn tag_key_id(&self) -> TagKeyId {
        TagKeyId(self.bytes[1])
    }

    /// Checks the tag, in constant time. Only what this gives may reach a store.
    pub fn verify(&self, tenant: TenantId, key: &TagKey) -> Result<RefreshToken, MalformedToken> {
        let bytes = &self.bytes;
        let token = RefreshToken {
            family: GrantId::from_uuid(Uuid::from_bytes(array(&bytes[2..18]))),
            generation: Generation(u32::from_be_bytes(array(&bytes[18..22]))),
            secret: Secret::from_entropy(array(&bytes[22..54])),
        };
        let tag = tag(tenant, key, token.family, token.generation, &token.secret);
        if key.id == self.tag_key_id() && bool::from(tag.ct_eq(&bytes[54..])) {
            Ok(token)
        } else {
            Err(MalformedToken)
        }
    }
}

impl RefreshToken {
    /// The text that is handed out.
    pub fn encode(&self, tenant: TenantId, key: &TagKey) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        bytes[0] = VERSION;
        bytes[1] = key.id.0;
        bytes[2..18].copy_from_slice(self.family.as_uuid().as_bytes());
        bytes[18..22].copy_from_slice(&self.generation.0.to_be_bytes());
        bytes[22..54].copy_from_slice(self.secret.expose());
        bytes[54..].copy_from_slice(&tag(
            tenant,
            key,
            self.family,
            self.generation,
            &self.secret,
        ));
        let mut text = Zeroizing::new(String::with_capacity(TEXT_LENGTH));
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut text);
        text
    }
}

fn tag(
    tenant: TenantId,
    key: &TagKey,
    family: GrantId,
    generation: Generation,
    secret: &Secret,
) -> [u8; TAG_LENGTH] {
    #[expect(
        clippy::expect_used,
        reason = "HMAC takes keys of any length (RFC 2104 §3)"
    )]
    let mut mac = Hmac::<Sha256>::new_from_slice(key.key.expose()).expect("any key length fits");
    mac.update(b"rt1");
    mac.update(tenant.as_uuid().as_bytes());
    mac.update(family.as_uuid().as_bytes());
    mac.update(&generation.0.to_be_bytes());
    mac.update(secret.digest().as_bytes());
    array(&mac.finalize().into_bytes()[..TAG_LENGTH])
}

/// Copies a slice whose length the caller's constants fix.
fn array<const N: usize>(slice: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(slice);
    array
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::timestamp::Timestamp;

    fn tenant(n: u8) -> TenantId {
        TenantId::new(Timestamp::from_micros(1), [n; 10])
    }

    fn key(id: u8) -> TagKey {
        TagKey {
            id: TagKeyId(id),
            key: Key256::from_bytes([id; 32]),
        }
    }

    fn token() -> RefreshToken {
        RefreshToken {
            family: GrantId::new(Timestamp::from_micros(2), [3; 10]),
            generation: Generation(7),
            secret: Secret::from_entropy([9; 32]),
        }
    }

    #[test]
    fn a_token_survives_the_round_trip() {
        let text = token().encode(tenant(1), &key(1));
        assert_eq!(text.len(), TEXT_LENGTH);
        let read = UntrustedToken::parse(&text)
            .and_then(|t| t.verify(tenant(1), &key(1)))
            .expect("our own token");
        assert_eq!(
            (read.family, read.generation),
            (token().family, token().generation)
        );
        assert_eq!(read.secret.digest(), token().secret.digest());
    }

    #[test]
    fn another_tenant_or_another_key_refuses_it() {
        let text = token().encode(tenant(1), &key(1));
        let parsed = UntrustedToken::parse(&text).expect("the form is right");
        assert!(parsed.verify(tenant(2), &key(1)).is_err());
        assert!(parsed.verify(tenant(1), &key(2)).is_err());
        let impostor = TagKey {
            id: TagKeyId(1),
            key: Key256::from_bytes([4; 32]),
        };
        assert!(parsed.verify(tenant(1), &impostor).is_err());
    }

    #[test]
    fn every_flipped_bit_truncation_and_extension_is_refused() {
        let text = token().encode(tenant(1), &key(1)).to_string();
        let accepted = |text: &str| {
            UntrustedToken::parse(text)
                .and_then(|t| t.verify(tenant(1), &key(1)))
                .is_ok()
        };
        assert!(accepted(&text));
        for end in 0..text.len() {
            assert!(!accepted(&text[..end]), "cut to {end}");
        }
        for extra in ["A", "=", "==", " ", "\n"] {
            assert!(!accepted(&format!("{text}{extra}")), "with {extra:?}");
        }
        for position in PREFIX.len()..text.len() {
            for other in ["A", "b", "-", "_", "+", "/", "="] {
                let mut changed = text.clone();
                changed.replace_range(position..=position, other);
                assert!(
                    changed == text || !accepted(&changed),
                    "{other} at {position}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,200}") {
            let _refused = UntrustedToken::parse(&text).is_err();
        }
    }
}
