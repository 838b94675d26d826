//! A tenant's keys: made, kept, opened, used.

use std::sync::Arc;

use async_trait::async_trait;

use super::{NewTenantKeys, SealedDataKey, StoredTagKey};
use crate::{
    application::error::{CryptoError, Error, StoreError},
    domain::{
        claims::AccessClaims,
        id::TenantId,
        refresh::TagKey,
        secret::Key256,
        signing_key::{PublicKey, SigningAlgorithm, StoredSigningKey},
        tenant::TenantScope,
        timestamp::Timestamp,
    },
};

/// Makes the keys of a new tenant.
pub trait KeyMaker: Send + Sync {
    fn make(&self, tenant: TenantId) -> Result<NewTenantKeys, CryptoError>;
}

/// Where a tenant's sealed keys are.
#[async_trait]
pub trait KeyStore: Send + Sync {
    async fn stored_keys(&self, tenant: &TenantScope) -> Result<StoredKeys, StoreError>;
    /// Adds a key that signs. `Conflict("signing_keys_tenant_id_algorithm_active_key")` when there is
    /// one of its algorithm.
    async fn add_signing_key(
        &self,
        tenant: &TenantScope,
        key: &StoredSigningKey,
        now: Timestamp,
    ) -> Result<(), StoreError>;
}

/// A tenant's keys, all sealed; of each kind the latest first.
#[derive(Clone, Debug)]
pub struct StoredKeys {
    pub data_key: SealedDataKey,
    pub signing_keys: Vec<StoredSigningKey>,
    pub tag_keys: Vec<StoredTagKey>,
}

/// A tenant's keys, opened and parsed once.
#[async_trait]
pub trait Keyring: Send + Sync {
    async fn keys(&self, tenant: &TenantScope) -> Result<Arc<TenantKeys>, Error>;
    /// Every key that verifiers may meet, at most a second old.
    async fn published(&self, tenant: &TenantScope) -> Result<Arc<Vec<PublicKey>>, Error>;
    /// Keys that can sign with `algorithm`; they are made when there are none yet.
    async fn keys_with(
        &self,
        tenant: &TenantScope,
        algorithm: SigningAlgorithm,
    ) -> Result<Arc<TenantKeys>, Error>;
}

/// A tenant's opened keys.
pub struct TenantKeys {
    pub tokens: Box<dyn AccessTokens>,
    pub jwts: Box<dyn Jwts>,
    /// What `tokens` were opened to sign with.
    pub access_token_alg: SigningAlgorithm,
    /// What other keys are derived from. It lives as long as the tenant's data key.
    pub derivation: Key256,
    /// Every key that verifiers may meet.
    pub public: Vec<PublicKey>,
    /// The first makes tags; all of them check.
    pub tag_keys: Vec<TagKey>,
}

impl std::fmt::Debug for TenantKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantKeys")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

impl TenantKeys {
    /// A key for one use alone.
    pub fn derive(&self, label: &str) -> Key256 {
        Key256::from_bytes(crate::application::issue::keyed_digest(
            &self.derivation,
            &[label.as_bytes()],
        ))
    }
}

/// The kind of a JWT that we sign; its `typ` header keeps kinds apart (RFC 8725 §3.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwtKind {
    AccessToken,
    IdToken,
    LogoutToken,
    UserInfo,
    Introspection,
}

/// Signs and verifies one tenant's JWTs.
pub trait Jwts: Send + Sync {
    /// Whether there is a key of this algorithm.
    fn can_sign(&self, algorithm: SigningAlgorithm) -> bool;
    fn sign(
        &self,
        algorithm: SigningAlgorithm,
        kind: JwtKind,
        claims: &[u8],
    ) -> Result<String, CryptoError>;
    fn verify(
        &self,
        kind: JwtKind,
        token: &str,
    ) -> Option<serde_json::Map<String, serde_json::Value>>;
}

/// Signs and verifies one tenant's access tokens (RFC 9068).
pub trait AccessTokens: Send + Sync {
    fn sign(&self, claims: &AccessClaims) -> Result<String, CryptoError>;
    /// Form, type, algorithm and signature; not the times and the issuer: those are
    /// [`AccessClaims::check`]'s. `None` for anything that this tenant didn't sign.
    fn verify(&self, token: &str) -> Option<AccessClaims>;
}

#[async_trait]
pub trait Keys {
    async fn sealed_data_key(&mut self) -> Result<SealedDataKey, StoreError>;
    /// Adds a key that signs. `Conflict("signing_keys_tenant_id_algorithm_active_key")` when there is
    /// one of its algorithm.
    async fn add_signing_key(
        &mut self,
        key: &StoredSigningKey,
        now: Timestamp,
    ) -> Result<(), StoreError>;
    async fn signing_keys(&mut self) -> Result<Vec<StoredSigningKey>, StoreError>;
    async fn tag_keys(&mut self) -> Result<Vec<StoredTagKey>, StoreError>;
}
