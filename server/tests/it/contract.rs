//! Every answer that a test gets is held against the OpenAPI document: its status, its content type, its
//! headers and its body have to be there. What the document doesn't know fails the test that got it.
//!
//! The harness' client calls [`check`] for each answer, so no test can forget it.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex},
};

use jsonschema::{Draft, Validator};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Map, Value, json};

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../openapi/openapi.json")).unwrap());

/// The schemas as JSON Schema has them.
static SCHEMAS: LazyLock<Value> = LazyLock::new(|| {
    let schemas = DOCUMENT["components"]["schemas"].as_object().unwrap();
    let closed = schemas.iter().map(|(name, schema)| {
        let mut schema = as_json_schema(schema);
        if !OPEN.contains(&name.as_str())
            && schema.get("properties").is_some()
            && schema.get("additionalProperties").is_none()
        {
            schema["additionalProperties"] = json!(false);
        }
        (name.clone(), schema)
    });
    Value::Object(closed.collect())
});

/// Objects that may have members that the document doesn't name: claims that a client asked for.
const OPEN: &[&str] = &["UserInfoClaims"];

/// Addresses that the document leaves out, behind `/t/{tenant}` or not: pages that lead from one to the next,
/// the documentation, and what is asked of another listener.
const PAGES: &[&str] = &[
    "/",
    "/consent",
    "/continue",
    "/docs",
    "/docs/",
    "/favicon.ico",
    "/livez",
    "/login",
    "/logout",
    "/metrics",
    "/problems/",
    "/readyz",
    "/select-account",
    "/signed-in",
    "/signed-out",
    "/signup",
];

/// Fails unless the document has this answer. At a custom domain a tenant's paths are without what names it.
#[track_caller]
pub(crate) fn check(
    method: &Method,
    path: &str,
    at_a_host: bool,
    status: StatusCode,
    headers: &HeaderMap,
    text: &str,
) {
    let own = format!("/t/own{path}");
    if at_a_host && compare(method, &own, status, headers, text).is_ok() {
        return;
    }
    if let Err(difference) = compare(method, path, status, headers, text) {
        panic!(
            "the document does not have this answer: {difference}\n{method} {path} {status}\n{headers:?}\n{text}"
        );
    }
}

fn compare(
    method: &Method,
    path: &str,
    status: StatusCode,
    headers: &HeaderMap,
    text: &str,
) -> Result<(), String> {
    if *method == Method::OPTIONS {
        // CORS answers these, for every path alike.
        return Ok(());
    }
    let head = *method == Method::HEAD;
    let asked = if head { &Method::GET } else { method };
    let responses = match lookup(asked, path) {
        Found::Operation(responses) => responses,
        Found::Path => return refused_method(status, headers),
        Found::Nothing if is_page(path) => return Ok(()),
        Found::Nothing => return unknown(status),
    };
    let Some(response) = responses.get(status.as_str()) else {
        return Err("its status is not there".to_owned());
    };
    check_headers(response, headers)?;
    if head {
        Ok(())
    } else {
        check_body(response, headers, text)
    }
}

