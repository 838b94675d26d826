//! Which issuer a tenant is at a domain, and where its tokens count.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{held, make_issuer, operator, serves};
use crate::{
    admin::administrators::{admin_token, ask},
    harness::{Installation, PASSWORD, Session, on_every_backend, until},
    oidc::{
        browser::Browser,
        rp::{Rp, assert_oauth_error, claims, query, tokens_of},
    },
};

on_every_backend!(
    metadata_say_the_issuer_of_the_address_they_are_at,
    tokens_of_either_issuer_count_at_both_addresses_and_nowhere_else,
    a_grant_keeps_its_issuer_wherever_it_is_used,
    what_a_removed_domain_issued_counts_no_more,
);

async fn metadata_say_the_issuer_of_the_address_they_are_at(installation: Installation) {
    let tenant = installation.tenant().await;
    let here = held(&installation, &tenant, false).await;
    let path_metadata = tenant
        .client(0)
        .get(&tenant.path("/.well-known/openid-configuration"))
        .await
        .body;
    assert_eq!(path_metadata["issuer"], tenant.issuer());
    // Before it is an issuer, the domain is one more way to the same tenant.
    assert_eq!(serves(&here, 0).await, path_metadata);

    let domain = here.public_url.trim_start_matches("http://");
    let domain = domain.split(':').next().unwrap();
    make_issuer(&tenant, domain).await;
    for n in [0, 1] {
        let metadata = serves(&here, n).await;
        assert_eq!(metadata["issuer"], here.issuer());
        for (name, value) in metadata.as_object().unwrap() {
            let expected = &path_metadata[name];
            let Some(expected) = expected.as_str() else {
                assert_eq!(value, expected, "{name}");
                continue;
            };
            let expected = expected.replace(&tenant.issuer(), &here.issuer());
            assert_eq!(value, &expected, "{name}");
        }
        let same = here
            .client(n)
            .get("/.well-known/oauth-authorization-server")
            .await;
        assert_eq!(same.body, metadata);
        let document = here.client(n).get("/openapi.json").await;
        assert_eq!(document.body["servers"][0]["url"], here.issuer());
        let unchanged = tenant
            .client(n)
            .get(&tenant.path("/.well-known/openid-configuration"))
            .await;
        assert_eq!(unchanged.body, path_metadata);
        let keys = async |path: String, tenant: &crate::harness::Tenant| {
            tenant.client(n).get(&path).await.body
        };
        assert_eq!(
            keys(here.path("/oauth2/jwks"), &here).await,
            keys(tenant.path("/oauth2/jwks"), &tenant).await
        );
    }
}

/// T01: at another tenant's domain too.
async fn tokens_of_either_issuer_count_at_both_addresses_and_nowhere_else(
    installation: Installation,
) {
    let (tenant, other) = (installation.tenant().await, installation.tenant().await);
    let here = held(&installation, &tenant, true).await;
    let elsewhere = held(&installation, &other, true).await;
    let email = tenant.user().await;
    let (by_path, by_domain) = (tenant.login(&email).await, here.login(&email).await);
    for (session, issuer) in [(&by_path, tenant.issuer()), (&by_domain, here.issuer())] {
        let said = claims(&session.access_token);
        assert_eq!(
            (&said["iss"], &said["aud"]),
            (&json!(issuer), &json!(issuer))
        );
        for n in [0, 1] {
            for address in [&tenant, &here] {
                let answer = address.current_user(n, &session.access_token).await;
                assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            }
            for address in [&other, &elsewhere] {
                address
                    .current_user(n, &session.access_token)
                    .await
                    .assert_problem(401, "not-signed-in");
            }
        }
        elsewhere
            .refresh(0, &session.refresh_token)
            .await
            .assert_problem(401, "not-signed-in");
    }

    // Machines, the admin API, introspection and revocation.
    let (machine, _) = admin_token(&tenant, "tokenhouse:admin").await;
    let at_domain = Rp {
        tenant: here.clone(),
        ..machine.clone()
    };
    let answer = at_domain
        .post(0, "token", &[("grant_type", "client_credentials")])
        .await;
    let token = tokens_of(&answer).access_token;
    assert_eq!(claims(&token)["iss"], here.issuer());
    let list = ask(&tenant, 1, &token, Method::GET, "/domains", None).await;
    assert_eq!(list.status, StatusCode::OK, "{list:?}");
    let foreign = ask(&other, 1, &token, Method::GET, "/domains", None).await;
    foreign.assert_problem(401, "not-signed-in");
    for rp in [&machine, &at_domain] {
        let answer = rp.introspect(1, &token).await;
        assert_eq!(answer.body["active"], true, "{answer:?}");
        assert_eq!(answer.body["iss"], here.issuer());
    }
    machine.post(0, "revoke", &[("token", &token)]).await;
    let answer = at_domain.introspect(1, &token).await;
    assert_eq!(answer.body, json!({ "active": false }));
}

