//! Where answers may go (T13, T14), and that nothing is redirected before that is sure.

use serde_json::json;

use super::{
    browser::Browser,
    rp::{Rp, query},
};
use crate::harness::{Backend, Installation};

async fn start(members: serde_json::Value) -> (Installation, Rp) {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let rp = Rp::new(&tenant, members).await;
    (installation, rp)
}

/// T13, `oidcc-ensure-registered-redirect-uri`, `oidcc-ensure-redirect-uri-in-authorization-request`,
/// `oidcc-redirect-uri-query-mismatch`, `oidcc-redirect-uri-query-added`.
#[tokio::test]
async fn an_address_that_is_not_registered_gets_a_page_and_no_redirect() {
    let (_installation, rp) = start(json!({})).await;
    let mut browser = Browser::new(&rp.tenant);
    for uri in [
        "https://rp.example/cb/",
        "https://rp.example/CB",
        "https://RP.example/cb",
        "https://rp.example/cb?x=1",
        "https://rp.example/cb#f",
        "https://rp.example/cb/../evil",
        "https://rp.example/%2e%2e",
        "https://rp.example/%252e",
        "https://rp.example/..;/cb",
        "https://rp.example@evil.example/cb",
        "https://rp.example:443/cb",
        "https://rp.example.evil.example/cb",
        "https://rpaexample/cb",
        "http://rp.example/cb",
        "//evil.example",
        "https:evil.example",
        "\\\\evil",
        "https://rp.example/cb\t",
        "https://rp.example/cb\n",
        "https://rp.example/cb\0",
        "https://a@b@rp.example/cb",
        "https://r\u{440}.example/cb",
        "https://rp.example./cb",
        "https://u:p@rp.example/cb",
        "javascript:alert(1)",
        "",
        " ",
    ] {
        let page = browser
            .open(&rp.authorize(&[("redirect_uri", uri)]))
            .await
            .page();
        assert_eq!(page.answer.status.as_u16(), 400, "{uri:?}");
        assert_eq!(page.answer.header("location"), "");
        assert!(page.html().contains("eturn address"), "{uri:?}");
        assert!(
            uri.len() < 3 || !page.html().contains(uri),
            "{uri:?} is repeated"
        );
    }
    let twice = format!(
        "{}&redirect_uri=https%3A%2F%2Frp.example%2Fcb",
        rp.authorize(&[])
    );
    assert_eq!(
        browser.open(&twice).await.page().answer.status.as_u16(),
        400
    );
}

#[tokio::test]
async fn an_unknown_client_gets_a_page_and_no_redirect() {
    let (installation, rp) = start(json!({})).await;
    let elsewhere = Rp::new(&installation.tenant().await, json!({})).await;
    let mut browser = Browser::new(&rp.tenant);
    for id in [
        "",
        "nobody",
        "a b",
        &elsewhere.id,
        "first-party",
        "\"><svg onload=alert(1)>",
    ] {
        let page = browser
            .open(&rp.authorize(&[("client_id", id)]))
            .await
            .page();
        assert_eq!(page.answer.status.as_u16(), 400, "{id:?}");
        assert!(!page.html().contains("<svg"), "{id:?}");
    }
}

/// T14.
#[tokio::test]
async fn the_port_of_a_loopback_address_is_free() {
    let members = json!({
        "application_type": "native",
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code"],
        "redirect_uris": ["http://127.0.0.1/cb", "com.example.app:/cb"],
    });
    let (_installation, rp) = start(members).await;
    let email = rp.tenant.user().await;
    let mut browser = Browser::new(&rp.tenant);
    let uri = "http://127.0.0.1:49152/cb";
    let callback = rp
        .code(&mut browser, &email, &[("redirect_uri", uri)])
        .await;
    assert!(callback.address.starts_with(&format!("{uri}?code=")));
    for uri in [
        "http://localhost:49152/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://127.0.0.1:80@evil.example/cb",
        "http://127.0.0.1:80/other",
    ] {
        let page = browser
            .open(&rp.authorize(&[("redirect_uri", uri)]))
            .await
            .page();
        assert_eq!(page.answer.status.as_u16(), 400, "{uri}");
    }
    let uri = "com.example.app:/cb";
    let callback = rp
        .code(&mut browser, &email, &[("redirect_uri", uri)])
        .await;
    assert!(callback.address.starts_with("com.example.app:/cb?code="));
}

/// `oidcc-redirect-uri-query-OK`, RFC 6749 §3.1.2; and the state comes back byte for byte.
#[tokio::test]
async fn a_registered_query_stays_and_the_state_is_echoed() {
    let uri = "https://rp.example/cb?keep=a%20b&x";
    let (_installation, rp) = start(json!({ "redirect_uris": [uri] })).await;
    let email = rp.tenant.user().await;
    let mut browser = Browser::new(&rp.tenant);
    let long = "x".repeat(128);
    for state in ["a b+c&d=e%20\u{e9}\"'<>", &long] {
        let changes = [("redirect_uri", uri), ("state", state)];
        let callback = rp.code(&mut browser, &email, &changes).await;
        assert!(
            callback.address.starts_with(&format!("{uri}&code=")),
            "{callback:?}"
        );
        assert_eq!(callback.get("state"), state);
        assert_eq!(callback.get("keep"), "a b");
    }
    let callback = rp
        .code(
            &mut browser,
            &email,
            &[("redirect_uri", uri), ("state", "")],
        )
        .await;
    assert!(!callback.parameters.contains_key("state"));
}

#[tokio::test]
async fn a_parameter_that_comes_twice_is_an_error_for_the_client() {
    let (_installation, rp) = start(json!({})).await;
    let mut browser = Browser::new(&rp.tenant);
    for name in [
        "scope",
        "nonce",
        "prompt",
        "response_type",
        "code_challenge",
    ] {
        let twice = format!("{}&{}", rp.authorize(&[(name, "x")]), query(&[(name, "x")]));
        let callback = browser.open(&twice).await.callback();
        assert_eq!(callback.get("error"), "invalid_request", "{name}");
        assert_eq!(callback.get("state"), "the state", "{name}");
    }
    // With two states there is none to send back.
    let twice = format!("{}&state=other", rp.authorize(&[]));
    let callback = browser.open(&twice).await.callback();
    assert_eq!(callback.get("error"), "invalid_request");
    assert!(!callback.parameters.contains_key("state"));
}

/// RFC 9207, T50, T55: the issuer is the tenant's whatever the request's headers say.
#[tokio::test]
async fn the_issuer_is_in_every_answer_and_comes_from_no_header() {
    let (_installation, rp) = start(json!({})).await;
    let mut browser = Browser::new(&rp.tenant);
    let headers = [
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example"),
    ];
    let path = rp.authorize(&[("prompt", "none")]);
    let answer = browser
        .send(reqwest::Method::GET, &path, None, &headers)
        .await;
    let location = answer.header("location");
    let issuer: String =
        url::form_urlencoded::byte_serialize(rp.tenant.issuer().as_bytes()).collect();
    assert!(location.contains(&format!("iss={issuer}")), "{location}");
    let login = browser
        .send(reqwest::Method::GET, &rp.authorize(&[]), None, &headers)
        .await;
    assert!(login.header("location").starts_with(&rp.tenant.issuer()));
}
