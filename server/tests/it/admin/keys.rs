//! Signing keys: published before they sign, kept until their tokens have ended, revoked at once; and
//! the master keys below them.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::administrators::{admin_token, ask};
use crate::{
    harness::{
        Answer, Installation, MASTER_KEY, OPERATOR_TOKEN, Session, Tenant, on_every_backend, until,
    },
    oidc::rp::jwt_header,
};

on_every_backend!(
    alone: a_key_is_published_before_it_signs_and_kept_until_its_last_token_has_ended,
    keys_are_rotated_on_schedule_without_anybody,
    a_shorter_freshness_counts_when_the_longer_one_has_passed,
);
on_every_backend!(
    a_revoked_key_counts_no_more_on_any_instance,
    two_instances_that_rotate_at_once_make_one_key,
    keys_are_listed_in_pages_and_those_of_others_are_not_there,
);

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn keys(tenant: &Tenant, n: usize, query: &str) -> Vec<Value> {
    let path = format!("/keys{query}");
    let answer = ask(tenant, n, OPERATOR_TOKEN, Method::GET, &path, None).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.body["items"].as_array().unwrap().clone()
}

fn states(keys: &[Value]) -> Vec<&str> {
    keys.iter()
        .map(|key| key["state"].as_str().unwrap())
        .collect()
}

async fn change(
    tenant: &Tenant,
    n: usize,
    method: Method,
    rest: &str,
    body: Option<Value>,
) -> Answer {
    ask(
        tenant,
        n,
        OPERATOR_TOKEN,
        method,
        &format!("/keys{rest}"),
        body,
    )
    .await
}

async fn rotate(tenant: &Tenant, n: usize) -> Value {
    let answer = change(tenant, n, Method::POST, "", Some(json!({}))).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.body
}

