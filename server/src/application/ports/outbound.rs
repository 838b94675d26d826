use async_trait::async_trait;
use url::Url;

/// Why nothing came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    #[error("the address may not be fetched from here")]
    Forbidden,
    #[error("the address did not answer as expected")]
    Failed,
}

/// Requests to addresses that clients registered.
#[async_trait]
pub trait Outbound: Send + Sync {
    async fn get_json(&self, url: &Url) -> Result<serde_json::Value, OutboundError>;
    async fn post_form(&self, url: &Url, form: &[(&str, &str)]) -> Result<(), OutboundError>;
    fn may_fetch(&self, url: &Url) -> Result<(), OutboundError>;
}
