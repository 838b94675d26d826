//! One multiplexed connection that finds its way back.

use std::time::Duration;

use anyhow::{Context, bail};
use async_trait::async_trait;
use redis::{
    Client, Cmd, IntoConnectionInfo, RedisError, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig},
};

use crate::application::{error::StoreError, ports::Dependency};

/// How long an answer may take. Longer, and the caller hears 503 and tries again.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection to Redis. Cheap to clone: all clones share one socket and pipeline on it.
#[derive(Clone)]
pub struct RedisConnection(ConnectionManager);

impl std::fmt::Debug for RedisConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisConnection")
    }
}

impl RedisConnection {
    /// Connects, and checks that this Redis may be trusted with state.
    pub async fn connect(url: &str) -> anyhow::Result<Self> {
        let info = url
            .into_connection_info()
            .context("is no address of a Redis")?;
        // Without it a request in two segments waits for the peer's delayed acknowledgement.
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let client =
            Client::open(info.set_tcp_settings(tcp)).context("is no address of a Redis")?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECTION_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_millis(200));
        let manager = client
            .get_connection_manager_with_config(config)
            .await
            .context("Redis does not answer")?;
        let connection = Self(manager);
        connection.check_policy().await?;
        Ok(connection)
    }

    /// A Redis that evicts would forget that a token was used.
    async fn check_policy(&self) -> anyhow::Result<()> {
        let mut command = Cmd::new();
        command.arg("CONFIG").arg("GET").arg("maxmemory-policy");
        let policy: Result<Vec<String>, RedisError> =
            command.query_async(&mut self.0.clone()).await;
        match policy.as_deref() {
            Ok([_, policy]) if policy == "noeviction" => {
                tracing::info!("Redis keeps what it is given (noeviction)")
            }
            Ok([_, policy]) => bail!(
                "this Redis evicts keys (maxmemory-policy {policy}) and would forget used tokens: set it to noeviction"
            ),
            _ => tracing::warn!(
                "Redis does not tell its maxmemory-policy: make sure that it is noeviction"
            ),
        }
        Ok(())
    }

    /// Sends one command.
    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, RedisError> {
        self.0.clone().req_packed_command(command).await
    }
}

/// What a caller can act on.
pub(super) fn unavailable(error: RedisError) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

#[async_trait]
impl Dependency for RedisConnection {
    fn name(&self) -> &'static str {
        "redis"
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.send(Cmd::new().arg("PING"))
            .await
            .map(drop)
            .map_err(unavailable)
    }
}
