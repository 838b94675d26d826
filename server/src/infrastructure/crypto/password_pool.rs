//! Password hashing on threads of its own.
//!
//! A hash costs 19 MiB and some 15 ms of one core. So there are as many workers as cores and no
//! more, each keeps its memory, and what waits is bounded and served in turn between tenants.
//! What is dear, such as an imported hash of much work, never takes the last worker: others would wait for it.
//! Refreshes and health checks never queue here. The workers run at a lower priority: a flood of
//! logins must not slow refreshes down.

use std::{
    fmt,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use argon2::{Block, Params};
use async_trait::async_trait;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};
use tokio::sync::oneshot;

use super::{
    fair_queue::{FairQueue, Full},
    foreign_hashes::Unusable,
    phc::{self, Cost},
};
use crate::{
    application::{
        error::HashingError,
        ports::{Entropy, NotAPasswordHash, PasswordHasher, Verdict},
    },
    domain::{
        id::TenantId,
        password::{Password, PasswordHash},
    },
    infrastructure::metrics::{self, MetricsBuilder},
};

/// What one hash of the default cost takes on a core of its own.
const USUAL_TIME: Duration = Duration::from_millis(15);

/// How much is hashed at once and how long it may wait.
#[derive(Clone, Copy, Debug)]
pub struct PasswordPoolOptions {
    pub cost: Cost,
    pub workers: NonZeroUsize,
    /// How long the last one in the queue should wait at most.
    pub target_wait: Duration,
    /// How much lower than normal the workers' priority is (Linux `nice`, 0 to 19).
    pub niceness: i32,
}

impl Default for PasswordPoolOptions {
    fn default() -> Self {
        Self {
            cost: Cost::default(),
            workers: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            target_wait: Duration::from_secs(1),
            niceness: 5,
        }
    }
}

impl PasswordPoolOptions {
    fn queue_limit(&self) -> usize {
        let per_worker = self.target_wait.as_millis() / USUAL_TIME.as_millis();
        usize::try_from(per_worker)
            .unwrap_or(usize::MAX)
            .saturating_mul(self.workers.get())
            .max(1)
    }
}

/// A pool of hashing threads. They end when it is dropped.
pub struct PasswordPool {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    params: Params,
    entropy: Arc<dyn Entropy>,
    counts: Counts,
}

/// What the pool counts of itself.
struct Counts {
    wait: Histogram,
    work: Histogram,
    busy: Gauge,
    rejected: Counter,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            wait: metrics::seconds(),
            work: metrics::seconds(),
            busy: Gauge::default(),
            rejected: Counter::default(),
        }
    }
}

struct State {
    queue: FairQueue<TenantId, Waiting>,
    /// Workers that may still begin something dear.
    dear_places: usize,
    stopped: bool,
}

struct Waiting {
    since: Instant,
    dear: bool,
    job: Job,
}

enum Job {
    Hash {
        password: Password,
        reply: oneshot::Sender<Result<PasswordHash, HashingError>>,
    },
    Verify {
        password: Password,
        hash: Option<PasswordHash>,
        reply: oneshot::Sender<Result<Verdict, HashingError>>,
    },
}

impl Job {
    /// Whether it takes so long that others must not wait for it.
    fn is_dear(&self) -> bool {
        matches!(self, Self::Verify { hash: Some(hash), .. } if phc::is_dear(hash))
    }

    /// Whether the client went away meanwhile.
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Hash { reply, .. } => reply.is_closed(),
            Self::Verify { reply, .. } => reply.is_closed(),
        }
    }
}

impl fmt::Debug for PasswordPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordPool").finish_non_exhaustive()
    }
}

