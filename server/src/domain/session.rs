//! Sessions: one sign-in of a user.

use super::{
    id::{SessionId, UserId},
    secret::{BrowserSession, TokenDigest},
    timestamp::Timestamp,
};

/// One sign-in, also after the user proved who they are once more. It owns the refresh families that were granted during it; when it ends, they end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user_id: UserId,
    /// When the user proved who they are: the `auth_time` claim.
    pub authenticated_at: Timestamp,
    /// How: the `amr` claim (RFC 8176), such as `pwd`.
    pub amr: Vec<String>,
    /// Of the token that the browser holds, for a sign-in on the hosted pages.
    pub browser: Option<TokenDigest<BrowserSession>>,
    /// When that browser was seen last; to the minute.
    pub seen_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub created_at: Timestamp,
}
