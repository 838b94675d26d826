//! What answers carry besides their bodies: headers, and an example for each refusal.

use serde_json::{Value, json};

use crate::http::respond::problem;

/// Headers that answers may have, described once.
const HEADERS: &[(&str, &str, &str)] = &[
    (
        "X-Request-Id",
        "uuid",
        "The id of the request, as in the server's log and in the `instance` of a problem.",
    ),
    (
        "ETag",
        "",
        "Which state of the object this is: send it as `If-Match` with a change.",
    ),
    ("Location", "uri", "Where the new object is."),
    (
        "Set-Cookie",
        "",
        "The session cookies, one a header: HttpOnly, and over https Secure. A logout clears them.",
    ),
    ("Cache-Control", "", "How long the answer may be kept."),
];

/// Which successful answers have which of them: operation, status, header, and whether it is always there.
const WHERE: &[(&str, &str, &str, bool)] = &[
    ("create_tenant", "201", "Location", true),
    ("create_tenant", "201", "ETag", true),
    ("get_tenant", "200", "ETag", true),
    ("update_tenant", "200", "ETag", true),
    ("suspend_tenant", "200", "ETag", true),
    ("resume_tenant", "200", "ETag", true),
    ("get_settings", "200", "ETag", true),
    ("update_settings", "200", "ETag", true),
    ("create_user", "201", "Location", true),
    ("create_invitation", "201", "Location", true),
    ("create_registration_token", "201", "Location", true),
    ("create_user", "201", "ETag", true),
    ("get_user", "200", "ETag", true),
    ("update_user", "200", "ETag", true),
    ("create_client", "201", "Location", true),
    ("create_client", "201", "ETag", true),
    ("get_client", "200", "ETag", true),
    ("update_client", "200", "ETag", true),
    ("login", "200", "Set-Cookie", false),
    ("refresh_session", "200", "Set-Cookie", false),
    ("logout", "204", "Set-Cookie", true),
    ("get_jwks", "200", "Cache-Control", true),
    ("get_openid_configuration", "200", "Cache-Control", true),
    (
        "get_openid_configuration_well_known_first",
        "200",
        "Cache-Control",
        true,
    ),
    (
        "get_authorization_server_metadata",
        "200",
        "Cache-Control",
        true,
    ),
    (
        "get_authorization_server_metadata_well_known_first",
        "200",
        "Cache-Control",
        true,
    ),
    ("get_openapi_json", "200", "Cache-Control", true),
    ("get_openapi_yaml", "200", "Cache-Control", true),
    ("get_tenant_openapi_json", "200", "Cache-Control", true),
];

/// Completes all answers.
pub(super) fn complete(document: &mut Value) {
    for (_, operation) in super::operations(document) {
        let id = operation["operationId"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let responses = operation["responses"].as_object_mut();
        for (status, response) in responses.into_iter().flatten() {
            if let Some(members) = response.as_object_mut() {
                // An answer without a body has no content; null is not allowed in its place.
                members.retain(|name, value| name != "content" || !value.is_null());
            }
            let kind = response
                .pointer("/content/application~1problem+json")
                .is_some();
            if kind && let Some(example) = status.parse().ok().and_then(problem::example) {
                response["content"]["application/problem+json"]["example"] = example;
            }
            add_headers(response, &id, status);
        }
    }
    let mut headers = serde_json::Map::new();
    for (name, format, description) in HEADERS {
        for always in [true, false] {
            let mut schema = json!({ "type": "string" });
            if !format.is_empty() {
                schema["format"] = json!(format);
            }
            let used = WHERE
                .iter()
                .any(|(_, _, header, required)| header == name && *required == always);
            if used || (*name == "X-Request-Id" && always) {
                let header =
                    json!({ "description": description, "required": always, "schema": schema });
                headers.insert(component(name, always), header);
            }
        }
    }
    document["components"]["headers"] = Value::Object(headers);
}

fn component(header: &str, always: bool) -> String {
    let name = header.replace('-', "");
    if always {
        name
    } else {
        format!("Optional{name}")
    }
}

fn add_headers(response: &mut Value, operation: &str, status: &str) {
    let mut refer = |name: &str, always: bool| {
        let to = format!("#/components/headers/{}", component(name, always));
        response["headers"][name] = json!({ "$ref": to });
    };
    refer("X-Request-Id", true);
    for (_, _, header, always) in WHERE
        .iter()
        .filter(|(id, at, ..)| *id == operation && *at == status)
    {
        refer(header, *always);
    }
}
