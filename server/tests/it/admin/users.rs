//! Users: made, found, changed, disabled, deleted and brought along.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::administrators::ask;
use crate::{
    harness::{Answer, Installation, OPERATOR_TOKEN, PASSWORD, Tenant, on_every_backend},
    oidc::{
        browser::Browser,
        rp::{Rp, claims},
    },
};

on_every_backend!(
    users_are_made_found_changed_and_deleted,
    a_disabled_user_is_out_at_once_and_for_good,
    users_are_imported_line_by_line_and_twice_without_harm,
    a_role_lets_a_user_administer_as_long_as_it_has_it,
);

async fn send(tenant: &Tenant, method: Method, rest: &str, body: Value) -> Answer {
    ask(tenant, 0, OPERATOR_TOKEN, method, rest, Some(body)).await
}

async fn get(tenant: &Tenant, rest: &str) -> Answer {
    ask(tenant, 1, OPERATOR_TOKEN, Method::GET, rest, None).await
}

fn emails(answer: &Answer) -> Vec<&str> {
    let items = answer.body["items"].as_array().unwrap().iter();
    items.map(|user| user["email"].as_str().unwrap()).collect()
}

async fn users_are_made_found_changed_and_deleted(installation: Installation) {
    let acme = installation.tenant().await;
    let body = json!({ "email": "Ada@example.com", "name": "Ada Lovelace", "external_id": "1",
        "email_verified": true, "password": PASSWORD, "given_name": "Ada" });
    let ada = send(&acme, Method::POST, "/users", body.clone()).await;
    assert_eq!(ada.status, StatusCode::CREATED, "{ada:?}");
    assert_eq!(ada.body["email"], "ada@example.com");
    assert_eq!(
        (&ada.body["has_password"], &ada.body["given_name"]),
        (&json!(true), &json!("Ada"))
    );
    assert!(!ada.text.contains("argon2"));
    let path = format!("/users/{}", ada.body["user_id"].as_str().unwrap());
    assert_eq!(get(&acme, &path).await.body, ada.body);
    let mut again = body;
    again["external_id"] = json!("2");
    send(&acme, Method::POST, "/users", again)
        .await
        .assert_problem(409, "email-taken");
    let twin = json!({ "email": "twin@example.com", "external_id": "1" });
    send(&acme, Method::POST, "/users", twin)
        .await
        .assert_problem(409, "external-id-taken");
    for n in 0..3 {
        let body = json!({ "email": format!("bob{n}@example.com"), "name": format!("Zoë {n}") });
        assert_eq!(
            send(&acme, Method::POST, "/users", body).await.status,
            StatusCode::CREATED
        );
    }
    for (query, found) in [
        (
            "q=bob",
            vec!["bob0@example.com", "bob1@example.com", "bob2@example.com"],
        ),
        (
            "q=ZO%C3%8B",
            vec!["bob0@example.com", "bob1@example.com", "bob2@example.com"],
        ),
        ("q=lovelace", vec![]),
        ("q=%25", vec![]),
        ("external_id=1", vec!["ada@example.com"]),
        ("email=ADA@example.com", vec!["ada@example.com"]),
        ("state=disabled", vec![]),
    ] {
        assert_eq!(
            emails(&get(&acme, &format!("/users?{query}")).await),
            found,
            "{query}"
        );
        // The same, one at a time.
        let mut cursor = String::new();
        for email in &found {
            let page = get(&acme, &format!("/users?limit=1&{query}{cursor}")).await;
            assert_eq!(emails(&page), [*email], "{query}");
            let next = page.body["next_cursor"].as_str().unwrap_or_default();
            cursor = format!("&cursor={next}");
        }
    }
    // A password that an administrator gave works.
    acme.login("ada@example.com").await;

    let client = acme.client(0);
    let full = format!("/admin/v1/tenants/{}{path}", acme.slug);
    let request = client
        .request(Method::PATCH, &full)
        .bearer_auth(OPERATOR_TOKEN);
    let patch = json!({ "email": "countess@example.com", "given_name": null });
    let request = request.header("if-match", ada.header("etag")).json(&patch);
    let changed = client.send(request.try_clone().unwrap()).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    assert_eq!(changed.body["email_verified"], false);
    assert_eq!(changed.body["given_name"], Value::Null);
    client
        .send(request)
        .await
        .assert_problem(412, "stale-update");
    for (body, pointer) in [
        (json!({ "password": "a new password" }), "/password"),
        (json!({ "roles": ["unknown"] }), "/roles/0"),
    ] {
        let answer = send(&acme, Method::PATCH, &path, body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.pointers()),
            (400, vec![pointer])
        );
    }
    let other = installation.tenant().await;
    get(&other, &path).await.assert_problem(404, "not-found");
    assert!(emails(&get(&other, "/users").await).is_empty());

    let session = acme.login("countess@example.com").await;
    let gone = ask(&acme, 0, OPERATOR_TOKEN, Method::DELETE, &path, None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
    get(&acme, &path).await.assert_problem(404, "not-found");
    acme.refresh(0, &session.refresh_token)
        .await
        .assert_problem(401, "not-signed-in");
}

