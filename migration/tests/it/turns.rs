//! One process at a time, and nobody waits long because of it.

use std::{sync::Arc, time::Duration};

use sea_orm_migration::sea_orm::{ConnectionTrait, TransactionTrait};
use tokenhouse_migration::{Instances, MigrationError, Migrations, Patience, Step, rehearsal};

use crate::database::{Heard, Scratch, Sql, hurried};

fn next() -> Migrations {
    Migrations::current()
        .followed_by(rehearsal::steps())
        .with_patience(hurried())
}

/// With an index to build, too: whoever waits for a turn must not hold what the build waits for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_processes_one_migrates() {
    for scratch in Scratch::both().await {
        let mut running = Vec::new();
        for _ in 0..5 {
            let db = scratch.another().await;
            running.push(tokio::spawn(async move {
                next().up(&db, Instances::MayRun, &|_| {}).await
            }));
        }
        let mut busy = Vec::new();
        for one in running {
            busy.push(one.await.unwrap().unwrap().len());
        }
        busy.sort_unstable();
        assert_eq!(busy[..4], [0; 4]);
        assert_eq!(busy[4], next().steps().len());
        assert_eq!(next().check(&scratch.db).await.unwrap(), [""; 0]);
    }
}

/// A table that somebody holds is left alone again at once, and asked for later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_gives_way_and_comes_back() {
    let scratch = Scratch::postgres().await;
    scratch.up(&Migrations::current()).await.unwrap();
    let holder = scratch.another().await;
    let long = holder.begin().await.unwrap();
    long.execute_unprepared("LOCK TABLE users IN ACCESS SHARE MODE")
        .await
        .unwrap();
    let heard = Arc::new(Heard::default());
    let (db, hears) = (scratch.another().await, Arc::clone(&heard));
    let run = tokio::spawn(async move {
        let tell = |text: &str| hears.tell(text);
        next().up(&db, Instances::MayRun, &tell).await
    });
    heard.wait_for("attempt 2 of").await;
    assert!(heard.contains("ALTER TABLE users ADD COLUMN"));
    // Whoever reads meanwhile waits for no longer than the migration does.
    let reader = scratch.db.begin().await.unwrap();
    reader
        .execute_unprepared("SET LOCAL lock_timeout = '5s'")
        .await
        .unwrap();
    reader
        .execute_unprepared("LOCK TABLE users IN ACCESS SHARE MODE")
        .await
        .unwrap();
    reader.rollback().await.unwrap();
    assert!(!run.is_finished());
    long.rollback().await.unwrap();
    assert_eq!(run.await.unwrap().unwrap().len(), rehearsal::steps().len());
}

#[tokio::test]
async fn a_migration_that_never_gets_its_lock_says_so_and_changes_nothing() {
    let scratch = Scratch::postgres().await;
    scratch.up(&Migrations::current()).await.unwrap();
    let holder = scratch.another().await;
    let long = holder.begin().await.unwrap();
    long.execute_unprepared("LOCK TABLE grants IN ACCESS SHARE MODE")
        .await
        .unwrap();
    let patience = Patience {
        attempts: 2,
        ..hurried()
    };
    let error = scratch
        .up(&next().with_patience(patience))
        .await
        .unwrap_err();
    assert!(
        matches!(error, MigrationError::Locked { attempts: 2, .. }),
        "{error}"
    );
    long.rollback().await.unwrap();
    let column = "SELECT count(*) FROM information_schema.columns WHERE table_schema = current_schema() \
                  AND table_name = 'grants' AND column_name = 'rehearsal'";
    assert_eq!(scratch.number(column).await, 0);
    assert_eq!(
        scratch.up(&next()).await.unwrap().len(),
        2,
        "this and the next"
    );
}

#[tokio::test]
async fn a_statement_that_works_for_long_is_broken_off() {
    let scratch = Scratch::postgres().await;
    scratch.up(&Migrations::current()).await.unwrap();
    let patience = Patience {
        statement: Duration::from_millis(50),
        ..hurried()
    };
    let slow = Step::expand(Sql::up("m99990101_000001_slow", &["SELECT pg_sleep(20)"]));
    let list = Migrations::current()
        .followed_by(vec![slow])
        .with_patience(patience);
    let error = scratch.up(&list).await.unwrap_err();
    assert!(
        matches!(&error, MigrationError::Statement { sql, .. } if sql.contains("pg_sleep")),
        "{error}"
    );
}

/// On SQLite the file has one writer; a migration waits until it is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_a_migration_waits_for_the_writer() {
    let scratch = Scratch::sqlite().await;
    scratch.up(&Migrations::current()).await.unwrap();
    let options = sea_orm_migration::sea_orm::TransactionOptions {
        sqlite_transaction_mode: Some(sea_orm_migration::sea_orm::SqliteTransactionMode::Immediate),
        ..Default::default()
    };
    let writer = scratch.db.begin_with_options(options).await.unwrap();
    let heard = Arc::new(Heard::default());
    let (db, hears) = (scratch.another().await, Arc::clone(&heard));
    let run = tokio::spawn(async move {
        let tell = |text: &str| hears.tell(text);
        next().up(&db, Instances::MayRun, &tell).await
    });
    heard.wait_for("another process").await;
    writer.rollback().await.unwrap();
    assert_eq!(run.await.unwrap().unwrap().len(), rehearsal::steps().len());
}

/// What asks the database can't be shown beforehand, and what can't be rolled back is alone.
#[tokio::test]
async fn migrations_that_can_not_be_shown_or_undone_do_not_run() {
    let scratch = Scratch::postgres().await;
    scratch.up(&Migrations::current()).await.unwrap();
    let mixed = Step::expand(Sql::up(
        "m99990101_000001_mixed",
        &[
            "ALTER TABLE users ADD COLUMN x int",
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS users_x_idx ON users (x)",
        ],
    ));
    let list = Migrations::current().followed_by(vec![mixed]);
    let error = scratch.up(&list).await.unwrap_err();
    assert!(matches!(error, MigrationError::Mixed(_)), "{error}");
}

/// New instances begin with it, also beside a standby that took the place of the database, or one
/// without room.
#[tokio::test]
async fn where_nothing_is_missing_nothing_is_written() {
    for scratch in Scratch::both().await {
        scratch.up(&Migrations::current()).await.unwrap();
        let read_only = match scratch.is_postgres() {
            true => format!("{}&options[default_transaction_read_only]=on", scratch.url),
            false => scratch.url.replace("mode=rwc", "mode=ro"),
        };
        let db = crate::database::connect(&read_only).await;
        let applied = Migrations::current()
            .up(&db, Instances::MayRun, &|_| {})
            .await;
        assert_eq!(applied.unwrap(), [""; 0]);
        let next = Migrations::current().followed_by(rehearsal::steps());
        next.up(&db, Instances::MayRun, &|_| {}).await.unwrap_err();
    }
}
