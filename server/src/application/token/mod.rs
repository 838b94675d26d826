//! The token endpoint (RFC 6749 §3.2): one pipeline for every grant.
//!
//! 1. The client proves who it is.
//! 2. The client registered for this grant type.
//! 3. The grant's own file says what is granted, as a `Granted`.
//! 4. The tokens are made from it, here, for all grants alike.
//!
//! A grant can't forget a step: it is given an [`AuthenticatedClient`] and gives back what was
//! granted; it never signs a token itself.

mod authorization_code;
mod client_credentials;
mod refresh;

use std::{sync::Arc, time::Duration};

use zeroize::Zeroizing;

use super::{
    authenticate_client::{self, AuthenticatedClient, Credentials},
    id_token::{self, IdTokenRequest},
    issue::{self, AccessTokenRequest},
    oauth::{OAuthError, Refusal},
    ports::TenantKeys,
};
use crate::{
    app::App,
    domain::{
        authorization::Parameters,
        claims::Audience,
        claims_request::ClaimsRequest,
        client::{Client, lifetimes::TokenLifetimes, metadata::GrantType},
        id::GrantId,
        scope::{OPENID, Scopes},
        session::Session,
        tenant::TenantScope,
        timestamp::Timestamp,
        user::User,
    },
};

/// A successful answer (RFC 6749 §5.1).
pub struct TokenResponse {
    pub access_token: Zeroizing<String>,
    pub expires_in: Duration,
    pub scope: Scopes,
    pub refresh_token: Option<Zeroizing<String>>,
    pub id_token: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenResponse([redacted])")
    }
}

/// What a grant gives: from this alone tokens are made.
struct Granted {
    /// The tenant as the issuer of these tokens.
    issuer: TenantScope,
    scope: Scopes,
    audience: Audience,
    /// The end of the grant: no token outlives it.
    not_after: Timestamp,
    /// None when a client acts for itself.
    user: Option<UserGrant>,
}

/// The user's part of what was granted.
struct UserGrant {
    grant: GrantId,
    session: Session,
    user: User,
    authenticated_at: Timestamp,
    claims: ClaimsRequest,
    /// Only the first ID token of a grant repeats it.
    nonce: Option<String>,
    refresh_token: Option<Zeroizing<String>>,
}

/// One request at the token endpoint.
struct Exchange<'a> {
    app: &'a App,
    tenant: &'a TenantScope,
    keys: Arc<TenantKeys>,
    caller: &'a AuthenticatedClient,
    parameters: &'a Parameters,
    now: Timestamp,
}

/// Exchanges what the form carries for tokens.
pub async fn exchange(
    app: &App,
    tenant: &TenantScope,
    credentials: Credentials,
    parameters: &Parameters,
    now: Timestamp,
) -> Result<TokenResponse, OAuthError> {
    parameters
        .check_repetition()
        .map_err(|_| Refusal::InvalidRequest("A parameter came more than once.".to_owned()))?;
    let grant_type = parameters
        .get("grant_type")
        .ok_or_else(|| Refusal::missing("grant_type"))?;
    let grant_type = GrantType::ALL
        .into_iter()
        .find(|known| known.name() == grant_type)
        .ok_or(Refusal::UnsupportedGrantType)?;
    let caller = authenticate_client::authenticate(app, tenant, credentials, now).await?;
    if !caller.client().may_use(grant_type) {
        return Err(Refusal::UnauthorizedClient("not registered for this grant type").into());
    }
    let exchange = Exchange {
        app,
        tenant,
        keys: app.keyring.keys(tenant).await?,
        caller: &caller,
        parameters,
        now,
    };
    let granted = match grant_type {
        GrantType::AuthorizationCode => authorization_code::redeem(&exchange).await?,
        GrantType::RefreshToken => refresh::rotate(&exchange).await?,
        GrantType::ClientCredentials => client_credentials::grant(&exchange)?,
    };
    let response = exchange.answer(granted).await?;
    tracing::info!(
        client.id = %caller.client().id,
        grant_type = grant_type.name(),
        scope = %response.scope,
        "tokens issued"
    );
    Ok(response)
}

impl Exchange<'_> {
    fn client(&self) -> &Client {
        self.caller.client()
    }

    fn lifetimes(&self) -> TokenLifetimes {
        TokenLifetimes::of(self.tenant.policy(), self.client())
    }

    fn required(&self, parameter: &str) -> Result<&str, Refusal> {
        self.parameters
            .get(parameter)
            .ok_or_else(|| Refusal::missing(parameter))
    }

    /// Makes the tokens.
    async fn answer(&self, granted: Granted) -> Result<TokenResponse, OAuthError> {
        let Granted {
            issuer,
            scope,
            audience,
            not_after,
            user,
        } = granted;
        let Some(user) = user else {
            let (access_token, expires_in) = issue::client_access_token(
                self.app,
                &issuer,
                &self.keys,
                self.client(),
                &scope,
                &audience,
                self.now,
            )?;
            return Ok(TokenResponse {
                access_token,
                expires_in,
                scope,
                refresh_token: None,
                id_token: None,
            });
        };
        let subject = issue::subject(&self.keys, self.client(), user.user.id);
        let request = AccessTokenRequest {
            grant: user.grant,
            client: &self.client().id,
            subject: &subject,
            scope: &scope,
            audience: &audience,
            session: &user.session,
            authenticated_at: user.authenticated_at,
            user: &user.user,
            with_profile: self.client().first_party,
            ttl: self.lifetimes().access_token,
        };
        let (access_token, expires_in) =
            issue::access_token(self.app, &issuer, &self.keys, request, not_after, self.now)?;
        let id_token = if scope.contains(OPENID) {
            let request = IdTokenRequest {
                client: self.client(),
                subject: &subject,
                scope: &scope,
                session: &user.session,
                user: &user.user,
                authenticated_at: user.authenticated_at,
                claims: &user.claims,
                nonce: user.nonce.as_deref(),
                access_token: &access_token,
            };
            Some(id_token::sign(self.app, &issuer, request, self.now).await?)
        } else {
            None
        };
        Ok(TokenResponse {
            access_token,
            expires_in,
            scope,
            refresh_token: user.refresh_token,
            id_token,
        })
    }

    /// Who the token is for: the resources that are asked for now, within those that were granted
    /// (RFC 8707 §2.2). With `openid` the issuer itself too, whose user info endpoint takes it.
    fn audience(
        &self,
        issuer: &TenantScope,
        granted: &[String],
        scope: &Scopes,
    ) -> Result<Audience, Refusal> {
        let mut wanted: Vec<String> = Vec::new();
        for resource in self.parameters.all("resource") {
            if !granted.iter().any(|known| known == resource) {
                return Err(Refusal::InvalidTarget("the resource was not granted"));
            }
            if !wanted.iter().any(|known| known == resource) {
                wanted.push(resource.to_owned());
            }
        }
        if wanted.is_empty() {
            wanted = granted.to_vec();
        }
        if wanted.is_empty() || scope.contains(OPENID) {
            wanted.push(issuer.issuer().as_str().to_owned());
        }
        wanted.dedup();
        Ok(Audience::of(wanted))
    }
}
