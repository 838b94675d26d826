//! Opened keys, a bounded number of tenants at a time.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use moka::future::Cache;
use tokio::sync::Mutex;

use super::{
    access_tokens::{SignedAccessTokens, VerifiedTokens},
    jws::{SigningKey, TenantJwts, Verifiers},
    key_maker::SealedKeyMaker,
    master_keys::MasterKeys,
    sealed,
};
use crate::{
    application::{
        error::{CryptoError, Error, StoreError},
        issue::keyed_digest,
        ports::{
            Aead, Clock, KeyAnswer, KeyDecision, KeyStore, Keyring, KeysChanged, SealedDataKey,
            StoredKeys, StoredTagKey, TenantKeys,
        },
    },
    domain::{
        id::TenantId,
        key_rotation::{self, KeyRecord, KeyRules, KeyState},
        refresh::TagKey,
        secret::Key256,
        signing_key::SigningAlgorithm,
        tenant::TenantScope,
        timestamp::Timestamp,
    },
    infrastructure::metrics::MetricsBuilder,
};

/// How long opened keys stay that nothing changes. What changes them counts their version up.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// Some 1 KiB each.
pub const DEFAULT_CAPACITY: u64 = 10_000;

/// Loads a tenant's keys, opens them and keeps them for a minute.
pub struct CachedKeyring {
    pub(super) store: Arc<dyn KeyStore>,
    pub(super) maker: Arc<SealedKeyMaker>,
    /// One key is made at a time: an RSA key takes a core for a while.
    pub(super) making: Mutex<()>,
    master: Arc<MasterKeys>,
    aead: Arc<dyn Aead>,
    clock: Arc<dyn Clock>,
    verified: VerifiedTokens,
    opened: Cache<TenantId, Arc<TenantKeys>>,
}

impl fmt::Debug for CachedKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedKeyring").finish_non_exhaustive()
    }
}

impl CachedKeyring {
    /// Keeps the keys of up to `capacity` tenants.
    pub fn new(
        store: Arc<dyn KeyStore>,
        master: Arc<MasterKeys>,
        aead: Arc<dyn Aead>,
        maker: Arc<SealedKeyMaker>,
        clock: Arc<dyn Clock>,
        capacity: u64,
    ) -> Self {
        Self {
            store,
            master,
            aead,
            maker,
            clock,
            making: Mutex::new(()),
            verified: VerifiedTokens::default(),
            opened: Cache::builder()
                .max_capacity(capacity)
                .time_to_live(KEPT_FOR)
                .build(),
        }
    }

    /// Adds what is known of the keys at hand.
    pub fn register(&self, metrics: &mut MetricsBuilder) {
        let (opened, clock) = (self.opened.clone(), Arc::clone(&self.clock));
        metrics.sample(
            "signing_key_age_seconds",
            "Age of the oldest signing key that was used in the last minute",
            move || {
                let now = clock.now();
                let ages = opened
                    .iter()
                    .filter_map(|(_, keys)| Some(now.since(keys.active_since?)));
                let oldest = ages.max();
                oldest
                    .map(|age| (None, age.as_secs_f64()))
                    .into_iter()
                    .collect()
            },
        );
    }

    /// The master keys that open this keyring's keys.
    #[cfg(test)]
    pub(super) fn master(&self) -> &Arc<MasterKeys> {
        &self.master
    }

    /// Drops a tenant's keys, because they changed or the tenant is gone.
    pub async fn forget(&self, tenant: TenantId) {
        self.opened.invalidate(&tenant).await;
    }

    async fn load(&self, tenant: &TenantScope) -> Result<Arc<TenantKeys>, LoadError> {
        let stored = self.store.stored_keys(tenant).await?;
        let algorithm = tenant.policy().access_token_alg;
        let keys = self.open(tenant.id(), &stored, algorithm)?;
        Ok(Arc::new(keys))
    }

