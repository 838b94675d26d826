//! Tokens that allow to register clients, as administrators see them.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::administrators::{admin_token, ask};
use crate::harness::{Answer, Installation, OPERATOR_TOKEN, Tenant, on_every_backend, until};

on_every_backend!(
    tokens_are_listed_and_read_without_themselves,
    a_deleted_token_registers_nobody,
    who_may_only_read_makes_and_deletes_none,
);

const TOKENS: &str = "/registration-tokens";

async fn operator(
    tenant: &Tenant,
    n: usize,
    method: Method,
    rest: &str,
    body: Option<Value>,
) -> Answer {
    ask(tenant, n, OPERATOR_TOKEN, method, rest, body).await
}

async fn create(tenant: &Tenant, body: Value) -> (String, String) {
    let made = operator(tenant, 0, Method::POST, TOKENS, Some(body)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let text = |name: &str| made.body[name].as_str().unwrap().to_owned();
    assert!(made.header("location").ends_with(&text("id")), "{made:?}");
    (text("id"), text("token"))
}

async fn register(tenant: &Tenant, n: usize, token: &str) -> StatusCode {
    let client = tenant.client(n);
    let request = client.request(Method::POST, &tenant.path("/oauth2/register"));
    let body = json!({ "redirect_uris": ["https://rp.example/cb"] });
    client
        .send(request.bearer_auth(token).json(&body))
        .await
        .status
}

async fn by_token(installation: &Installation) -> Tenant {
    let settings = json!({ "registration": "initial_access_token" });
    installation.tenant_with(settings).await
}

async fn tokens_are_listed_and_read_without_themselves(installation: Installation) {
    let tenant = by_token(&installation).await;
    let (forever, _) = create(&tenant, json!({})).await;
    installation.clock.advance(Duration::from_millis(5));
    let (short, _) = create(&tenant, json!({ "expires_in": 60 })).await;
    installation.clock.advance(Duration::from_millis(5));
    let (twice, secret) = create(&tenant, json!({ "uses": 2 })).await;
    let read =
        async |id: &str| operator(&tenant, 1, Method::GET, &format!("{TOKENS}/{id}"), None).await;
    for (left, state) in [(2, "active"), (1, "active"), (0, "used_up")] {
        let answer = read(&twice).await;
        assert_eq!(answer.body["uses_left"], left, "{answer:?}");
        assert_eq!(answer.body["state"], state, "{answer:?}");
        assert!(!answer.text.contains("thi_"), "{answer:?}");
        let expected = if left > 0 {
            StatusCode::CREATED
        } else {
            StatusCode::UNAUTHORIZED
        };
        assert_eq!(register(&tenant, 0, &secret).await, expected);
    }
    installation.clock.advance(Duration::from_secs(60));
    assert_eq!(read(&short).await.body["state"], "expired");
    let unlimited = read(&forever).await.body;
    assert_eq!(unlimited["state"], "active");
    assert!(unlimited["uses_left"].is_null() && unlimited["expires_at"].is_null());

    // The latest first, page by page.
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("{TOKENS}?limit=2{cursor}");
        let page = operator(&tenant, 0, Method::GET, &path, None).await;
        assert!(!page.text.contains("thi_"), "{page:?}");
        let items = page.body["items"].as_array().unwrap();
        seen.extend(
            items
                .iter()
                .map(|one| one["id"].as_str().unwrap().to_owned()),
        );
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, [twice, short, forever]);
    operator(
        &tenant,
        0,
        Method::GET,
        &format!("{TOKENS}?cursor=AAAA"),
        None,
    )
    .await
    .assert_problem(400, "invalid-parameter");
}

async fn a_deleted_token_registers_nobody(installation: Installation) {
    let tenant = by_token(&installation).await;
    let (id, token) = create(&tenant, json!({})).await;
    assert_eq!(register(&tenant, 1, &token).await, StatusCode::CREATED);
    let one = format!("{TOKENS}/{id}");
    let gone = operator(&tenant, 0, Method::DELETE, &one, None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
    assert_eq!(register(&tenant, 1, &token).await, StatusCode::UNAUTHORIZED);
    for method in [Method::GET, Method::DELETE] {
        let answer = operator(&tenant, 1, method, &one, None).await;
        answer.assert_problem(404, "not-found");
    }
    let path = format!("/audit-events?event=registration_token.deleted&target={id}");
    until("the entry", async || {
        let answer = operator(&tenant, 0, Method::GET, &path, None).await;
        (answer.body["items"].as_array()?.len() == 1).then_some(())
    })
    .await;
    // What it registered stays.
    let clients = operator(&tenant, 0, Method::GET, "/clients", None).await;
    assert_eq!(clients.body["items"].as_array().unwrap().len(), 1);
}

async fn who_may_only_read_makes_and_deletes_none(installation: Installation) {
    let tenant = by_token(&installation).await;
    let (id, _) = create(&tenant, json!({})).await;
    let (_, reader) = admin_token(&tenant, "tokenhouse:admin:read").await;
    let one = format!("{TOKENS}/{id}");
    let read = ask(&tenant, 0, &reader, Method::GET, &one, None).await;
    assert_eq!(read.status, StatusCode::OK, "{read:?}");
    ask(&tenant, 0, &reader, Method::DELETE, &one, None)
        .await
        .assert_problem(403, "insufficient-scope");
    ask(&tenant, 0, &reader, Method::POST, TOKENS, Some(json!({})))
        .await
        .assert_problem(403, "insufficient-scope");
}
