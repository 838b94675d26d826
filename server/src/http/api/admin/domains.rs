//! The custom domains of a tenant.

use std::sync::Arc;

use poem::{Request, http::header, web::Data};
use poem_openapi::{Enum, Object, OpenApi, param::Query, types::Example};
use serde::Serialize;
use url::Url;

use super::page::{self, Search, default_limit};
use crate::{
    app::App,
    application::{admin::domains, page::Page},
    domain::{
        custom_domain::CustomDomain, domain_name::DomainName, issuer::Issuer, timestamp::Timestamp,
    },
    http::{
        api::Tag,
        extract::{
            administration::Administered,
            body::{FromMembers, JsonBody, Members},
            idempotency_key::IdempotencyKey,
            if_match::IfMatch,
            tenant::Segment,
        },
        respond::{
            answer::{Answer, NoContent, Refused, refusals},
            json::{DateTime, Nullable},
            once::Once,
        },
    },
};

/// Operations on custom domains.
#[derive(Debug)]
pub struct DomainsApi;

refusals! {
    /// Refusals of a claim.
    CreateDomainRefusals {
        400 => "The body is not valid: `domain` is no name of a host on the internet, or this server's own.",
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such tenant.",
        409 => "The tenant has the domain already: `domain-already-added`. Or it has as many as it may: `too-many-domains`.",
        413 => "The body is too large.",
        415 => "The body is not JSON.",
        422 => "The `Idempotency-Key` was used for another request.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of the list of domains.
    ListDomainsRefusals {
        400 => "A parameter is not valid.",
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin:read`.",
        404 => "No such tenant.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of an operation on one domain.
    DomainRefusals {
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such tenant or domain.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of a verification.
    VerifyDomainRefusals {
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such tenant or domain.",
        409 => "Nothing proves that the domain is the tenant's: `domain-not-verified` says what was found. Or another tenant holds it: `domain-taken`.",
        412 => "The domain was changed at the same moment. Try again.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of a change.
    UpdateDomainRefusals {
        400 => "The body is not valid; `errors` points at every member that is wrong.",
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such tenant or domain.",
        409 => "The domain is not verified: `domain-not-verified`.",
        412 => "The domain was changed since `If-Match`.",
        413 => "The body is too large.",
        415 => "The body is not JSON.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

#[OpenApi(tag = "Tag::Domains")]
impl DomainsApi {
    /// Add a custom domain
    ///
    /// Claims a host for the tenant. Nothing is served there before the claim is verified: publish the TXT
    /// record or the file that the answer shows, then verify. Others may claim the same host meanwhile; who
    /// verifies first has it.
    #[oai(
        path = "/admin/v1/tenants/:tenant/domains",
        method = "post",
        operation_id = "create_domain"
    )]
    async fn create_domain(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// Any text of the caller's own, such as a UUID. A retry with the same key, within 24 hours, gets the same
        /// answer, and nothing is made twice.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: JsonBody<CreateDomainBody>,
    ) -> Result<Once<201, DomainView>, Refused<CreateDomainRefusals>> {
        let draft = domains::create(&app, &tenant, &body.0.domain, app.now());
        let render = |domain: &CustomDomain| {
            let location = format!(
                "{}/admin/v1/tenants/{}/domains/{}",
                app.public_url.as_str().trim_end_matches('/'),
                tenant.tenant().slug(),
                domain.name
            );
            answer(&app, domain).header(header::LOCATION, &location)
        };
        Ok(key.once(&app, &tenant, draft, render).await?)
    }

    /// List custom domains
    ///
    /// A page of domains in order of name, verified or not.
    #[oai(
        path = "/admin/v1/tenants/:tenant/domains",
        method = "get",
        operation_id = "list_domains"
    )]
    async fn list_domains(
        &self,
        request: &Request,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// How many domains at most.
        #[oai(
            validator(minimum(value = "1"), maximum(value = "200")),
            default = "default_limit"
        )]
        limit: Query<i32>,
        /// Where to go on: `next_cursor` of the page before.
        #[oai(validator(max_length = 512))]
        cursor: Query<Option<String>>,
    ) -> Result<Answer<200, DomainPage>, Refused<ListDomainsRefusals>> {
        let search = Search::of(request, &[])?;
        let after = search.read_cursor(cursor.0.as_deref(), DomainName::stored)?;
        let limit = page::limit(limit.0);
        let Page { items, next } = domains::page(&app, &tenant, after.as_ref(), limit).await?;
        Ok(Answer::new(DomainPage {
            items: items
                .iter()
                .map(|domain| DomainView::of(&app.public_url, domain))
                .collect(),
            next_cursor: Nullable(next.map(|name| search.write_cursor(name.as_str()))),
        }))
    }

    /// Read a custom domain
    ///
    /// With what proves that it is the tenant's: the record to make, or the file to serve.
    #[oai(
        path = "/admin/v1/tenants/:tenant/domains/:domain",
        method = "get",
        operation_id = "get_domain"
    )]
    async fn get_domain(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The domain, as `domain` says it.
        domain: Segment<6>,
    ) -> Result<Answer<200, DomainView>, Refused<DomainRefusals>> {
        Ok(answer(
            &app,
            &domains::find(&app, &tenant, &domain.0).await?,
        ))
    }

    /// Verify a custom domain
    ///
    /// Looks for the TXT record and, if it isn't there, for the file. Verified, the domain serves the tenant's
    /// paths, on every instance within a second. Verifying twice is no error.
    #[oai(
        path = "/admin/v1/tenants/:tenant/domains/:domain/verify",
        method = "post",
        operation_id = "verify_domain"
    )]
    async fn verify_domain(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The domain, as `domain` says it.
        domain: Segment<6>,
    ) -> Result<Answer<200, DomainView>, Refused<VerifyDomainRefusals>> {
        let domain = domains::verify(&app, &tenant, &domain.0, app.now()).await?;
        Ok(answer(&app, &domain))
    }

    /// Change a custom domain
    ///
    /// A JSON merge patch (RFC 7396). With `issuer`, requests to the domain have the issuer `https://{domain}`:
    /// its metadata, its tokens and the answers to clients say so. The issuer with the tenant's path goes on
    /// beside it, and tokens of the one count at the other.
    #[oai(
        path = "/admin/v1/tenants/:tenant/domains/:domain",
        method = "patch",
        operation_id = "update_domain"
    )]
    async fn update_domain(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The domain, as `domain` says it.
        domain: Segment<6>,
        /// The `ETag` of the domain as it was read; without it the change is made whatever the domain is.
        #[oai(name = "If-Match")]
        seen: IfMatch,
        body: JsonBody<UpdateDomainBody>,
    ) -> Result<Answer<200, DomainView>, Refused<UpdateDomainRefusals>> {
        let seen = seen.0.as_deref();
        let domain =
            domains::update(&app, &tenant, &domain.0, seen, body.0.issuer, app.now()).await?;
        Ok(answer(&app, &domain))
    }

    /// Remove a custom domain
    ///
    /// Nothing is served there any more, on every instance within a second, and anybody may verify it. Tokens
    /// and grants of its issuer count no more.
    #[oai(
        path = "/admin/v1/tenants/:tenant/domains/:domain",
        method = "delete",
        operation_id = "delete_domain"
    )]
    async fn delete_domain(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The domain, as `domain` says it.
        domain: Segment<6>,
    ) -> Result<NoContent, Refused<DomainRefusals>> {
        domains::delete(&app, &tenant, &domain.0, app.now()).await?;
        Ok(NoContent::default())
    }
}

