//! Access tokens as JWTs (RFC 9068), signed with ES256 (RFC 7518 §3.4).
//!
//! Tokens are put together by hand around a key that was parsed once: reading a key anew costs
//! more than signing with it. They are verified by the `jsonwebtoken` crate, and what verified is
//! remembered for a moment, so a client that sends the same Bearer token again costs a hash.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, crypto::aws_lc};
use moka::sync::Cache;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    application::{error::CryptoError, ports::AccessTokens},
    domain::{
        claims::{ACCESS_TOKEN_TYPE, AccessClaims},
        signing_key::{KeyId, PublicKey, SigningAlgorithm},
    },
};

/// Longer texts are refused unread.
const MAX_LENGTH: usize = 8 * 1024;
const REMEMBERED: u64 = 20_000;
const REMEMBERED_FOR: Duration = Duration::from_secs(30);

/// Tokens that verified a moment ago, of all tenants. An entry belongs to one opened set of keys:
/// keys that were loaded anew start without any.
#[derive(Clone)]
pub struct VerifiedTokens {
    cache: Cache<(u64, [u8; 32]), Arc<AccessClaims>>,
    next_owner: Arc<AtomicU64>,
}

impl Default for VerifiedTokens {
    fn default() -> Self {
        Self::new(REMEMBERED)
    }
}

impl fmt::Debug for VerifiedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedTokens").finish_non_exhaustive()
    }
}

impl VerifiedTokens {
    /// Remembers up to `capacity` tokens, each for half a minute.
    pub fn new(capacity: u64) -> Self {
        Self {
            cache: Cache::builder()
                .max_capacity(capacity)
                .time_to_live(REMEMBERED_FOR)
                .build(),
            next_owner: Arc::default(),
        }
    }
}

/// One tenant's access tokens.
pub struct Es256AccessTokens {
    key: EcdsaKeyPair,
    /// The first part of every token, with the dot behind it.
    header: String,
    verifiers: HashMap<String, DecodingKey>,
    verified: VerifiedTokens,
    owner: u64,
}

impl fmt::Debug for Es256AccessTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Es256AccessTokens").finish_non_exhaustive()
    }
}

/// Members in the order in which readers expect them.
#[derive(Serialize)]
struct SignedHeader<'a> {
    typ: &'static str,
    alg: &'static str,
    kid: &'a str,
}

static VALIDATION: LazyLock<Validation> = LazyLock::new(|| {
    let mut validation = Validation::new(Algorithm::ES256);
    // It reads the system clock and knows no injected one. Times, issuer and audience are
    // `AccessClaims::check`'s; the claims are required by their type.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    validation
});

impl Es256AccessTokens {
    /// Signs with `private_key` (PKCS#8) as `id`, verifies with each of `public`.
    pub fn new(
        id: &KeyId,
        private_key: &[u8],
        public: &[PublicKey],
        verified: VerifiedTokens,
    ) -> Result<Self, CryptoError> {
        // Without it, a dependency that enables the other backend makes verification panic.
        let _installed_before = aws_lc::DEFAULT_PROVIDER.install_default();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private_key)
            .map_err(|_| CryptoError::Failed("reading an ES256 key"))?;
        let header = serde_json::to_vec(&SignedHeader {
            typ: ACCESS_TOKEN_TYPE,
            alg: SigningAlgorithm::Es256.name(),
            kid: id.as_str(),
        })
        .map_err(|_| CryptoError::Failed("writing a token header"))?;
        let verifiers = public
            .iter()
            .map(|key| {
                DecodingKey::from_ec_components(&key.x, &key.y)
                    .map(|decoding| (key.id.as_str().to_owned(), decoding))
                    .map_err(|_| CryptoError::Failed("reading a public key"))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            key,
            header: format!("{}.", URL_SAFE_NO_PAD.encode(header)),
            verifiers,
            owner: verified.next_owner.fetch_add(1, Ordering::Relaxed),
            verified,
        })
    }

    fn verify_anew(&self, token: &str) -> Option<AccessClaims> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        // `jku`, `x5u`, `jwk` and the like are never looked at: keys come from the tenant alone.
        if !is_access_token(&header) || header.crit.is_some() {
            return None;
        }
        let key = self.verifiers.get(header.kid.as_deref()?)?;
        // The algorithm is the key's: all of ours are ES256, and `VALIDATION` allows no other.
        jsonwebtoken::decode(token, key, &VALIDATION)
            .ok()
            .map(|data| data.claims)
    }
}

impl AccessTokens for Es256AccessTokens {
    fn sign(&self, claims: &AccessClaims) -> Result<String, CryptoError> {
        let claims =
            serde_json::to_vec(claims).map_err(|_| CryptoError::Failed("writing claims"))?;
        let mut token =
            String::with_capacity(self.header.len() + claims.len().div_ceil(3) * 4 + 1 + 86);
        token.push_str(&self.header);
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self
            .key
            .sign(&SystemRandom::new(), token.as_bytes())
            .map_err(|_| CryptoError::Failed("signing"))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn verify(&self, token: &str) -> Option<AccessClaims> {
        if token.len() > MAX_LENGTH {
            return None;
        }
        let entry = (self.owner, Sha256::digest(token).into());
        if let Some(claims) = self.verified.cache.get(&entry) {
            return Some(AccessClaims::clone(&claims));
        }
        let claims = self.verify_anew(token)?;
        self.verified.cache.insert(entry, Arc::new(claims.clone()));
        Some(claims)
    }
}

/// RFC 9068 §4: `at+jwt` or `application/at+jwt`, in any case.
fn is_access_token(header: &Header) -> bool {
    header.typ.as_deref().is_some_and(|typ| {
        let name = match typ.split_at_checked("application/".len()) {
            Some((prefix, name)) if prefix.eq_ignore_ascii_case("application/") => name,
            _ => typ,
        };
        name.eq_ignore_ascii_case(ACCESS_TOKEN_TYPE)
    })
}
