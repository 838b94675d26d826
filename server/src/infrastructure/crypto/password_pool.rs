//! Passwords are hashed in threads of their own: as many as there is memory set aside for, behind a
//! bounded queue in which tenants take turns, and at a lower priority than everything else.
//!
//! tokio's blocking pool would start hundreds of threads with 19 MiB each: a login flood would be a
//! memory bomb.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;

use super::fair_queue::FairQueue;
use crate::{
    application::{
        error::HashingError,
        ports::{Entropy, PasswordHasher},
    },
    domain::{
        id::TenantId,
        password::{Password, PasswordHash},
    },
};

/// argon2id at OWASP's minimum: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT_LENGTH: usize = 16;
const OUTPUT_LENGTH: usize = 32;

/// What a stored hash may ask of us at most. An imported one was chosen by someone else.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_PASSES: u32 = 10;
const MAX_LANES: u32 = 8;

/// Jobs that may wait per thread: at about 15 ms each, the last one waits a second.
const QUEUE_PER_WORKER: usize = 64;

/// Positive is nicer: refreshes and signatures go first, logins still get on.
const NICENESS: i32 = 5;

/// How much the pool may take.
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// Threads; each holds 19 MiB.
    pub workers: usize,
    /// Passwords that may wait.
    pub queue: usize,
}

impl Default for PoolLimits {
    fn default() -> Self {
        let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            workers,
            queue: workers * QUEUE_PER_WORKER,
        }
    }
}

type Outcome<T> = Result<T, HashingError>;

enum Job {
    Hash {
        password: Password,
        salt: [u8; SALT_LENGTH],
        reply: oneshot::Sender<Outcome<PasswordHash>>,
    },
    Verify {
        password: Password,
        hash: Option<PasswordHash>,
        reply: oneshot::Sender<Outcome<bool>>,
    },
}

impl Job {
    /// Nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Hash { reply, .. } => reply.is_closed(),
            Self::Verify { reply, .. } => reply.is_closed(),
        }
    }
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    /// A hash that no password fits: what unknown users are verified against.
    dummy: PasswordHash,
}

struct State {
    queue: FairQueue<Job>,
    stopping: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements that hold the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pool. Its threads end when it is dropped.
pub struct PasswordPool<E> {
    shared: Arc<Shared>,
    entropy: Arc<E>,
}

impl<E> std::fmt::Debug for PasswordPool<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordPool")
    }
}

impl<E: Entropy> PasswordPool<E> {
    /// Starts the threads.
    pub fn start(limits: PoolLimits, entropy: Arc<E>) -> std::io::Result<Self> {
        let mut noise = [0; SALT_LENGTH + OUTPUT_LENGTH];
        entropy.fill(&mut noise);
        let (salt, output) = noise.split_at(SALT_LENGTH);
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                queue: FairQueue::new(limits.queue),
                stopping: false,
            }),
            work: Condvar::new(),
            dummy: PasswordHash::from_phc(write_phc(salt, output)),
        });
        for n in 0..limits.workers.max(1) {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name(format!("passwords-{n}"))
                .spawn(move || work(&shared))?;
        }
        Ok(Self { shared, entropy })
    }

    fn submit(&self, tenant: TenantId, job: Job) -> Result<(), HashingError> {
        let mut state = self.shared.state();
        if state.queue.push(tenant, job).is_err() {
            let mut jitter = [0; 1];
            self.entropy.fill(&mut jitter);
            // Spread over a few seconds, or all that were turned away would come back at once.
            return Err(HashingError::Overloaded {
                retry_after: Duration::from_secs(1 + u64::from(jitter[0] % 3)),
            });
        }
        drop(state);
        self.shared.work.notify_one();
        Ok(())
    }
}

impl<E> Drop for PasswordPool<E> {
    fn drop(&mut self) {
        self.shared.state().stopping = true;
        self.shared.work.notify_all();
    }
}

#[async_trait]
impl<E: Entropy> PasswordHasher for PasswordPool<E> {
    async fn hash(
        &self,
        tenant: TenantId,
        password: Password,
    ) -> Result<PasswordHash, HashingError> {
        let mut salt = [0; SALT_LENGTH];
        self.entropy.fill(&mut salt);
        let (reply, answer) = oneshot::channel();
        self.submit(
            tenant,
            Job::Hash {
                password,
                salt,
                reply,
            },
        )?;
        answer.await.map_err(|_| HashingError::Stopped)?
    }

    async fn verify(
        &self,
        tenant: TenantId,
        password: Password,
        hash: Option<PasswordHash>,
    ) -> Result<bool, HashingError> {
        let (reply, answer) = oneshot::channel();
        self.submit(
            tenant,
            Job::Verify {
                password,
                hash,
                reply,
            },
        )?;
        answer.await.map_err(|_| HashingError::Stopped)?
    }
}

/// A thread's life.
fn work(shared: &Shared) {
    lower_priority();
    let mut memory = vec![Block::new(); MEMORY_KIB as usize];
    while let Some(job) = next(shared) {
        if job.is_abandoned() {
            continue;
        }
        match job {
            // Whoever asked may have gone in the meantime; then nobody is told.
            Job::Hash {
                password,
                salt,
                reply,
            } => drop(reply.send(hash(&mut memory, &password, &salt))),
            Job::Verify {
                password,
                hash,
                reply,
            } => {
                let known = hash.is_some();
                let hash = hash.unwrap_or_else(|| shared.dummy.clone());
                let fits = verify(&mut memory, &password, &hash).map(|fits| fits & known);
                drop(reply.send(fits));
            }
        }
    }
}

fn next(shared: &Shared) -> Option<Job> {
    let mut state = shared.state();
    loop {
        if state.stopping {
            return None;
        }
        if let Some(job) = state.queue.pop() {
            return Some(job);
        }
        state = shared
            .work
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner);
    }
}

