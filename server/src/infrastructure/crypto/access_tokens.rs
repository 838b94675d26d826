//! Access tokens as JWTs (RFC 9068).
//!
//! Tokens are put together by hand around a key that was parsed once: reading a key anew costs
//! more than signing with it. They are verified by the `jsonwebtoken` crate, and what verified is
//! remembered for a moment, so a client that sends the same Bearer token again costs a hash.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::jws::{SigningKey, Verifiers};
use crate::{
    application::{
        error::CryptoError,
        ports::{AccessTokens, JwtKind},
    },
    domain::claims::AccessClaims,
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
pub struct SignedAccessTokens {
    key: Arc<SigningKey>,
    header: String,
    verifiers: Arc<Verifiers>,
    verified: VerifiedTokens,
    owner: u64,
}

impl fmt::Debug for SignedAccessTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedAccessTokens").finish_non_exhaustive()
    }
}

impl SignedAccessTokens {
    /// Signs with `key`, verifies with each of `verifiers`.
    pub(super) fn new(
        key: Arc<SigningKey>,
        verifiers: Arc<Verifiers>,
        verified: VerifiedTokens,
    ) -> Result<Self, CryptoError> {
        Ok(Self {
            header: key.header(JwtKind::AccessToken)?,
            key,
            verifiers,
            owner: verified.next_owner.fetch_add(1, Ordering::Relaxed),
            verified,
        })
    }
}

impl AccessTokens for SignedAccessTokens {
    fn sign(&self, claims: &AccessClaims) -> Result<String, CryptoError> {
        let claims =
            serde_json::to_vec(claims).map_err(|_| CryptoError::Failed("writing claims"))?;
        self.key.sign(&self.header, &claims)
    }

    fn verify(&self, token: &str) -> Option<AccessClaims> {
        if token.len() > MAX_LENGTH {
            return None;
        }
        let entry = (self.owner, Sha256::digest(token).into());
        if let Some(claims) = self.verified.cache.get(&entry) {
            return Some(AccessClaims::clone(&claims));
        }
        let claims: AccessClaims = self.verifiers.verify(JwtKind::AccessToken, token)?;
        self.verified.cache.insert(entry, Arc::new(claims.clone()));
        Some(claims)
    }
}