    fn open(
        &self,
        tenant: TenantId,
        stored: &StoredKeys,
        algorithm: SigningAlgorithm,
    ) -> Result<TenantKeys, CryptoError> {
        let data_key = self.open_data_key(tenant, &stored.data_key)?;
        let tag_keys = stored
            .tag_keys
            .iter()
            .map(|stored| self.open_tag_key(tenant, &data_key, stored))
            .collect::<Result<_, _>>()?;

        let published = stored
            .signing_keys
            .iter()
            .filter(|key| key.record.state.is_published());
        let public: Vec<_> = published.map(|key| key.record.public.clone()).collect();
        let next = stored
            .signing_keys
            .iter()
            .filter(|key| key.record.state == KeyState::Next);
        let announced = next.map(|key| key.record.public.algorithm).collect();
        let active = stored
            .signing_keys
            .iter()
            .filter(|key| key.record.state == KeyState::Active);
        let mut signing = HashMap::new();
        let mut active_since = None;
        for stored in active {
            let since = stored.record.since;
            active_since = active_since.map_or(Some(since), |oldest| Some(since.min(oldest)));
            let public = &stored.record.public;
            let private_key = sealed::private_key(tenant, public.id.as_str()).open(
                &*self.aead,
                &data_key,
                &stored.sealed_private_key,
            )?;
            signing.insert(
                public.algorithm,
                Arc::new(SigningKey::read(public, &private_key)?),
            );
        }
        let verifiers = Arc::new(Verifiers::read(&public)?);
        // Until the key that the policy wants is made, the one that every tenant has signs.
        let key = signing
            .get(&algorithm)
            .or_else(|| signing.get(&SigningAlgorithm::Es256))
            .map(Arc::clone)
            .ok_or(CryptoError::Failed("finding a signing key"))?;
        let tokens = SignedAccessTokens::new(
            Arc::clone(&key),
            Arc::clone(&verifiers),
            self.verified.clone(),
        )?;
        Ok(TenantKeys {
            version: stored.version,
            tokens: Box::new(tokens),
            jwts: Box::new(TenantJwts { signing, verifiers }),
            derivation: derivation_key(&data_key),
            access_token_alg: key.algorithm,
            active_since,
            announced,
            public,
            tag_keys,
        })
    }

    async fn reopened(&self, tenant: &TenantScope) -> Result<Arc<TenantKeys>, Error> {
        self.opened
            .try_get_with(tenant.id(), self.load(tenant))
            .await
            .map_err(|error| LoadError::share(&error))
    }

    /// Keys that are at least as new as what the directory says of the tenant.
    async fn current(&self, tenant: &TenantScope) -> Result<Arc<TenantKeys>, Error> {
        // Without the machinery of a shared load: nearly every request comes this way.
        if let Some(keys) = self.opened.get(&tenant.id()).await
            && keys.version >= tenant.keys_version()
        {
            return Ok(keys);
        }
        // The first answer may be of a load that began before the change.
        for _ in 0..2 {
            let keys = self.reopened(tenant).await?;
            if keys.version >= tenant.keys_version() {
                return Ok(keys);
            }
            self.forget(tenant.id()).await;
        }
        self.reopened(tenant).await
    }

    /// Makes a key of an algorithm that the policy wants for access tokens.
    async fn introduce(
        &self,
        tenant: &TenantScope,
        algorithm: SigningAlgorithm,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        // Nothing of this tenant was ever changed: it is new, and no verifier can have an older JWK Set.
        let is_new = tenant.keys_version() == 0;
        let decide = |keys: &[KeyRecord], rules: &KeyRules| match is_new {
            true => Ok(key_rotation::first_use(keys, algorithm, now)),
            false => key_rotation::introduce(keys, rules, algorithm, now),
        };
        self.change(tenant, &decide, now).await.map(|_| ())
    }

    pub(super) fn open_data_key(
        &self,
        tenant: TenantId,
        stored: &SealedDataKey,
    ) -> Result<Key256, CryptoError> {
        let master = self.master.opening(&stored.master_key_id)?;
        let opened = sealed::data_key(tenant, &tenant.to_string()).open(
            &*self.aead,
            master,
            &stored.sealed,
        )?;
        Key256::from_slice(&opened).ok_or(CryptoError::Failed("reading a data key"))
    }

