//! Dynamic registration (RFC 7591, RFC 7592), and clients and settings by the admin API.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    browser::Browser,
    rp::{REDIRECT_URI, Rp, assert_oauth_error},
};
use crate::harness::{Answer, Backend, Installation, Tenant, on_every_backend};

on_every_backend!(
    a_client_registers_itself_and_manages_itself,
    clients_are_listed_page_by_page
);

async fn settings(tenant: &Tenant, patch: Value) -> Answer {
    let path = format!("/admin/v1/tenants/{}/settings", tenant.slug);
    let answer = tenant
        .client(0)
        .operator(Method::PATCH, &path, Some(patch))
        .await;
    // The other instance follows within a second.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    answer
}

async fn register(tenant: &Tenant, token: Option<&str>, body: Value) -> Answer {
    let client = tenant.client(1);
    let mut request = client
        .request(Method::POST, &tenant.path("/oauth2/register"))
        .json(&body);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    client.send(request).await
}

async fn manage(tenant: &Tenant, made: &Answer, method: Method, body: Option<Value>) -> Answer {
    let uri = made.body["registration_client_uri"].as_str().unwrap();
    let path = uri.strip_prefix(crate::harness::PUBLIC_URL).unwrap();
    let token = made.body["registration_access_token"].as_str().unwrap();
    let client = tenant.client(0);
    let mut request = client.request(method, path).bearer_auth(token);
    if let Some(body) = body {
        request = request.json(&body);
    }
    client.send(request).await
}

async fn a_client_registers_itself_and_manages_itself(installation: Installation) {
    let tenant = installation.tenant().await;
    let changed = settings(
        &tenant,
        json!({ "registration": "open", "require_pkce": false }),
    )
    .await;
    assert_eq!(changed.status.as_u16(), 200, "{changed:?}");
    let metadata = tenant
        .client(1)
        .get(&tenant.path("/.well-known/openid-configuration"))
        .await;
    assert_eq!(
        metadata.body["registration_endpoint"],
        format!("{}/oauth2/register", tenant.issuer())
    );

    let body = json!({ "redirect_uris": [REDIRECT_URI], "client_name": "Self-made", "unknown": 1 });
    let made = register(&tenant, None, body).await;
    assert_eq!(made.status.as_u16(), 201, "{made:?}");
    assert_eq!(made.header("cache-control"), "no-store");
    for (name, value) in [
        ("client_secret_expires_at", json!(0)),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("response_types", json!(["code"])),
        ("id_token_signed_response_alg", json!("RS256")),
        ("dynamic", json!(true)),
    ] {
        assert_eq!(made.body[name], value, "{name}");
    }
    let rp = Rp {
        tenant: tenant.clone(),
        id: made.body["client_id"].as_str().unwrap().to_owned(),
        secret: made.body["client_secret"].as_str().map(str::to_owned),
    };
    let email = tenant.user().await;
    let mut browser = Browser::new(&tenant);
    let page = browser.open(&rp.authorize(&[])).await;
    let callback = rp.walk(&mut browser, page, &email).await;
    let tokens = super::rp::tokens_of(&rp.redeem(0, callback.get("code"), &[]).await);

    // What is told later has no secret but the one it came with.
    let read = manage(&tenant, &made, Method::GET, None).await;
    assert_eq!(read.status.as_u16(), 200, "{read:?}");
    assert!(read.body.get("client_secret").is_none());
    assert_eq!(
        read.body["registration_access_token"],
        made.body["registration_access_token"]
    );

    let id = made.body["client_id"].clone();
    let better = json!({ "client_id": id, "redirect_uris": [REDIRECT_URI], "logo_uri": "https://rp.example/l.png" });
    let put = manage(&tenant, &made, Method::PUT, Some(better)).await;
    assert_eq!(put.body["logo_uri"], "https://rp.example/l.png", "{put:?}");
    assert_eq!(
        put.body["client_name"], "",
        "what is missing gets its default"
    );
    for (name, value) in [
        ("client_id", json!("other")),
        ("registration_access_token", json!("x")),
        ("client_secret", json!("wrong")),
        ("client_secret_expires_at", json!(0)),
    ] {
        let mut body = json!({ "client_id": id, "redirect_uris": [REDIRECT_URI] });
        body[name] = value;
        let refused = manage(&tenant, &made, Method::PUT, Some(body)).await;
        assert_oauth_error(&refused, 400, "invalid_request");
    }

    let gone = manage(&tenant, &made, Method::DELETE, None).await;
    assert_eq!(gone.status.as_u16(), 204);
    assert_oauth_error(
        &rp.refresh(0, tokens.refresh(), &[]).await,
        401,
        "invalid_client",
    );
    assert_eq!(
        rp.userinfo(0, &tokens.access_token).await.status.as_u16(),
        401
    );
    let after = manage(&tenant, &made, Method::GET, None).await;
    assert_oauth_error(&after, 401, "invalid_token");
}

