use super::{
    super::DatabaseTenants,
    fixture::{Fixture, client, keys, new_tenant, now, sign_in, tenant},
    on_both,
};
use crate::{
    application::{error::StoreError, ports::Tenants},
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
        .create(&acme, &keys(), &client("first-party"))
        .await
        .unwrap();
    assert_eq!(
        tenants.by_slug(&acme.slug).await.unwrap().as_ref(),
        Some(&acme)
    );

    let refused = tenants
        .create(&tenant("acme"), &keys(), &client("first-party"))
        .await;
    assert!(
        matches!(refused, Err(StoreError::Conflict("tenants_slug_key"))),
        "{refused:?}"
    );
    assert_eq!(tenants.page(None, 9, None).await.unwrap(), [acme]);
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
            .create(&tenant, &keys(), &client("first-party"))
            .await
            .unwrap();
    }
    let page = async |after: Option<&str>, limit, q| -> Vec<String> {
        tenants
            .page(after.map(slug).as_ref(), limit, q)
            .await
            .unwrap()
            .into_iter()
            .map(|tenant| tenant.slug.to_string())
            .collect()
    };
    // By bytes on both databases, so the hyphen counts.
    assert_eq!(page(None, 9, None).await, ["a1", "b-2", "b2", "c"]);
    assert_eq!(page(None, 2, None).await, ["a1", "b-2"]);
    assert_eq!(page(Some("b-2"), 2, None).await, ["b2", "c"]);
    assert_eq!(page(None, 9, Some("acme")).await, ["b2"]);
    assert_eq!(page(None, 9, Some("B")).await, ["b-2", "b2"]);
    assert_eq!(page(None, 9, Some("%")).await, ["b-2"]);
    assert_eq!(page(None, 9, Some("_")).await, ["a1"]);
    assert_eq!(page(None, 9, Some("\\")).await, ["b2"]);
    assert_eq!(page(None, 9, Some("' OR 1=1")).await, [""; 0]);
}

async fn a_tenant_is_suspended_and_resumed(db: Fixture) {
    let tenants = DatabaseTenants::new(db.clone());
    let acme = slug("acme");
    new_tenant(&db, "acme").await;
    for state in [TenantState::Suspended, TenantState::Active] {
        let at = now();
        let tenant = tenants.set_state(&acme, state, at).await.unwrap().unwrap();
        assert_eq!((tenant.state, tenant.updated_at), (state, at));
    }
    let nobody = tenants
        .set_state(&slug("none"), TenantState::Active, now())
        .await;
    assert_eq!(nobody.unwrap(), None);
}

async fn deleting_a_tenant_takes_everything_of_it_and_nothing_else(db: Fixture) {
    let tenants = DatabaseTenants::new(db.clone());
    let acme = new_tenant(&db, "acme").await;
    let other = new_tenant(&db, "other").await;
    sign_in(&db, &acme, "ada@example.com").await;
    let (_, _, kept) = sign_in(&db, &other, "ada@example.com").await;

    assert!(tenants.delete(acme.slug()).await.unwrap());
    assert!(!tenants.delete(acme.slug()).await.unwrap());
    assert_eq!(tenants.by_slug(acme.slug()).await.unwrap(), None);

    let store = super::super::DatabaseStore::new(db.clone());
    use crate::application::ports::Store;
    let mut work = store.view(&other).await.unwrap();
    assert!(work.grant(kept.id).await.unwrap().is_some());
    drop(work);
    // Whoever entered before sees nothing.
    let mut work = store.view(&acme).await.unwrap();
    assert!(work.sealed_data_key().await.is_err());
    assert_eq!(work.signing_keys().await.unwrap(), []);
    assert!(work.tag_keys().await.unwrap().is_empty());
    let email = crate::domain::email::EmailAddress::parse("ada@example.com").unwrap();
    assert!(work.user_by_email(&email).await.unwrap().is_none());
}
