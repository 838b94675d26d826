//! Who may administer a tenant (T01, T05, T11).

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    harness::{Answer, Installation, Tenant, on_every_backend},
    oidc::rp::{Rp, tokens_of},
};

on_every_backend!(
    a_machine_client_with_the_scope_administers_its_own_tenant_alone,
    power_that_was_taken_away_counts_no_more,
);

/// An access token of a machine client with this scope.
pub(crate) async fn admin_token(tenant: &Tenant, scope: &str) -> (Rp, String) {
    let members = json!({
        "grant_types": ["client_credentials"],
        "redirect_uris": [],
        "scope": scope,
    });
    let rp = Rp::new(tenant, members).await;
    let answer = rp
        .post(0, "token", &[("grant_type", "client_credentials")])
        .await;
    (rp, tokens_of(&answer).access_token)
}

/// Asks the admin API of a tenant.
pub(crate) async fn ask(
    tenant: &Tenant,
    n: usize,
    token: &str,
    method: Method,
    rest: &str,
    body: Option<Value>,
) -> Answer {
    let client = tenant.client(n);
    let path = format!("/admin/v1/tenants/{}{rest}", tenant.slug);
    let request = client.request(method, &path).bearer_auth(token);
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    client.send(request).await
}

async fn a_machine_client_with_the_scope_administers_its_own_tenant_alone(
    installation: Installation,
) {
    let (acme, other) = (installation.tenant().await, installation.tenant().await);
    let (_, writer) = admin_token(&acme, "tokenhouse:admin").await;
    let (_, reader) = admin_token(&acme, "tokenhouse:admin:read").await;
    let (_, nobody) = admin_token(&acme, "orders").await;
    let user = acme.session().await.access_token;

    let new = || Some(json!({ "redirect_uris": ["https://a.example/cb"] }));
    for (token, read, write) in [
        (&writer, 200, 201),
        (&reader, 200, 403),
        (&nobody, 403, 403),
    ] {
        let answer = ask(&acme, 1, token, Method::GET, "/clients", None).await;
        assert_eq!(answer.status.as_u16(), read, "{answer:?}");
        let answer = ask(&acme, 0, token, Method::POST, "/clients", new()).await;
        assert_eq!(answer.status.as_u16(), write, "{answer:?}");
        if write == 403 {
            answer.assert_problem(403, "insufficient-scope");
        }
    }
    ask(&acme, 0, &user, Method::GET, "/clients", None)
        .await
        .assert_problem(403, "insufficient-scope");

    // At another tenant the token is as good as none, and nothing tells whether that tenant exists.
    let ghost = Tenant::at(
        "ghost",
        &acme.public_url,
        installation.instances[0].public_address,
    );
    for tenant in [&other, &ghost] {
        for token in [&writer, &reader, &user] {
            ask(tenant, 0, token, Method::GET, "/settings", None)
                .await
                .assert_problem(401, "not-signed-in");
        }
    }
    // Tenants are the operator's.
    for path in [
        "/admin/v1/tenants",
        &format!("/admin/v1/tenants/{}/suspend", acme.slug),
    ] {
        let client = acme.client(0);
        let body = json!({ "slug": "x" });
        let request = client
            .request(Method::POST, path)
            .bearer_auth(&writer)
            .json(&body);
        client
            .send(request)
            .await
            .assert_problem(401, "not-signed-in");
    }
}

async fn power_that_was_taken_away_counts_no_more(installation: Installation) {
    let acme = installation.tenant().await;
    let (rp, token) = admin_token(&acme, "tokenhouse:admin").await;
    let (gone, gone_token) = admin_token(&acme, "tokenhouse:admin").await;
    let operator = crate::harness::OPERATOR_TOKEN;

    let path = format!("/clients/{}", rp.id);
    let narrower = Some(json!({ "scope": "tokenhouse:admin:read" }));
    let answer = ask(&acme, 0, operator, Method::PATCH, &path, narrower).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    // The token still says more, on either instance.
    for n in 0..2 {
        let answer = ask(&acme, n, &token, Method::GET, "/clients", None).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        ask(&acme, n, &token, Method::DELETE, &path, None)
            .await
            .assert_problem(403, "insufficient-scope");
    }
    let path = format!("/clients/{}", gone.id);
    ask(&acme, 0, operator, Method::DELETE, &path, None).await;
    ask(&acme, 1, &gone_token, Method::GET, "/clients", None)
        .await
        .assert_problem(401, "not-signed-in");

    // Nobody administers a suspended tenant but the operator.
    let suspend = ask(&acme, 0, operator, Method::POST, "/suspend", None).await;
    assert_eq!(suspend.status, StatusCode::OK);
    ask(&acme, 0, &token, Method::GET, "/clients", None)
        .await
        .assert_problem(401, "not-signed-in");
    let answer = ask(&acme, 0, operator, Method::GET, "/clients", None).await;
    assert_eq!(answer.status, StatusCode::OK);
}
