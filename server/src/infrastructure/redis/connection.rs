//! The connection to Redis: one, multiplexed, that comes back by itself and never waits long.

use std::{
    fmt, io,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value, aio::ConnectionLike};
use tokio::{sync::Mutex, time::timeout};
use tracing::Instrument;

use super::{address::RedisAddress, primary::Primary, refusal::WriteRefusal, unfit::RedisUnfit};
use crate::{
    application::{
        error::StoreError,
        ports::{Dependency, Health},
    },
    infrastructure::{metrics::MetricsBuilder, refused_writes::RefusedWrites},
};

/// The only policy under which a full Redis refuses new records instead of dropping old ones.
const SAFE_POLICY: &str = "noeviction";

/// How long a look may take. A probe has two seconds.
const LOOKED_WITHIN: Duration = Duration::from_millis(1_500);
/// A look that takes no longer may be repeated by everybody.
const QUICK: Duration = Duration::from_millis(300);
/// For how long nobody repeats a look that took longer and found nothing good.
const COUNTS_FOR: Duration = Duration::from_secs(1);

/// What probes and metrics call it.
pub const REDIS: &str = "redis";

/// No connection has this number.
const NONE: u64 = u64::MAX;

/// A connection to Redis. Clones share it.
#[derive(Clone)]
pub struct RedisConnection {
    primary: Arc<Primary>,
    /// Its server should be a node of a Cluster.
    in_cluster: bool,
    /// The connection whose Redis was looked at and forgets nothing that it was told.
    fit: Arc<AtomicU64>,
    /// Held while looking: many callers may want to know at once.
    looking: Arc<Mutex<()>>,
    /// The last look that found nothing good.
    unfit: Arc<std::sync::Mutex<Option<Unfit>>>,
    shared: Shared,
}

/// What connections to the nodes of one Cluster have together.
#[derive(Clone, Default)]
pub(super) struct Shared {
    pub(super) refused: Arc<RefusedWrites<WriteRefusal>>,
    /// One was found fit since the start: its address is right.
    was_fit: Arc<AtomicBool>,
}

impl Shared {
    pub(super) fn note_fit(&self) {
        self.was_fit.store(true, Ordering::Relaxed);
    }

    pub(super) fn was_fit(&self) -> bool {
        self.was_fit.load(Ordering::Relaxed)
    }

    pub(super) fn register(&self, metrics: &mut MetricsBuilder) {
        self.refused.register(
            metrics,
            "redis_writes_refused",
            "Writes that Redis refused because it is full, can't save, or has too few replicas",
        );
    }
}

/// A look that found a Redis unfit.
struct Unfit {
    ended: Instant,
    took: Duration,
    /// Which connection it was.
    number: Option<u64>,
    why: RedisUnfit,
}

impl Unfit {
    /// Whether a caller may take this for the state of now. Only of what took long to find out: were each caller to
    /// look for itself, each would wait as long again, behind all the others.
    fn still_counts(&self, number: Option<u64>) -> bool {
        self.took > QUICK && self.ended.elapsed() < COUNTS_FOR && self.number == number
    }
}

impl fmt::Debug for RedisConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConnection").finish_non_exhaustive()
    }
}

/// What the Redis at hand is like, as far as it tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisFindings {
    pub version: Option<String>,
    pub eviction_policy: Option<String>,
    /// An append-only file is written.
    pub append_only: Option<bool>,
    /// When snapshots are taken, such as `3600 1 300 100`; empty means never.
    pub snapshots: Option<String>,
    pub replicas: Option<u32>,
    /// Of a Cluster: some primary doesn't answer, or some slot has none.
    pub partly_missing: bool,
}

impl RedisFindings {
    /// What is true of a Redis that is made of both.
    pub(super) fn with(self, other: &Self) -> Self {
        let both = |one: Option<bool>, other: Option<bool>| one.zip(other).map(|(a, b)| a && b);
        Self {
            append_only: both(self.append_only, other.append_only),
            replicas: self.replicas.min(other.replicas),
            partly_missing: self.partly_missing || other.partly_missing,
            ..self
        }
    }
}

impl RedisConnection {
    /// Prepares a connection. It is made when it is needed, so that a Redis that is missing at the
    /// start is only one that comes later.
    pub fn open(address: &RedisAddress) -> Result<Self, RedisUnfit> {
        Self::with(address, false, Shared::default())
    }

