//! A rolling update under load, and one back: two instances behind a balancer, each replaced by one of
//! the next version, whose schema has more. Not one request may fail.
//!
//! `cargo xtask rolling` runs it for longer, with two programs: the next version, and an old one that
//! may come from any commit. Without it both are this one, and the test itself brings the schema.

mod balancer;
mod fleet;
mod load;

use std::{env, fmt::Write as _, io::Write as _, sync::Arc, time::Duration};

use reqwest::Method;
use serde_json::json;
use tokenhouse_migration::{Instances, Migrations, rehearsal};
use tokenhouse_server::infrastructure::database;

use self::{
    balancer::Balancer,
    fleet::Fleet,
    load::{Load, Notes, OPERATIONS, Seen},
};
use crate::{
    harness::{Backend, Client, own_schema, store_url, unique, until},
    process::BINARY,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_two_versions_take_turns_on_redis() {
    rolling(Backend::Redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_two_versions_take_turns_on_postgres() {
    rolling(Backend::Postgres).await;
}

async fn rolling(backend: Backend) {
    let _installed_before = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let program = |name: &str| env::var(name).unwrap_or_else(|_| BINARY.to_owned());
    let fleet = Fleet {
        database: own_schema("rolling").await,
        redis: (backend == Backend::Redis).then(|| store_url("TOKENHOUSE_TEST_REDIS_URL")),
        old: program("TOKENHOUSE_TEST_OLD_BINARY"),
        new: program("TOKENHOUSE_TEST_NEW_BINARY"),
    };
    let seconds = env::var("TOKENHOUSE_TEST_ROLLING_SECONDS");
    let steady = Duration::from_secs(seconds.map_or(2, |seconds| seconds.parse().unwrap()));

    let balancer = Balancer::start().await;
    let one = fleet.start(&fleet.old, &balancer).await;
    let two = fleet.start(&fleet.old, &balancer).await;
    let issuer = tenant(&balancer).await;
    let load = Load::start(balancer.address, &issuer).await;
    let mut phases = Phases {
        notes: Arc::clone(&load.notes),
        names: Vec::new(),
    };

    phases.enter("old + old").await;
    tokio::time::sleep(steady).await;
    phases.enter("the schema expands").await;
    expand(&fleet).await;
    tokio::time::sleep(steady).await;
    phases.enter("the first is replaced").await;
    let one = fleet.replace(one, &fleet.new, &balancer).await;
    phases.enter("new + old").await;
    tokio::time::sleep(steady).await;
    phases.enter("the second is replaced").await;
    let two = fleet.replace(two, &fleet.new, &balancer).await;
    phases.enter("new + new").await;
    tokio::time::sleep(steady).await;
    phases.enter("one is rolled back").await;
    let two = fleet.replace(two, &fleet.old, &balancer).await;
    phases.enter("new + old, newer schema").await;
    tokio::time::sleep(steady).await;

    phases.complete().await;
    load.stop().await;
    let table = phases.table(backend);
    for instance in [one, two] {
        fleet.end(instance, &balancer).await;
    }
    // The result of `cargo xtask rolling`.
    let _ = std::io::stdout().write_all(table.as_bytes());
    assert_eq!(phases.failures(), [""; 0], "{table}");
    for operation in OPERATIONS {
        let least = phases.least(operation);
        assert!(
            least > 0,
            "nobody asked for {operation} in a phase:\n{table}"
        );
    }
}

async fn tenant(balancer: &Balancer) -> String {
    let slug = unique("t");
    let body = json!({ "slug": slug });
    let made = Client::new(balancer.address)
        .operator(Method::POST, "/admin/v1/tenants", Some(body))
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    format!("/t/{slug}")
}

/// Brings the schema of the next version: by its own program, or for the one that plays both.
async fn expand(fleet: &Fleet) {
    if fleet.new == fleet.old {
        let database = database::connect(&fleet.database).await.unwrap();
        let next = Migrations::current().followed_by(rehearsal::steps());
        let applied = next
            .up(database.connection(), Instances::MayRun, &|_| {})
            .await;
        assert_eq!(applied.unwrap().len(), rehearsal::steps().len());
    } else {
        let said = fleet.migrate(&fleet.new).await;
        assert!(said.contains("rehearse"), "{said}");
    }
}

/// The names of the phases, and what was seen in each.
struct Phases {
    notes: Arc<Notes>,
    names: Vec<&'static str>,
}

impl Phases {
    async fn enter(&mut self, name: &'static str) {
        self.complete().await;
        self.notes.enter(self.names.len());
        self.names.push(name);
    }

    /// Waits until everything was asked for in the phase that is on: a busy machine may log nobody in for a while.
    async fn complete(&self) {
        let Some(phase) = self.names.len().checked_sub(1) else {
            return;
        };
        until("each operation in the phase", async || {
            let seen = self.notes.seen(phase);
            let asked = |operation: &&str| seen.requests.get(*operation).is_some_and(|n| *n > 0);
            OPERATIONS.iter().all(asked).then_some(())
        })
        .await;
    }

    fn seen(&self) -> impl Iterator<Item = (&'static str, Seen)> {
        let seen = |(phase, name): (usize, &&'static str)| (*name, self.notes.seen(phase));
        self.names.iter().enumerate().map(seen)
    }

    fn failures(&self) -> Vec<String> {
        let named = |(name, seen): (&str, Seen)| {
            let name = name.to_owned();
            seen.failures
                .into_iter()
                .map(move |failure| format!("{name}: {failure}"))
        };
        self.seen().flat_map(named).collect()
    }

    /// The fewest requests of this kind in a phase.
    fn least(&self, operation: &str) -> usize {
        let count = |seen: &Seen| seen.requests.get(operation).copied().unwrap_or(0);
        self.seen().map(|(_, seen)| count(&seen)).min().unwrap_or(0)
    }

    fn table(&self, backend: Backend) -> String {
        let mut table = format!("\n{:<26}", format!("{backend:?}"));
        for operation in OPERATIONS {
            let _ = write!(table, "{operation:>9}");
        }
        let _ = writeln!(table, "{:>10}{:>12}", "failures", "slowest");
        for (name, seen) in self.seen() {
            let _ = write!(table, "{name:<26}");
            for operation in OPERATIONS {
                let count = seen.requests.get(operation).copied().unwrap_or(0);
                let _ = write!(table, "{count:>9}");
            }
            let slowest = format!("{} ms", seen.slowest.as_millis());
            let _ = writeln!(table, "{:>10}{slowest:>12}", seen.failures.len());
        }
        table
    }
}
