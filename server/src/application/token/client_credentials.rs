//! `grant_type=client_credentials` (RFC 6749 §4.4): a client acts for itself.

use super::{Exchange, Granted};
use crate::{
    application::oauth::{OAuthError, Refusal},
    domain::{
        scope::{OFFLINE_ACCESS, OPENID, Scopes},
        user_claims,
    },
};

pub(super) fn grant(exchange: &Exchange<'_>) -> Result<Granted, OAuthError> {
    let client = exchange.client();
    if !client.is_confidential() {
        return Err(Refusal::UnauthorizedClient("public clients act for users alone").into());
    }
    // There is no user whom these could be about.
    let about_users =
        |scope: &str| scope == OPENID || scope == OFFLINE_ACCESS || user_claims::is_scope(scope);
    let registered = client.metadata.scope.filtered(|scope| !about_users(scope));
    let scope = match exchange.parameters.get("scope") {
        None => registered,
        Some(text) => {
            let asked = Scopes::parse(text).map_err(|_| Refusal::InvalidScope("malformed"))?;
            if !asked.is_within(&registered) {
                return Err(Refusal::InvalidScope("not registered").into());
            }
            asked
        }
    };
    let mut allowed = client.metadata.resources.clone();
    allowed.extend(exchange.tenant.policy().resources.iter().cloned());
    let asked = exchange.parameters.get("resource").is_some();
    // Without a wish the token is for the issuer alone, not for all that it might be for.
    let audience =
        exchange.audience(exchange.tenant, if asked { &allowed } else { &[] }, &scope)?;
    Ok(Granted {
        issuer: exchange.tenant.clone(),
        scope,
        audience,
        not_after: exchange.now + exchange.lifetimes().access_token,
        user: None,
    })
}
