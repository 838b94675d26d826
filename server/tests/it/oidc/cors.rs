//! Which pages of other origins may read which answers.

use reqwest::Method;
use serde_json::json;

use super::{registration::start, rp::Rp};

/// The tenant's own front ends, at addresses that it named.
#[tokio::test]
async fn pages_of_allowed_origins_may_use_the_session_and_others_not() {
    let (_installation, tenant) = start().await;
    let client = tenant.client(0);
    let path = format!("/admin/v1/tenants/{}/settings", tenant.slug);
    let allowed = json!({ "allowed_origins": ["https://app.example"] });
    let changed = client.operator(Method::PATCH, &path, Some(allowed)).await;
    assert_eq!(changed.status.as_u16(), 200, "{changed:?}");
    let ask = async |method: Method, origin: &str| {
        let request = client
            .request(method, &tenant.path("/auth/login"))
            .header("origin", origin)
            .header("access-control-request-method", "POST");
        let answer = client.send(request).await;
        assert!(answer.header("vary").contains("Origin"), "{answer:?}");
        answer
    };
    let may = ask(Method::OPTIONS, "https://app.example").await;
    assert_eq!(may.status.as_u16(), 204);
    for (name, value) in [
        ("access-control-allow-origin", "https://app.example"),
        ("access-control-allow-credentials", "true"),
    ] {
        assert_eq!(may.header(name), value);
    }
    let headers = may.header("access-control-allow-headers");
    assert!(headers.contains("Content-Type"), "{headers}");
    // Also refusals are there to be read.
    let refused = ask(Method::GET, "https://app.example").await;
    assert_eq!(
        refused.header("access-control-allow-origin"),
        "https://app.example"
    );
    for origin in ["https://rp.example", "https://app.example.evil", "null"] {
        for method in [Method::OPTIONS, Method::GET] {
            let answer = ask(method, origin).await;
            assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
            assert_eq!(answer.header("access-control-allow-credentials"), "");
        }
    }
}

/// T103.
#[tokio::test]
async fn pages_of_registered_origins_may_call_and_others_not() {
    let (_installation, tenant) = start().await;
    let rp = Rp::public(&tenant).await;
    let client = tenant.client(0);
    let ask = async |path: &str, origin: &str| {
        let request = client
            .request(Method::GET, &tenant.path(path))
            .header("origin", origin);
        let answer = client.send(request).await;
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        answer.header("access-control-allow-origin").to_owned()
    };
    assert_eq!(
        ask("/oauth2/userinfo", "https://rp.example").await,
        "https://rp.example"
    );
    for origin in [
        "https://rp.example.evil.example",
        "null",
        "https://evil.example",
        "http://rp.example",
    ] {
        assert_eq!(ask("/oauth2/userinfo", origin).await, "", "{origin}");
    }
    assert_eq!(ask("/oauth2/jwks", "https://anyone.example").await, "*");
    for page in [
        "/login",
        "/oauth2/logout",
        &rp.authorize(&[])[tenant.path("").len()..],
    ] {
        assert_eq!(ask(page, "https://rp.example").await, "", "{page}");
    }
    let preflight = client
        .request(Method::OPTIONS, &tenant.path("/oauth2/token"))
        .header("origin", "https://rp.example")
        .header("access-control-request-method", "POST");
    let answer = client.send(preflight).await;
    assert_eq!(answer.status.as_u16(), 204);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://rp.example"
    );
    assert!(
        answer
            .header("access-control-allow-methods")
            .contains("POST")
    );
    assert!(answer.header("vary").contains("Origin"));
}
