//! The audit log: who did what to which object, when, from where, in which request.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::administrators::{admin_token, ask};
use crate::{
    harness::{
        Answer, Installation, MASTER_KEY, OPERATOR_TOKEN, PASSWORD, Tenant, on_every_backend, until,
    },
    oidc::{
        browser::Browser,
        rp::{Rp, assert_oauth_error},
    },
};

on_every_backend!(
    what_users_and_clients_do_is_noted_with_where_it_came_from,
    what_administrators_change_is_noted_before_and_after,
    events_are_found_by_kind_actor_target_and_time,
);
on_every_backend!(alone: old_events_go_when_the_tenant_wants_them_no_more);

pub(crate) async fn events(tenant: &Tenant, query: &str) -> Vec<Value> {
    let path = format!("/audit-events?limit=200{query}");
    let answer = ask(tenant, 1, OPERATOR_TOKEN, Method::GET, &path, None).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.body["items"].as_array().unwrap().clone()
}

/// The latest event of a kind, as soon as it is written.
pub(super) async fn event(tenant: &Tenant, kind: &str) -> Value {
    until(kind, async || {
        events(tenant, &format!("&event={kind}"))
            .await
            .into_iter()
            .next()
    })
    .await
}

pub(super) async fn event_of(tenant: &Tenant, kind: &str, answer: &Answer) -> Value {
    let request = answer.header("x-request-id");
    until(kind, async || {
        let found = events(tenant, &format!("&event={kind}")).await;
        found
            .into_iter()
            .find(|event| event["request_id"] == request)
    })
    .await
}

async fn try_password(tenant: &Tenant, email: &str, password: &str) -> Answer {
    let client = tenant.client(0);
    let request = client
        .request(Method::POST, &tenant.path("/auth/login"))
        .header("x-forwarded-for", "6.6.6.6, 198.51.100.7")
        .header("x-real-ip", "6.6.6.7")
        .header("forwarded", "for=6.6.6.8")
        .json(&json!({ "email": email, "password": password, "delivery": "body" }));
    client.send(request).await
}

async fn what_users_and_clients_do_is_noted_with_where_it_came_from(installation: Installation) {
    let acme = installation.tenant().await;
    let email = acme.user().await;
    let signed_up = event(&acme, "user.signed_up").await;
    let ada = signed_up["target"].as_str().unwrap().to_owned();
    assert_eq!(signed_up["ip"], "127.0.0.1");

    let answer = try_password(&acme, &email, PASSWORD).await;
    let signed_in = event_of(&acme, "user.signed_in", &answer).await;
    assert_eq!(signed_in["actor"]["id"], ada.as_str());
    assert_eq!(signed_in["actor"]["kind"], "user");
    assert_eq!(
        signed_in["ip"], "198.51.100.7",
        "the right-most hop that isn't trusted"
    );

    let typed = "secret typed into the wrong place";
    let answer = try_password(&acme, &email, typed).await;
    let failed = event_of(&acme, "user.sign_in_failed", &answer).await;
    assert_eq!(failed["target"], ada.as_str());
    assert_eq!(failed["actor"]["kind"], "anonymous");
    assert_eq!(failed["details"]["reason"], "wrong password");
    let answer = try_password(&acme, "nobody@example.com", typed).await;
    let failed = event_of(&acme, "user.sign_in_failed", &answer).await;
    assert_eq!(
        (&failed["target"], &failed["details"]["reason"]),
        (&Value::Null, &json!("unknown address"))
    );

    // A family that ends because a token came back.
    let session = acme.login(&email).await;
    let mut token = session.refresh_token.clone();
    for _ in 0..2 {
        let answer = acme.refresh(0, &token).await;
        token = answer.body["refresh_token"].as_str().unwrap().to_owned();
    }
    let answer = acme.refresh(0, &session.refresh_token).await;
    answer.assert_problem(401, "not-signed-in");
    let reused = event_of(&acme, "grant.refresh_reused", &answer).await;
    assert_eq!(reused["details"]["user_id"], ada.as_str());

    // An application: consent, a code that comes twice, a wrong secret.
    let rp = Rp::new(&acme, json!({ "first_party": false })).await;
    let mut browser = Browser::new(&acme);
    let callback = rp.code(&mut browser, &email, &[]).await;
    let consent = event(&acme, "consent.given").await;
    assert_eq!(
        (&consent["target"], &consent["actor"]["id"]),
        (&json!(rp.id), &json!(ada))
    );
    rp.redeem(0, callback.get("code"), &[]).await;
    let answer = rp.redeem(1, callback.get("code"), &[]).await;
    assert_oauth_error(&answer, 400, "invalid_grant");
    let replayed = event_of(&acme, "grant.code_replayed", &answer).await;
    assert_eq!(
        replayed["actor"],
        json!({ "kind": "client", "id": rp.id, "client_id": null })
    );
    let stranger = Rp {
        secret: Some("ths_wrong".to_owned()),
        ..rp.clone()
    };
    let answer = stranger
        .post(0, "token", &[("grant_type", "client_credentials")])
        .await;
    let failed = event_of(&acme, "client.authentication_failed", &answer).await;
    assert_eq!(
        (&failed["target"], &failed["details"]["reason"]),
        (&json!(rp.id), &json!("wrong secret"))
    );

    let all = serde_json::to_string(&events(&acme, "").await).unwrap();
    for secret in [
        typed,
        PASSWORD,
        &token,
        rp.secret.as_deref().unwrap(),
        "$argon2",
        callback.get("code"),
    ] {
        assert!(!all.contains(secret), "{secret} is in the log");
    }
}

