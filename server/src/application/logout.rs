//! Logout: the session behind a credential ends, with every family it owns.
//!
//! Whatever credential of the session is shown is enough, also one that has expired or was rotated:
//! ending a session can only take power away. Unknown credentials end nothing and get the same
//! answer, so logging out twice is no error.

use super::{audit, error::Error, logout_tokens, ports::Freshness, refresh};
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
    if let Some(user) = end_session(app, tenant, session, now).await? {
        let event = Event::new(EventKind::UserSignedOut)
            .target(user)
            .detail("session_id", session.to_string());
        audit::note(app, tenant, Actor::first_party(user), event, now);
    }
    Ok(())
}

/// Ends one session: the SQL commit is the revocation, caches and hot records follow it, and the
/// clients that were used in it are told. Answers whose it was, unless it had ended before.
pub async fn end_session(
    app: &App,
    tenant: &TenantScope,
    session: SessionId,
    now: Timestamp,
) -> Result<Option<UserId>, Error> {
    let keys = app.keyring.keys(tenant).await?;
    let mut work = app.store.begin(tenant).await?;
    let view = work.session(session).await?;
    let clients = work.clients_of_session(session).await?;
    let families = work.end_session(session, now).await?;
    work.commit().await?;
    refresh::forget(app, tenant, session, &families).await;
    tracing::info!(session.id = %session, "logged out");
    // A session that had ended before was told about then.
    let Some(view) = view.filter(|view| view.session.ended_at.is_none()) else {
        return Ok(None);
    };
    for notice in logout_tokens::notices(tenant, &keys, &view, clients) {
        app.logouts.enqueue(notice);
    }
    Ok(Some(view.user.id))
}
