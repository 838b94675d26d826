//! Tenants: made, listed, suspended, deleted.

use super::OperatorCaller;
use crate::{
    app::App,
    application::{
        error::{Error, StoreError},
        page::{Page, with_one_more},
    },
    domain::{
        client::Client,
        id::TenantId,
        tenant::{Policy, Slug, Tenant, TenantState},
        timestamp::Timestamp,
        violation::{Violation, Violations},
    },
};

/// A tenant to be made.
#[derive(Clone, Debug)]
pub struct CreateTenant {
    pub slug: String,
    /// The slug, when absent.
    pub name: Option<String>,
}

/// Makes a tenant with its own data key, signing key, tag key and first-party client, or nothing.
pub async fn create(
    app: &App,
    _operator: OperatorCaller,
    command: CreateTenant,
    now: Timestamp,
) -> Result<Tenant, Error> {
    let (slug, name) = check(command).map_err(Error::Invalid)?;
    let tenant = Tenant {
        id: TenantId::new(now, app.id_entropy()),
        slug,
        name,
        state: TenantState::Active,
        policy: Policy::default(),
        not_before: None,
        created_at: now,
        updated_at: now,
    };
    let keys = app.key_maker.make(tenant.id)?;
    let client = Client::first_party(&tenant.name, now);
    match app.tenants.create(&tenant, &keys, &client).await {
        Err(StoreError::Conflict("tenants_slug_key")) => return Err(Error::SlugTaken),
        other => other?,
    }
    tracing::info!(tenant = %tenant.slug, "tenant created");
    Ok(tenant)
}

fn check(command: CreateTenant) -> Result<(Slug, String), Violations> {
    let mut violations = Vec::new();
    let slug = Slug::parse(&command.slug)
        .map_err(|e| {
            violations.push(Violation {
                pointer: "/slug".to_owned(),
                detail: e.to_string(),
            });
        })
        .ok();
    let name = command.name.unwrap_or_else(|| command.slug.clone());
    let name = name.trim();
    if !(1..=200).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        let detail =
            "must have 1 to 200 characters, not only spaces, and no control characters".to_owned();
        // A missing name is the slug, whose own violation says enough.
        if slug.is_some() || violations.is_empty() {
            violations.push(Violation {
                pointer: "/name".to_owned(),
                detail,
            });
        }
    }
    match (slug, Violations::from_list(violations)) {
        (Some(slug), None) => Ok((slug, name.to_owned())),
        (_, violations) => Err(violations.unwrap_or_else(|| Violations::one("", "is not valid"))),
    }
}

/// One tenant, suspended or not.
pub async fn read(app: &App, _operator: OperatorCaller, slug: &str) -> Result<Tenant, Error> {
    let slug = Slug::parse(slug).map_err(|_| Error::NotFound)?;
    app.tenants.by_slug(&slug).await?.ok_or(Error::NotFound)
}

/// Up to `limit` tenants behind `after`. Costs the page, whatever the number of tenants.
pub async fn page(
    app: &App,
    _operator: OperatorCaller,
    after: Option<&Slug>,
    limit: u32,
    q: Option<&str>,
) -> Result<Page<Tenant, Slug>, Error> {
    let items = app.tenants.page(after, with_one_more(limit), q).await?;
    Ok(Page::of(items, limit, |tenant| tenant.slug.clone()))
}

/// Suspends or resumes a tenant. Other instances follow within a second.
pub async fn set_state(
    app: &App,
    _operator: OperatorCaller,
    slug: &str,
    state: TenantState,
    now: Timestamp,
) -> Result<Tenant, Error> {
    let slug = Slug::parse(slug).map_err(|_| Error::NotFound)?;
    let tenant = app
        .tenants
        .set_state(&slug, state, now)
        .await?
        .ok_or(Error::NotFound)?;
    tracing::info!(tenant = %slug, state = ?state, "tenant state set");
    Ok(tenant)
}

/// Deletes a tenant with everything it has.
pub async fn delete(app: &App, _operator: OperatorCaller, slug: &str) -> Result<(), Error> {
    let slug = Slug::parse(slug).map_err(|_| Error::NotFound)?;
    if !app.tenants.delete(&slug).await? {
        return Err(Error::NotFound);
    }
    tracing::info!(tenant = %slug, "tenant deleted");
    Ok(())
}
