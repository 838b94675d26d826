use super::{
    super::{DatabaseStore, error::is_lost_connection},
    fixture::{Fixture, client, grant, keys, new_tenant, now, phc, session, sign_in, user},
    on_both,
};
use crate::{
    application::{
        error::StoreError,
        ports::{Dependency, KeyStore, Store, SweepBounds},
    },
    domain::{
        client::secrets::{ClientSecrets, StoredSecret},
        id::{GrantId, SessionId},
        secret::TokenDigest,
        user::AvatarUrl,
    },
};

on_both!(
    what_is_written_is_read,
    taken_names_are_conflicts_and_undo_the_work,
    a_missing_reference_is_a_conflict,
    ending_a_session_revokes_its_grants_once,
    work_that_is_dropped_never_happened,
    the_database_says_that_it_is_there,
    a_mark_is_never_taken_back_by_a_change_that_was_read_before,
    all_sessions_of_a_user_end_at_once,
    what_ended_long_ago_is_swept_and_nothing_else,
);

async fn what_is_written_is_read(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let store = DatabaseStore::new(db.clone());
    let mut ada = user("ada@example.com");
    ada.avatar_url = Some(AvatarUrl::parse("https://example.com/a.png").unwrap());
    ada.not_before = Some(now());
    let mut confidential = client("backend");
    confidential.secrets = ClientSecrets::of(vec![StoredSecret {
        id: uuid::Uuid::from_u128(1),
        digest: TokenDigest::of("ths_x"),
        created_at: now(),
        expires_at: Some(now()),
    }]);
    confidential.registration_access = Some(TokenDigest::of("thm_x"));
    confidential.metadata.require_pkce = false;
    let mut work = store.begin(&acme).await.unwrap();
    work.add_user(&ada, Some(&phc())).await.unwrap();
    work.add_client(&confidential).await.unwrap();
    work.commit().await.unwrap();
    let (_, session, grant) = sign_in(&db, &acme, "bob@example.com").await;

    let mut work = store.view(&acme).await.unwrap();
    assert_eq!(work.user(ada.id).await.unwrap(), Some(ada.clone()));
    let (found, hash) = work.user_by_email(&ada.email).await.unwrap().unwrap();
    assert_eq!(found, ada);
    assert_eq!(hash.unwrap().as_phc(), phc().as_phc());
    assert_eq!(
        work.client(&confidential.id).await.unwrap(),
        Some(confidential)
    );
    let view = work.session(session.id).await.unwrap().unwrap();
    assert_eq!(view.session, session);
    let view = work.grant(grant.id).await.unwrap().unwrap();
    assert_eq!(view.session, session);
    assert_eq!(view.user.id, session.user_id);
    assert_eq!(view.floor.leaf, Some(grant.leaf));
    assert_eq!(view.floor.idle_end, grant.idle_end);
    assert_eq!(
        (view.scope, view.audience, view.client.id),
        (grant.scope, grant.audience, grant.client_id)
    );
    assert_eq!(view.revoked_at, None);
    let expected = keys();
    assert_eq!(work.signing_keys().await.unwrap(), [expected.signing_key]);
    let tag_keys = work.tag_keys().await.unwrap();
    assert_eq!(tag_keys.len(), 1);
    assert_eq!(tag_keys[0].id, expected.tag_key.id);
    let data_key = DatabaseStore::new(db.clone())
        .stored_keys(&acme)
        .await
        .unwrap()
        .data_key;
    assert_eq!(data_key.master_key_id, "m1");
    assert_eq!(data_key.sealed, expected.data_key.sealed);
}

async fn taken_names_are_conflicts_and_undo_the_work(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let store = DatabaseStore::new(db.clone());
    sign_in(&db, &acme, "ada@example.com").await;

    let mut work = store.begin(&acme).await.unwrap();
    let refused = work.add_user(&user("ada@example.com"), Some(&phc())).await;
    assert!(
        matches!(
            refused,
            Err(StoreError::Conflict("users_tenant_id_email_key"))
        ),
        "{refused:?}"
    );
    drop(work);
    let mut work = store.begin(&acme).await.unwrap();
    let refused = work.add_client(&client("first-party")).await;
    assert!(
        matches!(refused, Err(StoreError::Conflict("clients_pkey"))),
        "{refused:?}"
    );
    drop(work);
    // The same names are free in another tenant.
    let other = new_tenant(&db, "other").await;
    sign_in(&db, &other, "ada@example.com").await;
}

