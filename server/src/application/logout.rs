//! Logout: the session behind a credential ends, with every family it owns.
//!
//! Whatever credential of the session is shown is enough, also one that has expired or was rotated:
//! ending a session can only take power away. Unknown credentials end nothing and get the same
//! answer, so logging out twice is no error.

use super::{
    audit,
    error::{Error, StoreError},
    logout_tokens,
    ports::{Freshness, LogoutNotice, TenantKeys, UnitOfWork},
    refresh::{self, Ended},
};
use crate::{
    app::App,
    domain::{
        audit::{Actor, Event, EventKind},
        client::ClientId,
        id::{SessionId, UserId},
        tenant::TenantScope,
        timestamp::Timestamp,
    },
};

/// Ends the sessions behind these credentials, if there are any.
pub async fn logout(
    app: &App,
    tenant: &TenantScope,
    refresh_token: Option<&str>,
    access_token: Option<&str>,
    now: Timestamp,
) -> Result<(), Error> {
    let keys = app.keyring.keys(tenant).await?;
    let mut sessions: Vec<SessionId> = Vec::new();
    if let Some(token) = refresh_token.and_then(|text| refresh::trusted(tenant, &keys, text)) {
        let grant = app
            .views
            .grant(tenant, token.family, Freshness::Now)
            .await?;
        sessions.extend(grant.map(|grant| grant.session.id));
    }
    if let Some(claims) = access_token.and_then(|text| keys.tokens.verify(text))
        && tenant.is_issuer(&claims.iss)
        // A token that some application got must not sign its user out of the tenant's own.
        && claims.client_id == ClientId::first_party().as_str()
        && let Some(session) = claims.sid.and_then(|sid| sid.parse().ok())
        && !sessions.contains(&session)
    {
        sessions.push(session);
    }
    for session in sessions {
        sign_out(app, tenant, session, now).await?;
    }
    Ok(())
}

/// Ends a session because its user wants to.
pub async fn sign_out(
    app: &App,
    tenant: &TenantScope,
    session: SessionId,
    now: Timestamp,
) -> Result<(), Error> {
    let ended = end_session(app, tenant, session, now).await?;
    if let Some(user) = ended.user {
        let event = Event::new(EventKind::UserSignedOut)
            .target(user)
            .detail("session_id", session.to_string());
        audit::note(app, tenant, Actor::first_party(user), event, now);
    }
    ended.follow(app, tenant).await;
    Ok(())
}

/// Sessions that ended in the store. First the end is noted, then caches and applications [follow](Self::follow).
#[derive(Debug, Default)]
#[must_use = "applications are still to be told"]
pub struct SessionsEnded {
    /// Whose they were, unless they had ended before.
    pub user: Option<UserId>,
    ended: Ended,
    notices: Vec<LogoutNotice>,
}

impl SessionsEnded {
    /// Never fails: what ended has ended.
    pub async fn follow(self, app: &App, tenant: &TenantScope) {
        for notice in self.notices {
            app.logouts.enqueue(notice);
        }
        self.ended.forget(app, tenant).await;
    }
}

/// Ends one session: the SQL commit is the revocation, caches and hot records follow it, and the
/// clients that were used in it are told.
pub async fn end_session(
    app: &App,
    tenant: &TenantScope,
    session: SessionId,
    now: Timestamp,
) -> Result<SessionsEnded, Error> {
    let keys = app.keyring.keys(tenant).await?;
    let mut work = app.store.begin(tenant).await?;
    let view = work.session(session).await?;
    let clients = work.clients_of_session(session).await?;
    let grants = work.end_session(session, now).await?.all;
    work.commit().await?;
    tracing::info!(session.id = %session, "logged out");
    let ended = Ended {
        sessions: vec![session],
        grants,
    };
    // A session that had ended before was told about then.
    let view = view.filter(|view| view.session.ended_at.is_none());
    Ok(SessionsEnded {
        user: view.as_ref().map(|view| view.user.id),
        ended,
        notices: view.map_or_else(Vec::new, |view| {
            logout_tokens::notices(tenant, &keys, &view, clients)
        }),
    })
}

/// Ends every session of a user in a unit of work that is still to be committed.
pub async fn end_sessions_of(
    tenant: &TenantScope,
    keys: &TenantKeys,
    work: &mut dyn UnitOfWork,
    user: UserId,
    now: Timestamp,
) -> Result<SessionsEnded, StoreError> {
    let ended = work.end_sessions_of(user, now).await?;
    Ok(SessionsEnded {
        user: Some(user),
        notices: logout_tokens::notices_of_all(tenant, keys, user, ended.clients),
        ended: Ended {
            sessions: ended.sessions,
            grants: ended.grants,
        },
    })
}
