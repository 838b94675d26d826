use std::time::Duration;

use super::{
    super::{
        DatabaseSingleUse,
        tenant_tx::{Access, TenantTx},
    },
    fixture::{Fixture, new_tenant, now},
    on_both,
};
use crate::application::{
    error::StoreError,
    ports::{Purpose, SingleUse, Taken, UseKey},
};

on_both!(
    one_of_many_takes_it,
    another_tenant_or_purpose_takes_nothing,
    what_has_ended_is_unknown,
    a_claim_counts_once_until_its_end,
    what_has_ended_goes_away,
);

const MINUTE: Duration = Duration::from_secs(60);
const CODE: Purpose = Purpose::AuthorizationCode;

async fn one_of_many_takes_it(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let stores = [
        DatabaseSingleUse::new(db.clone()),
        DatabaseSingleUse::new(db.clone()),
    ];
    let key = UseKey::of("code");
    stores[0]
        .keep(&acme, CODE, key, b"value", now() + MINUTE, now())
        .await
        .unwrap();
    assert_eq!(
        stores[1]
            .peek(&acme, CODE, key, now())
            .await
            .unwrap()
            .unwrap(),
        b"value"
    );
    let again = stores[0]
        .keep(&acme, CODE, key, b"other", now() + MINUTE, now())
        .await;
    assert!(matches!(
        again,
        Err(StoreError::Conflict("single_use_pkey"))
    ));

    let takes = (0..20).map(|n| stores[n % 2].take(&acme, CODE, key, now(), MINUTE * 5));
    let taken = futures_util::future::join_all(takes).await;
    let taken: Vec<_> = taken.into_iter().map(Result::unwrap).collect();
    let first = taken
        .iter()
        .filter(|one| **one == Taken::First(b"value".to_vec()))
        .count();
    let later = taken
        .iter()
        .filter(|one| **one == Taken::Again(b"value".to_vec()))
        .count();
    assert_eq!((first, later), (1, 19));
    assert_eq!(stores[0].peek(&acme, CODE, key, now()).await.unwrap(), None);
    // It is remembered for as long as was said, counted from the first.
    let late = now() + MINUTE * 5;
    assert_eq!(
        stores[0]
            .take(&acme, CODE, key, late, MINUTE)
            .await
            .unwrap(),
        Taken::Unknown
    );
}

async fn another_tenant_or_purpose_takes_nothing(db: Fixture) {
    let (acme, other) = (
        new_tenant(&db, "acme").await,
        new_tenant(&db, "other").await,
    );
    let store = DatabaseSingleUse::new(db.clone());
    let key = UseKey::of("code");
    store
        .keep(&acme, CODE, key, b"value", now() + MINUTE, now())
        .await
        .unwrap();
    for (tenant, purpose) in [(&other, CODE), (&acme, Purpose::ClientAssertion)] {
        let taken = store
            .take(tenant, purpose, key, now(), MINUTE)
            .await
            .unwrap();
        assert_eq!(taken, Taken::Unknown);
    }
    let taken = store.take(&acme, CODE, key, now(), MINUTE).await.unwrap();
    assert_eq!(taken, Taken::First(b"value".to_vec()));
}

async fn what_has_ended_is_unknown(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let store = DatabaseSingleUse::new(db.clone());
    let key = UseKey::of("code");
    store
        .keep(&acme, CODE, key, b"old", now() + MINUTE, now())
        .await
        .unwrap();
    let late = now() + MINUTE;
    assert_eq!(store.peek(&acme, CODE, key, late).await.unwrap(), None);
    assert_eq!(
        store.take(&acme, CODE, key, late, MINUTE).await.unwrap(),
        Taken::Unknown
    );
    // Its key is free again.
    store
        .keep(&acme, CODE, key, b"new", late + MINUTE, late)
        .await
        .unwrap();
    let taken = store.take(&acme, CODE, key, late, MINUTE).await.unwrap();
    assert_eq!(taken, Taken::First(b"new".to_vec()));
}

async fn a_claim_counts_once_until_its_end(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let store = DatabaseSingleUse::new(db.clone());
    let (key, purpose) = (UseKey::of("jti"), Purpose::ClientAssertion);
    assert!(!store.is_claimed(&acme, purpose, key, now()).await.unwrap());
    let claims = (0..20).map(|_| store.claim(&acme, purpose, key, now() + MINUTE, now()));
    let claimed = futures_util::future::join_all(claims).await;
    assert_eq!(
        claimed
            .into_iter()
            .filter(|one| *one.as_ref().unwrap())
            .count(),
        1
    );
    assert!(store.is_claimed(&acme, purpose, key, now()).await.unwrap());
    // A later end changes nothing.
    assert!(
        !store
            .claim(&acme, purpose, key, now() + MINUTE * 9, now())
            .await
            .unwrap()
    );
    let late = now() + MINUTE;
    assert!(!store.is_claimed(&acme, purpose, key, late).await.unwrap());
    assert!(
        store
            .claim(&acme, purpose, key, late + MINUTE, late)
            .await
            .unwrap()
    );
}

async fn what_has_ended_goes_away(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let store = DatabaseSingleUse::new(db.clone());
    for n in 0..8 {
        let key = UseKey::of(&n.to_string());
        store
            .keep(&acme, CODE, key, b"", now() + MINUTE, now())
            .await
            .unwrap();
    }
    let late = now() + MINUTE;
    for n in 0..3 {
        let key = UseKey::of(&format!("later {n}"));
        store
            .keep(&acme, CODE, key, b"", late + MINUTE, late)
            .await
            .unwrap();
    }
    let tx = TenantTx::begin(&db, acme.id(), Access::Read).await.unwrap();
    let count = "SELECT COUNT(*) AS n FROM single_use WHERE tenant_id = $1";
    let row = tx.query_sql(count, []).await.unwrap().unwrap();
    let left: i64 = row.try_get("", "n").unwrap();
    assert_eq!(left, 3, "each that comes takes up to four along");
}
