//! Signing keys change in one compare-and-swap, and the directory knows whose are due.

use std::time::Duration;

use super::{
    super::{DatabaseStore, DatabaseTenants},
    fixture::{Fixture, keys, new_tenant, now},
    on_both,
};
use crate::{
    application::ports::{
        Agenda, Due, KeyChange, KeyDirectory, KeyEdit, KeyStore, SealedDataKey, StoredSigningKey,
        Tenants,
    },
    domain::{
        key_rotation::{KeyRecord, KeyState},
        signing_key::{PublicKey, PublicKeyMaterial, SigningAlgorithm},
        tenant::Policy,
        timestamp::Timestamp,
    },
};

on_both!(
    of_two_changes_that_saw_the_same_one_counts,
    a_key_that_signs_no_more_loses_its_private_half,
    a_move_writes_every_time_of_the_key,
    one_caller_claims_a_tenant_that_is_due,
    a_change_of_the_policy_voids_what_was_decided_before_it,
    a_sealed_data_key_is_replaced_once,
);

fn key(name: &str, state: KeyState) -> StoredSigningKey {
    let material = PublicKeyMaterial::p256(name.to_owned(), name.to_owned());
    StoredSigningKey {
        record: KeyRecord {
            public: PublicKey::new(SigningAlgorithm::Es256, material),
            state,
            created_at: Timestamp::from_micros(2),
            since: Timestamp::from_micros(2),
            until: Some(Timestamp::from_micros(3)),
        },
        sealed_private_key: vec![9],
    }
}

fn change(seen: i64, edits: Vec<KeyEdit>) -> KeyChange {
    KeyChange {
        seen,
        edits,
        due_at: None,
        answer: None,
    }
}

async fn of_two_changes_that_saw_the_same_one_counts(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let store = DatabaseStore::new(db.clone());
    let add = |name| change(0, vec![KeyEdit::Add(key(name, KeyState::Next))]);
    let (one, other) = (add("one"), add("other"));
    let (first, second) = tokio::join!(
        store.change_keys(&acme, &one),
        store.change_keys(&acme, &other)
    );
    assert_ne!(first.unwrap(), second.unwrap());
    let stored = store.stored_keys(&acme).await.unwrap();
    assert_eq!(
        (stored.version, stored.signing_keys.len(), stored.due_at),
        (1, 2, None)
    );
}

async fn a_key_that_signs_no_more_loses_its_private_half(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let store = DatabaseStore::new(db.clone());
    let next = key("next", KeyState::Next);
    let moved = |record: &KeyRecord, state| {
        KeyEdit::Move(KeyRecord {
            state,
            ..record.clone()
        })
    };
    let active = keys().signing_key.record;
    let edits = vec![
        KeyEdit::Add(next.clone()),
        moved(&active, KeyState::Retiring),
        moved(&next.record, KeyState::Active),
    ];
    assert!(store.change_keys(&acme, &change(0, edits)).await.unwrap());
    let stored = store.stored_keys(&acme).await.unwrap().signing_keys;
    let halves: Vec<_> = stored
        .iter()
        .map(|key| (key.record.state, key.sealed_private_key.len()))
        .collect();
    assert_eq!(halves, [(KeyState::Active, 1), (KeyState::Retiring, 0)]);

    let edits = vec![KeyEdit::Remove(active.public.id)];
    assert!(store.change_keys(&acme, &change(1, edits)).await.unwrap());
    let stored = store.stored_keys(&acme).await.unwrap();
    assert_eq!(stored.signing_keys.len(), 1);
}

async fn a_move_writes_every_time_of_the_key(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let store = DatabaseStore::new(db.clone());
    let added = key("next", KeyState::Next);
    let add = vec![KeyEdit::Add(added.clone())];
    assert!(store.change_keys(&acme, &change(0, add)).await.unwrap());
    let at = Timestamp::from_micros;
    let record = KeyRecord {
        created_at: at(10),
        since: at(11),
        until: Some(at(12)),
        ..added.record
    };
    let edits = vec![KeyEdit::Move(record.clone())];
    assert!(store.change_keys(&acme, &change(1, edits)).await.unwrap());
    let stored = store.stored_keys(&acme).await.unwrap();
    assert!(stored.records().contains(&record), "{stored:?}");
}

async fn one_caller_claims_a_tenant_that_is_due(db: Fixture) {
    let tenants = DatabaseTenants::new(db.clone());
    let acme = new_tenant(&db, "acme").await;
    let gone = new_tenant(&db, "gone").await;
    tenants.delete(gone.slug(), now()).await.unwrap();
    // Its key is as old as time.
    let now = now();
    let until = now + Duration::from_secs(30);
    let (one, other) = tokio::join!(
        tenants.claim(Due::Keys, now, until, 9),
        tenants.claim(Due::Keys, now, until, 9),
    );
    let claimed = [one.unwrap(), other.unwrap()].concat();
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].id, acme.id());
    let too_early = tenants.claim(Due::Keys, now, until, 9);
    assert_eq!(too_early.await.unwrap(), []);
    // Whoever claimed it may have died.
    let again = tenants.claim(Due::Keys, until, until + Duration::from_secs(30), 9);
    assert_eq!(again.await.unwrap().len(), 1);
}

async fn a_change_of_the_policy_voids_what_was_decided_before_it(db: Fixture) {
    let tenants = DatabaseTenants::new(db.clone());
    let store = DatabaseStore::new(db.clone());
    let acme = new_tenant(&db, "acme").await;
    let policy = Policy {
        jwks_max_age: 60,
        ..Policy::default()
    };
    let cached_until = Some(now());
    let changed = tenants
        .set_policy(
            acme.slug(),
            &policy,
            cached_until,
            acme.tenant().updated_at,
            now(),
        )
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (changed.keys_version, changed.jwks_cached_until),
        (1, cached_until)
    );
    let add = vec![KeyEdit::Add(key("late", KeyState::Next))];
    assert!(!store.change_keys(&acme, &change(0, add)).await.unwrap());
    // And the schedule looks at it anew.
    let claimed = tenants.claim(Due::Keys, now(), now(), 9).await.unwrap();
    assert_eq!(claimed.len(), 1);
}

async fn a_sealed_data_key_is_replaced_once(db: Fixture) {
    let tenants = DatabaseTenants::new(db.clone());
    let acme = new_tenant(&db, "acme").await;
    let gone = new_tenant(&db, "gone").await;
    assert_eq!(tenants.count_data_keys_under("m1", 9).await.unwrap(), 2);
    assert_eq!(tenants.count_data_keys_under("m1", 1).await.unwrap(), 1);
    let seen = tenants.data_keys_under("m1", None, 9).await.unwrap();
    assert_eq!(seen.len(), 2);
    tenants.delete(gone.slug(), now()).await.unwrap();

    let new = SealedDataKey {
        master_key_id: "m2".to_owned(),
        sealed: vec![7],
    };
    let mut replaced = Vec::new();
    for _ in 0..2 {
        for (id, old) in &seen {
            let whose = tenants.replace_data_key(*id, old, &new).await.unwrap();
            replaced.extend(whose.map(|tenant| (*id, tenant.slug)));
        }
    }
    let expected = [(acme.id(), acme.slug().clone())];
    assert_eq!(replaced, expected, "a destroyed key stays destroyed");
    let stored = DatabaseStore::new(db.clone()).stored_keys(&acme).await;
    assert_eq!(stored.unwrap().data_key.sealed, [7]);
    assert_eq!(tenants.count_data_keys_under("m1", 9).await.unwrap(), 0);
    assert_eq!(tenants.count_data_keys_under("m2", 9).await.unwrap(), 1);
}
