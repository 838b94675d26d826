use async_trait::async_trait;

use super::{
    connection::Database,
    tenant_tx::{Access, TenantTx},
};
use crate::{
    application::{
        error::StoreError,
        ports::{KeyStore, Keys, Store, StoredKeys, UnitOfWork},
    },
    domain::{signing_key::StoredSigningKey, tenant::TenantScope, timestamp::Timestamp},
};

/// Opens units of work on a database.
#[derive(Clone, Debug)]
pub struct DatabaseStore {
    db: Database,
}

impl DatabaseStore {
    pub fn new(db: Database) -> Self {
        Self { db }
    }
}

#[async_trait]
impl Store for DatabaseStore {
    async fn view(&self, tenant: &TenantScope) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let tx = TenantTx::begin(&self.db, tenant.id(), Access::Read).await?;
        Ok(Box::new(tx))
    }

    async fn begin(&self, tenant: &TenantScope) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let tx = TenantTx::begin(&self.db, tenant.id(), Access::Write).await?;
        Ok(Box::new(tx))
    }
}

#[async_trait]
impl KeyStore for DatabaseStore {
    async fn stored_keys(&self, tenant: &TenantScope) -> Result<StoredKeys, StoreError> {
        let mut tx = TenantTx::begin(&self.db, tenant.id(), Access::Read).await?;
        Ok(StoredKeys {
            data_key: tx.sealed_data_key().await?,
            signing_keys: tx.signing_keys().await?,
            tag_keys: tx.tag_keys().await?,
        })
    }

    async fn add_signing_key(
        &self,
        tenant: &TenantScope,
        key: &StoredSigningKey,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = TenantTx::begin(&self.db, tenant.id(), Access::Write).await?;
        Keys::add_signing_key(&mut tx, key, now).await?;
        tx.finish().await
    }
}

#[async_trait]
impl UnitOfWork for TenantTx {
    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.finish().await
    }
}
