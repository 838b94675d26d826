//! Who the bearer of an access token is.

use super::{
    access_token::{self, Behind},
    error::{Error, NotSignedIn},
    ports::{Freshness, TenantKeys},
};
use crate::{
    app::App,
    domain::{
        claims::{AccessClaims, ClaimsRefused},
        client::ClientId,
        scope::Scopes,
        tenant::TenantScope,
        timestamp::Timestamp,
        user::{User, UserState},
    },
};

/// The user, as stored now (at most a second old), if the token counts and its session lives.
pub async fn current_user(
    app: &App,
    tenant: &TenantScope,
    access_token: &str,
    now: Timestamp,
) -> Result<User, Error> {
    let keys = app.keyring.keys(tenant).await?;
    let claims = checked(tenant, &keys, access_token, now)?;
    // Of a token that was not made for the session API, the scope decides: the answer is the
    // user's profile and address.
    let scope = Scopes::parse(&claims.scope).unwrap_or_default();
    for needed in ["profile", "email"] {
        if !scope.contains(needed) {
            return Err(Error::InsufficientScope(needed));
        }
    }
    if is_own(&claims) {
        return user_of_session(app, tenant, claims).await;
    }
    let live = access_token::live(app, tenant, &keys, access_token, Freshness::Recent, now).await?;
    match live.map(|live| live.behind) {
        Some(Behind::Grant(grant)) => Ok(grant.user.clone()),
        _ => Err(Error::Unauthenticated(NotSignedIn::Ended)),
    }
}

/// The same for what concerns a user's account: only tokens of the session API count.
pub async fn own_user(
    app: &App,
    tenant: &TenantScope,
    access_token: &str,
    now: Timestamp,
) -> Result<User, Error> {
    let keys = app.keyring.keys(tenant).await?;
    let claims = checked(tenant, &keys, access_token, now)?;
    if !is_own(&claims) {
        return Err(Error::Unauthenticated(NotSignedIn::Foreign));
    }
    user_of_session(app, tenant, claims).await
}

/// Whether the session API made the token.
fn is_own(claims: &AccessClaims) -> bool {
    claims.client_id == ClientId::first_party().as_str()
}

fn checked(
    tenant: &TenantScope,
    keys: &TenantKeys,
    access_token: &str,
    now: Timestamp,
) -> Result<AccessClaims, Error> {
    let claims = keys
        .tokens
        .verify(access_token)
        .ok_or(Error::Unauthenticated(NotSignedIn::Malformed))?;
    let checked = claims.check(tenant, now);
    checked.map_err(|refused| {
        Error::Unauthenticated(match refused {
            ClaimsRefused::Expired => NotSignedIn::Expired,
            ClaimsRefused::NotYet | ClaimsRefused::ForeignIssuer => NotSignedIn::Foreign,
        })
    })?;
    Ok(claims)
}

async fn user_of_session(
    app: &App,
    tenant: &TenantScope,
    claims: AccessClaims,
) -> Result<User, Error> {
    let ended = || Error::Unauthenticated(NotSignedIn::Ended);
    let session_id = claims
        .sid
        .and_then(|sid| sid.parse().ok())
        .ok_or_else(ended)?;
    let view = app
        .views
        .session(tenant, session_id)
        .await?
        .ok_or_else(ended)?;
    let mark = tenant.not_before().max(view.user.not_before);
    let superseded = mark.is_some_and(|mark| view.session.authenticated_at < mark);
    let disabled = view.user.state == UserState::Disabled;
    if view.session.ended_at.is_some()
        || superseded
        || disabled
        || view.user.id.to_string() != claims.sub
    {
        return Err(ended());
    }
    Ok(view.user.clone())
}
