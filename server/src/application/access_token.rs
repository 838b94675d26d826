//! Whether an access token counts, wherever this server itself is asked: user info, introspection,
//! consents.
//!
//! Signature and times are not enough: the grant behind it may have ended, or the token may have
//! been revoked. Both are known within a second.

use std::sync::Arc;

use super::{
    error::Error,
    ports::{Freshness, Purpose, TenantKeys, UseKey},
};
use crate::{
    app::App,
    domain::{
        claims::{AccessClaims, LEEWAY_SECONDS},
        client::ClientId,
        grant::GrantView,
        id::TokenId,
        tenant::TenantScope,
        timestamp::Timestamp,
    },
};

/// An access token that counts.
#[derive(Clone, Debug)]
pub struct LiveToken {
    pub claims: AccessClaims,
    pub behind: Behind,
}

/// What stands behind an access token.
#[derive(Clone, Debug)]
pub enum Behind {
    /// What a user granted.
    Grant(Arc<GrantView>),
    /// The client itself.
    Client,
}

/// The token, if it was made by this tenant and counts now; whoever it is for. What stands behind it is as
/// fresh as asked for.
pub async fn live(
    app: &App,
    tenant: &TenantScope,
    keys: &TenantKeys,
    token: &str,
    freshness: Freshness,
    now: Timestamp,
) -> Result<Option<LiveToken>, Error> {
    let Some(claims) = keys.tokens.verify(token) else {
        return Ok(None);
    };
    let seconds = now.as_seconds();
    let in_time = seconds < claims.exp && claims.iat <= seconds + LEEWAY_SECONDS;
    if !in_time || !tenant.is_issuer(&claims.iss) {
        return Ok(None);
    }
    let key = UseKey::of(&claims.jti);
    if app
        .single_use
        .is_claimed(tenant, Purpose::RevokedToken, key, now)
        .await?
    {
        return Ok(None);
    }
    let behind = match TokenId::grant_of(&claims.jti) {
        Some(grant) => app
            .views
            .grant(tenant, grant, freshness)
            .await?
            .filter(|grant| grant.ended(tenant).is_none())
            .map(Behind::Grant),
        None => client_lives(app, tenant, &claims)
            .await?
            .then_some(Behind::Client),
    };
    Ok(behind.map(|behind| LiveToken { claims, behind }))
}

/// Whether the client that got a token for itself still exists and was not cut off since.
async fn client_lives(
    app: &App,
    tenant: &TenantScope,
    claims: &AccessClaims,
) -> Result<bool, Error> {
    let Ok(id) = ClientId::parse(&claims.client_id) else {
        return Ok(false);
    };
    let client = app.store.view(tenant).await?.client(&id).await?;
    let mark = |client: &crate::domain::client::Client| tenant.not_before().max(client.not_before);
    Ok(client
        .is_some_and(|client| mark(&client).is_none_or(|mark| claims.iat >= mark.as_seconds())))
}

/// Marks a token as revoked until it would have ended anyway.
pub async fn revoke(
    app: &App,
    tenant: &TenantScope,
    claims: &AccessClaims,
    now: Timestamp,
) -> Result<(), Error> {
    let end = Timestamp::from_micros(claims.exp.saturating_mul(1_000_000));
    if end > now {
        let key = UseKey::of(&claims.jti);
        app.single_use
            .claim(tenant, Purpose::RevokedToken, key, end, now)
            .await?;
    }
    Ok(())
}
