//! When clients hear of logouts. Time is the runtime's: it moves on when nothing else can happen.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use url::Url;

use super::super::logout_queue::LogoutQueue;
use crate::{
    application::{
        error::{Error, StoreError},
        ports::{LogoutNotice, LogoutNotifier, LogoutTokens, Outbound, OutboundError},
    },
    domain::{client::ClientId, id::TenantId},
    testing::{self, entropy::SeededEntropy},
};

/// Clients by host: `down` fails, `forbidden` is forbidden, `slow` takes 3 s and fails, all others
/// take 10 ms and are told.
struct Clients {
    start: Instant,
    /// When each host was asked, since the start, and with which token.
    asked: Mutex<Vec<(String, Duration, String)>>,
    under_way: Mutex<HashMap<String, usize>>,
    most_of_a_host: AtomicUsize,
    most: AtomicUsize,
}

impl Clients {
    fn asked(&self, host: &str) -> Vec<Duration> {
        let asked = self.asked.lock().unwrap();
        let of_host = asked.iter().filter(|(other, ..)| other == host);
        of_host.map(|(_, at, _)| *at).collect()
    }
}

#[async_trait]
impl Outbound for Clients {
    async fn get_json(&self, _: TenantId, _: &Url) -> Result<Value, OutboundError> {
        Err(OutboundError::Forbidden)
    }

    async fn post_form(
        &self,
        _: TenantId,
        url: &Url,
        form: &[(&str, &str)],
    ) -> Result<(), OutboundError> {
        let host = url.host_str().unwrap().to_owned();
        let [("logout_token", token)] = form else {
            panic!("{form:?}");
        };
        let at = (host.clone(), self.start.elapsed(), (*token).to_owned());
        self.asked.lock().unwrap().push(at);
        {
            let mut under_way = self.under_way.lock().unwrap();
            *under_way.entry(host.clone()).or_default() += 1;
            self.most_of_a_host
                .fetch_max(under_way[&host], Ordering::SeqCst);
            self.most
                .fetch_max(under_way.values().sum(), Ordering::SeqCst);
        }
        let (takes, outcome) = match host.as_str() {
            "down" => (10, Err(OutboundError::Failed)),
            "forbidden" => (10, Err(OutboundError::Forbidden)),
            "slow" => (3_000, Err(OutboundError::Failed)),
            _ => (10, Ok(())),
        };
        sleep(Duration::from_millis(takes)).await;
        *self.under_way.lock().unwrap().get_mut(&host).unwrap() -= 1;
        outcome
    }

    fn may_fetch(&self, _: &Url) -> Result<(), OutboundError> {
        Ok(())
    }
}

/// Numbers its tokens. The first `failing` fail, or panic for the subject `panics`.
#[derive(Default)]
struct Numbered {
    made: AtomicUsize,
    failing: usize,
}

#[async_trait]
impl LogoutTokens for Numbered {
    async fn logout_token(&self, notice: &LogoutNotice) -> Result<String, Error> {
        let n = self.made.fetch_add(1, Ordering::SeqCst);
        assert_ne!(notice.subject, "panics");
        if n < self.failing {
            return Err(StoreError::Unavailable("no answer".into()).into());
        }
        Ok(format!("{}-{n}", notice.subject))
    }
}

fn start(tokens: Numbered, capacity: usize) -> (Arc<Clients>, LogoutQueue) {
    let clients = Arc::new(Clients {
        start: Instant::now(),
        asked: Mutex::default(),
        under_way: Mutex::default(),
        most_of_a_host: AtomicUsize::default(),
        most: AtomicUsize::default(),
    });
    let queue = LogoutQueue::start(
        Arc::clone(&clients) as Arc<dyn Outbound>,
        Arc::new(tokens),
        Arc::new(SeededEntropy::new(7)),
        capacity,
    );
    (clients, queue)
}

