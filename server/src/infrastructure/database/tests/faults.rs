//! A database that is there and takes no writes: full, or read-only.

use sea_orm::sqlx::{AssertSqlSafe, Executor};

use super::fixture::{Fixture, new_tenant, phc, sqlite, user};
use crate::{
    application::{
        error::StoreError,
        ports::{Dependency, Health, Store},
    },
    domain::tenant::TenantScope,
    infrastructure::database::DatabaseStore,
};

/// Runs a statement on every connection of the pool: these are not settings of the file.
async fn on_every_connection(db: &Fixture, sql: &str) {
    let pool = db.connection().get_sqlite_connection_pool();
    let mut held = Vec::new();
    for _ in 0..pool.options().get_max_connections() {
        held.push(pool.acquire().await.unwrap());
    }
    for connection in &mut held {
        connection
            .execute(AssertSqlSafe(sql.to_owned()))
            .await
            .unwrap();
    }
}

async fn add_user(db: &Fixture, tenant: &TenantScope, n: u32) -> Result<(), StoreError> {
    let mut work = DatabaseStore::new((**db).clone()).begin(tenant).await?;
    let added = user(&format!("user{n}@example.com"));
    work.add_user(&added, Some(&phc())).await?;
    work.commit().await
}

fn text(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn a_full_sqlite_is_unavailable_for_writes_and_good_for_reads() {
    let db = sqlite().await;
    let acme = new_tenant(&db, "acme").await;
    let known = user("known@example.com");
    let store = DatabaseStore::new((*db).clone());
    let mut work = store.begin(&acme).await.unwrap();
    work.add_user(&known, Some(&phc())).await.unwrap();
    work.commit().await.unwrap();

    // As few as there are now.
    on_every_connection(&db, "PRAGMA max_page_count = 1").await;
    let mut refused = None;
    for n in 0..1_000 {
        if let Err(error) = add_user(&db, &acme, n).await {
            refused = Some(error);
            break;
        }
    }
    let refused = refused.expect("pages run out");
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    assert!(text(&refused).contains("no room left"), "{refused:?}");
    assert_eq!(db.check().await, Health::Degraded("without room".into()));
    let mut work = store.view(&acme).await.unwrap();
    assert_eq!(work.user(known.id).await.unwrap(), Some(known));
    drop(work);

    on_every_connection(&db, "PRAGMA max_page_count = 1073741823").await;
    add_user(&db, &acme, 1_000).await.unwrap();
}

#[tokio::test]
async fn a_read_only_sqlite_is_unavailable_for_writes_and_good_for_reads() {
    let db = sqlite().await;
    let acme = new_tenant(&db, "acme").await;
    add_user(&db, &acme, 0).await.unwrap();
    assert_eq!(db.check().await, Health::Up);

    on_every_connection(&db, "PRAGMA query_only = ON").await;
    let refused = add_user(&db, &acme, 1).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    assert!(text(&refused).contains("read-only"), "{refused:?}");
    assert_eq!(db.check().await, Health::Degraded("read-only".into()));

    on_every_connection(&db, "PRAGMA query_only = OFF").await;
    add_user(&db, &acme, 1).await.unwrap();
}
