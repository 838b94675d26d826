//! User info: which claims, in which form, and to whom.

use serde_json::json;

use super::{
    browser::Browser,
    rp::{Rp, claims, jwt_header},
};
use crate::harness::{Backend, Installation};

async fn start() -> (Installation, Rp, String) {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let rp = Rp::new(&tenant, json!({})).await;
    let email = tenant.user().await;
    (installation, rp, email)
}

/// `oidcc-scope-profile`, `oidcc-scope-email`, `oidcc-scope-all`; `oidcc-userinfo-get`.
#[tokio::test]
async fn each_scope_gives_its_claims() {
    let (_installation, rp, email) = start().await;
    let mut browser = Browser::new(&rp.tenant);
    for (scope, present, absent) in [
        ("openid profile", "name", "email"),
        ("openid email", "email", "name"),
        ("openid", "sub", "email"),
    ] {
        let tokens = rp.tokens(&mut browser, &email, &[("scope", scope)]).await;
        let info = rp.userinfo(0, &tokens.access_token).await;
        assert!(info.body.get(present).is_some(), "{scope}: {info:?}");
        assert!(info.body.get(absent).is_none(), "{scope}: {info:?}");
        assert_eq!(info.body["sub"], tokens.id_claims()["sub"]);
        // The claims of scopes are user info's, not the ID token's.
        assert!(tokens.id_claims().get(absent).is_none());
    }
    let all = rp
        .tokens(
            &mut browser,
            &email,
            &[("scope", "openid profile email address phone")],
        )
        .await;
    let info = rp.userinfo(0, &all.access_token).await;
    assert_eq!(info.body["email"], email);
    assert!(info.body["email_verified"].is_boolean() && info.body["updated_at"].is_i64());
}

/// `oidcc-claims-essential`.
#[tokio::test]
async fn a_claim_that_is_asked_for_by_name_is_where_it_was_asked_for() {
    let (_installation, rp, email) = start().await;
    let mut browser = Browser::new(&rp.tenant);
    let asked = r#"{"userinfo":{"name":{"essential":true}},"id_token":{"email":null}}"#;
    let tokens = rp.tokens(&mut browser, &email, &[("claims", asked)]).await;
    let info = rp.userinfo(0, &tokens.access_token).await;
    assert!(info.body["name"].is_string() && info.body.get("email").is_none());
    assert_eq!(tokens.id_claims()["email"], email);
    assert!(tokens.id_claims().get("name").is_none());
}

/// `oidcc-userinfo-post-header`, `oidcc-userinfo-post-body`; RFC 6750 §2 and §3, T102.
#[tokio::test]
async fn the_token_comes_in_one_of_two_ways_and_never_in_the_query() {
    let (_installation, rp, email) = start().await;
    let mut browser = Browser::new(&rp.tenant);
    let token = rp.tokens(&mut browser, &email, &[]).await.access_token;
    let (client, path) = (rp.tenant.client(0), rp.tenant.path("/oauth2/userinfo"));
    let post = || client.request(reqwest::Method::POST, &path);
    let answer = client.send(post().bearer_auth(&token)).await;
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    let answer = client.send(post().form(&[("access_token", &token)])).await;
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    let both = client
        .send(post().bearer_auth(&token).form(&[("access_token", &token)]))
        .await;
    assert_eq!(
        (both.status.as_u16(), &both.body["error"]),
        (400, &json!("invalid_request"))
    );

    let bare = client.get(&format!("{path}?access_token={token}")).await;
    assert_eq!(bare.status.as_u16(), 401);
    assert_eq!(bare.header("www-authenticate"), "Bearer");
    assert_eq!(
        bare.body["error"], "invalid_token",
        "a body as the document has it"
    );
    assert!(!bare.text.contains(&token));
    let request = client
        .request(reqwest::Method::GET, &path)
        .header("authorization", format!("bearer {token}"));
    assert_eq!(
        client.send(request).await.status.as_u16(),
        200,
        "the scheme has no case"
    );
    for bad in ["x", "a.b.c", &"A".repeat(9_000)] {
        let answer = rp.userinfo(0, bad).await;
        assert_eq!(answer.status.as_u16(), 401);
        assert!(
            answer
                .header("www-authenticate")
                .starts_with("Bearer error=\"invalid_token\"")
        );
    }
}

/// T46.
#[tokio::test]
async fn an_id_token_is_no_access_token() {
    let (_installation, rp, email) = start().await;
    let mut browser = Browser::new(&rp.tenant);
    let tokens = rp.tokens(&mut browser, &email, &[]).await;
    let id_token = tokens.id_token.as_deref().unwrap();
    assert_eq!(rp.userinfo(0, id_token).await.status.as_u16(), 401);
    assert_eq!(
        rp.introspect(0, id_token).await.body,
        json!({ "active": false })
    );
    assert_eq!(
        rp.tenant.current_user(0, id_token).await.status.as_u16(),
        401
    );
}

