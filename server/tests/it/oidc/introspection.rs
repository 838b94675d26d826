//! Introspection (RFC 7662) and revocation (RFC 7009).

use std::time::Duration;

use serde_json::json;

use super::{
    browser::Browser,
    rp::{Rp, Tokens, assert_oauth_error, tokens_of},
};
use crate::harness::{Backend, Installation, on_every_backend};

on_every_backend!(a_revoked_token_is_dead_everywhere);

async fn signed_in(installation: &Installation) -> (Rp, Tokens) {
    let tenant = installation.tenant().await;
    let rp = Rp::new(&tenant, json!({})).await;
    let email = tenant.user().await;
    let mut browser = Browser::new(&tenant);
    let tokens = rp.tokens(&mut browser, &email, &[]).await;
    (rp, tokens)
}

/// T38, RFC 7009 §2.1.
async fn a_revoked_token_is_dead_everywhere(installation: Installation) {
    let (rp, tokens) = signed_in(&installation).await;
    // An access token alone.
    let second = tokens_of(&rp.refresh(0, tokens.refresh(), &[]).await);
    let revoked = rp
        .post(0, "revoke", &[("token", &second.access_token)])
        .await;
    assert_eq!((revoked.status.as_u16(), revoked.text.as_str()), (200, ""));
    for n in 0..2 {
        assert_eq!(
            rp.userinfo(n, &second.access_token).await.status.as_u16(),
            401
        );
        let inactive = rp.introspect(n, &second.access_token).await;
        assert_eq!(inactive.body, json!({ "active": false }));
        assert_eq!(
            rp.userinfo(n, &tokens.access_token).await.status.as_u16(),
            200
        );
    }
    // A refresh token, and with it the grant; whatever the hint says.
    let form = [
        ("token", second.refresh()),
        ("token_type_hint", "access_token"),
    ];
    assert_eq!(rp.post(1, "revoke", &form).await.status.as_u16(), 200);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for n in 0..2 {
        assert_eq!(
            rp.userinfo(n, &tokens.access_token).await.status.as_u16(),
            401
        );
        for token in [&tokens.access_token, second.refresh()] {
            assert_eq!(
                rp.introspect(n, token).await.body,
                json!({ "active": false })
            );
        }
        assert_oauth_error(
            &rp.refresh(n, second.refresh(), &[]).await,
            400,
            "invalid_grant",
        );
    }
}

/// T40.
#[tokio::test]
async fn nobody_revokes_what_is_not_its_own() {
    let installation = Installation::start(Backend::Sqlite).await;
    let (rp, tokens) = signed_in(&installation).await;
    let stranger = Rp::new(&rp.tenant, json!({})).await;
    let tampered = format!("{}x", tokens.refresh());
    for token in [
        tokens.refresh(),
        &tokens.access_token,
        "unknown",
        "thr_x",
        &tampered,
    ] {
        let answer = stranger.post(0, "revoke", &[("token", token)]).await;
        assert_eq!(answer.status.as_u16(), 200, "{token}");
    }
    assert_eq!(
        rp.userinfo(0, &tokens.access_token).await.status.as_u16(),
        200
    );
    tokens_of(&rp.refresh(0, tokens.refresh(), &[]).await);
    let nobody = Rp {
        secret: Some("ths_wrong".into()),
        ..rp.clone()
    };
    let answer = nobody
        .post(0, "revoke", &[("token", tokens.refresh())])
        .await;
    assert_oauth_error(&answer, 401, "invalid_client");
    assert_oauth_error(&rp.post(0, "revoke", &[]).await, 400, "invalid_request");
}

/// T97: who may know what.
#[tokio::test]
async fn a_token_is_known_to_those_whom_it_concerns() {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let email = tenant.user().await;
    let resource = "https://api.example/orders";
    let rp = Rp::new(&tenant, json!({ "resources": [resource] })).await;
    let server = json!({
        "grant_types": ["client_credentials"], "response_types": [], "redirect_uris": [], "resources": [resource],
    });
    let server = Rp::new(&tenant, server).await;
    let auditor = Rp::new(&tenant, json!({ "introspection": "tenant" })).await;
    let stranger = Rp::new(&tenant, json!({})).await;
    let mut browser = Browser::new(&tenant);
    let changes = [("scope", "orders"), ("resource", resource)];
    let tokens = rp.tokens(&mut browser, &email, &changes).await;
    for (who, active) in [
        (&rp, true),
        (&server, true),
        (&auditor, true),
        (&stranger, false),
    ] {
        let answer = who.introspect(0, &tokens.access_token).await;
        assert_eq!(answer.body["active"], active, "{}", who.id);
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let told = rp.introspect(0, &tokens.access_token).await.body;
    for (name, value) in [
        ("client_id", json!(rp.id)),
        ("scope", json!("orders")),
        ("token_type", json!("Bearer")),
        ("aud", json!([resource])),
        ("iss", json!(tenant.issuer())),
    ] {
        assert_eq!(told[name], value, "{name}");
    }
    assert!(told.get("email").is_none());
    // A refresh token is its client's alone.
    assert_eq!(
        rp.introspect(0, tokens.refresh()).await.body["active"],
        true
    );
    assert_eq!(
        server.introspect(0, tokens.refresh()).await.body,
        json!({ "active": false })
    );
    let spa = Rp::public(&tenant).await;
    let refused = spa.introspect(0, &tokens.access_token).await;
    assert_oauth_error(&refused, 400, "unauthorized_client");
}

#[tokio::test]
async fn an_expired_token_is_not_active() {
    let installation = Installation::start(Backend::Sqlite).await;
    let (rp, tokens) = signed_in(&installation).await;
    installation.clock.advance(Duration::from_secs(900));
    let inactive = rp.introspect(0, &tokens.access_token).await;
    assert_eq!(inactive.body, json!({ "active": false }));
}

/// Consent that is withdrawn ends what it allowed (T38), and is asked for again.
#[tokio::test]
async fn a_withdrawn_consent_ends_the_clients_tokens() {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let rp = Rp::new(&tenant, json!({})).await;
    let email = tenant.user().await;
    let mut browser = Browser::new(&tenant);
    let tokens = rp.tokens(&mut browser, &email, &[]).await;
    let session = tenant.login(&email).await;
    let client = tenant.client(0);
    let path = tenant.path("/auth/consents");
    let list = client
        .bearer(reqwest::Method::GET, &path, &session.access_token)
        .await;
    assert_eq!(list.body["items"][0]["client_id"], rp.id, "{list:?}");
    assert_eq!(list.body["items"][0]["scope"], "openid");
    // The client's own token tells nothing of it.
    let foreign = client
        .bearer(reqwest::Method::GET, &path, &tokens.access_token)
        .await;
    foreign.assert_problem(401, "not-signed-in");

    let own = format!("{path}/{}", rp.id);
    let done = client
        .bearer(reqwest::Method::DELETE, &own, &session.access_token)
        .await;
    assert_eq!(done.status.as_u16(), 204, "{done:?}");
    let again = client
        .bearer(reqwest::Method::DELETE, &own, &session.access_token)
        .await;
    again.assert_problem(404, "not-found");
    assert_oauth_error(
        &rp.refresh(0, tokens.refresh(), &[]).await,
        400,
        "invalid_grant",
    );
    assert_eq!(
        rp.userinfo(0, &tokens.access_token).await.status.as_u16(),
        401
    );
    let page = browser.open(&rp.authorize(&[])).await.page();
    assert!(page.has_id("consent-allow"));
}
