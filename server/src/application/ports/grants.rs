//! Grants.

use async_trait::async_trait;

use crate::{
    application::error::StoreError,
    domain::{
        client::ClientId,
        grant::{Grant, GrantView},
        id::{GrantId, SessionId, UserId},
        timestamp::Timestamp,
    },
};

#[async_trait]
pub trait Grants {
    async fn add_grant(&mut self, grant: &Grant) -> Result<(), StoreError>;
    async fn grant(&mut self, id: GrantId) -> Result<Option<GrantView>, StoreError>;
    /// Revokes a grant; revoking twice keeps the first moment.
    async fn revoke_grant(&mut self, id: GrantId, now: Timestamp) -> Result<(), StoreError>;
    /// Revokes all that a user granted a client; which grants, with their sessions.
    async fn revoke_grants_of(
        &mut self,
        user: UserId,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Vec<(SessionId, GrantId)>, StoreError>;
}