/// Why the pool did not start.
#[derive(Debug, thiserror::Error)]
pub enum PasswordPoolError {
    #[error("argon2 refuses these parameters")]
    Cost,
    #[error("no thread could be started")]
    Thread(#[source] std::io::Error),
}

impl PasswordPool {
    /// Starts the workers.
    pub fn start(
        options: PasswordPoolOptions,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, PasswordPoolError> {
        let params = options.cost.params().ok_or(PasswordPoolError::Cost)?;
        let pool = Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    queue: FairQueue::new(options.queue_limit()),
                    dear_places: options.workers.get().saturating_sub(1).max(1),
                    stopped: false,
                }),
                work: Condvar::new(),
                params,
                entropy,
                counts: Counts::default(),
            }),
        };
        for number in 0..options.workers.get() {
            let shared = Arc::clone(&pool.shared);
            thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || {
                    lower_priority(options.niceness);
                    shared.work();
                })
                .map_err(PasswordPoolError::Thread)?;
        }
        Ok(pool)
    }

    /// Adds what the pool counts.
    pub fn register(&self, metrics: &mut MetricsBuilder, workers: NonZeroUsize) {
        let counts = &self.shared.counts;
        metrics.add_seconds(
            "password_hash_wait",
            "How long passwords waited for a worker",
            counts.wait.clone(),
        );
        metrics.add_seconds(
            "password_hash_work",
            "How long hashing a password took",
            counts.work.clone(),
        );
        metrics.add(
            "password_hash_workers_busy",
            "Workers that hash a password now",
            counts.busy.clone(),
        );
        metrics.add(
            "password_hash_rejected",
            "Passwords that were turned away because the queue, or the tenant's share of it, was full",
            counts.rejected.clone(),
        );
        let permits = Gauge::<i64>::default();
        permits.set(i64::try_from(workers.get()).unwrap_or(i64::MAX));
        metrics.add(
            "password_hash_workers",
            "Workers that hash passwords",
            permits,
        );
        let shared = Arc::downgrade(&self.shared);
        metrics.sample(
            "password_hash_queue_length",
            "Passwords that wait for a worker",
            move || {
                let waiting = shared.upgrade().map(|shared| shared.lock().queue.len());
                metrics::sample_of(waiting)
            },
        );
    }

    async fn run<T>(
        &self,
        tenant: TenantId,
        job: Job,
        answer: oneshot::Receiver<Result<T, HashingError>>,
    ) -> Result<T, HashingError> {
        self.shared.enqueue(tenant, job)?;
        answer.await.unwrap_or(Err(HashingError::Stopped))
    }
}

impl Drop for PasswordPool {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.work.notify_all();
    }
}

#[async_trait]
impl PasswordHasher for PasswordPool {
    async fn hash(
        &self,
        tenant: TenantId,
        password: Password,
    ) -> Result<PasswordHash, HashingError> {
        let (reply, answer) = oneshot::channel();
        self.run(tenant, Job::Hash { password, reply }, answer)
            .await
    }

