//! Stores that are missing at the start. What comes back by itself is waited for; what somebody has
//! to mend ends the start with a line that says so.

use std::sync::Arc;

use anyhow::Context;
use tokio::time::sleep;

use crate::{
    application::ports::{Dependency, Entropy, Health},
    http::starting::Start,
    infrastructure::{
        backoff::Backoff,
        database::{self, Database},
        redis::{self, Arrival, RedisAddress, RedisConnection},
    },
};

/// Waits until the database is there, and refuses a schema that isn't ours.
pub(crate) async fn for_the_database(
    url: &str,
    start: &Start,
    entropy: &dyn Entropy,
) -> anyhow::Result<Database> {
    let mut backoff = Backoff::default();
    let mut told = String::new();
    loop {
        let missing = match attempt(url).await {
            Attempt::Open(database) => return Ok(database),
            Attempt::Failed(error) => return Err(error),
            Attempt::Missing(error) => format!("{error:#}"),
        };
        start.waits(Health::Down("unreachable".into()));
        if missing != told {
            tracing::warn!(error = missing, "the database is waited for");
            told = missing;
        }
        sleep(backoff.next(entropy)).await;
    }
}

enum Attempt {
    Open(Database),
    Missing(anyhow::Error),
    Failed(anyhow::Error),
}

async fn attempt(url: &str) -> Attempt {
    let opened = database::connect(url).await;
    let database = match opened {
        Ok(database) => database,
        Err(problem) => {
            let passes = problem.may_pass();
            let error = anyhow::Error::from(problem).context("the database can't be opened");
            return match passes {
                true => Attempt::Missing(error),
                false => Attempt::Failed(error),
            };
        }
    };
    match tokenhouse_migration::check(database.connection()).await {
        Ok(newer) => {
            if !newer.is_empty() {
                tracing::info!(
                    migrations = newer.join(", "),
                    "the schema is newer than this program, which may serve on it"
                );
            }
            Attempt::Open(database)
        }
        // It went away again in the meantime.
        Err(problem) if database.check().await != Health::Up => Attempt::Missing(problem.into()),
        Err(problem) => Attempt::Failed(problem.into()),
    }
}

/// A connection to Redis. A Redis that is missing is waited for behind it: all but refreshes goes
/// on without one.
pub(crate) async fn for_redis(
    address: &RedisAddress,
    entropy: &Arc<dyn Entropy>,
) -> anyhow::Result<(RedisConnection, Option<Arrival>)> {
    let redis = RedisConnection::open(address).context("TOKENHOUSE_REDIS_URL")?;
    match redis.inspect().await {
        Ok(findings) => {
            redis::report(&findings);
            Ok((redis, None))
        }
        Err(unfit) if unfit.may_pass() => {
            redis::report_unfit(&unfit);
            let arrival = Arrival::wait(redis.clone(), Arc::clone(entropy));
            Ok((redis, Some(arrival)))
        }
        Err(unfit) => Err(unfit).context("TOKENHOUSE_REDIS_URL"),
    }
}
