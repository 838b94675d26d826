//! Grants: what a user's sign-in allowed a client, and the durable half of its refresh family.

use super::{
    client::ClientId,
    id::{GrantId, SessionId, UserId},
    refresh::{Generation, SecretDigest},
    session::Session,
    timestamp::Timestamp,
    user::User,
};

/// A grant as it is made at sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub id: GrantId,
    pub session_id: SessionId,
    pub user_id: UserId,
    pub client_id: ClientId,
    pub scope: String,
    pub audience: String,
    /// SHA-256 of the first refresh token's secret (generation 0).
    pub leaf: SecretDigest,
    pub idle_end: Timestamp,
    pub absolute_end: Timestamp,
    pub created_at: Timestamp,
}

/// What a refresh needs to know of a grant, read in one query and at most a second old.
#[derive(Clone, Debug)]
pub struct GrantView {
    pub id: GrantId,
    pub client_id: ClientId,
    pub scope: String,
    pub audience: String,
    pub floor: Floor,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    pub client_not_before: Option<Timestamp>,
    pub session: Session,
    pub user: User,
}

/// The durable bound of a family: what must hold whatever happens to the hot record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Floor {
    /// No token below this generation counts any more.
    pub generation: Generation,
    /// The secret of this very generation, when it is known.
    pub leaf: Option<SecretDigest>,
    pub idle_end: Timestamp,
    pub absolute_end: Timestamp,
}

/// Why a grant allows nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Revoked,
    SessionEnded,
    /// A not-before mark of the user, the client or the tenant lies after it.
    BeforeMark,
}

impl GrantView {
    /// Whether anything ended this grant. `tenant_not_before` comes from the tenant's own record.
    pub fn ended(&self, tenant_not_before: Option<Timestamp>) -> Option<Ended> {
        let mark = [
            tenant_not_before,
            self.client_not_before,
            self.user.not_before,
        ]
        .into_iter()
        .flatten()
        .max();
        if self.revoked_at.is_some() {
            Some(Ended::Revoked)
        } else if self.session.ended_at.is_some() {
            Some(Ended::SessionEnded)
        } else if mark.is_some_and(|mark| self.created_at < mark) {
            Some(Ended::BeforeMark)
        } else {
            None
        }
    }
}
