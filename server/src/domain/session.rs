//! Sessions: one sign-in of a user.

use super::{
    id::{SessionId, UserId},
    timestamp::Timestamp,
};

/// One sign-in. It owns the refresh families that were granted during it; when it ends, they end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user_id: UserId,
    /// When the user proved who they are: the `auth_time` claim.
    pub authenticated_at: Timestamp,
    /// How: the `amr` claim (RFC 8176), such as `pwd`.
    pub amr: Vec<String>,
    pub ended_at: Option<Timestamp>,
    pub created_at: Timestamp,
}
