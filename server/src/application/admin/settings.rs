//! A tenant's policy: read and changed.

use serde_json::{Map, Value};

use super::{administration::Administration, tenants};
use crate::{
    app::App,
    application::error::Error,
    domain::{
        audit::{Event, EventKind},
        policy_patch,
        tenant::{Policy, Tenant},
        timestamp::Timestamp,
        violation::Violations,
    },
};

/// Changes the policy, if it is still the one that the caller saw. Other instances follow within a
/// second.
pub async fn patch(
    app: &App,
    admin: &Administration,
    seen: Option<&str>,
    members: &Map<String, Value>,
    now: Timestamp,
) -> Result<Tenant, Error> {
    let tenant = admin.tenant().tenant();
    if seen.is_some_and(|seen| seen != tenants::version(tenant)) {
        return Err(Error::Stale);
    }
    let policy = policy_patch::patched(&tenant.policy, members).map_err(Error::Invalid)?;
    if policy.audit_retention_days < tenant.policy.audit_retention_days && !admin.is_operator() {
        // Who is being watched must not choose how long it is remembered.
        let detail = "only the operator may make it shorter";
        return Err(Error::Invalid(Violations::one(
            "/audit_retention_days",
            detail,
        )));
    }
    let changed = app
        .tenants
        .set_policy(
            &tenant.slug,
            &policy,
            tenant.jwks_cached_until(&policy, now),
            tenant.updated_at,
            now,
        )
        .await?
        .ok_or(Error::Stale)?;
    if changed.updated_at == tenant.updated_at {
        return Ok(changed);
    }
    let event = Event::new(EventKind::SettingsChanged)
        .change(&written(&tenant.policy), &written(&changed.policy));
    admin.note(app, event, now);
    Ok(changed)
}

fn written(policy: &Policy) -> Value {
    serde_json::to_value(policy).unwrap_or_default()
}