pub(super) async fn start() -> (Installation, Tenant) {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    (installation, tenant)
}

fn minimal() -> Value {
    json!({ "redirect_uris": [REDIRECT_URI] })
}

/// T108: off is off at the endpoint, not only in a page.
#[tokio::test]
async fn who_may_register_is_the_tenants_policy() {
    let (_installation, tenant) = start().await;
    assert_oauth_error(
        &register(&tenant, None, minimal()).await,
        403,
        "access_denied",
    );

    settings(&tenant, json!({ "registration": "initial_access_token" })).await;
    let bare = register(&tenant, None, minimal()).await;
    assert_eq!(
        (bare.status.as_u16(), bare.header("www-authenticate")),
        (401, "Bearer")
    );
    let path = format!("/admin/v1/tenants/{}/registration-tokens", tenant.slug);
    let made = tenant
        .client(0)
        .operator(
            Method::POST,
            &path,
            Some(json!({ "uses": 1, "expires_in": 60 })),
        )
        .await;
    assert_eq!(made.status.as_u16(), 201, "{made:?}");
    let token = made.body["token"].as_str().unwrap().to_owned();
    // Who may not register hears nothing of the rest, and nothing is fetched for it.
    let stranger = register(&tenant, Some("tha_x"), json!({ "redirect_uris": ["x"] })).await;
    assert_oauth_error(&stranger, 401, "invalid_token");
    // A registration that is refused costs nothing.
    let bad = register(&tenant, Some(&token), json!({ "redirect_uris": ["x"] })).await;
    assert_oauth_error(&bad, 400, "invalid_redirect_uri");
    let all = (0..10).map(|_| register(&tenant, Some(&token), minimal()));
    let answers = futures_util::future::join_all(all).await;
    assert_eq!(
        answers.iter().filter(|a| a.status.as_u16() == 201).count(),
        1
    );
    assert_oauth_error(
        &register(&tenant, Some("tha_x"), minimal()).await,
        401,
        "invalid_token",
    );

    settings(
        &tenant,
        json!({ "registration": "open", "registration_max_clients": 2 }),
    )
    .await;
    assert_eq!(
        register(&tenant, None, minimal()).await.status.as_u16(),
        201
    );
    assert_oauth_error(
        &register(&tenant, None, minimal()).await,
        403,
        "access_denied",
    );
}

