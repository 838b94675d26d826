//! Tenants: made, listed, suspended, deleted.

use serde_json::{Map, Value, json};

use super::OperatorCaller;
use crate::{
    app::App,
    application::{
        audit,
        error::{Error, StoreError},
        idempotency::{Answered, Memory, Place, Told, creation_digest},
        page::{Page, with_one_more},
        ports::{KeptCreation, TenantAt, TenantPosition},
    },
    domain::{
        audit::{Actor, Event, EventKind},
        client::Client,
        custom_domain::HeldDomains,
        id::TenantId,
        idempotency::KeyedRequest,
        policy_patch,
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
    /// A merge patch of the default settings.
    pub settings: Map<String, Value>,
}

/// Makes a tenant, once for each key; `render` writes the answer.
pub async fn create_once(
    app: &App,
    operator: OperatorCaller,
    command: CreateTenant,
    request: Option<&KeyedRequest>,
    render: impl Fn(&Tenant) -> Answered + Send + Sync,
    now: Timestamp,
) -> Result<Told, Error> {
    let Some(request) = request else {
        let tenant = create(app, operator, command, now).await?;
        let answer = render(&tenant);
        return Ok(Told {
            answer,
            replayed: false,
        });
    };
    if let Some(told) = recall(app, request, now).await? {
        return Ok(told);
    }
    match make(app, command, Some((request, &render)), now).await {
        Ok(tenant) => Ok(Told {
            answer: render(&tenant),
            replayed: false,
        }),
        // A retry of the same request may have been faster, and have taken the slug.
        Err(error) => match recall(app, request, now).await {
            Ok(Some(told)) => Ok(told),
            Err(Error::IdempotencyKeyReused) => Err(Error::IdempotencyKeyReused),
            _ => Err(error),
        },
    }
}

/// The answer to the same request, in the tenant that it made.
async fn recall(app: &App, request: &KeyedRequest, now: Timestamp) -> Result<Option<Told>, Error> {
    let digest = creation_digest(request);
    let Some(tenant) = app.tenants.by_creation(&digest, now).await? else {
        return Ok(None);
    };
    let scope = tenant.administer(&app.public_url);
    let keys = app.keyring.keys(&scope).await?;
    let place = Place::of_operator(&keys.derivation, request);
    Memory::at(app, &scope, Some(place), now).recall().await
}

/// Makes a tenant with its own data key, signing key, tag key and first-party client, or nothing.
pub async fn create(
    app: &App,
    _operator: OperatorCaller,
    command: CreateTenant,
    now: Timestamp,
) -> Result<Tenant, Error> {
    make(app, command, None, now).await
}

/// A request with a key, and how its answer is written.
type Keyed<'a> = (
    &'a KeyedRequest,
    &'a (dyn Fn(&Tenant) -> Answered + Send + Sync),
);

async fn make(
    app: &App,
    command: CreateTenant,
    keyed: Option<Keyed<'_>>,
    now: Timestamp,
) -> Result<Tenant, Error> {
    let (slug, name, policy) = check(command).map_err(Error::Invalid)?;
    let tenant = Tenant {
        id: TenantId::new(now, app.id_entropy()),
        slug,
        name,
        state: TenantState::Active,
        policy,
        not_before: None,
        created_at: now,
        updated_at: now,
        keys_version: 0,
        jwks_cached_until: None,
        domains: HeldDomains::default(),
    };
    let keys = app.key_maker.make(tenant.id, now)?;
    let client = Client::first_party(&tenant.name, now);
    let kept = match keyed {
        None => None,
        Some((request, render)) => {
            let place = Place::of_operator(&keys.derivation, request);
            Some(KeptCreation {
                digest: creation_digest(request),
                answer: place.seal(app, tenant.id, &render(&tenant), now)?,
            })
        }
    };
    let created = app
        .tenants
        .create(&tenant, &keys, &client, kept.as_ref())
        .await;
    match created {
        Err(StoreError::Conflict("tenants_slug_key")) => return Err(Error::SlugTaken),
        other => other?,
    }
    let written = |policy| serde_json::to_value(policy).unwrap_or_default();
    let event = Event::new(EventKind::TenantCreated)
        .target(&tenant.slug)
        .change(&written(&Policy::default()), &written(&tenant.policy))
        .detail("name", tenant.name.as_str());
    note(app, &tenant, event, now);
    Ok(tenant)
}

