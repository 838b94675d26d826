//! Logouts on their way to clients: delivered behind the answer to the user, several times if need
//! be (OpenID Connect Back-Channel Logout 1.0 §2.5).
//!
//! What still waits when this process ends is lost: nothing promises a client that it hears of a
//! logout, and the session has ended all the same.

use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{
    sync::Notify,
    task::AbortHandle,
    time::{Instant, sleep_until, timeout},
};

use super::lanes::Lanes;
use crate::application::{
    error::{Error, chain},
    ports::{Entropy, LogoutNotice, LogoutNotifier, LogoutTokens, Outbound, OutboundError},
};

/// How long to wait before each attempt after the first: they are made after 5 s, 30 s, 2 min and
/// 10 min, and jitter.
const GAPS: [Duration; 4] = [
    Duration::from_secs(5),
    Duration::from_secs(25),
    Duration::from_secs(90),
    Duration::from_secs(480),
];
/// How many deliveries are under way at once.
const WORKERS: usize = 8;
/// Some 10 MiB when every client is down.
pub const DEFAULT_CAPACITY: usize = 10_000;

/// Delivers logouts in the background. [`drain`](Self::drain) it before the process ends.
pub struct LogoutQueue {
    shared: Arc<Shared>,
    workers: Vec<AbortHandle>,
}

struct Shared {
    outbound: Arc<dyn Outbound>,
    tokens: Arc<dyn LogoutTokens>,
    entropy: Arc<dyn Entropy>,
    state: Mutex<State>,
    /// Something may be ready that wasn't.
    changed: Notify,
    /// Nothing is left.
    emptied: Notify,
}

struct State {
    lanes: Lanes<Delivery>,
    /// How many notices found no place.
    refused: u64,
    /// Nothing is taken any more, and nothing is tried again.
    closing: bool,
}

struct Delivery {
    notice: LogoutNotice,
    attempts: usize,
}

/// Why an attempt failed: for the log alone.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the logout token can't be made")]
    Token(#[source] Error),
    #[error("the client can't be told")]
    Client(#[source] OutboundError),
    #[error("the attempt panicked")]
    Panicked,
}

impl fmt::Debug for LogoutQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutQueue").finish_non_exhaustive()
    }
}

impl LogoutQueue {
    /// Starts the tasks that deliver. At most `capacity` notices wait or are under way; beyond that
    /// new ones are refused.
    pub fn start(
        outbound: Arc<dyn Outbound>,
        tokens: Arc<dyn LogoutTokens>,
        entropy: Arc<dyn Entropy>,
        capacity: usize,
    ) -> Self {
        let shared = Arc::new(Shared {
            outbound,
            tokens,
            entropy,
            state: Mutex::new(State {
                lanes: Lanes::new(capacity),
                refused: 0,
                closing: false,
            }),
            changed: Notify::new(),
            emptied: Notify::new(),
        });
        let workers = (0..WORKERS)
            .map(|_| tokio::spawn(Arc::clone(&shared).work()).abort_handle())
            .collect();
        Self { shared, workers }
    }

    /// Takes nothing more, tries everything that waits once, now, and gives up what is left after
    /// `limit`.
    pub async fn drain(&self, limit: Duration) {
        {
            let mut state = self.shared.lock();
            state.closing = true;
            state.lanes.hurry();
        }
        self.shared.changed.notify_one();
        if timeout(limit, self.shared.until_empty()).await.is_err() {
            self.stop();
            let count = self.shared.lock().lanes.len();
            tracing::warn!(count, "logouts were not delivered before the stop");
        }
    }

    fn stop(&self) {
        for worker in &self.workers {
            worker.abort();
        }
    }
}

impl Drop for LogoutQueue {
    fn drop(&mut self) {
        self.stop();
    }
}

