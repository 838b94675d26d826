//! Sessions, grants and consents: seen page by page and ended.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::administrators::ask;
use crate::{
    harness::{Installation, OPERATOR_TOKEN, Tenant, on_every_backend},
    oidc::{
        browser::Browser,
        rp::{Rp, assert_oauth_error, claims},
    },
};

on_every_backend!(
    sessions_are_listed_and_ended,
    grants_and_consents_are_listed_and_end_together,
);

async fn get(tenant: &Tenant, path: &str) -> Value {
    let answer = ask(tenant, 1, OPERATOR_TOKEN, Method::GET, path, None).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
    answer.body
}

async fn delete(tenant: &Tenant, path: &str) {
    let answer = ask(tenant, 0, OPERATOR_TOKEN, Method::DELETE, path, None).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{path}: {answer:?}");
}

/// All pages of a list, two items at a time.
async fn pages(tenant: &Tenant, path: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let joint = if path.contains('?') { '&' } else { '?' };
        let page = get(tenant, &format!("{path}{joint}limit=2{cursor}")).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        all.extend(items.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

async fn sessions_are_listed_and_ended(installation: Installation) {
    let acme = installation.tenant().await;
    let (ada, bob) = (acme.user().await, acme.user().await);
    let mut of_ada = Vec::new();
    for _ in 0..3 {
        of_ada.push(acme.login(&ada).await);
    }
    let of_bob = acme.login(&bob).await;
    let user = claims(&of_ada[0].access_token)["sub"]
        .as_str()
        .unwrap()
        .to_owned();

    assert_eq!(pages(&acme, "/sessions").await.len(), 4);
    let list = pages(&acme, &format!("/sessions?user_id={user}")).await;
    assert_eq!(list.len(), 3);
    let id = claims(&of_ada[0].access_token)["sid"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(list[2]["session_id"], id, "the latest first");
    assert_eq!(get(&acme, &format!("/sessions/{id}")).await, list[2]);

    delete(&acme, &format!("/sessions/{id}")).await;
    acme.refresh(0, &of_ada[0].refresh_token)
        .await
        .assert_problem(401, "not-signed-in");
    let ended = get(&acme, &format!("/sessions/{id}")).await;
    assert!(ended["ended_at"].is_string(), "{ended}");

    let path = format!("/users/{user}/end-sessions");
    let answer = ask(&acme, 0, OPERATOR_TOKEN, Method::POST, &path, None).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    for session in &of_ada[1..] {
        acme.refresh(0, &session.refresh_token)
            .await
            .assert_problem(401, "not-signed-in");
    }
    assert_eq!(
        acme.refresh(1, &of_bob.refresh_token).await.status,
        StatusCode::OK
    );
    // Signing in again is nobody's to forbid here.
    installation
        .clock
        .advance(std::time::Duration::from_secs(1));
    let again = acme.login(&ada).await;
    assert_eq!(
        acme.refresh(1, &again.refresh_token).await.status,
        StatusCode::OK
    );

    // Another tenant's ids are ids of nothing.
    let other = installation.tenant().await;
    for (method, path) in [
        (Method::GET, format!("/sessions/{id}")),
        (Method::DELETE, format!("/sessions/{id}")),
        (Method::POST, format!("/users/{user}/end-sessions")),
        (Method::GET, "/sessions/nothing".to_owned()),
    ] {
        ask(&other, 0, OPERATOR_TOKEN, method, &path, None)
            .await
            .assert_problem(404, "not-found");
    }
    assert!(
        pages(&other, &format!("/sessions?user_id={user}"))
            .await
            .is_empty()
    );
}

async fn grants_and_consents_are_listed_and_end_together(installation: Installation) {
    let acme = installation.tenant().await;
    let rp = Rp::new(&acme, json!({})).await;
    let email = acme.user().await;
    let mut browser = Browser::new(&acme);
    let first = rp.tokens(&mut browser, &email, &[]).await;
    let second = rp
        .tokens(&mut browser, &email, &[("scope", "openid email")])
        .await;
    let user = claims(&first.access_token)["sub"]
        .as_str()
        .unwrap()
        .to_owned();

    let filter = format!("user_id={user}&client_id={}", rp.id);
    let grants = pages(&acme, &format!("/grants?{filter}")).await;
    assert_eq!(grants.len(), 2);
    assert_eq!(grants[0]["scope"], "openid email");
    let id = grants[0]["grant_id"].as_str().unwrap();
    assert_eq!(get(&acme, &format!("/grants/{id}")).await, grants[0]);
    delete(&acme, &format!("/grants/{id}")).await;
    assert_oauth_error(
        &rp.refresh(0, second.refresh(), &[]).await,
        400,
        "invalid_grant",
    );
    let rotated = rp.refresh(0, first.refresh(), &[]).await;
    assert_eq!(rotated.status, StatusCode::OK, "{rotated:?}");

    let consents = pages(&acme, &format!("/consents?{filter}")).await;
    assert_eq!(consents.len(), 1);
    assert_eq!(consents[0]["scope"], "openid email");
    let id = consents[0]["consent_id"].as_str().unwrap();
    delete(&acme, &format!("/consents/{id}")).await;
    let token = rotated.body["refresh_token"].as_str().unwrap();
    assert_oauth_error(&rp.refresh(0, token, &[]).await, 400, "invalid_grant");
    assert!(pages(&acme, "/consents").await.is_empty());
    for path in [
        "/grants?client_id=a%20b",
        "/grants?cursor=x",
        "/grants?limit=0",
        "/grants?user_id=x",
    ] {
        ask(&acme, 0, OPERATOR_TOKEN, Method::GET, path, None)
            .await
            .assert_problem(400, "invalid-parameter");
    }
}
