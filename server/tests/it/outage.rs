//! Stores that fail: 503 with `Retry-After`, never a 4xx that logs a user out, and nothing lost.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    cable::behind_cable,
    harness::{Answer, Installation, PASSWORD, Session, store_url, until},
};

fn assert_unavailable(answer: &Answer) {
    answer.assert_problem(503, "unavailable");
    assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
}

/// Recovery has no promised moment; asking again is what clients do.
async fn until_ok(mut ask: impl AsyncFnMut() -> Answer) -> Answer {
    for _ in 0..200 {
        let answer = ask().await;
        if answer.status == StatusCode::OK {
            return answer;
        }
        assert_unavailable(&answer);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the store is back, the server is not");
}

async fn readyz(installation: &Installation) -> (u16, Value) {
    let address = installation.instances[0].management_address;
    let answer = reqwest::get(format!("http://{address}/readyz"))
        .await
        .unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn readiness(installation: &Installation) -> u16 {
    readyz(installation).await.0
}

#[tokio::test]
async fn without_redis_a_refresh_is_503_and_the_same_request_works_later() {
    let (cable, redis) = behind_cable(&store_url("TOKENHOUSE_TEST_REDIS_URL")).await;
    let database = store_url("TOKENHOUSE_TEST_POSTGRES_URL");
    let installation =
        Installation::with_stores(tempfile::tempdir().unwrap(), &database, Some(&redis)).await;
    let tenant = installation.tenant().await;
    let session = Session::of(
        &tenant
            .refresh(0, &tenant.session().await.refresh_token)
            .await,
    );
    assert_eq!(readiness(&installation).await, 200);

    cable.set_cut(true).await;
    assert_unavailable(&tenant.refresh(0, &session.refresh_token).await);
    // All instances have the same Redis: what goes on without it must stay reachable.
    let (status, said) = readyz(&installation).await;
    assert_eq!(status, 200, "{said}");
    assert_eq!(said["status"], "degraded");
    assert_eq!(
        said["checks"],
        json!({ "clock": "up", "database": "up", "redis": "down" })
    );
    // Login and current user don't need it.
    let other = tenant.session().await;
    assert_eq!(
        tenant.current_user(0, &other.access_token).await.status,
        StatusCode::OK
    );

    cable.set_cut(false).await;
    until_ok(async || tenant.refresh(0, &session.refresh_token).await).await;
    assert_eq!(
        tenant.refresh(1, &other.refresh_token).await.status,
        StatusCode::OK
    );
    assert_eq!(readiness(&installation).await, 200);
}

/// A failover behind one address, where the old machine says no goodbye: the operating system would send
/// into the void for a quarter of an hour.
#[tokio::test]
async fn a_link_to_redis_that_swallows_everything_is_replaced() {
    let (cable, redis) = behind_cable(&store_url("TOKENHOUSE_TEST_REDIS_URL")).await;
    let database = store_url("TOKENHOUSE_TEST_POSTGRES_URL");
    let installation =
        Installation::with_stores(tempfile::tempdir().unwrap(), &database, Some(&redis)).await;
    let tenant = installation.tenant().await;
    let session = tenant.session().await;
    let session = Session::of(&tenant.refresh(0, &session.refresh_token).await);

    cable.swallow().await;
    assert_unavailable(&tenant.refresh(0, &session.refresh_token).await);
    until_ok(async || tenant.refresh(0, &session.refresh_token).await).await;
    assert_eq!(readiness(&installation).await, 200);
}

#[tokio::test]
async fn links_to_the_database_that_swallow_everything_are_replaced() {
    let (cable, database) = behind_cable(&store_url("TOKENHOUSE_TEST_POSTGRES_URL")).await;
    let installation =
        Installation::with_stores(tempfile::tempdir().unwrap(), &database, None).await;
    let tenant = installation.tenant().await;
    let email = tenant.user().await;
    // As many connections as the pool may have.
    futures_util::future::join_all((0..16).map(|_| tenant.login(&email))).await;
    assert_eq!(readiness(&installation).await, 200);

    cable.swallow().await;
    assert_eq!(readiness(&installation).await, 503);
    // The next probe finds new ones, and so does whoever comes.
    until("the database is reached again", async || {
        (readiness(&installation).await == 200).then_some(())
    })
    .await;
    let login = json!({ "email": email, "password": PASSWORD, "delivery": "body" });
    let path = tenant.path("/auth/login");
    until_ok(async || tenant.client(0).post(&path, login.clone()).await).await;
}

#[tokio::test]
async fn without_the_database_everything_is_503_and_nobody_is_logged_out() {
    let (cable, database) = behind_cable(&store_url("TOKENHOUSE_TEST_POSTGRES_URL")).await;
    let installation =
        Installation::with_stores(tempfile::tempdir().unwrap(), &database, None).await;
    let tenant = installation.tenant().await;
    let email = tenant.user().await;
    let session = tenant.login(&email).await;
    assert_eq!(
        tenant.current_user(0, &session.access_token).await.status,
        StatusCode::OK
    );

    cable.set_cut(true).await;
    // Whose a host is, nobody knows now: it isn't taken for nobody's. This server's own is known.
    let elsewhere = tenant.at_domain("login.acme.example");
    assert_unavailable(&elsewhere.client(0).get("/openapi.json").await);
    let own = tenant.client(0).get("/openapi.json").await;
    assert_eq!(own.status, StatusCode::OK);
    let login = json!({ "email": email, "password": PASSWORD });
    assert_unavailable(&tenant.refresh(0, &session.refresh_token).await);
    assert_unavailable(
        &tenant
            .client(0)
            .post(&tenant.path("/auth/login"), login)
            .await,
    );
    let logout = json!({ "refresh_token": session.refresh_token });
    assert_unavailable(
        &tenant
            .client(0)
            .post(&tenant.path("/auth/logout"), logout)
            .await,
    );
    let new = json!({ "name": "New", "email": "new@example.com", "password": PASSWORD });
    assert_unavailable(
        &tenant
            .client(0)
            .post(&tenant.path("/auth/signup"), new.clone())
            .await,
    );
    assert_eq!(readiness(&installation).await, 503);

    cable.set_cut(false).await;
    until_ok(async || tenant.refresh(0, &session.refresh_token).await).await;
    until_ok(async || tenant.current_user(0, &session.access_token).await).await;
    let signup = tenant
        .client(0)
        .post(&tenant.path("/auth/signup"), new)
        .await;
    assert_eq!(
        signup.status,
        StatusCode::CREATED,
        "nothing was half-written: {signup:?}"
    );
}

/// T74: a flood of one tenant's logins fills its share of the queue, and no more.
#[tokio::test]
async fn a_login_flood_is_turned_away_and_other_tenants_are_served() {
    let installation = Installation::start(crate::harness::Backend::Sqlite).await;
    let (flooded, quiet) = (installation.tenant().await, installation.tenant().await);
    let session = quiet.session().await;
    let flood: Vec<_> = (0..400)
        .map(|n| {
            let flooded = flooded.clone();
            let login =
                json!({ "email": format!("nobody{n}@example.com"), "password": "wrong password" });
            tokio::spawn(async move {
                flooded
                    .client(0)
                    .post(&flooded.path("/auth/login"), login)
                    .await
            })
        })
        .collect();
    // In the middle of it: what needs no hashing answers, and another tenant's login gets its turn.
    let refreshed = quiet.refresh(0, &session.refresh_token).await;
    assert_eq!(refreshed.status, StatusCode::OK, "{refreshed:?}");
    let keys = quiet.client(0).get(&quiet.path("/oauth2/jwks")).await;
    assert_eq!(keys.status, StatusCode::OK);
    let login = json!({ "email": "nobody@example.com", "password": "wrong password" });
    let quiet_login = quiet
        .client(0)
        .post(&quiet.path("/auth/login"), login)
        .await;
    quiet_login.assert_problem(401, "wrong-credentials");

    let (mut refused, mut turned_away) = (0, 0);
    for attempt in flood {
        let answer = attempt.await.unwrap();
        if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            answer.assert_problem(503, "overloaded");
            let seconds: u64 = answer.header("retry-after").parse().unwrap();
            assert!((1..=3).contains(&seconds));
            turned_away += 1;
        } else {
            answer.assert_problem(401, "wrong-credentials");
            refused += 1;
        }
    }
    assert!(
        refused > 0 && turned_away > 0,
        "{refused} refused, {turned_away} turned away"
    );
}
