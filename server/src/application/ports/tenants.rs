//! The directory of tenants.

use async_trait::async_trait;

use super::{KeptCreation, StoredSigningKey};
use crate::{
    application::error::StoreError,
    domain::{
        client::Client,
        domain_name::DomainName,
        refresh::TagKeyId,
        secret::Key256,
        tenant::{Policy, Slug, Tenant, TenantState},
        timestamp::Timestamp,
    },
};

/// The directory of all tenants: the only place that knows more than one.
#[async_trait]
pub trait Tenants: Send + Sync {
    /// Adds a tenant, its keys, its first client and the answer to its making, or nothing.
    /// `Conflict("tenants_slug_key")` when the slug is taken, `Conflict("tenants_creation_digest_key")` when
    /// another one was made under this digest, which has not ended.
    async fn create(
        &self,
        tenant: &Tenant,
        keys: &NewTenantKeys,
        client: &Client,
        kept: Option<&KeptCreation>,
    ) -> Result<(), StoreError>;
    /// The tenant that was made under this digest, while that is remembered.
    async fn by_creation(
        &self,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Tenant>, StoreError>;
    /// Finds a tenant. An answer may be up to a second old.
    async fn by_slug(&self, slug: &Slug) -> Result<Option<Tenant>, StoreError>;
    /// The tenant that holds a custom domain. An answer may be up to a second old.
    async fn slug_at(&self, domain: &DomainName) -> Result<Option<Slug>, StoreError>;
    /// The tenant's hold on a domain was changed: what is kept of either counts no more.
    async fn forget_domain(&self, slug: &Slug, domain: &DomainName);
    /// Finds a tenant as it is now: for those who change it.
    async fn by_slug_now(&self, slug: &Slug) -> Result<Option<Tenant>, StoreError> {
        self.by_slug(slug).await
    }
    /// Up to `limit` tenants behind `after`: in order of slug those whose slug begins with `q`; when there are
    /// none, in order of name those whose name does.
    async fn page(
        &self,
        after: Option<&TenantPosition>,
        limit: u32,
        q: Option<&str>,
    ) -> Result<Vec<TenantAt>, StoreError>;
    /// Replaces the name of a tenant that was last changed at `expected`; `None` as in `set_policy`.
    async fn set_name(
        &self,
        slug: &Slug,
        name: &str,
        expected: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Tenant>, StoreError>;
    /// Replaces the policy of a tenant that was last changed at `expected`. `None` when there is no
    /// such tenant, or when it was changed since. The schedule of its keys is looked at anew.
    async fn set_policy(
        &self,
        slug: &Slug,
        policy: &Policy,
        jwks_cached_until: Option<Timestamp>,
        expected: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Tenant>, StoreError>;
    /// Suspends or resumes, and says whether that was a change. `None` when there is no such tenant.
    async fn set_state(
        &self,
        slug: &Slug,
        state: TenantState,
        now: Timestamp,
    ) -> Result<Option<(Tenant, bool)>, StoreError>;
    /// Ends a tenant: it is found no more, its slug is free, and its data key is destroyed, so that nothing
    /// that was sealed for it can be opened again. Its rows go later. `false` when there is none.
    async fn delete(&self, slug: &Slug, now: Timestamp) -> Result<bool, StoreError>;
    /// Deletes up to `rows` rows of tenants that were ended.
    async fn sweep(&self, rows: u32) -> Result<Swept, StoreError>;
}

/// A tenant and where it stands in the list.
pub type TenantAt = (TenantPosition, Tenant);

/// Where a page of tenants begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantPosition {
    /// Behind this one, in order of slug.
    Slug(Slug),
    /// Behind this one, in order of name.
    Name(String, Slug),
}

/// What a sweep found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swept {
    /// There may be more.
    Some,
    /// Nothing of any ended tenant is left.
    Clean,
}

/// The keys of a tenant in the making, all sealed.
#[derive(Debug)]
pub struct NewTenantKeys {
    pub data_key: SealedDataKey,
    pub signing_key: StoredSigningKey,
    pub tag_key: StoredTagKey,
    /// What other keys of the tenant are derived from; not stored.
    pub derivation: Key256,
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

/// Deletes what is left of ended tenants, in the background.
pub trait Sweeper: Send + Sync {
    /// There is something to sweep.
    fn notify(&self);
}
