//! Published metadata and keys, and tokens that others can verify with them.

use std::process::Command;

use reqwest::StatusCode;
use serde_json::Value;

use crate::harness::{Backend, Installation, on_every_backend, store_url};

on_every_backend!(metadata_and_keys_are_exact_and_cacheable);

async fn metadata_and_keys_are_exact_and_cacheable(installation: Installation) {
    let (tenant, other) = (installation.tenant().await, installation.tenant().await);
    let client = tenant.client(0);
    let metadata = client
        .get(&tenant.path("/.well-known/openid-configuration"))
        .await;
    assert_eq!(metadata.status, StatusCode::OK);
    assert_eq!(metadata.header("content-type"), "application/json");
    assert_eq!(metadata.header("cache-control"), "public, max-age=300");
    assert_eq!(metadata.body["issuer"], tenant.issuer());
    assert_eq!(
        metadata.body["jwks_uri"],
        format!("{}/oauth2/jwks", tenant.issuer())
    );
    assert_eq!(
        client
            .get(&tenant.path("/.well-known/oauth-authorization-server"))
            .await
            .body,
        metadata.body
    );

    for name in ["openid-configuration", "oauth-authorization-server"] {
        let inserted = client
            .get(&format!("/.well-known/{name}/t/{}", tenant.slug))
            .await;
        assert_eq!(inserted.body, metadata.body, "RFC 8414 §3.1");
        client
            .get(&format!("/.well-known/{name}/t/ghost"))
            .await
            .assert_problem(404, "not-found");
    }

    let jwks = client.get(&tenant.path("/oauth2/jwks")).await;
    assert_eq!(jwks.header("cache-control"), "public, max-age=300");
    assert!(jwks.headers.get("set-cookie").is_none());
    let keys = jwks.body["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    let members: Vec<_> = keys[0]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        members,
        ["alg", "crv", "kid", "kty", "use", "x", "y"],
        "nothing private"
    );
    let others = other.client(1).get(&other.path("/oauth2/jwks")).await;
    assert_ne!(
        others.body["keys"][0]["kid"], keys[0]["kid"],
        "each tenant has its own key"
    );
}

/// A library that is not ours fetches the keys from the running server and verifies the token.
#[tokio::test]
async fn jose_verifies_our_access_tokens_with_the_published_keys() {
    let installation = Installation::start(Backend::Sqlite).await;
    let (tenant, other) = (installation.tenant().await, installation.tenant().await);
    let session = tenant.session().await;
    let script = r#"
        import { createRemoteJWKSet, jwtVerify } from 'jose';
        const [address, own, foreign, issuer, token] = process.argv.slice(2);
        const options = { issuer, audience: issuer, typ: 'at+jwt', algorithms: ['ES256'] };
        const keys = (path) => createRemoteJWKSet(new URL(path, address));
        const { payload, protectedHeader } = await jwtVerify(token, keys(own), options);
        let refused;
        try { await jwtVerify(token, keys(foreign), options); refused = false; } catch (error) { refused = error.code; }
        console.log(JSON.stringify({ payload, protectedHeader, refused }));
    "#;
    let folder = std::path::PathBuf::from(store_url("TOKENHOUSE_TEST_NODE_DIR"));
    let file = folder.join(format!("verify-{}.mjs", std::process::id()));
    std::fs::write(&file, script).unwrap();
    let address = format!("http://{}", installation.instances[0].public_address);
    let arguments = [
        address,
        tenant.path("/oauth2/jwks"),
        other.path("/oauth2/jwks"),
        tenant.issuer(),
        session.access_token.clone(),
    ];
    let node = file.clone();
    let output = tokio::task::spawn_blocking(move || {
        Command::new("node")
            .arg(node)
            .args(arguments)
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    std::fs::remove_file(file).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(seen["protectedHeader"]["typ"], "at+jwt");
    assert_eq!(
        seen["refused"], "ERR_JWKS_NO_MATCHING_KEY",
        "another tenant's keys don't verify it"
    );
    // RFC 9068 §2.2.
    for claim in [
        "iss",
        "sub",
        "aud",
        "client_id",
        "iat",
        "exp",
        "jti",
        "scope",
        "sid",
        "auth_time",
        "acr",
        "amr",
    ] {
        assert!(
            !seen["payload"][claim].is_null(),
            "{claim} is missing: {seen}"
        );
    }
    assert_eq!(seen["payload"]["tenant"], tenant.slug);
    assert_eq!(seen["payload"]["name"], "Ada Lovelace");
    let lifetime =
        seen["payload"]["exp"].as_i64().unwrap() - seen["payload"]["iat"].as_i64().unwrap();
    assert_eq!(lifetime, 900);
}

#[tokio::test]
async fn the_document_and_its_page_are_served_without_outside_requests() {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let client = tenant.client(0);
    let document = client.get("/openapi.json").await;
    assert_eq!(document.body["openapi"], "3.0.3");
    assert_eq!(document.body["servers"][0]["url"], "http://localhost:8080");
    let own = client.get(&tenant.path("/openapi.json")).await;
    assert_eq!(own.body["servers"][0]["url"], tenant.issuer());
    assert!(
        own.body["paths"]["/auth/login"]["post"].is_object(),
        "paths are relative to the issuer"
    );
    let flow = "/components/securitySchemes/TenantLogin/flows/authorizationCode/tokenUrl";
    assert_eq!(
        own.body.pointer(flow),
        Some(&format!("{}/oauth2/token", tenant.issuer()).into()),
        "it says how to sign in"
    );
    assert!(document.body.pointer(flow).is_none(), "no tenant, no login");
    let here = tenant.path("/docs");
    assert_eq!(
        client.get(&here).await.header("location"),
        format!("{here}/")
    );
    let settings = client.get(&format!("{here}/swagger-initializer.js")).await;
    assert!(
        settings
            .text
            .contains(&format!("{}/openapi.json", tenant.issuer()))
    );
    client
        .get("/t/no-such-tenant/docs/")
        .await
        .assert_problem(404, "not-found");
    assert!(
        client
            .get("/openapi.yaml")
            .await
            .text
            .starts_with("components:")
    );
    let page = client.get("/docs/").await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (StatusCode::OK, "text/html")
    );
    assert!(
        page.header("content-security-policy")
            .contains("default-src 'self'")
    );
    assert_eq!(client.get("/docs").await.header("location"), "/docs/");
    let problem = client.get("/problems/email-taken").await;
    assert!(
        problem.text.contains("The email address is taken"),
        "{problem:?}"
    );
    assert!(
        problem
            .header("content-security-policy")
            .contains("frame-ancestors 'none'")
    );
}
