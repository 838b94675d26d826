//! `oidcc-basic-certification-test-plan`: each test names the modules that it stands for.

use std::time::Duration;

use serde_json::json;

use super::{
    browser::{Browser, End},
    rp::{REDIRECT_URI, Rp, Tokens, assert_oauth_error, jwt_header, tokens_of},
};
use crate::harness::{Backend, Installation, on_every_backend};

on_every_backend!(
    a_user_signs_in_and_the_client_gets_tokens,
    a_code_that_is_used_twice_ends_what_it_gave
);

/// What the plans send: neither PKCE nor, at first, a nonce.
const BARE: [(&str, &str); 2] = [("code_challenge", ""), ("code_challenge_method", "")];

fn bare<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    BARE.iter().chain(more).copied().collect()
}

/// `oidcc-server`, `oidcc-idtoken-signature`,
/// `oidcc-ensure-request-without-nonce-succeeds-for-code-flow`, `oidcc-userinfo-get`.
async fn a_user_signs_in_and_the_client_gets_tokens(installation: Installation) {
    let rp = Rp::relaxed(&installation).await;
    let email = rp.tenant.user().await;
    let mut browser = Browser::new(&rp.tenant);
    let callback = rp.code(&mut browser, &email, &bare(&[])).await;
    assert_eq!(callback.get("state"), "the state");
    assert_eq!(callback.get("iss"), rp.tenant.issuer());
    assert_eq!(callback.parameters.len(), 3, "{callback:?}");

    let answer = rp
        .redeem(1, callback.get("code"), &[("code_verifier", "")])
        .await;
    let tokens = tokens_of(&answer);
    let header = jwt_header(tokens.id_token.as_deref().unwrap());
    assert_eq!(
        (&header["alg"], &header["typ"]),
        (&json!("RS256"), &json!("JWT"))
    );
    assert!(header["kid"].is_string());
    let claims = tokens.id_claims();
    assert_eq!(claims["iss"], rp.tenant.issuer());
    assert_eq!(
        (&claims["aud"], &claims["azp"]),
        (&json!(rp.id), &json!(rp.id))
    );
    assert!(claims.get("nonce").is_none());
    for name in ["iat", "exp", "auth_time"] {
        assert!(claims[name].is_i64(), "{name}");
    }
    assert!(claims["at_hash"].is_string() && claims["sid"].is_string() && claims["amr"].is_array());

    for n in 0..2 {
        let info = rp.userinfo(n, &tokens.access_token).await;
        assert_eq!(info.status.as_u16(), 200, "{info:?}");
        assert_eq!(info.body, json!({ "sub": claims["sub"] }));
        assert_eq!(info.header("cache-control"), "no-store");
    }
}

/// `oidcc-codereuse`, `oidcc-codereuse-30seconds`, T24.
async fn a_code_that_is_used_twice_ends_what_it_gave(installation: Installation) {
    let rp = Rp::relaxed(&installation).await;
    let email = rp.tenant.user().await;
    let mut browser = Browser::new(&rp.tenant);
    let callback = rp.code(&mut browser, &email, &[]).await;
    let code = callback.get("code");
    let tokens = tokens_of(&rp.redeem(0, code, &[]).await);
    assert_eq!(
        rp.introspect(1, &tokens.access_token).await.body["active"],
        true
    );

    installation.clock.advance(Duration::from_secs(30));
    assert_oauth_error(&rp.redeem(1, code, &[]).await, 400, "invalid_grant");
    // Within a second on every instance.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for n in 0..2 {
        let info = rp.userinfo(n, &tokens.access_token).await;
        assert_eq!(info.status.as_u16(), 401, "{info:?}");
        let inactive = rp.introspect(n, &tokens.access_token).await;
        assert_eq!(inactive.body, json!({ "active": false }));
        let refused = rp.refresh(n, tokens.refresh(), &[]).await;
        assert_oauth_error(&refused, 400, "invalid_grant");
    }
}

