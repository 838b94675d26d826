//! A tenant's users sign up, log in, stay logged in and log out.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Answer, Installation, PASSWORD, Session, Tenant, on_every_backend, unique};

on_every_backend!(
    a_user_signs_up_logs_in_refreshes_and_logs_out,
    a_browser_session_lives_in_cookies,
    logout_reaches_every_instance,
);

async fn a_user_signs_up_logs_in_refreshes_and_logs_out(installation: Installation) {
    let tenant = installation.tenant().await;
    let email = format!("{}@Example.COM", unique("Ada"));
    let body = json!({ "name": " Ada ", "email": email, "password": PASSWORD, "avatar_url": "https://example.com/a.png" });
    let answer = tenant
        .client(0)
        .post(&tenant.path("/auth/signup"), body)
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let user = answer.body.clone();
    assert_eq!(user["email"], email.to_lowercase());
    assert_eq!(user["name"], "Ada");
    assert_eq!(user["email_verified"], false);
    assert_eq!(user["avatar_url"], "https://example.com/a.png");
    assert_eq!(user["created_at"], user["updated_at"]);
    assert_eq!(
        user.as_object().unwrap().len(),
        7,
        "nothing but the safe view: {user}"
    );

    let first = tenant.login(&email).await;
    assert!(first.refresh_token.starts_with("thr_"));
    assert_eq!(tenant.current_user(1, &first.access_token).await.body, user);

    let answer = tenant.refresh(1, &first.refresh_token).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.body["user"], user);
    assert_eq!(answer.body["token_type"], "Bearer");
    assert_eq!(answer.body["expires_in"], 900);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.headers.get("set-cookie").is_none());
    let second = Session::of(&answer);
    assert_ne!(second.refresh_token, first.refresh_token);

    for _ in 0..2 {
        let answer = tenant
            .client(0)
            .post(
                &tenant.path("/auth/logout"),
                json!({ "refresh_token": second.refresh_token }),
            )
            .await;
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (StatusCode::NO_CONTENT, "")
        );
    }
    tenant
        .refresh(0, &second.refresh_token)
        .await
        .assert_problem(401, "not-signed-in");
    tenant
        .current_user(0, &second.access_token)
        .await
        .assert_problem(401, "not-signed-in");
}

/// Cookies of an answer: name, value, attributes.
fn cookies(answer: &Answer) -> Vec<(String, String, String)> {
    let all = answer.headers.get_all("set-cookie").iter();
    all.map(|cookie| {
        let (pair, attributes) = cookie.to_str().unwrap().split_once("; ").unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        (name.to_owned(), value.to_owned(), attributes.to_owned())
    })
    .collect()
}

async fn post_with_cookies(
    tenant: &Tenant,
    path: &str,
    cookies: &str,
    origin: Option<&str>,
) -> Answer {
    let client = tenant.client(1);
    let mut request = client
        .request(Method::POST, &tenant.path(path))
        .header("cookie", cookies);
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    client.send(request).await
}

async fn a_browser_session_lives_in_cookies(installation: Installation) {
    let tenant = installation.tenant().await;
    let email = tenant.user().await;
    let answer = tenant
        .client(0)
        .post(
            &tenant.path("/auth/login"),
            json!({ "email": email, "password": PASSWORD }),
        )
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.body["delivery"], "cookie");
    let members: Vec<_> = answer.body.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        ["delivery", "expires_in", "user"],
        "no token in the body"
    );

    let set = cookies(&answer);
    let (access, refresh) = (&set[0], &set[1]);
    let base = tenant.path("");
    assert_eq!(access.0, "tokenhouse_access");
    assert_eq!(
        access.2,
        format!("Path={base}; Max-Age=900; HttpOnly; SameSite=Lax")
    );
    assert_eq!(refresh.0, "tokenhouse_refresh");
    assert_eq!(
        refresh.2,
        format!("Path={base}/auth; Max-Age=7776000; HttpOnly; SameSite=Strict")
    );

    let header = format!(
        "other=1; tokenhouse_access={}; tokenhouse_refresh={}",
        access.1, refresh.1
    );
    let client = tenant.client(0);
    let path = tenant.path("/auth/current-user");
    let current = client
        .send(client.request(Method::GET, &path).header("cookie", &header))
        .await;
    assert_eq!(current.status, StatusCode::OK, "{current:?}");

    // A bad header is a refusal, whatever the cookie says; nothing falls back.
    for bad in ["Bearer x", "Bearer", "Basic eDp5", "thr_x"] {
        let request = client
            .request(Method::GET, &path)
            .header("cookie", &header)
            .header("authorization", bad);
        client
            .send(request)
            .await
            .assert_problem(401, "not-signed-in");
    }

    for foreign in [
        "https://evil.example",
        "null",
        "http://localhost:8081",
        "http://localhost:8080.evil.example",
    ] {
        for path in ["/auth/refresh", "/auth/logout"] {
            post_with_cookies(&tenant, path, &header, Some(foreign))
                .await
                .assert_problem(403, "foreign-origin");
        }
    }
    let answer = post_with_cookies(
        &tenant,
        "/auth/refresh",
        &header,
        Some("http://localhost:8080"),
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.body["delivery"], "cookie");
    let rotated = cookies(&answer);
    assert_ne!(rotated[1].1, refresh.1, "the refresh cookie is replaced");

    let header = format!(
        "tokenhouse_access={}; tokenhouse_refresh={}",
        rotated[0].1, rotated[1].1
    );
    let answer = post_with_cookies(&tenant, "/auth/logout", &header, None).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(
        cookies(&answer)
            .iter()
            .all(|(_, value, attributes)| value.is_empty() && attributes.contains("Max-Age=0"))
    );
    post_with_cookies(&tenant, "/auth/refresh", &header, None)
        .await
        .assert_problem(401, "not-signed-in");
}

