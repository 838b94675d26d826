use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use std::sync::Arc;

use super::super::{
    SignedAccessTokens, VerifiedTokens,
    jws::{SigningKey, Verifiers},
    key_maker::p256,
};
use crate::{
    application::ports::AccessTokens,
    domain::{
        claims::{AccessClaims, Audience},
        signing_key::{KeyId, PublicKey, SigningAlgorithm},
    },
};

/// Tokens that are signed with one key and verified with another, commonly the same.
fn tokens(
    signing: &PublicKey,
    private_key: &[u8],
    published: &PublicKey,
    verified: VerifiedTokens,
) -> SignedAccessTokens {
    let key = SigningKey::read(signing, private_key).expect("it reads its own key");
    let verifiers = Verifiers::read(std::slice::from_ref(published)).expect("a public key");
    SignedAccessTokens::new(Arc::new(key), Arc::new(verifiers), verified).expect("a header")
}

/// A tenant's key and its tokens.
struct Issuer {
    tokens: SignedAccessTokens,
    public: PublicKey,
    private_key: Vec<u8>,
}

impl Issuer {
    fn new() -> Self {
        Self::remembering(VerifiedTokens::default())
    }

    fn remembering(verified: VerifiedTokens) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let point = p256(pair.public_key().as_ref()).expect("a point");
        let public = PublicKey::new(SigningAlgorithm::Es256, point);
        let private_key = pair.to_pkcs8v1().expect("a document").as_ref().to_vec();
        Self {
            tokens: tokens(&public, &private_key, &public, verified),
            public,
            private_key,
        }
    }

    /// A token that is signed rightly and says something else than ours.
    fn signed(&self, header: &Header, claims: &Value) -> String {
        let key = EncodingKey::from_ec_der(&self.private_key);
        jsonwebtoken::encode(header, claims, &key).expect("it signs")
    }

    fn header(&self) -> Header {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(self.public.id.as_str().to_owned());
        header
    }
}

fn claims() -> AccessClaims {
    AccessClaims {
        iss: "https://id.example/t/a".into(),
        sub: "u".into(),
        aud: Audience::One("https://id.example/t/a".into()),
        client_id: "c".into(),
        iat: 1_000,
        exp: 1_900,
        jti: "j".into(),
        scope: "openid".into(),
        sid: Some("s".into()),
        auth_time: Some(1_000),
        acr: Some("1".into()),
        amr: vec!["pwd".into()],
        roles: Vec::new(),
        entitlements: Vec::new(),
        tenant: "a".into(),
        name: Some("Ada".into()),
        email: None,
        email_verified: Some(false),
        picture: None,
    }
}

fn part(token: &str, n: usize) -> Value {
    let part = token.split('.').nth(n).expect("three parts");
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

#[test]
fn a_token_survives_the_round_trip() {
    let issuer = Issuer::new();
    let token = issuer.tokens.sign(&claims()).expect("it signs");
    // Anew, then from memory.
    for _ in 0..2 {
        assert_eq!(issuer.tokens.verify(&token), Some(claims()));
    }
}

#[test]
fn a_token_has_the_form_of_rfc_9068() {
    let issuer = Issuer::new();
    let token = issuer.tokens.sign(&claims()).expect("it signs");
    assert_eq!(
        part(&token, 0),
        json!({ "typ": "at+jwt", "alg": "ES256", "kid": issuer.public.id.as_str() })
    );
    let body = part(&token, 1);
    assert_eq!(body["aud"], "https://id.example/t/a");
    assert!(body.get("email").is_none(), "absent, not null");
}

#[test]
fn another_implementations_signature_is_read_alike() {
    let issuer = Issuer::new();
    let body = serde_json::to_value(claims()).expect("JSON");
    for typ in [
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "Application/AT+jwt",
    ] {
        let mut header = issuer.header();
        header.typ = Some(typ.to_owned());
        let token = issuer.signed(&header, &body);
        assert_eq!(issuer.tokens.verify(&token), Some(claims()), "{typ}");
    }
}

#[test]
fn every_flipped_byte_and_truncation_is_refused() {
    let issuer = Issuer::new();
    let token = issuer.tokens.sign(&claims()).expect("it signs");
    for position in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[position] = if changed[position] == b'A' {
            b'B'
        } else {
            b'A'
        };
        let changed = String::from_utf8(changed).expect("ASCII");
        assert!(issuer.tokens.verify(&changed).is_none(), "at {position}");
    }
    for length in 0..token.len() {
        assert!(issuer.tokens.verify(&token[..length]).is_none(), "{length}");
    }
    for extended in [
        format!("{token}A"),
        format!("{token}."),
        format!("{token}="),
    ] {
        assert!(issuer.tokens.verify(&extended).is_none());
    }
}

#[test]
fn another_tenant_refuses_a_token_even_when_it_was_just_verified() {
    let verified = VerifiedTokens::default();
    let (one, other) = (
        Issuer::remembering(verified.clone()),
        Issuer::remembering(verified),
    );
    let token = one.tokens.sign(&claims()).expect("it signs");
    assert!(one.tokens.verify(&token).is_some());
    assert!(other.tokens.verify(&token).is_none());
}

