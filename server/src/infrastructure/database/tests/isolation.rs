use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};

use super::{
    super::{Database, DatabaseFloors, DatabaseRotations, DatabaseStore},
    fixture::{Fixture, client, grant, new_tenant, now, phc, session, sign_in, user},
    on_both, refresh,
};
use crate::{
    application::{
        error::StoreError,
        ports::{Floors, RaisedFloor, Rotation, Rotations, Store},
    },
    domain::refresh::{Generation, Refusal},
};

on_both!(
    a_unit_of_work_sees_one_tenant,
    a_unit_of_work_changes_one_tenant,
    rows_cant_refer_to_another_tenant,
    rotations_and_floors_keep_to_their_tenant,
);

async fn a_unit_of_work_sees_one_tenant(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let other = new_tenant(&db, "other").await;
    let (ada, session, grant) = sign_in(&db, &acme, "ada@example.com").await;
    let store = DatabaseStore::new(db.clone());
    let mut work = store.begin(&acme).await.unwrap();
    work.add_client(&client("only-acme")).await.unwrap();
    work.commit().await.unwrap();

    let mut work = store.view(&other).await.unwrap();
    assert!(work.user(ada.id).await.unwrap().is_none());
    assert!(work.user_by_email(&ada.email).await.unwrap().is_none());
    assert!(work.session(session.id).await.unwrap().is_none());
    assert!(work.grant(grant.id).await.unwrap().is_none());
    let id = client("only-acme").id;
    assert!(work.client(&id).await.unwrap().is_none());
    assert_eq!(work.signing_keys().await.unwrap().len(), 1);
    assert_eq!(work.tag_keys().await.unwrap().len(), 1);
}

async fn a_unit_of_work_changes_one_tenant(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let other = new_tenant(&db, "other").await;
    let (_, session, grant) = sign_in(&db, &acme, "ada@example.com").await;
    let store = DatabaseStore::new(db.clone());
    let mut work = store.begin(&other).await.unwrap();
    let grants = work.end_session(session.id, now()).await.unwrap();
    assert_eq!((grants.all, grants.revoked), (vec![], 0));
    assert!(!work.revoke_grant(grant.id, now()).await.unwrap());
    work.commit().await.unwrap();

    let mut work = store.view(&acme).await.unwrap();
    let view = work.grant(grant.id).await.unwrap().unwrap();
    assert_eq!(view.ended(&acme), None);
}

async fn rows_cant_refer_to_another_tenant(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let other = new_tenant(&db, "other").await;
    let (ada, foreign, _) = sign_in(&db, &acme, "ada@example.com").await;
    let store = DatabaseStore::new(db.clone());
    let mut work = store.begin(&other).await.unwrap();
    let refused = work.add_session(&session(&ada)).await;
    assert!(
        matches!(refused, Err(StoreError::Conflict(_))),
        "{refused:?}"
    );
    drop(work);
    let bob = user("bob@example.com");
    let mut work = store.begin(&other).await.unwrap();
    work.add_user(&bob, Some(&phc())).await.unwrap();
    let mut mixed = grant(&foreign);
    mixed.user_id = bob.id;
    let refused = work.add_grant(&mixed).await;
    assert!(
        matches!(refused, Err(StoreError::Conflict(_))),
        "{refused:?}"
    );
}

async fn rotations_and_floors_keep_to_their_tenant(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let other = new_tenant(&db, "other").await;
    let (_, _, grant) = sign_in(&db, &acme, "ada@example.com").await;
    let rotations = DatabaseRotations::new(db.clone());
    let request = refresh::request(&grant, 0, 7);
    let answer = rotations.rotate(&other, &request).await.unwrap();
    assert_eq!(answer, Rotation::Refused(Refusal::Dead));
    DatabaseFloors::new(db.clone())
        .raise(
            other.id(),
            &[RaisedFloor {
                family: grant.id,
                generation: Generation(9),
                idle_end: grant.idle_end,
            }],
        )
        .await
        .unwrap();
    let answer = rotations.rotate(&acme, &request).await.unwrap();
    assert_eq!(answer, Rotation::Rotated);
}

async fn count_users(db: &Database, tenant: Option<String>) -> Result<i64, sea_orm::DbErr> {
    let tx = db.connection().begin().await?;
    if let Some(tenant) = tenant {
        tx.execute_unprepared(&format!(
            "SELECT set_config('app.tenant_id', '{tenant}', true)"
        ))
        .await?;
    }
    let row = tx
        .query_one_raw(Statement::from_string(
            DbBackend::Postgres,
            "SELECT count(*) AS n FROM users",
        ))
        .await?;
    row.unwrap().try_get("", "n")
}

/// What the database itself does when a query forgets its tenant.
#[tokio::test]
async fn postgres_agrees() {
    let db = super::fixture::postgres().await;
    let role = db
        .connection()
        .query_one_raw(Statement::from_string(
            DbBackend::Postgres,
            "SELECT rolsuper OR rolbypassrls AS unbound FROM pg_roles WHERE rolname = current_user",
        ))
        .await
        .unwrap()
        .unwrap();
    assert!(
        !role.try_get::<bool>("", "unbound").unwrap(),
        "row-level security doesn't bind this role: the test would prove nothing"
    );
    let acme = new_tenant(&db, "acme").await;
    let other = new_tenant(&db, "other").await;
    sign_in(&db, &acme, "ada@example.com").await;
    sign_in(&db, &acme, "bob@example.com").await;
    sign_in(&db, &other, "ada@example.com").await;

    assert!(count_users(&db, None).await.is_err());
    let acmes = count_users(&db, Some(acme.id().to_string())).await;
    assert_eq!(acmes.unwrap(), 2);
    let others = count_users(&db, Some(other.id().to_string())).await;
    assert_eq!(others.unwrap(), 1);
    // A connection that served a tenant remembers nothing of it.
    for _ in 0..20 {
        assert!(count_users(&db, None).await.is_err());
    }

    let tx = db.connection().begin().await.unwrap();
    tx.execute_unprepared(&format!(
        "SELECT set_config('app.tenant_id', '{}', true)",
        acme.id()
    ))
    .await
    .unwrap();
    let written = tx
        .execute_unprepared(&format!(
            "INSERT INTO tag_keys (tenant_id, id, sealed, created_at) VALUES ('{}', 7, '', 0)",
            other.id()
        ))
        .await;
    let error = written.unwrap_err().to_string();
    assert!(error.contains("row-level security"), "{error}");
}
