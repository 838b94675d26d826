//! The OpenAPI document, built from types alone: no settings, no database, no state.

use std::sync::Arc;

use poem::{Endpoint, Request, RequestBody, Response, Result, http::header};
use poem_openapi::{
    ApiExtractor, ContactObject, ExtractParamOptions, LicenseObject, OpenApiService,
};
use serde_json::{Map, Value, json};
use url::Url;

use super::{
    api::{
        admin::{
            audit_events::AuditEventsApi, client_secrets::ClientSecretsApi, clients::ClientsApi,
            domains::DomainsApi, invitations::InvitationsApi, keys::KeysApi,
            master_keys::MasterKeysApi, registration_tokens::RegistrationTokensApi,
            settings::SettingsApi, sign_ins::SignInsApi, tenants::TenantsApi,
            user_import::UserImportApi, users::UsersApi,
        },
        discovery::DiscoveryApi,
        oauth::OAuthApi,
        registration::RegistrationApi,
        session::SessionApi,
    },
    browser_operations,
    edge::AllowedMethods,
    extract::tenant::TenantPath,
    respond::problem,
};

/// What a tenant's users and applications call, and what its administrators do: a tuple takes sixteen.
type Apis = (TenantApis, AdminApis);
type TenantApis = (DiscoveryApi, OAuthApi, RegistrationApi, SessionApi);
type AdminApis = (
    TenantsApi,
    UsersApi,
    UserImportApi,
    InvitationsApi,
    ClientsApi,
    ClientSecretsApi,
    DomainsApi,
    RegistrationTokensApi,
    AuditEventsApi,
    KeysApi,
    MasterKeysApi,
    SignInsApi,
    SettingsApi,
);

/// The service: the operations of the document as an endpoint.
pub fn service() -> OpenApiService<Apis, ()> {
    let tenant_apis = (DiscoveryApi, OAuthApi, RegistrationApi, SessionApi);
    let admin_apis = (
        TenantsApi,
        UsersApi,
        UserImportApi::default(),
        InvitationsApi,
        ClientsApi,
        ClientSecretsApi,
        DomainsApi,
        RegistrationTokensApi,
        AuditEventsApi,
        KeysApi,
        MasterKeysApi,
        SignInsApi,
        SettingsApi,
    );
    OpenApiService::new((tenant_apis, admin_apis), "Tokenhouse", env!("CARGO_PKG_VERSION"))
        .summary("A multi-tenant token server")
        .description(
            "Every tenant has its own issuer, users, clients and keys. Paths under `/t/{tenant}` belong to one \
             tenant; paths under `/admin/v1` to the operator. Errors of these operations are problem documents \
             (RFC 9457). Every answer carries `X-Request-Id`.",
        )
        .contact(ContactObject::new().name("Tokenhouse").url("https://github.com/tokenhouse/tokenhouse"))
        .license(LicenseObject::new("Apache-2.0").url("https://www.apache.org/licenses/LICENSE-2.0"))
}

/// The document as it is checked in: relative to wherever it is served.
pub fn document() -> Value {
    let mut document: Value = serde_json::from_str(&service().spec()).unwrap_or_default();
    // OpenAPI 3.0.x has no `summary` in `info`; it is kept as the first line of the description.
    if let Some(info) = document.get_mut("info").and_then(Value::as_object_mut)
        && let (Some(Value::String(summary)), Some(Value::String(description))) =
            (info.remove("summary"), info.get_mut("description"))
    {
        *description = format!("{summary}. {description}");
    }
    document["servers"] = json!([{ "url": "/", "description": "This server" }]);
    browser_operations::describe(&mut document);
    if let Some(tags) = document["tags"].as_array_mut() {
        tags.push(json!({
            "name": "Pages",
            "description": "Addresses that browsers are sent to; they answer with pages and redirects.",
        }));
    }
    tidy(&mut document);
    exemplify_problems(&mut document);
    for (schema, member) in WRITE_ONLY {
        document["components"]["schemas"][schema]["properties"][member]["writeOnly"] =
            Value::Bool(true);
    }
    document
}

/// Gives each refusal an example of its own kind.
fn exemplify_problems(document: &mut Value) {
    let operations = document["paths"]
        .as_object_mut()
        .into_iter()
        .flat_map(Map::values_mut);
    let operations = operations
        .filter_map(Value::as_object_mut)
        .flat_map(Map::values_mut);
    for responses in operations.filter_map(|operation| operation["responses"].as_object_mut()) {
        for (status, response) in responses {
            let example = status.parse().ok().and_then(problem::example);
            if let (Some(example), Some(content)) = (
                example,
                response["content"].get_mut("application/problem+json"),
            ) {
                content["example"] = example;
            }
        }
    }
}

/// Members that are sent and never answered. (The derive's own attribute would also leave them out
/// of the examples.)
const WRITE_ONLY: &[(&str, &str)] = &[
    ("SignupBody", "password"),
    ("SignupBody", "invitation"),
    ("LoginBody", "password"),
    ("RefreshTokenBody", "refresh_token"),
];

/// A described reference comes out as `allOf: [{$ref}, {description}]` with the description once
/// more beside it; generators make a class of that. `allOf: [{$ref}]` with the description is the
/// form of OpenAPI 3.0 they know.
fn tidy(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(members) => {
            let described = members.contains_key("description");
            if let Some(Value::Array(parts)) = members.get_mut("allOf") {
                let redundant = |part: &Value| {
                    described
                        && part
                            .as_object()
                            .is_some_and(|part| part.keys().all(|key| key == "description"))
                };
                parts.retain(|part| !redundant(part));
            }
            members.values_mut().for_each(tidy);
        }
        _ => {}
    }
}

/// Pretty JSON with a trailing newline.
pub fn to_json(document: &Value) -> String {
    format!("{document:#}\n")
}

/// YAML, for those who read it.
pub fn to_yaml(document: &Value) -> String {
    serde_yaml::to_string(document).unwrap_or_default()
}

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

    /// The same document with one tenant's server URL: its paths lose `/t/{tenant}`.
    fn for_tenant(&self, base: &str) -> String {
        let mut document = self.0.document.clone();
        document["servers"] = json!([{ "url": base }]);
        let mut paths = Map::new();
        if let Some(Value::Object(all)) = document.get_mut("paths").map(Value::take) {
            for (path, mut operations) in all {
                let Some(path) = path.strip_prefix("/t/{tenant}") else {
                    continue;
                };
                for operation in operations
                    .as_object_mut()
                    .into_iter()
                    .flat_map(Map::values_mut)
                {
                    if let Some(parameters) = operation
                        .get_mut("parameters")
                        .and_then(Value::as_array_mut)
                    {
                        parameters.retain(|parameter| {
                            parameter["in"] != "path" || parameter["name"] != "tenant"
                        });
                    }
                }
                paths.insert(path.to_owned(), operations);
            }
        }
        document["paths"] = Value::Object(paths);
        to_json(&document)
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
