//! Tenants: made, listed, suspended, deleted, and never mistaken for one another.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Installation, PASSWORD, PUBLIC_URL, on_every_backend, unique};

on_every_backend!(
    a_tenant_is_made_read_listed_and_deleted,
    a_suspended_tenant_answers_like_an_unknown_one,
    deleting_a_tenant_deletes_all_it_has,
);

async fn a_tenant_is_made_read_listed_and_deleted(installation: Installation) {
    let client = installation.tenant().await.client(0);
    let prefix = unique("list");
    for n in 0..5 {
        let body =
            json!({ "slug": format!("{prefix}-{n}"), "name": format!("Name {n} of {prefix}") });
        let answer = client
            .operator(Method::POST, "/admin/v1/tenants", Some(body))
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        assert_eq!(
            answer.body["issuer"],
            format!("{PUBLIC_URL}/t/{prefix}-{n}")
        );
        assert_eq!(answer.body["state"], "active");
        assert_eq!(
            answer.header("location"),
            format!("{PUBLIC_URL}/admin/v1/tenants/{prefix}-{n}")
        );
        let read = client
            .operator(
                Method::GET,
                &format!("/admin/v1/tenants/{prefix}-{n}"),
                None,
            )
            .await;
        assert_eq!(read.body, answer.body);
    }
    let again = json!({ "slug": format!("{prefix}-0") });
    client
        .operator(Method::POST, "/admin/v1/tenants", Some(again))
        .await
        .assert_problem(409, "slug-taken");

    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/admin/v1/tenants?limit=2&q={prefix}{cursor}");
        let page = client.operator(Method::GET, &path, None).await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        let items = page.body["items"].as_array().unwrap().clone();
        assert!(items.len() <= 2);
        seen.extend(
            items
                .iter()
                .map(|item| item["slug"].as_str().unwrap().to_owned()),
        );
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(
        seen,
        (0..5).map(|n| format!("{prefix}-{n}")).collect::<Vec<_>>()
    );
    for q in ["%25", "_", "%27%20OR%201=1", "%5C"] {
        let page = client
            .operator(
                Method::GET,
                &format!("/admin/v1/tenants?q={prefix}{q}"),
                None,
            )
            .await;
        assert_eq!(page.body["items"], json!([]), "{q} is text, no pattern");
    }
    let path = format!("/admin/v1/tenants/{prefix}-3");
    assert_eq!(
        client.operator(Method::DELETE, &path, None).await.status,
        StatusCode::NO_CONTENT
    );
    client
        .operator(Method::DELETE, &path, None)
        .await
        .assert_problem(404, "not-found");
    client
        .operator(Method::GET, &path, None)
        .await
        .assert_problem(404, "not-found");
}

/// What every operation of a tenant answers to someone who knows nothing.
async fn answers_of(client: &crate::harness::Client, slug: &str) -> Vec<(u16, Value)> {
    let mut answers = Vec::new();
    for (method, path) in [
        (Method::GET, "/.well-known/openid-configuration"),
        (Method::GET, "/.well-known/oauth-authorization-server"),
        (Method::GET, "/oauth2/jwks"),
        (Method::GET, "/openapi.json"),
        (Method::POST, "/auth/signup"),
        (Method::POST, "/auth/login"),
        (Method::POST, "/auth/refresh"),
        (Method::POST, "/auth/logout"),
        (Method::GET, "/auth/current-user"),
    ] {
        // A body and a credential that would be wrong anywhere: the tenant is looked at first.
        let request = client
            .request(method, &format!("/t/{slug}{path}"))
            .bearer_auth("x")
            .body("{");
        let mut answer = client.send(request).await;
        answer.body["instance"] = Value::Null;
        answers.push((answer.status.as_u16(), answer.body));
    }
    answers
}

/// T03.
async fn a_suspended_tenant_answers_like_an_unknown_one(installation: Installation) {
    let tenant = installation.tenant().await;
    let session = tenant.session().await;
    let client = tenant.client(0);
    let suspend = format!("/admin/v1/tenants/{}/suspend", tenant.slug);
    let answer = client.operator(Method::POST, &suspend, None).await;
    assert_eq!(
        (answer.status, &answer.body["state"]),
        (StatusCode::OK, &json!("suspended"))
    );

    let unknown = answers_of(&client, "ghost").await;
    assert!(
        unknown.iter().all(|(status, _)| *status == 404),
        "{unknown:?}"
    );
    assert_eq!(answers_of(&client, &tenant.slug).await, unknown);
    tenant
        .refresh(0, &session.refresh_token)
        .await
        .assert_problem(404, "not-found");

    let resume = format!("/admin/v1/tenants/{}/resume", tenant.slug);
    assert_eq!(
        client.operator(Method::POST, &resume, None).await.body["state"],
        "active"
    );
    assert_eq!(
        tenant.refresh(0, &session.refresh_token).await.status,
        StatusCode::OK,
        "nothing was lost"
    );

    for slug in [
        tenant.slug.to_uppercase(),
        format!("{}.", tenant.slug),
        format!("%{:02x}{}", tenant.slug.as_bytes()[0], &tenant.slug[1..]),
    ] {
        assert_eq!(answers_of(&client, &slug).await, unknown, "{slug}");
    }
    client
        .operator(Method::POST, "/admin/v1/tenants/ghost/suspend", None)
        .await
        .assert_problem(404, "not-found");
}

async fn deleting_a_tenant_deletes_all_it_has(installation: Installation) {
    let (tenant, other) = (installation.tenant().await, installation.tenant().await);
    let email = tenant.user().await;
    let (session, others) = (tenant.login(&email).await, other.session().await);
    let path = format!("/admin/v1/tenants/{}", tenant.slug);
    assert_eq!(
        tenant
            .client(0)
            .operator(Method::DELETE, &path, None)
            .await
            .status,
        StatusCode::NO_CONTENT
    );
    tenant
        .refresh(0, &session.refresh_token)
        .await
        .assert_problem(404, "not-found");

    let again = json!({ "slug": tenant.slug });
    let answer = tenant
        .client(0)
        .operator(Method::POST, "/admin/v1/tenants", Some(again))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    // A new tenant with an old name: nothing of the old one counts there.
    tenant
        .refresh(0, &session.refresh_token)
        .await
        .assert_problem(401, "not-signed-in");
    tenant
        .current_user(0, &session.access_token)
        .await
        .assert_problem(401, "not-signed-in");
    let login = json!({ "email": email, "password": PASSWORD });
    tenant
        .client(0)
        .post(&tenant.path("/auth/login"), login)
        .await
        .assert_problem(401, "wrong-credentials");
    assert_eq!(
        other.refresh(1, &others.refresh_token).await.status,
        StatusCode::OK,
        "others are untouched"
    );
}

/// T55: absolute addresses come from settings alone.
#[tokio::test]
async fn request_headers_never_reach_an_issuer() {
    let installation = Installation::start(crate::harness::Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let client = tenant.client(0);
    let path = tenant.path("/.well-known/openid-configuration");
    let clean = client.get(&path).await;
    for (name, value) in [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "host=evil.example;proto=https"),
    ] {
        let answer = client
            .send(client.request(Method::GET, &path).header(name, value))
            .await;
        assert_eq!(answer.body, clean.body, "{name}");
        assert!(!answer.text.contains("evil"));
    }
}
