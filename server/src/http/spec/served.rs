//! The document as it is served: for the whole installation, and for one tenant.

use std::sync::Arc;

use poem::{Endpoint, Request, RequestBody, Response, Result, http::header};
use poem_openapi::{ApiExtractor, ExtractParamOptions};
use serde_json::{Value, json};
use url::Url;

use super::{document, tenant, to_json, to_yaml};
use crate::http::{edge::AllowedMethods, extract::tenant::TenantPath};

/// The document in the forms that are served, written once.
#[derive(Clone, Debug)]
pub struct Documents(Arc<Forms>);

#[derive(Debug)]
struct Forms {
    document: Value,
    json: String,
    yaml: String,
}

impl Documents {
    pub fn new(public_url: &Url) -> Self {
        let mut document = document();
        document["servers"] = json!([{ "url": public_url.as_str().trim_end_matches('/') }]);
        let (json, yaml) = (to_json(&document), to_yaml(&document));
        Self(Arc::new(Forms {
            document,
            json,
            yaml,
        }))
    }

    /// The methods of every path.
    pub fn methods(&self) -> AllowedMethods {
        let paths = self.0.document["paths"].as_object().into_iter().flatten();
        AllowedMethods::new(paths.map(|(path, operations)| {
            let methods = operations.as_object().into_iter().flatten();
            (
                path.clone(),
                methods
                    .map(|(method, _)| method.to_ascii_uppercase())
                    .collect(),
            )
        }))
    }

    /// The same document for one tenant.
    fn for_tenant(&self, base: &str) -> String {
        to_json(&tenant::document(&self.0.document, base))
    }
}

fn cacheable(content_type: &'static str, body: String) -> Response {
    Response::builder()
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CACHE_CONTROL, "public, max-age=300")
        .body(body)
}

/// `/openapi.json`.
pub struct OpenApiJson(pub Documents);

impl Endpoint for OpenApiJson {
    type Output = Response;

    async fn call(&self, _request: Request) -> Result<Response> {
        Ok(cacheable("application/json", self.0.0.json.clone()))
    }
}

/// `/openapi.yaml`.
pub struct OpenApiYaml(pub Documents);

impl Endpoint for OpenApiYaml {
    type Output = Response;

    async fn call(&self, _request: Request) -> Result<Response> {
        Ok(cacheable("application/yaml", self.0.0.yaml.clone()))
    }
}

/// `{issuer}/openapi.json`.
pub struct TenantOpenApiJson(pub Documents);

impl Endpoint for TenantOpenApiJson {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let options = ExtractParamOptions::default();
        let tenant =
            TenantPath::from_request(&request, &mut RequestBody::default(), options).await?;
        Ok(cacheable(
            "application/json",
            self.0.for_tenant(tenant.0.base()),
        ))
    }
}
