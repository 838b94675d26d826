//! Custom domains: claimed, proved, made issuers, given up.
//!
//! Anybody may claim anything; a claim serves nothing and is in nobody's way. Only who publishes the proof of
//! the claim, below the domain, gets to hold it, and one tenant alone can: the store decides. That another
//! tenant holds it is told to nobody who didn't prove first that the domain is theirs.

use serde_json::json;
use url::Url;

use super::administration::Administration;
use crate::{
    app::App,
    application::{
        error::{Error, StoreError},
        idempotency::Draft,
        page::{Page, with_one_more},
    },
    domain::{
        audit::{Event, EventKind},
        custom_domain::{CustomDomain, DomainToken},
        domain_name::DomainName,
        timestamp::Timestamp,
        violation::Violations,
    },
};

/// Claims a domain.
pub async fn create(
    app: &App,
    admin: &Administration,
    name: &str,
    now: Timestamp,
) -> Result<Draft<CustomDomain>, Error> {
    let name = DomainName::parse(name)
        .and_then(|name| name.check_claim(&app.public_url).map(|()| name))
        .map_err(|why| Error::Invalid(Violations::one("/domain", why.to_string())))?;
    let domain = CustomDomain::new(name, DomainToken::from_entropy(app.random()), now);
    let mut work = app.store.begin(admin.tenant()).await?;
    // Of claims at the very same time a few may pass: the number is a fence, not a law.
    if work.count_domains().await? >= admin.tenant().policy().domains_max.into() {
        return Err(Error::TooManyDomains);
    }
    match work.add_domain(&domain).await {
        Err(StoreError::Conflict("domains_pkey")) => return Err(Error::DomainAlreadyAdded),
        other => other?,
    }
    let event = event(EventKind::DomainAdded, &domain);
    Ok(Draft::new(domain, work, event))
}

/// One domain of the tenant.
pub async fn find(app: &App, admin: &Administration, name: &str) -> Result<CustomDomain, Error> {
    let name = DomainName::parse(name).map_err(|_| Error::NotFound)?;
    let found = app.store.view(admin.tenant()).await?.domain(&name).await?;
    found.ok_or(Error::NotFound)
}

/// Domains in order of name.
pub async fn page(
    app: &App,
    admin: &Administration,
    after: Option<&DomainName>,
    limit: u32,
) -> Result<Page<CustomDomain, DomainName>, Error> {
    let mut view = app.store.view(admin.tenant()).await?;
    let items = view.domains_page(after, with_one_more(limit)).await?;
    Ok(Page::of(items, limit, |domain| domain.name.clone()))
}

/// Looks for the proof and, if it is there, lets the tenant hold the domain. Verifying twice is no error.
pub async fn verify(
    app: &App,
    admin: &Administration,
    name: &str,
    now: Timestamp,
) -> Result<CustomDomain, Error> {
    let before = find(app, admin, name).await?;
    if before.verified_at.is_some() {
        return Ok(before);
    }
    // No transaction is open meanwhile: others may take as long as they like.
    let method = prove(app, admin, &before).await?;
    let seen = before.updated_at;
    let domain = CustomDomain {
        verified_at: Some(now),
        updated_at: now.max(seen.next()),
        ..before
    };
    let mut work = app.store.begin(admin.tenant()).await?;
    match work.hold_domain(&domain, seen).await {
        Ok(true) => {}
        Ok(false) => return Err(Error::Stale),
        Err(StoreError::Conflict("hosts_pkey")) => {
            drop(work);
            // It may be this tenant's own, by a verification at the same moment.
            let again = find(app, admin, name).await?;
            let held = again.verified_at.is_some();
            return if held {
                Ok(again)
            } else {
                Err(Error::DomainTaken)
            };
        }
        Err(error) => return Err(error.into()),
    }
    work.commit().await?;
    forget(app, admin, &domain.name).await;
    let event = event(EventKind::DomainVerified, &domain).detail("method", method);
    admin.note(app, event, now);
    tracing::info!(tenant = %admin.tenant().slug(), domain = %domain.name, method, "domain verified");
    Ok(domain)
}