/// `oidcc-userinfo-rs256`.
#[tokio::test]
async fn user_info_is_signed_for_clients_that_want_it() {
    let (_installation, rp, email) = start().await;
    let signed = Rp::new(
        &rp.tenant,
        json!({ "userinfo_signed_response_alg": "RS256" }),
    )
    .await;
    let mut browser = Browser::new(&rp.tenant);
    let tokens = signed
        .tokens(&mut browser, &email, &[("scope", "openid email")])
        .await;
    let info = signed.userinfo(0, &tokens.access_token).await;
    assert_eq!(info.header("content-type"), "application/jwt");
    assert_eq!(jwt_header(&info.text)["alg"], "RS256");
    let told = claims(&info.text);
    assert_eq!(
        (&told["iss"], &told["aud"]),
        (&json!(rp.tenant.issuer()), &json!(signed.id))
    );
    assert_eq!(told["email"], email);
    assert!(told.get("nonce").is_none());
    // It is no ID token, though it looks like one.
    let hint = [("prompt", "none"), ("id_token_hint", info.text.as_str())];
    let callback = browser.open(&signed.authorize(&hint)).await.callback();
    assert_eq!(callback.get("error"), "invalid_request");
}

/// OIDC Core §8.1.
#[tokio::test]
async fn a_pairwise_subject_is_another_one_in_another_sector() {
    let (_installation, rp, email) = start().await;
    let pairwise = |uri: &str| json!({ "subject_type": "pairwise", "redirect_uris": [super::rp::REDIRECT_URI, uri] });
    let one = Rp::new(&rp.tenant, pairwise("https://rp.example/x")).await;
    let same = Rp::new(&rp.tenant, pairwise("https://rp.example/y")).await;
    let mut browser = Browser::new(&rp.tenant);
    let mut subjects = Vec::new();
    for client in [&one, &same, &rp] {
        let tokens = client.tokens(&mut browser, &email, &[]).await;
        let sub = tokens.id_claims()["sub"].clone();
        assert_eq!(
            client.userinfo(0, &tokens.access_token).await.body["sub"],
            sub
        );
        assert_eq!(claims(&tokens.access_token)["sub"], sub);
        subjects.push(sub);
        // The hint is understood.
        let hint = tokens.id_token.unwrap();
        let silent = [("prompt", "none"), ("id_token_hint", hint.as_str())];
        assert_ne!(
            browser
                .open(&client.authorize(&silent))
                .await
                .callback()
                .get("code"),
            ""
        );
    }
    assert_eq!(subjects[0], subjects[1]);
    assert_ne!(subjects[0], subjects[2]);
    let path = format!("/admin/v1/tenants/{}/clients", rp.tenant.slug);
    let several = json!({ "subject_type": "pairwise", "redirect_uris": ["https://a.example/", "https://b.example/"] });
    let answer = rp
        .tenant
        .client(0)
        .operator(reqwest::Method::POST, &path, Some(several))
        .await;
    assert_eq!(answer.pointers(), ["/sector_identifier_uri"]);
}

/// `oidcc-scope-address`, `oidcc-scope-phone`: what a user says of itself, and T09.
#[tokio::test]
async fn a_user_says_what_its_claims_are() {
    let (_installation, rp, email) = start().await;
    let session = rp.tenant.login(&email).await;
    let (client, path) = (rp.tenant.client(0), rp.tenant.path("/auth/profile"));
    let patch = async |body: serde_json::Value| {
        let request = client.request(reqwest::Method::PATCH, &path);
        client
            .send(request.bearer_auth(&session.access_token).json(&body))
            .await
    };
    let changed = patch(json!({
        "given_name": "Ada", "phone_number": "+441632960961", "address": { "country": "GB" }, "birthdate": "1815-12-10",
    }))
    .await;
    assert_eq!(changed.status.as_u16(), 200, "{changed:?}");
    assert_eq!(changed.body["address"], json!({ "country": "GB" }));
    for member in ["email_verified", "phone_number_verified", "sub", "roles"] {
        let refused = patch(json!({ member: true })).await;
        refused.assert_problem(400, "invalid-body");
        assert_eq!(refused.pointers(), [format!("/{member}")]);
    }
    // Within a second everywhere.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let mut browser = Browser::new(&rp.tenant);
    let scope = [("scope", "openid profile address phone")];
    let tokens = rp.tokens(&mut browser, &email, &scope).await;
    let info = rp.userinfo(1, &tokens.access_token).await.body;
    assert_eq!(info["address"], json!({ "country": "GB" }));
    assert_eq!(
        (&info["phone_number"], &info["phone_number_verified"]),
        (&json!("+441632960961"), &json!(false))
    );
    assert_eq!(
        (&info["given_name"], &info["birthdate"]),
        (&json!("Ada"), &json!("1815-12-10"))
    );
    // An application's token changes nothing.
    let request = client
        .request(reqwest::Method::PATCH, &path)
        .bearer_auth(&tokens.access_token);
    client
        .send(request.json(&json!({ "nickname": "x" })))
        .await
        .assert_problem(401, "not-signed-in");
}
