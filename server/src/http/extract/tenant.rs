//! The tenant of a request, from its path.

use std::sync::Arc;

use poem::{Request, RequestBody, Result};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaParamIn, MetaSchema, MetaSchemaRef},
};

use crate::{
    app::App,
    application::error::Error,
    domain::tenant::{Slug, TenantScope},
    http::{
        host::Door,
        respond::problem::{Kind, Problem},
        whose::Whose,
    },
};

/// The tenant that the path names, entered. An unknown and a suspended tenant are the same 404,
/// before anything else of the request is looked at.
#[derive(Clone, Debug)]
pub struct TenantPath(pub TenantScope);

impl<'a> ApiExtractor<'a> for TenantPath {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
    const PARAM_IS_REQUIRED: bool = true;

    type ParamType = String;
    type ParamRawType = String;

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Path)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(MetaSchemaRef::Inline(Box::new(slug_schema())))
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<String>,
    ) -> Result<Self> {
        let app = app(request)?;
        Ok(Self(enter(app, request).await?))
    }
}

/// The id at one place of the path, unread: `/admin/v1/tenants/{tenant}/users/{id}` has it at 6. (The
/// framework binds its own path parameters by order, and would take the tenant for it.)
#[derive(Clone, Debug)]
pub struct Segment<const AT: usize>(pub String);

impl<'a, const AT: usize> ApiExtractor<'a> for Segment<AT> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
    const PARAM_IS_REQUIRED: bool = true;

    type ParamType = String;
    type ParamRawType = String;

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Path)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        let schema = MetaSchema {
            max_length: Some(255),
            ..MetaSchema::new("string")
        };
        Some(MetaSchemaRef::Inline(Box::new(schema)))
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<String>,
    ) -> Result<Self> {
        // No id of ours needs escaping: what is escaped is none.
        Ok(Self(segment(request, AT).to_owned()))
    }
}

/// One part of the path as it was sent, counted from the empty one before the first slash.
pub(super) fn segment(request: &Request, at: usize) -> &str {
    // Not the original one: behind a custom domain that is shorter.
    let path = request.uri().path();
    path.split('/').nth(at).unwrap_or_default()
}

/// The schema of a tenant's slug.
pub fn slug_schema() -> MetaSchema {
    MetaSchema {
        pattern: Some("^[a-z0-9](-?[a-z0-9])*$".to_owned()),
        min_length: Some(1),
        max_length: Some(63),
        example: Some("demo".into()),
        ..MetaSchema::new("string")
    }
}

/// The container, put into every request by the outermost endpoint.
pub fn app(request: &Request) -> Result<&Arc<App>, Problem> {
    request
        .data::<Arc<App>>()
        .ok_or_else(|| Problem::new(Kind::Internal))
}

async fn enter(app: &App, request: &Request) -> Result<TenantScope, Problem> {
    // The raw segment behind the first `t`: a decoded one would give a tenant a second spelling.
    // (With RFC 8414 §3.1 the well-known part stands before it.)
    let mut segments = request
        .uri()
        .path()
        .split('/')
        .skip_while(|part| *part != "t");
    let segment = segments.nth(1).unwrap_or_default();
    let not_found = || Problem::new(Kind::NotFound);
    let slug = Slug::parse(segment).map_err(|_| not_found())?;
    let tenant = app
        .tenants
        .by_slug(&slug)
        .await
        .map_err(Error::from)?
        .ok_or_else(not_found)?;
    let entered = match request.data::<Door>() {
        None => tenant.enter(&app.public_url),
        Some(Door(domain)) => tenant.enter_at(&app.public_url, domain),
    };
    let tenant = entered.map_err(|_| not_found())?;
    tracing::Span::current().record("tenant", tracing::field::display(tenant.slug()));
    Whose::mark(request, tenant.slug());
    Ok(tenant)
}
