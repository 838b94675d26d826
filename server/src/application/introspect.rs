//! Introspection (RFC 7662): what a token is worth, for those who may know.
//!
//! Whatever isn't active, isn't a token, isn't this tenant's or isn't the caller's business has one
//! answer: `{"active": false}`.

use serde_json::{Map, Value, json};

use super::{
    access_token,
    authenticate_client::{self, Credentials},
    oauth::{OAuthError, Refusal},
    ports::{Freshness, TenantKeys},
    refresh,
};
use crate::{
    app::App,
    application::issue,
    domain::{
        authorization::Parameters,
        claims::{AccessClaims, Audience},
        client::{Client, metadata::Introspection},
        grant::GrantView,
        tenant::TenantScope,
        timestamp::Timestamp,
    },
};

/// The members of the answer.
pub async fn introspect(
    app: &App,
    tenant: &TenantScope,
    credentials: Credentials,
    parameters: &Parameters,
    now: Timestamp,
) -> Result<Map<String, Value>, OAuthError> {
    parameters
        .check_repetition()
        .map_err(|_| Refusal::InvalidRequest("A parameter came more than once.".to_owned()))?;
    let caller = authenticate_client::authenticate(app, tenant, credentials, now).await?;
    // Anyone can call itself a public client (RFC 7662 §4).
    if !caller.client().is_confidential() {
        return Err(Refusal::UnauthorizedClient("only confidential clients may introspect").into());
    }
    let token = parameters
        .get("token")
        .ok_or_else(|| Refusal::missing("token"))?;
    let keys = app.keyring.keys(tenant).await?;
    let inspection = Inspection {
        app,
        tenant,
        keys: &keys,
        caller: caller.client(),
        now,
    };
    let found = match inspection.access_token(token).await? {
        Some(found) => Some(found),
        None => inspection.refresh_token(token).await?,
    };
    Ok(found.unwrap_or_else(|| object(json!({ "active": false }))))
}

struct Inspection<'a> {
    app: &'a App,
    tenant: &'a TenantScope,
    keys: &'a TenantKeys,
    caller: &'a Client,
    now: Timestamp,
}

impl Inspection<'_> {
    /// Whether the caller may know of a token.
    fn may_know(&self, client_id: &str, audience: &Audience) -> bool {
        let metadata = &self.caller.metadata;
        client_id == self.caller.id.as_str()
            || metadata.introspection == Introspection::Tenant
            || metadata.resources.iter().any(|one| audience.contains(one))
    }

    async fn access_token(&self, token: &str) -> Result<Option<Map<String, Value>>, OAuthError> {
        let Self {
            app, tenant, keys, ..
        } = *self;
        let live = access_token::live(app, tenant, keys, token, Freshness::Recent, self.now)
            .await
            .map_err(OAuthError::Failed)?;
        let known = live.filter(|live| self.may_know(&live.claims.client_id, &live.claims.aud));
        Ok(known.map(|live| describe(live.claims)))
    }

    /// A refresh token is known to the client that holds it, and to nobody else.
    async fn refresh_token(&self, token: &str) -> Result<Option<Map<String, Value>>, OAuthError> {
        let Some(token) = refresh::trusted(self.tenant, self.keys, token) else {
            return Ok(None);
        };
        let grant = self
            .app
            .views
            .grant(self.tenant, token.family, Freshness::Now)
            .await?;
        let live = grant.filter(|grant| {
            let own = grant.client.id == self.caller.id
                || self.caller.metadata.introspection == Introspection::Tenant;
            let in_time = self.now < grant.floor.idle_end && self.now < grant.floor.absolute_end;
            // Below the floor is what was rotated before; above it only the hot store knows, and
            // asking it would rotate.
            own && in_time
                && token.generation >= grant.floor.generation
                && grant.ended(self.tenant).is_none()
        });
        let issuer = |grant: &GrantView| self.tenant.from_issuer(grant.issuer_domain.as_ref());
        let live = live.and_then(|grant| Some((issuer(&grant)?, grant)));
        Ok(live.map(|(issuer, grant)| {
            object(json!({
                "active": true,
                "scope": grant.scope.to_string(),
                "client_id": grant.client.id.as_str(),
                "token_type": "refresh_token",
                "exp": grant.floor.idle_end.as_seconds(),
                "iat": grant.created_at.as_seconds(),
                "sub": issue::subject(self.keys, &grant.client, grant.user.id),
                "iss": issuer.issuer().as_str(),
            }))
        }))
    }
}

/// An active access token (RFC 7662 §2.2, RFC 9068 §5).
fn describe(claims: AccessClaims) -> Map<String, Value> {
    let mut members = object(serde_json::to_value(claims).unwrap_or_default());
    // Names and addresses are the user info endpoint's.
    for private in ["name", "email", "email_verified", "picture"] {
        members.remove(private);
    }
    members.insert("active".to_owned(), json!(true));
    members.insert("token_type".to_owned(), json!("Bearer"));
    members
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
