//! User info (OIDC Core §5.3): the claims that an access token allows to see.

use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{
    access_token::{self, Behind},
    error::CryptoError,
    oauth::{OAuthError, Refusal},
    ports::{Freshness, JwtKind},
};
use crate::{
    app::App,
    domain::{
        scope::{OPENID, Scopes},
        tenant::TenantScope,
        timestamp::Timestamp,
        user_claims,
    },
};

/// The answer, in the form that the client registered.
pub enum UserInfo {
    Claims(Map<String, Value>),
    /// A signed JWT (OIDC Core §5.3.2).
    Signed(Zeroizing<String>),
}

impl std::fmt::Debug for UserInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UserInfo")
    }
}

/// The claims about the user behind `token`.
pub async fn userinfo(
    app: &App,
    tenant: &TenantScope,
    token: &str,
    now: Timestamp,
) -> Result<UserInfo, OAuthError> {
    let keys = app.keyring.keys(tenant).await?;
    let live = access_token::live(app, tenant, &keys, token, Freshness::Recent, now)
        .await
        .map_err(OAuthError::Failed)?
        .ok_or(Refusal::InvalidToken("unknown, expired or ended"))?;
    if !tenant.is_audience(&live.claims.aud) {
        return Err(Refusal::InvalidToken("for another resource").into());
    }
    let Behind::Grant(grant) = &live.behind else {
        return Err(Refusal::InsufficientScope(OPENID).into());
    };
    // The token's scope, which may be less than the grant's.
    let scope = Scopes::parse(&live.claims.scope).unwrap_or_default();
    if !scope.contains(OPENID) {
        return Err(Refusal::InsufficientScope(OPENID).into());
    }
    let mut claims = user_claims::for_userinfo(&grant.user, &scope, &grant.claims);
    claims.insert("sub".to_owned(), json!(live.claims.sub));
    let Some(algorithm) = grant.client.metadata.userinfo_signed_response_alg else {
        return Ok(UserInfo::Claims(claims));
    };
    // The issuer that the client knows, whichever address it came to.
    claims.insert("iss".to_owned(), json!(live.claims.iss));
    claims.insert("aud".to_owned(), json!(grant.client.id.as_str()));
    claims.insert("iat".to_owned(), json!(now.as_seconds()));
    let bytes = serde_json::to_vec(&claims).map_err(|_| CryptoError::Failed("writing claims"))?;
    let keys = app.keyring.keys_with(tenant, algorithm).await?;
    let signed = keys.jwts.sign(algorithm, JwtKind::UserInfo, &bytes)?;
    Ok(UserInfo::Signed(Zeroizing::new(signed)))
}
