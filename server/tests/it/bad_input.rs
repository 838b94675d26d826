//! What bad input gets: a problem document with a pointer, never a 500, and nothing half-written.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Backend, Installation, OPERATOR_TOKEN, PASSWORD};

#[tokio::test]
async fn every_wrong_member_is_pointed_at() {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let signup = tenant.path("/auth/signup");
    let client = tenant.client(0);
    // Short enough as it is written, and too long as it is stored.
    let growing = format!("https://example.com/{}", "ü".repeat(800));
    for (body, pointers) in [
        (json!({}), vec!["/name", "/email", "/password"]),
        (
            json!({ "name": 1, "email": true, "password": [] }),
            vec!["/name", "/email", "/password"],
        ),
        (
            json!({ "name": "A", "email": "x", "password": PASSWORD, "avatar_url": "javascript:alert(1)" }),
            vec!["/email", "/avatar_url"],
        ),
        (
            json!({ "name": "A", "email": "a@example.com", "password": PASSWORD, "avatar_url": growing }),
            vec!["/avatar_url"],
        ),
        (
            json!({ "name": "a\u{0}b", "email": "a@example.com", "password": PASSWORD }),
            vec!["/name"],
        ),
        (
            json!({ "name": "A", "email": "a@example.com", "password": PASSWORD, "role": "admin" }),
            vec!["/role"],
        ),
        (
            json!({ "name": "A", "email": "a@example.com", "password": PASSWORD, "tenant_id": "x", "email_verified": true }),
            vec!["/email_verified", "/tenant_id"],
        ),
        (json!([]), vec![""]),
        (json!(null), vec![""]),
    ] {
        let answer = client.post(&signup, body.clone()).await;
        answer.assert_problem(400, "invalid-body");
        assert_eq!(answer.pointers(), pointers, "{body}");
    }
    for password in ["short", &"x".repeat(1025)] {
        let answer = client
            .post(
                &signup,
                json!({ "name": "A", "email": "a@example.com", "password": password }),
            )
            .await;
        answer.assert_problem(400, "weak-password");
        assert_eq!(answer.pointers(), ["/password"]);
        assert!(
            !answer.text.contains(password),
            "an error never repeats a secret"
        );
    }
    let unknown =
        json!({ "name": "A", "email": "a@example.com", "password": PASSWORD, "favourite": "blue" });
    assert_eq!(
        client.post(&signup, unknown).await.status,
        StatusCode::CREATED,
        "harmless members are ignored"
    );
}

#[tokio::test]
async fn what_is_no_json_of_bounded_size_is_refused() {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let client = tenant.client(0);
    for path in [
        "/auth/signup",
        "/auth/login",
        "/auth/refresh",
        "/auth/logout",
    ]
    .map(|path| tenant.path(path))
    {
        let post = |body: Vec<u8>, kind: &'static str| {
            client.send(
                client
                    .request(Method::POST, &path)
                    .header("content-type", kind)
                    .body(body),
            )
        };
        for body in
            ["{", "{\"a\":}", "nul", "{}{}", "\u{feff}{}"].map(|body| body.as_bytes().to_vec())
        {
            post(body, "application/json")
                .await
                .assert_problem(400, "invalid-body");
        }
        post(vec![b'"', 0xff, b'"'], "application/json")
            .await
            .assert_problem(400, "invalid-body");
        post("[".repeat(60_000).into_bytes(), "application/json")
            .await
            .assert_problem(400, "invalid-body");
        post(vec![b' '; 65_537], "application/json")
            .await
            .assert_problem(413, "body-too-large");
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "application/",
            "json",
        ] {
            post(b"{}".to_vec(), kind)
                .await
                .assert_problem(415, "unsupported-media-type");
        }
    }
    announced_bodies_are_refused_unread(
        installation.instances[0].public_address,
        &tenant.path("/auth/login"),
    )
    .await;
    let body = json!({ "email": "a@example.com", "password": "x".repeat(1_000_000) });
    client
        .post(&tenant.path("/auth/login"), body)
        .await
        .assert_problem(413, "body-too-large");
    let body = json!({ "email": "a@example.com", "password": PASSWORD, "delivery": "pigeon" });
    let answer = client.post(&tenant.path("/auth/login"), body).await;
    answer.assert_problem(400, "invalid-body");
    assert_eq!(answer.pointers(), ["/delivery"]);
}

#[tokio::test]
async fn unknown_paths_methods_and_parameters_are_problems() {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let client = tenant.client(0);
    for path in [
        "/",
        "/nothing",
        "/t",
        "/t/",
        "/auth/login",
        "/openapi.jsonx",
        "/problems/nothing",
    ] {
        client.get(path).await.assert_problem(404, "not-found");
    }
    // What is no UTF-8 names nothing either.
    client
        .get(&tenant.path("/auth/%ff"))
        .await
        .assert_problem(404, "not-found");
    let path = format!("/admin/v1/tenants/{}/users/%C3%28", tenant.slug);
    let answer = client.operator(Method::GET, &path, None).await;
    answer.assert_problem(404, "not-found");
    let keys = client.get("/t/%ff/oauth2/jwks").await;
    assert_eq!(keys.status, 404, "{keys:?}");
    let answer = client.get(&tenant.path("/auth/login")).await;
    answer.assert_problem(405, "method-not-allowed");
    assert_eq!(answer.header("allow"), "POST");
    for query in [
        "limit=0",
        "limit=201",
        "limit=x",
        "cursor=%27",
        "cursor=%00",
        "cursor=Jw",
    ] {
        let answer = client
            .operator(Method::GET, &format!("/admin/v1/tenants?{query}"), None)
            .await;
        answer.assert_problem(400, "invalid-parameter");
        let detail = answer.body["detail"].as_str().unwrap();
        let name = query.split_once('=').unwrap().0;
        assert!(detail.contains(&format!("`{name}`")), "{detail}");
    }
    let odd = client.request(
        Method::GET,
        &tenant.path("/auth/current-user?access_token=x"),
    );
    client.send(odd).await.assert_problem(401, "not-signed-in");
}

#[tokio::test]
async fn a_strange_authorization_header_is_401() {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let client = tenant.client(0);
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "bearer x",
        "Basic Og==",
        "Bearer ....",
        "Bearer a.b.c",
        &format!("Bearer {}", ".".repeat(8_192)),
    ] {
        let request = client
            .request(Method::GET, &tenant.path("/auth/current-user"))
            .header("authorization", value);
        client
            .send(request)
            .await
            .assert_problem(401, "not-signed-in");
        let request = client
            .request(Method::GET, "/admin/v1/tenants")
            .header("authorization", value);
        client
            .send(request)
            .await
            .assert_problem(401, "not-signed-in");
    }
    let twice = client
        .request(Method::GET, "/admin/v1/tenants")
        .header("authorization", format!("Bearer {OPERATOR_TOKEN}"))
        .header("authorization", "Bearer x");
    client
        .send(twice)
        .await
        .assert_problem(401, "not-signed-in");
}

/// A body that announces too much is refused before it comes.
async fn announced_bodies_are_refused_unread(address: std::net::SocketAddr, path: &str) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{{"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}
