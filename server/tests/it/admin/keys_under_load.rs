//! Keys that are rotated all the time, under load, and a verifier that keeps to the key set's freshness and
//! never asks for an unknown key: no token may ever be signed by a key that it doesn't know.
//!
//! A short run by default; `TOKENHOUSE_TEST_ROTATION_SECONDS=60 cargo xtask test -- keys_under_load`
//! is the long one.

use std::{
    collections::{HashMap, HashSet},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::Jwk};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::administrators::ask;
use crate::{
    harness::{Backend, Installation, OPERATOR_TOKEN, Tenant},
    oidc::{
        browser::Browser,
        rp::{Rp, tokens_of},
    },
};

const MAX_AGE: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_secs(2);
const CLIENTS: usize = 4;

/// A verifier's cache: the key set, and when it was asked for.
struct KnownKeys {
    tenant: Tenant,
    keys: HashMap<String, (DecodingKey, Algorithm)>,
    asked_at: Option<Instant>,
}

impl KnownKeys {
    fn new(tenant: &Tenant) -> Self {
        Self {
            tenant: tenant.clone(),
            keys: HashMap::new(),
            asked_at: None,
        }
    }

    /// The claims, if the signature is by a key of the set; the set is as old as it may be.
    async fn verify(&mut self, n: usize, token: &str) -> Value {
        if self.asked_at.is_none_or(|at| at.elapsed() >= MAX_AGE) {
            let asked_at = Instant::now();
            let path = self.tenant.path("/oauth2/jwks");
            let answer = self.tenant.client(n).get(&path).await;
            assert_eq!(answer.header("cache-control"), "public, max-age=1");
            let keys = answer.body["keys"].as_array().unwrap().iter().map(|key| {
                let jwk: Jwk = serde_json::from_value(key.clone()).unwrap();
                let algorithm = key["alg"].as_str().unwrap().parse().unwrap();
                let kid = key["kid"].as_str().unwrap().to_owned();
                (kid, (DecodingKey::from_jwk(&jwk).unwrap(), algorithm))
            });
            self.keys = keys.collect();
            self.asked_at = Some(asked_at);
        }
        let kid = decode_header(token).unwrap().kid.unwrap();
        let known = self.keys.get(&kid);
        let (key, algorithm) = known.unwrap_or_else(|| panic!("{kid} signs and isn't known"));
        let mut validation = Validation::new(*algorithm);
        validation.validate_aud = false;
        decode::<Value>(token, key, &validation).unwrap().claims
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verifier_that_caches_the_key_set_never_meets_an_unknown_key() {
    let seconds = std::env::var("TOKENHOUSE_TEST_ROTATION_SECONDS");
    let seconds = seconds.map_or(12, |text| text.parse().unwrap());
    let installation = Installation::alone(Backend::Redis).await;
    let settings = json!({ "jwks_max_age": MAX_AGE.as_secs() });
    let acme = installation.tenant_with(settings).await;
    let rp = Rp::new(&acme, json!({})).await;
    let email = acme.user().await;

    let stop = AtomicBool::new(false);
    let verified = AtomicU64::new(0);
    let load = (0..CLIENTS).map(|n| client(&rp, &email, n, &stop, &verified));
    let rotate = async {
        let rotated = rotate_all_the_time(&acme, Duration::from_secs(seconds)).await;
        stop.store(true, Ordering::Relaxed);
        rotated
    };
    let (signed, rotated) = tokio::join!(futures_util::future::join_all(load), rotate);
    let signed: HashSet<_> = signed.into_iter().flatten().collect();
    let verified = verified.load(Ordering::Relaxed);
    let summary = format!(
        "{rotated} keys in {seconds} s; {verified} tokens by {} keys",
        signed.len()
    );
    report(&summary);
    assert!(rotated >= seconds / 2 - 2, "{summary}");
    assert!(signed.len() > 3, "the new keys signed: {summary}");
}

#[expect(
    clippy::print_stdout,
    reason = "the long run is for people who look at it"
)]
fn report(summary: &str) {
    println!("{summary}");
}

/// Refreshes and verifies until it is told to stop; the ids of the keys that signed.
async fn client(
    rp: &Rp,
    email: &str,
    n: usize,
    stop: &AtomicBool,
    verified: &AtomicU64,
) -> HashSet<String> {
    let mut browser = Browser::new(&rp.tenant);
    let mut tokens = rp
        .tokens(&mut browser, email, &[("scope", "openid offline_access")])
        .await;
    let mut known = KnownKeys::new(&rp.tenant);
    let mut signed = HashSet::new();
    let mut round = n;
    while !stop.load(Ordering::Relaxed) {
        round += 1;
        for token in [&tokens.access_token, tokens.id_token.as_ref().unwrap()] {
            let claims = known.verify(round, token).await;
            assert_eq!(claims["iss"], rp.tenant.issuer());
            signed.insert(decode_header(token).unwrap().kid.unwrap());
            verified.fetch_add(1, Ordering::Relaxed);
        }
        // We verify our own tokens too: those of the instance next to the one that signed.
        let answer = rp.userinfo(round + 1, &tokens.access_token).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        tokens = tokens_of(&rp.refresh(round, tokens.refresh(), &[]).await);
    }
    signed
}

/// Every two seconds a key of one of the two algorithms; how many.
async fn rotate_all_the_time(tenant: &Tenant, time: Duration) -> u64 {
    let began = Instant::now();
    let mut next = HashMap::<&str, String>::new();
    let mut rotated = 0;
    let mut tick = tokio::time::interval(EVERY);
    while began.elapsed() < time {
        tick.tick().await;
        let alg = ["ES256", "RS256"][usize::from(rotated % 2 == 1)];
        if let Some(kid) = next.get(alg) {
            let path = format!("/keys/{kid}/activate");
            let answer = ask(tenant, 0, OPERATOR_TOKEN, Method::POST, &path, None).await;
            assert_eq!(answer.body["state"], "active", "{answer:?}");
        }
        let body = Some(json!({ "alg": alg }));
        let answer = ask(tenant, 1, OPERATOR_TOKEN, Method::POST, "/keys", body).await;
        assert_eq!(answer.body["state"], "next", "{answer:?}");
        next.insert(alg, answer.body["kid"].as_str().unwrap().to_owned());
        rotated += 1;
    }
    rotated
}
