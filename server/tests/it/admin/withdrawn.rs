//! Power that is withdrawn, or that nobody was given (C02, C03, T11): found by attacking.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::administrators::{admin_token, ask};
use crate::{
    harness::{Installation, OPERATOR_TOKEN, PASSWORD, Tenant, on_every_backend, until},
    oidc::{
        browser::Browser,
        rp::{Rp, Tokens, jwt_header, tokens_of},
    },
};

on_every_backend!(
    a_scope_that_a_client_lost_is_lost_to_its_tokens_and_to_those_that_it_refreshes,
    a_machine_without_a_secret_has_no_power_by_an_older_token,
    a_user_without_its_role_can_not_give_it_back_to_itself,
    what_another_instance_just_did_is_seen_by_who_changes_it_further,
);
on_every_backend!(
    alone: an_algorithm_signs_when_verifiers_know_its_key,
);

async fn change(tenant: &Tenant, n: usize, path: &str, body: Value) {
    let answer = ask(tenant, n, OPERATOR_TOKEN, Method::PATCH, path, Some(body)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

/// A user of the tenant with a role that administers it.
async fn owner(tenant: &Tenant) -> String {
    let owner = json!({ "roles": { "owner": { "permissions": ["tokenhouse:admin"] } } });
    change(tenant, 0, "/settings", owner).await;
    let email = format!("{}@example.com", crate::harness::unique("owner"));
    let body = json!({ "name": "Grace", "email": email, "password": PASSWORD, "roles": ["owner"] });
    let made = ask(
        tenant,
        1,
        OPERATOR_TOKEN,
        Method::POST,
        "/users",
        Some(body),
    )
    .await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    email
}

/// What a user gets once its role has reached the instances with the settings, within a second.
async fn admitted(rp: &Rp, tenant: &Tenant, email: &str, scope: &str) -> Tokens {
    let mut browser = Browser::new(tenant);
    let asked = [("scope", scope), ("prompt", "consent")];
    until("the role counts", async || {
        let tokens = rp.tokens(&mut browser, email, &asked).await;
        let granted = tokens.body["scope"].as_str().unwrap_or_default();
        granted.contains("tokenhouse:admin").then_some(tokens)
    })
    .await
}

async fn a_scope_that_a_client_lost_is_lost_to_its_tokens_and_to_those_that_it_refreshes(
    installation: Installation,
) {
    let acme = installation.tenant().await;
    let email = owner(&acme).await;
    let scope = "openid offline_access tokenhouse:admin";
    let rp = Rp::new(&acme, json!({ "scope": scope, "first_party": true })).await;
    let tokens = admitted(&rp, &acme, &email, scope).await;
    let read = ask(&acme, 0, &tokens.access_token, Method::GET, "/users", None).await;
    assert_eq!(read.status, StatusCode::OK, "{read:?}");

    let path = format!("/clients/{}", rp.id);
    change(&acme, 0, &path, json!({ "scope": "openid offline_access" })).await;
    until("the token has no power on either instance", async || {
        for n in 0..2 {
            let answer = ask(&acme, n, &tokens.access_token, Method::GET, "/users", None).await;
            if answer.status != StatusCode::FORBIDDEN {
                return None;
            }
        }
        Some(())
    })
    .await;
    let refreshed = tokens_of(&rp.refresh(1, tokens.refresh(), &[]).await);
    assert_eq!(refreshed.body["scope"], "openid offline_access");
}

async fn a_user_without_its_role_can_not_give_it_back_to_itself(installation: Installation) {
    let acme = installation.tenant().await;
    let email = owner(&acme).await;
    let scope = "openid tokenhouse:admin";
    let rp = Rp::new(&acme, json!({ "scope": scope, "first_party": true })).await;
    let token = admitted(&rp, &acme, &email, scope).await.access_token;
    let find = format!("/users?q={email}");
    // Both instances have just seen what stands behind the token.
    let mut path = String::new();
    for n in 0..2 {
        let found = ask(&acme, n, &token, Method::GET, &find, None).await;
        let id = found.body["items"][0]["user_id"].as_str();
        path = format!("/users/{}", id.unwrap_or_else(|| panic!("{found:?}")));
    }
    change(&acme, 0, &path, json!({ "roles": [] })).await;
    for n in 0..2 {
        let back = Some(json!({ "roles": ["owner"] }));
        ask(&acme, n, &token, Method::PATCH, &path, back)
            .await
            .assert_problem(403, "insufficient-scope");
    }
}

async fn a_machine_without_a_secret_has_no_power_by_an_older_token(installation: Installation) {
    let acme = installation.tenant().await;
    let (rp, token) = admin_token(&acme, "tokenhouse:admin").await;
    let path = format!("/clients/{}/secrets", rp.id);
    let secrets = ask(&acme, 0, OPERATOR_TOKEN, Method::GET, &path, None).await;
    let id = secrets.body["items"][0]["id"].as_str();
    let id = id.unwrap_or_else(|| panic!("{secrets:?}")).to_owned();
    let gone = format!("{path}/{id}");
    let deleted = ask(&acme, 0, OPERATOR_TOKEN, Method::DELETE, &gone, None).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted:?}");
    for n in 0..2 {
        ask(&acme, n, &token, Method::GET, "/users", None)
            .await
            .assert_problem(403, "insufficient-scope");
    }
}

async fn what_another_instance_just_did_is_seen_by_who_changes_it_further(
    installation: Installation,
) {
    let acme = installation.tenant().await;
    for n in 0..6_u32 {
        let role = format!("role{n}");
        let instance = usize::try_from(n).unwrap();
        change(
            &acme,
            instance,
            "/settings",
            json!({ "roles": { role.clone(): {} } }),
        )
        .await;
        let body = json!({
            "name": "Ada", "email": format!("{role}@example.com"), "password": PASSWORD, "roles": [role],
        });
        let made = ask(
            &acme,
            instance + 1,
            OPERATOR_TOKEN,
            Method::POST,
            "/users",
            Some(body),
        )
        .await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    }
}

async fn an_algorithm_signs_when_verifiers_know_its_key(installation: Installation) {
    let acme = installation.tenant().await;
    let email = acme.user().await;
    let published = async |n: usize| {
        let answer = acme.client(n).get(&acme.path("/oauth2/jwks")).await;
        answer.text
    };
    assert!(!published(0).await.contains("EdDSA"));
    change(
        &acme,
        0,
        "/settings",
        json!({ "access_token_alg": "EdDSA" }),
    )
    .await;
    let signed_with = async |n: usize| {
        let body = json!({ "email": email, "password": PASSWORD, "delivery": "body" });
        let login = acme.client(n).post(&acme.path("/auth/login"), body).await;
        let token = login.body["access_token"].as_str().unwrap().to_owned();
        assert_eq!(
            acme.current_user(n + 1, &token).await.status,
            StatusCode::OK
        );
        jwt_header(&token)["alg"].clone()
    };
    assert_eq!(signed_with(0).await, "ES256", "nobody can know the new key");
    until("the key is published on both", async || {
        let (a, b) = (published(0).await, published(1).await);
        (a.contains("EdDSA") && b.contains("EdDSA")).then_some(())
    })
    .await;
    assert_eq!(signed_with(1).await, "ES256", "nor does everybody yet");
    installation.clock.advance(Duration::from_secs(303));
    until("the new algorithm signs", async || {
        let both = [signed_with(0).await, signed_with(1).await];
        (both == ["EdDSA", "EdDSA"]).then_some(())
    })
    .await;
}

/// A tenant that begins with an algorithm signs with it at once: no verifier has an older key set.
#[tokio::test]
async fn a_new_tenant_signs_with_the_algorithm_that_it_was_made_with() {
    let installation = Installation::start(crate::harness::Backend::Sqlite).await;
    let acme = installation
        .tenant_with(json!({ "access_token_alg": "EdDSA" }))
        .await;
    let session = acme.session().await;
    assert_eq!(jwt_header(&session.access_token)["alg"], "EdDSA");
}

#[tokio::test]
async fn only_the_operator_shortens_the_memory_of_the_audit_log() {
    let installation = Installation::start(crate::harness::Backend::Sqlite).await;
    let acme = installation.tenant().await;
    let (_, token) = admin_token(&acme, "tokenhouse:admin").await;
    let days = |days: u32| Some(json!({ "audit_retention_days": days }));
    let shorter = ask(&acme, 0, &token, Method::PATCH, "/settings", days(1)).await;
    shorter.assert_problem(400, "invalid-body");
    assert_eq!(shorter.pointers(), ["/audit_retention_days"]);
    for (token, days) in [(&*token, days(400)), (OPERATOR_TOKEN, days(30))] {
        let answer = ask(&acme, 0, token, Method::PATCH, "/settings", days).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
}

/// A token that the server itself would refuse, or that no browser keeps, locks its user out.
#[tokio::test]
async fn the_largest_power_of_a_user_fits_into_a_cookie() {
    let installation = Installation::start(crate::harness::Backend::Sqlite).await;
    let acme = installation.tenant().await;
    let permissions = |role: usize| -> Vec<String> {
        (0..13)
            .map(|n| format!("{:x<97}", format!("p{role}-{n}-")))
            .collect()
    };
    let roles: serde_json::Map<_, _> = (0..3)
        .map(|n| (format!("r{n}"), json!({ "permissions": permissions(n) })))
        .collect();
    change(&acme, 0, "/settings", json!({ "roles": roles })).await;
    let too_large = json!({ "roles": { "r0": { "permissions":
        (0..100).map(|n| format!("{:x<70}", format!("p{n}-"))).collect::<Vec<_>>() } } });
    let refused = ask(
        &acme,
        0,
        OPERATOR_TOKEN,
        Method::PATCH,
        "/settings",
        Some(too_large),
    )
    .await;
    refused.assert_problem(400, "invalid-body");
    assert_eq!(refused.pointers(), ["/roles/r0"]);

    let user = |roles: Value| {
        json!({
            "name": "n".repeat(100), "email": format!("{}@example.com", crate::harness::unique("u")),
            "password": PASSWORD, "roles": roles,
        })
    };
    let add =
        async |body: Value| ask(&acme, 0, OPERATOR_TOKEN, Method::POST, "/users", Some(body)).await;
    let refused = add(user(json!(["r0", "r1"]))).await;
    assert_eq!(refused.pointers(), ["/roles"], "{refused:?}");
    let made = add(user(json!(["r0"]))).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let email = made.body["email"].as_str().unwrap();
    let body = json!({ "email": email, "password": PASSWORD });
    let login = acme.client(0).post(&acme.path("/auth/login"), body).await;
    let cookies = login.headers.get_all("set-cookie").iter();
    let longest = cookies.map(reqwest::header::HeaderValue::len).max();
    assert!(
        longest.is_some_and(|longest| longest <= 4096),
        "{longest:?}"
    );
    let session = acme.login(email).await;
    let answer = acme.current_user(0, &session.access_token).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

/// What an administrator gave a client that registered itself, it can't take elsewhere by its own token.
#[tokio::test]
async fn a_client_that_was_given_more_is_no_longer_its_own() {
    let installation = Installation::start(crate::harness::Backend::Sqlite).await;
    let acme = installation
        .tenant_with(json!({ "registration": "open" }))
        .await;
    let body = json!({ "client_name": "Self", "redirect_uris": ["https://a.example/cb"] });
    let client = acme.client(0);
    let made = client
        .post(&acme.path("/oauth2/register"), body.clone())
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let own = made.body["registration_access_token"].as_str().unwrap();
    let id = made.body["client_id"].as_str().unwrap();
    let wider = json!({ "scope": "openid tokenhouse:admin" });
    change(&acme, 0, &format!("/clients/{id}"), wider).await;
    let mut elsewhere = body;
    elsewhere["client_id"] = json!(id);
    elsewhere["redirect_uris"] = json!(["https://evil.example/cb"]);
    let request = client
        .request(Method::PUT, &acme.path(&format!("/oauth2/register/{id}")))
        .bearer_auth(own)
        .json(&elsewhere);
    let answer = client.send(request).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer:?}");
}
