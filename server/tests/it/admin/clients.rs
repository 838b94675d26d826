//! Clients: changed, and given several secrets.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::administrators::ask;
use crate::{
    harness::{Installation, OPERATOR_TOKEN, on_every_backend},
    oidc::rp::{Rp, assert_oauth_error, tokens_of},
};

on_every_backend!(
    a_change_names_what_it_saw_and_is_refused_when_that_is_gone,
    a_new_secret_counts_beside_the_old_one_until_that_ends,
);

async fn a_change_names_what_it_saw_and_is_refused_when_that_is_gone(installation: Installation) {
    let acme = installation.tenant().await;
    let rp = Rp::new(&acme, json!({})).await;
    let path = format!("/clients/{}", rp.id);
    let read = ask(&acme, 0, OPERATOR_TOKEN, Method::GET, &path, None).await;
    let etag = read.header("etag").to_owned();
    let patch = async |n: usize, etag: &str, body: Value| {
        let client = acme.client(n);
        let path = format!("/admin/v1/tenants/{}{path}", acme.slug);
        let request = client
            .request(Method::PATCH, &path)
            .bearer_auth(OPERATOR_TOKEN);
        client
            .send(request.header("if-match", etag).json(&body))
            .await
    };
    let answer = patch(0, &etag, json!({ "client_name": "New name" })).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_ne!(answer.header("etag"), etag);
    let mut expected = read.body.clone();
    expected["client_name"] = json!("New name");
    assert_eq!(
        answer.body, expected,
        "nothing else changed, and no secret is told"
    );
    patch(1, &etag, json!({ "client_name": "Too late" }))
        .await
        .assert_problem(412, "stale-update");

    let etag = answer.header("etag").to_owned();
    for (body, pointer) in [
        (
            json!({ "redirect_uris": ["javascript:alert(1)"] }),
            "/redirect_uris/0",
        ),
        (json!({ "client_id": "other" }), "/client_id"),
        (json!({ "grant_types": ["password"] }), "/grant_types/0"),
        (json!({ "subject_type": "pairwise" }), "/subject_type"),
        (json!({ "first_party": "yes" }), "/first_party"),
    ] {
        let answer = patch(0, &etag, body).await;
        answer.assert_problem(400, "invalid-body");
        assert_eq!(answer.pointers()[0], pointer);
    }
    // Null is the default again.
    let answer = patch(0, &etag, json!({ "client_name": null, "scope": null })).await;
    assert_eq!(answer.body["client_name"], "");
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let again = ask(&acme, 1, OPERATOR_TOKEN, Method::GET, &path, None).await;
    assert_eq!(again.body, answer.body);
}

async fn a_new_secret_counts_beside_the_old_one_until_that_ends(installation: Installation) {
    let acme = installation.tenant().await;
    let old = Rp::new(&acme, json!({})).await;
    let secrets = format!("/clients/{}/secrets", old.id);
    let make =
        async |body: Value| ask(&acme, 0, OPERATOR_TOKEN, Method::POST, &secrets, Some(body)).await;
    let machine = [("grant_type", "client_credentials")];
    let answer = make(json!({ "others_expire_in": 3600 })).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let text = answer.body["client_secret"].as_str().unwrap().to_owned();
    assert!(text.starts_with("ths_"));
    let new = Rp {
        secret: Some(text.clone()),
        ..old.clone()
    };
    for n in 0..2 {
        tokens_of(&old.post(n, "token", &machine).await);
        tokens_of(&new.post(n, "token", &machine).await);
    }
    let list = ask(&acme, 1, OPERATOR_TOKEN, Method::GET, &secrets, None).await;
    assert_eq!(list.body["items"].as_array().unwrap().len(), 2, "{list:?}");
    assert!(!list.text.contains(&text) && !list.text.contains("digest"));

    // One that was to end must not be one that never does.
    let misspelt = make(json!({ "expires_at": "2020-01-01T00:00:00Z" })).await;
    misspelt.assert_problem(400, "invalid-body");
    assert_eq!(misspelt.body["errors"][0]["pointer"], "/expires_at");

    installation.clock.advance(Duration::from_secs(3600));
    for n in 0..2 {
        assert_oauth_error(&old.post(n, "token", &machine).await, 401, "invalid_client");
        tokens_of(&new.post(n, "token", &machine).await);
    }
    for _ in 0..4 {
        assert_eq!(make(json!({})).await.status, StatusCode::CREATED);
    }
    make(json!({}))
        .await
        .assert_problem(409, "too-many-secrets");
    let first = format!("{secrets}/{}", answer.body["id"].as_str().unwrap());
    let gone = ask(&acme, 1, OPERATOR_TOKEN, Method::DELETE, &first, None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
    assert_oauth_error(&new.post(0, "token", &machine).await, 401, "invalid_client");
    ask(&acme, 1, OPERATOR_TOKEN, Method::DELETE, &first, None)
        .await
        .assert_problem(404, "not-found");

    let public = Rp::public(&acme).await;
    let path = format!("/clients/{}/secrets", public.id);
    ask(
        &acme,
        0,
        OPERATOR_TOKEN,
        Method::POST,
        &path,
        Some(json!({})),
    )
    .await
    .assert_problem(400, "invalid-body");
}
