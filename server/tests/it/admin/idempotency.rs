//! `Idempotency-Key`: what is sent again is not done again.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::administrators::{admin_token, ask};
use crate::harness::{
    Answer, Client, Installation, OPERATOR_TOKEN, Tenant, on_every_backend, unique, until,
};

on_every_backend!(
    a_retry_gets_the_same_answer_and_nothing_is_made_twice,
    another_request_under_the_same_key_is_refused,
    of_twenty_at_once_one_is_carried_out,
    a_key_is_its_tenants_and_its_callers_own,
    a_refusal_is_not_remembered,
    a_request_that_was_given_up_is_done_once,
    a_deleted_tenant_frees_the_key_that_made_it,
);
on_every_backend!(alone: after_a_day_a_key_is_new_again);

async fn keyed(client: &Client, token: &str, path: &str, key: &str, body: &Value) -> Answer {
    let request = client.request(Method::POST, path).bearer_auth(token);
    let request = request.header("idempotency-key", key).json(body);
    client.send(request).await
}

/// As the operator, at instance `n`.
async fn post(tenant: &Tenant, n: usize, rest: &str, key: &str, body: &Value) -> Answer {
    let path = format!("/admin/v1/tenants/{}{rest}", tenant.slug);
    keyed(&tenant.client(n), OPERATOR_TOKEN, &path, key, body).await
}

#[track_caller]
fn assert_replayed(first: &Answer, again: &Answer) {
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    assert_eq!(again.status, StatusCode::CREATED, "{again:?}");
    assert_eq!(first.text, again.text);
    for name in ["content-type", "location", "etag", "cache-control"] {
        assert_eq!(first.header(name), again.header(name), "{name}");
    }
    assert_eq!(first.header("idempotency-replayed"), "");
    assert_eq!(again.header("idempotency-replayed"), "true");
}

async fn count(tenant: &Tenant, rest: &str) -> usize {
    let answer = ask(tenant, 0, OPERATOR_TOKEN, Method::GET, rest, None).await;
    answer.body["items"].as_array().unwrap().len()
}

fn new_user() -> Value {
    json!({ "name": "Ada", "email": format!("{}@example.com", unique("u")) })
}

fn new_client() -> Value {
    json!({ "redirect_uris": ["https://rp.example/cb"] })
}

async fn a_retry_gets_the_same_answer_and_nothing_is_made_twice(installation: Installation) {
    let tenant = installation.tenant().await;
    let made = post(&tenant, 0, "/clients", "c-1", &new_client()).await;
    let secrets = format!(
        "/clients/{}/secrets",
        made.body["client_id"].as_str().unwrap()
    );
    // What tells one secret from another is in the answer, and only there.
    assert!(
        made.body["client_secret"]
            .as_str()
            .unwrap()
            .starts_with("ths_")
    );
    for (rest, body, there) in [
        ("/users", new_user(), 1),
        ("/clients", new_client(), 2),
        (&*secrets, json!({}), 2),
        ("/registration-tokens", json!({ "uses": 2 }), 1),
        ("/invitations", json!({ "email": "grace@example.com" }), 1),
        ("/domains", json!({ "domain": "login.acme.example" }), 1),
        ("/keys", json!({}), 2),
    ] {
        let first = post(&tenant, 0, rest, "the same key everywhere", &body).await;
        let again = post(&tenant, 1, rest, "the same key everywhere", &body).await;
        assert_replayed(&first, &again);
        assert_eq!(count(&tenant, rest).await, there, "{rest}");
        // With quotes, as the draft writes it, it is the same key.
        let quoted = post(&tenant, 1, rest, "\"the same key everywhere\"", &body).await;
        assert_replayed(&first, &quoted);
    }
    for event in [
        "user.created",
        "client.secret_created",
        "key.created",
        "invitation.created",
    ] {
        let path = format!("/audit-events?event={event}");
        let seen = until("the entry", async || {
            Some(count(&tenant, &path).await).filter(|n| *n > 0)
        });
        assert_eq!(seen.await, 1, "{event}");
    }

    let (slug, key) = (unique("t"), unique("key"));
    let client = tenant.client(0);
    let path = "/admin/v1/tenants";
    let body = json!({ "slug": slug, "name": "Once" });
    let first = keyed(&client, OPERATOR_TOKEN, path, &key, &body).await;
    let again = keyed(&tenant.client(1), OPERATOR_TOKEN, path, &key, &body).await;
    assert_replayed(&first, &again);
    // The answer is what it was then, whatever became of the tenant.
    let suspend = format!("{path}/{slug}/suspend");
    client.operator(Method::POST, &suspend, None).await;
    let later = keyed(&client, OPERATOR_TOKEN, path, &key, &body).await;
    assert_replayed(&first, &later);
}

