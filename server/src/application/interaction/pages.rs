//! What the forms of the hosted pages do.

use super::{
    authorize::{Reply, Stopped, Waiting},
    browser::{self, Accounts},
};
use crate::{
    app::App,
    application::{
        audit,
        error::Error,
        login::{self, Login},
        signup::{self, Signup},
    },
    domain::{
        audit::{Actor, Event, EventKind},
        authorization::{ErrorCode, Refused},
        consent::Consent,
        id::{ConsentId, SessionId},
        tenant::TenantScope,
        timestamp::Timestamp,
    },
};

/// Signs a user in by password, in this browser.
pub async fn log_in(
    app: &App,
    tenant: &TenantScope,
    accounts: &mut Accounts,
    command: Login,
    now: Timestamp,
) -> Result<SessionId, Error> {
    let Some(user) = login::authenticate(app, tenant, command, now).await? else {
        tracing::info!("login failed");
        return Err(Error::WrongCredentials);
    };
    browser::sign_in(app, tenant, accounts, user, now).await
}

/// Makes a user and signs it in, in this browser.
pub async fn sign_up(
    app: &App,
    tenant: &TenantScope,
    accounts: &mut Accounts,
    command: Signup,
    now: Timestamp,
) -> Result<SessionId, Error> {
    let user = signup::signup(app, tenant, command, now).await?;
    browser::sign_in(app, tenant, accounts, user, now).await
}

/// The user declined, on whatever page.
pub fn decline(tenant: &TenantScope, waiting: &Waiting) -> Reply {
    let refused = Refused::new(ErrorCode::AccessDenied, "The user declined.");
    Reply::refusal(tenant, &waiting.request.address, refused)
}

/// Remembers that the user of a session allowed what a request asks for.
pub async fn allow(
    app: &App,
    tenant: &TenantScope,
    waiting: &Waiting,
    accounts: &Accounts,
    session: SessionId,
    now: Timestamp,
) -> Result<(), Stopped> {
    let view = accounts.find(session).ok_or(Stopped::ForeignForm)?;
    let consent = Consent {
        id: ConsentId::new(now, app.id_entropy()),
        user_id: view.user.id,
        client_id: waiting.client.id.clone(),
        scope: waiting.request.needs(),
        created_at: now,
        updated_at: now,
    };
    let mut work = app.store.begin(tenant).await?;
    work.add_consent(&consent).await?;
    work.commit().await?;
    tracing::info!(
        client.id = %consent.client_id,
        user.id = %consent.user_id,
        scope = %consent.scope,
        "consent given"
    );
    let event = Event::new(EventKind::ConsentGiven)
        .target(&consent.client_id)
        .detail("scope", consent.scope.to_string());
    audit::note(app, tenant, Actor::first_party(consent.user_id), event, now);
    Ok(())
}
