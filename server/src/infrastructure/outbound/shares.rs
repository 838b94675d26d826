//! Who may have how many exchanges under way: one tenant's slow hosts must not be another tenant's delay.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::domain::id::TenantId;

/// Places for exchanges, of which each tenant gets a part at most.
#[derive(Debug)]
pub(super) struct Shares {
    places: Semaphore,
    each: usize,
    /// Of tenants that have an exchange under way or wait for one.
    tenants: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
}

/// A place. It is given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    _place: SemaphorePermit<'a>,
    _share: Share<'a>,
}

/// A tenant's wish for a place, or its part of them.
#[derive(Debug)]
struct Share<'a> {
    shares: &'a Shares,
    tenant: TenantId,
    permit: Option<OwnedSemaphorePermit>,
}

impl Shares {
    pub(super) fn new(places: usize, each: usize) -> Self {
        Self {
            places: Semaphore::new(places),
            each,
            tenants: Mutex::default(),
        }
    }

    /// Waits for a place: first behind the tenant's own exchanges, then behind everybody's. `None` is never
    /// answered: nothing here is closed.
    pub(super) async fn take(&self, tenant: TenantId) -> Option<Place<'_>> {
        let own = {
            let mut tenants = self.lock();
            let new = || Arc::new(Semaphore::new(self.each));
            Arc::clone(tenants.entry(tenant).or_insert_with(new))
        };
        let mut share = Share {
            shares: self,
            tenant,
            permit: None,
        };
        share.permit = Some(own.acquire_owned().await.ok()?);
        Some(Place {
            _place: self.places.acquire().await.ok()?,
            _share: share,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Arc<Semaphore>>> {
        // Nothing panics while it is held.
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        drop(self.permit.take());
        let mut tenants = self.shares.lock();
        // Whoever waits or has a place holds it too.
        if tenants
            .get(&self.tenant)
            .is_some_and(|own| Arc::strong_count(own) == 1)
        {
            tenants.remove(&self.tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;
    use crate::testing;

    #[tokio::test]
    async fn a_tenant_gets_its_part_and_leaves_the_rest_to_others() {
        let shares = Shares::new(3, 2);
        let (acme, other) = (testing::tenant().id(), testing::tenant().id());
        let first = shares.take(acme).await;
        let _second = shares.take(acme).await;
        assert!(
            shares.take(acme).now_or_never().is_none(),
            "it has its part"
        );
        let of_other = shares.take(other).now_or_never();
        assert!(of_other.is_some(), "a place is left for others");
        assert!(shares.take(other).now_or_never().is_none(), "all are taken");

        drop(first);
        assert!(shares.take(acme).now_or_never().is_some());
    }

    #[tokio::test]
    async fn nothing_is_remembered_of_tenants_without_exchanges() {
        let shares = Shares::new(1, 1);
        let tenant = testing::tenant().id();
        let place = shares.take(tenant).await;
        let waiting = shares.take(tenant);
        let given_up = tokio::time::timeout(Duration::from_millis(1), waiting).await;
        assert!(given_up.is_err(), "there is one place");
        assert_eq!(shares.lock().len(), 1);
        drop(place);
        assert_eq!(shares.lock().len(), 0);
        for _ in 0..3 {
            assert!(
                shares.take(tenant).now_or_never().is_some(),
                "it is free again"
            );
        }
        assert_eq!(shares.lock().len(), 0);
    }
}
