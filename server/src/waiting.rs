//! Stores that are missing at the start. What comes back by itself is waited for; what somebody has
//! to mend ends the start with a line that says so.

use std::sync::Arc;

use anyhow::Context;
use tokio::time::sleep;

use crate::{
    application::{
        error::chain,
        ports::{Dependency, Entropy, Health},
    },
    http::starting::Start,
    infrastructure::{
        backoff::Backoff,
        database::{self, DATABASE, Database},
        redis::{self, Arrival, REDIS, Redis, RedisAddress},
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
    start.asks(DATABASE);
    loop {
        let (missing, health) = match attempt(url).await {
            Attempt::Open(database) => {
                warn_if_unbound(&database);
                start.found_that(DATABASE, Health::Up);
                return Ok(database);
            }
            Attempt::Failed(error) => return Err(error),
            Attempt::Missing(error, health) => (chain(&*error), health),
        };
        start.found_that(DATABASE, health);
        if missing != told {
            tracing::warn!(error = missing, "the database is waited for");
            told = missing;
        }
        sleep(backoff.next(entropy)).await;
    }
}

enum Attempt {
    Open(Database),
    Missing(anyhow::Error, Health),
    Failed(anyhow::Error),
}

async fn attempt(url: &str) -> Attempt {
    let opened = database::connect(url).await;
    let database = match opened {
        Ok(database) => database,
        Err(problem) => {
            let (passes, short) = (problem.may_pass(), problem.in_short());
            let error = anyhow::Error::from(problem).context("the database can't be opened");
            return match passes {
                true => Attempt::Missing(error, Health::Down(short.into())),
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
        Err(problem) => match database.check().await {
            // It went away again in the meantime.
            gone @ Health::Down(_) => Attempt::Missing(problem.into(), gone),
            Health::Up | Health::Degraded(_) => Attempt::Failed(problem.into()),
        },
    }
}

/// Says it at each start: everything works, so that nobody would notice before an auditor does.
fn warn_if_unbound(database: &Database) {
    if let Some(role) = database.unbound_role() {
        tracing::warn!(
            role,
            "row-level security doesn't bind the database's role, which is a superuser or has BYPASSRLS: one of \
             the locks between tenants is open; connect as a role that is made with NOSUPERUSER NOBYPASSRLS"
        );
    }
}

/// A connection to Redis. A Redis that is missing is waited for behind it: all but refreshes goes
/// on without one.
pub(crate) async fn for_redis(
    address: &RedisAddress,
    start: &Start,
    entropy: &Arc<dyn Entropy>,
) -> anyhow::Result<(Redis, Option<Arrival>)> {
    start.asks(REDIS);
    let redis = Redis::open(address).context("TOKENHOUSE_REDIS_URL")?;
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
