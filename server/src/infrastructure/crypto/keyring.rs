//! Opened keys, a bounded number of tenants at a time.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use moka::future::Cache;

use super::{
    access_tokens::{Es256AccessTokens, VerifiedTokens},
    master_keys::MasterKeys,
    sealed,
};
use crate::{
    application::{
        error::{CryptoError, Error, StoreError},
        ports::{Aead, Keyring, SealedDataKey, Store, StoredTagKey, TenantKeys},
    },
    domain::{
        id::TenantId, refresh::TagKey, secret::Key256, signing_key::StoredSigningKey,
        tenant::TenantScope,
    },
};

/// How long other instances may go on with keys that were replaced.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// Some 1 KiB each.
pub const DEFAULT_CAPACITY: u64 = 10_000;

/// Loads a tenant's keys, opens them and keeps them for a minute.
pub struct CachedKeyring {
    store: Arc<dyn Store>,
    master: Arc<MasterKeys>,
    aead: Arc<dyn Aead>,
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
        store: Arc<dyn Store>,
        master: Arc<MasterKeys>,
        aead: Arc<dyn Aead>,
        capacity: u64,
    ) -> Self {
        Self {
            store,
            master,
            aead,
            verified: VerifiedTokens::default(),
            opened: Cache::builder()
                .max_capacity(capacity)
                .time_to_live(KEPT_FOR)
                .build(),
        }
    }

    /// Drops a tenant's keys, because they changed or the tenant is gone.
    pub async fn forget(&self, tenant: TenantId) {
        self.opened.invalidate(&tenant).await;
    }

    async fn load(&self, tenant: &TenantScope) -> Result<Arc<TenantKeys>, LoadError> {
        let mut view = self.store.view(tenant).await?;
        let data_key = view.sealed_data_key().await?;
        let signing_keys = view.signing_keys().await?;
        let tag_keys = view.tag_keys().await?;
        drop(view);
        let keys = self.open(tenant.id(), &data_key, &signing_keys, &tag_keys)?;
        Ok(Arc::new(keys))
    }

    fn open(
        &self,
        tenant: TenantId,
        data_key: &SealedDataKey,
        signing_keys: &[StoredSigningKey],
        tag_keys: &[StoredTagKey],
    ) -> Result<TenantKeys, CryptoError> {
        let master = self.master.opening(&data_key.master_key_id)?;
        let data_key = sealed::data_key(tenant, &tenant.to_string()).open(
            &*self.aead,
            master,
            &data_key.sealed,
        )?;
        let data_key =
            Key256::from_slice(&data_key).ok_or(CryptoError::Failed("reading a data key"))?;
        let tag_keys = tag_keys
            .iter()
            .map(|stored| self.open_tag_key(tenant, &data_key, stored))
            .collect::<Result<_, _>>()?;

        let public: Vec<_> = signing_keys.iter().map(|key| key.public.clone()).collect();
        let signing = signing_keys
            .first()
            .ok_or(CryptoError::Failed("finding a signing key"))?;
        let private_key = sealed::private_key(tenant, signing.public.id.as_str()).open(
            &*self.aead,
            &data_key,
            &signing.sealed_private_key,
        )?;
        let tokens = Es256AccessTokens::new(
            &signing.public.id,
            &private_key,
            &public,
            self.verified.clone(),
        )?;
        Ok(TenantKeys {
            tokens: Box::new(tokens),
            public,
            tag_keys,
        })
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
        self.opened
            .try_get_with(tenant.id(), self.load(tenant))
            .await
            .map_err(|error| LoadError::share(&error))
    }
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
