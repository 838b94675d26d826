//! Indexes on tables in use, also after a run that broke off.

use std::sync::Arc;

use sea_orm_migration::sea_orm::{ConnectionTrait, TransactionTrait};
use tokenhouse_migration::{Instances, Migrations, rehearsal};

use crate::database::{Heard, Scratch, hurried, until};

const INDEX: &str = "users_tenant_id_rehearsal_id_idx";

fn next() -> Migrations {
    Migrations::current()
        .followed_by(rehearsal::steps())
        .with_patience(hurried())
}

/// Up to the migration that builds the indexes.
async fn before_the_index(scratch: &Scratch) {
    scratch.up(&next().without_last(1)).await.unwrap();
}

async fn count(scratch: &Scratch, condition: &str) -> i64 {
    let sql = format!(
        "SELECT count(*) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid \
         WHERE relname = '{INDEX}' AND relnamespace = current_schema()::regnamespace AND {condition}"
    );
    scratch.number(&sql).await
}

/// One transaction writes and doesn't end, which is what a build has to wait for; meanwhile others go
/// on writing.
#[tokio::test]
async fn an_index_is_built_while_the_table_is_written() {
    let scratch = Scratch::postgres().await;
    before_the_index(&scratch).await;
    let writer = scratch.db.begin().await.unwrap();
    writer
        .execute_unprepared("UPDATE tenants SET name = name")
        .await
        .unwrap();
    writer
        .execute_unprepared("LOCK TABLE users IN ROW EXCLUSIVE MODE")
        .await
        .unwrap();
    let other = scratch.another().await;
    let build = tokio::spawn(async move { next().up(&other, Instances::MayRun, &|_| {}).await });
    until("the build waits", async || {
        count(&scratch, "NOT indisvalid").await == 1
    })
    .await;
    // In the queue behind a lock that stops writers, this would wait as well.
    let second = scratch.another().await;
    let tx = second.begin().await.unwrap();
    tx.execute_unprepared("SET LOCAL lock_timeout = '2s'")
        .await
        .unwrap();
    tx.execute_unprepared("LOCK TABLE users IN ROW EXCLUSIVE MODE")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert!(!build.is_finished());
    writer.commit().await.unwrap();
    assert_eq!(build.await.unwrap().unwrap().len(), 1);
    assert_eq!(count(&scratch, "indisvalid").await, 1);
}

/// Postgres itself ends the session amid the build: by an administrator, or in a fail-over.
#[tokio::test]
async fn an_index_left_half_built_is_built_anew() {
    let scratch = Scratch::postgres().await;
    before_the_index(&scratch).await;
    let writer = scratch.db.begin().await.unwrap();
    writer
        .execute_unprepared("LOCK TABLE users IN ROW EXCLUSIVE MODE")
        .await
        .unwrap();
    let other = scratch.another().await;
    let build = tokio::spawn(async move { next().up(&other, Instances::MayRun, &|_| {}).await });
    until("the build waits", async || {
        count(&scratch, "NOT indisvalid").await == 1
    })
    .await;
    let schema = "split_part(current_setting('search_path'), ',', 1)";
    let end = format!(
        "SELECT count(pg_terminate_backend(l.pid)) FROM pg_locks l \
         WHERE l.relation = (current_schema() || '.users')::regclass AND l.mode = 'ShareUpdateExclusiveLock' \
         AND {schema} <> ''"
    );
    assert_eq!(scratch.number(&end).await, 1);
    build.await.unwrap().unwrap_err();
    writer.commit().await.unwrap();
    assert_eq!(
        count(&scratch, "NOT indisvalid").await,
        1,
        "what a broken run leaves"
    );
    let status = next().status(&scratch.db).await.unwrap();
    assert!(!status.last().unwrap().1, "the migration isn't applied");

    let heard = Heard::default();
    let tell = |text: &str| heard.tell(text);
    let done = next()
        .up(&scratch.db, Instances::MayRun, &tell)
        .await
        .unwrap();
    assert_eq!(done.len(), 1);
    assert!(heard.contains("left half built"));
    assert_eq!(count(&scratch, "indisvalid").await, 1);
}

/// The process itself dies: its connections close, nothing is said. The next one gets its turn though
/// the build of the first waited for somebody who doesn't end.
#[tokio::test]
async fn the_turn_of_a_process_that_died_goes_to_the_next() {
    let scratch = Scratch::postgres().await;
    before_the_index(&scratch).await;
    let writer = scratch.db.begin().await.unwrap();
    writer
        .execute_unprepared("LOCK TABLE users IN ROW EXCLUSIVE MODE")
        .await
        .unwrap();
    let other = scratch.another().await;
    let build = tokio::spawn(async move { next().up(&other, Instances::MayRun, &|_| {}).await });
    until("the build waits", async || {
        count(&scratch, "NOT indisvalid").await == 1
    })
    .await;
    build.abort();
    assert!(build.await.unwrap_err().is_cancelled());

    let heard = Arc::new(Heard::default());
    let (other, hears) = (scratch.another().await, Arc::clone(&heard));
    let next_one = tokio::spawn(async move {
        let tell = |text: &str| hears.tell(text);
        next().up(&other, Instances::MayRun, &tell).await
    });
    heard.wait_for("left half built").await;
    writer.commit().await.unwrap();
    assert_eq!(next_one.await.unwrap().unwrap().len(), 1);
    assert_eq!(count(&scratch, "indisvalid").await, 1);
}

/// Of two indexes the first was finished when the run broke off.
#[tokio::test]
async fn an_index_that_is_there_already_is_kept() {
    let scratch = Scratch::postgres().await;
    before_the_index(&scratch).await;
    scratch
        .run(&format!(
            "CREATE INDEX {INDEX} ON users (tenant_id, rehearsal, id)"
        ))
        .await;
    scratch.up(&next()).await.unwrap();
    assert_eq!(count(&scratch, "indisvalid").await, 1);
    // And the way back.
    next().down(&scratch.db, 1, &|_| {}).await.unwrap();
    assert_eq!(count(&scratch, "TRUE").await, 0);
}
