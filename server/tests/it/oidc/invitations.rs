//! The page that an invitation leads to.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{
    browser::{Browser, End},
    rp::{Rp, tokens_of},
};
use crate::harness::{Backend, Installation, PASSWORD, Tenant};

const EMAIL: &str = "grace@example.com";

async fn start() -> (Installation, Tenant) {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation
        .tenant_with(json!({ "signup": "invitation" }))
        .await;
    (installation, tenant)
}

async fn invite(tenant: &Tenant, email: &str) -> (String, String) {
    let path = format!("/admin/v1/tenants/{}/invitations", tenant.slug);
    let body = json!({ "email": email, "name": "Grace <b>Hopper</b>" });
    let client = tenant.client(0);
    let made = client.operator(Method::POST, &path, Some(body)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let text = |name: &str| made.body[name].as_str().unwrap().to_owned();
    (text("link"), text("token"))
}

#[tokio::test]
async fn the_invited_choose_a_name_and_a_password_and_nothing_else() {
    let (_installation, tenant) = start().await;
    let (link, token) = invite(&tenant, EMAIL).await;
    let mut browser = Browser::new(&tenant);
    let page = browser.open(&link).await.page();
    assert_eq!(page.answer.status, StatusCode::OK);
    let field = page.html().split("id=\"username\"").nth(1).unwrap();
    let field = field.split('>').next().unwrap();
    assert!(
        field.contains(EMAIL) && field.contains("readonly"),
        "{field}"
    );
    assert!(
        page.html().contains("Grace &#60;b&#62;Hopper"),
        "{}",
        page.html()
    );
    // Neither another site nor a link on the page gets to know it.
    assert_eq!(page.answer.header("referrer-policy"), "no-referrer");
    assert_eq!(page.answer.header("cache-control"), "no-store");
    assert_eq!(page.html().matches(&token).count(), 1, "in the form alone");
    assert!(
        page.hidden()
            .contains(&("invitation".to_owned(), token.clone()))
    );

    let members = |password| {
        [
            ("name", "Grace"),
            ("username", "eve@example.com"),
            ("password", password),
        ]
    };
    let again = browser.submit(&page, &members("password1")).await.page();
    assert_eq!(again.answer.status, StatusCode::BAD_REQUEST);
    assert!(
        again.html().contains(EMAIL) && again.hidden().iter().any(|(name, _)| name == "invitation")
    );
    let done = browser.submit(&again, &members(PASSWORD)).await.page();
    assert!(done.html().contains("You are signed in"), "{}", done.html());
    tenant.login(EMAIL).await;

    // Used, unknown and none: two pages, and the first says nothing of why.
    let used = browser.open(&link).await.page();
    let unknown = tenant.path("/signup?invitation=thi_x");
    let unknown = browser.open(&unknown).await.page();
    assert_eq!(
        (used.answer.status, unknown.answer.status),
        (StatusCode::FORBIDDEN, StatusCode::FORBIDDEN)
    );
    assert!(used.html().contains("can not be used"), "{}", used.html());
    assert_eq!(used.html(), unknown.html());
    let late = browser.submit(&page, &members(PASSWORD)).await.page();
    assert_eq!(late.answer.status, StatusCode::FORBIDDEN);
}

/// T108: a request of an application opens no door that is closed.
#[tokio::test]
async fn an_application_leads_nobody_in_who_was_not_invited() {
    let (_installation, tenant) = start().await;
    let rp = Rp::new(&tenant, json!({})).await;
    let mut browser = Browser::new(&tenant);
    let refused = browser
        .open(&rp.authorize(&[("prompt", "create")]))
        .await
        .page();
    assert_eq!(refused.answer.status, StatusCode::FORBIDDEN);
    assert!(
        refused.html().contains("by invitation"),
        "{}",
        refused.html()
    );
    let login = browser.open(&rp.authorize(&[])).await.page();
    assert!(!login.has_id("signup-link"));
    // The form of another page has all that a sign-up needs.
    let mut form = login.hidden();
    for (name, value) in [
        ("name", "Eve"),
        ("username", "eve@example.com"),
        ("password", PASSWORD),
    ] {
        form.push((name.to_owned(), value.to_owned()));
    }
    let refused = browser.post(&tenant.path("/signup"), &form).await.page();
    assert_eq!(refused.answer.status, StatusCode::FORBIDDEN);

    // With an invitation the same request goes on to the application.
    let (_, token) = invite(&tenant, EMAIL).await;
    let address = format!(
        "{}&invitation={token}",
        login.path.replace("/login?", "/signup?")
    );
    let page = browser.open(&address).await.page();
    assert!(page.html().contains("Relying Party"), "{}", page.html());
    let members = [("name", "Grace"), ("password", PASSWORD)];
    let end = browser.submit(&page, &members).await;
    assert!(
        matches!(&end, End::Page(page) if page.has_id("consent-allow")),
        "{end:?}"
    );
    let callback = rp.walk(&mut browser, end, EMAIL).await;
    tokens_of(&rp.redeem(0, callback.get("code"), &[]).await);
}
