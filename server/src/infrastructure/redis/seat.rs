//! Which server has a key: the only one, or a node of a Cluster.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use redis::{Cmd, RedisError, Value};

use super::{
    address::{Place, RedisAddress},
    cluster::Cluster,
    connection::{RedisConnection, RedisFindings, unavailable},
    tenant_key::TenantKey,
    unfit::RedisUnfit,
};
use crate::{
    application::{
        error::StoreError,
        ports::{Dependency, Health},
    },
    infrastructure::metrics::MetricsBuilder,
};

/// How often a command is sent elsewhere before it is given up.
const HOPS: u8 = 5;

/// Where the hot state is. Clones share the connections.
#[derive(Clone, Debug)]
pub enum Redis {
    One(RedisConnection),
    Cluster(Arc<Cluster>),
}

impl From<RedisConnection> for Redis {
    fn from(connection: RedisConnection) -> Self {
        Self::One(connection)
    }
}

impl Redis {
    /// Prepares connections, which are made when they are needed. To be called inside of a runtime.
    pub fn open(address: &RedisAddress) -> Result<Self, RedisUnfit> {
        Ok(match &address.place {
            Place::Cluster(nodes) => Self::Cluster(Cluster::open(address, nodes)),
            Place::Server(_) | Place::Sentinels(_) => Self::One(RedisConnection::open(address)?),
        })
    }

    pub fn register(&self, metrics: &mut MetricsBuilder) {
        match self {
            Self::One(connection) => connection.register(metrics),
            Self::Cluster(cluster) => cluster.register(metrics),
        }
    }

    /// Looks at the Redis that is there now: see [`RedisConnection::inspect`].
    pub async fn inspect(&self) -> Result<RedisFindings, RedisUnfit> {
        match self {
            Self::One(connection) => connection.inspect().await,
            Self::Cluster(cluster) => cluster.inspect().await,
        }
    }

    /// The way to a key.
    pub(super) async fn way_to<'a>(&'a self, key: &'a TenantKey) -> Result<Way<'a>, StoreError> {
        let seat = match self {
            Self::One(connection) => Seat::the_only(connection.clone()),
            Self::Cluster(cluster) => cluster.seat(key).await.map_err(unfit)?,
        };
        Ok(Way {
            redis: self,
            key,
            seat,
            hops: 0,
        })
    }
}

#[async_trait]
impl Dependency for Redis {
    fn name(&self) -> &'static str {
        match self {
            Self::One(connection) => connection.name(),
            Self::Cluster(cluster) => cluster.name(),
        }
    }

    async fn check(&self) -> Health {
        match self {
            Self::One(connection) => connection.check().await,
            Self::Cluster(cluster) => cluster.check().await,
        }
    }

    fn is_required(&self) -> bool {
        match self {
            Self::One(connection) => connection.is_required(),
            Self::Cluster(cluster) => cluster.is_required(),
        }
    }
}

/// The server that is asked for a key, and how often it was another one.
pub(super) struct Way<'a> {
    redis: &'a Redis,
    key: &'a TenantKey,
    pub(super) seat: Seat,
    hops: u8,
}

impl Way<'_> {
    /// Goes where a server sends; its error, when it doesn't or has done so too often.
    pub(super) async fn go_on(mut self, error: RedisError) -> Result<Self, StoreError> {
        let next = match self.redis {
            Redis::Cluster(cluster) if self.hops < HOPS => {
                let next = cluster.follow(&error, self.seat, self.key).await;
                next.map_err(unfit)?
            }
            Redis::One(_) | Redis::Cluster(_) => None,
        };
        self.seat = next.ok_or_else(|| unavailable(error))?;
        self.hops += 1;
        Ok(self)
    }
}

/// A server that has a key, or is about to.
pub(super) struct Seat {
    connection: RedisConnection,
    /// Of a node of a Cluster: the host that we know it by.
    pub(super) host: String,
    asking: bool,
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").finish_non_exhaustive()
    }
}

impl Seat {
    fn the_only(connection: RedisConnection) -> Self {
        Self::of(connection, String::new())
    }

    pub(super) fn of(connection: RedisConnection, host: String) -> Self {
        Self {
            connection,
            host,
            asking: false,
        }
    }

    /// Of a slot that is moving: the key is there, the slot isn't yet.
    pub(super) fn asking(self) -> Self {
        let asking = true;
        Self { asking, ..self }
    }

    /// See [`RedisConnection::ensure_fit`].
    pub(super) async fn ensure_fit(&self) -> Result<(), StoreError> {
        self.connection.ensure_fit().await.map_err(unfit)
    }

    /// See [`RedisConnection::call`].
    pub(super) async fn call(&self, command: &Cmd) -> Result<Value, RedisError> {
        match self.asking {
            true => self.connection.call_asking(command).await,
            false => self.connection.call(command).await,
        }
    }

    /// See [`RedisConnection::call_again_if_dropped`].
    pub(super) async fn call_again_if_dropped(&self, command: &Cmd) -> Result<Value, RedisError> {
        match self.asking {
            true => self.connection.call_asking(command).await,
            false => self.connection.call_again_if_dropped(command).await,
        }
    }
}

fn unfit(unfit: RedisUnfit) -> StoreError {
    StoreError::Unavailable(Box::new(unfit))
}