async fn a_grant_keeps_its_issuer_wherever_it_is_used(installation: Installation) {
    let tenant = installation.tenant().await;
    let here = held(&installation, &tenant, true).await;
    let rp = Rp::new(&tenant, json!({ "userinfo_signed_response_alg": "RS256" })).await;
    let at_domain = Rp {
        tenant: here.clone(),
        ..rp.clone()
    };
    let email = tenant.user().await;
    let mut browser = Browser::new(&here);
    let scope = [("scope", "openid offline_access"), ("prompt", "consent")];
    let callback = at_domain.code(&mut browser, &email, &scope).await;
    assert_eq!(callback.get("iss"), here.issuer());
    // The code was made at the domain; it is redeemed and refreshed at the path.
    let tokens = tokens_of(&rp.redeem(1, callback.get("code"), &[]).await);
    let id_claims = tokens.id_claims();
    assert_eq!(id_claims["iss"], here.issuer());
    assert_eq!(claims(&tokens.access_token)["iss"], here.issuer());
    let refreshed = tokens_of(&rp.refresh(0, tokens.refresh(), &[]).await);
    assert_eq!(
        refreshed.id_claims()["iss"],
        here.issuer(),
        "OIDC Core §12.2"
    );
    assert_eq!(claims(&refreshed.access_token)["aud"], here.issuer());
    for rp in [&rp, &at_domain] {
        let answer = rp.userinfo(1, &refreshed.access_token).await;
        assert_eq!(claims(&answer.text)["iss"], here.issuer(), "{answer:?}");
        let answer = rp.introspect(0, refreshed.refresh()).await;
        assert_eq!(answer.body["iss"], here.issuer(), "{answer:?}");
    }
    // A hint of the one issuer is known at the other.
    let hint = query(&[("id_token_hint", refreshed.id_token.as_deref().unwrap())]);
    for address in [&tenant, &here] {
        let path = format!("{}?{hint}", address.path("/oauth2/logout"));
        let answer = address.client(0).get(&path).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
        assert!(
            answer.header("location").starts_with(&address.issuer()),
            "{answer:?}"
        );
    }
    // Of the path's grants nothing changes at the domain.
    let mut browser = Browser::new(&tenant);
    let tokens = rp.tokens(&mut browser, &email, &scope).await;
    let refreshed = tokens_of(&at_domain.refresh(0, tokens.refresh(), &[]).await);
    assert_eq!(refreshed.id_claims()["iss"], tenant.issuer());
}

async fn what_a_removed_domain_issued_counts_no_more(installation: Installation) {
    let tenant = installation.tenant().await;
    let here = held(&installation, &tenant, true).await;
    let email = tenant.user().await;
    let (by_path, by_domain) = (tenant.login(&email).await, here.login(&email).await);
    let rp = Rp::new(&tenant, json!({ "first_party": true })).await;
    let at_domain = Rp {
        tenant: here.clone(),
        ..rp.clone()
    };
    let mut browser = Browser::new(&here);
    let tokens = at_domain.tokens(&mut browser, &email, &[]).await;
    let callback = at_domain.code(&mut browser, &email, &[]).await;

    let domain = here.public_url.trim_start_matches("http://");
    let domain = domain.split(':').next().unwrap();
    let gone = operator(&tenant, 0, Method::DELETE, &format!("/{domain}"), None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    for n in [0, 1] {
        until("the domain serves no more", async || {
            let answer = here
                .client(n)
                .get("/.well-known/openid-configuration")
                .await;
            (answer.status == StatusCode::NOT_FOUND).then_some(())
        })
        .await;
        until("its tokens count no more", async || {
            let answer = tenant.current_user(n, &by_domain.access_token).await;
            (answer.status == StatusCode::UNAUTHORIZED).then_some(())
        })
        .await;
        let answer = rp.introspect(n, &tokens.access_token).await;
        assert_eq!(answer.body, json!({ "active": false }));
        tenant
            .refresh(n, &by_domain.refresh_token)
            .await
            .assert_problem(401, "not-signed-in");
        assert_oauth_error(
            &rp.refresh(n, tokens.refresh(), &[]).await,
            400,
            "invalid_grant",
        );
        let answer = tenant.current_user(n, &by_path.access_token).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    assert_oauth_error(
        &rp.redeem(0, callback.get("code"), &[]).await,
        400,
        "invalid_grant",
    );
    // Users sign in at the path as ever.
    let body = json!({ "email": email, "password": PASSWORD, "delivery": "body" });
    let answer = tenant
        .client(0)
        .post(&tenant.path("/auth/login"), body)
        .await;
    assert_eq!(
        claims(&Session::of(&answer).access_token)["iss"],
        tenant.issuer()
    );
}
