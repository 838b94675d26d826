use super::{
    super::{DatabaseStore, DatabaseTenants},
    fixture::{Fixture, client, keys, new_tenant, now, sign_in, tenant},
    on_both,
};
use crate::{
    application::{
        error::StoreError,
        ports::{KeyStore, Store, Swept, TenantAt, TenantPosition, Tenants},
    },
    domain::tenant::{Slug, TenantState},
};

on_both!(
    a_tenant_is_created_with_all_it_needs_or_not_at_all,
    pages_go_by_slug_and_search_literally,
    a_tenant_is_suspended_and_resumed,
    deleting_a_tenant_takes_everything_of_it_and_nothing_else,
);

fn slug(text: &str) -> Slug {
    Slug::parse(text).unwrap()
}

async fn a_tenant_is_created_with_all_it_needs_or_not_at_all(db: Fixture) {
    let tenants = DatabaseTenants::new(db.clone());
    let mut acme = tenant("acme");
    acme.policy.allowed_origins = vec!["https://acme.example".to_owned()];
    tenants
        .create(&acme, &keys(), &client("first-party"), None)
        .await
        .unwrap();
    assert_eq!(
        tenants.by_slug(&acme.slug).await.unwrap().as_ref(),
        Some(&acme)
    );

    let refused = tenants
        .create(&tenant("acme"), &keys(), &client("first-party"), None)
        .await;
    assert!(
        matches!(refused, Err(StoreError::Conflict("tenants_slug_key"))),
        "{refused:?}"
    );
    let position = TenantPosition::Slug(acme.slug.clone());
    assert_eq!(
        tenants.page(None, 9, None).await.unwrap(),
        [(position, acme)]
    );
    assert_eq!(tenants.by_slug(&slug("other")).await.unwrap(), None);
}

async fn pages_go_by_slug_and_search_literally(db: Fixture) {
    let tenants = DatabaseTenants::new(db.clone());
    for (text, name) in [
        ("b-2", "100% Wool"),
        ("a1", "Snow_White"),
        ("b2", "ACME \\ Sons"),
        ("c", "plain"),
    ] {
        let mut tenant = tenant(text);
        tenant.name = name.to_owned();
        tenants
            .create(&tenant, &keys(), &client("first-party"), None)
            .await
            .unwrap();
    }
    let page = async |after: Option<TenantPosition>, limit, q: Option<String>| -> Vec<TenantAt> {
        tenants
            .page(after.as_ref(), limit, q.as_deref())
            .await
            .unwrap()
    };
    let slugs = |found: &[TenantAt]| -> Vec<String> {
        let slug = |(_, tenant): &TenantAt| tenant.slug.to_string();
        found.iter().map(slug).collect()
    };
    // All pages, one tenant at a time, and at once.
    let all = async |q: Option<&str>| {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let next = page(after, 1, q.map(str::to_owned)).await;
            let Some((position, _)) = next.first().cloned() else {
                break;
            };
            after = Some(position);
            found.extend(next);
        }
        assert_eq!(page(None, 9, q.map(str::to_owned)).await, found, "{q:?}");
        slugs(&found)
    };
    // By bytes on both databases, so the hyphen counts.
    assert_eq!(all(None).await, ["a1", "b-2", "b2", "c"]);
    assert_eq!(all(Some("")).await, ["a1", "b-2", "b2", "c"]);
    assert_eq!(all(Some("B")).await, ["b-2", "b2"]);
    assert_eq!(all(Some("b2")).await, ["b2"]);
    // No slug begins so: the names are asked.
    assert_eq!(all(Some("acme")).await, ["b2"]);
    assert_eq!(all(Some("100%")).await, ["b-2"]);
    assert_eq!(all(Some("Snow_")).await, ["a1"]);
    assert_eq!(all(Some("acme \\")).await, ["b2"]);
    for q in ["%", "_", "sons", "' OR 1=1", "\u{10ffff}"] {
        assert_eq!(
            all(Some(q)).await,
            [""; 0],
            "{q} is text, and no name begins so"
        );
    }
    // A name that changes takes its place in the order with it.
    let (before, at) = (tenants.by_slug(&slug("c")).await.unwrap().unwrap(), now());
    let renamed = tenants.set_name(&before.slug, "Zürich", before.updated_at, at);
    assert_eq!(renamed.await.unwrap().unwrap().name, "Zürich");
    assert_eq!(all(Some("ZÜR")).await, ["c"]);
    let named = tenants.by_slug(&slug("c")).await.unwrap().unwrap();
    let same = tenants.set_name(&named.slug, "Zürich", named.updated_at, now());
    assert_eq!(same.await.unwrap(), Some(named), "no change leaves no mark");
    let again = tenants.set_name(&before.slug, "Late", before.updated_at, at);
    assert_eq!(again.await.unwrap(), None);
}

async fn a_tenant_is_suspended_and_resumed(db: Fixture) {
    let tenants = DatabaseTenants::new(db.clone());
    let acme = slug("acme");
    new_tenant(&db, "acme").await;
    for state in [TenantState::Suspended, TenantState::Active] {
        let at = now();
        let set = async |at| tenants.set_state(&acme, state, at).await.unwrap().unwrap();
        let (tenant, changed) = set(at).await;
        assert!(changed);
        assert_eq!((tenant.state, tenant.updated_at), (state, at));
        let (same, changed) = set(at + std::time::Duration::from_secs(1)).await;
        assert!(!changed, "it is so already");
        assert_eq!(same, tenant);
    }
    let nobody = tenants
        .set_state(&slug("none"), TenantState::Active, now())
        .await;
    assert_eq!(nobody.unwrap(), None);
}

async fn deleting_a_tenant_takes_everything_of_it_and_nothing_else(db: Fixture) {
    let tenants = DatabaseTenants::new(db.clone());
    let store = DatabaseStore::new(db.clone());
    let acme = new_tenant(&db, "acme").await;
    let other = new_tenant(&db, "other").await;
    sign_in(&db, &acme, "ada@example.com").await;
    let (_, _, kept) = sign_in(&db, &other, "ada@example.com").await;

    assert!(tenants.delete(acme.slug(), now()).await.unwrap());
    assert!(!tenants.delete(acme.slug(), now()).await.unwrap());
    assert_eq!(tenants.by_slug(acme.slug()).await.unwrap(), None);
    assert_eq!(tenants.page(None, 9, None).await.unwrap().len(), 1);
    // Its key is gone before its rows are, and its slug is free.
    let mut work = store.view(&acme).await.unwrap();
    assert!(store.stored_keys(&acme).await.is_err());
    assert!(!work.signing_keys().await.unwrap().is_empty());
    drop(work);
    new_tenant(&db, "acme").await;

    let mut batches = 0;
    while tenants.sweep(1).await.unwrap() == Swept::Some {
        batches += 1;
    }
    assert!(batches > 5, "one row at a time: {batches}");

    let mut work = store.view(&other).await.unwrap();
    assert!(work.grant(kept.id).await.unwrap().is_some());
    drop(work);
    // Whoever entered before sees nothing.
    let mut work = store.view(&acme).await.unwrap();
    assert!(store.stored_keys(&acme).await.is_err());
    assert_eq!(work.signing_keys().await.unwrap(), []);
    assert!(work.tag_keys().await.unwrap().is_empty());
    let email = crate::domain::email::EmailAddress::parse("ada@example.com").unwrap();
    assert!(work.user_by_email(&email).await.unwrap().is_none());
}