async fn logout_reaches_every_instance(installation: Installation) {
    let tenant = installation.tenant().await;
    let session = tenant.session().await;
    // Both instances have the session and the grant in their caches.
    assert_eq!(
        tenant.current_user(1, &session.access_token).await.status,
        StatusCode::OK
    );
    let session = Session::of(&tenant.refresh(1, &session.refresh_token).await);
    let logout = tenant
        .client(0)
        .bearer(
            Method::POST,
            &tenant.path("/auth/logout"),
            &session.access_token,
        )
        .await;
    assert_eq!(logout.status, StatusCode::NO_CONTENT);
    // Real time, because the bound is on the caches of a running process.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_millis(1_500);
    tokio::time::sleep_until(deadline).await;
    tenant
        .refresh(1, &session.refresh_token)
        .await
        .assert_problem(401, "not-signed-in");
    tenant
        .current_user(1, &session.access_token)
        .await
        .assert_problem(401, "not-signed-in");
}

#[tokio::test]
async fn unknown_users_and_wrong_passwords_get_the_same_answer() {
    let installation = Installation::start(crate::harness::Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let email = tenant.user().await;
    let mut seen: Vec<(u16, Vec<String>, Value)> = Vec::new();
    for (email, password) in [
        (email.as_str(), "wrong password"),
        ("nobody@example.com", "wrong password"),
        ("not an address", "wrong password"),
        (email.as_str(), "short"),
        (email.as_str(), ""),
    ] {
        let body = json!({ "email": email, "password": password });
        let mut answer = tenant
            .client(0)
            .post(&tenant.path("/auth/login"), body)
            .await;
        answer.assert_problem(401, "wrong-credentials");
        let mut headers: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        headers.sort();
        answer.body["instance"] = Value::Null;
        seen.push((answer.status.as_u16(), headers, answer.body));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:#?}");
}

#[tokio::test]
async fn an_address_is_one_user_in_a_tenant_and_another_in_the_next() {
    let installation = Installation::start(crate::harness::Backend::Sqlite).await;
    let (tenant, other) = (installation.tenant().await, installation.tenant().await);
    let email = tenant.user().await;
    let body = json!({ "name": "Eve", "email": email.to_uppercase(), "password": PASSWORD });
    tenant
        .client(1)
        .post(&tenant.path("/auth/signup"), body.clone())
        .await
        .assert_problem(409, "email-taken");
    assert_eq!(
        other
            .client(1)
            .post(&other.path("/auth/signup"), body)
            .await
            .status,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn parallel_sign_ups_of_one_address_make_one_user() {
    let installation = Installation::start(crate::harness::Backend::Postgres).await;
    let tenant = installation.tenant().await;
    let body = json!({ "name": "Ada", "email": "ada@example.com", "password": PASSWORD });
    let attempts = (0..20).map(|n| {
        let (tenant, body) = (tenant.clone(), body.clone());
        tokio::spawn(async move {
            tenant
                .client(n)
                .post(&tenant.path("/auth/signup"), body)
                .await
        })
    });
    let mut made = 0;
    for attempt in attempts {
        let answer = attempt.await.unwrap();
        match answer.status {
            StatusCode::CREATED => made += 1,
            _ => answer.assert_problem(409, "email-taken"),
        }
    }
    assert_eq!(made, 1);
}

#[tokio::test]
async fn a_tenant_says_what_passwords_must_be_like() {
    let installation = Installation::start(crate::harness::Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let sign_up = async |password: &str| {
        let email = format!("{}@example.com", unique("grace"));
        let body = json!({ "name": "Grace Hopper", "email": email, "password": password });
        tenant
            .client(0)
            .post(&tenant.path("/auth/signup"), body)
            .await
    };
    for weak in ["Password1", "gracehopper", "1234567"] {
        let answer = sign_up(weak).await;
        answer.assert_problem(400, "weak-password");
        assert!(!answer.text.contains(weak), "{answer:?}");
    }
    let eight = "kx7-Qu3l";
    assert_eq!(sign_up(eight).await.status, StatusCode::CREATED);
    let path = format!("/admin/v1/tenants/{}/settings", tenant.slug);
    let stricter = json!({ "password_min_length": 15 });
    let client = tenant.client(0);
    client.operator(Method::PATCH, &path, Some(stricter)).await;
    let answer = sign_up(eight).await;
    answer.assert_problem(400, "weak-password");
    assert!(answer.text.contains("at least 15 characters"), "{answer:?}");
    // Administrators keep to the same rules.
    let user = json!({ "name": "G", "email": "g@example.com", "password": eight });
    let path = format!("/admin/v1/tenants/{}/users", tenant.slug);
    let answer = client.operator(Method::POST, &path, Some(user)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    let page = client.get(&tenant.path("/signup")).await;
    assert!(page.text.contains("minlength=\"15\""), "{}", page.text);
}

#[tokio::test]
async fn passwords_are_taken_exactly_and_never_cut() {
    let installation = Installation::start(crate::harness::Backend::Sqlite).await;
    // Here it is about the characters, not about how hard they are to guess.
    let settings = json!({ "password_refuse_common": false });
    let tenant = installation.tenant_with(settings).await;
    let long = "x".repeat(72);
    for password in [
        format!("{long}one"),
        "  spaces  ".to_owned(),
        "nul\0nul\0nul".to_owned(),
        "🦀".repeat(8),
        "y".repeat(1024),
    ] {
        let email = format!("{}@example.com", unique("p"));
        let body = json!({ "name": "P", "email": email, "password": password });
        assert_eq!(
            tenant
                .client(0)
                .post(&tenant.path("/auth/signup"), body)
                .await
                .status,
            StatusCode::CREATED
        );
        let login = |password: String| {
            let body = json!({ "email": email, "password": password });
            let tenant = tenant.clone();
            async move {
                tenant
                    .client(0)
                    .post(&tenant.path("/auth/login"), body)
                    .await
                    .status
            }
        };
        assert_eq!(login(password.clone()).await, StatusCode::OK);
        for other in [
            format!("{long}two"),
            password.trim().to_owned() + " ",
            password.to_uppercase() + "Z",
        ] {
            assert_eq!(login(other).await, StatusCode::UNAUTHORIZED);
        }
    }
}

#[tokio::test]
async fn an_access_token_ends_when_it_says() {
    let installation = Installation::start(crate::harness::Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let session = tenant.session().await;
    installation
        .clock
        .advance(std::time::Duration::from_secs(870));
    assert_eq!(
        tenant.current_user(0, &session.access_token).await.status,
        StatusCode::OK
    );
    installation
        .clock
        .advance(std::time::Duration::from_secs(31));
    let answer = tenant.current_user(0, &session.access_token).await;
    answer.assert_problem(401, "not-signed-in");
    assert_eq!(
        answer.header("www-authenticate"),
        "Bearer error=\"invalid_token\""
    );
    let none = tenant
        .client(0)
        .get(&tenant.path("/auth/current-user"))
        .await;
    assert_eq!(
        none.header("www-authenticate"),
        "Bearer",
        "no error code when nothing was sent (RFC 6750 §3.1)"
    );
}

/// T60, as far as a busy machine lets it be told: an unknown user costs a hash like a known one.
#[tokio::test]
async fn unknown_users_cost_the_same_time_as_wrong_passwords() {
    let installation = Installation::start(crate::harness::Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let known = tenant.user().await;
    let (client, path) = (tenant.client(0), tenant.path("/auth/login"));
    let mut times = [Vec::new(), Vec::new()];
    for n in 0..31 {
        for (which, email) in [known.clone(), format!("nobody{n}@example.com")]
            .iter()
            .enumerate()
        {
            let started = std::time::Instant::now();
            let answer = client
                .post(
                    &path,
                    json!({ "email": email, "password": "wrong password" }),
                )
                .await;
            answer.assert_problem(401, "wrong-credentials");
            times[which].push(started.elapsed());
        }
    }
    let [known, unknown] = times.map(|mut times| {
        times.sort();
        times[times.len() / 2].as_secs_f64()
    });
    let ratio = unknown / known;
    assert!(
        (0.6..1.6).contains(&ratio),
        "medians: known {known} s, unknown {unknown} s"
    );
}
