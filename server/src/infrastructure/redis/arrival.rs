//! A Redis that is missing at the start: waited for, while everything else is served.

use std::{fmt, sync::Arc};

use tokio::{task::AbortHandle, time::sleep};

use super::{connection::RedisFindings, seat::Redis, unfit::RedisUnfit};
use crate::{
    application::{error::chain, ports::Entropy},
    infrastructure::backoff::Backoff,
};

/// Waits for a Redis and looks at it when it comes. Stops when it is dropped.
pub struct Arrival(AbortHandle);

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival").finish_non_exhaustive()
    }
}

impl Arrival {
    /// Goes on until this Redis is there and fit; why it isn't now has been told.
    pub fn wait(redis: Redis, entropy: Arc<dyn Entropy>) -> Self {
        Self(tokio::spawn(wait(redis, entropy)).abort_handle())
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn wait(redis: Redis, entropy: Arc<dyn Entropy>) {
    let mut backoff = Backoff::default();
    let mut told = String::new();
    loop {
        sleep(backoff.next(&*entropy)).await;
        match redis.inspect().await {
            Ok(findings) => return report(&findings),
            Err(unfit) => {
                let text = unfit.to_string();
                if text != told {
                    report_unfit(&unfit);
                }
                told = text;
            }
        }
    }
}

/// Says what this Redis is like: how much of the hot state a restart would lose.
pub fn report(findings: &RedisFindings) {
    tracing::info!(
        version = findings.version,
        eviction_policy = findings.eviction_policy,
        append_only = findings.append_only,
        snapshots = findings.snapshots,
        replicas = findings.replicas,
        "hot state is in Redis"
    );
    if findings.partly_missing {
        tracing::warn!(
            "a part of the Redis Cluster can't be used: refreshes of its slots are refused with 503"
        );
    }
}

/// Says why there is none.
pub fn report_unfit(unfit: &RedisUnfit) {
    tracing::warn!(
        error = chain(unfit),
        "refreshes are refused with 503 until Redis can be used; trying again"
    );
}
