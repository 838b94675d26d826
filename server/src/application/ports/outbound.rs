//! Requests to addresses that clients registered.

use async_trait::async_trait;
use serde_json::Value;
use url::Url;

use crate::domain::id::TenantId;

/// Sends requests to URLs that someone else chose: a client's `jwks_uri`, `sector_identifier_uri`
/// (OpenID Connect Registration 1.0 §2) or `backchannel_logout_uri` (Back-Channel Logout 1.0 §2.2).
///
/// Whoever registers a client must not reach through us what only we can reach. Each call is
/// bounded in time and size, has a place among those of its tenant, follows no redirect and connects to
/// addresses that were checked.
#[async_trait]
pub trait Outbound: Send + Sync {
    /// What the URL holds. `Failed` unless it answers 200 with JSON of at most 512 KiB within 3 s.
    async fn get_json(&self, tenant: TenantId, url: &Url) -> Result<Value, OutboundError>;
    /// Posts a form. `Failed` unless it answers 200 or 204 within 3 s.
    async fn post_form(
        &self,
        tenant: TenantId,
        url: &Url,
        form: &[(&str, &str)],
    ) -> Result<(), OutboundError>;
    /// What can be said of a URL without looking its name up, for the moment it is registered. The
    /// requests check again: a name may lead elsewhere by then.
    fn may_fetch(&self, url: &Url) -> Result<(), OutboundError>;
}

/// Why a request brought nothing. The texts say nothing of what was found at the address, whether a
/// port was open least of all: who registers a URL may read them. The cause is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// The URL leads where clients' URLs must not lead. Another attempt won't help.
    #[error("the address may not be used")]
    Forbidden,
    /// No answer, or not the one that was expected. Another attempt may help.
    #[error("the address did not answer as expected")]
    Failed,
}