    async fn verify(
        &self,
        tenant: TenantId,
        password: Password,
        hash: Option<PasswordHash>,
    ) -> Result<Verdict, HashingError> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Verify {
            password,
            hash,
            reply,
        };
        self.run(tenant, job, answer).await
    }

    fn foreign(&self, text: &str) -> Result<PasswordHash, NotAPasswordHash> {
        match phc::check(text) {
            Ok(()) => Ok(PasswordHash::from_phc(text.to_owned())),
            Err(Unusable::Unknown) => Err(NotAPasswordHash::Unknown),
            Err(Unusable::TooExpensive) => Err(NotAPasswordHash::TooExpensive),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; if something did, the queue would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(&self, tenant: TenantId, job: Job) -> Result<(), HashingError> {
        let waiting = Waiting {
            since: Instant::now(),
            dear: job.is_dear(),
            job,
        };
        let mut state = self.lock();
        if state.stopped {
            return Err(HashingError::Stopped);
        }
        if let Err(Full(waiting)) = state.queue.push(tenant, waiting) {
            state.queue.retain(|other| !other.job.is_abandoned());
            if state.queue.push(tenant, waiting).is_err() {
                drop(state);
                self.counts.rejected.inc();
                return Err(HashingError::Overloaded {
                    retry_after: self.jittered_second(),
                });
            }
        }
        drop(state);
        self.work.notify_one();
        Ok(())
    }

    /// One to three seconds, so that those who were turned away don't come back together.
    fn jittered_second(&self) -> Duration {
        let mut byte = [0];
        self.entropy.fill(&mut byte);
        Duration::from_secs(1 + u64::from(byte[0] % 3))
    }

    /// The next job, and whether it is dear: then it has taken a place, which is to be given back.
    fn next(&self) -> Option<(Job, bool)> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            let room = state.dear_places > 0;
            match state.queue.pop(|waiting| room || !waiting.dear) {
                Some(waiting) if waiting.job.is_abandoned() => {}
                Some(Waiting { since, dear, job }) => {
                    state.dear_places -= usize::from(dear);
                    drop(state);
                    self.counts.wait.observe(since.elapsed().as_secs_f64());
                    return Some((job, dear));
                }
                None => {
                    state = self
                        .work
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn work(&self) {
        // Made at the first job and kept: an idle server doesn't hold it, a busy one doesn't
        // allocate 19 MiB per login.
        let mut memory = Vec::new();
        while let Some((job, dear)) = self.next() {
            if memory.is_empty() {
                memory = vec![Block::new(); self.params.block_count()];
            }
            // A panic ends the job and its client's request; a worker less would slow everybody.
            let job = AssertUnwindSafe(|| self.carry_out(job, &mut memory));
            self.counts.busy.inc();
            let started = Instant::now();
            if catch_unwind(job).is_err() {
                tracing::error!("hashing a password panicked");
            }
            self.counts.work.observe(started.elapsed().as_secs_f64());
            self.counts.busy.dec();
            if dear {
                self.lock().dear_places += 1;
                // A worker may have gone to sleep before something dear that it couldn't begin.
                self.work.notify_one();
            }
        }
    }

    fn carry_out(&self, job: Job, memory: &mut [Block]) {
        match job {
            Job::Hash { password, reply } => {
                let _client_gone = reply.send(self.hash(&password, memory));
            }
            Job::Verify {
                password,
                hash,
                reply,
            } => {
                let _client_gone = reply.send(self.verify(&password, hash.as_ref(), memory));
            }
        }
    }

    fn hash(
        &self,
        password: &Password,
        memory: &mut [Block],
    ) -> Result<PasswordHash, HashingError> {
        let mut salt = [0; 16];
        self.entropy.fill(&mut salt);
        phc::hash(password, salt, &self.params, memory)
    }

    fn verify(
        &self,
        password: &Password,
        hash: Option<&PasswordHash>,
        memory: &mut [Block],
    ) -> Result<Verdict, HashingError> {
        let Some(hash) = hash else {
            // The same work as for a hash of today's cost, so that the time tells nobody whether the
            // account exists.
            return self.hash(password, memory).map(|_| Verdict::Wrong);
        };
        if !phc::verify(password, hash, memory)? {
            return Ok(Verdict::Wrong);
        }
        // Those who wait come first; the next login will do as well.
        let late = phc::is_current(hash, &self.params) || self.is_busy();
        let renewed = if late {
            None
        } else {
            self.hash(password, memory).ok()
        };
        Ok(Verdict::Fits { renewed })
    }

    fn is_busy(&self) -> bool {
        !self.lock().queue.is_empty()
    }
}

#[cfg(target_os = "linux")]
fn lower_priority(niceness: i32) {
    // On Linux the priority is the thread's own. A kernel that refuses costs fairness, no more.
    let _refused =
        rustix::process::setpriority_process(Some(rustix::thread::gettid()), niceness).is_err();
}

#[cfg(not(target_os = "linux"))]
fn lower_priority(_niceness: i32) {}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::infrastructure::entropy::SystemEntropy;

    #[test]
    fn threads_end_with_the_pool() {
        let pool = PasswordPool::start(PasswordPoolOptions::default(), Arc::new(SystemEntropy))
            .expect("it starts");
        let shared = Arc::downgrade(&pool.shared);
        drop(pool);
        let dropped = Instant::now();
        while shared.strong_count() > 0 {
            assert!(dropped.elapsed() < Duration::from_secs(5), "threads go on");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn the_queue_is_as_long_as_the_wait_allows() {
        for (workers, wait, expected) in [(1, 1_000, 66), (2, 1_000, 132), (1, 0, 1), (4, 14, 1)] {
            let options = PasswordPoolOptions {
                workers: NonZeroUsize::new(workers).expect("some"),
                target_wait: Duration::from_millis(wait),
                ..PasswordPoolOptions::default()
            };
            assert_eq!(options.queue_limit(), expected, "{workers}, {wait} ms");
        }
    }
}
