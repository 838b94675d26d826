//! Tenants by slug, and slugs by domain.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use moka::future::Cache;

use super::{Missing, cache, found, same};
use crate::{
    application::{
        error::StoreError,
        ports::{KeptCreation, NewTenantKeys, Swept, TenantAt, TenantPosition, Tenants},
    },
    domain::{
        client::Client,
        domain_name::DomainName,
        tenant::{Policy, Slug, Tenant, TenantState},
        timestamp::Timestamp,
    },
    infrastructure::metrics::{CacheLookups, Lookups},
};

/// Looks tenants up by slug, and slugs by domain, at most once a second each.
pub struct CachedTenants {
    inner: Arc<dyn Tenants>,
    by_slug: Cache<Slug, Tenant>,
    lookups: Lookups,
    /// Also the domains that are nobody's: whoever comes by another name of ours, in the cluster say, must
    /// not cost a query with each request. Names that anyone makes up push out each other.
    slugs: Cache<DomainName, Option<Slug>>,
}

impl fmt::Debug for CachedTenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedTenants").finish_non_exhaustive()
    }
}

impl CachedTenants {
    pub fn new(inner: Arc<dyn Tenants>, lookups: &CacheLookups) -> Self {
        Self {
            inner,
            by_slug: cache(),
            lookups: lookups.of("tenants"),
            slugs: cache(),
        }
    }

    async fn read(&self, slug: &Slug) -> Result<Tenant, Missing> {
        self.inner.by_slug(slug).await?.ok_or(Missing::NotThere)
    }
}

#[async_trait]
impl Tenants for CachedTenants {
    async fn create(
        &self,
        tenant: &Tenant,
        keys: &NewTenantKeys,
        client: &Client,
        kept: Option<&KeptCreation>,
    ) -> Result<(), StoreError> {
        self.inner.create(tenant, keys, client, kept).await
    }

    async fn by_creation(
        &self,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Tenant>, StoreError> {
        self.inner.by_creation(digest, now).await
    }

    async fn by_slug(&self, slug: &Slug) -> Result<Option<Tenant>, StoreError> {
        if let Some(tenant) = self.lookups.count(self.by_slug.get(slug).await) {
            return Ok(Some(tenant));
        }
        found(
            self.by_slug
                .try_get_with_by_ref(slug, self.read(slug))
                .await,
        )
    }

    async fn slug_at(&self, domain: &DomainName) -> Result<Option<Slug>, StoreError> {
        if let Some(slug) = self.slugs.get(domain).await {
            return Ok(slug);
        }
        let read = async { self.inner.slug_at(domain).await };
        let slug = self.slugs.try_get_with_by_ref(domain, read).await;
        slug.map_err(|error: Arc<StoreError>| {
            Arc::try_unwrap(error).unwrap_or_else(|shared| same(&shared))
        })
    }

    async fn forget_domain(&self, slug: &Slug, domain: &DomainName) {
        self.slugs.invalidate(domain).await;
        self.by_slug.invalidate(slug).await;
    }

    async fn by_slug_now(&self, slug: &Slug) -> Result<Option<Tenant>, StoreError> {
        let tenant = self.inner.by_slug_now(slug).await?;
        match &tenant {
            Some(tenant) => self.by_slug.insert(slug.clone(), tenant.clone()).await,
            None => self.by_slug.invalidate(slug).await,
        }
        Ok(tenant)
    }

    async fn page(
        &self,
        after: Option<&TenantPosition>,
        limit: u32,
        q: Option<&str>,
    ) -> Result<Vec<TenantAt>, StoreError> {
        self.inner.page(after, limit, q).await
    }

    async fn set_name(
        &self,
        slug: &Slug,
        name: &str,
        expected: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Tenant>, StoreError> {
        let tenant = self.inner.set_name(slug, name, expected, now).await;
        // After a failure too: the change may have happened all the same.
        self.by_slug.invalidate(slug).await;
        tenant
    }

    async fn set_policy(
        &self,
        slug: &Slug,
        policy: &Policy,
        jwks_cached_until: Option<Timestamp>,
        expected: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Tenant>, StoreError> {
        let tenant = self
            .inner
            .set_policy(slug, policy, jwks_cached_until, expected, now)
            .await;
        // After a failure too: the change may have happened all the same.
        self.by_slug.invalidate(slug).await;
        tenant
    }

    async fn set_state(
        &self,
        slug: &Slug,
        state: TenantState,
        now: Timestamp,
    ) -> Result<Option<(Tenant, bool)>, StoreError> {
        let tenant = self.inner.set_state(slug, state, now).await;
        // After a failure too: the change may have happened all the same.
        self.by_slug.invalidate(slug).await;
        tenant
    }

    async fn delete(&self, slug: &Slug, now: Timestamp) -> Result<bool, StoreError> {
        let deleted = self.inner.delete(slug, now).await;
        self.by_slug.invalidate(slug).await;
        deleted
    }

    async fn sweep(&self, rows: u32) -> Result<Swept, StoreError> {
        self.inner.sweep(rows).await
    }
}