async fn start() -> (Installation, Rp, String) {
    let installation = Installation::start(Backend::Sqlite).await;
    let rp = Rp::relaxed(&installation).await;
    let email = rp.tenant.user().await;
    (installation, rp, email)
}

/// `oidcc-response-type-missing`.
#[tokio::test]
async fn a_missing_response_type_goes_back_as_an_error() {
    let (_installation, rp, _) = start().await;
    let mut browser = Browser::new(&rp.tenant);
    let callback = browser
        .open(&rp.authorize(&bare(&[("response_type", "")])))
        .await
        .callback();
    assert_eq!(callback.get("error"), "invalid_request");
    assert_eq!(callback.get("state"), "the state");
    assert_eq!(callback.get("iss"), rp.tenant.issuer());
    for other in ["token", "id_token", "code id_token"] {
        let end = browser
            .open(&rp.authorize(&bare(&[("response_type", other)])))
            .await;
        assert_eq!(end.callback().get("error"), "unsupported_response_type");
    }
}

/// `oidcc-ensure-request-with-unknown-parameter-succeeds`, `oidcc-display-page`,
/// `oidcc-display-popup`, `oidcc-ui-locales`, `oidcc-claims-locales`, `oidcc-login-hint`,
/// `oidcc-alternate-happy-flow`, `oidcc-ensure-request-with-valid-pkce-succeeds`.
#[tokio::test]
async fn parameters_that_are_unknown_or_only_hints_do_no_harm() {
    let (_installation, rp, email) = start().await;
    for (name, value) in [
        ("extra", "foobar"),
        ("display", "page"),
        ("display", "popup"),
        ("ui_locales", "se"),
        ("claims_locales", "se"),
        ("login_hint", "buffy@example.com"),
        ("scope", "email openid"),
    ] {
        let mut browser = Browser::new(&rp.tenant);
        let end = browser.open(&rp.authorize(&[(name, value)])).await;
        let page = end.page();
        if name == "login_hint" {
            let field = page.attribute("<input id=\"username\"", "value");
            assert_eq!(field.as_deref(), Some(value));
        }
        let callback = rp.walk(&mut browser, End::Page(page), &email).await;
        assert_ne!(callback.get("code"), "", "{name}");
    }
}

/// `oidcc-ensure-request-with-acr-values-succeeds`.
#[tokio::test]
async fn the_acr_is_one_that_was_asked_for() {
    let (_installation, rp, email) = start().await;
    let mut browser = Browser::new(&rp.tenant);
    let tokens = rp
        .tokens(&mut browser, &email, &[("acr_values", "1 2")])
        .await;
    assert_eq!(tokens.id_claims()["acr"], "1");
    // An essential one that can't be reached is no silent downgrade.
    let claims = r#"{"id_token":{"acr":{"essential":true,"values":["urn:mfa"]}}}"#;
    let callback = browser
        .open(&rp.authorize(&[("claims", claims)]))
        .await
        .callback();
    assert_eq!(callback.get("error"), "unmet_authentication_requirements");
}

/// `oidcc-prompt-login`.
#[tokio::test]
async fn prompt_login_asks_again_and_the_time_is_later() {
    let (installation, rp, email) = start().await;
    let mut browser = Browser::new(&rp.tenant);
    let first = rp.tokens(&mut browser, &email, &[]).await.id_claims();
    let cookie = browser.cookie("tokenhouse_accounts").unwrap().to_owned();
    installation.clock.advance(Duration::from_secs(2));
    let page = browser
        .open(&rp.authorize(&[("prompt", "login")]))
        .await
        .page();
    assert!(page.has_id("login-submit") && page.html().contains("sign in again"));
    let callback = rp.walk(&mut browser, End::Page(page), &email).await;
    let second = tokens_of(&rp.redeem(0, callback.get("code"), &[]).await).id_claims();
    assert!(second["auth_time"].as_i64() > first["auth_time"].as_i64());
    assert_eq!(
        (&second["sub"], &second["sid"]),
        (&first["sub"], &first["sid"])
    );
    // T80: what the browser holds is new after each sign-in, and the old is nothing.
    assert_ne!(browser.cookie("tokenhouse_accounts").unwrap(), cookie);
    let mut thief = Browser::new(&rp.tenant);
    thief.set_cookie("tokenhouse_accounts", &cookie);
    let callback = thief
        .open(&rp.authorize(&[("prompt", "none")]))
        .await
        .callback();
    assert_eq!(callback.get("error"), "login_required");
}

