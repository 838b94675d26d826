//! The hosted pages: forms without scripts, their headers, and who may post them.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{
    browser::{Browser, End},
    rp::{Rp, tokens_of},
};
use crate::harness::{Backend, Installation, PASSWORD, unique};

const HOSTILE: &str = "\"><svg onload=alert(1)>'-alert(1)-'{{7*7}}</script><img src=x>";

async fn start() -> (Installation, Rp, String, Browser) {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let rp = Rp::new(&tenant, json!({})).await;
    let email = tenant.user().await;
    let browser = Browser::new(&tenant);
    (installation, rp, email, browser)
}

fn login<'a>(email: &'a str, password: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("username", email),
        ("password", password),
        ("action", "login"),
    ]
}

/// T19, T84, T98.
#[tokio::test]
async fn every_page_is_sealed_off() {
    let (_installation, rp, email, mut browser) = start().await;
    let mut pages = vec![browser.open(&rp.authorize(&[])).await.page()];
    for path in [
        "/login",
        "/signup",
        "/signed-out",
        "/oauth2/logout",
        "/consent",
        "/continue?request=x",
    ] {
        pages.push(browser.open(&rp.tenant.path(path)).await.page());
    }
    let page = browser.open(&rp.authorize(&[])).await.page();
    pages.push(browser.submit(&page, &login(&email, PASSWORD)).await.page());
    pages.push(
        browser
            .open(&rp.authorize(&[("prompt", "select_account")]))
            .await
            .page(),
    );
    pages.push(
        browser
            .open(&rp.authorize(&[("redirect_uri", "x")]))
            .await
            .page(),
    );
    for page in &pages {
        let header = |name: &str| page.answer.header(name).to_owned();
        let policy = header("content-security-policy");
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(part), "{} {policy}", page.path);
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("content-type"), "text/html; charset=utf-8");
        assert_eq!(header("access-control-allow-origin"), "");
        assert!(
            !page.html().contains(" style=") && !page.html().contains("<script"),
            "{}",
            page.path
        );
        assert!(page.html().starts_with("<!doctype html>") && page.html().contains("lang=\"en\""));
    }
}

/// protocol.md §1: the ids that scripts rely on, and the application that asks.
#[tokio::test]
async fn pages_keep_their_ids() {
    let (_installation, rp, email, mut browser) = start().await;
    let members = json!({
        "client_name": "Photo Book",
        "logo_uri": "https://rp.example/logo.png",
        "policy_uri": "https://rp.example/privacy",
        "tos_uri": "https://rp.example/terms",
    });
    let rp = Rp::new(&rp.tenant, members).await;
    let page = browser
        .open(&rp.authorize(&[("scope", "openid email")]))
        .await
        .page();
    for id in ["username", "password", "login-submit", "login-cancel"] {
        assert!(page.has_id(id), "{id}");
    }
    for text in [
        "Sign in",
        "Photo Book",
        "https://rp.example/logo.png",
        "https://rp.example/privacy",
        "https://rp.example/terms",
    ] {
        assert!(page.html().contains(text), "{text}");
    }
    assert!(
        page.answer
            .header("content-security-policy")
            .contains("img-src https:")
    );
    let consent = browser.submit(&page, &login(&email, PASSWORD)).await.page();
    assert!(consent.has_id("consent-allow") && consent.has_id("consent-deny"));
    assert!(
        consent.html().contains("See your email address") && consent.html().contains("rp.example")
    );
    assert!(consent.path.contains("/consent?"));
}

/// `user-rejects-authentication`, on both pages.
#[tokio::test]
async fn a_user_may_say_no() {
    let (_installation, rp, email, mut browser) = start().await;
    let page = browser.open(&rp.authorize(&[])).await.page();
    let no = browser
        .submit(&page, &[("action", "cancel")])
        .await
        .callback();
    assert_eq!(
        (no.get("error"), no.get("state")),
        ("access_denied", "the state")
    );
    assert_eq!(no.get("iss"), rp.tenant.issuer());
    let page = browser.open(&rp.authorize(&[])).await.page();
    let consent = browser.submit(&page, &login(&email, PASSWORD)).await.page();
    let no = browser
        .submit(&consent, &[("decision", "deny")])
        .await
        .callback();
    assert_eq!(
        (no.get("error"), no.get("state")),
        ("access_denied", "the state")
    );
    // Nothing was remembered.
    assert!(
        browser
            .open(&rp.authorize(&[]))
            .await
            .page()
            .has_id("consent-allow")
    );
}