async fn a_missing_reference_is_a_conflict(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let store = DatabaseStore::new(db.clone());
    let mut work = store.begin(&acme).await.unwrap();
    let refused = work
        .add_session(&session(&user("nobody@example.com")))
        .await;
    assert!(
        matches!(refused, Err(StoreError::Conflict("foreign_key"))),
        "{refused:?}"
    );
}

async fn ending_a_session_revokes_its_grants_once(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let store = DatabaseStore::new(db.clone());
    let (_, ended, grant) = sign_in(&db, &acme, "ada@example.com").await;
    let (_, other, other_grant) = sign_in(&db, &acme, "bob@example.com").await;
    let first = now();
    for (at, revoked) in [(first, 1), (first + std::time::Duration::from_secs(5), 0)] {
        let mut work = store.begin(&acme).await.unwrap();
        let grants = work.end_session(ended.id, at).await.unwrap();
        assert_eq!((grants.all, grants.revoked), (vec![grant.id], revoked));
        assert!(!work.revoke_grant(grant.id, at).await.unwrap());
        work.commit().await.unwrap();
    }
    let mut work = store.view(&acme).await.unwrap();
    let view = work.grant(grant.id).await.unwrap().unwrap();
    assert_eq!(view.revoked_at, Some(first));
    assert_eq!(view.session.ended_at, Some(first));
    let view = work.grant(other_grant.id).await.unwrap().unwrap();
    assert_eq!(view.revoked_at, None);
    let view = work.session(other.id).await.unwrap().unwrap();
    assert_eq!(view.session.ended_at, None);
}

async fn work_that_is_dropped_never_happened(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let store = DatabaseStore::new(db.clone());
    let ada = user("ada@example.com");
    let mut work = store.begin(&acme).await.unwrap();
    work.add_user(&ada, Some(&phc())).await.unwrap();
    drop(work);
    let mut work = store.begin(&acme).await.unwrap();
    assert_eq!(work.user(ada.id).await.unwrap(), None);
}

async fn the_database_says_that_it_is_there(db: Fixture) {
    assert_eq!(db.name(), "database");
    assert_eq!(db.check().await, crate::application::ports::Health::Up);
}

/// As after a restart of Postgres: every pooled connection is dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_connections_are_replaced() {
    use sea_orm::{ConnectionTrait, TransactionTrait};

    let db = super::fixture::postgres().await;
    let acme = new_tenant(&db, "acme").await;
    let store = DatabaseStore::new(db.clone());
    let (ada, ..) = sign_in(&db, &acme, "ada@example.com").await;
    // All of the pool at once; they go back to it when the block ends.
    let pids: Vec<i32> = {
        let mut pids = Vec::new();
        let mut transactions = Vec::new();
        for _ in 0..16 {
            let tx = db.connection().begin().await.unwrap();
            let row = tx
                .query_one_raw(sea_orm::Statement::from_string(
                    sea_orm::DbBackend::Postgres,
                    "SELECT pg_backend_pid() AS pid",
                ))
                .await
                .unwrap()
                .unwrap();
            pids.push(row.try_get::<i32>("", "pid").unwrap());
            transactions.push(tx);
        }
        pids
    };
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let killer = super::fixture::empty_postgres().await;
    for pid in pids {
        killer
            .connection()
            .execute_unprepared(&format!("SELECT pg_terminate_backend({pid})"))
            .await
            .unwrap();
    }
    let mut work = store.view(&acme).await.unwrap();
    assert_eq!(work.user(ada.id).await.unwrap(), Some(ada));
}

#[test]
fn only_lost_connections_are_tried_again() {
    let refused = sea_orm::DbErr::Custom("no".to_owned());
    assert!(!is_lost_connection(&refused));
    let lost = sea_orm::DbErr::Query(sea_orm::RuntimeErr::SqlxError(std::sync::Arc::new(
        sea_orm::sqlx::Error::Io(std::io::ErrorKind::BrokenPipe.into()),
    )));
    assert!(is_lost_connection(&lost));
}

