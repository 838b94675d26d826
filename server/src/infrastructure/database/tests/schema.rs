use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::{
    fixture::{Fixture, empty_postgres, empty_sqlite},
    on_both,
};

on_both!(
    up_is_done_once,
    down_takes_back_what_up_made,
    check_says_what_to_do
);

async fn up_is_done_once(db: Fixture) {
    assert_eq!(
        tokenhouse_migration::up(db.connection()).await.unwrap(),
        [""; 0]
    );
    let status = tokenhouse_migration::status(db.connection()).await.unwrap();
    assert!(status.iter().all(|(_, applied)| *applied), "{status:?}");
    tokenhouse_migration::check(db.connection()).await.unwrap();
}

async fn down_takes_back_what_up_made(db: Fixture) {
    let connection = db.connection();
    let all = tokenhouse_migration::status(connection)
        .await
        .unwrap()
        .len();
    let last = tokenhouse_migration::down(connection, 1).await.unwrap();
    assert_eq!(last.len(), 1);
    tokenhouse_migration::check(connection).await.unwrap_err();
    assert_eq!(
        tokenhouse_migration::up(connection).await.unwrap(),
        last,
        "only what is missing"
    );
    let gone = tokenhouse_migration::down(connection, 99).await.unwrap();
    assert_eq!(gone.len(), all);
    assert!(
        connection
            .execute_unprepared("SELECT 1 FROM tenants")
            .await
            .is_err()
    );
    assert_eq!(
        tokenhouse_migration::up(connection).await.unwrap().len(),
        all
    );
}

async fn check_says_what_to_do(db: Fixture) {
    let connection = db.connection();
    connection
        .execute_unprepared(
            "INSERT INTO seaql_migrations VALUES ('m99990101_000001_from_later', 0)",
        )
        .await
        .unwrap();
    let problem = tokenhouse_migration::check(connection).await.unwrap_err();
    let text = problem.to_string();
    assert!(text.contains("m99990101_000001_from_later"), "{text}");
}

#[tokio::test]
async fn an_empty_database_is_only_looked_at() {
    for db in [empty_sqlite().await, empty_postgres().await] {
        let problem = tokenhouse_migration::check(db.connection())
            .await
            .unwrap_err();
        let text = problem.to_string();
        assert!(text.contains("run `tokenhouse migrate up`"), "{text}");
        assert!(
            db.connection()
                .execute_unprepared("SELECT 1 FROM seaql_migrations")
                .await
                .is_err()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_may_migrate_at_once() {
    for db in [empty_sqlite().await, empty_postgres().await] {
        let (one, two) = tokio::join!(
            tokenhouse_migration::up(db.connection()),
            tokenhouse_migration::up(db.connection())
        );
        let mut counts = [one.unwrap().len(), two.unwrap().len()];
        counts.sort_unstable();
        assert_eq!(counts[0], 0);
        assert!(counts[1] > 0);
    }
}

/// Lists what breaks the rules of `migration::tenant_table`.
const VIOLATIONS: &str = "
WITH tables AS (
    SELECT oid, relname, relrowsecurity AND relforcerowsecurity AS forced
    FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
    AND relname NOT IN ('tenants', 'seaql_migrations')
), tenant_column AS (
    SELECT attrelid, attnum FROM pg_attribute WHERE attname = 'tenant_id' AND attnotnull
)
SELECT relname || ': row-level security is not forced' AS violation FROM tables WHERE NOT forced
UNION ALL
SELECT relname || ': has no isolating policy' FROM tables WHERE NOT EXISTS (
    SELECT FROM pg_policy WHERE polrelid = tables.oid AND polcmd = '*' AND polpermissive
    AND pg_get_expr(polqual, polrelid) LIKE '%tenant_id = (current_setting(''app.tenant_id''%'
    AND pg_get_expr(polwithcheck, polrelid) = pg_get_expr(polqual, polrelid))
UNION ALL
SELECT relname || ': has more than one policy' FROM tables
    WHERE (SELECT count(*) FROM pg_policy WHERE polrelid = tables.oid) > 1
UNION ALL
SELECT relname || ': has no tenant_id that is not null' FROM tables
    WHERE NOT EXISTS (SELECT FROM tenant_column WHERE attrelid = tables.oid)
UNION ALL
SELECT relname || ': has no primary key' FROM tables
    WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = tables.oid AND contype = 'p')
UNION ALL
SELECT relname || ': ' || conname || ' does not start with tenant_id'
    FROM tables JOIN pg_constraint ON conrelid = tables.oid
    WHERE contype IN ('p', 'u', 'f') AND conkey[1] NOT IN (
        SELECT attnum FROM tenant_column WHERE attrelid = tables.oid)
UNION ALL
SELECT relname || ': ' || indexrelid::regclass || ' does not start with tenant_id'
    FROM tables JOIN pg_index ON indrelid = tables.oid
    WHERE indisunique AND indkey[0] NOT IN (
        SELECT attnum FROM tenant_column WHERE attrelid = tables.oid)";

#[tokio::test]
async fn every_table_keeps_tenants_apart() {
    let db = super::fixture::postgres().await;
    let violations = async || -> Vec<String> {
        db.connection()
            .query_all_raw(Statement::from_string(DbBackend::Postgres, VIOLATIONS))
            .await
            .unwrap()
            .into_iter()
            .map(|row| row.try_get("", "violation").unwrap())
            .collect()
    };
    assert_eq!(violations().await, [""; 0]);
    // The query itself works: it sees a table that breaks every rule.
    db.connection()
        .execute_unprepared("CREATE TABLE forgotten (id int PRIMARY KEY)")
        .await
        .unwrap();
    assert_eq!(violations().await.len(), 5, "{:?}", violations().await);
}
