//! `grant_type=refresh_token` (RFC 6749 §6): everything that may be refused is checked before the
//! token is rotated, so that a refusal costs the client nothing.

use super::{Exchange, Granted, UserGrant};
use crate::{
    application::{
        error::{Error, NotSignedIn},
        oauth::{OAuthError, Refusal},
        ports::Freshness,
        refresh,
    },
    domain::{grant::GrantView, role::Roles, scope::Scopes},
};

pub(super) async fn rotate(exchange: &Exchange<'_>) -> Result<Granted, OAuthError> {
    let Exchange {
        app, tenant, now, ..
    } = *exchange;
    let text = exchange.required("refresh_token")?;
    let unknown = || Error::Unauthenticated(NotSignedIn::Malformed);
    let token = refresh::trusted(tenant, &exchange.keys, text).ok_or_else(unknown)?;
    let grant = app
        .views
        .grant(tenant, token.family, Freshness::Recent)
        .await?
        .filter(|grant| grant.client.id == exchange.client().id)
        .ok_or(Refusal::InvalidGrant(
            "unknown, or issued to another client",
        ))?;
    // A role that was taken away takes its power along, and so does a scope that the client lost.
    let scope = Roles::of(&grant.user, tenant.policy())
        .grantable(&narrowed(exchange, &grant)?)
        .within(&exchange.client().metadata.scope);
    let resources: Vec<String> = grant.audience.iter().map(str::to_owned).collect();
    let issuer = tenant.from_issuer(grant.issuer_domain.as_ref());
    let issuer = issuer.ok_or(Refusal::InvalidGrant("of a domain that was removed"))?;
    let audience = exchange.audience(&issuer, &resources, &scope)?;
    let client = &exchange.client().id;
    let rotated = refresh::rotate(app, tenant, &exchange.keys, client, &token, now).await?;
    Ok(Granted {
        issuer,
        scope,
        audience,
        not_after: grant.floor.absolute_end,
        user: Some(UserGrant {
            grant: grant.id,
            session: grant.session.clone(),
            user: grant.user.clone(),
            authenticated_at: grant.authenticated_at,
            claims: grant.claims.clone(),
            nonce: None,
            refresh_token: Some(rotated.token),
        }),
    })
}

/// What is asked for now: all that was granted, or less (RFC 6749 §6).
fn narrowed(exchange: &Exchange<'_>, grant: &GrantView) -> Result<Scopes, Refusal> {
    let Some(text) = exchange.parameters.get("scope") else {
        return Ok(grant.scope.clone());
    };
    let asked = Scopes::parse(text).map_err(|_| Refusal::InvalidScope("malformed"))?;
    if asked.is_within(&grant.scope) {
        Ok(asked)
    } else {
        Err(Refusal::InvalidScope("wider than what was granted"))
    }
}
