//! The operator's tenants.

use std::sync::Arc;

use poem::{Request, http::header, web::Data};
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Path, Query},
    types::Example,
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    page::{self, Search, check_query, default_limit},
    settings::SettingsChange,
};
use crate::{
    app::App,
    application::{
        admin::tenants::{self, CreateTenant},
        ports::TenantPosition,
    },
    domain::tenant::{Issuer, NotASlug, Slug, Tenant, TenantState},
    domain::timestamp::Timestamp,
    http::{
        api::Tag,
        extract::{
            body::{FromMembers, JsonBody, Members},
            credentials::Operator,
            idempotency_key::IdempotencyKey,
            if_match::IfMatch,
        },
        respond::{
            answer::{Answer, NoContent, Refused, refusals},
            json::{DateTime, Nullable},
            once::Once,
        },
    },
};

/// Operations on tenants.
#[derive(Debug)]
pub struct TenantsApi;

refusals! {
    /// Refusals of a creation.
    CreateRefusals {
        400 => "The body is not valid; `errors` points at every member that is wrong.",
        401 => "No operator token, or a wrong one.",
        409 => "The slug is taken.",
        413 => "The body is too large.",
        415 => "The body is not JSON.",
        422 => "Another request had this `Idempotency-Key`.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of a list.
    ListRefusals {
        400 => "A parameter is not valid.",
        401 => "No operator token, or a wrong one.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of a change.
    ChangeTenantRefusals {
        400 => "The body is not valid; `errors` points at every member that is wrong.",
        401 => "No operator token, or a wrong one.",
        404 => "No such tenant.",
        412 => "The tenant was changed since `If-Match`.",
        413 => "The body is too large.",
        415 => "The body is not JSON.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of an operation on one tenant.
    TenantRefusals {
        401 => "No operator token, or a wrong one.",
        404 => "No such tenant.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

#[OpenApi(tag = "Tag::Tenants")]
impl TenantsApi {
    /// Create a tenant
    ///
    /// Makes a tenant with its own issuer, data key and signing key. It serves at once.
    #[oai(
        path = "/admin/v1/tenants",
        method = "post",
        operation_id = "create_tenant"
    )]
    async fn create_tenant(
        &self,
        app: Data<&Arc<App>>,
        operator: Operator,
        /// Any text of the caller's own, such as a UUID. A retry with the same key, within 24 hours, gets the same
        /// answer, and nothing is made twice.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: JsonBody<CreateTenantBody>,
    ) -> Result<Once<201, TenantView>, Refused<CreateRefusals>> {
        let render = |tenant: &Tenant| created(&app, tenant).written();
        let (request, command) = (key.0.as_ref(), body.0.into());
        let told =
            tenants::create_once(&app, operator.0, command, request, render, app.now()).await?;
        Ok(told.into())
    }

    /// List tenants
    ///
    /// A page of tenants in order of slug; of those found by name, in order of name. Its cost does not grow with the number of tenants.
    #[oai(
        path = "/admin/v1/tenants",
        method = "get",
        operation_id = "list_tenants"
    )]
    async fn list_tenants(
        &self,
        request: &Request,
        app: Data<&Arc<App>>,
        operator: Operator,
        /// How many tenants at most.
        #[oai(
            validator(minimum(value = "1"), maximum(value = "200")),
            default = "default_limit"
        )]
        limit: Query<i32>,
        /// Where to go on: `next_cursor` of the page before.
        #[oai(validator(max_length = 2048))]
        cursor: Query<Option<String>>,
        /// Only tenants whose slug begins with this; when there are none, those whose name does.
        #[oai(validator(max_length = 200))]
        q: Query<Option<String>>,
    ) -> Result<Answer<200, TenantPage>, Refused<ListRefusals>> {
        let search = Search::of(request, &["q"])?;
        let limit = page::limit(limit.0);
        let after = search.read_cursor(cursor.0.as_deref(), read_position)?;
        check_query(q.0.as_deref())?;
        let page = tenants::page(&app, operator.0, after.as_ref(), limit, q.0.as_deref()).await?;
        Ok(Answer::new(TenantPage {
            items: page
                .items
                .iter()
                .map(|(_, tenant)| TenantView::of(&app, tenant))
                .collect(),
            next_cursor: Nullable(
                page.next
                    .map(|at| search.write_cursor(&written_position(&at))),
            ),
        }))
    }

    /// Read a tenant
    ///
    /// As it is now, whether it serves or not.
    #[oai(
        path = "/admin/v1/tenants/:tenant",
        method = "get",
        operation_id = "get_tenant"
    )]
    async fn get_tenant(
        &self,
        app: Data<&Arc<App>>,
        operator: Operator,
        /// The tenant's slug.
        tenant: Path<String>,
    ) -> Result<Answer<200, TenantView>, Refused<TenantRefusals>> {
        let tenant = tenants::read(&app, operator.0, &tenant).await?;
        Ok(answer(&app, &tenant))
    }

    /// Change a tenant
    ///
    /// A JSON merge patch (RFC 7396). The slug never changes; what the tenant decides for itself is in its
    /// settings.
    #[oai(
        path = "/admin/v1/tenants/:tenant",
        method = "patch",
        operation_id = "update_tenant"
    )]
    async fn update_tenant(
        &self,
        app: Data<&Arc<App>>,
        operator: Operator,
        /// The tenant's slug.
        tenant: Path<String>,
        /// The `ETag` of the tenant as it was read; without it the change is made whatever the tenant is.
        #[oai(name = "If-Match")]
        seen: IfMatch,
        body: JsonBody<UpdateTenantBody>,
    ) -> Result<Answer<200, TenantView>, Refused<ChangeTenantRefusals>> {
        let seen = seen.0.as_deref();
        let tenant = match body.0.name {
            None => tenants::read(&app, operator.0, &tenant).await?,
            Some(name) => {
                tenants::rename(&app, operator.0, &tenant, seen, name.0, app.now()).await?
            }
        };
        Ok(answer(&app, &tenant))
    }

    /// Delete a tenant
    ///
    /// From now on the tenant answers as if it had never been, its slug is free, and its keys are destroyed.
    /// Users, clients, sessions and everything else follow in the background. There is no way back.
    #[oai(
        path = "/admin/v1/tenants/:tenant",
        method = "delete",
        operation_id = "delete_tenant"
    )]
    async fn delete_tenant(
        &self,
        app: Data<&Arc<App>>,
        operator: Operator,
        /// The tenant's slug.
        tenant: Path<String>,
    ) -> Result<NoContent, Refused<TenantRefusals>> {
        tenants::delete(&app, operator.0, &tenant, app.now()).await?;
        Ok(NoContent::default())
    }

    /// Suspend a tenant
    ///
    /// Within a second the tenant answers on every instance as if it did not exist. Nothing is
    /// deleted. Suspending twice is no error.
    #[oai(
        path = "/admin/v1/tenants/:tenant/suspend",
        method = "post",
        operation_id = "suspend_tenant"
    )]
    async fn suspend_tenant(
        &self,
        app: Data<&Arc<App>>,
        operator: Operator,
        /// The tenant's slug.
        tenant: Path<String>,
    ) -> Result<Answer<200, TenantView>, Refused<TenantRefusals>> {
        let tenant =
            tenants::set_state(&app, operator.0, &tenant, TenantState::Suspended, app.now())
                .await?;
        Ok(answer(&app, &tenant))
    }

    /// Resume a tenant
    ///
    /// The tenant serves again. Resuming one that is not suspended is no error.
    #[oai(
        path = "/admin/v1/tenants/:tenant/resume",
        method = "post",
        operation_id = "resume_tenant"
    )]
    async fn resume_tenant(
        &self,
        app: Data<&Arc<App>>,
        operator: Operator,
        /// The tenant's slug.
        tenant: Path<String>,
    ) -> Result<Answer<200, TenantView>, Refused<TenantRefusals>> {
        let tenant =
            tenants::set_state(&app, operator.0, &tenant, TenantState::Active, app.now()).await?;
        Ok(answer(&app, &tenant))
    }
}