fn answer<const STATUS: u16>(app: &App, domain: &CustomDomain) -> Answer<STATUS, DomainView> {
    Answer::new(DomainView::of(&app.public_url, domain))
        .header(header::ETAG, &domains::version(domain))
}

/// A domain to be added.
#[derive(Debug, Object)]
#[oai(example)]
pub struct CreateDomainBody {
    /// The name of a host, such as `login.acme.example`. International names are taken in either form.
    #[oai(validator(min_length = 1, max_length = 253))]
    domain: String,
}

impl Example for CreateDomainBody {
    fn example() -> Self {
        Self {
            domain: "login.acme.example".to_owned(),
        }
    }
}

impl FromMembers for CreateDomainBody {
    const STRICT: bool = true;

    fn from_members(members: &mut Members) -> Option<Self> {
        members.text("domain").map(|domain| Self { domain })
    }
}

/// What may change of a domain.
#[derive(Debug, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct UpdateDomainBody {
    /// Whether requests to the domain have the issuer `https://{domain}`.
    issuer: Option<bool>,
}

impl Example for UpdateDomainBody {
    fn example() -> Self {
        Self { issuer: Some(true) }
    }
}

impl FromMembers for UpdateDomainBody {
    const STRICT: bool = true;

    fn from_members(members: &mut Members) -> Option<Self> {
        Some(Self {
            issuer: members.flag("issuer"),
        })
    }
}