    /// A connection to a node of a Cluster.
    pub(super) fn to_node(address: &RedisAddress, shared: Shared) -> Result<Self, RedisUnfit> {
        Self::with(address, true, shared)
    }

    fn with(address: &RedisAddress, in_cluster: bool, shared: Shared) -> Result<Self, RedisUnfit> {
        let primary = Primary::open(address).map_err(RedisUnfit::of)?;
        Ok(Self {
            primary,
            in_cluster,
            fit: Arc::new(AtomicU64::new(NONE)),
            looking: Arc::default(),
            unfit: Arc::default(),
            shared,
        })
    }

    pub fn register(&self, metrics: &mut MetricsBuilder) {
        self.shared.register(metrics);
    }

    /// Looks at the Redis that is there now: whether it takes writes, how it is set up, and whether it would
    /// forget what it is told. No refresh is entrusted to one that was not found fit.
    ///
    /// What it is not permitted to read it leaves out.
    pub async fn inspect(&self) -> Result<RedisFindings, RedisUnfit> {
        self.primary.known().await;
        let looked = match timeout(LOOKED_WITHIN, self.look()).await {
            Ok(looked) => looked,
            Err(late) => Err(RedisUnfit::Silent(io::Error::from(late).into())),
        };
        if looked.is_err() {
            self.fit.store(NONE, Ordering::Relaxed);
        }
        looked
    }

    async fn look(&self) -> Result<RedisFindings, RedisUnfit> {
        let ping = redis::cmd("PING");
        match self.call(&ping).await {
            // After a restart of Redis every connection is.
            Err(error) if error.is_connection_dropped() => self.call(&ping).await,
            answer => answer,
        }
        .map_err(RedisUnfit::of)?;
        let number = self.primary.number();
        // Part of INFO, which hosted Redis allows where CONFIG is closed.
        let info = self.readable(&redis::cmd("INFO")).await?;
        let info = info.map(text).unwrap_or_default();
        match (field(&info, "redis_mode").as_deref(), self.in_cluster) {
            (Some("cluster"), false) => return Err(RedisUnfit::Cluster),
            (Some("standalone"), true) => return Err(RedisUnfit::NoCluster),
            _ => {}
        }
        if field(&info, "role").as_deref() == Some("slave") {
            return Err(RedisUnfit::Replica);
        }
        self.call(redis::cmd("EVAL").arg("return 0").arg(0))
            .await
            .map_err(RedisUnfit::of)?;
        let findings = RedisFindings {
            version: field(&info, "redis_version"),
            eviction_policy: match field(&info, "maxmemory_policy") {
                Some(policy) => Some(policy),
                None => self.setting("maxmemory-policy").await?,
            },
            append_only: field(&info, "aof_enabled").map(|enabled| enabled == "1"),
            snapshots: self.setting("save").await?,
            replicas: field(&info, "connected_slaves").and_then(|count| count.parse().ok()),
            partly_missing: false,
        };
        if let Some(policy) = &findings.eviction_policy
            && policy != SAFE_POLICY
        {
            return Err(RedisUnfit::Evicts(policy.clone()));
        }
        self.fit.store(number.unwrap_or(NONE), Ordering::Relaxed);
        if !self.in_cluster {
            self.shared.note_fit();
        }
        Ok(findings)
    }

    /// Looks at the Redis if that wasn't done since it was connected to: it may be another one, or have come back
    /// with other settings.
    pub(super) async fn ensure_fit(&self) -> Result<(), RedisUnfit> {
        if self.is_fit() {
            return Ok(());
        }
        if let Some(why) = self.lately_unfit() {
            return Err(why);
        }
        let _alone = self.looking.lock().await;
        // Somebody may have looked meanwhile.
        if self.is_fit() {
            return Ok(());
        }
        if let Some(why) = self.lately_unfit() {
            return Err(why);
        }
        let began = Instant::now();
        let looked = self.inspect().await;
        let unfit = looked.as_ref().err().map(|why| Unfit {
            ended: Instant::now(),
            took: began.elapsed(),
            number: self.primary.number(),
            why: why.clone(),
        });
        *self.unfit.lock().unwrap_or_else(PoisonError::into_inner) = unfit;
        looked.map(drop)
    }

    fn lately_unfit(&self) -> Option<RedisUnfit> {
        let last = self.unfit.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.primary.number();
        let last = last.as_ref().filter(|unfit| unfit.still_counts(number));
        last.map(|unfit| unfit.why.clone())
    }

