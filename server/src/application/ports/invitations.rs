//! Invitations.

use async_trait::async_trait;

use crate::{
    application::error::StoreError,
    domain::{
        email::EmailAddress,
        id::{InvitationId, UserId},
        invitation::{Invitation, InvitationState},
        secret::{Invitation as InvitationToken, TokenDigest},
        timestamp::Timestamp,
    },
};

#[async_trait]
pub trait Invitations {
    /// Adds an invitation; `false` when another of the same address is neither accepted nor revoked. Those that
    /// ended long ago go.
    async fn add_invitation(&mut self, invitation: &Invitation) -> Result<bool, StoreError>;
    async fn invitation(&mut self, id: InvitationId) -> Result<Option<Invitation>, StoreError>;
    async fn invitation_by_token(
        &mut self,
        token: &TokenDigest<InvitationToken>,
    ) -> Result<Option<Invitation>, StoreError>;
    /// Up to `limit` invitations, the latest first, behind `after`.
    async fn invitations_page(
        &mut self,
        filter: &InvitationFilter,
        after: Option<InvitationId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Invitation>, StoreError>;
    /// How many can be accepted.
    async fn count_pending_invitations(&mut self, now: Timestamp) -> Result<u64, StoreError>;
    /// Revokes what wasn't accepted or revoked of an address; which.
    async fn revoke_invitations_of(
        &mut self,
        email: &EmailAddress,
        now: Timestamp,
    ) -> Result<Vec<InvitationId>, StoreError>;
    /// Revokes an invitation; `false` when it is gone, accepted, or revoked before.
    async fn revoke_invitation(
        &mut self,
        id: InvitationId,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Uses an invitation up for a user who is made in the same work; `false` when it can't be accepted. Of several
    /// at once one gets `true`.
    async fn accept_invitation(
        &mut self,
        id: InvitationId,
        user: UserId,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
}

/// Which invitations a list shows: those that fit every member that is there.
#[derive(Clone, Debug, Default)]
pub struct InvitationFilter {
    pub email: Option<EmailAddress>,
    pub state: Option<InvitationState>,
}