/// Whether a domain serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum DomainState {
    /// The proof was not found yet.
    Pending,
    /// The domain serves the tenant's paths.
    Verified,
}

/// A TXT record to be made.
#[derive(Debug, Object, Serialize)]
pub struct DnsRecord {
    /// `TXT`.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    type_: String,
    /// Its full name, without a dot at the end.
    name: String,
    /// What it has to say, as a whole.
    value: String,
}

/// A file to be served instead.
#[derive(Debug, Object, Serialize)]
pub struct HttpFile {
    /// Where: it must answer 200 without a redirect, and with TLS that public clients trust.
    url: String,
    /// The whole body.
    body: String,
}

/// A custom domain of a tenant.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "Domain", example)]
pub struct DomainView {
    /// The name in its one spelling: lower case, international labels in Punycode.
    domain: String,
    state: DomainState,
    /// Whether requests to the domain have the issuer in `url`.
    issuer: bool,
    /// The base of the tenant's addresses on the domain.
    url: String,
    /// The record that proves the domain. Once it is verified, nobody looks for it any more.
    dns_record: DnsRecord,
    /// The file that proves the domain as well.
    http_file: HttpFile,
    created_at: DateTime,
    updated_at: DateTime,
    /// Null: not yet.
    verified_at: Nullable<DateTime>,
}

impl DomainView {
    fn of(public_url: &Url, domain: &CustomDomain) -> Self {
        Self {
            domain: domain.name.to_string(),
            state: match domain.verified_at {
                None => DomainState::Pending,
                Some(_) => DomainState::Verified,
            },
            issuer: domain.is_issuer,
            url: Issuer::on_domain(public_url, &domain.name)
                .as_str()
                .to_owned(),
            dns_record: DnsRecord {
                type_: "TXT".to_owned(),
                name: domain.record_name(),
                value: domain.proof(),
            },
            http_file: HttpFile {
                url: domain.proof_url(public_url),
                body: domain.proof(),
            },
            created_at: DateTime(domain.created_at),
            updated_at: DateTime(domain.updated_at),
            verified_at: Nullable(domain.verified_at.map(DateTime)),
        }
    }
}

impl Example for DomainView {
    fn example() -> Self {
        let at = Timestamp::from_micros(1_795_000_000_000_000);
        let proof = "tokenhouse-domain-verification=w0fVJpvLzvqq4n6WtBPzR3cPBfOXSqyZbqKiyzCVeqs";
        Self {
            domain: "login.acme.example".to_owned(),
            state: DomainState::Pending,
            issuer: false,
            url: "https://login.acme.example".to_owned(),
            dns_record: DnsRecord {
                type_: "TXT".to_owned(),
                name: "_tokenhouse-challenge.login.acme.example".to_owned(),
                value: proof.to_owned(),
            },
            http_file: HttpFile {
                url: "https://login.acme.example/.well-known/tokenhouse-domain-verification"
                    .to_owned(),
                body: proof.to_owned(),
            },
            created_at: DateTime(at),
            updated_at: DateTime(at),
            verified_at: Nullable(None),
        }
    }
}

/// A page of domains.
#[derive(Debug, Object, Serialize)]
pub struct DomainPage {
    items: Vec<DomainView>,
    /// Give it as `cursor` for the next page; null on the last one.
    next_cursor: Nullable<String>,
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::ToJSON;

    use super::*;
    use crate::domain::custom_domain::DomainToken;

    #[test]
    fn answers_are_written_as_they_are_documented() {
        let at = Timestamp::from_micros(1);
        let domain = CustomDomain::new(
            DomainName::parse("login.acme.example").expect("a domain"),
            DomainToken::from_entropy([7; 32]),
            at,
        );
        let url = Url::parse("https://id.example.com").expect("a URL");
        let page = DomainPage {
            items: vec![DomainView::example(), DomainView::of(&url, &domain)],
            next_cursor: Nullable(None),
        };
        assert_eq!(serde_json::to_value(&page).ok(), page.to_json());
    }
}
