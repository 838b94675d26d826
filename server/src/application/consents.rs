//! What a user allowed clients: seen and withdrawn by the user.

use super::{audit, error::Error, refresh::Ended};
use crate::{
    app::App,
    domain::{
        audit::{Actor, Event, EventKind},
        client::{Client, ClientId},
        consent::Consent,
        id::UserId,
        tenant::TenantScope,
        timestamp::Timestamp,
        user::User,
    },
};

/// What the user allowed whom, the latest change first.
pub async fn list(
    app: &App,
    tenant: &TenantScope,
    user: &User,
) -> Result<Vec<(Consent, Client)>, Error> {
    Ok(app.store.view(tenant).await?.consents_of(user.id).await?)
}

/// Withdraws a consent because its user wants to.
pub async fn withdraw_own(
    app: &App,
    tenant: &TenantScope,
    user: UserId,
    client: &ClientId,
    now: Timestamp,
) -> Result<(), Error> {
    let ended = withdraw(app, tenant, user, client, now).await?;
    let event = Event::new(EventKind::ConsentWithdrawn)
        .target(client)
        .detail("user_id", user.to_string());
    audit::note(app, tenant, Actor::first_party(user), event, now);
    ended.forget(app, tenant).await;
    Ok(())
}

/// Forgets a consent and ends every grant that the client has from this user.
pub async fn withdraw(
    app: &App,
    tenant: &TenantScope,
    user: UserId,
    client: &ClientId,
    now: Timestamp,
) -> Result<Ended, Error> {
    // The session API's own sign-in is no consent; logging out ends it.
    if *client == ClientId::first_party() {
        return Err(Error::NotFound);
    }
    let mut work = app.store.begin(tenant).await?;
    if !work.delete_consent(user, client).await? {
        return Err(Error::NotFound);
    }
    let ended = work.revoke_grants_of(user, client, now).await?;
    work.commit().await?;
    tracing::info!(user.id = %user, client.id = %client, "consent withdrawn");
    Ok(Ended::of(ended))
}
