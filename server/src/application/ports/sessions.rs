//! Sign-ins.

use async_trait::async_trait;

use crate::{
    application::error::StoreError,
    domain::{
        client::Client,
        domain_name::DomainName,
        id::{GrantId, SessionId, UserId},
        secret::{BrowserSession, TokenDigest},
        session::Session,
        timestamp::Timestamp,
        user::User,
    },
};

#[async_trait]
pub trait Sessions {
    async fn add_session(&mut self, session: &Session) -> Result<(), StoreError>;
    /// The session and its user.
    async fn session(&mut self, id: SessionId) -> Result<Option<SessionView>, StoreError>;
    /// The session whose browser holds the token with this digest, and its user.
    async fn session_of_browser(
        &mut self,
        browser: &TokenDigest<BrowserSession>,
    ) -> Result<Option<SessionView>, StoreError>;
    /// The user proved anew who they are: the times, the methods and the browser's token change.
    async fn renew_session(&mut self, session: &Session) -> Result<(), StoreError>;
    /// Notes that the browser was seen.
    async fn touch_session(&mut self, id: SessionId, now: Timestamp) -> Result<(), StoreError>;
    /// The clients that were granted something during the session, each once for every issuer that it
    /// knows.
    async fn clients_of_session(&mut self, id: SessionId)
    -> Result<Vec<SessionClient>, StoreError>;
    /// Up to `limit` sessions, the latest first, behind `after`.
    async fn sessions_page(
        &mut self,
        filter: SessionFilter,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<Session>, StoreError>;
    /// Ends the session and revokes its grants, but those that outlive it. Ending twice keeps the first end.
    async fn end_session(
        &mut self,
        id: SessionId,
        now: Timestamp,
    ) -> Result<GrantsOfSession, StoreError>;
    /// Ends every session of a user and revokes its grants, but those that outlive a session, in a number of
    /// statements that doesn't grow with them.
    async fn end_sessions_of(
        &mut self,
        user: UserId,
        now: Timestamp,
    ) -> Result<EndedSessions, StoreError>;
    /// Looks at up to `limit` sessions behind `after` and deletes those that nothing needs any more.
    async fn sweep_sessions(
        &mut self,
        after: SessionId,
        bounds: &SweepBounds,
        limit: u32,
    ) -> Result<SweptPart<SessionId>, StoreError>;
}

/// The grants that end with a session.
#[derive(Clone, Debug, Default)]
pub struct GrantsOfSession {
    pub all: Vec<GrantId>,
    /// How many of them counted until now.
    pub revoked: u64,
}

/// What ended with all sessions of a user.
#[derive(Clone, Debug, Default)]
pub struct EndedSessions {
    pub sessions: Vec<SessionId>,
    /// Those that counted until now, also what outlives its session.
    pub grants: Vec<GrantId>,
    /// The applications that had one of these grants, each with the sessions in which it had.
    pub clients: Vec<(SessionClient, Vec<SessionId>)>,
}

/// What is old enough to be deleted.
#[derive(Clone, Copy, Debug)]
pub struct SweepBounds {
    /// What ended before this moment is shown to nobody any more.
    pub ended_before: Timestamp,
    /// A refresh family that could be used until this moment at most is over: it is further back, because a
    /// store may know of a family's last use late.
    pub idle_before: Timestamp,
    /// A browser's sign-in from before this moment has ended by its age.
    pub browser_before: Timestamp,
}

/// A part of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweptPart<K> {
    pub deleted: u64,
    /// Where to go on; None at the end.
    pub next: Option<K>,
}

/// Which sessions a list shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionFilter {
    pub user: Option<UserId>,
}

/// A client that was granted something during a session.
#[derive(Clone, Debug)]
pub struct SessionClient {
    pub client: Client,
    /// The custom domain whose issuer the client knows; `None`: the tenant's path.
    pub issuer_domain: Option<DomainName>,
}

/// A session and its user as of one moment.
#[derive(Clone, Debug)]
pub struct SessionView {
    pub session: Session,
    pub user: User,
}