async fn another_request_under_the_same_key_is_refused(installation: Installation) {
    let tenant = installation.tenant().await;
    let client = tenant.client(0);
    let body = new_user();
    let first = post(&tenant, 0, "/users", "k", &body).await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    post(&tenant, 1, "/users", "k", &new_user())
        .await
        .assert_problem(422, "idempotency-key-reused");
    // Another operation is another matter.
    let other = post(&tenant, 0, "/clients", "k", &new_client()).await;
    assert_eq!(other.status, StatusCode::CREATED, "{other:?}");
    // Of two clients' secrets one operation makes: the address is a part of the request.
    let second = post(&tenant, 0, "/clients", "k2", &new_client()).await;
    let secrets = |made: &Answer| {
        format!(
            "/clients/{}/secrets",
            made.body["client_id"].as_str().unwrap()
        )
    };
    let made = post(&tenant, 0, &secrets(&other), "s", &json!({})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    post(&tenant, 0, &secrets(&second), "s", &json!({}))
        .await
        .assert_problem(422, "idempotency-key-reused");

    let (path, key) = ("/admin/v1/tenants", unique("key"));
    let make = |slug: String| json!({ "slug": slug });
    keyed(&client, OPERATOR_TOKEN, path, &key, &make(unique("t"))).await;
    keyed(&client, OPERATOR_TOKEN, path, &key, &make(unique("t")))
        .await
        .assert_problem(422, "idempotency-key-reused");

    let users = format!("{path}/{}/users", tenant.slug);
    for bad in ["", "\"\"", &"x".repeat(256), "schl\u{fc}ssel"] {
        let answer = keyed(&client, OPERATOR_TOKEN, &users, bad, &new_user()).await;
        answer.assert_problem(400, "invalid-parameter");
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains("Idempotency-Key"), "{detail}");
    }
    let twice = client
        .request(Method::POST, &users)
        .bearer_auth(OPERATOR_TOKEN);
    let twice = twice
        .header("idempotency-key", "a")
        .header("idempotency-key", "b");
    let answer = client.send(twice.json(&new_user())).await;
    answer.assert_problem(400, "invalid-parameter");
    assert_eq!(count(&tenant, "/users").await, 1);
}

async fn of_twenty_at_once_one_is_carried_out(installation: Installation) {
    let tenant = installation.tenant().await;
    let one = |answers: &[Answer]| {
        let first: Vec<_> = answers
            .iter()
            .filter(|answer| answer.header("idempotency-replayed").is_empty())
            .collect();
        assert_eq!(first.len(), 1, "{answers:?}");
        for answer in answers {
            assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
            assert_eq!(answer.text, first[0].text);
        }
    };
    let made = post(&tenant, 0, "/clients", "c", &new_client()).await;
    let secrets = format!(
        "/clients/{}/secrets",
        made.body["client_id"].as_str().unwrap()
    );
    for (rest, body, there) in [
        ("/users", new_user(), 1),
        ("/clients", new_client(), 2),
        (&*secrets, json!({}), 2),
        ("/registration-tokens", json!({}), 1),
        ("/invitations", json!({ "email": "grace@example.com" }), 1),
        ("/domains", json!({ "domain": "login.acme.example" }), 1),
        ("/keys", json!({}), 2),
    ] {
        let all = (0..20).map(|n| post(&tenant, n, rest, "race", &body));
        one(&join_all(all).await);
        assert_eq!(count(&tenant, rest).await, there, "{rest}");
    }
    let (body, key) = (json!({ "slug": unique("t") }), unique("key"));
    let clients = [tenant.client(0), tenant.client(1)];
    let all = (0..20).map(|n| {
        keyed(
            &clients[n % 2],
            OPERATOR_TOKEN,
            "/admin/v1/tenants",
            &key,
            &body,
        )
    });
    one(&join_all(all).await);
}

