//! `oidcc-rp-initiated-logout-certification-test-plan` and
//! `oidcc-backchannel-rp-initiated-logout-certification-test-plan`.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{
    browser::{Browser, End},
    rp::{Rp, Tokens, assert_oauth_error, claims, jwt_header, query},
};
use crate::harness::{Backend, Installation};

const AFTER: &str = "https://rp.example/signed-out";

struct Setup {
    installation: Installation,
    rp: Rp,
    browser: Browser,
    tokens: Tokens,
}

async fn start() -> Setup {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let rp = Rp::new(&tenant, json!({ "post_logout_redirect_uris": [AFTER] })).await;
    let email = tenant.user().await;
    let mut browser = Browser::new(&tenant);
    let tokens = rp.tokens(&mut browser, &email, &[]).await;
    Setup {
        installation,
        rp,
        browser,
        tokens,
    }
}

impl Setup {
    fn hint(&self) -> String {
        self.tokens.id_token.clone().unwrap()
    }

    async fn logout(&mut self, parameters: &[(&str, &str)]) -> End {
        let path = self.rp.tenant.path("/oauth2/logout");
        self.browser
            .open(&format!("{path}?{}", query(parameters)))
            .await
    }

    async fn is_signed_in(&mut self) -> bool {
        let end = self
            .browser
            .open(&self.rp.authorize(&[("prompt", "none")]))
            .await;
        end.callback().get("error") != "login_required"
    }
}

/// `oidcc-rp-initiated-logout`, `oidcc-rp-initiated-logout-no-state`.
#[tokio::test]
async fn a_hint_and_a_registered_address_sign_out_and_go_there() {
    for state in ["", "a b&c"] {
        let mut setup = start().await;
        let hint = setup.hint();
        let mut parameters = vec![
            ("id_token_hint", hint.as_str()),
            ("post_logout_redirect_uri", AFTER),
        ];
        if !state.is_empty() {
            parameters.push(("state", state));
        }
        let callback = setup.logout(&parameters).await.callback();
        assert_eq!(callback.get("state"), state);
        assert_eq!(callback.parameters.len(), usize::from(!state.is_empty()));
        assert!(callback.address.starts_with(AFTER));
        assert!(!setup.is_signed_in().await);
        assert!(setup.browser.cookie("tokenhouse_accounts").is_none());
        // Tokens of the session end with it.
        let refused = setup.rp.refresh(0, setup.tokens.refresh(), &[]).await;
        assert_oauth_error(&refused, 400, "invalid_grant");
        // Asking twice is no error, and an expired hint still says who is meant.
        setup
            .installation
            .clock
            .advance(std::time::Duration::from_secs(7_200));
        assert!(
            setup
                .logout(&parameters)
                .await
                .callback()
                .address
                .starts_with(AFTER)
        );
    }
}

/// `oidcc-rp-initiated-logout-bad-post-logout-redirect-uri`,
/// `-query-added-to-post-logout-redirect-uri`, `-modified-id-token-hint`, `-bad-id-token-hint`,
/// `-no-id-token-hint`; T20.
#[tokio::test]
async fn nothing_is_redirected_when_anything_is_wrong() {
    let mut setup = start().await;
    let other = start().await;
    let hint = setup.hint();
    let unsigned = format!(
        "{}.{}.",
        "eyJhbGciOiJub25lIn0",
        hint.split('.').nth(1).unwrap()
    );
    let added = format!("{AFTER}?foo=bar");
    let foreign = other.hint();
    let access_token = setup.tokens.access_token.clone();
    for (hint, uri) in [
        (hint.as_str(), "https://evil.example/"),
        (hint.as_str(), added.as_str()),
        (hint.as_str(), "//evil.example"),
        (hint.as_str(), "/\\evil.example"),
        (unsigned.as_str(), AFTER),
        (foreign.as_str(), AFTER),
        (access_token.as_str(), AFTER),
        ("", AFTER),
    ] {
        let mut parameters = vec![("post_logout_redirect_uri", uri), ("state", "s")];
        if !hint.is_empty() {
            parameters.push(("id_token_hint", hint));
        }
        let page = setup.logout(&parameters).await.page();
        assert_eq!(page.answer.status.as_u16(), 400, "{uri}");
        assert_eq!(page.answer.header("location"), "");
        assert!(setup.is_signed_in().await);
    }
    let mismatch = [
        ("id_token_hint", hint.as_str()),
        ("client_id", other.rp.id.as_str()),
    ];
    assert_eq!(
        setup.logout(&mismatch).await.page().answer.status.as_u16(),
        400
    );
}

