//! Telling clients that a session ended (OpenID Connect Back-Channel Logout 1.0).

use std::fmt;

use async_trait::async_trait;
use url::Url;

use crate::{
    application::error::Error,
    domain::{client::ClientId, tenant::TenantScope},
};

/// Tells clients, later and more than once if need be.
pub trait LogoutNotifier: Send + Sync {
    /// Takes a notice to be delivered. Never waits and never fails: a logout must not depend on the
    /// clients that hear of it. What can't be delivered is in the log.
    fn enqueue(&self, notice: LogoutNotice);
}

/// What a client is to be told.
#[derive(Clone)]
pub struct LogoutNotice {
    pub tenant: TenantScope,
    pub client_id: ClientId,
    /// The client's `backchannel_logout_uri` (§2.2).
    pub uri: Url,
    /// The `sub` that the client knows the user by.
    pub subject: String,
    /// The `sid` of the session that ended; `None` when all of them did.
    pub session_id: Option<String>,
}

impl fmt::Debug for LogoutNotice {
    /// Without the user, and without the path and query, which may hold a secret of the client's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutNotice")
            .field("tenant", &self.tenant)
            .field("client_id", &self.client_id)
            .field("host", &self.uri.host_str())
            .finish_non_exhaustive()
    }
}

/// Makes logout tokens (§2.4). They live two minutes at most, so each attempt needs its own.
#[async_trait]
pub trait LogoutTokens: Send + Sync {
    async fn logout_token(&self, notice: &LogoutNotice) -> Result<String, Error>;
}
