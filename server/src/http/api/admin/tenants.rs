//! The operator's tenants.

use std::sync::Arc;

use poem::{http::header, web::Data};
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Path, Query},
    types::Example,
};
use serde::Serialize;

use super::page::{self, check_query, default_limit, read_cursor, write_cursor};
use crate::{
    app::App,
    application::admin::tenants::{self, CreateTenant},
    domain::tenant::{Issuer, Slug, Tenant, TenantState},
    domain::timestamp::Timestamp,
    http::{
        api::Tag,
        extract::{
            body::{FromMembers, JsonBody, Members},
            credentials::Operator,
        },
        respond::{
            answer::{Answer, NoContent, Refused, refusals},
            json::{DateTime, Nullable},
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
        body: JsonBody<CreateTenantBody>,
    ) -> Result<Answer<201, TenantView>, Refused<CreateRefusals>> {
        let tenant = tenants::create(&app, operator.0, body.0.into(), app.now()).await?;
        let location = format!(
            "{}/admin/v1/tenants/{}",
            app.public_url.as_str().trim_end_matches('/'),
            tenant.slug
        );
        Ok(Answer::new(TenantView::of(&app, &tenant)).header(header::LOCATION, &location))
    }

    /// List tenants
    ///
    /// A page of tenants in order of slug. Its cost does not grow with the number of tenants.
    #[oai(
        path = "/admin/v1/tenants",
        method = "get",
        operation_id = "list_tenants"
    )]
    async fn list_tenants(
        &self,
        app: Data<&Arc<App>>,
        operator: Operator,
        /// How many tenants at most.
        #[oai(
            validator(minimum(value = "1"), maximum(value = "200")),
            default = "default_limit"
        )]
        limit: Query<i32>,
        /// Where to go on: `next_cursor` of the page before.
        #[oai(validator(max_length = 128))]
        cursor: Query<Option<String>>,
        /// Only tenants whose slug or name contains this.
        #[oai(validator(max_length = 200))]
        q: Query<Option<String>>,
    ) -> Result<Answer<200, TenantPage>, Refused<ListRefusals>> {
        let limit = page::limit(limit.0);
        let after = read_cursor(cursor.0.as_deref(), Slug::parse)?;
        check_query(q.0.as_deref())?;
        let page = tenants::page(&app, operator.0, after.as_ref(), limit, q.0.as_deref()).await?;
        Ok(Answer::new(TenantPage {
            items: page
                .items
                .iter()
                .map(|tenant| TenantView::of(&app, tenant))
                .collect(),
            next_cursor: Nullable(page.next.map(|slug| write_cursor(slug.as_str()))),
        }))
    }

    /// Read a tenant
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
        Ok(Answer::new(TenantView::of(&app, &tenant)))
    }

    /// Delete a tenant
    ///
    /// Deletes the tenant with all its users, clients, sessions and keys. There is no way back.
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
        tenants::delete(&app, operator.0, &tenant).await?;
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
        Ok(Answer::new(TenantView::of(&app, &tenant)))
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
        Ok(Answer::new(TenantView::of(&app, &tenant)))
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
}

impl Example for CreateTenantBody {
    fn example() -> Self {
        Self {
            slug: "acme".to_owned(),
            name: Some(Nullable(Some("Acme Inc.".to_owned()))),
        }
    }
}

impl FromMembers for CreateTenantBody {
    fn from_members(members: &mut Members) -> Option<Self> {
        let (slug, name) = (members.text("slug"), members.optional_text("name"));
        Some(Self {
            slug: slug?,
            name: name.map(|name| Nullable(Some(name))),
        })
    }
}

impl From<CreateTenantBody> for CreateTenant {
    fn from(body: CreateTenantBody) -> Self {
        Self {
            slug: body.slug,
            name: body.name.and_then(|name| name.0),
        }
    }
}

/// Whether a tenant serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize)]
#[oai(rename_all = "snake_case")]
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