/// RFC 7591 §3.2.2, `registration-regfrag`.
#[tokio::test]
async fn wrong_metadata_is_named_in_the_words_of_the_rfc() {
    let (_installation, tenant) = start().await;
    settings(&tenant, json!({ "registration": "open" })).await;
    for (name, value, error) in [
        (
            "redirect_uris",
            json!(["https://rp.example/cb#frag"]),
            "invalid_redirect_uri",
        ),
        (
            "redirect_uris",
            json!(["http://rp.example/cb"]),
            "invalid_redirect_uri",
        ),
        (
            "redirect_uris",
            json!(["javascript:alert(1)"]),
            "invalid_redirect_uri",
        ),
        (
            "grant_types",
            json!(["implicit"]),
            "invalid_client_metadata",
        ),
        (
            "response_types",
            json!(["token"]),
            "invalid_client_metadata",
        ),
        (
            "initiate_login_uri",
            json!("http://rp.example/"),
            "invalid_client_metadata",
        ),
        (
            "jwks_uri",
            json!("https://169.254.169.254/x"),
            "invalid_client_metadata",
        ),
        (
            "jwks_uri",
            json!("https://10.0.0.1/x"),
            "invalid_client_metadata",
        ),
        (
            "backchannel_logout_uri",
            json!("https://[fd00::1]/"),
            "invalid_client_metadata",
        ),
        (
            "sector_identifier_uri",
            json!("https://192.168.0.1/"),
            "invalid_client_metadata",
        ),
        (
            "jwks",
            json!({ "keys": [{ "kty": "oct", "k": "AAAA" }] }),
            "invalid_client_metadata",
        ),
        ("jwks", json!({ "keys": [] }), "invalid_client_metadata"),
    ] {
        let mut body = minimal();
        body[name] = value.clone();
        assert_oauth_error(&register(&tenant, None, body).await, 400, error);
    }
    let (client, path) = (tenant.client(0), tenant.path("/oauth2/register"));
    for body in ["", "[]", "{", "null"] {
        let request = client
            .request(Method::POST, &path)
            .header("content-type", "application/json");
        let answer = client.send(request.body(body)).await;
        assert_oauth_error(&answer, 400, "invalid_client_metadata");
    }
}

#[tokio::test]
async fn a_clients_token_manages_nobody_else() {
    let (installation, tenant) = start().await;
    settings(&tenant, json!({ "registration": "open" })).await;
    let elsewhere = installation.tenant().await;
    settings(&elsewhere, json!({ "registration": "open" })).await;
    let (one, other) = (
        register(&tenant, None, minimal()).await,
        register(&elsewhere, None, minimal()).await,
    );
    let token = one.body["registration_access_token"].as_str().unwrap();
    let by_hand = Rp::new(&tenant, json!({})).await;
    let client = tenant.client(0);
    for path in [
        tenant.path(&format!("/oauth2/register/{}", by_hand.id)),
        tenant.path("/oauth2/register/nobody"),
        tenant.path("/oauth2/register/first-party"),
        elsewhere.path(&format!(
            "/oauth2/register/{}",
            other.body["client_id"].as_str().unwrap()
        )),
    ] {
        let answer = client.bearer(Method::GET, &path, token).await;
        assert_oauth_error(&answer, 401, "invalid_token");
        assert_eq!(client.get(&path).await.status.as_u16(), 401);
    }
}