fn notice(host: &str, subject: &str) -> LogoutNotice {
    LogoutNotice {
        tenant: testing::tenant(),
        client_id: ClientId::parse("rp").unwrap(),
        uri: format!("https://{host}/logout?secret").parse().unwrap(),
        subject: subject.to_owned(),
        session_id: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_is_told_once_and_at_once() {
    let (clients, queue) = start(Numbered::default(), 10);
    queue.enqueue(notice("up", "user"));
    sleep(Duration::from_secs(3_600)).await;
    let asked = clients.asked.lock().unwrap();
    assert_eq!(
        *asked,
        [("up".to_owned(), Duration::ZERO, "user-0".to_owned())]
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_down_is_tried_five_times_with_fresh_tokens() {
    let (clients, queue) = start(Numbered::default(), 10);
    queue.enqueue(notice("down", "user"));
    sleep(Duration::from_secs(36_000)).await;
    let at = clients.asked("down");
    assert_eq!(at.len(), 5, "{at:?}");
    for (at, expected) in at.iter().zip([0, 5, 30, 120, 600]) {
        let (earliest, latest) = (f64::from(expected), f64::from(expected) * 1.2 + 0.1);
        assert!((earliest..latest).contains(&at.as_secs_f64()), "{at:?}");
    }
    let asked = clients.asked.lock().unwrap();
    let tokens: Vec<_> = asked.iter().map(|(.., token)| token.as_str()).collect();
    assert_eq!(tokens, ["user-0", "user-1", "user-2", "user-3", "user-4"]);
}

#[tokio::test(start_paused = true)]
async fn those_who_failed_together_do_not_come_back_together() {
    let (clients, queue) = start(Numbered::default(), 10);
    queue.enqueue(notice("down", "one"));
    queue.enqueue(notice("down", "other"));
    sleep(Duration::from_secs(10)).await;
    let at = clients.asked("down");
    assert_eq!(at.len(), 4);
    assert_eq!(at[0], at[1]);
    assert_ne!(at[2], at[3]);
}

#[tokio::test(start_paused = true)]
async fn a_forbidden_address_is_given_up_at_once() {
    let (clients, queue) = start(Numbered::default(), 10);
    queue.enqueue(notice("forbidden", "user"));
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!(clients.asked("forbidden").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_made_is_tried_again() {
    let tokens = Numbered {
        failing: 2,
        ..Numbered::default()
    };
    let (clients, queue) = start(tokens, 10);
    queue.enqueue(notice("up", "user"));
    sleep(Duration::from_secs(3_600)).await;
    let at = clients.asked("up");
    assert_eq!(at.len(), 1);
    assert!(at[0] >= Duration::from_secs(30), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_an_attempt_and_no_worker() {
    let (clients, queue) = start(Numbered::default(), 100);
    for n in 0..10 {
        queue.enqueue(notice(&format!("host-{n}"), "panics"));
    }
    sleep(Duration::from_secs(1)).await;
    queue.enqueue(notice("up", "user"));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(clients.asked("up").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_slow_address_does_not_hold_up_the_others() {
    let (clients, queue) = start(Numbered::default(), 1_000);
    for _ in 0..100 {
        queue.enqueue(notice("slow", "user"));
    }
    for n in 0..100 {
        queue.enqueue(notice(&format!("host-{n}"), "user"));
    }
    sleep(Duration::from_secs(1)).await;
    for n in 0..100 {
        assert_eq!(clients.asked(&format!("host-{n}")).len(), 1, "{n}");
    }
    assert_eq!(clients.most_of_a_host.load(Ordering::SeqCst), 2);
    assert_eq!(clients.most.load(Ordering::SeqCst), 8);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_the_newest() {
    let (clients, queue) = start(Numbered::default(), 4);
    for host in ["a", "b", "c", "d", "e", "f"] {
        queue.enqueue(notice(host, "user"));
    }
    sleep(Duration::from_secs(1)).await;
    for (host, told) in [("a", 1), ("d", 1), ("e", 0), ("f", 0)] {
        assert_eq!(clients.asked(host).len(), told, "{host}");
    }
    queue.enqueue(notice("e", "user"));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(clients.asked("e").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_what_waits_and_takes_nothing_more() {
    let (clients, queue) = start(Numbered::default(), 1_000);
    queue.enqueue(notice("down", "user"));
    sleep(Duration::from_secs(1)).await;
    for n in 0..100 {
        queue.enqueue(notice(&format!("host-{n}"), "user"));
    }
    let stop = Instant::now();
    queue.drain(Duration::from_secs(10)).await;
    assert!(stop.elapsed() < Duration::from_secs(1));
    for n in 0..100 {
        assert_eq!(clients.asked(&format!("host-{n}")).len(), 1, "{n}");
    }
    // What would have been tried again later had its last attempt.
    assert_eq!(clients.asked("down").len(), 2);
    queue.enqueue(notice("late", "user"));
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!(clients.asked("late").len(), 0);
    assert_eq!(clients.asked("down").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_the_time_of_the_next_attempt() {
    let (clients, queue) = start(Numbered::default(), 10);
    queue.enqueue(notice("down", "user"));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(clients.asked("down").len(), 3);
    let stop = Instant::now();
    queue.drain(Duration::from_secs(10)).await;
    assert!(stop.elapsed() < Duration::from_secs(1));
    assert_eq!(clients.asked("down").len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_longer_than_it_is_told() {
    let (clients, queue) = start(Numbered::default(), 1_000);
    for _ in 0..100 {
        queue.enqueue(notice("slow", "user"));
    }
    let stop = Instant::now();
    queue.drain(Duration::from_secs(5)).await;
    assert_eq!(stop.elapsed(), Duration::from_secs(5));
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!(clients.asked("slow").len(), 4);
}

#[tokio::test]
async fn a_notice_does_not_print_whom_it_is_about() {
    let printed = format!("{:?}", notice("up", "someone"));
    assert!(
        !printed.contains("someone") && !printed.contains("secret"),
        "{printed}"
    );
}