/// The ids in the JWK Set of instance `n`.
async fn published(tenant: &Tenant, n: usize) -> Vec<String> {
    let answer = tenant.client(n).get(&tenant.path("/oauth2/jwks")).await;
    let keys = answer.body["keys"].as_array().unwrap();
    keys.iter().map(|key| text(&key["kid"])).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn kid(session: &Session) -> String {
    text(&jwt_header(&session.access_token)["kid"])
}

async fn until_states(tenant: &Tenant, expected: &[&str]) {
    until(&format!("{expected:?}"), async || {
        (states(&keys(tenant, 1, "").await) == expected).then_some(())
    })
    .await;
}

async fn a_key_is_published_before_it_signs_and_kept_until_its_last_token_has_ended(
    installation: Installation,
) {
    let acme = installation.tenant().await;
    let email = acme.user().await;
    let before = acme.login(&email).await;
    let old = kid(&before);
    assert_eq!(states(&keys(&acme, 0, "").await), ["active"]);

    let next = rotate(&acme, 0).await;
    assert_eq!(
        (&next["state"], &next["alg"]),
        (&json!("next"), &json!("ES256"))
    );
    let new = text(&next["kid"]);
    assert_eq!(
        rotate(&acme, 1).await["kid"],
        next["kid"],
        "there is one next key"
    );
    until("it is published everywhere", async || {
        let keys = published(&acme, 1).await;
        (keys == [new.clone(), old.clone()]).then_some(())
    })
    .await;
    assert_eq!(kid(&acme.login(&email).await), old, "it doesn't sign yet");
    let activate = format!("/{new}/activate");
    change(&acme, 0, Method::POST, &activate, None)
        .await
        .assert_problem(409, "key-not-ready");

    installation.clock.advance(Duration::from_secs(302));
    until_states(&acme, &["active", "retiring"]).await;
    until("it signs everywhere", async || {
        let answer = acme
            .refresh(1, &acme.login(&email).await.refresh_token)
            .await;
        (kid(&Session::of(&answer)) == new).then_some(())
    })
    .await;
    for n in [0, 1] {
        let answer = acme.current_user(n, &before.access_token).await;
        assert_eq!(
            answer.status,
            StatusCode::OK,
            "an old token goes on: {answer:?}"
        );
        assert_eq!(published(&acme, n).await, [new.clone(), old.clone()]);
    }
    change(&acme, 0, Method::DELETE, &format!("/{old}"), None)
        .await
        .assert_problem(409, "key-in-use");
    change(&acme, 0, Method::POST, &format!("/{old}/activate"), None)
        .await
        .assert_problem(409, "key-not-next");
    let again = change(&acme, 0, Method::POST, &activate, None).await;
    assert_eq!(
        again.status,
        StatusCode::OK,
        "it is active already: {again:?}"
    );

    installation.clock.advance(DAY + Duration::from_secs(60));
    until_states(&acme, &["active", "retired"]).await;
    until("it is published no more", async || {
        (published(&acme, 1).await == [new.clone()]).then_some(())
    })
    .await;
    let answer = change(&acme, 1, Method::DELETE, &format!("/{old}"), None).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    until_states(&acme, &["active"]).await;
}

async fn keys_are_rotated_on_schedule_without_anybody(installation: Installation) {
    let settings = json!({ "key_rotation_interval": 7 * 24 * 3600, "jwks_max_age": 60 });
    let acme = installation.tenant_with(settings).await;
    let email = acme.user().await;
    let jwks = acme.client(0).get(&acme.path("/oauth2/jwks")).await;
    assert_eq!(jwks.header("cache-control"), "public, max-age=60");
    let first = kid(&acme.login(&email).await);
    for _ in 0..2 {
        let signs = kid(&acme.login(&email).await);
        installation
            .clock
            .advance(7 * DAY - Duration::from_secs(61));
        let next = until("a next key", async || {
            let keys = keys(&acme, 0, "?state=next").await;
            keys.first().map(|key| text(&key["kid"]))
        })
        .await;
        assert_eq!(kid(&acme.login(&email).await), signs);
        installation.clock.advance(Duration::from_secs(61));
        until("the next key signs", async || {
            (kid(&acme.login(&email).await) == next).then_some(())
        })
        .await;
    }
    // By now the first one is over.
    let path = format!("/keys/{first}");
    let over = ask(&acme, 0, OPERATOR_TOKEN, Method::GET, &path, None).await;
    assert_eq!(over.body["state"], "retired", "{over:?}");
    let settings = json!({ "key_rotation_interval": 0 });
    ask(
        &acme,
        0,
        OPERATOR_TOKEN,
        Method::PATCH,
        "/settings",
        Some(settings),
    )
    .await;
    installation.clock.advance(60 * DAY);
    until_states(&acme, &["active", "retired", "retired"]).await;
}

async fn a_shorter_freshness_counts_when_the_longer_one_has_passed(installation: Installation) {
    let acme = installation
        .tenant_with(json!({ "jwks_max_age": 3600 }))
        .await;
    let shorter = Some(json!({ "jwks_max_age": 10 }));
    let answer = ask(
        &acme,
        0,
        OPERATOR_TOKEN,
        Method::PATCH,
        "/settings",
        shorter,
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let next = text(&rotate(&acme, 1).await["kid"]);
    let activate = format!("/{next}/activate");
    installation.clock.advance(Duration::from_secs(3000));
    change(&acme, 0, Method::POST, &activate, None)
        .await
        .assert_problem(409, "key-not-ready");
    installation.clock.advance(Duration::from_secs(601));
    let answer = change(&acme, 0, Method::POST, &activate, None).await;
    assert_eq!(answer.body["state"], "active", "{answer:?}");
}

async fn a_revoked_key_counts_no_more_on_any_instance(installation: Installation) {
    let acme = installation.tenant().await;
    let other = installation.tenant().await;
    let (session, elsewhere) = (acme.session().await, other.session().await);
    for n in [0, 1] {
        assert_eq!(
            acme.current_user(n, &session.access_token).await.status,
            StatusCode::OK
        );
    }
    let stolen = kid(&session);
    let revoke = format!("/{stolen}/revoke");
    change(&other, 0, Method::POST, &revoke, None)
        .await
        .assert_problem(404, "not-found");
    for _ in 0..2 {
        let answer = change(&acme, 0, Method::POST, &revoke, None).await;
        assert_eq!(answer.body["state"], "revoked", "{answer:?}");
    }
    acme.current_user(0, &session.access_token)
        .await
        .assert_problem(401, "not-signed-in");
    let began = std::time::Instant::now();
    until("the other instance refuses it", async || {
        let answer = acme.current_user(1, &session.access_token).await;
        (answer.status == StatusCode::UNAUTHORIZED).then_some(())
    })
    .await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "it was within moments"
    );
    // Nobody has to sign in again, and nothing of the key is left.
    let fresh = Session::of(&acme.refresh(1, &session.refresh_token).await);
    assert_ne!(kid(&fresh), stolen);
    for n in [0, 1] {
        assert_eq!(
            acme.current_user(n, &fresh.access_token).await.status,
            StatusCode::OK
        );
        assert!(!published(&acme, n).await.contains(&stolen));
    }
    assert_eq!(
        other.current_user(0, &elsewhere.access_token).await.status,
        StatusCode::OK,
        "another tenant's keys are its own"
    );
    assert_eq!(states(&keys(&acme, 0, "").await), ["active", "revoked"]);
    let answer = change(&acme, 1, Method::DELETE, &format!("/{stolen}"), None).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
}

async fn two_instances_that_rotate_at_once_make_one_key(installation: Installation) {
    let acme = installation.tenant().await;
    let all = futures_util::future::join_all((0..8).map(|n| rotate(&acme, n))).await;
    let first = text(&all[0]["kid"]);
    assert!(
        all.iter().all(|key| key["kid"] == first.as_str()),
        "{all:?}"
    );
    assert_eq!(states(&keys(&acme, 0, "").await), ["next", "active"]);

    // And of eight that revoke it at once, one has something to do.
    let revoke = format!(
        "/{}/revoke",
        text(&keys(&acme, 0, "?state=active").await[0]["kid"])
    );
    let revocations = (0..8).map(|n| change(&acme, n, Method::POST, &revoke, None));
    for answer in futures_util::future::join_all(revocations).await {
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    assert_eq!(states(&keys(&acme, 0, "").await), ["active", "revoked"]);
}

async fn keys_are_listed_in_pages_and_those_of_others_are_not_there(installation: Installation) {
    let acme = installation.tenant().await;
    let other = installation.tenant().await;
    for alg in ["RS256", "EdDSA", "PS256"] {
        let answer = change(&acme, 0, Method::POST, "", Some(json!({ "alg": alg }))).await;
        assert_eq!(answer.body["alg"], alg, "{answer:?}");
    }
    let answer = change(&acme, 0, Method::POST, "", Some(json!({ "alg": "none" }))).await;
    answer.assert_problem(400, "invalid-body");
    assert_eq!(answer.pointers(), ["/alg"]);

    let all: Vec<_> = keys(&acme, 0, "").await;
    assert_eq!(all.len(), 4);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/keys?limit=1{cursor}");
        let page = ask(&acme, seen.len(), OPERATOR_TOKEN, Method::GET, &path, None).await;
        seen.extend(page.body["items"].as_array().unwrap().clone());
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, all);
    let path = "/keys?cursor=bm9uZQ";
    ask(&acme, 0, OPERATOR_TOKEN, Method::GET, path, None)
        .await
        .assert_problem(400, "invalid-parameter");
    let text_of_all = serde_json::to_string(&all).unwrap();
    assert!(
        !text_of_all.contains("\"d\":"),
        "no private member: {text_of_all}"
    );

    let (_, token) = admin_token(&acme, "tokenhouse:admin:read").await;
    let kid = text(&all[0]["kid"]);
    let read = |tenant: Tenant, token: String| {
        let path = format!("/keys/{kid}");
        async move { ask(&tenant, 0, &token, Method::GET, &path, None).await }
    };
    let own = read(acme.clone(), token.clone()).await;
    assert_eq!(own.body, all[0], "{own:?}");
    read(other.clone(), token.clone())
        .await
        .assert_problem(401, "not-signed-in");
    let foreign = read(other.clone(), OPERATOR_TOKEN.to_owned()).await;
    foreign.assert_problem(404, "not-found");
    ask(&acme, 0, &token, Method::POST, "/keys", Some(json!({})))
        .await
        .assert_problem(403, "insufficient-scope");
}

/// A new master key is put in front; when nothing rests on the old one, it goes.
#[tokio::test]
async fn data_keys_move_to_a_new_master_key_while_tenants_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}/tokenhouse.db", folder.path().display());
    let new_key = MASTER_KEY.replace("test:A", "new:B");
    let master_keys = async |installation: &Installation| {
        let client = crate::harness::Client::new(installation.instances[0].public_address);
        let answer = client
            .operator(Method::GET, "/admin/v1/master-keys", None)
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.body["items"].clone()
    };
    let key = |id: &str, seals: bool, data_keys: u32| json!({ "id": id, "seals": seals, "data_keys": data_keys, "all_counted": true });

    let old = Installation::with_master_keys(&database, MASTER_KEY).await;
    let acme = old.tenant().await;
    let session = acme.session().await;
    old.tenant().await;
    assert_eq!(master_keys(&old).await, json!([key("test", true, 2)]));

    let both = format!("{new_key}\n{MASTER_KEY}");
    let both = Installation::with_master_keys(&database, &both).await;
    let moved = json!([key("new", true, 2), key("test", false, 0)]);
    until("all are moved", async || {
        (master_keys(&both).await == moved).then_some(())
    })
    .await;
    let served = both.instances[0].public_address;
    let audited = Tenant::at(&acme.slug, &acme.public_url, served);
    let event = until("the audit log has it", async || {
        let path = "/audit-events?event=key.data_key_resealed";
        let found = ask(&audited, 0, OPERATOR_TOKEN, Method::GET, path, None).await;
        found.body["items"].get(0).cloned()
    })
    .await;
    assert_eq!(event["actor"]["kind"], "system", "{event}");
    let ids = json!({ "before": { "master_key_id": "test" }, "after": { "master_key_id": "new" } });
    assert_eq!(event["details"], ids);

    let new = Installation::with_master_keys(&database, &new_key).await;
    let acme = Tenant::at(
        &acme.slug,
        &acme.public_url,
        new.instances[0].public_address,
    );
    let answer = acme.current_user(0, &session.access_token).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let answer = acme.refresh(0, &session.refresh_token).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(master_keys(&new).await, json!([key("new", true, 2)]));
}
