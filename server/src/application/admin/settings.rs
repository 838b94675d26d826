//! A tenant's policy: read and changed.

use std::time::Duration;

use serde_json::{Map, Value};

use super::OperatorCaller;
use crate::{
    app::App,
    application::{error::Error, ports::InitialAccessToken},
    domain::{
        policy_patch,
        secret::{InitialAccess, OpaqueToken},
        tenant::{Slug, Tenant, TenantScope},
        timestamp::Timestamp,
    },
};

/// Changes the policy, if it is still the one that the caller saw. Other instances follow within a
/// second.
pub async fn patch(
    app: &App,
    operator: OperatorCaller,
    slug: &str,
    seen: Option<&str>,
    members: &Map<String, Value>,
    now: Timestamp,
) -> Result<Tenant, Error> {
    let tenant = super::tenants::read(app, operator, slug).await?;
    if seen.is_some_and(|seen| seen != version(&tenant)) {
        return Err(Error::Stale);
    }
    let policy = policy_patch::patched(&tenant.policy, members).map_err(Error::Invalid)?;
    let slug = Slug::parse(slug).map_err(|_| Error::NotFound)?;
    let changed = app
        .tenants
        .set_policy(&slug, &policy, tenant.updated_at, now)
        .await?
        .ok_or(Error::Stale)?;
    tracing::info!(tenant = %slug, "settings changed");
    Ok(changed)
}

/// What tells one state of a tenant from another: its `ETag`.
pub fn version(tenant: &Tenant) -> String {
    format!("\"{}\"", tenant.updated_at.as_micros())
}

/// Makes a token that allows to register clients (RFC 7591 §3).
pub async fn create_initial_access(
    app: &App,
    tenant: &TenantScope,
    uses: Option<u32>,
    lifetime: Option<Duration>,
    now: Timestamp,
) -> Result<(InitialAccessToken, OpaqueToken<InitialAccess>), Error> {
    let token = OpaqueToken::<InitialAccess>::from_entropy(app.random());
    let stored = InitialAccessToken {
        id: uuid::Builder::from_random_bytes(app.random()).into_uuid(),
        digest: token.digest(),
        remaining_uses: uses,
        expires_at: lifetime.map(|lifetime| now + lifetime),
        created_at: now,
    };
    let mut work = app.store.begin(tenant).await?;
    work.add_initial_access(&stored).await?;
    work.commit().await?;
    Ok((stored, token))
}
