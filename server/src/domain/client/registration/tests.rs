use serde_json::json;

use super::*;

const DYNAMIC: Door<'static> = Door::Dynamic {
    require_pkce: true,
    scopes: &[],
};

fn with(name: &str, value: Value) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("redirect_uris".into(), json!(["https://rp.example/cb"]));
    members.insert(name.into(), value);
    members
}

fn pointers(name: &str, value: Value) -> Vec<String> {
    match read(&with(name, value), Door::Admin) {
        Ok(_) => vec![],
        Err(violations) => violations
            .list()
            .iter()
            .map(|one| one.pointer.clone())
            .collect(),
    }
}

#[test]
fn defaults_are_those_of_the_rfc() {
    let read = read(&with("client_name", json!("Web")), DYNAMIC).expect("a client");
    assert_eq!(
        read.metadata.token_endpoint_auth_method,
        Some(AuthMethod::ClientSecretBasic)
    );
    assert!(read.metadata.require_pkce);
    assert_eq!(read.metadata.response_types, [ResponseType::Code]);
}

/// T16.
#[test]
fn no_member_takes_an_address_that_could_run() {
    let members = [
        "logo_uri",
        "client_uri",
        "policy_uri",
        "tos_uri",
        "initiate_login_uri",
        "jwks_uri",
        "sector_identifier_uri",
        "backchannel_logout_uri",
    ];
    let bad = [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "blob:https://rp.example/x",
        "file:///etc/passwd",
        "java\nscript:x",
        " https://rp.example/",
        "http://rp.example/",
        "https://a:b@rp.example/",
        "https://rp.example/#f",
        "//rp.example/",
    ];
    for member in members {
        for text in bad {
            assert_eq!(
                pointers(member, json!(text)),
                [format!("/{member}")],
                "{text:?}"
            );
        }
        assert!(pointers(member, json!("https://rp.example/x")).is_empty());
    }
    for member in ["redirect_uris", "post_logout_redirect_uris"] {
        for text in bad.iter().filter(|text| **text != "https://rp.example/x") {
            let found = pointers(member, json!([text]));
            assert!(
                found.contains(&format!("/{member}/0")),
                "{member} {text:?} {found:?}"
            );
        }
    }
}

#[test]
fn every_broken_rule_is_pointed_at() {
    for (name, value, expected) in [
        (
            "redirect_uris",
            json!("https://rp.example/cb"),
            "/redirect_uris",
        ),
        ("redirect_uris", json!([]), "/redirect_uris"),
        ("grant_types", json!(["implicit"]), "/grant_types/0"),
        ("grant_types", json!(["password"]), "/grant_types/0"),
        ("grant_types", json!(["refresh_token"]), "/grant_types"),
        ("response_types", json!(["token"]), "/response_types/0"),
        ("response_types", json!([]), "/response_types"),
        (
            "token_endpoint_auth_method",
            json!("tls"),
            "/token_endpoint_auth_method",
        ),
        (
            "token_endpoint_auth_method",
            json!("private_key_jwt"),
            "/jwks",
        ),
        (
            "id_token_signed_response_alg",
            json!("none"),
            "/id_token_signed_response_alg",
        ),
        (
            "id_token_signed_response_alg",
            json!("HS256"),
            "/id_token_signed_response_alg",
        ),
        ("subject_type", json!("secret"), "/subject_type"),
        ("scope", json!("a\"b"), "/scope"),
        ("scope", json!(["openid"]), "/scope"),
        ("client_name", json!("a\u{202e}b"), "/client_name"),
        ("client_name", json!("x".repeat(201)), "/client_name"),
        ("default_max_age", json!(-1), "/default_max_age"),
        ("require_auth_time", json!("yes"), "/require_auth_time"),
        ("client_id", json!("first-party"), "/client_id"),
        ("client_id", json!("a b"), "/client_id"),
        ("access_token_ttl", json!(59), "/access_token_ttl"),
        ("access_token_ttl", json!(86_401), "/access_token_ttl"),
        ("id_token_ttl", json!(86_401), "/id_token_ttl"),
        ("refresh_idle_ttl", json!("300"), "/refresh_idle_ttl"),
        ("refresh_absolute_ttl", json!(-1), "/refresh_absolute_ttl"),
        ("refresh_retry_window", json!(301), "/refresh_retry_window"),
        ("resources", json!(["x"]), "/resources/0"),
        (
            "resources",
            json!(["https://api.example/#x"]),
            "/resources/0",
        ),
    ] {
        let found = pointers(name, value.clone());
        assert!(
            found.contains(&expected.to_owned()),
            "{name} {value}: {found:?}"
        );
    }
}

#[test]
fn a_client_without_credentials_has_less() {
    let public = |more: Value| {
        let mut members = with("token_endpoint_auth_method", json!("none"));
        members.extend(more.as_object().expect("an object").clone());
        read(&members, Door::Admin).is_ok()
    };
    assert!(public(json!({})));
    assert!(!public(json!({ "require_pkce": false })));
    assert!(!public(
        json!({ "grant_types": ["authorization_code", "client_credentials"] })
    ));
}

#[test]
fn nobody_gives_itself_power() {
    let members = json!({
        "redirect_uris": ["https://rp.example/cb"],
        "client_id": "mine",
        "first_party": true,
        "require_pkce": false,
        "introspection": "tenant",
        "resources": ["https://api.example"],
        "scope": "openid tokenhouse:admin orders",
        "access_token_ttl": 86_400,
        "refresh_retry_window": 300,
    });
    let door = Door::Dynamic {
        require_pkce: true,
        scopes: &["orders".to_owned()],
    };
    let read = read(members.as_object().expect("an object"), door).expect("a client");
    assert_eq!((read.id, read.first_party), (None, false));
    assert!(read.metadata.require_pkce && read.metadata.resources.is_empty());
    assert_eq!(read.metadata.introspection, Introspection::Own);
    assert_eq!(read.metadata.lifetimes, ClientLifetimes::default());
    assert_eq!(read.metadata.scope.to_string(), "openid orders");
}
