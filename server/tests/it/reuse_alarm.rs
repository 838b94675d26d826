//! The alarm of a refresh token that was used twice while the database took no writes.

use reqwest::StatusCode;
use serde_json::json;

use crate::{
    admin::audit_events::events,
    faults::OwnDatabase,
    harness::{Answer, Client, Installation, Session, Tenant, store_url, until},
    oidc::{
        browser::Browser,
        rp::{Rp, tokens_of},
    },
};

/// A family whose first token was rotated twice, so that using it again is reuse at once.
enum Family {
    OfSession(Tenant),
    OfClient(Rp),
}

impl Family {
    async fn begin(tenant: &Tenant, of_client: bool) -> (Self, [String; 2]) {
        let email = tenant.user().await;
        if of_client {
            let rp = Rp::new(tenant, json!({})).await;
            let tokens = rp.tokens(&mut Browser::new(tenant), &email, &[]).await;
            let first = tokens.refresh().to_owned();
            let second = tokens_of(&rp.refresh(0, &first, &[]).await);
            let third = tokens_of(&rp.refresh(1, second.refresh(), &[]).await);
            let live = third.refresh().to_owned();
            return (Self::OfClient(rp), [first, live]);
        }
        let first = tenant.login(&email).await.refresh_token;
        let second = Session::of(&tenant.refresh(0, &first).await).refresh_token;
        let live = Session::of(&tenant.refresh(1, &second).await).refresh_token;
        (Self::OfSession(tenant.clone()), [first, live])
    }

    async fn refresh(&self, n: usize, token: &str) -> Answer {
        match self {
            Self::OfSession(tenant) => tenant.refresh(n, token).await,
            Self::OfClient(rp) => rp.refresh(n, token, &[]).await,
        }
    }

    fn refused(&self) -> StatusCode {
        match self {
            Self::OfSession(_) => StatusCode::UNAUTHORIZED,
            Self::OfClient(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// How often the instances raised the alarm: counted when an event is noted, not when it is written.
async fn alarms(installation: &Installation) -> u32 {
    let mut alarms = 0;
    for instance in &installation.instances {
        let metrics = Client::new(instance.management_address)
            .get("/metrics")
            .await;
        let series = "tokenhouse_events_total{event=\"grant.refresh_reused\"} ";
        let mut lines = metrics.text.lines();
        let count = lines.find_map(|line| line.strip_prefix(series));
        alarms += count.map_or(0, |count| count.parse().unwrap());
    }
    alarms
}

async fn reuse_while_nothing_can_be_written(redis: Option<&str>, of_client: bool) {
    let database = OwnDatabase::create().await;
    let folder = tempfile::tempdir().unwrap();
    let installation = Installation::with_stores(folder, &database.url, redis).await;
    let tenant = installation.tenant().await;
    let (family, [first, live]) = Family::begin(&tenant, of_client).await;

    database.set_read_only(true).await;
    for n in [0, 1] {
        let refused = family.refresh(n, &first).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(alarms(&installation).await, 0, "nothing has ended yet");

    database.set_read_only(false).await;
    // With Redis whoever comes next meets the dead family, be it with the live token.
    let retried = if redis.is_some() { &live } else { &first };
    until("the end is made up for", async || {
        let answer = family.refresh(0, retried).await;
        (answer.status == family.refused()).then_some(())
    })
    .await;
    assert_eq!(alarms(&installation).await, 1);
    for token in [&first, &live, &first] {
        for n in [0, 1] {
            let answer = family.refresh(n, token).await;
            assert_eq!(answer.status, family.refused(), "{answer:?}");
        }
    }
    assert_eq!(alarms(&installation).await, 1, "once");
    let noted = until("it is in the log", async || {
        let noted = events(&tenant, "&event=grant.refresh_reused").await;
        (!noted.is_empty()).then_some(noted)
    })
    .await;
    assert_eq!(noted.len(), 1, "{noted:?}");
    drop(installation);
    database.drop().await;
}

#[tokio::test]
async fn with_redis_the_end_of_a_session_is_made_up_for_and_noted_once() {
    let redis = store_url("TOKENHOUSE_TEST_REDIS_URL");
    reuse_while_nothing_can_be_written(Some(&redis), false).await;
}

#[tokio::test]
async fn with_redis_the_end_of_a_grant_is_made_up_for_and_noted_once() {
    let redis = store_url("TOKENHOUSE_TEST_REDIS_URL");
    reuse_while_nothing_can_be_written(Some(&redis), true).await;
}

#[tokio::test]
async fn with_postgres_alone_reuse_is_found_and_noted_once_when_it_can_be_written() {
    reuse_while_nothing_can_be_written(None, false).await;
    reuse_while_nothing_can_be_written(None, true).await;
}