    fn is_fit(&self) -> bool {
        self.primary.number() == Some(self.fit.load(Ordering::Relaxed))
    }

    async fn setting(&self, name: &str) -> Result<Option<String>, RedisUnfit> {
        let mut command = redis::cmd("CONFIG");
        command.arg("GET").arg(name);
        Ok(match self.readable(&command).await? {
            Some(Value::Array(pair)) => pair.into_iter().nth(1).map(text),
            _ => None,
        })
    }

    /// What Redis answers; nothing when it refuses to. That no answer comes is another matter: it would pass
    /// for fit unseen.
    async fn readable(&self, command: &Cmd) -> Result<Option<Value>, RedisUnfit> {
        match self.call(command).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == ErrorKind::Io => Err(RedisUnfit::of(error)),
            Err(_refused) => Ok(None),
        }
    }

    /// Sends a command once.
    pub(super) async fn call(&self, command: &Cmd) -> Result<Value, RedisError> {
        self.send(command, false).await
    }

    /// Sends a command once, to a node that has its key already although the slot is still another's.
    pub(super) async fn call_asking(&self, command: &Cmd) -> Result<Value, RedisError> {
        self.send(command, true).await
    }

    async fn send(&self, command: &Cmd, asking: bool) -> Result<Value, RedisError> {
        let mut manager = self.primary.manager()?;
        let span = tracing::info_span!("redis", otel.kind = "client", db.system = "redis");
        let sent = async {
            if !asking {
                return manager.req_packed_command(command).await;
            }
            let mut both = Pipeline::with_capacity(2);
            both.add_command(redis::cmd("ASKING"));
            both.add_command(command.clone());
            // Both answers: were the first alone refused, the second would have been carried out all the same.
            let answers = manager.req_packed_commands(&both, 0, 2).await?;
            Ok(answers.into_iter().next_back().unwrap_or(Value::Nil))
        };
        // What the server refuses comes as a value at this level.
        let result = sent.instrument(span).await.and_then(Value::extract_error);
        if let Err(error) = &result {
            if may_lead_elsewhere(error) {
                self.fit.store(NONE, Ordering::Relaxed);
            }
            match WriteRefusal::of(error) {
                // It would refuse on every connection.
                Some(refusal) => self.shared.refused.note(refusal),
                None if may_be_the_connections(error) => self.primary.failed(error),
                None => {}
            }
        }
        result
    }

    /// Sends a command to a Redis that was found fit, and again when the connection turns out to be gone: after
    /// a restart of Redis every connection is, and the first caller need not suffer for it. Only for
    /// commands that may be carried out twice.
    pub(super) async fn call_again_if_dropped(&self, command: &Cmd) -> Result<Value, RedisError> {
        match self.call(command).await {
            Err(error) if error.is_connection_dropped() && self.ensure_fit().await.is_ok() => {
                self.call(command).await
            }
            result => result,
        }
    }
}

#[async_trait]
impl Dependency for RedisConnection {
    fn name(&self) -> &'static str {
        REDIS
    }

    async fn check(&self) -> Health {
        if let Err(unfit) = self.inspect().await {
            return Health::Down(unfit.in_short().into());
        }
        // Every instance has the same Redis: to take this one out would help nobody.
        match self.shared.refused.lately() {
            Some(refusal) => Health::Degraded(refusal.in_short().into()),
            None => Health::Up,
        }
    }

    /// Until one was found fit: a rollout with a wrong address must not replace instances that do well. After that
    /// it is everybody's Redis that is away, and only refreshes need it.
    fn is_required(&self) -> bool {
        !self.shared.was_fit()
    }
}

/// Whether what answers next may be another Redis, or one that takes no writes.
fn may_lead_elsewhere(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Io | ErrorKind::Server(ServerErrorKind::ReadOnly)
    )
}

/// Whether an error could be the connection's own rather than the command's.
fn may_be_the_connections(error: &RedisError) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::Server(
            ServerErrorKind::NoScript
                | ServerErrorKind::NoPerm
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
        )
    )
}

/// Whatever Redis says, trying again later is all that a caller can do.
pub(super) fn unavailable(error: RedisError) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

pub(super) fn text(value: Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text,
        _ => String::new(),
    }
}

/// A line `name:value` of what INFO or CLUSTER INFO says.
pub(super) fn field(info: &str, name: &str) -> Option<String> {
    info.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value.trim().to_owned())
}
