use std::sync::Arc;

use super::{
    super::DatabaseStore,
    fixture::{Fixture, new_tenant, now, sign_in},
    on_both,
};
use crate::{
    application::ports::{Freshness, Store, Views},
    infrastructure::{metrics::CacheLookups, views::CachedViews},
};

on_both!(
    what_is_cached_is_forgotten_or_read_anew_on_demand,
    tenants_share_no_entry
);

async fn what_is_cached_is_forgotten_or_read_anew_on_demand(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let (_, session, grant) = sign_in(&db, &acme, "ada@example.com").await;
    let store = Arc::new(DatabaseStore::new(db.clone()));
    let views = CachedViews::new(store.clone(), &CacheLookups::default());
    let is_revoked = async |freshness| {
        let view = views.grant(&acme, grant.id, freshness).await.unwrap();
        view.unwrap().revoked_at.is_some()
    };
    let is_ended = async || {
        let view = views.session(&acme, session.id).await.unwrap();
        view.unwrap().session.ended_at.is_some()
    };
    assert!(!is_revoked(Freshness::Recent).await);
    assert!(!is_ended().await);
    let mut work = store.begin(&acme).await.unwrap();
    let grants = work.end_session(session.id, now()).await.unwrap().all;
    work.commit().await.unwrap();

    assert!(!is_revoked(Freshness::Recent).await, "it was just read");
    assert!(is_revoked(Freshness::Now).await);
    assert!(is_revoked(Freshness::Recent).await, "the last read counts");
    assert!(!is_ended().await);
    views.forget(&acme, &[session.id], &grants).await;
    assert!(is_ended().await);
}

async fn tenants_share_no_entry(db: Fixture) {
    let acme = new_tenant(&db, "acme").await;
    let other = new_tenant(&db, "other").await;
    let (_, session, grant) = sign_in(&db, &acme, "ada@example.com").await;
    let views = CachedViews::new(
        Arc::new(DatabaseStore::new(db.clone())),
        &CacheLookups::default(),
    );
    for freshness in [Freshness::Recent, Freshness::Now, Freshness::Recent] {
        let view = views.grant(&acme, grant.id, freshness).await.unwrap();
        assert!(view.is_some());
        let view = views.grant(&other, grant.id, freshness).await.unwrap();
        assert!(view.is_none());
    }
    assert!(views.session(&acme, session.id).await.unwrap().is_some());
    assert!(views.session(&other, session.id).await.unwrap().is_none());
}