async fn clients_are_listed_page_by_page(installation: Installation) {
    let tenant = installation.tenant().await;
    let client = tenant.client(0);
    let path = format!("/admin/v1/tenants/{}/clients", tenant.slug);
    for n in 0..5 {
        let body = json!({ "client_id": format!("client-{n}"), "client_name": format!("N\u{ba} {n} 100%"), "redirect_uris": [REDIRECT_URI] });
        let made = client.operator(Method::POST, &path, Some(body)).await;
        assert_eq!(made.status.as_u16(), 201, "{made:?}");
        assert!(
            made.body["client_secret"]
                .as_str()
                .unwrap()
                .starts_with("ths_")
        );
    }
    let mut seen = Vec::new();
    let mut address = format!("{path}?limit=2");
    loop {
        let page = client.operator(Method::GET, &address, None).await;
        assert_eq!(page.status.as_u16(), 200, "{page:?}");
        assert!(!page.text.contains("ths_") && !page.text.contains("client_secret\""));
        for item in page.body["items"].as_array().unwrap() {
            seen.push(item["client_id"].as_str().unwrap().to_owned());
        }
        match page.body["next_cursor"].as_str() {
            Some(cursor) => address = format!("{path}?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(
        seen,
        ["client-0", "client-1", "client-2", "client-3", "client-4"]
    );
    for (q, count) in [
        ("N\u{ba} 3", 1),
        ("CLIENT-4", 1),
        ("100%25", 5),
        ("_", 0),
        ("first", 0),
    ] {
        let page = client
            .operator(Method::GET, &format!("{path}?q={q}"), None)
            .await;
        assert_eq!(
            page.body["items"].as_array().map(Vec::len),
            Some(count),
            "{q}: {page:?}"
        );
    }
    // T100.
    for cursor in ["x", "''", "Jyc", "-1", "%00", "YWNt\u{e9}"] {
        let page = client
            .operator(Method::GET, &format!("{path}?cursor={cursor}"), None)
            .await;
        page.assert_problem(400, "invalid-parameter");
    }
    let again = json!({ "client_id": "client-0", "redirect_uris": [REDIRECT_URI] });
    let taken = client.operator(Method::POST, &path, Some(again)).await;
    taken.assert_problem(409, "client-id-taken");
    let one = format!("{path}/client-0");
    assert_eq!(
        client.operator(Method::GET, &one, None).await.body["client_id"],
        "client-0"
    );
    assert_eq!(
        client
            .operator(Method::DELETE, &one, None)
            .await
            .status
            .as_u16(),
        204
    );
    for gone in [
        one.as_str(),
        &format!("{path}/first-party"),
        &format!("{path}/a%20b"),
    ] {
        client
            .operator(Method::GET, gone, None)
            .await
            .assert_problem(404, "not-found");
        client
            .operator(Method::DELETE, gone, None)
            .await
            .assert_problem(404, "not-found");
    }
    client.get(&path).await.assert_problem(401, "not-signed-in");
}

#[tokio::test]
async fn every_wrong_member_is_pointed_at() {
    let (_installation, tenant) = start().await;
    let path = format!("/admin/v1/tenants/{}/clients", tenant.slug);
    let body = json!({ "redirect_uris": ["x"], "logo_uri": "javascript:alert(1)", "client_id": 7 });
    let answer = tenant
        .client(0)
        .operator(Method::POST, &path, Some(body))
        .await;
    answer.assert_problem(400, "invalid-body");
    let pointers = answer.pointers();
    for pointer in ["/redirect_uris/0", "/logo_uri", "/client_id"] {
        assert!(pointers.contains(&pointer), "{pointers:?}");
    }
}

#[tokio::test]
async fn settings_change_only_if_nobody_was_faster() {
    let (_installation, tenant) = start().await;
    let path = format!("/admin/v1/tenants/{}/settings", tenant.slug);
    let client = tenant.client(0);
    let before = client.operator(Method::GET, &path, None).await;
    let etag = before.header("etag").to_owned();
    let send = async |patch: Value| {
        let request = client
            .request(Method::PATCH, &path)
            .bearer_auth(crate::harness::OPERATOR_TOKEN);
        client
            .send(request.header("if-match", &etag).json(&patch))
            .await
    };
    let changed = send(json!({ "access_token_ttl": 60, "access_token_alg": "EdDSA" })).await;
    assert_eq!(changed.body["access_token_ttl"], 60, "{changed:?}");
    assert_ne!(changed.header("etag"), etag);
    // What another one did meanwhile counts for who says which state it saw.
    send(json!({ "access_token_ttl": 120 }))
        .await
        .assert_problem(412, "stale-update");
    let wrong = client
        .operator(
            Method::PATCH,
            &path,
            Some(json!({ "access_token_ttl": 1, "x": 1 })),
        )
        .await;
    assert_eq!(wrong.pointers(), ["/x", "/access_token_ttl"]);
    let session = tenant.session().await;
    for n in 0..2 {
        assert_eq!(
            tenant
                .current_user(n, &session.access_token)
                .await
                .status
                .as_u16(),
            200
        );
    }
    let closed = client
        .operator(Method::PATCH, &path, Some(json!({ "signup": "closed" })))
        .await;
    assert_eq!(closed.body["signup"], "closed");
    let body = json!({ "name": "A", "email": "a@example.com", "password": "long enough" });
    client
        .post(&tenant.path("/auth/signup"), body)
        .await
        .assert_problem(403, "signup-closed");
    let page = client.get(&tenant.path("/signup")).await;
    assert_eq!(page.status.as_u16(), 403);
}
