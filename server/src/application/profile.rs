//! What a user says of itself.

use serde_json::{Map, Value};

use super::{audit, error::Error};
use crate::{
    app::App,
    domain::{
        audit::{Actor, Event, EventKind},
        profile::Profile,
        tenant::TenantScope,
        timestamp::Timestamp,
        user::User,
    },
};

/// The profile as it is stored now.
pub async fn read(app: &App, tenant: &TenantScope, user: &User) -> Result<Profile, Error> {
    let user = app.store.view(tenant).await?.user(user.id).await?;
    Ok(user.ok_or(Error::NotFound)?.profile)
}

/// Changes the profile. Of two changes at once each is whole; members that both name are the
/// later one's.
pub async fn patch(
    app: &App,
    tenant: &TenantScope,
    user: &User,
    members: &Map<String, Value>,
    now: Timestamp,
) -> Result<Profile, Error> {
    let mut work = app.store.begin(tenant).await?;
    let user = work.user(user.id).await?.ok_or(Error::NotFound)?;
    let profile = user.profile.patched(members).map_err(Error::Invalid)?;
    work.set_profile(user.id, &profile, now).await?;
    work.commit().await?;
    let written = |profile: &Profile| serde_json::to_value(profile).unwrap_or_default();
    let event = Event::new(EventKind::ProfileChanged)
        .target(user.id)
        .change(&written(&user.profile), &written(&profile));
    audit::note(app, tenant, Actor::first_party(user.id), event, now);
    Ok(profile)
}
