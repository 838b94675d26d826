//! Lifetimes of one client, which differ from the tenant's.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    browser::Browser,
    rp::{Rp, Tokens, assert_oauth_error, claims, tokens_of},
};
use crate::harness::{Answer, Installation, on_every_backend};

on_every_backend!(
    each_lifetime_of_a_client_is_its_own,
    a_changed_lifetime_counts_on_the_other_instance_within_a_second,
    nobody_registers_lifetimes_for_itself,
);

/// How long a token counts that says so itself.
fn lifetime(claims: &Value) -> i64 {
    claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()
}

/// Of access token, ID token, and the two as the answer and introspection tell them.
async fn lifetimes(rp: &Rp, tokens: &Tokens) -> [i64; 5] {
    let introspected = async |token: &str| lifetime(&rp.introspect(1, token).await.body);
    [
        lifetime(&claims(&tokens.access_token)),
        tokens.body["expires_in"].as_i64().unwrap(),
        introspected(&tokens.access_token).await,
        lifetime(&tokens.id_claims()),
        introspected(tokens.refresh()).await,
    ]
}

async fn each_lifetime_of_a_client_is_its_own(installation: Installation) {
    let tenant = installation.tenant().await;
    let own = json!({
        "access_token_ttl": 120,
        "id_token_ttl": 180,
        "refresh_idle_ttl": 600,
        "refresh_absolute_ttl": 1_000,
        "refresh_retry_window": 200,
    });
    let rp = Rp::new(&tenant, own.clone()).await;
    let path = format!("/admin/v1/tenants/{}/clients/{}", tenant.slug, rp.id);
    let read = tenant.client(1).operator(Method::GET, &path, None).await;
    for (name, value) in own.as_object().unwrap() {
        assert_eq!(&read.body[name], value, "{name}");
    }
    let other = Rp::new(&tenant, json!({})).await;
    let email = tenant.user().await;
    let mut browser = Browser::new(&tenant);
    let tokens = rp.tokens(&mut browser, &email, &[]).await;
    assert_eq!(lifetimes(&rp, &tokens).await, [120, 120, 120, 180, 600]);
    let others = other.tokens(&mut browser, &email, &[]).await;
    assert_eq!(
        lifetimes(&other, &others).await,
        [900, 900, 900, 3600, 7 * 24 * 3600]
    );
    let machine = rp
        .post(1, "token", &[("grant_type", "client_credentials")])
        .await;
    assert_eq!(tokens_of(&machine).body["expires_in"], 120);

    // Within its retry window, which the tenant's is long over: the same successor.
    let second = tokens_of(&rp.refresh(0, tokens.refresh(), &[]).await);
    assert_eq!(lifetimes(&rp, &second).await[..4], [120, 120, 120, 180]);
    installation.clock.advance(Duration::from_secs(150));
    let again = tokens_of(&rp.refresh(1, tokens.refresh(), &[]).await);
    assert_eq!(again.refresh(), second.refresh());
    installation.clock.advance(Duration::from_secs(51));
    assert_oauth_error(
        &rp.refresh(1, tokens.refresh(), &[]).await,
        400,
        "invalid_grant",
    );
    assert_oauth_error(
        &rp.refresh(0, second.refresh(), &[]).await,
        400,
        "invalid_grant",
    );

    let idle = rp.tokens(&mut browser, &email, &[]).await;
    let mut busy = rp.tokens(&mut browser, &email, &[]).await;
    for n in 0..3 {
        installation.clock.advance(Duration::from_secs(301));
        busy = tokens_of(&rp.refresh(n, busy.refresh(), &[]).await);
        if n == 1 {
            assert_oauth_error(
                &rp.refresh(n, idle.refresh(), &[]).await,
                400,
                "invalid_grant",
            );
        }
    }
    // No token outlives its grant: what is left of it is less than the client's 120 seconds.
    // What introspection says of a refresh token comes from the floor, which is written behind the answer.
    let left = [
        lifetime(&claims(&busy.access_token)),
        busy.body["expires_in"].as_i64().unwrap(),
    ];
    // The claims are cut to seconds, so the two may differ by one.
    let alike = (left[0] - left[1]).abs() <= 1;
    assert!((30..=97).contains(&left[0]) && alike, "{left:?}");
    installation.clock.advance(Duration::from_secs(100));
    assert_oauth_error(
        &rp.refresh(0, busy.refresh(), &[]).await,
        400,
        "invalid_grant",
    );
    tokens_of(&other.refresh(0, others.refresh(), &[]).await);
}

