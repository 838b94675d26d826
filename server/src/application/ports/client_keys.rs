use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use url::Url;

use super::OutboundError;
use crate::domain::tenant::TenantScope;

/// JWK Sets that clients publish, cached.
#[async_trait]
pub trait ClientKeySets: Send + Sync {
    async fn keys(
        &self,
        tenant: &TenantScope,
        jwks_uri: &Url,
        unknown_kid: Option<&str>,
    ) -> Result<Arc<Value>, OutboundError>;
}