/// `oidcc-prompt-none-not-logged-in`, `oidcc-prompt-none-logged-in`, `oidcc-id-token-hint`.
#[tokio::test]
async fn prompt_none_answers_without_a_page() {
    let (installation, rp, email) = start().await;
    let mut browser = Browser::new(&rp.tenant);
    let silent = [("prompt", "none"), ("nonce", "n2")];
    let callback = browser.open(&rp.authorize(&silent)).await.callback();
    assert_eq!(callback.get("error"), "login_required");
    assert_eq!(callback.get("state"), "the state");

    let first = rp.tokens(&mut browser, &email, &[]).await;
    installation.clock.advance(Duration::from_secs(5));
    let hint = first.id_token.clone().unwrap();
    for more in [vec![], vec![("id_token_hint", hint.as_str())]] {
        let changes: Vec<_> = silent.iter().chain(&more).copied().collect();
        let callback = browser.open(&rp.authorize(&changes)).await.callback();
        let second = tokens_of(&rp.redeem(0, callback.get("code"), &[]).await).id_claims();
        for name in ["sub", "auth_time", "sid"] {
            assert_eq!(second[name], first.id_claims()[name], "{name}");
        }
        assert_eq!(second["nonce"], "n2");
    }
    let both = browser
        .open(&rp.authorize(&[("prompt", "none login")]))
        .await
        .callback();
    assert_eq!(both.get("error"), "invalid_request");
}

/// A hint about somebody else (OIDC Core §3.1.2.1), and hints that are none (T43, T46).
#[tokio::test]
async fn a_hint_names_the_only_user_who_may_answer() {
    let (_installation, rp, email) = start().await;
    let other = rp.tenant.user().await;
    let mut browser = Browser::new(&rp.tenant);
    let tokens = rp.tokens(&mut browser, &email, &[]).await;
    let hint = tokens.id_token.clone().unwrap();
    let mut stranger = Browser::new(&rp.tenant);
    rp.tokens(&mut stranger, &other, &[]).await;
    let changes = [("prompt", "none"), ("id_token_hint", hint.as_str())];
    let callback = stranger.open(&rp.authorize(&changes)).await.callback();
    assert_eq!(callback.get("error"), "login_required");
    let page = stranger
        .open(&rp.authorize(&[("id_token_hint", &hint)]))
        .await;
    let callback = rp.walk(&mut stranger, page, &other).await;
    assert_eq!(callback.get("error"), "login_required");

    let unsigned = format!(
        "{}.{}.",
        "eyJhbGciOiJub25lIn0",
        hint.split('.').nth(1).unwrap()
    );
    for bad in ["x", unsigned.as_str(), tokens.access_token.as_str()] {
        let callback = browser
            .open(&rp.authorize(&[("id_token_hint", bad)]))
            .await
            .callback();
        assert_eq!(callback.get("error"), "invalid_request", "{bad}");
    }
}

/// `oidcc-max-age-1`, `oidcc-max-age-10000`.
#[tokio::test]
async fn max_age_asks_again_only_when_it_has_passed() {
    let (installation, rp, email) = start().await;
    let mut browser = Browser::new(&rp.tenant);
    let first = rp
        .tokens(&mut browser, &email, &[("max_age", "10000")])
        .await
        .id_claims();
    installation.clock.advance(Duration::from_secs(2));
    let callback = browser
        .open(&rp.authorize(&[("max_age", "10000")]))
        .await
        .callback();
    let second = tokens_of(&rp.redeem(0, callback.get("code"), &[]).await).id_claims();
    assert_eq!(second["auth_time"], first["auth_time"]);

    let page = browser
        .open(&rp.authorize(&[("max_age", "1")]))
        .await
        .page();
    assert!(page.has_id("login-submit"));
    let callback = rp.walk(&mut browser, End::Page(page), &email).await;
    let third = tokens_of(&rp.redeem(0, callback.get("code"), &[]).await).id_claims();
    assert!(third["auth_time"].as_i64() > first["auth_time"].as_i64());
}