async fn a_mark_is_never_taken_back_by_a_change_that_was_read_before(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let store = DatabaseStore::new(db.clone());
    let (earlier, mark) = (now(), now() + DAY);
    let mut ada = user("ada@example.com");
    let mut work = store.begin(&acme).await.unwrap();
    work.add_user(&ada, None).await.unwrap();
    for read in [Some(earlier), Some(mark), None] {
        // Read before, written after: `seen` does not change with the mark.
        assert!(work.set_user_not_before(ada.id, mark).await.unwrap());
        let seen = ada.updated_at;
        ada.not_before = read;
        ada.updated_at = seen.next();
        assert!(work.update_user(&ada, seen).await.unwrap());
        let kept = work.user(ada.id).await.unwrap().unwrap().not_before;
        assert_eq!(kept, Some(mark));
    }
    assert!(work.set_user_not_before(ada.id, earlier).await.unwrap());
    let kept = work.user(ada.id).await.unwrap().unwrap().not_before;
    assert_eq!(kept, Some(mark), "a later mark stays");
    let nobody = user("nobody@example.com").id;
    assert!(!work.set_user_not_before(nobody, mark).await.unwrap());
}

const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

async fn all_sessions_of_a_user_end_at_once(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let (_, of_bob, _) = sign_in(&db, &acme, "bob@example.com").await;
    let (ada, first, live) = sign_in(&db, &acme, "ada@example.com").await;
    let store = DatabaseStore::new(db.clone());
    let mut work = store.begin(&acme).await.unwrap();
    let expired = session(&ada);
    work.add_session(&expired).await.unwrap();
    let mut over = grant(&expired);
    over.idle_end = now();
    work.add_grant(&over).await.unwrap();
    let mut offline = grant(&expired);
    offline.offline = true;
    offline.client_id = client("app").id;
    work.add_client(&client("app")).await.unwrap();
    work.add_grant(&offline).await.unwrap();

    let at = now();
    let mut ended = work.end_sessions_of(ada.id, at).await.unwrap();
    let mut sessions = [first.id, expired.id];
    let mut grants = [live.id, offline.id];
    for ids in [&mut ended.sessions[..], &mut sessions[..]] {
        ids.sort_unstable();
    }
    for ids in [&mut ended.grants[..], &mut grants[..]] {
        ids.sort_unstable();
    }
    assert_eq!(
        (ended.sessions, ended.grants),
        (sessions.into(), grants.into())
    );
    let [(app, used_in)] = &ended.clients[..] else {
        panic!("one application: {:?}", ended.clients);
    };
    assert_eq!(
        (app.client.id.as_str(), &used_in[..]),
        ("app", &[expired.id][..])
    );
    for id in sessions {
        let view = work.session(id).await.unwrap().unwrap();
        assert_eq!(view.session.ended_at, Some(at));
    }
    for (id, revoked) in [(live.id, true), (over.id, true), (offline.id, false)] {
        let view = work.grant(id).await.unwrap().unwrap();
        assert_eq!(view.revoked_at.is_some(), revoked);
    }
    let view = work.session(of_bob.id).await.unwrap().unwrap();
    assert_eq!(view.session.ended_at, None, "another user's");
    let again = work.end_sessions_of(ada.id, now()).await.unwrap();
    assert_eq!(again.sessions, []);
}

async fn what_ended_long_ago_is_swept_and_nothing_else(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let other = new_tenant(&db, "other").await;
    let (_, foreign, _) = sign_in(&db, &other, "ada@example.com").await;
    let (_, lives, _) = sign_in(&db, &acme, "ada@example.com").await;
    let (_, ended, _) = sign_in(&db, &acme, "bob@example.com").await;
    let store = DatabaseStore::new(db.clone());
    let mut work = store.begin(&acme).await.unwrap();
    let at = now();
    work.end_session(ended.id, at).await.unwrap();
    let bounds = |at| SweepBounds {
        ended_before: at,
        idle_before: at,
        browser_before: at,
    };
    for (at, left) in [(at, true), (at + DAY, false)] {
        let (mut after, mut rounds) = (GrantId::from_uuid(uuid::Uuid::nil()), 0);
        loop {
            let part = work.sweep_grants(after, &bounds(at), 1).await.unwrap();
            rounds += 1;
            assert!(rounds <= 3, "a part for each grant that is old enough");
            match part.next {
                Some(next) => after = next,
                None => break,
            }
        }
        let nil = SessionId::from_uuid(uuid::Uuid::nil());
        let part = work.sweep_sessions(nil, &bounds(at), 10).await.unwrap();
        assert_eq!((part.deleted, part.next), (u64::from(!left), None));
        assert!(work.session(lives.id).await.unwrap().is_some());
        assert_eq!(work.session(ended.id).await.unwrap().is_some(), left);
    }
    drop(work);
    let mut view = store.view(&other).await.unwrap();
    assert!(view.session(foreign.id).await.unwrap().is_some());
}
