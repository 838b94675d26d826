//! `/docs/`: Swagger UI over the document, from files in the binary. Nothing is fetched from
//! elsewhere, and the policy of the page forbids it.

use std::sync::Arc;

use poem::{
    Endpoint, IntoResponse, Request, Response, Result, handler,
    http::{StatusCode, header},
};
use utoipa_swagger_ui::{Config, serve};

use super::respond::problem::{Kind, Problem};

/// Swagger UI writes styles and inline images itself; scripts come from this server alone.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page's relative links need the trailing slash.
#[handler]
pub(crate) fn redirect() -> Response {
    Response::builder()
        .status(StatusCode::PERMANENT_REDIRECT)
        .header(header::LOCATION, "/docs/")
        .finish()
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
        let tail = request
            .uri()
            .path()
            .trim_start_matches("/docs")
            .trim_start_matches('/')
            .to_owned();
        let file = serve(&tail, Arc::clone(&self.0))
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
}