/// Linux counts niceness per thread. Elsewhere, or where it is forbidden, hashing competes as it is.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) =
        rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS)
    {
        tracing::debug!(%error, "the priority of password hashing stays as it is");
    }
}

fn argon2(memory_kib: u32, passes: u32, lanes: u32) -> Result<Argon2<'static>, HashingError> {
    let params = Params::new(memory_kib, passes, lanes, Some(OUTPUT_LENGTH));
    Ok(Argon2::new(
        Algorithm::Argon2id,
        Version::V0x13,
        params.map_err(|_| HashingError::UnreadableHash)?,
    ))
}

fn hash(
    memory: &mut [Block],
    password: &Password,
    salt: &[u8],
) -> Result<PasswordHash, HashingError> {
    let mut output = [0; OUTPUT_LENGTH];
    argon2(MEMORY_KIB, PASSES, LANES)?
        .hash_password_into_with_memory(password.expose(), salt, &mut output, memory)
        .map_err(|_| HashingError::Stopped)?;
    Ok(PasswordHash::from_phc(write_phc(salt, &output)))
}

fn verify(
    memory: &mut [Block],
    password: &Password,
    stored: &PasswordHash,
) -> Result<bool, HashingError> {
    let Phc {
        memory_kib,
        passes,
        lanes,
        salt,
        output,
    } = Phc::parse(stored.as_phc()).ok_or(HashingError::UnreadableHash)?;
    let mut computed = [0; OUTPUT_LENGTH];
    let argon2 = argon2(memory_kib, passes, lanes)?;
    let done = if memory_kib <= MEMORY_KIB {
        argon2.hash_password_into_with_memory(password.expose(), &salt, &mut computed, memory)
    } else {
        argon2.hash_password_into(password.expose(), &salt, &mut computed)
    };
    done.map_err(|_| HashingError::UnreadableHash)?;
    Ok(computed.ct_eq(&output).into())
}

fn write_phc(salt: &[u8], output: &[u8]) -> String {
    let (salt, output) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(output));
    format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${output}")
}

/// The parts of `$argon2id$v=19$m=…,t=…,p=…$salt$output`.
struct Phc {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: Vec<u8>,
    output: [u8; OUTPUT_LENGTH],
}

impl Phc {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("$argon2id$v=19$")?.split('$');
        let (parameters, salt, output) = (parts.next()?, parts.next()?, parts.next()?);
        let mut parameters = parameters.split(',');
        let mut number = |name: &str| parameters.next()?.strip_prefix(name)?.parse::<u32>().ok();
        let (memory_kib, passes, lanes) = (number("m=")?, number("t=")?, number("p=")?);
        let bounded = memory_kib <= MAX_MEMORY_KIB && passes <= MAX_PASSES && lanes <= MAX_LANES;
        let phc = Self {
            memory_kib,
            passes,
            lanes,
            salt: STANDARD_NO_PAD.decode(salt).ok()?,
            output: STANDARD_NO_PAD.decode(output).ok()?.try_into().ok()?,
        };
        (bounded && parameters.next().is_none() && parts.next().is_none()).then_some(phc)
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::{domain::timestamp::Timestamp, infrastructure::entropy::SystemEntropy};

    fn tenant() -> TenantId {
        TenantId::new(Timestamp::from_micros(1), [1; 10])
    }

    fn password(text: &str) -> Password {
        Password::present(Zeroizing::new(text.to_owned())).expect("short enough")
    }

    fn pool(queue: usize) -> PasswordPool<SystemEntropy> {
        PasswordPool::start(PoolLimits { workers: 1, queue }, Arc::new(SystemEntropy))
            .expect("threads")
    }

    #[tokio::test]
    async fn a_hash_fits_its_password_alone() {
        let pool = pool(16);
        let hash = pool
            .hash(tenant(), password("correct horse"))
            .await
            .expect("hashed");
        assert!(
            hash.as_phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{}",
            hash.as_phc()
        );
        assert!(
            pool.verify(tenant(), password("correct horse"), Some(hash.clone()))
                .await
                .expect("verified")
        );
        assert!(
            !pool
                .verify(tenant(), password("correct horsf"), Some(hash))
                .await
                .expect("verified")
        );
        assert!(
            !pool
                .verify(tenant(), password("correct horse"), None)
                .await
                .expect("verified")
        );
    }

    #[tokio::test]
    async fn a_full_queue_turns_away_and_says_for_how_long() {
        let pool = pool(2);
        let attempts = (0..20).map(|_| pool.verify(tenant(), password("x"), None));
        let results = futures_util::future::join_all(attempts).await;
        let turned_away = results.iter().filter(|result| {
            matches!(result, Err(HashingError::Overloaded { retry_after }) if (1..=3).contains(&retry_after.as_secs()))
        });
        assert!(
            turned_away.count() >= 17,
            "one runs, one waits: {results:?}"
        );
        assert!(results.iter().any(Result::is_ok));
    }

    #[tokio::test]
    async fn hashes_that_ask_for_too_much_are_not_computed() {
        let pool = pool(16);
        let dear = "$argon2id$v=19$m=4194304,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for phc in [
            dear,
            "",
            "$2b$12$x",
            "$argon2id$v=19$m=19456,t=2,p=1$$",
            "$argon2id$v=19$m=-1,t=2,p=1$AA$AA",
        ] {
            let hash = PasswordHash::from_phc(phc.to_owned());
            let result = pool.verify(tenant(), password("x"), Some(hash)).await;
            assert!(
                matches!(result, Err(HashingError::UnreadableHash)),
                "{phc}: {result:?}"
            );
        }
    }
}
