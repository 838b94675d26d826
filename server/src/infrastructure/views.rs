//! Caches in front of the stores. An answer is at most a second old: the time within which a
//! revocation made elsewhere is noticed here.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use moka::future::Cache;

use crate::{
    application::{
        error::StoreError,
        ports::{
            Freshness, KeptCreation, NewTenantKeys, SessionView, Store, Swept, TenantAt,
            TenantPosition, Tenants, Views,
        },
    },
    domain::{
        client::Client,
        domain_name::DomainName,
        grant::GrantView,
        id::{GrantId, SessionId, TenantId},
        tenant::{Policy, Slug, Tenant, TenantScope, TenantState},
        timestamp::Timestamp,
    },
    infrastructure::metrics::{CacheLookups, Lookups},
};

const TTL: Duration = Duration::from_secs(1);
const ENTRIES: u64 = 100_000;

/// Reads grants and sessions from a store, each at most once a second.
pub struct CachedViews {
    store: Arc<dyn Store>,
    grants: Cache<(TenantId, GrantId), Arc<GrantView>>,
    sessions: Cache<(TenantId, SessionId), Arc<SessionView>>,
    grant_lookups: Lookups,
    session_lookups: Lookups,
}

impl fmt::Debug for CachedViews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedViews").finish_non_exhaustive()
    }
}

impl CachedViews {
    pub fn new(store: Arc<dyn Store>, lookups: &CacheLookups) -> Self {
        Self {
            store,
            grants: cache(),
            sessions: cache(),
            grant_lookups: lookups.of("grants"),
            session_lookups: lookups.of("sessions"),
        }
    }

    async fn read_grant(
        &self,
        tenant: &TenantScope,
        id: GrantId,
    ) -> Result<Arc<GrantView>, Missing> {
        let view = self.store.view(tenant).await?.grant(id).await?;
        view.map(Arc::new).ok_or(Missing::NotThere)
    }

    async fn read_session(
        &self,
        tenant: &TenantScope,
        id: SessionId,
    ) -> Result<Arc<SessionView>, Missing> {
        let view = self.store.view(tenant).await?.session(id).await?;
        view.map(Arc::new).ok_or(Missing::NotThere)
    }
}

#[async_trait]
impl Views for CachedViews {
    async fn grant(
        &self,
        tenant: &TenantScope,
        id: GrantId,
        freshness: Freshness,
    ) -> Result<Option<Arc<GrantView>>, StoreError> {
        let key = (tenant.id(), id);
        match freshness {
            Freshness::Recent => match self.grant_lookups.count(self.grants.get(&key).await) {
                // Without the machinery of a shared read: nearly every request comes this way.
                Some(view) => Ok(Some(view)),
                None => found(
                    self.grants
                        .try_get_with(key, self.read_grant(tenant, id))
                        .await,
                ),
            },
            Freshness::Now => {
                let view = found(self.read_grant(tenant, id).await.map_err(Arc::new))?;
                match &view {
                    Some(view) => self.grants.insert(key, Arc::clone(view)).await,
                    None => self.grants.invalidate(&key).await,
                }
                Ok(view)
            }
        }
    }

    async fn session(
        &self,
        tenant: &TenantScope,
        id: SessionId,
    ) -> Result<Option<Arc<SessionView>>, StoreError> {
        let key = (tenant.id(), id);
        if let Some(view) = self.session_lookups.count(self.sessions.get(&key).await) {
            return Ok(Some(view));
        }
        found(
            self.sessions
                .try_get_with(key, self.read_session(tenant, id))
                .await,
        )
    }

    async fn forget(&self, tenant: &TenantScope, sessions: &[SessionId], grants: &[GrantId]) {
        for session in sessions {
            self.sessions.invalidate(&(tenant.id(), *session)).await;
        }
        for grant in grants {
            self.grants.invalidate(&(tenant.id(), *grant)).await;
        }
    }
}

/// Looks tenants up by slug, and slugs by domain, at most once a second each.
pub struct CachedTenants {
    inner: Arc<dyn Tenants>,
    by_slug: Cache<Slug, Tenant>,
    lookups: Lookups,
    /// Also the domains that are nobody's: whoever comes by another name of ours, in the cluster say, must
    /// not cost a query with each request. Names that anyone makes up push out each other.
    slugs: Cache<DomainName, Option<Slug>>,
}

impl fmt::Debug for CachedTenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedTenants").finish_non_exhaustive()
    }
}

impl CachedTenants {
    pub fn new(inner: Arc<dyn Tenants>, lookups: &CacheLookups) -> Self {
        Self {
            inner,
            by_slug: cache(),
            lookups: lookups.of("tenants"),
            slugs: cache(),
        }
    }

    async fn read(&self, slug: &Slug) -> Result<Tenant, Missing> {
        self.inner.by_slug(slug).await?.ok_or(Missing::NotThere)
    }
}

#[async_trait]
impl Tenants for CachedTenants {
    async fn create(
        &self,
        tenant: &Tenant,
        keys: &NewTenantKeys,
        client: &Client,
        kept: Option<&KeptCreation>,
    ) -> Result<(), StoreError> {
        self.inner.create(tenant, keys, client, kept).await
    }

