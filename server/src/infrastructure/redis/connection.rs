//! The connection to Redis: one, multiplexed, that comes back by itself and never waits long.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use redis::{
    Client, Cmd, ConnectionAddr, ErrorKind, IntoConnectionInfo, RedisError, ServerErrorKind, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig},
};

use tracing::Instrument;

use crate::application::{error::StoreError, ports::Dependency};

/// Longer than a healthy Redis ever takes, shorter than a client's patience. A call that was given
/// up may have been carried out.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(1);
/// Every call that finds no connection starts another round of these.
const RETRIES: usize = 1;
const RETRY_DELAY: Duration = Duration::from_millis(50);
/// The library's own 50 makes calls wait for one another under load.
const CALLS_IN_FLIGHT: usize = 1_024;
/// How often a connection is replaced that Redis answers with refusals.
const REPLACED_AFTER: Duration = Duration::from_secs(1);
/// The only policy under which a full Redis refuses new records instead of dropping old ones.
const SAFE_POLICY: &str = "noeviction";

/// A connection to Redis. Clones share it.
#[derive(Clone)]
pub struct RedisConnection {
    client: Client,
    current: Arc<RwLock<Current>>,
}

struct Current {
    manager: ConnectionManager,
    since: Instant,
}

impl fmt::Debug for RedisConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConnection").finish_non_exhaustive()
    }
}

/// Why a Redis can't be used. No text repeats the URL: it may carry a password.
#[derive(Debug, thiserror::Error)]
pub enum RedisUnfit {
    #[error("the Redis URL is malformed")]
    Url(#[source] RedisError),
    #[error(
        "Redis URLs that begin with {0}:// are not supported; use redis:// or unix:// \
         (no TLS, Sentinel or Cluster yet)"
    )]
    Scheme(String),
    #[error("Redis can't be reached")]
    Unreachable(#[source] RedisError),
    #[error(
        "Redis would drop refresh families when its memory is full (maxmemory-policy {0}); \
         set maxmemory-policy noeviction"
    )]
    Evicts(String),
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
    /// Connects by a URL such as `redis://user:password@host:6379/0` or `unix:///run/redis.sock`.
    pub async fn connect(url: &str) -> Result<Self, RedisUnfit> {
        // Checked first: what the library says of an unknown scheme helps nobody.
        match url.split_once("://").map(|(scheme, _)| scheme) {
            Some("redis" | "unix" | "redis+unix") => {}
            Some(scheme) => return Err(RedisUnfit::Scheme(scheme.to_owned())),
            None => return Err(RedisUnfit::Scheme(String::new())),
        }
        let info = url.into_connection_info().map_err(RedisUnfit::Url)?;
        if let ConnectionAddr::TcpTls { .. } = info.addr() {
            return Err(RedisUnfit::Scheme("rediss".to_owned()));
        }
        // Off by default: small commands would wait for one another's acknowledgement.
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let client = Client::open(info.set_tcp_settings(tcp)).map_err(RedisUnfit::Url)?;
        let manager = ConnectionManager::new_with_config(client.clone(), config())
            .await
            .map_err(RedisUnfit::Unreachable)?;
        let current = Current {
            manager,
            since: Instant::now(),
        };
        Ok(Self {
            client,
            current: Arc::new(RwLock::new(current)),
        })
    }

    /// Reads how this Redis is set up, and refuses one that would forget what it was told.
    ///
    /// What it is not permitted to read it leaves out.
    pub async fn inspect(&self) -> Result<RedisFindings, RedisUnfit> {
        // Part of INFO, which hosted Redis allows where CONFIG is closed.
        let info = self
            .call(&redis::cmd("INFO"))
            .await
            .map(text)
            .unwrap_or_default();
        let findings = RedisFindings {
            version: field(&info, "redis_version"),
            eviction_policy: match field(&info, "maxmemory_policy") {
                Some(policy) => Some(policy),
                None => self.setting("maxmemory-policy").await,
            },
            append_only: field(&info, "aof_enabled").map(|enabled| enabled == "1"),
            snapshots: self.setting("save").await,
            replicas: field(&info, "connected_slaves").and_then(|count| count.parse().ok()),
        };
        match &findings.eviction_policy {
            Some(policy) if policy != SAFE_POLICY => Err(RedisUnfit::Evicts(policy.clone())),
            _ => Ok(findings),
        }
    }

    async fn setting(&self, name: &str) -> Option<String> {
        let mut command = redis::cmd("CONFIG");
        command.arg("GET").arg(name);
        match self.call(&command).await {
            Ok(Value::Array(pair)) => pair.into_iter().nth(1).map(text),
            _ => None,
        }
    }

    /// Sends a command once.
    pub(super) async fn call(&self, command: &Cmd) -> Result<Value, RedisError> {
        // A clone shares the connection. What the server refuses comes as a value at this level.
        let mut manager = self.manager();
        let span = tracing::info_span!("redis", otel.kind = "client", db.system = "redis");
        let result = manager
            .req_packed_command(command)
            .instrument(span)
            .await
            .and_then(Value::extract_error);
        if let Err(error) = &result
            && may_be_the_connections(error)
        {
            self.replace();
        }
        result
    }

    fn manager(&self) -> ConnectionManager {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.manager.clone()
    }

    /// Starts anew. The manager comes back by itself after I/O errors, and never after a refusal
    /// while connecting: of a password, of one client too many, of a node that is no primary.
    fn replace(&self) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.since.elapsed() < REPLACED_AFTER {
            return;
        }
        if let Ok(manager) = ConnectionManager::new_lazy_with_config(self.client.clone(), config())
        {
            *current = Current {
                manager,
                since: Instant::now(),
            };
        }
    }

    /// Sends a command, and again when the connection turns out to be gone: after a restart of
    /// Redis every connection is, and the first caller need not suffer for it. Only for commands
    /// that may be carried out twice.
    pub(super) async fn call_again_if_dropped(&self, command: &Cmd) -> Result<Value, RedisError> {
        match self.call(command).await {
            Err(error) if error.is_connection_dropped() => self.call(command).await,
            result => result,
        }
    }
}

#[async_trait]
impl Dependency for RedisConnection {
    fn name(&self) -> &'static str {
        "redis"
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.call_again_if_dropped(&redis::cmd("PING"))
            .await
            .map(|_pong| ())
            .map_err(unavailable)
    }
}

fn config() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_connection_timeout(Some(CONNECTION_TIMEOUT))
        .set_number_of_retries(RETRIES)
        .set_min_delay(RETRY_DELAY)
        .set_max_delay(RETRY_DELAY)
        .set_pipeline_buffer_size(CALLS_IN_FLIGHT)
}

/// Whether an error could be the connection's own rather than the command's.
fn may_be_the_connections(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Io | ErrorKind::Server(ServerErrorKind::NoScript | ServerErrorKind::NoPerm) => {
            false
        }
        // A full Redis refuses writes on every connection.
        _ => error.code() != Some("OOM"),
    }
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
