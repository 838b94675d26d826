//! What users' sign-ins and grants are, for administrators: seen and ended.

use super::administration::Administration;
use crate::{
    app::App,
    application::{
        consents,
        error::Error,
        logout,
        page::{Page, with_one_more},
        ports::{GrantFilter, SessionFilter},
        refresh,
    },
    domain::{
        audit::{Event, EventKind},
        consent::Consent,
        grant::GrantSummary,
        id::{ConsentId, GrantId, SessionId, UserId},
        session::Session,
        timestamp::Timestamp,
    },
};

/// Sessions, the latest first.
pub async fn sessions(
    app: &App,
    admin: &Administration,
    filter: SessionFilter,
    after: Option<SessionId>,
    limit: u32,
) -> Result<Page<Session, SessionId>, Error> {
    let mut view = app.store.view(admin.tenant()).await?;
    let items = view
        .sessions_page(filter, after, with_one_more(limit))
        .await?;
    Ok(Page::of(items, limit, |session| session.id))
}

/// One session.
pub async fn session(app: &App, admin: &Administration, id: &str) -> Result<Session, Error> {
    let id = id.parse().map_err(|_| Error::NotFound)?;
    let found = app.store.view(admin.tenant()).await?.session(id).await?;
    found.map(|view| view.session).ok_or(Error::NotFound)
}

/// Ends a session. Ending one that has ended is no error.
pub async fn end_session(
    app: &App,
    admin: &Administration,
    id: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let session = session(app, admin, id).await?;
    let ended = logout::end_session(app, admin.tenant(), session.id, now).await?;
    let event = Event::new(EventKind::SessionEnded)
        .target(session.id)
        .detail("user_id", session.user_id.to_string());
    admin.note(app, event, now);
    ended.follow(app, admin.tenant()).await;
    Ok(())
}

/// Ends every session of a user and all that outlived one.
pub async fn end_sessions_of(
    app: &App,
    admin: &Administration,
    user: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let user: UserId = user.parse().map_err(|_| Error::NotFound)?;
    let keys = app.keyring.keys(admin.tenant()).await?;
    let mut work = app.store.begin(admin.tenant()).await?;
    if !work.set_user_not_before(user, now).await? {
        return Err(Error::NotFound);
    }
    let ended = logout::end_sessions_of(admin.tenant(), &keys, work.as_mut(), user, now).await?;
    work.commit().await?;
    let event = Event::new(EventKind::SessionEnded)
        .target(user)
        .detail("all", true);
    admin.note(app, event, now);
    ended.follow(app, admin.tenant()).await;
    Ok(())
}

/// Grants, the latest first.
pub async fn grants(
    app: &App,
    admin: &Administration,
    filter: &GrantFilter,
    after: Option<GrantId>,
    limit: u32,
) -> Result<Page<GrantSummary, GrantId>, Error> {
    let mut view = app.store.view(admin.tenant()).await?;
    let items = view
        .grants_page(filter, after, with_one_more(limit))
        .await?;
    Ok(Page::of(items, limit, |grant| grant.id))
}

/// One grant.
pub async fn grant(app: &App, admin: &Administration, id: &str) -> Result<GrantSummary, Error> {
    let id = id.parse().map_err(|_| Error::NotFound)?;
    let found = app
        .store
        .view(admin.tenant())
        .await?
        .grant_summary(id)
        .await?;
    found.ok_or(Error::NotFound)
}

/// Revokes a grant: no token of it counts any more. Revoking twice is no error.
pub async fn revoke_grant(
    app: &App,
    admin: &Administration,
    id: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let grant = grant(app, admin, id).await?;
    let ended = refresh::revoke(app, admin.tenant(), grant.session_id, grant.id, now).await?;
    let event = Event::new(EventKind::GrantRevoked)
        .target(grant.id)
        .detail("user_id", grant.user_id.to_string())
        .detail("client_id", grant.client_id.as_str());
    admin.note(app, event, now);
    ended.forget(app, admin.tenant()).await;
    Ok(())
}

/// Consents, the latest first.
pub async fn consents(
    app: &App,
    admin: &Administration,
    filter: &GrantFilter,
    after: Option<ConsentId>,
    limit: u32,
) -> Result<Page<Consent, ConsentId>, Error> {
    let mut view = app.store.view(admin.tenant()).await?;
    let items = view
        .consents_page(filter, after, with_one_more(limit))
        .await?;
    Ok(Page::of(items, limit, |consent| consent.id))
}

/// Forgets a consent and ends what was granted by it.
pub async fn withdraw_consent(
    app: &App,
    admin: &Administration,
    id: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let id = id.parse().map_err(|_| Error::NotFound)?;
    let mut view = app.store.view(admin.tenant()).await?;
    let consent = view.consent_by_id(id).await?.ok_or(Error::NotFound)?;
    drop(view);
    let (user, client) = (consent.user_id, &consent.client_id);
    let ended = consents::withdraw(app, admin.tenant(), user, client, now).await?;
    let event = Event::new(EventKind::ConsentWithdrawn)
        .target(client)
        .detail("user_id", user.to_string());
    admin.note(app, event, now);
    ended.forget(app, admin.tenant()).await;
    Ok(())
}
