//! Nobody does anything unseen: not by hanging up, not by much, not by little.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokenhouse_server::domain::{
    claims::Audience,
    claims_request::ClaimsRequest,
    client::ClientId,
    grant::Grant,
    id::{GrantId, SessionId, UserId},
    refresh::SecretDigest,
    scope::Scopes,
    session::Session,
    tenant::Slug,
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{
    administrators::{admin_token, ask},
    audit_events::{event, event_of, events},
};
use crate::{
    harness::{Answer, Installation, OPERATOR_TOKEN, PASSWORD, Tenant, on_every_backend, until},
    oidc::rp::Rp,
};

on_every_backend!(
    whoever_hangs_up_leaves_a_trace,
    a_user_with_many_sessions_is_disabled_at_once,
    the_log_says_who_got_power,
    what_changes_nothing_leaves_nothing,
    a_small_change_of_large_settings_is_a_small_event,
    refused_calls_are_noted_and_counted,
    a_secret_in_the_wrong_place_stays_out_of_the_log,
    a_list_refuses_what_it_was_not_searched_for,
);

async fn send(tenant: &Tenant, method: Method, rest: &str, body: Value) -> Answer {
    ask(tenant, 0, OPERATOR_TOKEN, method, rest, Some(body)).await
}

async fn get(tenant: &Tenant, rest: &str) -> Answer {
    ask(tenant, 0, OPERATOR_TOKEN, Method::GET, rest, None).await
}

async fn made(tenant: &Tenant, body: Value) -> String {
    let answer = send(tenant, Method::POST, "/users", body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.body["user_id"].as_str().unwrap().to_owned()
}

/// Sends a request and hangs up after a while, answered or not.
async fn hang_up(
    installation: &Installation,
    tenant: &Tenant,
    (method, rest): (&str, &str),
    body: &str,
    after: Duration,
) {
    let address = installation.instances[0].public_address;
    let mut peer = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} /admin/v1/tenants/{}{rest} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer \
         {OPERATOR_TOKEN}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        tenant.slug,
        body.len()
    );
    peer.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(after).await;
}

