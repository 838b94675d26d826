//! Client authentication (RFC 6749 §2.3, RFC 7523 §2.2).

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use reqwest::{Method, header};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::rp::{Rp, assert_oauth_error, tokens_of};
use crate::harness::{Answer, Backend, Installation, Tenant, on_every_backend, unique};

on_every_backend!(an_assertion_counts_once_on_all_instances);

/// A client's own key.
struct Key {
    pair: EcdsaKeyPair,
    kid: String,
}

impl Key {
    fn new(kid: &str) -> Self {
        Self {
            pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            kid: kid.to_owned(),
        }
    }

    fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid,
            "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..]),
        })
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = self
            .pair
            .sign(&SystemRandom::new(), message.as_bytes())
            .unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn assertion(&self, claims: &Value) -> String {
        self.sign(&json!({ "alg": "ES256", "kid": self.kid }), claims)
    }
}

fn claims(installation: &Installation, rp: &Rp) -> Value {
    use tokenhouse_server::application::ports::Clock;
    let now = installation.clock.now().as_seconds();
    json!({
        "iss": rp.id, "sub": rp.id, "aud": rp.tenant.issuer(),
        "iat": now, "exp": now + 60, "jti": unique("jti"),
    })
}

async fn ask(rp: &Rp, n: usize, assertion: &str) -> Answer {
    let form = [
        ("grant_type", "client_credentials"),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", assertion),
    ];
    let path = rp.tenant.path("/oauth2/token");
    let client = rp.tenant.client(n);
    client
        .send(client.request(Method::POST, &path).form(&form))
        .await
}

async fn keyed(tenant: &Tenant, keys: Value) -> Rp {
    let mut members = json!({ "token_endpoint_auth_method": "private_key_jwt" });
    for (name, value) in keys.as_object().unwrap() {
        members[name] = value.clone();
    }
    Rp::new(tenant, members).await
}

/// T48.
async fn an_assertion_counts_once_on_all_instances(installation: Installation) {
    let tenant = installation.tenant().await;
    let key = Key::new("k1");
    let rp = keyed(&tenant, json!({ "jwks": { "keys": [key.jwk()] } })).await;
    let assertion = key.assertion(&claims(&installation, &rp));
    let all = (0..20).map(|n| ask(&rp, n, &assertion));
    let answers = futures_util::future::join_all(all).await;
    let counted = answers.iter().filter(|a| a.status.as_u16() == 200).count();
    assert_eq!(counted, 1);
    for answer in answers.iter().filter(|a| a.status.as_u16() != 200) {
        assert_oauth_error(answer, 401, "invalid_client");
    }
}

/// T43, T45, T47, T49.
#[tokio::test]
async fn an_assertion_is_the_clients_for_this_issuer() {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let (key, other) = (Key::new("k1"), Key::new("k1"));
    let rp = keyed(&tenant, json!({ "jwks": { "keys": [key.jwk()] } })).await;
    let fresh = || claims(&installation, &rp);
    tokens_of(&ask(&rp, 0, &key.assertion(&fresh())).await);
    let mut bad = vec![
        other.assertion(&fresh()),
        other.sign(
            &json!({ "alg": "ES256", "kid": "k1", "jwk": other.jwk() }),
            &fresh(),
        ),
        key.sign(&json!({ "alg": "ES256", "kid": "../../x" }), &fresh()),
        key.sign(&json!({ "alg": "RS256", "kid": "k1" }), &fresh()),
        key.sign(
            &json!({ "alg": "ES256", "kid": "k1", "crit": ["x"], "x": 1 }),
            &fresh(),
        ),
        key.sign(
            &json!({ "alg": "ES256", "kid": "k1", "b64": false }),
            &fresh(),
        ),
        "a.b.c".to_owned(),
        "x".repeat(20_000),
    ];
    for alg in ["none", "None", "nOnE", "", "HS256"] {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(&json!({ "alg": alg, "kid": "k1" }));
        bad.push(format!("{header}.{}.", part(&fresh())));
        bad.push(format!("{header}.{}.AAAA", part(&fresh())));
    }
    for (name, value) in [
        ("aud", json!([tenant.issuer()])),
        ("aud", json!(format!("{}/oauth2/token", tenant.issuer()))),
        ("aud", json!(format!("{}/", tenant.issuer()))),
        ("iss", json!("other")),
        ("sub", json!("other")),
        ("exp", json!("soon")),
        ("exp", json!(null)),
        ("jti", json!(null)),
    ] {
        let mut claims = fresh();
        claims[name] = value;
        bad.push(key.assertion(&claims));
    }
    for assertion in bad {
        let answer = ask(&rp, 0, &assertion).await;
        assert_oauth_error(&answer, 401, "invalid_client");
    }
}