impl LogoutNotifier for LogoutQueue {
    fn enqueue(&self, notice: LogoutNotice) {
        let host = notice.uri.host_str().unwrap_or_default().to_owned();
        let mut state = self.shared.lock();
        let delivery = Delivery {
            notice,
            attempts: 0,
        };
        if !state.closing && state.lanes.push(&host, delivery).is_ok() {
            drop(state);
            return self.shared.changed.notify_one();
        }
        state.refused += 1;
        let count = state.refused;
        drop(state);
        // At 1, 2, 4, 8 and so on: a flood of logouts must not be one of lines.
        if count.is_power_of_two() {
            tracing::error!(
                count,
                "logouts were refused: too many wait for their clients"
            );
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn work(self: Arc<Self>) {
        loop {
            let (host, delivery) = self.next().await;
            let again = self.attempt(delivery).await;
            self.finish(&host, again);
        }
    }

    /// Waits for something to deliver; it and its host.
    async fn next(&self) -> (String, Delivery) {
        loop {
            let due = {
                let mut state = self.lock();
                if let Some(taken) = state.lanes.take(Instant::now()) {
                    // One change wakes one worker: it wakes the next.
                    if state.lanes.has_ready() {
                        self.changed.notify_one();
                    }
                    return taken;
                }
                state.lanes.next_due()
            };
            let changed = self.changed.notified();
            match due {
                None => changed.await,
                Some(due) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(due) => {}
                },
            }
        }
    }

    fn finish(&self, host: &str, again: Option<(Instant, Delivery)>) {
        let mut state = self.lock();
        state.lanes.finish(host, again);
        // It may have failed while everything else was hurried.
        if state.closing {
            state.lanes.hurry();
        }
        let empty = state.lanes.len() == 0;
        drop(state);
        self.changed.notify_one();
        if empty {
            self.emptied.notify_waiters();
        }
    }

    async fn until_empty(&self) {
        loop {
            // Before the look, so that what happens between them is not missed.
            let emptied = self.emptied.notified();
            if self.lock().lanes.len() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Tries to deliver; when to try again, if at all.
    async fn attempt(&self, mut delivery: Delivery) -> Option<(Instant, Delivery)> {
        let sent = AssertUnwindSafe(self.send(&delivery.notice)).catch_unwind();
        let trouble = match sent.await {
            Ok(Ok(())) => return None,
            Ok(Err(trouble)) => trouble,
            Err(_) => Trouble::Panicked,
        };
        let forbidden = matches!(trouble, Trouble::Client(OutboundError::Forbidden));
        let gap = GAPS.get(delivery.attempts).copied();
        delivery.attempts += 1;
        let gap = gap.filter(|_| !forbidden && !self.lock().closing);
        report(&delivery, &trouble, gap);
        gap.map(|gap| (Instant::now() + self.jittered(gap), delivery))
    }

    async fn send(&self, notice: &LogoutNotice) -> Result<(), Trouble> {
        let token = self.tokens.logout_token(notice).await;
        let token = token.map_err(Trouble::Token)?;
        self.outbound
            .post_form(notice.tenant.id(), &notice.uri, &[("logout_token", &token)])
            .await
            .map_err(Trouble::Client)
    }

    /// Up to a fifth longer, so that what failed together doesn't come back together.
    fn jittered(&self, gap: Duration) -> Duration {
        let mut random = [0; 2];
        self.entropy.fill(&mut random);
        let share = u32::from(u16::from_le_bytes(random));
        gap + gap * share / (5 * u32::from(u16::MAX))
    }
}

fn report(delivery: &Delivery, trouble: &Trouble, gap: Option<Duration>) {
    let notice = &delivery.notice;
    let error = chain(trouble);
    if let Some(gap) = gap {
        tracing::debug!(
            error,
            tenant.id = %notice.tenant.id(),
            client.id = %notice.client_id,
            attempts = delivery.attempts,
            again_after = ?gap,
            "a client was not told of a logout; trying again"
        );
    } else {
        tracing::warn!(
            error,
            tenant.id = %notice.tenant.id(),
            client.id = %notice.client_id,
            attempts = delivery.attempts,
            "a client was not told of a logout and won't be"
        );
    }
}