async fn whoever_hangs_up_leaves_a_trace(installation: Installation) {
    let acme = installation.tenant().await;
    let mut users = Vec::new();
    for n in 0..24_u64 {
        let user = made(&acme, json!({ "email": format!("u{n}@example.com") })).await;
        let path = format!("/users/{user}");
        let (what, body) = match n % 3 {
            0 => (("DELETE", path.as_str()), ""),
            1 => (("PATCH", path.as_str()), r#"{"name":"tampered"}"#),
            _ => (("PATCH", path.as_str()), r#"{"state":"disabled"}"#),
        };
        let after = Duration::from_millis(n);
        hang_up(&installation, &acme, what, body, after).await;
        users.push(user);
    }
    for user in users {
        let now = get(&acme, &format!("/users/{user}")).await;
        let kind = match now.status {
            StatusCode::NOT_FOUND => "user.deleted",
            _ if now.body["name"] == "tampered" || now.body["state"] == "disabled" => {
                "user.changed"
            }
            _ => continue,
        };
        until("the event of a change", async || {
            let found = events(&acme, &format!("&event={kind}&target={user}")).await;
            found.into_iter().next()
        })
        .await;
    }
}

/// Gives a user sign-ins, as by so many logins.
async fn sign_in(installation: &Installation, tenant: &Tenant, user: &str, count: usize) {
    let app = &installation.instances[0].app;
    let slug = Slug::parse(&tenant.slug).unwrap();
    let found = app.tenants.by_slug(&slug).await.unwrap().unwrap();
    let scope = found.enter(&app.public_url).unwrap();
    let now = app.now();
    let user_id: UserId = user.parse().unwrap();
    let mut work = app.store.begin(&scope).await.unwrap();
    for _ in 0..count {
        let session = Session {
            id: SessionId::new(now, app.id_entropy()),
            user_id,
            authenticated_at: now,
            amr: vec!["pwd".to_owned()],
            browser: None,
            seen_at: None,
            ended_at: None,
            created_at: now,
        };
        work.add_session(&session).await.unwrap();
        let grant = Grant {
            id: GrantId::new(now, app.id_entropy()),
            session_id: session.id,
            user_id,
            client_id: ClientId::first_party(),
            scope: Scopes::from_names(&["openid"]),
            audience: Audience::of(Vec::new()),
            issuer_domain: None,
            offline: false,
            authenticated_at: now,
            claims: ClaimsRequest::default(),
            leaf: SecretDigest::from_bytes([7; 32]),
            idle_end: now + Duration::from_secs(3_600),
            absolute_end: now + Duration::from_secs(7_200),
            created_at: now,
        };
        work.add_grant(&grant).await.unwrap();
    }
    work.commit().await.unwrap();
}

async fn a_user_with_many_sessions_is_disabled_at_once(installation: Installation) {
    let acme = installation.tenant().await;
    let mut took = Vec::new();
    for (name, sessions) in [("warm", 1), ("one", 1), ("many", 3_000)] {
        let user = made(&acme, json!({ "email": format!("{name}@example.com") })).await;
        sign_in(&installation, &acme, &user, sessions).await;
        let path = format!("/users/{user}");
        let started = Instant::now();
        let answer = send(&acme, Method::PATCH, &path, json!({ "state": "disabled" })).await;
        took.push(started.elapsed());
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        event_of(&acme, "user.changed", &answer).await;
        let found = events(&acme, &format!("&target={user}&event=user.changed")).await;
        assert_eq!(found.len(), 1);
        let list = get(&acme, &format!("/sessions?user_id={user}&limit=200")).await;
        let items = list.body["items"].as_array().unwrap();
        assert_eq!(items.len(), sessions.min(200));
        assert!(items.iter().all(|one| one["ended_at"].is_string()));
    }
    // One statement for all: nothing like three thousand times as long.
    let most = took[1].max(Duration::from_millis(10)) * 300;
    assert!(took[2] < most, "{took:?}");
}

async fn the_log_says_who_got_power(installation: Installation) {
    let roles = json!({ "roles": { "owner": { "permissions": ["tokenhouse:admin"] } } });
    let acme = installation.tenant_with(roles).await;
    let created = event(&acme, "tenant.created").await;
    assert!(created["details"]["after"]["roles"]["owner"].is_object());

    let ada = made(
        &acme,
        json!({ "email": "ada@example.com", "roles": ["owner"], "password": PASSWORD }),
    )
    .await;
    let created = event(&acme, "user.created").await;
    assert_eq!(
        (&created["target"], &created["details"]["after"]["roles"]),
        (&json!(ada), &json!(["owner"]))
    );
    assert_eq!(created["details"]["after"]["email"], "ada@example.com");
    let path = format!("/users/{ada}");
    let gone = ask(&acme, 0, OPERATOR_TOKEN, Method::DELETE, &path, None).await;
    let deleted = event_of(&acme, "user.deleted", &gone).await;
    assert_eq!(deleted["details"]["before"]["roles"], json!(["owner"]));

    let (rp, _) = admin_token(&acme, "tokenhouse:admin").await;
    let created = event(&acme, "client.created").await;
    assert_eq!(created["target"], rp.id.as_str());
    assert_eq!(created["details"]["after"]["scope"], "tokenhouse:admin");
    let path = format!("/clients/{}", rp.id);
    let gone = ask(&acme, 0, OPERATOR_TOKEN, Method::DELETE, &path, None).await;
    let deleted = event_of(&acme, "client.deleted", &gone).await;
    assert_eq!(deleted["details"]["before"]["scope"], "tokenhouse:admin");

    let all = serde_json::to_string(&events(&acme, "").await).unwrap();
    for secret in [PASSWORD, "$argon2", rp.secret.as_deref().unwrap()] {
        assert!(!all.contains(secret), "{secret} is in the log");
    }
}

async fn what_changes_nothing_leaves_nothing(installation: Installation) {
    let acme = installation.tenant().await;
    let ada = made(&acme, json!({ "email": "ada@example.com", "name": "Ada" })).await;
    let rp = Rp::new(&acme, json!({})).await;
    for (path, change, kind) in [
        (
            format!("/users/{ada}"),
            json!({ "name": "Eve" }),
            "user.changed",
        ),
        (
            format!("/clients/{}", rp.id),
            json!({ "client_name": "Eve" }),
            "client.changed",
        ),
        (
            "/settings".to_owned(),
            json!({ "access_token_ttl": 600 }),
            "settings.changed",
        ),
        (String::new(), json!({ "name": "Eve" }), "tenant.changed"),
    ] {
        let mut tags = Vec::new();
        for _ in 0..3 {
            let answer = send(&acme, Method::PATCH, &path, change.clone()).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
            tags.push(answer.header("etag").to_owned());
        }
        assert_eq!((&tags[0], &tags[0]), (&tags[1], &tags[2]), "{path}");
        event(&acme, kind).await;
        assert_eq!(
            events(&acme, &format!("&event={kind}")).await.len(),
            1,
            "{path}"
        );
    }
    for _ in 0..2 {
        let answer = ask(&acme, 0, OPERATOR_TOKEN, Method::POST, "/suspend", None).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    event(&acme, "tenant.suspended").await;
    assert_eq!(events(&acme, "&event=tenant.suspended").await.len(), 1);
}

async fn a_small_change_of_large_settings_is_a_small_event(installation: Installation) {
    let acme = installation.tenant().await;
    let permissions: Vec<_> = (0..20)
        .map(|n| format!("p{n}:{}", "x".repeat(60)))
        .collect();
    let role = json!({ "permissions": permissions });
    for n in 0..15 {
        let body = json!({ "roles": { format!("r{n}"): role } });
        let answer = send(&acme, Method::PATCH, "/settings", body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    let more = json!({ "roles": { "new": {} } });
    let answer = send(&acme, Method::PATCH, "/settings", more).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let small = event_of(&acme, "settings.changed", &answer).await;
    assert_eq!(
        small["details"]["before"],
        json!({ "roles": { "new": null } })
    );
    let after = small["details"]["after"]["roles"].as_object().unwrap();
    assert_eq!(after.keys().collect::<Vec<_>>(), ["new"]);

    let gone = send(&acme, Method::PATCH, "/settings", json!({ "roles": null })).await;
    let large = event_of(&acme, "settings.changed", &gone).await;
    assert_eq!(large["details"]["cut"], true);
    assert!(
        large.to_string().len() < 20_000,
        "{}",
        large.to_string().len()
    );
}

async fn refused_calls_are_noted_and_counted(installation: Installation) {
    let acme = installation.tenant().await;
    let (rp, reader) = admin_token(&acme, "tokenhouse:admin:read").await;
    let body = || Some(json!({ "email": "ada@example.com" }));
    for _ in 0..20 {
        ask(&acme, 0, &reader, Method::POST, "/users", body())
            .await
            .assert_problem(403, "insufficient-scope");
        ask(&acme, 0, "tho_wrong", Method::GET, "/users", None)
            .await
            .assert_problem(401, "not-signed-in");
    }
    let found = until("two refusals", async || {
        let found = events(&acme, "&event=admin.refused").await;
        (found.len() >= 2).then_some(found)
    })
    .await;
    assert_eq!(found.len(), 2, "the same ones are counted: {found:?}");
    let by_client = found
        .iter()
        .find(|one| one["actor"]["id"] == rp.id.as_str());
    let reason = by_client.unwrap()["details"]["reason"].as_str().unwrap();
    assert!(reason.contains("tokenhouse:admin"), "{reason}");
    assert!(found.iter().any(|one| one["actor"]["kind"] == "anonymous"));
}

async fn a_secret_in_the_wrong_place_stays_out_of_the_log(installation: Installation) {
    let acme = installation.tenant().await;
    let rp = Rp::new(&acme, json!({})).await;
    let swapped = Rp {
        id: rp.secret.clone().unwrap(),
        secret: Some(rp.id.clone()),
        ..rp.clone()
    };
    let answer = swapped
        .post(0, "token", &[("grant_type", "client_credentials")])
        .await;
    let failed = event_of(&acme, "client.authentication_failed", &answer).await;
    assert_eq!(failed["target"], Value::Null);
    let all = serde_json::to_string(&events(&acme, "").await).unwrap();
    assert!(!all.contains(rp.secret.as_deref().unwrap()));
}

async fn a_list_refuses_what_it_was_not_searched_for(installation: Installation) {
    let acme = installation.tenant().await;
    for n in 0..3 {
        for name in ["a", "b"] {
            made(&acme, json!({ "email": format!("{name}{n}@example.com") })).await;
        }
    }
    let page = get(&acme, "/users?q=a&limit=1").await;
    let cursor = page.body["next_cursor"].as_str().unwrap();
    let next = get(&acme, &format!("/users?q=a&limit=2&cursor={cursor}")).await;
    assert_eq!(next.body["items"].as_array().unwrap().len(), 2, "{next:?}");
    for other in ["/users?q=b&", "/users?", "/clients?q=a&", "/audit-events?"] {
        get(&acme, &format!("{other}cursor={cursor}"))
            .await
            .assert_problem(400, "invalid-parameter");
    }
    for (list, wrong) in [
        ("/users", "role"),
        ("/clients", "name"),
        ("/sessions", "user"),
        ("/grants", "users_id"),
        ("/consents", "session_id"),
        ("/keys", "alg"),
        ("/audit-events", "actor"),
    ] {
        let answer = get(&acme, &format!("{list}?{wrong}=x")).await;
        answer.assert_problem(400, "invalid-parameter");
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("`{wrong}`")), "{detail}");
    }
    let client = acme.client(0);
    client
        .operator(Method::GET, "/admin/v1/tenants?state=active", None)
        .await
        .assert_problem(400, "invalid-parameter");
}
