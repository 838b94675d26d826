//! Tokens that allow to register clients (RFC 7591 §3): made, told once, listed and revoked.

use std::time::Duration;

use super::administration::Administration;
use crate::{
    app::App,
    application::{
        error::Error,
        idempotency::Draft,
        page::{Page, with_one_more},
    },
    domain::{
        audit::{Event, EventKind},
        client::initial_access::InitialAccessToken,
        id::InitialAccessTokenId,
        secret::{InitialAccess, OpaqueToken},
        tenant::TenantScope,
        timestamp::Timestamp,
    },
};

/// Makes a token. It is told this once.
pub async fn create(
    app: &App,
    admin: &Administration,
    uses: Option<u32>,
    lifetime: Option<Duration>,
    now: Timestamp,
) -> Result<Draft<(InitialAccessToken, OpaqueToken<InitialAccess>)>, Error> {
    let token = OpaqueToken::<InitialAccess>::from_entropy(app.random());
    let stored = InitialAccessToken {
        id: InitialAccessTokenId::new(now, app.id_entropy()),
        digest: token.digest(),
        remaining_uses: uses,
        expires_at: lifetime.map(|lifetime| now + lifetime),
        created_at: now,
    };
    let mut work = app.store.begin(admin.tenant()).await?;
    work.add_initial_access(&stored).await?;
    let event = Event::new(EventKind::RegistrationTokenCreated).target(stored.id);
    Ok(Draft::new((stored, token), work, event))
}

/// Up to `limit` tokens behind `after`, the latest first; those too that count no more.
pub async fn page(
    app: &App,
    tenant: &TenantScope,
    after: Option<InitialAccessTokenId>,
    limit: u32,
) -> Result<Page<InitialAccessToken, InitialAccessTokenId>, Error> {
    let mut view = app.store.view(tenant).await?;
    let items = view
        .initial_access_page(after, with_one_more(limit))
        .await?;
    Ok(Page::of(items, limit, |token| token.id))
}

/// One token.
pub async fn find(app: &App, tenant: &TenantScope, id: &str) -> Result<InitialAccessToken, Error> {
    let id = id.parse().map_err(|_| Error::NotFound)?;
    let found = app.store.view(tenant).await?.initial_access(id).await?;
    found.ok_or(Error::NotFound)
}

/// Revokes a token now. What it registered stays.
pub async fn delete(
    app: &App,
    admin: &Administration,
    id: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let id: InitialAccessTokenId = id.parse().map_err(|_| Error::NotFound)?;
    let mut work = app.store.begin(admin.tenant()).await?;
    if !work.delete_initial_access(id).await? {
        return Err(Error::NotFound);
    }
    work.commit().await?;
    let event = Event::new(EventKind::RegistrationTokenDeleted).target(id);
    admin.note(app, event, now);
    Ok(())
}