/// T41.
async fn a_disabled_user_is_out_at_once_and_for_good(installation: Installation) {
    let acme = installation.tenant().await;
    let email = acme.user().await;
    let session = acme.login(&email).await;
    let user = claims(&session.access_token)["sub"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/users/{user}");
    let login = json!({ "email": email, "password": PASSWORD, "delivery": "body" });

    let answer = send(&acme, Method::PATCH, &path, json!({ "state": "disabled" })).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let client = acme.client(1);
    client
        .post(&acme.path("/auth/login"), login.clone())
        .await
        .assert_problem(401, "wrong-credentials");
    for state in ["disabled", "active"] {
        send(&acme, Method::PATCH, &path, json!({ "state": state })).await;
        acme.refresh(0, &session.refresh_token)
            .await
            .assert_problem(401, "not-signed-in");
        acme.current_user(0, &session.access_token)
            .await
            .assert_problem(401, "not-signed-in");
    }
    installation
        .clock
        .advance(std::time::Duration::from_secs(1));
    let again = client.post(&acme.path("/auth/login"), login).await;
    assert_eq!(again.status, StatusCode::OK, "{again:?}");
}

async fn import(tenant: &Tenant, lines: &str) -> Vec<Value> {
    let client = tenant.client(0);
    let path = format!("/admin/v1/tenants/{}/users/import", tenant.slug);
    let request = client
        .request(Method::POST, &path)
        .bearer_auth(OPERATOR_TOKEN)
        .header("content-type", "application/x-ndjson")
        .body(lines.to_owned());
    let answer = client.send(request).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let line = |text: &str| serde_json::from_str(text).unwrap();
    answer.text.lines().map(line).collect()
}

async fn users_are_imported_line_by_line_and_twice_without_harm(installation: Installation) {
    let acme = installation.tenant().await;
    // The first two are "U*U" and "password".
    let bcrypt = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    let pbkdf2 =
        "$pbkdf2-sha256$29000$MDEyMzQ1Njc4OWFiY2RlZg$G/O7bynZBig0xpI9OJ2.zH5iXh/vIAuDcj9JVCTUa3k";
    let mut lines = vec![
        json!({ "external_id": "a", "email": "a@example.com", "password_hash": bcrypt }),
        json!({ "external_id": "b", "email": "b@example.com", "password_hash": pbkdf2 }),
        json!({ "external_id": "c", "email": "a@example.com" }),
        json!({ "email": "d@example.com" }),
        json!({ "external_id": "e", "email": "e@example.com", "password_hash": bcrypt.replace("$05$", "$15$") }),
    ];
    let wrong = lines.len();
    for n in 0..250 {
        lines.push(json!({ "external_id": format!("n{n}"), "email": format!("n{n}@example.com") }));
    }
    let text = |lines: &[Value]| {
        lines
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    let results = import(&acme, &text(&lines)).await;
    assert_eq!(results.len(), lines.len() + 1);
    let statuses: Vec<_> = results
        .iter()
        .take(wrong)
        .map(|one| one["status"].as_str().unwrap())
        .collect();
    assert_eq!(
        statuses,
        ["created", "created", "failed", "failed", "failed"]
    );
    for (n, pointer) in [(2, "/email"), (3, "/external_id"), (4, "/password_hash")] {
        assert_eq!(results[n]["errors"][0]["pointer"], pointer);
        assert_eq!(results[n]["line"], n + 1);
    }
    let summary = &results.last().unwrap()["summary"];
    assert_eq!(
        (&summary["created"], &summary["failed"]),
        (&json!(252), &json!(3))
    );
    assert!(summary["users_per_second"].as_f64().unwrap() > 0.0);

    // Whoever signs in gets a hash of ours, and goes on with the same password.
    for (email, password) in [("a@example.com", "U*U"), ("b@example.com", "password")] {
        for _ in 0..2 {
            let body = json!({ "email": email, "password": password, "delivery": "body" });
            let answer = acme.client(1).post(&acme.path("/auth/login"), body).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        }
        let body = json!({ "email": email, "password": "wrong" });
        acme.client(0)
            .post(&acme.path("/auth/login"), body)
            .await
            .assert_problem(401, "wrong-credentials");
    }
    // Once more: nothing changes but what is different, and no password goes back.
    lines[1]["name"] = json!("Bob");
    let results = import(&acme, &text(&lines)).await;
    let summary = &results.last().unwrap()["summary"];
    assert_eq!(
        (
            &summary["unchanged"],
            &summary["updated"],
            &summary["failed"]
        ),
        (&json!(251), &json!(1), &json!(3))
    );
    let body = json!({ "email": "a@example.com", "password": "U*U" });
    let answer = acme.client(1).post(&acme.path("/auth/login"), body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

async fn a_role_lets_a_user_administer_as_long_as_it_has_it(installation: Installation) {
    let acme = installation.tenant().await;
    let settings = json!({ "roles": {
        "owner": { "permissions": ["tokenhouse:admin", "invoices:pay"] },
        "clerk": { "permissions": ["invoices:read"] },
    }});
    let answer = send(&acme, Method::PATCH, "/settings", settings).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let scope = "openid tokenhouse:admin tokenhouse:admin:read";
    let rp = Rp::new(&acme, json!({ "scope": scope, "first_party": true })).await;
    let email = acme.user().await;
    let found = get(&acme, &format!("/users?email={email}")).await;
    let path = format!(
        "/users/{}",
        found.body["items"][0]["user_id"].as_str().unwrap()
    );

    // The roles reach the other instance with the settings, within a second.
    for (role, granted) in [("clerk", "openid"), ("owner", scope)] {
        let answer = send(&acme, Method::PATCH, &path, json!({ "roles": [role] })).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        let mut browser = Browser::new(&acme);
        let tokens = rp.tokens(&mut browser, &email, &[("scope", scope)]).await;
        assert_eq!(tokens.body["scope"], granted, "{role}");
        assert_eq!(claims(&tokens.access_token)["roles"], json!([role]));
        assert_eq!(tokens.id_claims()["roles"], json!([role]));
        let answer = ask(&acme, 1, &tokens.access_token, Method::GET, "/users", None).await;
        assert_eq!(
            answer.status == StatusCode::OK,
            role == "owner",
            "{answer:?}"
        );
        if role == "owner" {
            assert_eq!(
                claims(&tokens.access_token)["entitlements"],
                json!(["invoices:pay"])
            );
            send(&acme, Method::PATCH, &path, json!({ "roles": [] })).await;
            tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
            for n in 0..2 {
                ask(&acme, n, &tokens.access_token, Method::GET, "/users", None)
                    .await
                    .assert_problem(403, "insufficient-scope");
            }
            let refreshed = rp.refresh(0, tokens.refresh(), &[]).await;
            assert_eq!(refreshed.body["scope"], "openid", "{refreshed:?}");
        }
    }
}
