//! The connection to Redis: one, multiplexed, that comes back by itself and never waits long.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value, aio::ConnectionLike};
use tokio::sync::Mutex;
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

/// What probes and metrics call it.
pub const REDIS: &str = "redis";

/// No connection has this number.
const NONE: u64 = u64::MAX;

/// A connection to Redis. Clones share it.
#[derive(Clone)]
pub struct RedisConnection {
    primary: Arc<Primary>,
    /// The connection whose Redis was looked at and forgets nothing that it was told.
    fit: Arc<AtomicU64>,
    /// One was found fit since the start: its address is right.
    was_fit: Arc<AtomicBool>,
    /// Held while looking: many callers may want to know at once.
    looking: Arc<Mutex<()>>,
    refused: Arc<RefusedWrites<WriteRefusal>>,
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
}

impl RedisConnection {
    /// Prepares a connection. It is made when it is needed, so that a Redis that is missing at the
    /// start is only one that comes later.
    pub fn open(address: &RedisAddress) -> Result<Self, RedisUnfit> {
        let primary = Primary::open(address).map_err(RedisUnfit::of)?;
        Ok(Self {
            primary,
            fit: Arc::new(AtomicU64::new(NONE)),
            was_fit: Arc::default(),
            looking: Arc::default(),
            refused: Arc::default(),
        })
    }

    pub fn register(&self, metrics: &mut MetricsBuilder) {
        self.refused.register(
            metrics,
            "redis_writes_refused",
            "Writes that Redis refused because it is full, can't save, or has too few replicas",
        );
    }

    /// Looks at the Redis that is there now: whether it takes writes, how it is set up, and whether it would
    /// forget what it is told. No refresh is entrusted to one that was not found fit.
    ///
    /// What it is not permitted to read it leaves out.
    pub async fn inspect(&self) -> Result<RedisFindings, RedisUnfit> {
        let looked = self.look().await;
        if looked.is_err() {
            self.fit.store(NONE, Ordering::Relaxed);
        }
        looked
    }

    async fn look(&self) -> Result<RedisFindings, RedisUnfit> {
        self.primary.known().await;
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
        if field(&info, "redis_mode").as_deref() == Some("cluster") {
            return Err(RedisUnfit::Cluster);
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
        };
        if let Some(policy) = &findings.eviction_policy
            && policy != SAFE_POLICY
        {
            return Err(RedisUnfit::Evicts(policy.clone()));
        }
        self.fit.store(number.unwrap_or(NONE), Ordering::Relaxed);
        self.was_fit.store(true, Ordering::Relaxed);
        Ok(findings)
    }

    /// Looks at the Redis if that wasn't done since it was connected to: it may be another one, or have come back
    /// with other settings.
    pub(super) async fn ensure_fit(&self) -> Result<(), RedisUnfit> {
        if self.is_fit() {
            return Ok(());
        }
        let _alone = self.looking.lock().await;
        match self.is_fit() {
            true => Ok(()),
            false => self.inspect().await.map(drop),
        }
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
        // What the server refuses comes as a value at this level.
        let mut manager = self.primary.manager()?;
        let span = tracing::info_span!("redis", otel.kind = "client", db.system = "redis");
        let result = manager
            .req_packed_command(command)
            .instrument(span)
            .await
            .and_then(Value::extract_error);
        if let Err(error) = &result {
            if may_lead_elsewhere(error) {
                self.fit.store(NONE, Ordering::Relaxed);
            }
            match WriteRefusal::of(error) {
                // It would refuse on every connection.
                Some(refusal) => self.refused.note(refusal),
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
        match self.refused.lately() {
            Some(refusal) => Health::Degraded(refusal.in_short().into()),
            None => Health::Up,
        }
    }

    /// Until one was found fit: a rollout with a wrong address must not replace instances that do well. After that
    /// it is everybody's Redis that is away, and only refreshes need it.
    fn is_required(&self) -> bool {
        !self.was_fit.load(Ordering::Relaxed)
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
        ErrorKind::Server(ServerErrorKind::NoScript | ServerErrorKind::NoPerm)
    )
}

/// Whatever Redis says, trying again later is all that a caller can do.
pub(super) fn unavailable(error: RedisError) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

fn text(value: Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text,
        _ => String::new(),
    }
}

/// A line `name:value` of what INFO says.
fn field(info: &str, name: &str) -> Option<String> {
    info.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value.trim().to_owned())
}
