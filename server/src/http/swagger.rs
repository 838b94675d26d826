//! `/docs/`: Swagger UI over the document, from files in the binary. Nothing is fetched from
//! elsewhere, and the policy of the page forbids it. `{issuer}/docs/` is the same over the document of one
//! tenant, whose "Authorize" signs in there by authorization code with PKCE.

use std::sync::Arc;

use poem::{
    Endpoint, IntoResponse, Request, RequestBody, Response, Result, handler,
    http::{StatusCode, header},
};
use poem_openapi::{ApiExtractor, ExtractParamOptions};
use utoipa_swagger_ui::{Config, oauth, serve};

use super::{
    cookies,
    extract::tenant::TenantPath,
    respond::problem::{Kind, Problem},
};
use crate::domain::tenant::TenantScope;

/// The page that the browser comes back to after signing in, behind the issuer: a client has to register it
/// before it can be used with "Authorize".
pub const OAUTH_REDIRECT: &str = "/docs/oauth2-redirect.html";

/// Swagger UI writes styles and inline images itself; scripts come from this server alone.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page's relative links need the trailing slash.
#[handler]
pub(crate) fn redirect() -> Response {
    to_slash("/docs")
}

/// Serves the files of Swagger UI.
pub struct SwaggerUi(Arc<Config<'static>>);

impl Default for SwaggerUi {
    fn default() -> Self {
        Self::new()
    }
}

impl SwaggerUi {
    pub fn new() -> Self {
        let config = Config::from("/openapi.json")
            .try_it_out_enabled(true)
            .persist_authorization(false);
        Self(Arc::new(config))
    }
}

impl Endpoint for SwaggerUi {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let tail = request.uri().path().strip_prefix("/docs/");
        file(tail.unwrap_or_default(), Arc::clone(&self.0))
    }
}

/// Serves the same files for a tenant.
pub struct TenantSwaggerUi;

impl Endpoint for TenantSwaggerUi {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let options = ExtractParamOptions::default();
        let TenantPath(tenant) =
            TenantPath::from_request(&request, &mut RequestBody::default(), options).await?;
        let path = request.uri().path();
        // Behind `/t/{tenant}/docs/`; a tenant may be called docs.
        match path.splitn(5, '/').nth(4) {
            Some(tail) => file(tail, Arc::new(config_of(&tenant))),
            // The page's relative links need the trailing slash.
            None => Ok(to_slash(&format!("{}/docs", cookies::path_of(&tenant)))),
        }
    }
}

/// Over the tenant's document. Which client signs in is for whoever does to say.
fn config_of(tenant: &TenantScope) -> Config<'static> {
    let base = tenant.base();
    let sign_in = oauth::Config::new()
        .use_pkce_with_authorization_code_grant(true)
        .scopes(["openid", "profile", "email"].map(str::to_owned).to_vec());
    Config::with_oauth_config([format!("{base}/openapi.json")], sign_in)
        .oauth2_redirect_url(format!("{base}{OAUTH_REDIRECT}"))
        .try_it_out_enabled(true)
        .persist_authorization(false)
}

fn to_slash(path: &str) -> Response {
    Response::builder()
        .status(StatusCode::PERMANENT_REDIRECT)
        .header(header::LOCATION, format!("{path}/"))
        .finish()
}

/// One file, the one with the configuration filled in.
fn file(tail: &str, config: Arc<Config<'static>>) -> Result<Response> {
    let file = serve(tail, config)
        .map_err(|error| {
            tracing::error!(%error, "Swagger UI failed");
            Problem::new(Kind::Internal)
        })?
        .ok_or_else(|| Problem::new(Kind::NotFound))?;
    let mut response = bytes::Bytes::from(file.bytes.into_owned()).into_response();
    let headers = response.headers_mut();
    if let Ok(kind) = file.content_type.parse() {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    if file.gzpipped {
        headers.insert(
            header::CONTENT_ENCODING,
            header::HeaderValue::from_static("gzip"),
        );
    }
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("public, max-age=3600"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        header::HeaderValue::from_static(POLICY),
    );
    headers.insert(
        header::X_FRAME_OPTIONS,
        header::HeaderValue::from_static("DENY"),
    );
    Ok(response)
}