fn check(command: CreateTenant) -> Result<(Slug, String, Policy), Violations> {
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
    let name = check_name(&name);
    // A missing name is the slug, whose own violation says enough.
    if name.is_none() && (slug.is_some() || violations.is_empty()) {
        violations.extend(bad_name().list().to_vec());
    }
    let policy = policy_patch::patched(&Policy::default(), &command.settings)
        .map_err(|broken| violations.extend(broken.below("/settings")))
        .unwrap_or_default();
    match (slug, Violations::from_list(violations)) {
        (Some(slug), None) => Ok((slug, name.unwrap_or_default().to_owned(), policy)),
        (_, violations) => Err(violations.unwrap_or_else(|| Violations::one("", "is not valid"))),
    }
}

/// The name without spaces around it, if it is one.
fn check_name(name: &str) -> Option<&str> {
    let name = name.trim();
    let fits = (1..=200).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    fits.then_some(name)
}

fn bad_name() -> Violations {
    let detail = "must have 1 to 200 characters, not only spaces, and no control characters";
    Violations::one("/name", detail)
}

/// One tenant, suspended or not.
pub async fn read(app: &App, _operator: OperatorCaller, slug: &str) -> Result<Tenant, Error> {
    let slug = Slug::parse(slug).map_err(|_| Error::NotFound)?;
    app.tenants.by_slug_now(&slug).await?.ok_or(Error::NotFound)
}

/// Up to `limit` tenants behind `after`. Costs the page, whatever the number of tenants.
pub async fn page(
    app: &App,
    _operator: OperatorCaller,
    after: Option<&TenantPosition>,
    limit: u32,
    q: Option<&str>,
) -> Result<Page<TenantAt, TenantPosition>, Error> {
    let items = app.tenants.page(after, with_one_more(limit), q).await?;
    Ok(Page::of(items, limit, |(position, _)| position.clone()))
}

/// Gives a tenant another name, if it is still the one that the caller saw.
pub async fn rename(
    app: &App,
    operator: OperatorCaller,
    slug: &str,
    seen: Option<&str>,
    name: Option<String>,
    now: Timestamp,
) -> Result<Tenant, Error> {
    let before = read(app, operator, slug).await?;
    if seen.is_some_and(|seen| seen != version(&before)) {
        return Err(Error::Stale);
    }
    let name = name.unwrap_or_else(|| before.slug.to_string());
    let name = check_name(&name).ok_or_else(|| Error::Invalid(bad_name()))?;
    let after = app
        .tenants
        .set_name(&before.slug, name, before.updated_at, now)
        .await?
        .ok_or(Error::Stale)?;
    if after.updated_at == before.updated_at {
        return Ok(after);
    }
    let event = Event::new(EventKind::TenantChanged)
        .target(&after.slug)
        .change(
            &json!({ "name": before.name }),
            &json!({ "name": after.name }),
        );
    note(app, &after, event, now);
    Ok(after)
}

/// What tells one state of a tenant from another: its `ETag`.
pub fn version(tenant: &Tenant) -> String {
    format!("\"{}\"", tenant.updated_at.as_micros())
}

/// Notes in the tenant what the operator did to it.
fn note(app: &App, tenant: &Tenant, event: Event, now: Timestamp) {
    let scope = tenant.clone().administer(&app.public_url);
    audit::note(app, &scope, Actor::Operator, event, now);
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
    let (tenant, changed) = app
        .tenants
        .set_state(&slug, state, now)
        .await?
        .ok_or(Error::NotFound)?;
    if !changed {
        return Ok(tenant);
    }
    let kind = match state {
        TenantState::Active => EventKind::TenantResumed,
        TenantState::Suspended => EventKind::TenantSuspended,
    };
    note(app, &tenant, Event::new(kind).target(&slug), now);
    Ok(tenant)
}

/// Ends a tenant at once; its rows follow in batches. Nothing is noted in it, for its log goes with it: the
/// server's own log says who did it.
pub async fn delete(
    app: &App,
    _operator: OperatorCaller,
    slug: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let slug = Slug::parse(slug).map_err(|_| Error::NotFound)?;
    if !app.tenants.delete(&slug, now).await? {
        return Err(Error::NotFound);
    }
    app.sweeper.notify();
    let origin = audit::origin();
    tracing::info!(
        event = "tenant_deleted",
        tenant = %slug,
        actor = "operator",
        ip = origin.ip.map(tracing::field::display),
        request.id = origin.request_id,
        "tenant deleted"
    );
    Ok(())
}
