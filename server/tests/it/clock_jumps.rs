//! An instance whose clock is hours off, beside one whose clock is right.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokenhouse_server::{
    application::ports::Clock,
    domain::{
        key_rotation::{self, KeyRecord, KeyRules, Step},
        signing_key::SigningAlgorithm,
        tenant::Slug,
        timestamp::Timestamp,
    },
    infrastructure::clock::SystemClock,
};

use crate::harness::{
    Answer, Backend, Client, Installation, Session, Tenant, on_every_backend, until,
};

const HOUR: i64 = 3_600;

/// A clock that is off, which the stores don't know: theirs are right.
#[derive(Default)]
struct Wrong {
    seconds: AtomicI64,
}

impl Clock for Wrong {
    fn now(&self) -> Timestamp {
        let off = self.seconds.load(Ordering::SeqCst) * 1_000_000;
        Timestamp::from_micros(SystemClock.now().as_micros() + off)
    }
}

impl Wrong {
    fn jump_to(&self, seconds: i64) {
        self.seconds.store(seconds, Ordering::SeqCst);
    }
}

/// The claims of an access token that this answer has, whose lifetime is as it should be.
fn claims(answer: &Answer) -> Value {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.body["expires_in"], 900, "{answer:?}");
    let token = Session::of(answer).access_token;
    let payload = token.split('.').nth(1).unwrap();
    let decoded = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, payload);
    let claims: Value = serde_json::from_slice(&decoded.unwrap()).unwrap();
    let of = |name: &str| claims[name].as_i64().unwrap();
    assert_eq!(of("exp") - of("iat"), 900, "{claims}");
    claims
}

fn age(claims: &Value) -> i64 {
    SystemClock.now().as_micros() / 1_000_000 - claims["iat"].as_i64().unwrap()
}

/// The tenant, with the instance whose clock is wrong as number 2.
async fn with_a_wrong_clock(mut installation: Installation) -> (Arc<Wrong>, Installation, Tenant) {
    let clock = Arc::new(Wrong::default());
    installation.add_instance(clock.clone()).await;
    let tenant = installation.tenant().await;
    (clock, installation, tenant)
}

async fn a_jump_ends_no_session_and_makes_no_odd_lifetime(installation: Installation) {
    let (clock, installation, tenant) = with_a_wrong_clock(installation).await;
    // SQLite has no clock but that of the machine, so that its instances can't differ.
    let (retried_at, retried_off) = match installation.database.starts_with("sqlite:") {
        true => (2, 1),
        false => (0, 0),
    };
    let mut session = tenant.session().await;
    for off in [5 * HOUR, -5 * HOUR, 26 * HOUR, -26 * HOUR, 0] {
        clock.jump_to(off);
        let there = tenant.refresh(2, &session.refresh_token).await;
        let made = claims(&there);
        assert!((age(&made) + off).abs() < 60, "{off}: {made}");
        // The same request once more, at an instance whose clock is right: the same successor.
        let again = tenant.refresh(retried_at, &session.refresh_token).await;
        let made = claims(&again);
        assert!((age(&made) + off * retried_off).abs() < 60, "{off}: {made}");
        let successor = Session::of(&there).refresh_token;
        assert_eq!(Session::of(&again).refresh_token, successor, "{off}");
        let here = tenant.refresh(1, &successor).await;
        assert!(age(&claims(&here)).abs() < 60, "{off}");
        session = Session::of(&here);
        let user = tenant.current_user(0, &session.access_token).await;
        assert_eq!(user.status, StatusCode::OK, "{off}: {user:?}");
    }
}

async fn a_session_begun_with_a_wrong_clock_goes_on_with_a_right_one(installation: Installation) {
    let (clock, _installation, tenant) = with_a_wrong_clock(installation).await;
    for off in [5 * HOUR, -5 * HOUR] {
        clock.jump_to(off);
        let email = tenant.user().await;
        let body = serde_json::json!({
            "email": email, "password": crate::harness::PASSWORD, "delivery": "body"
        });
        let login = tenant
            .client(2)
            .post(&tenant.path("/auth/login"), body)
            .await;
        claims(&login);
        let refreshed = tenant.refresh(0, &Session::of(&login).refresh_token).await;
        assert!(age(&claims(&refreshed)).abs() < 60, "{off}");
        let session = Session::of(&refreshed);
        let user = tenant.current_user(1, &session.access_token).await;
        assert_eq!(user.status, StatusCode::OK, "{off}: {user:?}");
        // Set right again, the instance makes tokens of now.
        clock.jump_to(0);
        let refreshed = tenant.refresh(2, &session.refresh_token).await;
        assert!(age(&claims(&refreshed)).abs() < 60, "{off}");
        // Theft is theft, whatever the clock said.
        clock.jump_to(off);
        let stolen = tenant.refresh(2, &Session::of(&login).refresh_token).await;
        assert_eq!(stolen.status, StatusCode::UNAUTHORIZED, "{off}: {stolen:?}");
    }
}

