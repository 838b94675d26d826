//! What is told before anything runs.

use tokenhouse_migration::{Held, Lock, Migrations, rehearsal};

use crate::database::Scratch;

fn next() -> Migrations {
    Migrations::current().followed_by(rehearsal::steps())
}

fn held(held: &[Held]) -> Vec<(&str, Option<Lock>, bool, bool)> {
    held.iter()
        .map(|one| {
            (
                one.table.as_str(),
                one.lock,
                one.blocks_reads,
                one.blocks_writes,
            )
        })
        .collect()
}

#[tokio::test]
async fn pending_migrations_show_statements_locks_and_rows() {
    let scratch = Scratch::postgres().await;
    scratch.up(&Migrations::current()).await.unwrap();
    scratch
        .run(
            "INSERT INTO tenants (id, slug, name, state, policy, data_key_master_id, data_key_sealed, created_at, updated_at) \
             SELECT gen_random_uuid(), 't' || n, 'T', 'active', '{}', 'm', '', 0, 0 FROM generate_series(1, 1234) n",
        )
        .await;
    scratch.run("ANALYZE tenants").await;
    let report = next().report(&scratch.db).await.unwrap();
    report.verdict.unwrap_err();
    let [table, tenants, _, _, index] = &report.migrations[report.migrations.len() - 5..] else {
        panic!("the rehearsal has five");
    };
    assert!(!tenants.applied && tenants.kind.as_deref() == Some("expand"));
    let table = &table.statements[0];
    assert_eq!(
        table.sql,
        "CREATE TABLE rehearsals (name text NOT NULL PRIMARY KEY)"
    );
    assert_eq!(held(&table.locks), [], "nobody knows it yet");
    let locks = &tenants.statements[0].locks;
    assert_eq!(
        held(locks),
        [("tenants", Some(Lock::AccessExclusive), true, true)]
    );
    assert_eq!((locks[0].rows, locks[0].long), (Some(1234), false));
    assert_eq!(
        held(&index.statements[0].locks),
        [("users", Some(Lock::ShareUpdateExclusive), false, false)]
    );
    assert!(
        index.statements[0]
            .sql
            .starts_with("CREATE INDEX CONCURRENTLY")
    );
    // What was shown is what happens, and nothing has happened yet.
    assert_eq!(scratch.up(&next()).await.unwrap().len(), 5);
    let after = next().report(&scratch.db).await.unwrap();
    assert!(after.verdict.is_ok() && after.migrations.iter().all(|one| one.statements.is_empty()));
}

#[tokio::test]
async fn on_sqlite_every_change_stops_writers_alone() {
    let scratch = Scratch::sqlite().await;
    scratch.up(&Migrations::current()).await.unwrap();
    let report = next().report(&scratch.db).await.unwrap();
    let last = report.migrations.last().unwrap();
    assert_eq!(
        held(&last.statements[0].locks),
        [("users", None, false, true)]
    );
    assert_eq!(last.statements[0].locks[0].rows, Some(0));
    assert!(!last.statements[0].sql.contains("CONCURRENTLY"));
}

#[tokio::test]
async fn an_empty_database_is_only_looked_at() {
    for scratch in Scratch::both().await {
        let report = Migrations::current().report(&scratch.db).await.unwrap();
        assert!(
            report
                .migrations
                .iter()
                .all(|one| !one.applied && !one.statements.is_empty())
        );
        let tables = if scratch.is_postgres() {
            "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
        } else {
            "SELECT count(*) FROM sqlite_schema"
        };
        assert_eq!(scratch.number(tables).await, 0);
    }
}

#[tokio::test]
async fn migrations_of_a_newer_program_are_listed_with_their_kind() {
    for scratch in Scratch::both().await {
        scratch.up(&next()).await.unwrap();
        let report = Migrations::current().report(&scratch.db).await.unwrap();
        let last = report.migrations.last().unwrap();
        assert!(last.applied && !last.known && last.kind.as_deref() == Some("expand"));
        assert_eq!(report.verdict.unwrap().len(), 5);
    }
}