async fn what_administrators_change_is_noted_before_and_after(installation: Installation) {
    let acme = installation.tenant().await;
    let (rp, token) = admin_token(&acme, "tokenhouse:admin").await;
    let body = json!({ "access_token_ttl": 600, "branding": { "accent": "#112233" } });
    let answer = ask(&acme, 0, &token, Method::PATCH, "/settings", Some(body)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let changed = event_of(&acme, "settings.changed", &answer).await;
    assert_eq!(
        changed["actor"],
        json!({ "kind": "client", "id": rp.id, "client_id": null })
    );
    assert_eq!(
        changed["details"]["before"],
        json!({ "access_token_ttl": 900, "branding": { "accent": null } })
    );
    assert_eq!(
        changed["details"]["after"],
        json!({ "access_token_ttl": 600, "branding": { "accent": "#112233" } })
    );

    // The name of whoever streams in users is known at the end of the stream too.
    let line = json!({ "email": "ada@example.com", "name": "Ada", "external_id": "1" });
    let client = acme.client(0);
    let path = format!("/admin/v1/tenants/{}/users/import", acme.slug);
    let request = client
        .request(Method::POST, &path)
        .bearer_auth(&token)
        .header("content-type", "application/x-ndjson")
        .body(format!("{line}\n"));
    let answer = client.send(request).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let imported = event_of(&acme, "user.imported", &answer).await;
    assert_eq!(imported["actor"]["id"], rp.id.as_str());

    let answer = ask(
        &acme,
        0,
        OPERATOR_TOKEN,
        Method::POST,
        "/keys",
        Some(json!({})),
    )
    .await;
    let created = event_of(&acme, "key.created", &answer).await;
    assert_eq!(created["actor"]["kind"], "operator");
    assert_eq!(created["target"], answer.body["kid"]);
}

async fn events_are_found_by_kind_actor_target_and_time(installation: Installation) {
    let acme = installation.tenant().await;
    let other = installation.tenant().await;
    let email = acme.user().await;
    for _ in 0..3 {
        acme.login(&email).await;
    }
    let signed_in = until("three sign-ins", async || {
        let found = events(&acme, "&event=user.signed_in").await;
        (found.len() == 3).then_some(found)
    })
    .await;
    let ada = signed_in[0]["target"].as_str().unwrap();
    assert_eq!(events(&acme, &format!("&actor_id={ada}")).await.len(), 4);
    assert_eq!(
        events(&acme, &format!("&target={ada}&event=user.signed_up"))
            .await
            .len(),
        1
    );
    let at = signed_in[1]["created_at"].as_str().unwrap();
    // Times are those of ids: to the millisecond.
    let from = events(&acme, &format!("&event=user.signed_in&since={at}")).await;
    assert_eq!(from[..2], signed_in[..2]);
    let until_then = events(&acme, &format!("&event=user.signed_in&until={at}")).await;
    assert!(
        !until_then
            .iter()
            .any(|event| event["id"] == signed_in[0]["id"])
    );
    assert_eq!(
        events(&acme, "&until=2020-01-01T00:00:00Z").await,
        Vec::<Value>::new()
    );

    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/audit-events?event=user.signed_in&limit=1{cursor}");
        let page = ask(&acme, seen.len(), OPERATOR_TOKEN, Method::GET, &path, None).await;
        seen.extend(page.body["items"].as_array().unwrap().clone());
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, signed_in);
    for bad in [
        "event=user.flew",
        "since=yesterday",
        "cursor=x",
        "actor_id=%00",
        "limit=0",
    ] {
        let path = format!("/audit-events?{bad}");
        ask(&acme, 0, OPERATOR_TOKEN, Method::GET, &path, None)
            .await
            .assert_problem(400, "invalid-parameter");
    }
    let path = format!("/audit-events/{}", signed_in[0]["id"].as_str().unwrap());
    let (_, reader) = admin_token(&acme, "tokenhouse:admin:read").await;
    let read = ask(&acme, 0, &reader, Method::GET, &path, None).await;
    assert_eq!(read.body, signed_in[0], "{read:?}");
    ask(&other, 0, OPERATOR_TOKEN, Method::GET, &path, None)
        .await
        .assert_problem(404, "not-found");
    ask(&other, 0, &reader, Method::GET, &path, None)
        .await
        .assert_problem(401, "not-signed-in");
}