    async fn by_creation(
        &self,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Tenant>, StoreError> {
        self.inner.by_creation(digest, now).await
    }

    async fn by_slug(&self, slug: &Slug) -> Result<Option<Tenant>, StoreError> {
        if let Some(tenant) = self.lookups.count(self.by_slug.get(slug).await) {
            return Ok(Some(tenant));
        }
        found(
            self.by_slug
                .try_get_with_by_ref(slug, self.read(slug))
                .await,
        )
    }

    async fn slug_at(&self, domain: &DomainName) -> Result<Option<Slug>, StoreError> {
        if let Some(slug) = self.slugs.get(domain).await {
            return Ok(slug);
        }
        let read = async { self.inner.slug_at(domain).await };
        let slug = self.slugs.try_get_with_by_ref(domain, read).await;
        slug.map_err(|error: Arc<StoreError>| {
            Arc::try_unwrap(error).unwrap_or_else(|shared| same(&shared))
        })
    }

    async fn forget_domain(&self, slug: &Slug, domain: &DomainName) {
        self.slugs.invalidate(domain).await;
        self.by_slug.invalidate(slug).await;
    }

    async fn by_slug_now(&self, slug: &Slug) -> Result<Option<Tenant>, StoreError> {
        let tenant = self.inner.by_slug_now(slug).await?;
        match &tenant {
            Some(tenant) => self.by_slug.insert(slug.clone(), tenant.clone()).await,
            None => self.by_slug.invalidate(slug).await,
        }
        Ok(tenant)
    }

    async fn page(
        &self,
        after: Option<&TenantPosition>,
        limit: u32,
        q: Option<&str>,
    ) -> Result<Vec<TenantAt>, StoreError> {
        self.inner.page(after, limit, q).await
    }

    async fn set_name(
        &self,
        slug: &Slug,
        name: &str,
        expected: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Tenant>, StoreError> {
        let tenant = self.inner.set_name(slug, name, expected, now).await;
        // After a failure too: the change may have happened all the same.
        self.by_slug.invalidate(slug).await;
        tenant
    }

    async fn set_policy(
        &self,
        slug: &Slug,
        policy: &Policy,
        jwks_cached_until: Option<Timestamp>,
        expected: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Tenant>, StoreError> {
        let tenant = self
            .inner
            .set_policy(slug, policy, jwks_cached_until, expected, now)
            .await;
        // After a failure too: the change may have happened all the same.
        self.by_slug.invalidate(slug).await;
        tenant
    }

    async fn set_state(
        &self,
        slug: &Slug,
        state: TenantState,
        now: Timestamp,
    ) -> Result<Option<(Tenant, bool)>, StoreError> {
        let tenant = self.inner.set_state(slug, state, now).await;
        // After a failure too: the change may have happened all the same.
        self.by_slug.invalidate(slug).await;
        tenant
    }

    async fn delete(&self, slug: &Slug, now: Timestamp) -> Result<bool, StoreError> {
        let deleted = self.inner.delete(slug, now).await;
        self.by_slug.invalidate(slug).await;
        deleted
    }

    async fn sweep(&self, rows: u32) -> Result<Swept, StoreError> {
        self.inner.sweep(rows).await
    }
}

fn cache<K, V>() -> Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder()
        .max_capacity(ENTRIES)
        .time_to_live(TTL)
        .build()
}

/// Why there is nothing to cache. What isn't there isn't cached: it would hide what is added a
/// moment later, and let anyone fill the cache with names of nothing.
enum Missing {
    NotThere,
    Failed(StoreError),
}

impl From<StoreError> for Missing {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

fn found<T>(read: Result<T, Arc<Missing>>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(missing) => match Arc::try_unwrap(missing) {
            Ok(Missing::NotThere) => Ok(None),
            Ok(Missing::Failed(error)) => Err(error),
            Err(shared) => match &*shared {
                Missing::NotThere => Ok(None),
                Missing::Failed(error) => Err(same(error)),
            },
        },
    }
}

/// The error for one more of those who waited for the same read.
fn same(error: &StoreError) -> StoreError {
    match error {
        StoreError::Conflict(name) => StoreError::Conflict(name),
        StoreError::Unavailable(cause) => {
            StoreError::Unavailable(Box::new(SharedFailure(error_chain(cause.as_ref()))))
        }
        StoreError::Contended(cause) => {
            StoreError::Contended(Box::new(SharedFailure(error_chain(cause.as_ref()))))
        }
        StoreError::Corrupt { table, column, row } => StoreError::Corrupt {
            table,
            column,
            row: row.clone(),
        },
    }
}

/// The text of a cause that belongs to someone else's answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct SharedFailure(String);

fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Instant,
    };

    use super::*;

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

        async fn by_creation(
            &self,
            _: &[u8; 32],
            _: Timestamp,
        ) -> Result<Option<Tenant>, StoreError> {
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
}
