//! The checked-in document is the server's, and it says all that a client generator needs.

use serde_json::Value;

#[test]
fn the_checked_in_document_is_current() {
    let difference = tokenhouse_openapi::difference().expect("openapi.json can be read");
    assert!(
        difference.is_none(),
        "run `{}`\n{}",
        tokenhouse_openapi::WRITE_COMMAND,
        difference.unwrap_or_default()
    );
}

/// Operations that anyone may call without a credential.
const PUBLIC: &[&str] = &[
    "signup",
    "login",
    "get_openid_configuration",
    "get_authorization_server_metadata",
    "get_openid_configuration_well_known_first",
    "get_authorization_server_metadata_well_known_first",
    "get_jwks",
    "authorize",
    "authorize_by_post",
    "end_session",
    "end_session_by_post",
];

fn operations() -> Vec<(String, String, Value)> {
    let document: Value =
        serde_json::from_str(&tokenhouse_openapi::current()).expect("the document is JSON");
    let paths = document["paths"].as_object().expect("paths").clone();
    paths
        .into_iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods").clone();
            methods
                .into_iter()
                .map(move |(method, operation)| (path.clone(), method, operation))
        })
        .collect()
}

#[test]
fn every_operation_has_an_id_a_tag_a_summary_and_its_security() {
    let operations = operations();
    let mut ids: Vec<_> = operations
        .iter()
        .map(|(.., one)| one["operationId"].as_str())
        .collect();
    ids.sort_unstable();
    let repeated: Vec<_> = ids.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(
        repeated.is_empty(),
        "client generators need unique ids: {repeated:?}"
    );
    for (path, method, operation) in &operations {
        let id = operation["operationId"]
            .as_str()
            .unwrap_or_else(|| panic!("{method} {path} has no operationId"));
        assert!(
            id.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
            "{id} is not snake_case"
        );
        assert_eq!(
            operation["tags"].as_array().map(Vec::len),
            Some(1),
            "{id} has one tag"
        );
        assert!(operation["summary"].is_string(), "{id} has a summary");
        assert_eq!(
            operation["security"].is_array(),
            !PUBLIC.contains(&id),
            "{id} and its security"
        );
    }
}

#[test]
fn every_operation_documents_its_errors_in_its_dialect() {
    for (path, method, operation) in operations() {
        let responses = operation["responses"].as_object().expect("responses");
        assert!(
            responses.contains_key("500") && responses.contains_key("503"),
            "{method} {path}"
        );
        for (status, response) in responses
            .iter()
            .filter(|(status, _)| status.as_str() >= "400")
        {
            // The endpoint decides, but for an unknown tenant: there is no endpoint then.
            let oauth = ["token", "revoke", "introspect", "userinfo", "register"]
                .iter()
                .any(|name| path.contains(&format!("/oauth2/{name}")));
            let page = path.ends_with("/oauth2/authorize") || path.ends_with("/oauth2/logout");
            let content = &response["content"];
            if oauth && status != "404" {
                let schema = &content["application/json"]["schema"]["$ref"];
                assert_eq!(
                    schema, "#/components/schemas/OAuthError",
                    "{method} {path} {status}"
                );
            } else if page && status != "404" {
                assert!(content["text/html"].is_object(), "{method} {path} {status}");
            } else {
                let schema = &content["application/problem+json"]["schema"]["$ref"];
                assert_eq!(
                    schema, "#/components/schemas/Problem",
                    "{method} {path} {status}"
                );
            }
            assert!(
                !response["description"]
                    .as_str()
                    .unwrap_or_default()
                    .is_empty(),
                "{method} {path} {status}"
            );
        }
    }
}

#[test]
fn every_tenant_path_declares_the_tenant() {
    for (path, method, operation) in operations()
        .into_iter()
        .filter(|(path, ..)| path.contains("{tenant}"))
    {
        let parameters = operation["parameters"].as_array().expect("parameters");
        let declared = parameters
            .iter()
            .any(|p| p["name"] == "tenant" && p["in"] == "path" && p["required"] == true);
        assert!(declared, "{method} {path}");
        assert!(
            operation["responses"].get("404").is_some(),
            "{method} {path} can be absent"
        );
    }
}
