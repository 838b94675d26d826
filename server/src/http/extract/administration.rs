//! Who administers the tenant in the path: `/admin/v1/tenants/{tenant}/…`.

use poem::{Request, RequestBody, Result, http::Method};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaParamIn, MetaSchemaRef, Registry},
};

use super::{
    credentials::{AccessToken, Operator, bearer},
    tenant::{app, segment, slug_schema},
};
use crate::{
    application::admin::administration::{self, Administration, Need},
    http::{respond::problem::Problem, whose::Whose},
};

/// Where the tenant stands in a path of the admin API.
const TENANT: usize = 4;

/// Proof that the caller may do this to the tenant in the path. Reading needs less than anything else,
/// and the method says what it is: an operation can't ask for too little.
#[derive(Clone, Debug)]
pub struct Administered(pub Administration);

impl std::ops::Deref for Administered {
    type Target = Administration;

    fn deref(&self) -> &Administration {
        &self.0
    }
}

impl<'a> ApiExtractor<'a> for Administered {
    const TYPES: &'static [ApiExtractorType] = &[
        ApiExtractorType::Parameter,
        ApiExtractorType::SecurityScheme,
    ];
    const PARAM_IS_REQUIRED: bool = true;

    type ParamType = String;
    type ParamRawType = String;

    fn register(registry: &mut Registry) {
        Operator::register(registry);
        AccessToken::register(registry);
    }

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Path)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(MetaSchemaRef::Inline(Box::new(slug_schema())))
    }

    fn security_schemes() -> Vec<&'static str> {
        vec!["OperatorToken", "AccessToken"]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<String>,
    ) -> Result<Self> {
        let app = app(request)?;
        let need = match *request.method() {
            Method::GET | Method::HEAD => Need::Read,
            _ => Need::Write,
        };
        let slug = segment(request, TENANT);
        let administration =
            administration::administer(app, bearer(request), slug, need, app.now())
                .await
                .map_err(Problem::from)?;
        let slug = administration.tenant().slug();
        tracing::Span::current().record("tenant", tracing::field::display(slug));
        Whose::mark(request, slug);
        Ok(Self(administration))
    }
}
