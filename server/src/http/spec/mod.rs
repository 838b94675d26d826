//! The OpenAPI document, built from types alone: no settings, no database, no state.

mod access;
mod answers;
mod descriptions;
mod members;
mod pages;
mod published;
mod served;
mod shapes;
mod tenant;

use poem_openapi::{ContactObject, LicenseObject, OpenApiService};
use serde_json::{Map, Value, json};

pub use self::served::{Documents, OpenApiJson, OpenApiYaml, TenantOpenApiJson};
use super::api::{
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
    let tenant_apis = (
        DiscoveryApi::default(),
        OAuthApi,
        RegistrationApi,
        SessionApi,
    );
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
    let apis = (tenant_apis, admin_apis);
    OpenApiService::new(apis, "Tokenhouse", env!("CARGO_PKG_VERSION"))
        .summary("A multi-tenant token server")
        .description(include_str!("description.md").trim_end())
        .contact(
            ContactObject::new()
                .name("Tokenhouse")
                .url("https://github.com/tokenhouse/tokenhouse"),
        )
        .license(
            LicenseObject::new("Apache-2.0").url("https://www.apache.org/licenses/LICENSE-2.0"),
        )
}

/// The document as it is checked in: relative to wherever it is served.
pub fn document() -> Value {
    let mut document: Value = serde_json::from_str(&service().spec()).unwrap_or_default();
    // What `nullable` means beside a reference was settled by 3.0.3; the framework says 3.0.0.
    document["openapi"] = json!("3.0.3");
    // OpenAPI 3.0.x has no `summary` in `info`; it is kept as the first line of the description.
    if let Some(info) = document.get_mut("info").and_then(Value::as_object_mut)
        && let (Some(Value::String(summary)), Some(Value::String(description))) =
            (info.remove("summary"), info.get_mut("description"))
    {
        *description = format!("{summary}.\n\n{description}");
    }
    document["servers"] = json!([{ "url": "/", "description": "This server" }]);
    pages::describe(&mut document);
    published::describe(&mut document);
    tidy(&mut document);
    shapes::shape(&mut document);
    members::say(&mut document);
    descriptions::fill(&mut document);
    answers::complete(&mut document);
    access::complete(&mut document);
    order_tags(&mut document);
    document
}

/// All operations, with their methods.
fn operations(document: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    let paths = document["paths"].as_object_mut();
    let paths = paths.into_iter().flat_map(Map::values_mut);
    paths.filter_map(Value::as_object_mut).flatten()
}

/// Lets everything that names one schema name another.
fn rename_references(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::Array(items) => items
            .iter_mut()
            .for_each(|one| rename_references(one, from, to)),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if name == "$ref" && *member == format!("#/components/schemas/{from}") {
                    *member = json!(format!("#/components/schemas/{to}"));
                }
                rename_references(member, from, to);
            }
        }
        _ => {}
    }
}

/// The groups in the order in which people meet them.
fn order_tags(document: &mut Value) {
    const ORDER: [&str; 13] = [
        "Discovery",
        "OAuth",
        "Pages",
        "Registration",
        "Session",
        "Tenants",
        "Users",
        "Clients",
        "Sign-ins",
        "Keys",
        "Settings",
        "Domains",
        "Audit",
    ];
    if let Some(tags) = document["tags"].as_array_mut() {
        tags.push(json!({
            "name": "Pages",
            "description": "Addresses that browsers are sent to; they answer with pages and redirects.",
        }));
        tags.sort_by_key(|tag| {
            let name = tag["name"].as_str().unwrap_or_default();
            ORDER.iter().position(|known| *known == name)
        });
    }
}

/// What the framework writes and nobody needs, or takes for something else: a described reference with its
/// description twice (generators make a class of that), defaults spelled out, whole numbers as fractions.
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
            if members.get("deprecated") == Some(&json!(false)) {
                members.remove("deprecated");
            }
            if members.contains_key("in") {
                members.remove("explode");
            }
            for bound in ["minimum", "maximum"] {
                if let Some(number) = members.get_mut(bound) {
                    *number = whole(number);
                }
            }
            members.values_mut().for_each(tidy);
        }
        _ => {}
    }
}

/// The same number, without a fraction of zero.
fn whole(number: &Value) -> Value {
    let text = number.to_string();
    let digits = text
        .strip_suffix(".0")
        .and_then(|digits| digits.parse::<i64>().ok());
    digits.map_or_else(|| number.clone(), Value::from)
}

/// Pretty JSON with a trailing newline.
pub fn to_json(document: &Value) -> String {
    format!("{document:#}\n")
}

/// YAML, for those who read it.
pub fn to_yaml(document: &Value) -> String {
    serde_yaml::to_string(document).unwrap_or_default()
}