    fn open_tag_key(
        &self,
        tenant: TenantId,
        data_key: &Key256,
        stored: &StoredTagKey,
    ) -> Result<TagKey, CryptoError> {
        let key = sealed::tag_key(tenant, &stored.id.0.to_string()).open(
            &*self.aead,
            data_key,
            &stored.sealed,
        )?;
        Ok(TagKey {
            id: stored.id,
            key: Key256::from_slice(&key).ok_or(CryptoError::Failed("reading a tag key"))?,
        })
    }
}

#[async_trait]
impl Keyring for CachedKeyring {
    async fn keys(&self, tenant: &TenantScope) -> Result<Arc<TenantKeys>, Error> {
        let keys = self.current(tenant).await?;
        let algorithm = tenant.policy().access_token_alg;
        if keys.access_token_alg == algorithm {
            return Ok(keys);
        }
        if keys.announced.contains(&algorithm) {
            // Verifiers may not know the key that the policy wants yet.
            return Ok(keys);
        }
        if !keys.jwts.can_sign(algorithm) {
            // The policy changed a moment ago, and its key is still to be made.
            self.introduce(tenant, algorithm).await?;
        }
        self.forget(tenant.id()).await;
        self.reopened(tenant).await
    }

    async fn keys_with(
        &self,
        tenant: &TenantScope,
        algorithm: SigningAlgorithm,
    ) -> Result<Arc<TenantKeys>, Error> {
        let keys = self.current(tenant).await?;
        if keys.jwts.can_sign(algorithm) {
            return Ok(keys);
        }
        let now = self.clock.now();
        let first_use =
            |keys: &[KeyRecord], _: &KeyRules| Ok(key_rotation::first_use(keys, algorithm, now));
        self.change(tenant, &first_use, now).await?;
        let keys = self.reopened(tenant).await?;
        if keys.jwts.can_sign(algorithm) {
            return Ok(keys);
        }
        Err(CryptoError::Failed("finding a signing key").into())
    }

    async fn records(&self, tenant: &TenantScope) -> Result<Vec<KeyRecord>, Error> {
        Ok(self.store.stored_keys(tenant).await?.records())
    }

    async fn change_and_keep(
        &self,
        tenant: &TenantScope,
        decide: KeyDecision<'_>,
        answer: KeyAnswer<'_>,
        now: Timestamp,
    ) -> Result<KeysChanged, Error> {
        let changed = self.carry_out(tenant, decide, answer, now).await;
        // After a failure too: the change may have happened all the same.
        self.forget(tenant.id()).await;
        changed
    }
}

/// What other keys of the tenant are derived from.
pub(super) fn derivation_key(data_key: &Key256) -> Key256 {
    Key256::from_bytes(keyed_digest(data_key, &[b"tokenhouse/derivation/1"]))
}

/// Why keys did not load. All who wait for one load get the same error.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error("a store failed")]
    Store(#[from] StoreError),
    #[error("keys failed")]
    Crypto(#[from] CryptoError),
}

/// An error that several callers hold.
#[derive(Debug, thiserror::Error)]
#[error("the tenant's keys can't be loaded")]
struct Shared(#[source] Arc<LoadError>);

impl LoadError {
    fn share(error: &Arc<Self>) -> Error {
        match &**error {
            Self::Store(StoreError::Conflict(constraint)) => {
                Error::Store(StoreError::Conflict(constraint))
            }
            Self::Store(StoreError::Unavailable(_)) => {
                Error::Store(StoreError::Unavailable(Box::new(Shared(Arc::clone(error)))))
            }
            Self::Store(StoreError::Contended(_)) => {
                Error::Store(StoreError::Contended(Box::new(Shared(Arc::clone(error)))))
            }
            Self::Store(StoreError::Corrupt { table, column, row }) => {
                Error::Store(StoreError::Corrupt {
                    table,
                    column,
                    row: row.clone(),
                })
            }
            Self::Crypto(CryptoError::Unsealable(what)) => {
                Error::Crypto(CryptoError::Unsealable(what))
            }
            Self::Crypto(CryptoError::UnknownMasterKey(id)) => {
                Error::Crypto(CryptoError::UnknownMasterKey(id.clone()))
            }
            Self::Crypto(CryptoError::Failed(what)) => Error::Crypto(CryptoError::Failed(what)),
        }
    }
}
