//! The directory of tenants.

use async_trait::async_trait;

use crate::{
    application::error::StoreError,
    domain::{
        client::Client,
        refresh::TagKeyId,
        signing_key::StoredSigningKey,
        tenant::{Policy, Slug, Tenant, TenantState},
        timestamp::Timestamp,
    },
};

/// The directory of all tenants: the only place that knows more than one.
#[async_trait]
pub trait Tenants: Send + Sync {
    /// Adds a tenant, its keys and its first client, or nothing.
    /// `Conflict("tenants_slug_key")` when the slug is taken.
    async fn create(
        &self,
        tenant: &Tenant,
        keys: &NewTenantKeys,
        client: &Client,
    ) -> Result<(), StoreError>;
    /// Finds a tenant. An answer may be up to a second old.
    async fn by_slug(&self, slug: &Slug) -> Result<Option<Tenant>, StoreError>;
    /// Up to `limit` tenants in order of slug, behind `after`, whose slug or name contains `q`.
    async fn page(
        &self,
        after: Option<&Slug>,
        limit: u32,
        q: Option<&str>,
    ) -> Result<Vec<Tenant>, StoreError>;
    /// Replaces the policy of a tenant that was last changed at `expected`. `None` when there is no
    /// such tenant, or when it was changed since.
    async fn set_policy(
        &self,
        slug: &Slug,
        policy: &Policy,
        expected: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Tenant>, StoreError>;
    /// Suspends or resumes. `None` when there is no such tenant.
    async fn set_state(
        &self,
        slug: &Slug,
        state: TenantState,
        now: Timestamp,
    ) -> Result<Option<Tenant>, StoreError>;
    /// Deletes a tenant with all it has; `false` when there is none.
    async fn delete(&self, slug: &Slug) -> Result<bool, StoreError>;
}

/// The keys of a tenant in the making, all sealed.
#[derive(Debug)]
pub struct NewTenantKeys {
    pub data_key: SealedDataKey,
    pub signing_key: StoredSigningKey,
    pub tag_key: StoredTagKey,
}

/// A tenant's data key, sealed under a master key.
#[derive(Clone, Debug)]
pub struct SealedDataKey {
    pub master_key_id: String,
    pub sealed: Vec<u8>,
}

/// A tag key, sealed under the tenant's data key.
#[derive(Clone, Debug)]
pub struct StoredTagKey {
    pub id: TagKeyId,
    pub sealed: Vec<u8>,
}
