//! ID tokens (OIDC Core §2): who signed in, when and how, for one client.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroizing;

use super::{
    error::{CryptoError, Error},
    issue::PASSWORD_ACR,
    ports::{JwtKind, TenantKeys},
};
use crate::{
    app::App,
    domain::{
        claims_request::ClaimsRequest,
        client::{Client, ClientId, lifetimes::TokenLifetimes},
        role::{RoleClaims, Roles},
        scope::Scopes,
        session::Session,
        signing_key::SigningAlgorithm,
        tenant::TenantScope,
        timestamp::Timestamp,
        user::User,
        user_claims,
    },
};

/// What an ID token is made from.
#[derive(Clone, Copy)]
pub struct IdTokenRequest<'a> {
    pub client: &'a Client,
    pub subject: &'a str,
    /// What was granted.
    pub scope: &'a Scopes,
    pub session: &'a Session,
    pub user: &'a User,
    pub authenticated_at: Timestamp,
    pub claims: &'a ClaimsRequest,
    pub nonce: Option<&'a str>,
    /// The access token beside it, whose hash it carries.
    pub access_token: &'a str,
}

impl std::fmt::Debug for IdTokenRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IdTokenRequest")
            .field("client", &self.client.id)
            .finish_non_exhaustive()
    }
}

/// Signs an ID token with the algorithm that the client registered.
pub async fn sign(
    app: &App,
    tenant: &TenantScope,
    request: IdTokenRequest<'_>,
    now: Timestamp,
) -> Result<Zeroizing<String>, Error> {
    let algorithm = request.client.metadata.id_token_signed_response_alg;
    let keys = app.keyring.keys_with(tenant, algorithm).await?;
    let ttl = TokenLifetimes::of(tenant.policy(), request.client).id_token;
    let roles = Roles::of(request.user, tenant.policy()).claims(&request.client.id);
    let claims = claims(tenant, request, roles, ttl, now);
    let bytes = serde_json::to_vec(&claims).map_err(|_| CryptoError::Failed("writing claims"))?;
    let token = keys.jwts.sign(algorithm, JwtKind::IdToken, &bytes)?;
    Ok(Zeroizing::new(token))
}

fn claims(
    tenant: &TenantScope,
    request: IdTokenRequest<'_>,
    roles: RoleClaims,
    ttl: Duration,
    now: Timestamp,
) -> Map<String, Value> {
    // First what is said of the user: nothing that was asked for by name can take the place of a
    // claim that is ours.
    let carried = &tenant.policy().claims.id_token;
    let mut claims =
        user_claims::for_id_token(request.user, request.scope, request.claims, carried);
    let client = request.client.id.as_str();
    let algorithm = request.client.metadata.id_token_signed_response_alg;
    let ours = [
        ("iss", json!(tenant.issuer().as_str())),
        ("sub", json!(request.subject)),
        ("aud", json!(client)),
        ("azp", json!(client)),
        ("iat", json!(now.as_seconds())),
        ("exp", json!((now + ttl).as_seconds())),
        ("auth_time", json!(request.authenticated_at.as_seconds())),
        ("acr", json!(PASSWORD_ACR)),
        ("amr", json!(request.session.amr)),
        ("sid", json!(request.session.id.to_string())),
        ("at_hash", json!(half_hash(request.access_token, algorithm))),
    ];
    claims.extend(ours.map(|(name, value)| (name.to_owned(), value)));
    for (name, list) in [("roles", roles.roles), ("entitlements", roles.entitlements)] {
        if !list.is_empty() {
            claims.insert(name.to_owned(), json!(list));
        }
    }
    if let Some(nonce) = request.nonce {
        claims.insert("nonce".to_owned(), json!(nonce));
    }
    claims
}

/// The left half of the hash that the algorithm uses (OIDC Core §3.1.3.6): SHA-512 for Ed25519,
/// SHA-256 for the others.
fn half_hash(token: &str, algorithm: SigningAlgorithm) -> String {
    match algorithm {
        SigningAlgorithm::EdDsa => URL_SAFE_NO_PAD.encode(&Sha512::digest(token)[..32]),
        SigningAlgorithm::Es256 | SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => {
            URL_SAFE_NO_PAD.encode(&Sha256::digest(token)[..16])
        }
    }
}

/// What an `id_token_hint` says (OIDC Core §3.1.2.1, RP-Initiated Logout §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    pub subject: String,
    pub client: ClientId,
    pub session: Option<String>,
}

/// Reads a hint, if it is an ID token of this tenant. It may have expired: it says whom the client
/// means, and proves nothing else.
pub fn read_hint(tenant: &TenantScope, keys: &TenantKeys, token: &str) -> Option<Hint> {
    let claims = keys.jwts.verify(JwtKind::IdToken, token)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    // Signed user info has the same type, and no `exp`.
    let is_id_token = claims.get("exp").is_some_and(Value::is_i64)
        && claims.get("auth_time").is_some_and(Value::is_i64);
    if !text("iss").is_some_and(|iss| tenant.is_issuer(iss)) || !is_id_token {
        return None;
    }
    Some(Hint {
        subject: text("sub")?.to_owned(),
        client: ClientId::parse(text("aud")?).ok()?,
        session: text("sid").map(str::to_owned),
    })
}