async fn old_events_go_when_the_tenant_wants_them_no_more(installation: Installation) {
    let acme = installation
        .tenant_with(json!({ "audit_retention_days": 2 }))
        .await;
    acme.user().await;
    event(&acme, "user.signed_up").await;
    installation.clock.advance(Duration::from_secs(36 * 3600));
    let email = acme.user().await;
    until("two users", async || {
        (events(&acme, "&event=user.signed_up").await.len() == 2).then_some(())
    })
    .await;
    installation.clock.advance(Duration::from_secs(24 * 3600));
    until("the older one is forgotten", async || {
        (events(&acme, "&event=user.signed_up").await.len() == 1).then_some(())
    })
    .await;
    // The users themselves stay.
    acme.login(&email).await;
}

#[tokio::test]
async fn no_event_is_lost_when_the_server_stops() {
    const FAILURES: u64 = 40;
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}/tokenhouse.db", folder.path().display());
    let mut installation = Installation::with_master_keys(&database, MASTER_KEY).await;
    let acme = installation.tenant().await;
    let rp = Rp::new(&acme, json!({})).await;
    let stranger = Rp {
        secret: Some("ths_wrong".to_owned()),
        ..rp
    };
    for _ in 0..FAILURES {
        stranger
            .post(0, "token", &[("grant_type", "client_credentials")])
            .await;
    }
    installation.instances.remove(0).stop().await;

    let again = Installation::with_master_keys(&database, MASTER_KEY).await;
    let acme = Tenant::at(
        &acme.slug,
        &acme.public_url,
        again.instances[0].public_address,
    );
    // What is the same each time is counted: one for the first, and one for the others.
    let kept = events(&acme, "&event=client.authentication_failed").await;
    let times: u64 = kept
        .iter()
        .map(|event| event["details"]["times"].as_u64().unwrap_or(1))
        .sum();
    assert_eq!((kept.len(), times), (2, FAILURES));
}