/// `oidcc-rp-initiated-logout-no-params`, `-only-state`, `-no-post-logout-redirect-uri`.
#[tokio::test]
async fn without_a_hint_the_user_is_asked() {
    for parameters in [vec![], vec![("state", "s")]] {
        let mut setup = start().await;
        let page = setup.logout(&parameters).await.page();
        assert!(page.has_id("logout-confirm"));
        assert!(setup.is_signed_in().await, "asking is not doing");
        let stay = setup
            .browser
            .submit(&page, &[("decision", "stay")])
            .await
            .page();
        assert!(stay.html().contains("You are signed in"));
        let page = setup.logout(&parameters).await.page();
        let done = setup
            .browser
            .submit(&page, &[("decision", "logout")])
            .await
            .page();
        assert!(done.html().contains("You are signed out"));
        assert!(!setup.is_signed_in().await);
    }
    let mut setup = start().await;
    let hint = setup.hint();
    let page = setup.logout(&[("id_token_hint", &hint)]).await.page();
    assert!(page.html().contains("You are signed out"));
    assert!(!setup.is_signed_in().await);
}

/// A hint of a session that isn't this browser's proves nothing about this one.
#[tokio::test]
async fn a_hint_of_another_session_does_not_sign_out() {
    let mut setup = start().await;
    let email = setup.rp.tenant.user().await;
    let mut stranger = Browser::new(&setup.rp.tenant);
    setup.rp.tokens(&mut stranger, &email, &[]).await;
    let hint = setup.hint();
    std::mem::swap(&mut setup.browser, &mut stranger);
    let page = setup.logout(&[("id_token_hint", &hint)]).await.page();
    assert!(page.has_id("logout-confirm"));
    assert!(setup.is_signed_in().await);
}

/// Tokens that outlive the session do; others don't (OIDC Core §11).
#[tokio::test]
async fn offline_access_outlives_the_session() {
    let mut setup = start().await;
    let rp = setup.rp.clone();
    let email = rp.tenant.user().await;
    let changes = [("scope", "openid offline_access"), ("prompt", "login")];
    let offline = rp.tokens(&mut setup.browser, &email, &changes).await;
    let hint = offline.id_token.clone().unwrap();
    setup.logout(&[("id_token_hint", &hint)]).await.page();
    super::rp::tokens_of(&rp.refresh(0, offline.refresh(), &[]).await);
}

/// `oidcc-backchannel-rp-initiated-logout`.
#[tokio::test]
async fn the_clients_of_a_session_are_told_that_it_ended() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/logout", listener.local_addr().unwrap());
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let members = json!({
        "post_logout_redirect_uris": [AFTER],
        "backchannel_logout_uri": uri,
        "backchannel_logout_session_required": true,
    });
    let rp = Rp::new(&tenant, members).await;
    let email = tenant.user().await;
    let mut browser = Browser::new(&tenant);
    let tokens = rp.tokens(&mut browser, &email, &[]).await;
    let hint = tokens.id_token.clone().unwrap();

    let told = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        let mut part = [0; 4_096];
        while !String::from_utf8_lossy(&request).contains("logout_token=") {
            let n = socket.read(&mut part).await.unwrap();
            request.extend_from_slice(&part[..n]);
            assert_ne!(n, 0);
        }
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        socket.write_all(answer).await.unwrap();
        String::from_utf8(request).unwrap()
    });
    let parameters = query(&[
        ("id_token_hint", &hint),
        ("post_logout_redirect_uri", AFTER),
    ]);
    let end = browser
        .open(&format!("{}?{parameters}", tenant.path("/oauth2/logout")))
        .await;
    assert!(
        end.callback().address.starts_with(AFTER),
        "the front redirect arrives too"
    );

    let request = tokio::time::timeout(std::time::Duration::from_secs(20), told)
        .await
        .unwrap()
        .unwrap();
    assert!(request.starts_with("POST /logout HTTP/1.1"));
    let body = request.split("\r\n\r\n").nth(1).unwrap();
    let token = body.strip_prefix("logout_token=").unwrap();
    let header = jwt_header(token);
    assert_eq!(
        (&header["typ"], &header["alg"]),
        (&json!("logout+jwt"), &json!("RS256"))
    );
    let said = claims(token);
    let id = tokens.id_claims();
    assert_eq!(
        (&said["iss"], &said["aud"]),
        (&json!(tenant.issuer()), &json!(rp.id))
    );
    assert_eq!((&said["sub"], &said["sid"]), (&id["sub"], &id["sid"]));
    assert_eq!(
        said["events"],
        json!({ "http://schemas.openid.net/event/backchannel-logout": {} })
    );
    assert!(said["jti"].is_string() && said.get("nonce").is_none());
    let lives = said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap();
    assert!((1..=120).contains(&lives));
}