/// `oidcc-ensure-post-request-succeeds`: a form of another site, without any cookie.
#[tokio::test]
async fn a_request_may_be_posted_from_another_site() {
    let (_installation, rp, email) = start().await;
    let mut browser = Browser::new(&rp.tenant);
    let form: Vec<_> = rp
        .parameters(&[])
        .into_iter()
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .collect();
    let end = browser
        .post(&rp.tenant.path("/oauth2/authorize"), &form)
        .await;
    let callback = rp.walk(&mut browser, end, &email).await;
    tokens_of(&rp.redeem(0, callback.get("code"), &[]).await);
    // Someone who is signed in is not asked again, though the form came without the cookies.
    let held = browser.cookie("tokenhouse_accounts").unwrap().to_owned();
    browser.forget_cookies();
    let answer = browser
        .send(
            reqwest::Method::POST,
            &rp.tenant.path("/oauth2/authorize"),
            Some(&form),
            &[],
        )
        .await;
    assert_eq!(answer.status.as_u16(), 303);
    browser.set_cookie("tokenhouse_accounts", &held);
    let end = browser.open(answer.header("location")).await;
    assert_ne!(end.callback().get("code"), "");
}

/// `oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported` and
/// `oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported`.
#[tokio::test]
async fn request_objects_are_refused_and_never_ignored() {
    let (_installation, rp, _) = start().await;
    let mut browser = Browser::new(&rp.tenant);
    for (name, error) in [
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
    ] {
        let callback = browser
            .open(&rp.authorize(&[(name, "https://rp.example/x")]))
            .await
            .callback();
        assert_eq!(callback.get("error"), error);
    }
}