enum Found {
    Operation(&'static Value),
    /// The path is there, the method isn't.
    Path,
    Nothing,
}

/// The operation of a request: where several paths fit, the one with the fewest parameters.
fn lookup(method: &Method, path: &str) -> Found {
    let segments: Vec<_> = path.split('/').collect();
    let fits = |template: &str| {
        let parts: Vec<_> = template.split('/').collect();
        parts.len() == segments.len()
            && parts
                .iter()
                .zip(&segments)
                .all(|(part, segment)| part.starts_with('{') || part == segment)
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let mut found: Vec<_> = paths
        .iter()
        .filter(|(template, _)| fits(template))
        .collect();
    found.sort_by_key(|(template, _)| template.matches('{').count());
    let name = method.as_str().to_ascii_lowercase();
    let operation = found.iter().find_map(|(_, methods)| methods.get(&name));
    match operation {
        Some(operation) => Found::Operation(&operation["responses"]),
        None if found.is_empty() => Found::Nothing,
        None => Found::Path,
    }
}

fn is_page(path: &str) -> bool {
    let rest = match path
        .strip_prefix("/t/")
        .and_then(|rest| rest.split_once('/'))
    {
        Some((_tenant, rest)) => format!("/{rest}"),
        None => path.to_owned(),
    };
    PAGES.iter().any(|page| {
        rest == *page || (page.len() > 1 && page.ends_with('/') && rest.starts_with(page))
    })
}

/// RFC 9110 §15.5.6.
fn refused_method(status: StatusCode, headers: &HeaderMap) -> Result<(), String> {
    match status {
        StatusCode::METHOD_NOT_ALLOWED if headers.contains_key("allow") => Ok(()),
        _ => Err("the method is not there, so it should be a 405 with Allow".to_owned()),
    }
}

/// Where there is nothing, there is a 404 (or a page that moved).
fn unknown(status: StatusCode) -> Result<(), String> {
    match status {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Ok(()),
        _ => Err("the path is not there, so it should be a 404".to_owned()),
    }
}

fn check_headers(response: &Value, headers: &HeaderMap) -> Result<(), String> {
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let header = match header["$ref"].as_str() {
            Some(reference) => DOCUMENT.pointer(&reference[1..]).unwrap(),
            None => header,
        };
        if header["required"] == true && !headers.contains_key(name.as_str()) {
            return Err(format!("it lacks the header {name}"));
        }
    }
    Ok(())
}

fn check_body(response: &Value, headers: &HeaderMap, text: &str) -> Result<(), String> {
    let kind = headers
        .get("content-type")
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let Some(content) = response["content"].as_object() else {
        return match text {
            "" => Ok(()),
            _ => Err("it has a body".to_owned()),
        };
    };
    let Some(media) = content.get(kind) else {
        return Err(format!("its content type {kind:?} is not there"));
    };
    // Where the body is lines, the schema of each.
    let schema = media.get("x-item-schema").unwrap_or(&media["schema"]);
    let bodies = match kind {
        "application/x-ndjson" => text.lines().map(serde_json::from_str).collect(),
        _ if kind.ends_with("json") => serde_json::from_str(text).map(|body| vec![body]),
        _ => return Ok(()),
    };
    let bodies: Vec<Value> = bodies.map_err(|why| format!("its body is no JSON: {why}"))?;
    bodies.iter().try_for_each(|body| validate(schema, body))
}

fn validate(schema: &Value, body: &Value) -> Result<(), String> {
    static VALIDATORS: LazyLock<Mutex<HashMap<String, &'static Validator>>> =
        LazyLock::new(Mutex::default);
    let validator = *VALIDATORS
        .lock()
        .unwrap()
        .entry(schema.to_string())
        .or_insert_with(|| Box::leak(Box::new(validator(schema))));
    let broken: Vec<_> = validator
        .iter_errors(body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    if broken.is_empty() {
        Ok(())
    } else {
        Err(broken.join("; "))
    }
}

fn validator(schema: &Value) -> Validator {
    let mut root = as_json_schema(schema);
    root["components"] = json!({ "schemas": *SCHEMAS });
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .build(&root)
        .unwrap()
}

/// OpenAPI 3.0 says `nullable` where JSON Schema says `null`; the rest that is used here is the same.
fn as_json_schema(schema: &Value) -> Value {
    match schema {
        Value::Array(items) => items.iter().map(as_json_schema).collect(),
        Value::Object(members) => {
            let mut converted: Map<_, _> = members
                .iter()
                .filter(|(name, _)| {
                    !matches!(name.as_str(), "nullable" | "example" | "discriminator")
                })
                .map(|(name, value)| (name.clone(), as_json_schema(value)))
                .collect();
            if members.get("nullable") != Some(&Value::Bool(true)) {
                return Value::Object(converted);
            }
            let description = converted.remove("description");
            json!({ "description": description, "anyOf": [{ "type": "null" }, converted] })
        }
        other => other.clone(),
    }
}

/// A check that lets everything through would never be missed.
#[test]
fn answers_that_the_document_does_not_have_are_found() {
    let id = ("x-request-id", "0dcbc1b3-0e42-48e6-8db1-f523acf64bed");
    let said = |method: &str, path: &str, status: u16, headers: &[(&str, &str)], text: &str| {
        let headers = headers.iter().map(|(name, value)| {
            let name = reqwest::header::HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, value.parse().unwrap())
        });
        compare(
            &method.parse().unwrap(),
            path,
            StatusCode::from_u16(status).unwrap(),
            &headers.collect(),
            text,
        )
    };
    let json = ("content-type", "application/json");
    let cached = ("cache-control", "public");
    let keys = r#"{"keys":[{"kty":"EC","use":"sig","alg":"ES256","kid":"a","crv":"P-256","x":"b","y":"c"}]}"#;
    let jwks = "/t/a/oauth2/jwks";
    assert_eq!(said("GET", jwks, 200, &[id, json, cached], keys), Ok(()));
    for (method, path, status, headers, text) in [
        // An undocumented status, content type, member; a missing member and header; the wrong type.
        ("GET", jwks, 418, &[id, json, cached][..], keys),
        (
            "GET",
            jwks,
            200,
            &[id, ("content-type", "text/plain"), cached],
            keys,
        ),
        (
            "GET",
            jwks,
            200,
            &[id, json, cached],
            r#"{"keys":[],"more":1}"#,
        ),
        ("GET", jwks, 200, &[id, json, cached], "{}"),
        ("GET", jwks, 200, &[json, cached], keys),
        ("GET", jwks, 200, &[id, json], keys),
        ("GET", jwks, 200, &[id, json, cached], r#"{"keys":null}"#),
        ("GET", jwks, 200, &[id, json, cached], "not JSON"),
        ("POST", jwks, 200, &[id, json, cached], keys),
        ("GET", "/nowhere", 200, &[id, json], "{}"),
        (
            "POST",
            "/t/a/auth/logout",
            204,
            &[id, ("set-cookie", "a=b")],
            "a body",
        ),
    ] {
        let found = said(method, path, status, headers, text);
        assert!(
            found.is_err(),
            "{method} {path} {status} {headers:?} {text}"
        );
    }
}