fn created(app: &App, tenant: &Tenant) -> Answer<201, TenantView> {
    let location = format!(
        "{}/admin/v1/tenants/{}",
        app.public_url.as_str().trim_end_matches('/'),
        tenant.slug
    );
    answer(app, tenant).header(header::LOCATION, &location)
}

fn answer<const STATUS: u16>(app: &App, tenant: &Tenant) -> Answer<STATUS, TenantView> {
    Answer::new(TenantView::of(app, tenant)).header(header::ETAG, &tenants::version(tenant))
}

/// A slug alone, or a name and then the slug. No name has a line break.
fn written_position(position: &TenantPosition) -> String {
    match position {
        TenantPosition::Slug(slug) => slug.to_string(),
        TenantPosition::Name(name, slug) => format!("{name}\n{slug}"),
    }
}

fn read_position(text: &str) -> Result<TenantPosition, NotASlug> {
    match text.split_once('\n') {
        None => Slug::parse(text).map(TenantPosition::Slug),
        Some((name, _)) if name.chars().any(char::is_control) => Err(NotASlug),
        Some((name, slug)) => Ok(TenantPosition::Name(name.to_owned(), Slug::parse(slug)?)),
    }
}

/// What may change of a tenant.
#[derive(Debug, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct UpdateTenantBody {
    /// What people call it; null: the slug.
    #[oai(validator(min_length = 1, max_length = 200))]
    name: Option<Nullable<String>>,
}

