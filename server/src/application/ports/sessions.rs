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
    /// The sessions of a user that have not ended.
    async fn live_sessions_of(&mut self, user: UserId) -> Result<Vec<SessionId>, StoreError>;
    /// Ends the session and revokes its grants, but those that outlive it; which ones. Ending twice keeps the first end.
    async fn end_session(
        &mut self,
        id: SessionId,
        now: Timestamp,
    ) -> Result<Vec<GrantId>, StoreError>;
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
