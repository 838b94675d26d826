//! A tenant's keys, opened once and kept for a while: parsing them for every request would cost as
//! much as a signature.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use moka::future::Cache;
use zeroize::Zeroizing;

use super::{access_tokens::Es256AccessTokens, master_keys::MasterKeys, sealed};
use crate::{
    application::{
        error::{CryptoError, Error, StoreError},
        ports::{Keyring, SealedDataKey, Store, StoredTagKey, TenantKeys},
    },
    domain::{
        id::TenantId,
        refresh::TagKey,
        secret::Key256,
        signing_key::{PublicKey, StoredSigningKey},
        tenant::TenantScope,
    },
};

/// Tenants whose keys are kept, about 1 KiB each besides their verified tokens.
const MAX_TENANTS: u64 = 10_000;
/// How long: an upper bound on how old a set of keys may be.
const TTL: Duration = Duration::from_secs(60);

/// Opens keys through a [`Store`] and keeps them.
pub struct CachedKeyring {
    store: Arc<dyn Store>,
    master_keys: Arc<MasterKeys>,
    keys: Cache<TenantId, Arc<TenantKeys>>,
}

impl std::fmt::Debug for CachedKeyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CachedKeyring")
            .field("master_keys", &self.master_keys)
            .finish_non_exhaustive()
    }
}

impl CachedKeyring {
    pub fn new(store: Arc<dyn Store>, master_keys: Arc<MasterKeys>) -> Self {
        Self {
            store,
            master_keys,
            keys: Cache::builder()
                .max_capacity(MAX_TENANTS)
                .time_to_live(TTL)
                .build(),
        }
    }

    async fn load(&self, tenant: &TenantScope) -> Result<Arc<TenantKeys>, Error> {
        let mut work = self.store.view(tenant).await?;
        let (sealed, signing, tags) = (
            work.sealed_data_key().await?,
            work.signing_keys().await?,
            work.tag_keys().await?,
        );
        drop(work);
        let id = tenant.id();
        let data_key = self.open_data_key(id, &sealed)?;
        let public: Vec<PublicKey> = signing.iter().map(|key| key.public.clone()).collect();
        let active = signing
            .first()
            .ok_or(CryptoError::Failed("finding a signing key"))?;
        Ok(Arc::new(TenantKeys {
            tokens: Box::new(open_signer(id, &data_key, active, &public)?),
            public,
            tag_keys: tags
                .iter()
                .map(|key| open_tag_key(id, &data_key, key))
                .collect::<Result<_, _>>()?,
        }))
    }

    fn open_data_key(
        &self,
        tenant: TenantId,
        sealed: &SealedDataKey,
    ) -> Result<Key256, CryptoError> {
        let master_key = self.master_keys.get(&sealed.master_key_id)?;
        key256(sealed::data_key(tenant).open(master_key, &sealed.sealed)?)
    }
}

fn key256(bytes: Vec<u8>) -> Result<Key256, CryptoError> {
    Key256::from_slice(&Zeroizing::new(bytes)).ok_or(CryptoError::Unsealable("key"))
}

fn open_signer(
    tenant: TenantId,
    data_key: &Key256,
    active: &StoredSigningKey,
    all: &[PublicKey],
) -> Result<Es256AccessTokens, CryptoError> {
    let place = sealed::private_key(tenant, active.public.id.as_str());
    let pkcs8 = Zeroizing::new(place.open(data_key, &active.sealed_private_key)?);
    Es256AccessTokens::new(&pkcs8, &active.public, all)
}

fn open_tag_key(
    tenant: TenantId,
    data_key: &Key256,
    stored: &StoredTagKey,
) -> Result<TagKey, CryptoError> {
    let id = stored.id.0.to_string();
    Ok(TagKey {
        id: stored.id,
        key: key256(sealed::tag_key(tenant, &id).open(data_key, &stored.sealed)?)?,
    })
}

#[async_trait]
impl Keyring for CachedKeyring {
    async fn keys(&self, tenant: &TenantScope) -> Result<Arc<TenantKeys>, Error> {
        let loaded = self.keys.try_get_with(tenant.id(), self.load(tenant)).await;
        // Waiters share one error, which can't be cloned: they get what a caller can act on, and
        // the cause is in the source.
        loaded.map_err(|error| match &*error {
            Error::Crypto(_) | Error::Store(StoreError::Corrupt { .. }) => {
                tracing::error!(tenant = %tenant.slug(), error = %describe(&error), "keys can't be opened");
                Error::Crypto(CryptoError::Failed("opening the tenant's keys"))
            }
            _ => Error::Store(StoreError::Unavailable(describe(&error).into())),
        })
    }
}

fn describe(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
