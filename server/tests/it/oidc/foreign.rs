//! Clients that nobody here wrote, against a running server over a real socket, each with a tenant of
//! its own. Their programs are in `tests/clients`.

use std::path::{Path, PathBuf};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use super::rp::Rp;
use crate::harness::{Installation, PASSWORD, Tenant, store_url, unique};

const CALLBACK: &str = "http://127.0.0.1/callback";

/// What the programs are told, and what has to stay while they run.
struct Stage {
    _installation: Installation,
    tenant: Tenant,
    settings: Value,
}

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

fn client(rp: &Rp) -> Value {
    json!({ "client_id": rp.id, "client_secret": rp.secret })
}

/// A key pair as a JWK, private and public.
fn key_pair() -> (Value, Value) {
    use aws_lc_rs::{
        encoding::{AsBigEndian, EcPrivateKeyBin},
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
    };
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = pair.public_key().as_ref();
    let secret: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().unwrap();
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let public = json!({
        "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "k1",
        "x": text(&point[1..33]), "y": text(&point[33..]),
    });
    let mut private = public.clone();
    private["d"] = json!(text(secret.as_ref()));
    (private, public)
}

async fn stage() -> Stage {
    let installation = Installation::reachable().await;
    let tenant = installation.tenant().await;
    let common = |more: Value| {
        let mut members = json!({
            "application_type": "native",
            "redirect_uris": [CALLBACK],
            "post_logout_redirect_uris": [CALLBACK],
        });
        for (name, value) in more.as_object().unwrap() {
            members[name] = value.clone();
        }
        members
    };
    let (private, public) = key_pair();
    let web = Rp::new(&tenant, common(json!({}))).await;
    let spa = json!({
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
    });
    let spa = Rp::new(&tenant, common(spa)).await;
    let keyed = json!({
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": { "keys": [public] },
        "id_token_signed_response_alg": "ES256",
    });
    let keyed = Rp::new(&tenant, common(keyed)).await;
    let username = tenant.user().await;
    let settings = json!({
        "issuer": tenant.issuer(),
        "web": client(&web),
        "spa": client(&spa),
        "keyed": { "client_id": keyed.id, "private_jwk": private },
        "redirect_uri": CALLBACK,
        "username": username,
        "password": PASSWORD,
    });
    Stage {
        _installation: installation,
        tenant,
        settings,
    }
}

/// Runs a program that says `ok` at its end.
async fn run(mut command: Command, settings: &Value) {
    let output = command.arg(settings.to_string()).output().await.unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}{err}");
    assert_eq!(out.lines().last(), Some("ok"), "{out}{err}");
}