async fn patch(rp: &Rp, body: Value) -> Answer {
    let path = format!("/admin/v1/tenants/{}/clients/{}", rp.tenant.slug, rp.id);
    let client = rp.tenant.client(0);
    let answer = client.operator(Method::PATCH, &path, Some(body)).await;
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    // What an instance remembers of a grant is a second old at most.
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    answer
}

async fn a_changed_lifetime_counts_on_the_other_instance_within_a_second(
    installation: Installation,
) {
    let tenant = installation.tenant().await;
    let rp = Rp::new(&tenant, json!({})).await;
    let email = tenant.user().await;
    let tokens = rp.tokens(&mut Browser::new(&tenant), &email, &[]).await;
    let mut last = tokens_of(&rp.refresh(1, tokens.refresh(), &[]).await);
    for (body, expected) in [
        (json!({ "access_token_ttl": 300 }), [300, 3600]),
        (json!({ "id_token_ttl": 60 }), [300, 60]),
        (
            json!({ "access_token_ttl": null, "id_token_ttl": null }),
            [900, 3600],
        ),
    ] {
        let changed = patch(&rp, body.clone()).await;
        for (name, value) in body.as_object().unwrap() {
            assert_eq!(
                changed.body.get(name).unwrap_or(&Value::Null),
                value,
                "{name}"
            );
        }
        last = tokens_of(&rp.refresh(1, last.refresh(), &[]).await);
        let told = [
            last.body["expires_in"].as_i64().unwrap(),
            lifetime(&last.id_claims()),
        ];
        assert_eq!(told, expected, "{body}");
    }
    patch(&rp, json!({ "refresh_idle_ttl": 300 })).await;
    let before = last.refresh().to_owned();
    last = tokens_of(&rp.refresh(1, &before, &[]).await);
    patch(&rp, json!({ "refresh_retry_window": 0 })).await;
    assert_oauth_error(&rp.refresh(1, &before, &[]).await, 400, "invalid_grant");
    assert_oauth_error(
        &rp.refresh(1, last.refresh(), &[]).await,
        400,
        "invalid_grant",
    );
    // The idle time counts from the first refresh after the change.
    let tokens = rp.tokens(&mut Browser::new(&tenant), &email, &[]).await;
    installation.clock.advance(Duration::from_secs(301));
    assert_oauth_error(
        &rp.refresh(1, tokens.refresh(), &[]).await,
        400,
        "invalid_grant",
    );
}

async fn nobody_registers_lifetimes_for_itself(installation: Installation) {
    let tenant = installation
        .tenant_with(json!({ "registration": "open" }))
        .await;
    let client = tenant.client(0);
    let wish = json!({ "redirect_uris": ["https://rp.example/cb"], "access_token_ttl": 86_400, "refresh_retry_window": "x" });
    let made = client
        .post(&tenant.path("/oauth2/register"), wish.clone())
        .await;
    assert_eq!(made.status.as_u16(), 201, "{made:?}");
    assert_eq!(made.body.get("access_token_ttl"), None, "{made:?}");
    let text = |name: &str| made.body[name].as_str().unwrap().to_owned();
    let rp = Rp {
        tenant: tenant.clone(),
        id: text("client_id"),
        secret: Some(text("client_secret")),
    };
    patch(&rp, json!({ "access_token_ttl": 120 })).await;
    let mut body = wish;
    body["client_id"] = json!(rp.id);
    let path = tenant.path(&format!("/oauth2/register/{}", rp.id));
    let request = client.request(Method::PUT, &path);
    let request = request
        .bearer_auth(text("registration_access_token"))
        .json(&body);
    let replaced = client.send(request).await;
    assert_eq!(replaced.status.as_u16(), 200, "{replaced:?}");
    assert_eq!(
        replaced.body["access_token_ttl"], 120,
        "the administrator's stays"
    );
}
