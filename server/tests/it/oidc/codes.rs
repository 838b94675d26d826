//! Authorization codes: what they are bound to, and that they count once (T21–T28).

use std::time::Duration;

use serde_json::json;

use super::{
    browser::Browser,
    rp::{CHALLENGE, REDIRECT_URI, Rp, VERIFIER, assert_oauth_error, tokens_of},
};
use crate::harness::{Backend, Installation, on_every_backend};

on_every_backend!(fifty_parallel_redemptions_give_one_set_of_tokens);

async fn fifty_parallel_redemptions_give_one_set_of_tokens(installation: Installation) {
    let tenant = installation.tenant().await;
    let rp = Rp::new(&tenant, json!({})).await;
    let email = tenant.user().await;
    let mut browser = Browser::new(&tenant);
    for _ in 0..3 {
        let callback = rp.code(&mut browser, &email, &[]).await;
        let code = callback.get("code");
        let all = (0..50).map(|n| rp.redeem(n, code, &[]));
        let answers = futures_util::future::join_all(all).await;
        let given: Vec<_> = answers
            .iter()
            .filter(|a| a.status.as_u16() == 200)
            .collect();
        assert!(given.len() <= 1, "{}", given.len());
        for answer in answers.iter().filter(|a| a.status.as_u16() != 200) {
            assert_oauth_error(answer, 400, "invalid_grant");
        }
        // Whoever came second ended it: no refresh token lives.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        for answer in given {
            let tokens = tokens_of(answer);
            assert_oauth_error(
                &rp.refresh(0, tokens.refresh(), &[]).await,
                400,
                "invalid_grant",
            );
        }
    }
}

async fn start() -> (Installation, Rp, String) {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let rp = Rp::new(&tenant, json!({})).await;
    let email = tenant.user().await;
    (installation, rp, email)
}

/// T21.
#[tokio::test]
async fn a_code_needs_the_verifier_of_its_challenge() {
    let (_installation, rp, email) = start().await;
    let mut browser = Browser::new(&rp.tenant);
    let (short, long) = (&VERIFIER[..42], VERIFIER.repeat(3));
    for verifier in [
        "",
        "wrong-wrong-wrong-wrong-wrong-wrong-wrong-wro",
        CHALLENGE,
        short,
        &long,
    ] {
        let callback = rp.code(&mut browser, &email, &[]).await;
        let refused = rp
            .redeem(0, callback.get("code"), &[("code_verifier", verifier)])
            .await;
        assert_oauth_error(&refused, 400, "invalid_grant");
        // The code is gone.
        let late = rp.redeem(0, callback.get("code"), &[]).await;
        assert_oauth_error(&late, 400, "invalid_grant");
    }
}

/// T22: a verifier without a challenge is a downgrade; so is no challenge where one is needed.
#[tokio::test]
async fn a_verifier_without_a_challenge_is_refused() {
    let (_installation, rp, email) = start().await;
    let none = [("code_challenge", ""), ("code_challenge_method", "")];
    let mut browser = Browser::new(&rp.tenant);
    for client in [&rp, &Rp::public(&rp.tenant).await] {
        let callback = browser.open(&client.authorize(&none)).await.callback();
        assert_eq!(callback.get("error"), "invalid_request");
    }
    let relaxed = Rp::new(&rp.tenant, json!({ "require_pkce": false })).await;
    let callback = relaxed.code(&mut browser, &email, &none).await;
    let refused = relaxed.redeem(0, callback.get("code"), &[]).await;
    assert_oauth_error(&refused, 400, "invalid_grant");
}

/// T23.
#[tokio::test]
async fn s256_is_the_only_method() {
    let (_installation, rp, _) = start().await;
    let mut browser = Browser::new(&rp.tenant);
    for method in ["plain", "S512", "s256", ""] {
        let changes = [("code_challenge_method", method)];
        let callback = browser.open(&rp.authorize(&changes)).await.callback();
        assert_eq!(callback.get("error"), "invalid_request", "{method}");
    }
    let twice = format!("{}&code_challenge_method=S256", rp.authorize(&[]));
    assert_eq!(
        browser.open(&twice).await.callback().get("error"),
        "invalid_request"
    );
}

/// T15.
#[tokio::test]
async fn a_code_is_bound_to_its_redirect_uri() {
    let (_installation, rp, email) = start().await;
    let mut browser = Browser::new(&rp.tenant);
    let callback = rp.code(&mut browser, &email, &[]).await;
    let changes = [("redirect_uri", "https://rp.example/other")];
    let refused = rp.redeem(0, callback.get("code"), &changes).await;
    assert_oauth_error(&refused, 400, "invalid_grant");
    let late = rp.redeem(0, callback.get("code"), &[]).await;
    assert_oauth_error(&late, 400, "invalid_grant");
    // OAuth 2.1: the challenge binds already, so it may be left out.
    let callback = rp.code(&mut browser, &email, &[]).await;
    tokens_of(
        &rp.redeem(0, callback.get("code"), &[("redirect_uri", "")])
            .await,
    );
    // Without a challenge it may not (RFC 6749 §4.1.3).
    let relaxed = Rp::new(&rp.tenant, json!({ "require_pkce": false })).await;
    let none = [("code_challenge", ""), ("code_challenge_method", "")];
    let callback = relaxed.code(&mut browser, &email, &none).await;
    let changes = [("redirect_uri", ""), ("code_verifier", "")];
    let refused = relaxed.redeem(0, callback.get("code"), &changes).await;
    assert_oauth_error(&refused, 400, "invalid_grant");
}

