//! What happened in a tenant, read by those who account for it.

use super::administration::Administration;
use crate::{
    app::App,
    application::{
        error::Error,
        page::{Page, size_of, with_one_more},
        ports::AuditFilter,
    },
    domain::{audit::Entry, id::AuditEntryId},
};

/// Up to `limit` entries, the latest first.
pub async fn page(
    app: &App,
    admin: &Administration,
    filter: &AuditFilter,
    limit: u32,
) -> Result<Page<Entry, AuditEntryId>, Error> {
    let mut view = app.store.view(admin.tenant()).await?;
    let entries = view.audit_entries(filter, with_one_more(limit)).await?;
    let size = |entry: &Entry| size_of(&entry.event.details);
    Ok(Page::within(entries, limit, size, |entry| entry.id))
}

/// One entry.
pub async fn find(app: &App, admin: &Administration, id: &str) -> Result<Entry, Error> {
    let id = id.parse().map_err(|_| Error::NotFound)?;
    let mut view = app.store.view(admin.tenant()).await?;
    view.audit_entry(id).await?.ok_or(Error::NotFound)
}