async fn node(script: &str, settings: &Value) {
    // A module finds its packages by where it is.
    let folder = PathBuf::from(store_url("TOKENHOUSE_TEST_NODE_DIR")).join(unique("run-"));
    std::fs::create_dir_all(&folder).unwrap();
    for file in ["browser.mjs", script] {
        std::fs::copy(clients().join(file), folder.join(file)).unwrap();
    }
    let mut command = Command::new("node");
    command.arg(folder.join(script));
    run(command, settings).await;
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn openid_client_of_npm() {
    node("openid-client.mjs", &stage().await.settings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oauth4webapi_of_npm() {
    node("oauth4webapi.mjs", &stage().await.settings).await;
}

/// A real web application behind login. This client knows no PKCE.
#[tokio::test(flavor = "multi_thread")]
async fn passport_openidconnect_of_npm() {
    let mut stage = stage().await;
    let members = json!({
        "application_type": "native",
        "redirect_uris": [CALLBACK],
        "require_pkce": false,
    });
    let web = Rp::new(&stage.tenant, members).await;
    stage.settings["web"] = client(&web);
    node("passport.mjs", &stage.settings).await;
}

/// With `TOKENHOUSE_TEST_SCREENSHOTS` set, pictures of all pages are left in that folder.
#[tokio::test(flavor = "multi_thread")]
async fn chromium_of_debian() {
    let mut stage = stage().await;
    stage.settings["chromium"] = json!(store_url("TOKENHOUSE_TEST_CHROMIUM"));
    let invited = json!({ "email": "grace.hopper@example.com", "name": "Grace Hopper" });
    let path = format!("/admin/v1/tenants/{}/invitations", stage.tenant.slug);
    let operator = stage.tenant.client(0);
    let made = operator.operator(Method::POST, &path, Some(invited)).await;
    stage.settings["invitation"] = made.body;
    stage.settings["screenshots"] = json!(std::env::var("TOKENHOUSE_TEST_SCREENSHOTS").ok());
    node("chromium.mjs", &stage.settings).await;
}

/// "Authorize" of a tenant's Swagger UI signs in there, and then its requests are the user's.
#[tokio::test(flavor = "multi_thread")]
async fn swagger_ui_in_chromium_of_debian() {
    let mut stage = stage().await;
    let members = json!({
        "application_type": "native",
        "redirect_uris": [format!("{}/docs/oauth2-redirect.html", stage.tenant.issuer())],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code"],
    });
    let docs = Rp::new(&stage.tenant, members).await;
    stage.settings["docs"] = json!({ "client_id": docs.id });
    stage.settings["chromium"] = json!(store_url("TOKENHOUSE_TEST_CHROMIUM"));
    node("swagger-ui.mjs", &stage.settings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authlib_of_pypi() {
    let stage = stage().await;
    let mut command = Command::new(store_url("TOKENHOUSE_TEST_PYTHON"));
    command.arg(clients().join("authlib_flow.py"));
    // It refuses plain http unless told that this is a test.
    command.env("AUTHLIB_INSECURE_TRANSPORT", "1");
    run(command, &stage.settings).await;
}

/// The authorization scenarios of the Model Context Protocol's conformance suite.
#[tokio::test(flavor = "multi_thread")]
async fn mcp_conformance_of_npm() {
    node("mcp.mjs", &stage().await.settings).await;
}

/// What its calls go through: the same client as the other tests'.
async fn fetch(
    request: openidconnect::HttpRequest,
) -> Result<openidconnect::HttpResponse, reqwest::Error> {
    let (parts, body) = request.into_parts();
    let client = crate::harness::Client::new(([127, 0, 0, 1], 0).into());
    let answer = client
        .http
        .request(parts.method, parts.uri.to_string())
        .headers(parts.headers)
        .body(body)
        .send()
        .await?;
    let mut response = openidconnect::http::Response::new(Vec::new());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    *response.body_mut() = answer.bytes().await?.to_vec();
    Ok(response)
}

#[tokio::test(flavor = "multi_thread")]
async fn openidconnect_of_crates_io() {
    use openidconnect::{
        AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, IssuerUrl, Nonce,
        OAuth2TokenResponse, PkceCodeChallenge, RedirectUrl, Scope, TokenResponse,
        core::{
            CoreAuthenticationFlow, CoreClient, CoreIdTokenVerifier, CoreProviderMetadata,
            CoreUserInfoClaims,
        },
    };

    let stage = stage().await;
    let text = |part: &str, name: &str| stage.settings[part][name].as_str().unwrap().to_owned();
    let issuer = IssuerUrl::new(stage.tenant.issuer()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer, &fetch)
        .await
        .unwrap();
    let client = CoreClient::from_provider_metadata(
        metadata,
        ClientId::new(text("web", "client_id")),
        Some(ClientSecret::new(text("web", "client_secret"))),
    )
    .set_redirect_uri(RedirectUrl::new(CALLBACK.to_owned()).unwrap());
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (address, state, nonce) = client
        .authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            CsrfToken::new_random,
            Nonce::new_random,
        )
        .add_scope(Scope::new("email".to_owned()))
        .add_scope(Scope::new("offline_access".to_owned()))
        .set_pkce_challenge(challenge)
        .url();

    // The person in the browser.
    let rp = Rp {
        tenant: stage.tenant.clone(),
        id: text("web", "client_id"),
        secret: None,
    };
    let mut browser = super::browser::Browser::new(&stage.tenant);
    let path = format!("{}?{}", address.path(), address.query().unwrap());
    let end = browser.open(&path).await;
    let username = stage.settings["username"].as_str().unwrap();
    let callback = rp.walk(&mut browser, end, username).await;
    assert_eq!(callback.get("state"), state.secret());

    let code = AuthorizationCode::new(callback.get("code").to_owned());
    let tokens = client
        .exchange_code(code)
        .unwrap()
        .set_pkce_verifier(verifier)
        .request_async(&fetch)
        .await
        .unwrap();
    // The keys as they are now: the first ID token of a tenant makes one.
    let issuer = IssuerUrl::new(stage.tenant.issuer()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer, &fetch)
        .await
        .unwrap();
    let id_token = tokens.id_token().unwrap();
    let verifier: CoreIdTokenVerifier<'_> = CoreIdTokenVerifier::new_confidential_client(
        ClientId::new(text("web", "client_id")),
        ClientSecret::new(text("web", "client_secret")),
        metadata.issuer().clone(),
        metadata.jwks().clone(),
    );
    let claims = id_token.claims(&verifier, &nonce).unwrap();
    let hash = AccessTokenHash::from_token(
        tokens.access_token(),
        id_token.signing_alg().unwrap(),
        id_token.signing_key(&verifier).unwrap(),
    )
    .unwrap();
    assert_eq!(claims.access_token_hash(), Some(&hash));
    let info: CoreUserInfoClaims = client
        .user_info(
            tokens.access_token().to_owned(),
            Some(claims.subject().clone()),
        )
        .unwrap()
        .request_async(&fetch)
        .await
        .unwrap();
    assert_eq!(info.email().unwrap().as_str(), username);
    let refreshed = client
        .exchange_refresh_token(tokens.refresh_token().unwrap())
        .unwrap()
        .request_async(&fetch)
        .await
        .unwrap();
    assert_ne!(
        refreshed.refresh_token().unwrap().secret(),
        tokens.refresh_token().unwrap().secret()
    );
}
