//! Issuing tokens: the access token of a grant, and the refresh token that starts its family.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    error::{CryptoError, Error},
    ports::TenantKeys,
};
use crate::{
    app::App,
    domain::{
        claims::{AccessClaims, Audience},
        claims_request::ClaimsRequest,
        client::{Client, ClientId, lifetimes::TokenLifetimes, metadata::SubjectType},
        grant::Grant,
        id::{GrantId, SessionId, TokenId, UserId},
        refresh::{Generation, RefreshToken, Secret, TagKey},
        role::{RoleClaims, Roles},
        scope::Scopes,
        secret::Key256,
        session::Session,
        tenant::TenantScope,
        timestamp::Timestamp,
        user::User,
        user_claims::AccessTokenClaim,
    },
};

/// What the session API grants: OpenID Connect's profile and email (OIDC Core §5.4).
const FIRST_PARTY_SCOPE: &[&str] = &["openid", "profile", "email"];

/// Knowledge of a password alone, as the `acr` claim says it.
pub const PASSWORD_ACR: &str = "1";

/// A pair of tokens, as an answer carries it once.
pub struct Tokens {
    pub access_token: Zeroizing<String>,
    pub access_token_ttl: Duration,
    pub refresh_token: Zeroizing<String>,
    /// How long a browser should keep the refresh token: to the family's absolute end.
    pub refresh_token_ttl: Duration,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens([redacted])")
    }
}

/// The token that starts a grant's family.
pub fn first_token(grant: GrantId, secret: Secret) -> RefreshToken {
    RefreshToken {
        family: grant,
        generation: Generation::FIRST,
        secret,
    }
}

/// The user's `sub` for a client (OIDC Core §8): the user's id, or for pairwise clients something
/// that no client of another sector can recognise.
pub fn subject(keys: &TenantKeys, client: &Client, user: UserId) -> String {
    match (client.metadata.subject_type, client.metadata.sector()) {
        (SubjectType::Pairwise, Some(sector)) => {
            let key = keys.derive("tokenhouse/pairwise/1");
            let mac = keyed_digest(&key, &[sector.as_bytes(), user.as_uuid().as_bytes()]);
            URL_SAFE_NO_PAD.encode(mac)
        }
        // Registration lets no pairwise client have several sectors; were there one, it would get
        // a subject of its own.
        (SubjectType::Pairwise, None) => {
            let key = keys.derive("tokenhouse/pairwise/1");
            let mac = keyed_digest(
                &key,
                &[client.id.as_str().as_bytes(), user.as_uuid().as_bytes()],
            );
            URL_SAFE_NO_PAD.encode(mac)
        }
        (SubjectType::Public, _) => user.to_string(),
    }
}

/// HMAC-SHA256 over parts, each with its length before it.
pub fn keyed_digest(key: &Key256, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose())
        .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    for part in parts {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The grant of a fresh sign-in and the token that starts its family.
pub fn new_grant(
    app: &App,
    tenant: &TenantScope,
    session: &Session,
    now: Timestamp,
) -> (Grant, RefreshToken) {
    let secret = Secret::from_entropy(app.random());
    let lifetimes = TokenLifetimes::first_party(tenant.policy());
    let absolute_end = now + lifetimes.refresh_absolute;
    let grant = Grant {
        id: GrantId::new(now, app.id_entropy()),
        session_id: session.id,
        user_id: session.user_id,
        client_id: ClientId::first_party(),
        scope: Scopes::from_names(FIRST_PARTY_SCOPE),
        audience: Audience::One(tenant.issuer().as_str().to_owned()),
        issuer_domain: tenant.issuer_domain().cloned(),
        offline: false,
        authenticated_at: session.authenticated_at,
        claims: ClaimsRequest::default(),
        leaf: secret.digest(),
        idle_end: (now + lifetimes.refresh.idle).min(absolute_end),
        absolute_end,
        created_at: now,
    };
    let token = first_token(grant.id, secret);
    (grant, token)
}

/// What an access token of a user is made from.
#[derive(Clone, Copy, Debug)]
pub struct AccessTokenRequest<'a> {
    pub grant: GrantId,
    pub client: &'a ClientId,
    pub subject: &'a str,
    pub scope: &'a Scopes,
    pub audience: &'a Audience,
    pub session: &'a Session,
    pub authenticated_at: Timestamp,
    pub user: &'a User,
    /// Whether the token carries what the tenant lets it say of users; only first-party tokens do.
    pub with_profile: bool,
    /// How long it counts, unless its grant ends before.
    pub ttl: Duration,
}

