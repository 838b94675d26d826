//! How often clients are asked for their keys (T87).

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::join_all;
use serde_json::{Value, json};
use url::Url;

use super::super::client_keys::FetchedClientKeys;
use crate::{
    application::ports::{ClientKeySets, Outbound, OutboundError},
    domain::id::TenantId,
    testing::{self, clock::TestClock},
};

/// Answers every URL alike, after a moment, and counts.
struct Publisher {
    answer: Mutex<Result<Value, OutboundError>>,
    fetches: AtomicUsize,
}

impl Publisher {
    fn publish(&self, kids: &[&str]) {
        *self.answer.lock().unwrap() = Ok(set(kids));
    }

    fn fail(&self) {
        *self.answer.lock().unwrap() = Err(OutboundError::Failed);
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Outbound for Publisher {
    async fn get_json(&self, _: TenantId, _: &Url) -> Result<Value, OutboundError> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.answer.lock().unwrap().clone()
    }

    async fn post_form(
        &self,
        _: TenantId,
        _: &Url,
        _: &[(&str, &str)],
    ) -> Result<(), OutboundError> {
        Err(OutboundError::Forbidden)
    }

    fn may_fetch(&self, _: &Url) -> Result<(), OutboundError> {
        Ok(())
    }
}

fn set(kids: &[&str]) -> Value {
    let keys: Vec<_> = kids
        .iter()
        .map(|kid| json!({ "kty": "EC", "kid": kid }))
        .collect();
    json!({ "keys": keys })
}

fn start(kids: &[&str]) -> (Arc<Publisher>, TestClock, FetchedClientKeys) {
    let publisher = Arc::new(Publisher {
        answer: Mutex::new(Ok(set(kids))),
        fetches: AtomicUsize::default(),
    });
    let clock = TestClock::default();
    let keys = FetchedClientKeys::new(
        Arc::clone(&publisher) as Arc<dyn Outbound>,
        Arc::new(clock.clone()),
    );
    (publisher, clock, keys)
}

fn uri() -> Url {
    "https://rp.example/keys".parse().unwrap()
}

#[tokio::test]
async fn a_set_is_kept_for_five_minutes() {
    let (publisher, clock, keys) = start(&["a"]);
    let tenant = testing::tenant();
    for _ in 0..3 {
        let found = keys.keys(&tenant, &uri(), None).await.unwrap();
        assert_eq!(*found, set(&["a"]));
    }
    clock.advance(Duration::from_secs(295));
    keys.keys(&tenant, &uri(), None).await.unwrap();
    assert_eq!(publisher.fetches(), 1);
    clock.advance(Duration::from_secs(6));
    keys.keys(&tenant, &uri(), None).await.unwrap();
    assert_eq!(publisher.fetches(), 2);
}

#[tokio::test]
async fn whoever_asks_meanwhile_waits_for_the_same_answer() {
    let (publisher, _, keys) = start(&["a"]);
    let (tenant, uri) = (testing::tenant(), uri());
    let answers = join_all((0..50).map(|_| keys.keys(&tenant, &uri, None))).await;
    assert!(answers.into_iter().all(|answer| answer.is_ok()));
    assert_eq!(publisher.fetches(), 1);

    let (publisher, _, keys) = start(&[]);
    publisher.fail();
    let answers = join_all((0..50).map(|_| keys.keys(&tenant, &uri, None))).await;
    assert!(answers.into_iter().all(|answer| answer.is_err()));
    assert_eq!(publisher.fetches(), 1);
}

#[tokio::test]
async fn a_thousand_unknown_keys_cost_one_fetch_an_interval() {
    let (publisher, clock, keys) = start(&["a"]);
    let (tenant, uri) = (testing::tenant(), uri());
    keys.keys(&tenant, &uri, None).await.unwrap();
    for fetches in [1, 2, 3] {
        let kids: Vec<_> = (0..1_000).map(|n| format!("{fetches}-{n}")).collect();
        let asks = kids.iter().map(|kid| keys.keys(&tenant, &uri, Some(kid)));
        for answer in join_all(asks).await {
            assert_eq!(*answer.unwrap(), set(&["a"]));
        }
        assert_eq!(publisher.fetches(), fetches);
        clock.advance(Duration::from_secs(11));
    }
}

#[tokio::test]
async fn a_rotated_key_is_found_by_the_first_who_asks_after_the_interval() {
    let (publisher, clock, keys) = start(&["a"]);
    let tenant = testing::tenant();
    keys.keys(&tenant, &uri(), None).await.unwrap();
    publisher.publish(&["b"]);
    let early = keys.keys(&tenant, &uri(), Some("b")).await.unwrap();
    assert_eq!(*early, set(&["a"]));
    clock.advance(Duration::from_secs(11));
    let found = keys.keys(&tenant, &uri(), Some("b")).await.unwrap();
    assert_eq!(*found, set(&["b"]));
    // It is known now: asking for it fetches no more.
    clock.advance(Duration::from_secs(11));
    keys.keys(&tenant, &uri(), Some("b")).await.unwrap();
    assert_eq!(publisher.fetches(), 2);
}

#[tokio::test]
async fn a_failure_is_remembered_for_ten_seconds() {
    let (publisher, clock, keys) = start(&["a"]);
    let tenant = testing::tenant();
    publisher.fail();
    for _ in 0..3 {
        let answer = keys.keys(&tenant, &uri(), Some("a")).await;
        assert_eq!(answer, Err(OutboundError::Failed));
    }
    assert_eq!(publisher.fetches(), 1);
    publisher.publish(&["a"]);
    assert!(keys.keys(&tenant, &uri(), None).await.is_err());
    clock.advance(Duration::from_secs(11));
    assert!(keys.keys(&tenant, &uri(), None).await.is_ok());
}

#[tokio::test]
async fn a_failure_neither_takes_a_good_set_away_nor_keeps_an_old_one() {
    let (publisher, clock, keys) = start(&["a"]);
    let tenant = testing::tenant();
    keys.keys(&tenant, &uri(), None).await.unwrap();
    publisher.fail();
    clock.advance(Duration::from_secs(295));
    let kept = keys.keys(&tenant, &uri(), Some("b")).await.unwrap();
    assert_eq!((publisher.fetches(), &*kept), (2, &set(&["a"])));
    assert!(keys.keys(&tenant, &uri(), None).await.is_ok());
    // Revoked keys don't live on because their publisher is down.
    clock.advance(Duration::from_secs(6));
    assert!(keys.keys(&tenant, &uri(), None).await.is_err());
    clock.advance(Duration::from_secs(11));
    assert!(keys.keys(&tenant, &uri(), None).await.is_err());
}

#[tokio::test]
async fn whoever_hangs_up_leaves_the_others_their_answer() {
    let (publisher, _, keys) = start(&["a"]);
    let (tenant, uri) = (testing::tenant(), uri());
    let hung_up =
        tokio::time::timeout(Duration::from_millis(1), keys.keys(&tenant, &uri, None)).await;
    assert!(hung_up.is_err());
    assert!(keys.keys(&tenant, &uri, None).await.is_ok());
    assert_eq!(publisher.fetches(), 1);
}

#[tokio::test]
async fn tenants_and_addresses_have_sets_of_their_own() {
    let (publisher, _, keys) = start(&["a"]);
    let other: Url = "https://other.example/keys".parse().unwrap();
    let (one, another) = (testing::tenant(), testing::tenant());
    for (tenant, uri) in [(&one, &uri()), (&another, &uri()), (&one, &other)] {
        keys.keys(tenant, uri, None).await.unwrap();
        keys.keys(tenant, uri, None).await.unwrap();
    }
    assert_eq!(publisher.fetches(), 3);
}

#[tokio::test]
async fn a_set_that_nobody_needs_is_refused() {
    let kids: Vec<_> = (0..101).map(|n| n.to_string()).collect();
    let many: Vec<_> = kids.iter().map(String::as_str).collect();
    let long = "x".repeat(64 * 1024);
    for (published, good) in [
        (set(&many[..100]), true),
        (set(&many), false),
        (set(&[&long]), false),
        (json!({ "keys": [], "more": long }), true),
        (json!({}), false),
        (json!([]), false),
        (json!("keys"), false),
        (json!({ "keys": {} }), false),
    ] {
        let (publisher, _, keys) = start(&[]);
        *publisher.answer.lock().unwrap() = Ok(published);
        let answer = keys.keys(&testing::tenant(), &uri(), None).await;
        assert_eq!(answer.is_ok(), good, "{answer:?}");
        assert!(answer.is_err() || answer.unwrap().get("more").is_none());
    }
}