/// `oidcc-refresh-token`.
#[tokio::test]
async fn a_refreshed_id_token_is_about_the_same_sign_in() {
    let (installation, rp, email) = start().await;
    let mut browser = Browser::new(&rp.tenant);
    let changes = [
        ("scope", "openid offline_access"),
        ("prompt", "consent"),
        ("nonce", "n"),
    ];
    let first = rp.tokens(&mut browser, &email, &changes).await;
    installation.clock.advance(Duration::from_secs(3));
    let answer = rp
        .refresh(1, first.refresh(), &[("scope", "openid offline_access")])
        .await;
    let second = tokens_of(&answer);
    assert_ne!(second.access_token, first.access_token);
    let (before, after) = (first.id_claims(), second.id_claims());
    for name in ["iss", "sub", "aud", "auth_time", "azp", "sid"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    assert!(after["iat"].as_i64() > before["iat"].as_i64());
    assert!(after.get("nonce").is_none());

    // T34: another client's token changes nothing and gives nothing.
    let stranger = Rp::new(&rp.tenant, json!({})).await;
    let refused = stranger.refresh(0, second.refresh(), &[]).await;
    assert_oauth_error(&refused, 400, "invalid_grant");
    tokens_of(&rp.refresh(0, second.refresh(), &[]).await);
}

/// T37.
#[tokio::test]
async fn a_refresh_may_narrow_and_never_widen() {
    let (_installation, rp, email) = start().await;
    let mut browser = Browser::new(&rp.tenant);
    let tokens = rp
        .tokens(&mut browser, &email, &[("scope", "openid email")])
        .await;
    let wider = rp
        .refresh(0, tokens.refresh(), &[("scope", "openid email orders")])
        .await;
    assert_oauth_error(&wider, 400, "invalid_scope");
    let narrow = tokens_of(
        &rp.refresh(0, tokens.refresh(), &[("scope", "openid")])
            .await,
    );
    assert_eq!(narrow.body["scope"], "openid");
    let whole: Tokens = tokens_of(&rp.refresh(0, narrow.refresh(), &[]).await);
    assert_eq!(whole.body["scope"], "openid email");
}

/// `oidcc-server-client-secret-post`.
#[tokio::test]
async fn a_client_may_send_its_secret_in_the_form() {
    let (_installation, rp, email) = start().await;
    let members = json!({ "token_endpoint_auth_method": "client_secret_post" });
    let posting = Rp::new(&rp.tenant, members).await;
    let mut browser = Browser::new(&rp.tenant);
    let callback = posting.code(&mut browser, &email, &[]).await;
    // T96: the method that was registered is the only one.
    let basic = posting.redeem(0, callback.get("code"), &[]).await;
    assert_oauth_error(&basic, 401, "invalid_client");
    let secret = posting.secret.clone().unwrap();
    let bare = Rp {
        secret: None,
        ..posting.clone()
    };
    let answer = bare
        .redeem(0, callback.get("code"), &[("client_secret", &secret)])
        .await;
    tokens_of(&answer);
    assert_eq!(callback.address.split('?').next(), Some(REDIRECT_URI));
}

/// RFC 8707.
#[tokio::test]
async fn a_token_is_for_the_resource_that_was_asked_for() {
    let (_installation, rp, email) = start().await;
    let members = json!({ "resources": ["https://api.example/a", "https://api.example/b"] });
    let rp = Rp::new(&rp.tenant, members).await;
    let mut browser = Browser::new(&rp.tenant);
    let changes = [("scope", "orders"), ("resource", "https://api.example/a")];
    let tokens = rp.tokens(&mut browser, &email, &changes).await;
    let claims = super::rp::claims(&tokens.access_token);
    assert_eq!(claims["aud"], "https://api.example/a");
    assert!(tokens.id_token.is_none());
    // Not for us: user info and the session API refuse it.
    assert_eq!(
        rp.userinfo(0, &tokens.access_token).await.status.as_u16(),
        401
    );
    assert_eq!(
        rp.tenant
            .current_user(0, &tokens.access_token)
            .await
            .status
            .as_u16(),
        401
    );
    let other = [("resource", "https://api.example/b")];
    assert_oauth_error(
        &rp.refresh(0, tokens.refresh(), &other).await,
        400,
        "invalid_target",
    );
    let changes = [("resource", "https://evil.example/")];
    let callback = browser.open(&rp.authorize(&changes)).await.callback();
    assert_eq!(callback.get("error"), "invalid_target");
}

/// RFC 6749 §4.4, RFC 9068 §2.2.
#[tokio::test]
async fn a_client_acts_for_itself() {
    let (_installation, rp, _) = start().await;
    let form = [("grant_type", "client_credentials"), ("scope", "orders")];
    let tokens = tokens_of(&rp.post(0, "token", &form).await);
    assert!(tokens.refresh_token.is_none() && tokens.id_token.is_none());
    let claims = super::rp::claims(&tokens.access_token);
    assert_eq!(
        (&claims["sub"], &claims["client_id"]),
        (&json!(rp.id), &json!(rp.id))
    );
    assert!(claims.get("sid").is_none() && claims.get("auth_time").is_none());
    for scope in ["openid", "admin", "orders admin"] {
        let form = [("grant_type", "client_credentials"), ("scope", scope)];
        assert_oauth_error(&rp.post(0, "token", &form).await, 400, "invalid_scope");
    }
    let info = rp.userinfo(0, &tokens.access_token).await;
    assert_eq!(info.status.as_u16(), 403, "{info:?}");
    assert!(
        info.header("www-authenticate")
            .contains("insufficient_scope")
    );
    let spa = Rp::public(&rp.tenant).await;
    assert_oauth_error(
        &spa.post(0, "token", &form).await,
        400,
        "unauthorized_client",
    );
}
