//! What hot paths read.

use std::sync::Arc;

use async_trait::async_trait;

use super::SessionView;
use crate::{
    application::error::StoreError,
    domain::{
        grant::GrantView,
        id::{GrantId, SessionId},
        tenant::TenantScope,
    },
};

/// How old an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// At most a second: the time within which a revocation reaches every instance.
    Recent,
    /// Read now.
    Now,
}

/// What hot paths read of grants and sessions, cached for at most a second.
#[async_trait]
pub trait Views: Send + Sync {
    async fn grant(
        &self,
        tenant: &TenantScope,
        id: GrantId,
        freshness: Freshness,
    ) -> Result<Option<Arc<GrantView>>, StoreError>;
    async fn session(
        &self,
        tenant: &TenantScope,
        id: SessionId,
    ) -> Result<Option<Arc<SessionView>>, StoreError>;
    /// Drops what is cached of sessions and grants, because they just changed.
    async fn forget(&self, tenant: &TenantScope, sessions: &[SessionId], grants: &[GrantId]);
}