/// Signs an access token (RFC 9068). It never outlives `not_after`: the end of its grant.
pub fn access_token(
    app: &App,
    tenant: &TenantScope,
    keys: &TenantKeys,
    request: AccessTokenRequest<'_>,
    not_after: Timestamp,
    now: Timestamp,
) -> Result<(Zeroizing<String>, Duration), Error> {
    let ttl = request.ttl.min(not_after.since(now));
    let said = &tenant.policy().claims.access_token;
    let user = |claim| (request.with_profile && said.contains(&claim)).then_some(request.user);
    let RoleClaims {
        roles,
        entitlements,
    } = Roles::of(request.user, tenant.policy()).claims(request.client);
    let claims = AccessClaims {
        iss: tenant.issuer().as_str().to_owned(),
        sub: request.subject.to_owned(),
        aud: request.audience.clone(),
        client_id: request.client.to_string(),
        iat: now.as_seconds(),
        exp: (now + ttl).as_seconds(),
        jti: TokenId::new(Some(request.grant), app.id_entropy()).to_string(),
        scope: request.scope.to_string(),
        sid: Some(request.session.id.to_string()),
        auth_time: Some(request.authenticated_at.as_seconds()),
        acr: Some(PASSWORD_ACR.to_owned()),
        amr: request.session.amr.clone(),
        roles,
        entitlements,
        tenant: tenant.slug().to_string(),
        name: user(AccessTokenClaim::Name).map(|user| user.name.as_str().to_owned()),
        email: user(AccessTokenClaim::Email).map(|user| user.email.as_str().to_owned()),
        email_verified: user(AccessTokenClaim::EmailVerified).map(|user| user.email_verified),
        picture: user(AccessTokenClaim::Picture)
            .and_then(|user| user.avatar_url.as_ref())
            .map(|url| url.as_str().to_owned()),
    };
    Ok((Zeroizing::new(keys.tokens.sign(&claims)?), ttl))
}

/// Signs the access token of a client that acts for itself (RFC 9068 §2.2: `sub` is the client).
pub fn client_access_token(
    app: &App,
    tenant: &TenantScope,
    keys: &TenantKeys,
    client: &Client,
    scope: &Scopes,
    audience: &Audience,
    now: Timestamp,
) -> Result<(Zeroizing<String>, Duration), Error> {
    let ttl = TokenLifetimes::of(tenant.policy(), client).access_token;
    let claims = AccessClaims {
        iss: tenant.issuer().as_str().to_owned(),
        sub: client.id.to_string(),
        aud: audience.clone(),
        client_id: client.id.to_string(),
        iat: now.as_seconds(),
        exp: (now + ttl).as_seconds(),
        jti: TokenId::new(None, app.id_entropy()).to_string(),
        scope: scope.to_string(),
        sid: None,
        auth_time: None,
        acr: None,
        amr: Vec::new(),
        roles: Vec::new(),
        entitlements: Vec::new(),
        tenant: tenant.slug().to_string(),
        name: None,
        email: None,
        email_verified: None,
        picture: None,
    };
    Ok((Zeroizing::new(keys.tokens.sign(&claims)?), ttl))
}

/// The key that makes this tenant's tags now.
pub fn tag_key(keys: &TenantKeys) -> Result<&TagKey, CryptoError> {
    keys.tag_keys
        .first()
        .ok_or(CryptoError::Failed("finding a tag key"))
}

/// A sign-in's session id, fresh each time, so that no id from before a sign-in lives on.
pub fn session_id(app: &App, now: Timestamp) -> SessionId {
    SessionId::new(now, app.id_entropy())
}
