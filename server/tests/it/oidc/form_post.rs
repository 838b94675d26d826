//! `oidcc-formpost-basic-certification-test-plan` (OAuth 2.0 Form Post Response Mode).

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    browser::{Browser, End, Page},
    rp::{REDIRECT_URI, Rp, tokens_of},
};
use crate::harness::{Backend, Installation, PASSWORD};

fn members(page: &Page) -> std::collections::BTreeMap<String, String> {
    page.hidden().into_iter().collect()
}

#[tokio::test]
async fn the_answer_is_a_form_that_posts_itself() {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let rp = Rp::new(&tenant, json!({})).await;
    let email = tenant.user().await;
    let mut browser = Browser::new(&tenant);
    let state = "a\"><script>x</script>&b";
    let changes = [("response_mode", "form_post"), ("state", state)];
    let page = browser.open(&rp.authorize(&changes)).await.page();
    let login = [
        ("username", email.as_str()),
        ("password", PASSWORD),
        ("action", "login"),
    ];
    let page = browser.submit(&page, &login).await.page();
    let page = browser.submit(&page, &[("decision", "allow")]).await.page();

    assert_eq!(page.answer.status.as_u16(), 200);
    assert_eq!(page.form_action(), REDIRECT_URI);
    let sent = members(&page);
    assert_eq!(sent["state"], state);
    assert_eq!(sent["iss"], tenant.issuer());
    assert!(
        page.has_id("continue"),
        "a button for browsers without scripts"
    );
    // The one script is the one that the policy names.
    let script = page
        .html()
        .split("<script>")
        .nth(1)
        .unwrap()
        .split("</script>")
        .next()
        .unwrap();
    assert_eq!(script, "document.forms[0].submit()");
    let hash = STANDARD.encode(Sha256::digest(script));
    let policy = page.answer.header("content-security-policy");
    assert!(
        policy.contains(&format!("script-src 'sha256-{hash}'")),
        "{policy}"
    );
    assert!(
        policy.contains("form-action 'self' https://rp.example"),
        "{policy}"
    );
    tokens_of(&rp.redeem(0, &sent["code"], &[]).await);
}

#[tokio::test]
async fn errors_are_posted_too() {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let rp = Rp::new(&tenant, json!({})).await;
    let mut browser = Browser::new(&tenant);
    for (name, value, error) in [
        ("prompt", "none", "login_required"),
        ("response_type", "token", "unsupported_response_type"),
        ("request", "x", "request_not_supported"),
    ] {
        let changes = [("response_mode", "form_post"), (name, value)];
        let page = browser.open(&rp.authorize(&changes)).await.page();
        assert_eq!(page.form_action(), REDIRECT_URI);
        let sent = members(&page);
        assert_eq!(
            (sent["error"].as_str(), sent["state"].as_str()),
            (error, "the state")
        );
        assert_eq!(sent["iss"], tenant.issuer());
    }
    // The fragment is for flows that don't exist here.
    let end = browser
        .open(&rp.authorize(&[("response_mode", "fragment")]))
        .await;
    let End::Callback(callback) = end else {
        panic!("a page")
    };
    assert_eq!(callback.get("error"), "invalid_request");
}
