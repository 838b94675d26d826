use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};

use super::{
    super::{DatabaseStore, DatabaseTenants},
    fixture::{Fixture, empty_postgres, empty_sqlite, enter},
    on_both,
};
use crate::{
    application::{
        error::StoreError,
        ports::{Store, Tenants},
    },
    domain::{client::ClientId, signing_key::PublicKeyMaterial, tenant::Slug},
};

on_both!(
    up_is_done_once,
    down_takes_back_what_up_made,
    check_says_what_to_do,
    rows_of_before_become_rows_of_now
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

/// Lists what breaks the rules of `migration::tenant_table`. The directory is `tenants` and `hosts`.
const VIOLATIONS: &str = "
WITH tables AS (
    SELECT oid, relname, relrowsecurity AND relforcerowsecurity AS forced
    FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
    AND relname NOT IN ('tenants', 'hosts', 'seaql_migrations', 'schema_rules')
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

/// A table that the sweep forgot would keep rows of ended tenants; one that comes too late would be emptied
/// by a cascade, without a bound.
#[tokio::test]
async fn the_sweep_knows_every_table_and_their_order() {
    let db = super::fixture::postgres().await;
    let names = async |sql: &str| -> Vec<(String, String)> {
        let statement = Statement::from_string(DbBackend::Postgres, sql);
        let rows = db.connection().query_all_raw(statement).await.unwrap();
        let pair = |row: sea_orm::QueryResult| {
            (
                row.try_get("", "one").unwrap(),
                row.try_get("", "other").unwrap(),
            )
        };
        rows.into_iter().map(pair).collect()
    };
    let owned = "SELECT relname::text AS one, '' AS other FROM pg_class \
                 WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND EXISTS \
                 (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'tenant_id')";
    let mut owned: Vec<_> = names(owned).await.into_iter().map(|(one, _)| one).collect();
    let mut known = tokenhouse_entity::TENANT_TABLES.to_vec();
    owned.sort();
    known.sort_unstable();
    assert_eq!(owned, known, "entity::TENANT_TABLES");
    let references = "SELECT (SELECT relname::text FROM pg_class WHERE oid = conrelid) AS one, \
                      (SELECT relname::text FROM pg_class WHERE oid = confrelid) AS other \
                      FROM pg_constraint WHERE contype = 'f' AND connamespace = current_schema()::regnamespace";
    let place = |table: &str| {
        tokenhouse_entity::TENANT_TABLES
            .iter()
            .position(|one| *one == table)
    };
    let references = names(references).await;
    for (from, to) in references.into_iter().filter(|(_, to)| to != "tenants") {
        assert!(place(&from) < place(&to), "{from} refers to {to}");
    }
}

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

/// An installation of the first version keeps its keys, its clients and their names.
async fn rows_of_before_become_rows_of_now(db: Fixture) {
    const TENANT: &str = "01a1f6b2-5f00-7a3c-8d4e-0f1a2b3c4d5e";
    let connection = db.connection();
    let all = tokenhouse_migration::status(connection)
        .await
        .unwrap()
        .len();
    let later = u32::try_from(all - 6).unwrap();
    tokenhouse_migration::down(connection, later).await.unwrap();
    let postgres = connection.get_database_backend() == DbBackend::Postgres;
    let (id, bytes) = if postgres {
        (format!("'{TENANT}'::uuid"), "'\\x00'::bytea")
    } else {
        (format!("X'{}'", TENANT.replace('-', "")), "X'00'")
    };
    let tx = connection.begin().await.unwrap();
    if postgres {
        let enter = format!("SELECT set_config('app.tenant_id', '{TENANT}', true)");
        tx.execute_unprepared(&enter).await.unwrap();
    }
    for sql in [
        format!(
            "INSERT INTO tenants (id, slug, name, state, policy, not_before, data_key_master_id, data_key_sealed, created_at, updated_at) VALUES ({id}, 'old', 'Old', 'active', '{{}}', NULL, 'm', {bytes}, 1, 1)"
        ),
        format!(
            "INSERT INTO signing_keys (tenant_id, id, algorithm, state, x, y, private_key_sealed, created_at) VALUES ({id}, 'kid', 'ES256', 'active', 'xx', 'yy', {bytes}, 1)"
        ),
        format!(
            "INSERT INTO clients (tenant_id, id, kind, name, secret_digest, first_party, not_before, created_at, updated_at) VALUES ({id}, 'web', 'confidential', 'My \"web\"', {bytes}, FALSE, NULL, 1, 1)"
        ),
        format!(
            "INSERT INTO clients (tenant_id, id, kind, name, secret_digest, first_party, not_before, created_at, updated_at) VALUES ({id}, 'first-party', 'public', 'Old', NULL, TRUE, NULL, 1, 1)"
        ),
    ] {
        tx.execute_unprepared(&sql).await.unwrap();
    }
    tx.commit().await.unwrap();
    tokenhouse_migration::up(connection).await.unwrap();

    let slug = Slug::parse("old").unwrap();
    let tenants = DatabaseTenants::new(db.clone());
    let tenant = enter(tenants.by_slug(&slug).await.unwrap().unwrap());
    let mut view = DatabaseStore::new(db.clone()).view(&tenant).await.unwrap();
    let keys = view.signing_keys().await.unwrap();
    let expected = PublicKeyMaterial::p256("xx".to_owned(), "yy".to_owned());
    assert_eq!(keys[0].record.public.material, expected);
    let own = view
        .client(&ClientId::first_party())
        .await
        .unwrap()
        .unwrap();
    assert!(own.first_party && own.metadata.grant_types.is_empty());
    // A digest of the wrong length shows that the row is read as a whole.
    let web = view.client(&ClientId::parse("web").unwrap()).await;
    assert!(
        matches!(
            web,
            Err(StoreError::Corrupt {
                column: "secrets",
                ..
            })
        ),
        "{web:?}"
    );
    drop(view);
    // And back: what is known of the client now goes into the old columns.
    tokenhouse_migration::down(connection, later).await.unwrap();
    let tx = connection.begin().await.unwrap();
    if postgres {
        let enter = format!("SELECT set_config('app.tenant_id', '{TENANT}', true)");
        tx.execute_unprepared(&enter).await.unwrap();
    }
    let query = "SELECT name, kind FROM clients WHERE id = 'web'";
    let row = tx
        .query_one_raw(Statement::from_string(
            connection.get_database_backend(),
            query,
        ))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.try_get::<String>("", "name").unwrap(), "My \"web\"");
    assert_eq!(row.try_get::<String>("", "kind").unwrap(), "confidential");
}