async fn a_key_is_its_tenants_and_its_callers_own(installation: Installation) {
    let (acme, other) = (installation.tenant().await, installation.tenant().await);
    let (_, one) = admin_token(&acme, "tokenhouse:admin").await;
    let (_, two) = admin_token(&acme, "tokenhouse:admin").await;
    let (body, key) = (new_client(), "ours");
    let mut made = Vec::new();
    for (tenant, token) in [
        (&acme, OPERATOR_TOKEN),
        (&other, OPERATOR_TOKEN),
        (&acme, &one),
        (&acme, &two),
    ] {
        let path = format!("/admin/v1/tenants/{}/clients", tenant.slug);
        let first = keyed(&tenant.client(0), token, &path, key, &body).await;
        let again = keyed(&tenant.client(1), token, &path, key, &body).await;
        assert_replayed(&first, &again);
        made.push(first.body["client_id"].as_str().unwrap().to_owned());
    }
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 4);
    // Whoever may not ask learns nothing from a key.
    let (_, reader) = admin_token(&acme, "tokenhouse:admin:read").await;
    let path = format!("/admin/v1/tenants/{}/clients", acme.slug);
    keyed(&acme.client(0), &reader, &path, key, &body)
        .await
        .assert_problem(403, "insufficient-scope");
}

async fn a_refusal_is_not_remembered(installation: Installation) {
    let tenant = installation.tenant().await;
    let body = new_user();
    let before = post(&tenant, 0, "/users", "first", &body).await;
    post(&tenant, 0, "/users", "second", &body)
        .await
        .assert_problem(409, "email-taken");
    let user = format!("/users/{}", before.body["user_id"].as_str().unwrap());
    let gone = ask(&tenant, 0, OPERATOR_TOKEN, Method::DELETE, &user, None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
    let after = post(&tenant, 0, "/users", "second", &body).await;
    assert_eq!(after.status, StatusCode::CREATED, "{after:?}");
    // A key remembers what it made, not what is there.
    let again = post(&tenant, 1, "/users", "first", &body).await;
    assert_replayed(&before, &again);
}

/// The caller hangs up at every moment of a request's life.
async fn a_request_that_was_given_up_is_done_once(installation: Installation) {
    let tenant = installation.tenant().await;
    for n in 0..24_u64 {
        let (body, key) = (new_client(), format!("given-up-{n}"));
        let patience = Duration::from_micros(500 * n);
        let first = post(&tenant, 0, "/clients", &key, &body);
        let heard = tokio::time::timeout(patience, first).await.ok();
        let again = post(&tenant, 1, "/clients", &key, &body).await;
        assert_eq!(again.status, StatusCode::CREATED, "{again:?}");
        if let Some(first) = heard {
            assert_replayed(&first, &again);
        }
        let third = post(&tenant, 0, "/clients", &key, &body).await;
        assert_eq!(third.text, again.text);
        assert_eq!(third.header("idempotency-replayed"), "true");
    }
    assert_eq!(count(&tenant, "/clients").await, 24);
}

async fn a_deleted_tenant_frees_the_key_that_made_it(installation: Installation) {
    let client = installation.tenant().await.client(0);
    let (slug, key) = (unique("t"), unique("key"));
    let body = json!({ "slug": slug });
    let path = "/admin/v1/tenants";
    let first = keyed(&client, OPERATOR_TOKEN, path, &key, &body).await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    client
        .operator(Method::DELETE, &format!("{path}/{slug}"), None)
        .await;
    let second = keyed(&client, OPERATOR_TOKEN, path, &key, &body).await;
    assert_eq!(second.status, StatusCode::CREATED, "{second:?}");
    assert_ne!(first.body["id"], second.body["id"]);
}

async fn after_a_day_a_key_is_new_again(installation: Installation) {
    let tenant = installation.tenant().await;
    let client = tenant.client(0);
    let (slugs, key) = ([unique("t"), unique("t")], unique("key"));
    let make = async |slug: &String| {
        let body = json!({ "slug": slug });
        keyed(&client, OPERATOR_TOKEN, "/admin/v1/tenants", &key, &body).await
    };
    let body = new_client();
    let first = post(&tenant, 0, "/clients", "k", &body).await;
    assert_eq!(make(&slugs[0]).await.status, StatusCode::CREATED);
    installation
        .clock
        .advance(Duration::from_secs(24 * 3600 - 1));
    assert_replayed(&first, &post(&tenant, 1, "/clients", "k", &body).await);
    make(&slugs[1])
        .await
        .assert_problem(422, "idempotency-key-reused");
    installation.clock.advance(Duration::from_secs(1));
    let next = post(&tenant, 1, "/clients", "k", &body).await;
    assert_eq!(next.status, StatusCode::CREATED, "{next:?}");
    assert_eq!(next.header("idempotency-replayed"), "");
    assert_ne!(first.body["client_id"], next.body["client_id"]);
    assert_eq!(make(&slugs[1]).await.status, StatusCode::CREATED);
}
