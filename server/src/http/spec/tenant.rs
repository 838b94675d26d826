//! The document of one tenant: its server's address, its paths, and a way to sign in that works there.

use serde_json::{Map, Value, json};

/// What a client may ask a user for, and what each of it means.
const SCOPES: &[(&str, &str)] = &[
    ("openid", "Who the user is."),
    (
        "profile",
        "Name, picture and what else the user says of itself.",
    ),
    ("email", "The email address."),
    ("phone", "The phone number."),
    ("address", "The postal address."),
    ("offline_access", "Access while the user is away."),
];

/// The scheme's name: a tenant's document has it, and no other.
const SCHEME: &str = "TenantLogin";

/// The same document with the tenant's address as its server: paths lose `/t/{tenant}`, and what isn't
/// below it is left out.
pub(super) fn document(of_all: &Value, base: &str) -> Value {
    let mut document = of_all.clone();
    document["servers"] = json!([{ "url": base, "description": "This tenant" }]);
    let mut paths = Map::new();
    if let Some(Value::Object(all)) = document.get_mut("paths").map(Value::take) {
        for (path, mut operations) in all {
            if let Some(path) = path.strip_prefix("/t/{tenant}") {
                let each = operations.as_object_mut().into_iter();
                each.flat_map(Map::values_mut).for_each(of_this_tenant);
                paths.insert(path.to_owned(), operations);
            }
        }
    }
    document["paths"] = Value::Object(paths);
    leave_out_unused_tags(&mut document);
    let scopes: Map<_, _> = SCOPES
        .iter()
        .map(|(scope, meaning)| ((*scope).to_owned(), json!(meaning)))
        .collect();
    document["components"]["securitySchemes"][SCHEME] = json!({
        "type": "oauth2",
        "description": "Sign in at the tenant with one of its clients. A public client needs PKCE and no secret.",
        "flows": {
            "authorizationCode": {
                "authorizationUrl": format!("{base}/oauth2/authorize"),
                "tokenUrl": format!("{base}/oauth2/token"),
                "refreshUrl": format!("{base}/oauth2/token"),
                "scopes": scopes,
            },
        },
    });
    document
}

/// The address says which tenant it is; whoever may send an access token may get one by signing in.
fn of_this_tenant(operation: &mut Value) {
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        parameters.retain(|parameter| parameter["in"] != "path" || parameter["name"] != "tenant");
    }
    if operation["parameters"].as_array().is_none_or(Vec::is_empty)
        && let Some(operation) = operation.as_object_mut()
    {
        operation.remove("parameters");
    }
    let takes_tokens = |one: &Value| one.get("AccessToken").is_some();
    if let Some(security) = operation["security"].as_array_mut()
        && security.iter().any(takes_tokens)
    {
        security.insert(0, json!({ SCHEME: [] }));
    }
}

fn leave_out_unused_tags(document: &mut Value) {
    let used: Vec<_> = super::operations(document)
        .flat_map(|(_, operation)| operation["tags"].as_array().cloned().unwrap_or_default())
        .collect();
    if let Some(tags) = document["tags"].as_array_mut() {
        tags.retain(|tag| used.contains(&tag["name"]));
    }
}