#[tokio::test]
async fn consent_is_remembered_for_what_was_allowed() {
    let (_installation, rp, email, mut browser) = start().await;
    rp.tokens(&mut browser, &email, &[("scope", "openid email")])
        .await;
    for (scope, asked) in [
        ("openid", false),
        ("openid email", false),
        ("openid email profile", true),
    ] {
        let end = browser.open(&rp.authorize(&[("scope", scope)])).await;
        assert_eq!(matches!(end, End::Page(_)), asked, "{scope}");
    }
    let page = browser
        .open(&rp.authorize(&[("prompt", "consent")]))
        .await
        .page();
    assert!(page.has_id("consent-allow"));
    // Of the tenant itself nobody is asked.
    let own = Rp::new(&rp.tenant, json!({ "first_party": true })).await;
    assert_ne!(
        browser
            .open(&own.authorize(&[]))
            .await
            .callback()
            .get("code"),
        ""
    );
    // And not of one user for another.
    let other = rp.tenant.user().await;
    let mut stranger = Browser::new(&rp.tenant);
    let page = stranger.open(&rp.authorize(&[])).await.page();
    assert!(
        stranger
            .submit(&page, &login(&other, PASSWORD))
            .await
            .page()
            .has_id("consent-allow")
    );
}

#[tokio::test]
async fn a_wrong_password_shows_the_page_again() {
    let (_installation, rp, email, mut browser) = start().await;
    let page = browser.open(&rp.authorize(&[])).await.page();
    let mut texts = Vec::new();
    for (email, password) in [
        (email.as_str(), "wrong"),
        ("nobody@example.com", PASSWORD),
        ("x", ""),
    ] {
        let again = browser.submit(&page, &login(email, password)).await.page();
        assert_eq!(again.answer.status, StatusCode::BAD_REQUEST);
        assert!(again.html().contains("Wrong email address or password."));
        assert!(again.html().contains("role=\"alert\""));
        assert_eq!(
            again
                .attribute("<input id=\"username\"", "value")
                .as_deref(),
            Some(email)
        );
        assert!(!again.html().contains(PASSWORD));
        texts.push(again.answer.headers.len());
    }
    assert!(texts.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(browser.cookie("tokenhouse_accounts").is_none());
    let consent = browser.submit(&page, &login(&email, PASSWORD)).await.page();
    assert!(
        consent.has_id("consent-allow"),
        "the first page still works"
    );
}

#[tokio::test]
async fn a_user_signs_up_on_the_way() {
    let (_installation, rp, taken, mut browser) = start().await;
    let page = browser
        .open(&rp.authorize(&[("prompt", "create")]))
        .await
        .page();
    assert!(page.has_id("signup-submit"));
    let email = format!("{}@example.com", unique("s"));
    let sign_up = |name: &'static str, email: String, password: &'static str| {
        vec![
            ("name", name.to_owned()),
            ("username", email),
            ("password", password.to_owned()),
        ]
    };
    for (members, expected) in [
        (
            sign_up("", "x".into(), "short"),
            "This must be an email address",
        ),
        (sign_up("Ada", taken, PASSWORD), "Sign in instead"),
    ] {
        let members: Vec<_> = members.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let again = browser.submit(&page, &members).await.page();
        assert!(again.html().contains(expected), "{}", again.html());
    }
    let members = sign_up("Ada", email.clone(), PASSWORD);
    let members: Vec<_> = members.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let consent = browser.submit(&page, &members).await.page();
    assert!(consent.html().contains(&email));
    let callback = browser
        .submit(&consent, &[("decision", "allow")])
        .await
        .callback();
    tokens_of(&rp.redeem(0, callback.get("code"), &[]).await);
}

/// `prompt=select_account`, and T81: two accounts in one browser stay two.
#[tokio::test]
async fn a_browser_with_two_accounts_is_asked_which() {
    let (_installation, rp, ada, mut browser) = start().await;
    let bob = rp.tenant.user().await;
    let first = rp.tokens(&mut browser, &ada, &[]).await;
    let page = browser
        .open(&rp.authorize(&[("prompt", "select_account")]))
        .await
        .page();
    assert!(page.html().contains(&ada) && page.has_id("account-other"));
    let other = browser.submit(&page, &[("account", "other")]).await.page();
    let callback = rp.walk(&mut browser, End::Page(other), &bob).await;
    let second = tokens_of(&rp.redeem(0, callback.get("code"), &[]).await);
    assert_ne!(second.id_claims()["sub"], first.id_claims()["sub"]);
    assert_ne!(second.id_claims()["sid"], first.id_claims()["sid"]);

    let page = browser
        .open(&rp.authorize(&[("prompt", "select_account")]))
        .await
        .page();
    assert!(page.html().contains(&ada) && page.html().contains(&bob));
    let session = first.id_claims()["sid"].as_str().unwrap().to_owned();
    let callback = browser
        .submit(&page, &[("account", &session)])
        .await
        .callback();
    let third = tokens_of(&rp.redeem(0, callback.get("code"), &[]).await);
    assert_eq!(third.id_claims()["sub"], first.id_claims()["sub"]);
    // Ada's refresh token is Ada's.
    let refreshed = tokens_of(&rp.refresh(0, first.refresh(), &[]).await);
    assert_eq!(refreshed.id_claims()["sub"], first.id_claims()["sub"]);
    // Nobody chooses an account that isn't in the browser.
    let mut stranger = Browser::new(&rp.tenant);
    rp.tokens(&mut stranger, &bob, &[]).await;
    let page = stranger
        .open(&rp.authorize(&[("prompt", "select_account")]))
        .await
        .page();
    let refused = stranger
        .submit(&page, &[("account", &session)])
        .await
        .page();
    assert_eq!(refused.answer.status.as_u16(), 403);
}

/// T82.
#[tokio::test]
async fn a_form_counts_only_in_the_browser_that_was_shown_it() {
    let (_installation, rp, email, mut browser) = start().await;
    let page = browser.open(&rp.authorize(&[])).await.page();
    let path = page.form_action();
    let mut form = page.hidden();
    form.extend(login(&email, PASSWORD).map(|(n, v)| (n.to_owned(), v.to_owned())));
    let refused =
        async |browser: &mut Browser, form: &[(String, String)], headers: &[(&str, &str)]| {
            let answer = browser.send(Method::POST, &path, Some(form), headers).await;
            assert_eq!(answer.status.as_u16(), 403, "{headers:?} {answer:?}");
            assert_eq!(answer.header("location"), "");
        };
    for headers in [
        vec![("origin", "https://evil.example")],
        vec![("origin", "null"), ("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site")],
    ] {
        refused(&mut browser, &form, &headers).await;
    }
    let without: Vec<_> = form.iter().filter(|(n, _)| n != "csrf").cloned().collect();
    refused(&mut browser, &without, &[]).await;
    // Another browser, with cookies of its own or none.
    let mut stranger = Browser::new(&rp.tenant);
    refused(&mut stranger, &form, &[]).await;
    stranger.open(&rp.authorize(&[])).await.page();
    refused(&mut stranger, &form, &[]).await;
    // Nobody was signed in by any of it.
    assert!(browser.cookie("tokenhouse_accounts").is_none());
    assert!(stranger.cookie("tokenhouse_accounts").is_none());
}

/// T83: what is asked for is sealed; another browser can't go on with it, and two tabs stay two.
#[tokio::test]
async fn a_waiting_request_is_sealed_and_bound() {
    let (installation, rp, email, mut browser) = start().await;
    let other = Rp::new(&rp.tenant, json!({ "client_name": "Other" })).await;
    let login_page = browser.open(&rp.authorize(&[])).await.page();
    let second_tab = browser
        .open(&other.authorize(&[("state", "two")]))
        .await
        .page();
    let consent = browser
        .submit(&login_page, &login(&email, PASSWORD))
        .await
        .page();
    let second = browser
        .open(&second_tab.path.replace("/login", "/continue"))
        .await
        .page();
    let one = browser
        .submit(&consent, &[("decision", "allow")])
        .await
        .callback();
    let two = browser
        .submit(&second, &[("decision", "allow")])
        .await
        .callback();
    assert_eq!((one.get("state"), two.get("state")), ("the state", "two"));
    tokens_of(&rp.redeem(0, one.get("code"), &[]).await);
    tokens_of(&other.redeem(0, two.get("code"), &[]).await);

    let page = browser
        .open(&rp.authorize(&[("prompt", "consent")]))
        .await
        .page();
    let request = page
        .hidden()
        .into_iter()
        .find(|(n, _)| n == "request")
        .unwrap()
        .1;
    let mut stranger = Browser::new(&rp.tenant);
    stranger.open(&rp.authorize(&[])).await.page();
    let flipped = format!(
        "{}{}",
        &request[..request.len() - 2],
        if request.ends_with("AA") { "BB" } else { "AA" }
    );
    let consent = |request: &str| rp.tenant.path(&format!("/consent?request={request}"));
    let refused = stranger.open(&consent(&request)).await.page();
    assert_eq!(refused.answer.status.as_u16(), 400);
    for changed in [flipped.as_str(), "x"] {
        let refused = browser.open(&consent(changed)).await.page();
        assert_eq!(refused.answer.status.as_u16(), 400);
    }
    installation.clock.advance(Duration::from_secs(3_600));
    let late = browser
        .open(&rp.tenant.path(&format!("/consent?request={request}")))
        .await
        .page();
    assert!(late.html().contains("expired"));
}

/// T17, T18.
#[tokio::test]
async fn hostile_text_is_inert_on_every_page() {
    let (_installation, rp, _, mut browser) = start().await;
    let hostile = Rp::new(&rp.tenant, json!({ "client_name": HOSTILE })).await;
    let email = format!("{}@example.com", unique("h"));
    let body = json!({ "name": HOSTILE, "email": email, "password": PASSWORD });
    let made = rp
        .tenant
        .client(0)
        .post(&rp.tenant.path("/auth/signup"), body)
        .await;
    assert_eq!(made.status.as_u16(), 201);
    let mut pages = Vec::new();
    for name in [
        "state",
        "login_hint",
        "ui_locales",
        "acr_values",
        "nonce",
        "display",
    ] {
        pages.push(
            browser
                .open(&hostile.authorize(&[(name, HOSTILE)]))
                .await
                .page(),
        );
    }
    let page = browser.open(&hostile.authorize(&[])).await.page();
    pages.push(browser.submit(&page, &login(HOSTILE, "x")).await.page());
    pages.push(browser.submit(&page, &login(&email, PASSWORD)).await.page());
    pages.push(
        browser
            .open(&hostile.authorize(&[("prompt", "select_account")]))
            .await
            .page(),
    );
    for path in [
        "/login?request=",
        "/oauth2/logout?state=",
        "/signup?request=",
        "/oauth2/authorize?client_id=",
    ] {
        let hostile: String = url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();
        pages.push(
            browser
                .open(&rp.tenant.path(&format!("{path}{hostile}")))
                .await
                .page(),
        );
    }
    for page in pages {
        assert!(
            !page.html().contains("<svg") && !page.html().contains("<img src=x"),
            "{}",
            page.html()
        );
    }
}

/// T20: nobody is sent elsewhere by a name that looks like ours.
#[tokio::test]
async fn no_parameter_leads_away() {
    let (_installation, rp, email, mut browser) = start().await;
    for target in [
        "//evil.example",
        "/\\evil.example",
        "https:/evil.example",
        "///evil",
    ] {
        for name in ["return_to", "next", "RelayState", "redirect"] {
            let path = rp
                .tenant
                .path(&format!("/login?{}", super::rp::query(&[(name, target)])));
            let page = browser.open(&path).await.page();
            let after = browser.submit(&page, &login(&email, PASSWORD)).await.page();
            assert!(after.html().contains("You are signed in"));
        }
    }
}

/// Policy 7.3: idle and absolute ends of a sign-in.
#[tokio::test]
async fn a_sign_in_ends_when_it_is_not_used_and_at_last_anyway() {
    let (installation, rp, email, mut browser) = start().await;
    rp.tokens(&mut browser, &email, &[]).await;
    let hours = |n: u64| Duration::from_secs(n * 3_600);
    let silent = rp.authorize(&[("prompt", "none")]);
    for _ in 0..3 {
        installation.clock.advance(hours(23));
        assert_ne!(browser.open(&silent).await.callback().get("code"), "");
    }
    installation.clock.advance(hours(25));
    assert_eq!(
        browser.open(&silent).await.callback().get("error"),
        "login_required"
    );
    rp.tokens(&mut browser, &email, &[]).await;
    for _ in 0..29 {
        installation.clock.advance(hours(23));
        browser.open(&silent).await.callback();
    }
    assert_ne!(browser.open(&silent).await.callback().get("code"), "");
    installation.clock.advance(hours(23));
    browser.open(&silent).await.callback();
    installation.clock.advance(hours(23));
    browser.open(&silent).await.callback();
    installation.clock.advance(hours(10));
    assert_eq!(
        browser.open(&silent).await.callback().get("error"),
        "login_required"
    );
}

/// T03, T41: a suspended tenant has no pages either.
#[tokio::test]
async fn a_suspended_tenant_has_no_pages() {
    let (_installation, rp, _, mut browser) = start().await;
    let path = format!("/admin/v1/tenants/{}/suspend", rp.tenant.slug);
    rp.tenant
        .client(0)
        .operator(Method::POST, &path, None)
        .await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for path in [
        "/login",
        "/signup",
        "/oauth2/logout",
        "/signed-out",
        "/oauth2/jwks",
    ] {
        let page = browser.open(&rp.tenant.path(path)).await.page();
        page.answer.assert_problem(404, "not-found");
    }
    let page = browser.open(&rp.authorize(&[])).await.page();
    page.answer.assert_problem(404, "not-found");
}
