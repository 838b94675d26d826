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
            Aead, Clock, KeyStore, Keyring, SealedDataKey, StoredKeys, StoredTagKey, TenantKeys,
        },
    },
    domain::{
        id::TenantId,
        refresh::TagKey,
        secret::Key256,
        signing_key::{PublicKey, SigningAlgorithm},
        tenant::TenantScope,
    },
};

/// How long other instances may go on with keys that were replaced.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// A key that another instance made is published here as soon.
const PUBLISHED_FOR: Duration = Duration::from_secs(1);
/// Some 1 KiB each.
pub const DEFAULT_CAPACITY: u64 = 10_000;

/// Loads a tenant's keys, opens them and keeps them for a minute.
pub struct CachedKeyring {
    store: Arc<dyn KeyStore>,
    master: Arc<MasterKeys>,
    aead: Arc<dyn Aead>,
    maker: Arc<SealedKeyMaker>,
    clock: Arc<dyn Clock>,
    verified: VerifiedTokens,
    opened: Cache<TenantId, Arc<TenantKeys>>,
    published: Cache<TenantId, Arc<Vec<PublicKey>>>,
    /// One key is made at a time: an RSA key takes a core for a while.
    making: Mutex<()>,
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
            published: Cache::builder()
                .max_capacity(capacity)
                .time_to_live(PUBLISHED_FOR)
                .build(),
            verified: VerifiedTokens::default(),
            opened: Cache::builder()
                .max_capacity(capacity)
                .time_to_live(KEPT_FOR)
                .build(),
        }
    }

    /// The master keys that open this keyring's keys.
    #[cfg(test)]
    pub(super) fn master(&self) -> &Arc<MasterKeys> {
        &self.master
    }

    /// Drops a tenant's keys, because they changed or the tenant is gone.
    pub async fn forget(&self, tenant: TenantId) {
        self.opened.invalidate(&tenant).await;
        self.published.invalidate(&tenant).await;
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
        let StoredKeys {
            data_key,
            signing_keys,
            tag_keys,
        } = stored;
        let data_key = self.open_data_key(tenant, data_key)?;
        let tag_keys = tag_keys
            .iter()
            .map(|stored| self.open_tag_key(tenant, &data_key, stored))
            .collect::<Result<_, _>>()?;

        let public: Vec<_> = signing_keys.iter().map(|key| key.public.clone()).collect();
        let mut signing = HashMap::new();
        for stored in signing_keys {
            let private_key = sealed::private_key(tenant, stored.public.id.as_str()).open(
                &*self.aead,
                &data_key,
                &stored.sealed_private_key,
            )?;
            let key = SigningKey::read(&stored.public, &private_key)?;
            // The latest comes first.
            signing.entry(key.algorithm).or_insert(Arc::new(key));
        }
        let verifiers = Arc::new(Verifiers::read(&public)?);
        // Until the key that the policy wants is made, the one that every tenant has signs.
        let key = signing
            .get(&algorithm)
            .or_else(|| signing.get(&SigningAlgorithm::Es256))
            .ok_or(CryptoError::Failed("finding a signing key"))?;
        let tokens = SignedAccessTokens::new(
            Arc::clone(key),
            Arc::clone(&verifiers),
            self.verified.clone(),
        )?;
        Ok(TenantKeys {
            tokens: Box::new(tokens),
            jwts: Box::new(TenantJwts { signing, verifiers }),
            derivation: derivation_key(&data_key),
            access_token_alg: algorithm,
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

    /// Makes a key and adds it, unless another instance was first.
    async fn make(&self, tenant: &TenantScope, algorithm: SigningAlgorithm) -> Result<(), Error> {
        let stored = self.store.stored_keys(tenant).await?;
        let data_key = self.open_data_key(tenant.id(), &stored.data_key)?;
        let (maker, id) = (Arc::clone(&self.maker), tenant.id());
        let key = tokio::task::spawn_blocking(move || maker.signing_key(id, &data_key, algorithm))
            .await
            .map_err(|_| CryptoError::Failed("making a signing key"))??;
        match self
            .store
            .add_signing_key(tenant, &key, self.clock.now())
            .await
        {
            Err(StoreError::Conflict("signing_keys_tenant_id_algorithm_active_key")) => Ok(()),
            other => {
                other?;
                tracing::info!(algorithm = algorithm.name(), "signing key made");
                Ok(())
            }
        }
    }

    fn open_data_key(
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
        // Without the machinery of a shared load: nearly every request comes this way.
        if let Some(keys) = self.opened.get(&tenant.id()).await
            && keys.access_token_alg == tenant.policy().access_token_alg
        {
            return Ok(keys);
        }
        let algorithm = tenant.policy().access_token_alg;
        if algorithm != SigningAlgorithm::Es256 {
            // The policy may have changed a moment ago, and its key may be still to be made.
            self.keys_with(tenant, algorithm).await?;
        }
        let keys = self.reopened(tenant).await?;
        if keys.access_token_alg == algorithm {
            return Ok(keys);
        }
        self.forget(tenant.id()).await;
        self.reopened(tenant).await
    }

    async fn keys_with(
        &self,
        tenant: &TenantScope,
        algorithm: SigningAlgorithm,
    ) -> Result<Arc<TenantKeys>, Error> {
        let keys = match self.opened.get(&tenant.id()).await {
            Some(keys) => keys,
            None => self.reopened(tenant).await?,
        };
        if keys.jwts.can_sign(algorithm) {
            return Ok(keys);
        }
        let _turn = self.making.lock().await;
        // Another request or another instance may have made it meanwhile.
        for made in [false, true] {
            if made {
                self.make(tenant, algorithm).await?;
            }
            self.forget(tenant.id()).await;
            let keys = self.reopened(tenant).await?;
            if keys.jwts.can_sign(algorithm) {
                return Ok(keys);
            }
        }
        Err(CryptoError::Failed("finding a signing key").into())
    }

    async fn published(&self, tenant: &TenantScope) -> Result<Arc<Vec<PublicKey>>, Error> {
        if let Some(keys) = self.published.get(&tenant.id()).await {
            return Ok(keys);
        }
        let load = async {
            let keys = self.store.stored_keys(tenant).await?.signing_keys;
            Ok(Arc::new(keys.into_iter().map(|key| key.public).collect()))
        };
        self.published
            .try_get_with(tenant.id(), load)
            .await
            .map_err(|error| LoadError::share(&error))
    }
}

/// What other keys of the tenant are derived from.
fn derivation_key(data_key: &Key256) -> Key256 {
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