/// What an instance ahead of time signed is good for as long as its claims say by a right clock, and
/// what it takes for expired it doesn't end.
async fn a_token_is_judged_by_the_clock_of_who_judges(installation: Installation) {
    let (clock, _installation, tenant) = with_a_wrong_clock(installation).await;
    let session = tenant.session().await;
    clock.jump_to(5 * HOUR);
    let expired = tenant.current_user(2, &session.access_token).await;
    assert_eq!(expired.status, StatusCode::UNAUTHORIZED, "{expired:?}");
    let here = tenant.current_user(0, &session.access_token).await;
    assert_eq!(here.status, StatusCode::OK, "{here:?}");
    clock.jump_to(-5 * HOUR);
    let back = tenant.current_user(2, &session.access_token).await;
    assert!(!back.status.is_server_error(), "{back:?}");
    let refreshed = tenant.refresh(0, &session.refresh_token).await;
    assert!(age(&claims(&refreshed)).abs() < 60);
}

async fn rotate_keys(tenant: &Tenant, n: usize) -> Answer {
    let path = format!("/admin/v1/tenants/{}/keys", tenant.slug);
    let client = tenant.client(n);
    client.operator(Method::POST, &path, Some(json!({}))).await
}

async fn management(installation: &Installation, n: usize, path: &str) -> Answer {
    let client = Client::new(installation.instances[n].management_address);
    client.get(path).await
}

#[tokio::test]
async fn an_instance_that_is_off_says_so_stays_in_service_and_changes_no_keys() {
    let installation = Installation::alone(Backend::Postgres).await;
    let (clock, installation, tenant) = with_a_wrong_clock(installation).await;
    let ready = async |n| management(&installation, n, "/readyz").await;
    let up = json!({ "database": "up", "clock": "up" });
    assert_eq!(ready(2).await.body["checks"], up);
    for (off, said) in [
        (400 * 24 * HOUR, "400 days ahead of the database's since 2"),
        (-3 * HOUR, "3 hours behind the database's since 2"),
    ] {
        clock.jump_to(off);
        let answer = ready(2).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.body["status"], "degraded");
        assert_eq!(answer.body["checks"]["database"], "up");
        assert_eq!(answer.body["checks"]["clock"], "degraded");
        let reason = answer.body["reasons"]["clock"].as_str().unwrap();
        assert!(reason.starts_with(said), "{reason}");
        let metrics = management(&installation, 2, "/metrics").await.text;
        let up = "tokenhouse_dependency_up{dependency=\"clock\"} 1";
        let degraded = "tokenhouse_dependency_degraded{dependency=\"clock\"} 1";
        assert!(
            metrics.contains(up) && metrics.contains(degraded),
            "{metrics}"
        );
        assert_eq!(
            ready(0).await.body["status"],
            "ready",
            "the others are well"
        );

        let refused = rotate_keys(&tenant, 2).await;
        refused.assert_problem(503, "unavailable");
        clock.jump_to(0);
        assert_eq!(ready(2).await.body["status"], "ready");
    }
    let rotated = rotate_keys(&tenant, 2).await;
    assert_eq!(rotated.status, StatusCode::CREATED, "{rotated:?}");
}

/// As an instance wrote them that didn't look at the database's clock.
async fn write_keys_ahead(installation: &Installation, tenant: &Tenant) {
    let app = &installation.instances[0].app;
    let slug = Slug::parse(&tenant.slug).unwrap();
    let found = app.tenants.by_slug(&slug).await.unwrap().unwrap();
    let scope = found.enter(&app.public_url).unwrap();
    let micros = 400 * 24 * HOUR * 1_000_000;
    let ahead = Timestamp::from_micros(app.now().as_micros() + micros);
    let decide = |keys: &[KeyRecord], rules: &KeyRules| {
        let moved = keys.iter().map(|key| {
            Step::Move(KeyRecord {
                since: ahead,
                ..key.clone()
            })
        });
        let next = key_rotation::rotate(&[], rules, SigningAlgorithm::Es256, ahead)?;
        Ok(moved.chain(next).collect())
    };
    app.keyring.change(&scope, &decide, ahead).await.unwrap();
}

async fn keys_of_the_future_are_brought_back(installation: Installation) {
    let tenant = installation.tenant().await;
    write_keys_ahead(&installation, &tenant).await;
    let path = format!("/admin/v1/tenants/{}/keys", tenant.slug);
    let now = SystemClock.now() + std::time::Duration::from_secs(120);
    let keys = until("the schedule looks at them", async || {
        let keys = tenant.client(1).operator(Method::GET, &path, None).await;
        let keys = keys.body["items"].as_array().unwrap().clone();
        let created = keys[0]["created_at"].as_str().unwrap();
        (Timestamp::parse_rfc3339(created).unwrap() < now).then_some(keys)
    })
    .await;
    let states: Vec<_> = keys.iter().map(|key| &key["state"]).collect();
    assert_eq!(states, ["next", "active"]);
    let again = rotate_keys(&tenant, 0).await;
    assert_eq!(again.body["kid"], keys[0]["kid"]);
    installation
        .clock
        .advance(std::time::Duration::from_secs(303));
    until("the next key signs", async || {
        let keys = tenant.client(0).operator(Method::GET, &path, None).await;
        (keys.body["items"][0]["state"] == "active").then_some(())
    })
    .await;
}

on_every_backend!(alone: keys_of_the_future_are_brought_back);
on_every_backend!(
    a_jump_ends_no_session_and_makes_no_odd_lifetime,
    a_session_begun_with_a_wrong_clock_goes_on_with_a_right_one,
    a_token_is_judged_by_the_clock_of_who_judges,
);