impl Example for UpdateTenantBody {
    fn example() -> Self {
        Self {
            name: Some(Nullable(Some("Acme Group".to_owned()))),
        }
    }
}

impl FromMembers for UpdateTenantBody {
    const STRICT: bool = true;

    fn from_members(members: &mut Members) -> Option<Self> {
        let name = members.nullable_text("name");
        Some(Self {
            name: name.map(Nullable),
        })
    }
}

/// A tenant to be made.
#[derive(Debug, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct CreateTenantBody {
    /// The part of the tenant's URLs that names it. It never changes.
    #[oai(validator(min_length = 1, max_length = 63, pattern = "^[a-z0-9](-?[a-z0-9])*$"))]
    slug: String,
    /// What people call it; the slug when absent.
    #[oai(validator(min_length = 1, max_length = 200))]
    name: Option<Nullable<String>>,
    /// What differs from the default settings.
    settings: Option<Nullable<SettingsChange>>,
    /// The settings as they were sent: their rules are the policy's.
    #[oai(skip)]
    members: Map<String, Value>,
}

impl Example for CreateTenantBody {
    fn example() -> Self {
        Self {
            slug: "acme".to_owned(),
            name: Some(Nullable(Some("Acme Inc.".to_owned()))),
            settings: None,
            members: Map::new(),
        }
    }
}

impl FromMembers for CreateTenantBody {
    const STRICT: bool = true;

    fn from_members(members: &mut Members) -> Option<Self> {
        let (slug, name) = (members.text("slug"), members.optional_text("name"));
        let settings = members.object("settings");
        Some(Self {
            slug: slug?,
            name: name.map(|name| Nullable(Some(name))),
            settings: None,
            members: settings.unwrap_or_default(),
        })
    }
}

impl From<CreateTenantBody> for CreateTenant {
    fn from(body: CreateTenantBody) -> Self {
        Self {
            slug: body.slug,
            name: body.name.and_then(|name| name.0),
            settings: body.members,
        }
    }
}

/// Whether a tenant serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize)]
#[oai(rename = "TenantState", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum TenantStateView {
    /// It serves its users.
    Active,
    /// It answers like a tenant that does not exist.
    Suspended,
}

/// A tenant.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "Tenant", example)]
pub struct TenantView {
    /// The id that never changes and is never used again.
    id: uuid::Uuid,
    /// The part of the tenant's URLs that names it.
    slug: String,
    /// What people call it.
    name: String,
    state: TenantStateView,
    /// The `iss` of its tokens and the base of its URLs.
    issuer: String,
    /// When it was made, in UTC (RFC 3339).
    created_at: DateTime,
    /// When it was changed last, in UTC (RFC 3339).
    updated_at: DateTime,
}

impl TenantView {
    fn of(app: &App, tenant: &Tenant) -> Self {
        Self {
            id: tenant.id.as_uuid(),
            slug: tenant.slug.to_string(),
            name: tenant.name.clone(),
            state: match tenant.state {
                TenantState::Active => TenantStateView::Active,
                TenantState::Suspended => TenantStateView::Suspended,
            },
            issuer: Issuer::of(&app.public_url, &tenant.slug)
                .as_str()
                .to_owned(),
            created_at: DateTime(tenant.created_at),
            updated_at: DateTime(tenant.updated_at),
        }
    }
}

impl Example for TenantView {
    fn example() -> Self {
        let at = DateTime(Timestamp::from_micros(1_795_000_000_000_000));
        Self {
            id: uuid::uuid!("01a1f6b2-5f00-7a3c-8d4e-0f1a2b3c4d5e"),
            slug: "acme".to_owned(),
            name: "Acme Inc.".to_owned(),
            state: TenantStateView::Active,
            issuer: "https://id.example.com/t/acme".to_owned(),
            created_at: at,
            updated_at: at,
        }
    }
}

/// A page of tenants.
#[derive(Debug, Object, Serialize)]
#[oai(example)]
pub struct TenantPage {
    items: Vec<TenantView>,
    /// Give it as `cursor` for the next page; null on the last one.
    next_cursor: Nullable<String>,
}

impl Example for TenantPage {
    fn example() -> Self {
        Self {
            items: vec![TenantView::example()],
            next_cursor: Nullable(Some("YWNtZQ".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::ToJSON;

    use super::*;

    #[test]
    fn answers_are_written_as_they_are_documented() {
        let page = TenantPage::example();
        assert_eq!(serde_json::to_value(&page).ok(), page.to_json());
    }
}