/// How the domain was proved, or what to do so that it can be.
async fn prove(
    app: &App,
    admin: &Administration,
    domain: &CustomDomain,
) -> Result<&'static str, Error> {
    if domain.name.is_local() {
        // It leads to this machine, whose owner asks.
        return Ok("local");
    }
    let records = app.domain_evidence.txt_records(&domain.record_name()).await;
    let proved = |found: &String| domain.is_proved_by(found);
    let in_dns = match &records {
        Ok(records) if records.iter().any(proved) => return Ok("dns"),
        Ok(records) if records.is_empty() => "there is no TXT record".to_owned(),
        Ok(records) if records.len() == 1 => "the TXT record has another value".to_owned(),
        Ok(records) => format!("none of the {} TXT records has the value", records.len()),
        Err(_) => "the name servers did not answer".to_owned(),
    };
    let url = Url::parse(&domain.proof_url(&app.public_url));
    let text = match &url {
        Ok(url) => app
            .domain_evidence
            .text_at(admin.tenant().id(), url)
            .await
            .ok(),
        Err(_) => None,
    };
    // A private address, a closed port and a wrong status are one answer: who asks must not learn from us what
    // only we can reach.
    let over_http = match &text {
        Some(text) if proved(text) => return Ok("http"),
        Some(_) => "the address answered another text",
        None => "the address did not answer with a text",
    };
    Err(Error::DomainNotVerified(format!(
        "DNS: {in_dns}. HTTP: {over_http}. Publish what `dns_record` or `http_file` of the domain says, one of the \
         two is enough, and try again; a new record may take a while to be seen."
    )))
}

/// Makes a domain an issuer, or one no more, if it is still as the caller saw it.
pub async fn update(
    app: &App,
    admin: &Administration,
    name: &str,
    seen: Option<&str>,
    is_issuer: Option<bool>,
    now: Timestamp,
) -> Result<CustomDomain, Error> {
    let before = find(app, admin, name).await?;
    if seen.is_some_and(|seen| seen != version(&before)) {
        return Err(Error::Stale);
    }
    let Some(is_issuer) = is_issuer.filter(|is_issuer| *is_issuer != before.is_issuer) else {
        return Ok(before);
    };
    if before.verified_at.is_none() {
        let detail = "Only a verified domain can be an issuer: verify it first.";
        return Err(Error::DomainNotVerified(detail.to_owned()));
    }
    let (was, expected) = (before.is_issuer, before.updated_at);
    let domain = CustomDomain {
        is_issuer,
        updated_at: now.max(expected.next()),
        ..before
    };
    let mut work = app.store.begin(admin.tenant()).await?;
    if !work.update_domain(&domain, expected).await? {
        return Err(Error::Stale);
    }
    work.commit().await?;
    forget(app, admin, &domain.name).await;
    let event = event(EventKind::DomainChanged, &domain)
        .change(&json!({ "issuer": was }), &json!({ "issuer": is_issuer }));
    admin.note(app, event, now);
    Ok(domain)
}

/// Gives a domain up. Nothing is served there any more, and what its issuer made counts no more.
pub async fn delete(
    app: &App,
    admin: &Administration,
    name: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let domain = find(app, admin, name).await?;
    let mut work = app.store.begin(admin.tenant()).await?;
    if !work.delete_domain(&domain.name).await? {
        return Err(Error::NotFound);
    }
    work.commit().await?;
    forget(app, admin, &domain.name).await;
    admin.note(app, event(EventKind::DomainRemoved, &domain), now);
    Ok(())
}

/// What tells one state of a domain from another: its `ETag`.
pub fn version(domain: &CustomDomain) -> String {
    format!("\"{}\"", domain.updated_at.as_micros())
}

fn event(kind: EventKind, domain: &CustomDomain) -> Event {
    Event::new(kind).target(&domain.name)
}

/// Other instances follow within a second.
async fn forget(app: &App, admin: &Administration, name: &DomainName) {
    app.tenants.forget_domain(admin.tenant().slug(), name).await;
}
