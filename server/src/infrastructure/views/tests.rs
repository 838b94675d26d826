use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use async_trait::async_trait;

use super::*;
use crate::{
    application::ports::{KeptCreation, NewTenantKeys, Swept, TenantAt, TenantPosition, Tenants},
    domain::{
        client::Client,
        domain_name::DomainName,
        id::TenantId,
        tenant::{Policy, Slug, Tenant, TenantState},
        timestamp::Timestamp,
    },
    infrastructure::metrics::CacheLookups,
};

fn slug(text: &str) -> Slug {
    Slug::parse(text).unwrap()
}

/// Knows `acme` alone, fails for `broken` and counts how often it is asked.
#[derive(Default)]
struct Counting {
    asked: AtomicUsize,
    suspended: std::sync::atomic::AtomicBool,
}

#[async_trait]
impl Tenants for Counting {
    async fn create(
        &self,
        _: &Tenant,
        _: &NewTenantKeys,
        _: &Client,
        _: Option<&KeptCreation>,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    async fn by_creation(&self, _: &[u8; 32], _: Timestamp) -> Result<Option<Tenant>, StoreError> {
        Ok(None)
    }

    async fn by_slug(&self, slug: &Slug) -> Result<Option<Tenant>, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let state = if self.suspended.load(Ordering::Relaxed) {
            TenantState::Suspended
        } else {
            TenantState::Active
        };
        match slug.as_str() {
            "broken" => Err(StoreError::Unavailable("no answer".into())),
            "acme" => Ok(Some(Tenant {
                id: TenantId::new(Timestamp::from_micros(0), [0; 10]),
                slug: slug.clone(),
                name: "Acme".to_owned(),
                state,
                policy: Policy::default(),
                not_before: None,
                created_at: Timestamp::from_micros(0),
                updated_at: Timestamp::from_micros(0),
                keys_version: 0,
                jwks_cached_until: None,
                domains: crate::domain::custom_domain::HeldDomains::default(),
            })),
            _ => Ok(None),
        }
    }

    async fn slug_at(&self, domain: &DomainName) -> Result<Option<Slug>, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match domain.as_str() {
            "broken.example" => Err(StoreError::Unavailable("no answer".into())),
            "acme.example" if !self.suspended.load(Ordering::Relaxed) => Ok(Some(slug("acme"))),
            _ => Ok(None),
        }
    }

    async fn forget_domain(&self, _: &Slug, _: &DomainName) {}

    async fn page(
        &self,
        _: Option<&TenantPosition>,
        _: u32,
        _: Option<&str>,
    ) -> Result<Vec<TenantAt>, StoreError> {
        Ok(Vec::new())
    }

    async fn set_name(
        &self,
        _: &Slug,
        _: &str,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<Option<Tenant>, StoreError> {
        Ok(None)
    }

    async fn set_policy(
        &self,
        _: &Slug,
        _: &Policy,
        _: Option<Timestamp>,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<Option<Tenant>, StoreError> {
        Ok(None)
    }

    async fn set_state(
        &self,
        _: &Slug,
        state: TenantState,
        _: Timestamp,
    ) -> Result<Option<(Tenant, bool)>, StoreError> {
        self.suspended
            .store(state == TenantState::Suspended, Ordering::Relaxed);
        Ok(None)
    }

    async fn delete(&self, _: &Slug, _: Timestamp) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn sweep(&self, _: u32) -> Result<Swept, StoreError> {
        Ok(Swept::Clean)
    }
}

#[tokio::test]
async fn whoever_asks_meanwhile_waits_for_the_same_answer() {
    let inner = Arc::new(Counting::default());
    let tenants = CachedTenants::new(inner.clone(), &CacheLookups::default());
    let asks = (0..20).map(|_| async { tenants.by_slug(&slug("acme")).await });
    let answers = futures_util::future::join_all(asks).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap().is_some()));
    assert_eq!(inner.asked.load(Ordering::Relaxed), 1);

    let asks = (0..20).map(|_| async { tenants.by_slug(&slug("broken")).await });
    let answers = futures_util::future::join_all(asks).await;
    for answer in answers {
        let error = answer.unwrap_err();
        let cause = Error::source(&error).unwrap().to_string();
        assert_eq!(cause, "no answer");
    }
    assert_eq!(inner.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn nothing_is_kept_of_what_is_not_there_or_failed() {
    let inner = Arc::new(Counting::default());
    let tenants = CachedTenants::new(inner.clone(), &CacheLookups::default());
    for text in ["nobody", "broken"] {
        let _ = tenants.by_slug(&slug(text)).await;
        let _ = tenants.by_slug(&slug(text)).await;
    }
    assert_eq!(inner.asked.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn whose_a_domain_is_is_kept_a_second_also_when_it_is_nobodys() {
    let inner = Arc::new(Counting::default());
    let tenants = CachedTenants::new(inner.clone(), &CacheLookups::default());
    let name = |text: &str| DomainName::parse(text).unwrap();
    for (text, expected) in [
        ("acme.example", Some(slug("acme"))),
        ("nobody.example", None),
    ] {
        for _ in 0..3 {
            assert_eq!(tenants.slug_at(&name(text)).await.unwrap(), expected);
        }
    }
    assert_eq!(inner.asked.load(Ordering::Relaxed), 2);
    for asked in [3, 4] {
        tenants.slug_at(&name("broken.example")).await.unwrap_err();
        assert_eq!(
            inner.asked.load(Ordering::Relaxed),
            asked,
            "no failure is kept"
        );
    }
    inner.suspended.store(true, Ordering::Relaxed);
    tenants
        .forget_domain(&slug("acme"), &name("acme.example"))
        .await;
    assert_eq!(tenants.slug_at(&name("acme.example")).await.unwrap(), None);
    inner.suspended.store(false, Ordering::Relaxed);
    let start = Instant::now();
    while tenants
        .slug_at(&name("acme.example"))
        .await
        .unwrap()
        .is_none()
    {
        assert!(start.elapsed() < Duration::from_millis(1_500));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_answer_lives_a_second_unless_we_change_the_tenant() {
    let inner = Arc::new(Counting::default());
    let tenants = CachedTenants::new(inner.clone(), &CacheLookups::default());
    let state = async || tenants.by_slug(&slug("acme")).await.unwrap().unwrap().state;
    assert_eq!(state().await, TenantState::Active);
    let now = Timestamp::from_micros(0);
    tenants
        .set_state(&slug("acme"), TenantState::Suspended, now)
        .await
        .unwrap();
    assert_eq!(state().await, TenantState::Suspended);

    let start = Instant::now();
    inner.suspended.store(false, Ordering::Relaxed);
    assert_eq!(state().await, TenantState::Suspended);
    while state().await == TenantState::Suspended {
        assert!(start.elapsed() < Duration::from_millis(1_500));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
