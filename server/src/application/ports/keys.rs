//! A tenant's keys: made, kept, opened, used.

use std::sync::Arc;

use async_trait::async_trait;

use super::{KeptAnswer, NewTenantKeys, SealedDataKey, StoredTagKey};
use crate::{
    application::error::{CryptoError, Error, StoreError},
    domain::{
        claims::AccessClaims,
        id::TenantId,
        key_rotation::{KeyRecord, KeyRefusal, KeyRules, Step},
        refresh::TagKey,
        secret::Key256,
        signing_key::{KeyId, PublicKey, SigningAlgorithm},
        tenant::{Tenant, TenantScope},
        timestamp::Timestamp,
    },
};

/// Makes the keys of a new tenant, and seals data keys under the master key that seals.
pub trait KeyMaker: Send + Sync {
    fn make(&self, tenant: TenantId, now: Timestamp) -> Result<NewTenantKeys, CryptoError>;
    /// The ids of the master keys; the first seals, all open.
    fn master_key_ids(&self) -> Vec<&str>;
    /// The same data key, sealed under the first master key.
    fn reseal(&self, tenant: TenantId, key: &SealedDataKey) -> Result<SealedDataKey, CryptoError>;
}

/// Where a tenant's sealed keys are.
#[async_trait]
pub trait KeyStore: Send + Sync {
    async fn stored_keys(&self, tenant: &TenantScope) -> Result<StoredKeys, StoreError>;
    /// Carries a change out, whole or not at all; `false` when the keys were changed since they were seen.
    async fn change_keys(
        &self,
        tenant: &TenantScope,
        change: &KeyChange,
    ) -> Result<bool, StoreError>;
}

/// What the directory knows of the data keys of all tenants. Nothing here costs more because there are more
/// tenants.
#[async_trait]
pub trait KeyDirectory: Send + Sync {
    /// Up to `limit` data keys that are sealed under this master key, of tenants behind `after` in order of id.
    async fn data_keys_under(
        &self,
        master_key_id: &str,
        after: Option<TenantId>,
        limit: u32,
    ) -> Result<Vec<(TenantId, SealedDataKey)>, StoreError>;
    /// How many data keys are sealed under this master key; counting stops at `limit`.
    async fn count_data_keys_under(
        &self,
        master_key_id: &str,
        limit: u32,
    ) -> Result<u32, StoreError>;
    /// The first id of a master key, in order of text behind `after`, that a data key is sealed under.
    async fn next_master_key(&self, after: &str) -> Result<Option<String>, StoreError>;
    /// Replaces a sealed data key by the same one, sealed anew. Gives whose it is; `None` when it is another one
    /// by now.
    async fn replace_data_key(
        &self,
        tenant: TenantId,
        seen: &SealedDataKey,
        new: &SealedDataKey,
    ) -> Result<Option<Tenant>, StoreError>;
}

/// A tenant's keys, all sealed; of each kind the latest first.
#[derive(Clone, Debug)]
pub struct StoredKeys {
    /// Not newer than what follows.
    pub version: i64,
    /// When the schedule looks at them.
    pub due_at: Option<Timestamp>,
    pub rules: KeyRules,
    pub data_key: SealedDataKey,
    pub signing_keys: Vec<StoredSigningKey>,
    pub tag_keys: Vec<StoredTagKey>,
}

impl StoredKeys {
    /// The signing keys without their private halves.
    pub fn records(&self) -> Vec<KeyRecord> {
        let keys = self.signing_keys.iter();
        keys.map(|key| key.record.clone()).collect()
    }
}

/// A signing key as a store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSigningKey {
    pub record: KeyRecord,
    /// Under the tenant's data key; empty when the key has nothing to sign any more.
    pub sealed_private_key: Vec<u8>,
}

/// One atomic change to a tenant's signing keys.
#[derive(Clone, Debug)]
pub struct KeyChange {
    /// It counts only if this is still the version.
    pub seen: i64,
    /// In this order: at no moment may two keys of one algorithm sign.
    pub edits: Vec<KeyEdit>,
    /// When the schedule looks at the keys next.
    pub due_at: Option<Timestamp>,
    /// The answer that tells of it.
    pub answer: Option<KeptAnswer>,
}

/// One part of a change.
#[derive(Clone, Debug)]
pub enum KeyEdit {
    Add(StoredSigningKey),
    /// The private half goes when the new state has no use for it.
    Move(KeyRecord),
    Remove(KeyId),
}

/// A tenant's signing keys around a change.
#[derive(Clone, Debug)]
pub struct KeysChanged {
    pub before: Vec<KeyRecord>,
    pub after: Vec<KeyRecord>,
}

/// Decides what to change, from the keys as they are. It is asked again when somebody was faster.
pub type KeyDecision<'a> =
    &'a (dyn Fn(&[KeyRecord], &KeyRules) -> Result<Vec<Step>, KeyRefusal> + Send + Sync);

/// What to remember of the answer that tells of the keys as they are after a change.
pub type KeyAnswer<'a> =
    &'a (dyn Fn(&[KeyRecord]) -> Result<Option<KeptAnswer>, Error> + Send + Sync);

/// A tenant's keys, opened and parsed once.
#[async_trait]
pub trait Keyring: Send + Sync {
    async fn keys(&self, tenant: &TenantScope) -> Result<Arc<TenantKeys>, Error>;
    /// Keys that can sign with `algorithm`; they are made when there are none yet.
    async fn keys_with(
        &self,
        tenant: &TenantScope,
        algorithm: SigningAlgorithm,
    ) -> Result<Arc<TenantKeys>, Error>;
    /// All signing keys, the latest first.
    async fn records(&self, tenant: &TenantScope) -> Result<Vec<KeyRecord>, Error>;
    /// Changes signing keys in one compare-and-swap. Other instances follow within a second.
    async fn change(
        &self,
        tenant: &TenantScope,
        decide: KeyDecision<'_>,
        now: Timestamp,
    ) -> Result<KeysChanged, Error> {
        self.change_and_keep(tenant, decide, &|_| Ok(None), now)
            .await
    }
    /// The same, with the answer remembered in the same step, also when there is nothing to change.
    async fn change_and_keep(
        &self,
        tenant: &TenantScope,
        decide: KeyDecision<'_>,
        answer: KeyAnswer<'_>,
        now: Timestamp,
    ) -> Result<KeysChanged, Error>;
}

/// A tenant's opened keys.
pub struct TenantKeys {
    /// The version that these are at least of.
    pub version: i64,
    pub tokens: Box<dyn AccessTokens>,
    pub jwts: Box<dyn Jwts>,
    /// What `tokens` were opened to sign with.
    pub access_token_alg: SigningAlgorithm,
    /// Algorithms whose next key is published.
    pub announced: Vec<SigningAlgorithm>,
    /// What other keys are derived from. It lives as long as the tenant's data key.
    pub derivation: Key256,
    /// Since when the oldest key that signs has been doing so.
    pub active_since: Option<Timestamp>,
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
    async fn signing_keys(&mut self) -> Result<Vec<StoredSigningKey>, StoreError>;
    async fn tag_keys(&mut self) -> Result<Vec<StoredTagKey>, StoreError>;
}
