use std::time::Duration;

use super::{
    super::{DatabaseStore, DatabaseTenants},
    fixture::{Fixture, client, keys, new_tenant, now, tenant, user},
    on_both,
};
use crate::{
    application::{
        error::StoreError,
        ports::{KeptAnswer, KeptCreation, Store, Tenants},
    },
    domain::timestamp::Timestamp,
};

on_both!(
    what_is_made_and_the_answer_are_there_together_or_neither,
    of_two_answers_under_one_id_the_first_stays_until_it_ends,
    answers_that_have_ended_go_in_batches,
    a_tenant_is_found_by_its_making_until_that_is_forgotten,
);

fn answer(id: &str, kept_at: Timestamp) -> KeptAnswer {
    KeptAnswer {
        id: id.to_owned(),
        sealed: vec![7, 0, 255],
        kept_at,
        ends_at: kept_at + Duration::from_secs(60),
    }
}

async fn what_is_made_and_the_answer_are_there_together_or_neither(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let store = DatabaseStore::new(db.clone());
    let ada = user("ada@example.com");
    for committed in [false, true] {
        let mut work = store.begin(&acme).await.unwrap();
        work.add_user(&ada, None).await.unwrap();
        work.keep_answer(&answer("a", now())).await.unwrap();
        match committed {
            true => work.commit().await.unwrap(),
            // As when the process dies here.
            false => drop(work),
        }
        let mut view = store.view(&acme).await.unwrap();
        let kept = view.kept_answer("a", now()).await.unwrap();
        assert_eq!(view.user(ada.id).await.unwrap().is_some(), committed);
        assert_eq!(kept, committed.then(|| vec![7, 0, 255]));
    }
}

async fn of_two_answers_under_one_id_the_first_stays_until_it_ends(db: Fixture) {
    let (acme, other) = (
        new_tenant(&db, "acme").await,
        new_tenant(&db, "other").await,
    );
    let store = DatabaseStore::new(db.clone());
    let keep = async |tenant, kept_at| {
        let mut work = store.begin(tenant).await.unwrap();
        let kept = work.keep_answer(&answer("a", kept_at)).await;
        if kept.is_ok() {
            work.commit().await.unwrap();
        }
        kept
    };
    keep(&acme, now()).await.unwrap();
    let again = keep(&acme, now()).await;
    assert!(
        matches!(again, Err(StoreError::Conflict("idempotency_keys_pkey"))),
        "{again:?}"
    );
    keep(&other, now()).await.unwrap();

    let end = now() + Duration::from_secs(60);
    let mut view = store.view(&acme).await.unwrap();
    assert_eq!(view.kept_answer("a", end).await.unwrap(), None);
    drop(view);
    keep(&acme, end).await.unwrap();
}

async fn answers_that_have_ended_go_in_batches(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let store = DatabaseStore::new(db.clone());
    let at = now();
    let late = at + Duration::from_secs(60);
    let mut work = store.begin(&acme).await.unwrap();
    for id in ["a", "b", "c"] {
        work.keep_answer(&answer(id, at)).await.unwrap();
    }
    work.keep_answer(&answer("alive", late)).await.unwrap();
    for gone in [2, 1, 0] {
        assert_eq!(work.forget_answers(late, 2).await.unwrap(), gone);
    }
    assert!(work.kept_answer("alive", late).await.unwrap().is_some());
}

async fn a_tenant_is_found_by_its_making_until_that_is_forgotten(db: Fixture) {
    let tenants = DatabaseTenants::new(db.clone());
    let kept = |kept_at| KeptCreation {
        digest: [9; 32],
        answer: answer("a", kept_at),
    };
    let create = async |slug: &str, at: Timestamp| {
        let mut made = tenant(slug);
        made.created_at = at;
        let first = client("first-party");
        let done = tenants
            .create(&made, &keys(), &first, Some(&kept(at)))
            .await;
        done.map(|()| made)
    };
    let acme = create("acme", now()).await.unwrap();
    let found = tenants.by_creation(&[9; 32], now()).await.unwrap();
    assert_eq!(found.map(|tenant| tenant.id), Some(acme.id));
    assert_eq!(tenants.by_creation(&[8; 32], now()).await.unwrap(), None);
    let other = create("other", now()).await;
    assert!(
        matches!(
            other,
            Err(StoreError::Conflict("tenants_creation_digest_key"))
        ),
        "{other:?}"
    );

    let late = now() + Duration::from_secs(60);
    assert_eq!(tenants.by_creation(&[9; 32], late).await.unwrap(), None);
    let later = create("later", late).await.unwrap();
    let found = tenants.by_creation(&[9; 32], late).await.unwrap();
    assert_eq!(found.map(|tenant| tenant.id), Some(later.id));
    assert!(tenants.delete(&later.slug, late).await.unwrap());
    assert_eq!(tenants.by_creation(&[9; 32], late).await.unwrap(), None);
    create("latest", late).await.unwrap();
}
