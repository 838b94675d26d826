//! What we say of locks is what Postgres says.

use std::collections::BTreeMap;

use sea_orm_migration::{
    prelude::*,
    sea_orm::{Statement, TransactionTrait},
};
use tokenhouse_migration::{Migrations, Step, rehearsal};

use crate::database::{Scratch, Sql};

/// The strongest lock on each table that was there before, as the session that runs it holds them.
const HELD: &str = "
SELECT c.relname::text AS name, l.mode AS mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
WHERE l.pid = pg_backend_pid() AND l.granted AND c.relkind IN ('r', 'p')
    AND c.relnamespace = current_schema()::regnamespace";

const ORDER: [&str; 8] = [
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
];

fn rank(mode: &str) -> usize {
    ORDER.iter().position(|one| *one == mode).unwrap()
}

/// Statements that migrations may have and none has yet.
fn planted() -> Step {
    Step::expand(Sql::up(
        "m99991231_000006_planted",
        &[
            "CREATE TABLE badges (id int PRIMARY KEY, user_tenant uuid, user_id uuid)",
            "ALTER TABLE badges ADD CONSTRAINT f FOREIGN KEY (user_tenant, user_id) REFERENCES users (tenant_id, id) NOT VALID",
            "ALTER TABLE badges VALIDATE CONSTRAINT f",
            "ALTER TABLE users ADD CONSTRAINT c CHECK (name <> 'x') NOT VALID",
            "ALTER TABLE users VALIDATE CONSTRAINT c",
            "ALTER TABLE users ADD COLUMN badge int REFERENCES badges (id)",
            "ALTER TABLE users ALTER COLUMN badge SET DEFAULT 1",
            "ALTER TABLE users ALTER COLUMN badge SET NOT NULL",
            "CREATE INDEX users_badge_idx ON users (badge)",
            "DROP INDEX users_badge_idx",
            "DELETE FROM badges",
            "INSERT INTO badges (id) VALUES (1)",
            "DROP TABLE single_use",
        ],
    ))
}

#[tokio::test]
async fn the_locks_that_status_names_are_those_that_postgres_takes() {
    let scratch = Scratch::postgres().await;
    let all = || {
        let later = Migrations::current().followed_by(rehearsal::steps());
        later.followed_by(vec![planted()])
    };
    let count = all().steps().len();
    let mut compared = 0;
    for more in (0..count).rev() {
        let list = || all().without_last(more);
        let mut done = 0;
        // A statement's tables may come from the one before it, so each is asked about when it is next.
        loop {
            let report = list().report(&scratch.db).await.unwrap();
            let Some(work) = report.migrations.last().unwrap().statements.get(done) else {
                break;
            };
            done += 1;
            if work.is_concurrent() {
                assert_eq!(work.locks.len(), 1, "{}", work.sql);
                scratch.run(&work.sql).await;
                continue;
            }
            let mut said: BTreeMap<String, &str> = BTreeMap::new();
            for held in &work.locks {
                let mode = held.lock.unwrap().mode();
                let strongest = said.entry(held.table.clone()).or_insert(mode);
                if rank(mode) > rank(strongest) {
                    *strongest = mode;
                }
            }
            let held = held_by(&scratch, &work.sql, &said).await;
            assert_eq!(
                said,
                held.iter()
                    .map(|(table, mode)| (table.clone(), mode.as_str()))
                    .collect(),
                "{}",
                work.sql
            );
            compared += 1;
        }
        mark_applied(&scratch, list().steps().last().unwrap().name()).await;
    }
    assert!(compared > 100, "{compared}");
}

/// Runs the statement and says which locks it holds, of those that stop anybody or were named.
async fn held_by(
    scratch: &Scratch,
    sql: &str,
    said: &BTreeMap<String, &str>,
) -> BTreeMap<String, String> {
    let existed = "SELECT relname::text AS name, '' AS mode FROM pg_class WHERE relkind IN ('r', 'p') \
                   AND relnamespace = current_schema()::regnamespace";
    let tx = scratch.db.begin().await.unwrap();
    let ask = async |sql: &str| -> Vec<(String, String)> {
        let statement = Statement::from_string(tx.get_database_backend(), sql);
        let rows = tx.query_all_raw(statement).await.unwrap();
        let pair = |row: sea_orm_migration::sea_orm::QueryResult| {
            (
                row.try_get("", "name").unwrap(),
                row.try_get("", "mode").unwrap(),
            )
        };
        rows.into_iter().map(pair).collect()
    };
    let existed = ask(existed).await;
    // Row-level security holds for the check of a foreign key, too.
    let enter = format!("SET LOCAL app.tenant_id = '{}'", "0".repeat(32));
    tx.execute_unprepared(&enter).await.unwrap();
    tx.execute_unprepared(sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut strongest: BTreeMap<String, String> = BTreeMap::new();
    for (table, mode) in ask(HELD).await {
        // A dropped table is looked up no more, and reading stops nobody.
        let counts = existed.iter().any(|(name, _)| *name == table)
            && (rank(&mode) > rank("RowShareLock") || said.contains_key(&table));
        let known = strongest
            .get(&table)
            .is_some_and(|known| rank(known) >= rank(&mode));
        if counts && !known {
            strongest.insert(table, mode);
        }
    }
    for (table, mode) in said {
        if sql.starts_with("DROP TABLE") && sql.contains(table.as_str()) {
            strongest.insert(table.clone(), (*mode).to_owned());
        }
    }
    tx.commit().await.unwrap();
    strongest
}

async fn mark_applied(scratch: &Scratch, name: &str) {
    scratch
        .run("CREATE TABLE IF NOT EXISTS seaql_migrations (version varchar PRIMARY KEY, applied_at bigint)")
        .await;
    scratch
        .run(&format!(
            "INSERT INTO seaql_migrations VALUES ('{name}', 0)"
        ))
        .await;
}
