//! Grants.

use async_trait::async_trait;

use super::{SweepBounds, SweptPart};
use crate::{
    application::error::StoreError,
    domain::{
        client::ClientId,
        grant::{Grant, GrantSummary, GrantView},
        id::{GrantId, SessionId, UserId},
        timestamp::Timestamp,
    },
};

#[async_trait]
pub trait Grants {
    async fn add_grant(&mut self, grant: &Grant) -> Result<(), StoreError>;
    async fn grant(&mut self, id: GrantId) -> Result<Option<GrantView>, StoreError>;
    /// A grant without what belongs to its session, user and client.
    async fn grant_summary(&mut self, id: GrantId) -> Result<Option<GrantSummary>, StoreError>;
    /// Up to `limit` grants, the latest first, behind `after`.
    async fn grants_page(
        &mut self,
        filter: &GrantFilter,
        after: Option<GrantId>,
        limit: u32,
    ) -> Result<Vec<GrantSummary>, StoreError>;
    /// Revokes a grant; whether it counted until now. Revoking twice keeps the first moment.
    async fn revoke_grant(&mut self, id: GrantId, now: Timestamp) -> Result<bool, StoreError>;
    /// Revokes all that a user granted a client; which grants, with their sessions.
    async fn revoke_grants_of(
        &mut self,
        user: UserId,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Vec<(SessionId, GrantId)>, StoreError>;
    /// Looks at up to `limit` grants behind `after` and deletes those that ended long ago.
    async fn sweep_grants(
        &mut self,
        after: GrantId,
        bounds: &SweepBounds,
        limit: u32,
    ) -> Result<SweptPart<GrantId>, StoreError>;
}

/// Which grants or consents a list shows: those that fit every member that is there.
#[derive(Clone, Debug, Default)]
pub struct GrantFilter {
    pub user: Option<UserId>,
    pub client: Option<ClientId>,
    /// Consents belong to no session.
    pub session: Option<SessionId>,
}
