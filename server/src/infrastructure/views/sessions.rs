//! Grants and sessions.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use moka::future::Cache;

use super::{Missing, cache, found};
use crate::{
    application::{
        error::StoreError,
        ports::{Freshness, SessionView, Store, Views},
    },
    domain::{
        grant::GrantView,
        id::{GrantId, SessionId, TenantId},
        tenant::TenantScope,
    },
    infrastructure::metrics::{CacheLookups, Lookups},
};

/// Reads grants and sessions from a store, each at most once a second.
pub struct CachedViews {
    store: Arc<dyn Store>,
    grants: Cache<(TenantId, GrantId), Arc<GrantView>>,
    sessions: Cache<(TenantId, SessionId), Arc<SessionView>>,
    grant_lookups: Lookups,
    session_lookups: Lookups,
}

impl fmt::Debug for CachedViews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedViews").finish_non_exhaustive()
    }
}

impl CachedViews {
    pub fn new(store: Arc<dyn Store>, lookups: &CacheLookups) -> Self {
        Self {
            store,
            grants: cache(),
            sessions: cache(),
            grant_lookups: lookups.of("grants"),
            session_lookups: lookups.of("sessions"),
        }
    }

    async fn read_grant(
        &self,
        tenant: &TenantScope,
        id: GrantId,
    ) -> Result<Arc<GrantView>, Missing> {
        let view = self.store.view(tenant).await?.grant(id).await?;
        view.map(Arc::new).ok_or(Missing::NotThere)
    }

    async fn read_session(
        &self,
        tenant: &TenantScope,
        id: SessionId,
    ) -> Result<Arc<SessionView>, Missing> {
        let view = self.store.view(tenant).await?.session(id).await?;
        view.map(Arc::new).ok_or(Missing::NotThere)
    }
}

#[async_trait]
impl Views for CachedViews {
    async fn grant(
        &self,
        tenant: &TenantScope,
        id: GrantId,
        freshness: Freshness,
    ) -> Result<Option<Arc<GrantView>>, StoreError> {
        let key = (tenant.id(), id);
        match freshness {
            Freshness::Recent => match self.grant_lookups.count(self.grants.get(&key).await) {
                // Without the machinery of a shared read: nearly every request comes this way.
                Some(view) => Ok(Some(view)),
                None => found(
                    self.grants
                        .try_get_with(key, self.read_grant(tenant, id))
                        .await,
                ),
            },
            Freshness::Now => {
                let view = found(self.read_grant(tenant, id).await.map_err(Arc::new))?;
                match &view {
                    Some(view) => self.grants.insert(key, Arc::clone(view)).await,
                    None => self.grants.invalidate(&key).await,
                }
                Ok(view)
            }
        }
    }

    async fn session(
        &self,
        tenant: &TenantScope,
        id: SessionId,
    ) -> Result<Option<Arc<SessionView>>, StoreError> {
        let key = (tenant.id(), id);
        if let Some(view) = self.session_lookups.count(self.sessions.get(&key).await) {
            return Ok(Some(view));
        }
        found(
            self.sessions
                .try_get_with(key, self.read_session(tenant, id))
                .await,
        )
    }

    async fn forget(&self, tenant: &TenantScope, sessions: &[SessionId], grants: &[GrantId]) {
        for session in sessions {
            self.sessions.invalidate(&(tenant.id(), *session)).await;
        }
        for grant in grants {
            self.grants.invalidate(&(tenant.id(), *grant)).await;
        }
    }
}