type Change = fn(&mut Header);

#[test]
fn headers_that_ask_for_something_else_are_refused() {
    let issuer = Issuer::new();
    let body = serde_json::to_value(claims()).expect("JSON");
    let changes: [(&str, Change); 7] = [
        ("typ JWT", |header| header.typ = Some("JWT".to_owned())),
        ("no typ", |header| header.typ = None),
        ("logout token", |header| {
            header.typ = Some("logout+jwt".to_owned());
        }),
        ("nested typ", |header| {
            header.typ = Some("application/application/at+jwt".to_owned());
        }),
        ("crit", |header| header.crit = Some(vec!["exp".to_owned()])),
        ("unknown kid", |header| header.kid = Some("x".to_owned())),
        ("no kid", |header| header.kid = None),
    ];
    for (what, change) in changes {
        let mut header = issuer.header();
        change(&mut header);
        let token = issuer.signed(&header, &body);
        assert!(issuer.tokens.verify(&token).is_none(), "{what}");
    }
}

/// RFC 8725 §2.1: the token must not choose how it is verified.
#[test]
fn the_algorithm_is_the_keys() {
    let issuer = Issuer::new();
    let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims()).expect("JSON"));
    let kid = issuer.public.id.as_str();
    for alg in ["none", "None", "HS256", "ES384", "RS256", "EdDSA", ""] {
        let header = json!({ "typ": "at+jwt", "alg": alg, "kid": kid }).to_string();
        let header = URL_SAFE_NO_PAD.encode(header);
        for signature in ["", "AAAA", &"A".repeat(86)] {
            let token = format!("{header}.{body}.{signature}");
            assert!(issuer.tokens.verify(&token).is_none(), "{alg}");
        }
    }
    // The public key as an HMAC secret.
    let mut header = issuer.header();
    header.alg = Algorithm::HS256;
    for secret in [
        issuer.public.material.canonical(),
        issuer.public.id.as_str().to_owned(),
    ] {
        let token = jsonwebtoken::encode(
            &header,
            &claims(),
            &EncodingKey::from_secret(secret.as_bytes()),
        )
        .expect("it signs");
        assert!(issuer.tokens.verify(&token).is_none());
    }
}

/// A key that comes along with the token is nobody's key.
#[test]
fn keys_in_the_header_are_not_looked_at() {
    let (issuer, attacker) = (Issuer::new(), Issuer::new());
    let body = serde_json::to_value(claims()).expect("JSON");
    let mut header = attacker.header();
    header.kid = Some(issuer.public.id.as_str().to_owned());
    header.jku = Some("https://attacker.example/jwks".to_owned());
    header.x5u = Some("https://attacker.example/x5".to_owned());
    header.jwk = serde_json::from_str(&attacker.public.material.canonical()).ok();
    assert!(header.jwk.is_some());
    assert!(
        issuer
            .tokens
            .verify(&attacker.signed(&header, &body))
            .is_none()
    );
}

#[test]
fn mistyped_and_missing_claims_are_refused() {
    let issuer = Issuer::new();
    let whole = serde_json::to_value(claims()).expect("JSON");
    for (claim, value) in [
        ("exp", json!("1900")),
        ("exp", json!(1900.5)),
        ("exp", json!(null)),
        ("iat", json!(["1000"])),
        ("aud", json!({ "https://id.example/t/a": 1 })),
        ("sub", json!(1)),
        ("amr", json!("pwd")),
        ("email_verified", json!("true")),
    ] {
        let mut body = whole.clone();
        body[claim] = value.clone();
        let token = issuer.signed(&issuer.header(), &body);
        assert!(issuer.tokens.verify(&token).is_none(), "{claim}: {value}");
    }
    for claim in ["iss", "sub", "aud", "exp", "iat", "jti", "tenant"] {
        let mut body = whole.clone();
        body.as_object_mut().expect("an object").remove(claim);
        let token = issuer.signed(&issuer.header(), &body);
        assert!(issuer.tokens.verify(&token).is_none(), "without {claim}");
    }
}

#[test]
fn long_texts_are_refused_unread() {
    let issuer = Issuer::new();
    let mut long = claims();
    long.scope = "x".repeat(8 * 1024);
    let token = issuer.tokens.sign(&long).expect("it signs");
    assert!(issuer.tokens.verify(&token).is_none());
}

#[test]
fn a_key_under_a_wrong_name_is_no_key() {
    let issuer = Issuer::new();
    let mut renamed = issuer.public.clone();
    renamed.id = KeyId::from_thumbprint("x".to_owned());
    let verified = VerifiedTokens::default();
    let named = tokens(&renamed, &issuer.private_key, &issuer.public, verified);
    let token = named.sign(&claims()).expect("it signs");
    assert!(named.verify(&token).is_none());
}
