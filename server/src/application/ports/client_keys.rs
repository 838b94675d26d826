//! The keys that clients publish.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use url::Url;

use super::OutboundError;
use crate::domain::tenant::TenantScope;

/// JWK Sets (RFC 7517 §5) at the `jwks_uri` of clients, cached: a revoked key counts for at most
/// five minutes more, and nobody makes us fetch at will.
#[async_trait]
pub trait ClientKeySets: Send + Sync {
    /// The set at `jwks_uri`, `{"keys": [...]}` with at most 100 keys in 64 KiB. The keys
    /// themselves are unchecked.
    ///
    /// With a `kid` that an earlier answer didn't have, the set is fetched again, but at most every
    /// 10 s; without it in the answer it is unknown. A failure is remembered for 10 s.
    async fn keys(
        &self,
        tenant: &TenantScope,
        jwks_uri: &Url,
        unknown_kid: Option<&str>,
    ) -> Result<Arc<Value>, OutboundError>;
}
