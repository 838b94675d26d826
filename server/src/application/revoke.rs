//! Revocation (RFC 7009): a client gives a token back.

use super::{
    access_token, audit,
    authenticate_client::{self, Credentials},
    oauth::{OAuthError, Refusal},
    ports::Freshness,
    refresh,
};
use crate::{
    app::App,
    domain::{
        audit::{Actor, Event, EventKind},
        authorization::Parameters,
        tenant::TenantScope,
        timestamp::Timestamp,
    },
};

/// Revokes a token of the caller. What is unknown, has ended or is another client's changes nothing
/// and is no error: the caller learns nothing of it (RFC 7009 §2.2).
pub async fn revoke(
    app: &App,
    tenant: &TenantScope,
    credentials: Credentials,
    parameters: &Parameters,
    now: Timestamp,
) -> Result<(), OAuthError> {
    parameters
        .check_repetition()
        .map_err(|_| Refusal::InvalidRequest("A parameter came more than once.".to_owned()))?;
    let caller = authenticate_client::authenticate(app, tenant, credentials, now).await?;
    // The hint is not needed: no token of one kind looks like one of the other.
    let token = parameters
        .get("token")
        .ok_or_else(|| Refusal::missing("token"))?;
    let keys = app.keyring.keys(tenant).await?;
    let own = caller.client().id.as_str();
    if let Some(token) = refresh::trusted(tenant, &keys, token) {
        let grant = app
            .views
            .grant(tenant, token.family, Freshness::Now)
            .await?;
        if let Some(grant) = grant.filter(|grant| grant.client.id.as_str() == own) {
            let ended = refresh::revoke(app, tenant, grant.session.id, grant.id, now).await?;
            tracing::info!(client.id = own, grant.id = %grant.id, "grant revoked by its client");
            let event = Event::new(EventKind::GrantRevoked)
                .target(grant.id)
                .detail("user_id", grant.user.id.to_string());
            let actor = Actor::Client(grant.client.id.clone());
            audit::note(app, tenant, actor, event, now);
            ended.forget(app, tenant).await;
        }
    } else if let Some(claims) = keys.tokens.verify(token)
        && tenant.is_issuer(&claims.iss)
        && claims.client_id == own
    {
        access_token::revoke(app, tenant, &claims, now)
            .await
            .map_err(OAuthError::Failed)?;
        tracing::info!(client.id = own, "access token revoked by its client");
    }
    Ok(())
}