/// `registration-jwks-uri`, `refresh-token-rp-key-rotation`: a new key is found when it is needed.
#[tokio::test]
async fn keys_are_fetched_and_a_new_one_is_found() {
    let (old, new) = (Key::new("old"), Key::new("new"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/keys", listener.local_addr().unwrap());
    let sets = [
        json!({ "keys": [old.jwk()] }),
        json!({ "keys": [new.jwk()] }),
    ];
    let served = tokio::spawn(async move {
        for set in sets {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 4_096];
            assert_ne!(socket.read(&mut request).await.unwrap(), 0);
            let body = set.to_string();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            socket
                .write_all(format!("{head}{body}").as_bytes())
                .await
                .unwrap();
        }
    });
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let rp = keyed(&tenant, json!({ "jwks_uri": uri })).await;
    for _ in 0..2 {
        tokens_of(&ask(&rp, 0, &old.assertion(&claims(&installation, &rp))).await);
    }
    installation
        .clock
        .advance(std::time::Duration::from_secs(60));
    tokens_of(&ask(&rp, 0, &new.assertion(&claims(&installation, &rp))).await);
    served.await.unwrap();
    // The old key is a client's no more, and nobody is asked again so soon.
    let refused = ask(&rp, 0, &old.assertion(&claims(&installation, &rp))).await;
    assert_oauth_error(&refused, 401, "invalid_client");
}

/// RFC 6749 §2.3.1: both parts of Basic are form-encoded; one method at a time.
#[tokio::test]
async fn basic_credentials_are_form_decoded_and_alone() {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let rp = Rp::new(&tenant, json!({})).await;
    let (client, path) = (tenant.client(0), tenant.path("/oauth2/token"));
    let secret = rp.secret.clone().unwrap();
    let basic =
        |id: &str, secret: &str| format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    let send = async |value: String, more: &[(&str, &str)]| {
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(more);
        let request = client
            .request(Method::POST, &path)
            .header(header::AUTHORIZATION, value);
        client.send(request.form(&form)).await
    };
    let escaped: String = rp.id.bytes().map(|b| format!("%{b:02X}")).collect();
    tokens_of(&send(basic(&escaped, &secret), &[]).await);
    tokens_of(&send(basic(&rp.id, &secret), &[("client_id", &rp.id)]).await);

    let twice = send(basic(&rp.id, &secret), &[("client_secret", &secret)]).await;
    assert_oauth_error(&twice, 400, "invalid_request");
    for value in [
        basic(&rp.id, "wrong"),
        basic(&rp.id, ""),
        basic("nobody", &secret),
        basic("", ""),
        "Basic ???".to_owned(),
        "Bearer x".to_owned(),
    ] {
        let answer = send(value, &[]).await;
        assert_oauth_error(&answer, 401, "invalid_client");
        assert!(answer.header("www-authenticate").starts_with("Basic"));
    }
    let other = Rp::new(&tenant, json!({})).await;
    let mixed = send(basic(&rp.id, &secret), &[("client_id", &other.id)]).await;
    assert_oauth_error(&mixed, 401, "invalid_client");
    // An unknown client and a wrong secret are one answer.
    let (unknown, wrong) = (
        send(basic("nobody", &secret), &[]).await,
        send(basic(&rp.id, "x"), &[]).await,
    );
    assert_eq!(unknown.text, wrong.text);
}

/// RFC 6749 §3.2 and §5.2.
#[tokio::test]
async fn the_token_endpoint_speaks_its_dialect() {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let rp = Rp::new(&tenant, json!({})).await;
    for (form, error) in [
        (vec![], "invalid_request"),
        (vec![("grant_type", "")], "invalid_request"),
        (vec![("grant_type", "password")], "unsupported_grant_type"),
        (vec![("grant_type", "implicit")], "unsupported_grant_type"),
        (
            vec![("grant_type", "authorization_code")],
            "invalid_request",
        ),
        (vec![("grant_type", "refresh_token")], "invalid_request"),
        (
            vec![("grant_type", "refresh_token"), ("refresh_token", "thr_x")],
            "invalid_grant",
        ),
        (
            vec![
                ("grant_type", "client_credentials"),
                ("scope", "orders"),
                ("scope", "orders"),
            ],
            "invalid_request",
        ),
        (
            vec![
                ("grant_type", "client_credentials"),
                ("grant_type", "client_credentials"),
            ],
            "invalid_request",
        ),
    ] {
        assert_oauth_error(&rp.post(0, "token", &form).await, 400, error);
    }
    let (client, path) = (tenant.client(0), tenant.path("/oauth2/token"));
    let json_body = client
        .request(Method::POST, &path)
        .json(&json!({ "grant_type": "x" }));
    assert_oauth_error(&client.send(json_body).await, 400, "invalid_request");
    let large = client
        .request(Method::POST, &path)
        .form(&[("grant_type", "x".repeat(70_000))]);
    assert_oauth_error(&client.send(large).await, 413, "invalid_request");
    let bytes = client
        .request(Method::POST, &path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(vec![0xff, 0xfe]);
    assert_oauth_error(&client.send(bytes).await, 400, "invalid_request");
    let get = client.get(&path).await;
    assert_eq!((get.status.as_u16(), get.header("allow")), (405, "POST"));
    let no_grant = Rp::new(&tenant, json!({ "grant_types": ["authorization_code"] })).await;
    let form = [("grant_type", "client_credentials")];
    assert_oauth_error(
        &no_grant.post(0, "token", &form).await,
        400,
        "unauthorized_client",
    );
}
