use async_trait::async_trait;

use super::{
    connection::Database,
    tenant_tx::{Access, TenantTx},
};
use crate::{
    application::{
        error::StoreError,
        ports::{KeyChange, KeyStore, Store, StoredKeys, UnitOfWork},
    },
    domain::tenant::TenantScope,
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
        tx.stored_keys().await
    }

    async fn change_keys(
        &self,
        tenant: &TenantScope,
        change: &KeyChange,
    ) -> Result<bool, StoreError> {
        let mut tx = TenantTx::begin(&self.db, tenant.id(), Access::Write).await?;
        if !tx.change_keys(change).await? {
            return Ok(false);
        }
        tx.finish().await?;
        Ok(true)
    }
}

#[async_trait]
impl UnitOfWork for TenantTx {
    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.finish().await
    }
}