/// T26.
#[tokio::test]
async fn a_stranger_who_presents_a_code_changes_nothing() {
    let (_installation, rp, email) = start().await;
    let other = Rp::new(&rp.tenant, json!({})).await;
    let spa = Rp::public(&rp.tenant).await;
    let mut browser = Browser::new(&rp.tenant);
    let callback = rp.code(&mut browser, &email, &[]).await;
    let code = callback.get("code");
    for stranger in [&other, &spa] {
        assert_oauth_error(&stranger.redeem(0, code, &[]).await, 400, "invalid_grant");
    }
    let pretender = Rp {
        id: rp.id.clone(),
        ..spa.clone()
    };
    assert_oauth_error(&pretender.redeem(0, code, &[]).await, 401, "invalid_client");
    let tokens = tokens_of(&rp.redeem(0, code, &[]).await);
    // After it was used, too: only its own client's second use means anything.
    assert_oauth_error(&other.redeem(0, code, &[]).await, 400, "invalid_grant");
    tokens_of(&rp.refresh(0, tokens.refresh(), &[]).await);
}

/// T01: another tenant's code, though a client there has the same id and secret form.
#[tokio::test]
async fn a_code_is_nothing_in_another_tenant() {
    let (installation, rp, email) = start().await;
    let tenant = installation.tenant().await;
    let twin = Rp::new(&tenant, json!({ "client_id": rp.id })).await;
    let mut browser = Browser::new(&rp.tenant);
    let callback = rp.code(&mut browser, &email, &[]).await;
    let code = callback.get("code");
    assert_oauth_error(&twin.redeem(0, code, &[]).await, 400, "invalid_grant");
    // T02: the other tenant's secret.
    let mixed = Rp {
        secret: twin.secret.clone(),
        ..rp.clone()
    };
    assert_oauth_error(&mixed.redeem(0, code, &[]).await, 401, "invalid_client");
    let tokens = tokens_of(&rp.redeem(0, code, &[]).await);
    assert_eq!(
        twin.userinfo(0, &tokens.access_token).await.status.as_u16(),
        401
    );
    let inactive = twin.introspect(0, &tokens.access_token).await;
    assert_eq!(inactive.body, json!({ "active": false }));
    assert_oauth_error(
        &twin.refresh(0, tokens.refresh(), &[]).await,
        400,
        "invalid_grant",
    );
}

/// T27: nothing else is a code, and a code is nothing else.
#[tokio::test]
async fn a_code_is_taken_for_nothing_else() {
    let (_installation, rp, email) = start().await;
    let mut browser = Browser::new(&rp.tenant);
    let tokens = rp.tokens(&mut browser, &email, &[]).await;
    let cookie = browser.cookie("tokenhouse_accounts").unwrap().to_owned();
    for not_a_code in [
        tokens.refresh(),
        &tokens.access_token,
        &cookie,
        "the state",
        "thc_x",
    ] {
        assert_oauth_error(&rp.redeem(0, not_a_code, &[]).await, 400, "invalid_grant");
    }
    let callback = rp.code(&mut browser, &email, &[]).await;
    let code = callback.get("code");
    assert_oauth_error(&rp.refresh(0, code, &[]).await, 400, "invalid_grant");
    assert_eq!(rp.userinfo(0, code).await.status.as_u16(), 401);
    assert!(code.starts_with("thc_") && code.len() >= 4 + 22);
    tokens_of(&rp.redeem(0, code, &[]).await);
}

/// T28, `fails-with-expired-auth-code`.
#[tokio::test]
async fn a_code_counts_for_a_minute() {
    let (installation, rp, email) = start().await;
    let mut browser = Browser::new(&rp.tenant);
    let callback = rp.code(&mut browser, &email, &[]).await;
    installation.clock.advance(Duration::from_secs(59));
    tokens_of(&rp.redeem(1, callback.get("code"), &[]).await);
    let callback = rp.code(&mut browser, &email, &[]).await;
    installation.clock.advance(Duration::from_secs(60));
    assert_oauth_error(
        &rp.redeem(1, callback.get("code"), &[]).await,
        400,
        "invalid_grant",
    );
}

/// A code of a session that ended, and of a client that may no longer.
#[tokio::test]
async fn a_code_ends_with_its_session() {
    let (_installation, rp, email) = start().await;
    let mut browser = Browser::new(&rp.tenant);
    let callback = rp.code(&mut browser, &email, &[]).await;
    let page = browser.open(&rp.tenant.path("/oauth2/logout")).await.page();
    browser
        .submit(&page, &[("decision", "logout")])
        .await
        .page();
    assert_oauth_error(
        &rp.redeem(0, callback.get("code"), &[]).await,
        400,
        "invalid_grant",
    );
    assert_eq!(callback.address.split('?').next(), Some(REDIRECT_URI));
}
