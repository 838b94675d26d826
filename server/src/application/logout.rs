//! Logout: the session behind a credential ends, with every family it owns.
//!
//! Whatever credential of the session is shown is enough, also one that has expired or was rotated:
//! ending a session can only take power away. Unknown credentials end nothing and get the same
//! answer, so logging out twice is no error.

use super::{error::Error, ports::Freshness, refresh};
use crate::{
    app::App,
    domain::{id::SessionId, tenant::TenantScope, timestamp::Timestamp},
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
        && claims.iss == tenant.issuer().as_str()
        && let Some(session) = claims.sid.and_then(|sid| sid.parse().ok())
        && !sessions.contains(&session)
    {
        sessions.push(session);
    }
    for session in sessions {
        end_session(app, tenant, session, now).await?;
    }
    Ok(())
}

/// Ends one session: the SQL commit is the revocation, caches and hot records follow it.
pub async fn end_session(
    app: &App,
    tenant: &TenantScope,
    session: SessionId,
    now: Timestamp,
) -> Result<(), Error> {
    let mut work = app.store.begin(tenant).await?;
    let families = work.end_session(session, now).await?;
    work.commit().await?;
    refresh::forget(app, tenant, session, &families).await;
    tracing::info!(session.id = %session, "logged out");
    Ok(())
}
