//! Logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.4), and who gets one.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::json;

use super::{
    error::{CryptoError, Error},
    issue,
    ports::{
        Clock, Entropy, JwtKind, Keyring, LogoutNotice, LogoutTokens, SessionClient, SessionView,
        Store, TenantKeys,
    },
};
use crate::domain::{
    id::{SessionId, TokenId, UserId},
    tenant::TenantScope,
};

/// A token that arrives late is a new one: each attempt makes its own (§2.6 recommends two minutes).
const LIFETIME: Duration = Duration::from_secs(120);
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Makes logout tokens when they are about to be sent.
pub struct FreshLogoutTokens {
    pub store: Arc<dyn Store>,
    pub keyring: Arc<dyn Keyring>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

impl std::fmt::Debug for FreshLogoutTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FreshLogoutTokens").finish_non_exhaustive()
    }
}

#[async_trait]
impl LogoutTokens for FreshLogoutTokens {
    async fn logout_token(&self, notice: &LogoutNotice) -> Result<String, Error> {
        let tenant = &notice.tenant;
        let client = self
            .store
            .view(tenant)
            .await?
            .client(&notice.client_id)
            .await?;
        // Signed like the client's ID tokens (§2.6 of the specification, step 2).
        let algorithm = client
            .ok_or(Error::NotFound)?
            .metadata
            .id_token_signed_response_alg;
        let keys = self.keyring.keys_with(tenant, algorithm).await?;
        let now = self.clock.now();
        let mut entropy = [0; 10];
        self.entropy.fill(&mut entropy);
        let mut claims = json!({
            "iss": tenant.issuer().as_str(),
            "aud": notice.client_id.as_str(),
            "sub": notice.subject,
            "iat": now.as_seconds(),
            "exp": (now + LIFETIME).as_seconds(),
            "jti": TokenId::new(None, entropy).to_string(),
            "events": { EVENT: {} },
        });
        if let Some(session) = &notice.session_id {
            claims["sid"] = json!(session);
        }
        let bytes =
            serde_json::to_vec(&claims).map_err(|_| CryptoError::Failed("writing claims"))?;
        Ok(keys.jwts.sign(algorithm, JwtKind::LogoutToken, &bytes)?)
    }
}

/// What the clients that were used in a session are to be told.
pub fn notices(
    tenant: &TenantScope,
    keys: &TenantKeys,
    view: &SessionView,
    clients: Vec<SessionClient>,
) -> Vec<LogoutNotice> {
    let notice = |SessionClient {
                      client,
                      issuer_domain,
                  }: SessionClient| {
        Some(LogoutNotice {
            // What the client was told first, whichever door the user left by.
            tenant: tenant.from_issuer(issuer_domain.as_ref())?,
            uri: client.metadata.backchannel_logout_uri.clone()?,
            subject: issue::subject(keys, &client, view.user.id),
            session_id: Some(view.session.id.to_string()),
            client_id: client.id,
        })
    };
    clients.into_iter().filter_map(notice).collect()
}

/// What clients are to be told when every session of a user ended. One notice without a session says so
/// (§2.4), but to those that asked for a `sid` in each: they get one for each session that they were used in.
pub fn notices_of_all(
    tenant: &TenantScope,
    keys: &TenantKeys,
    user: UserId,
    clients: Vec<(SessionClient, Vec<SessionId>)>,
) -> Vec<LogoutNotice> {
    let mut notices = Vec::new();
    for (used, sessions) in clients {
        let SessionClient {
            client,
            issuer_domain,
        } = used;
        let issuer = tenant.from_issuer(issuer_domain.as_ref());
        let (Some(uri), Some(issuer)) = (&client.metadata.backchannel_logout_uri, issuer) else {
            continue;
        };
        let ids: Vec<_> = if client.metadata.backchannel_logout_session_required {
            sessions.iter().map(|id| Some(id.to_string())).collect()
        } else {
            vec![None]
        };
        notices.extend(ids.into_iter().map(|session_id| LogoutNotice {
            tenant: issuer.clone(),
            uri: uri.clone(),
            subject: issue::subject(keys, &client, user),
            session_id,
            client_id: client.id.clone(),
        }));
    }
    notices
}
