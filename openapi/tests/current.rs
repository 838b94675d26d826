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
    "get_openapi_json",
    "get_openapi_yaml",
    "get_tenant_openapi_json",
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
        let security = operation["security"].as_array();
        assert_eq!(
            security.map(Vec::is_empty),
            Some(PUBLIC.contains(&id)),
            "{id} says what it needs, also when that is nothing"
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
            let oauth = ["token", "revoke", "introspect", "userinfo", "register"]
                .iter()
                .any(|name| path.contains(&format!("/oauth2/{name}")));
            let page = path.ends_with("/oauth2/authorize") || path.ends_with("/oauth2/logout");
            let content = &response["content"];
            if oauth {
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

/// Generators make names of their own for what has none, and names for types are part of a client's API.
#[test]
fn every_object_and_every_enumeration_in_a_schema_has_a_name() {
    let document: Value =
        serde_json::from_str(&tokenhouse_openapi::current()).expect("the document is JSON");
    for (name, schema) in document["components"]["schemas"]
        .as_object()
        .expect("schemas")
    {
        // What the code calls it, to keep it apart from a type of another layer, is nobody's concern.
        assert!(!name.ends_with("View"), "{name}");
        for (member, schema) in schema["properties"].as_object().into_iter().flatten() {
            let parts = [schema, &schema["items"], &schema["additionalProperties"]];
            for part in parts {
                assert!(part.get("properties").is_none(), "{name}.{member}");
                // One word alone is a constant: it tells the members of a union apart.
                let words = part["enum"].as_array().map_or(0, Vec::len);
                assert!(words < 2, "{name}.{member}");
            }
            let described = schema["description"].is_string() || schema["$ref"].is_string();
            assert!(described, "{name}.{member} has no description");
        }
    }
}

#[test]
fn every_answer_says_which_request_it_answers() {
    for (path, method, operation) in operations() {
        for (status, response) in operation["responses"].as_object().expect("responses") {
            assert!(
                response["headers"]["X-Request-Id"].is_object(),
                "{method} {path} {status}"
            );
        }
    }
}
