//! The audit log forgets: what is older than the tenant wants to keep goes, a bounded part at a time; and in the
//! same round the answers that were remembered for retries and have ended.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{
    error::Error,
    ports::{Agenda, BackgroundWork, Clock, Due, Store},
};
use crate::domain::{
    id::AuditEntryId,
    tenant::{Tenant, TenantScope},
    timestamp::Timestamp,
};
use url::Url;

const DUE: Due = Due::AuditSweep;
/// How many tenants one round looks at.
const BATCH: u32 = 20;
/// How many entries one statement deletes.
const ENTRIES: u32 = 1_000;

/// Deletes old entries.
pub struct AuditRetention {
    pub agenda: Arc<dyn Agenda>,
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub public_url: Url,
}

impl fmt::Debug for AuditRetention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditRetention").finish_non_exhaustive()
    }
}

#[async_trait]
impl BackgroundWork for AuditRetention {
    async fn run(&self) -> Result<bool, Error> {
        let now = self.clock.now();
        let due = self
            .agenda
            .claim(DUE, now, now + DUE.every(), BATCH)
            .await?;
        let found = !due.is_empty();
        for tenant in due {
            self.sweep(tenant, now).await?;
        }
        Ok(found)
    }
}

impl AuditRetention {
    async fn sweep(&self, tenant: Tenant, now: Timestamp) -> Result<(), Error> {
        let tenant = tenant.administer(&self.public_url);
        let end = AuditEntryId::first_at(oldest_kept(&tenant, now));
        let mut deleted = 0;
        loop {
            let mut work = self.store.begin(&tenant).await?;
            let some = work.delete_audit_entries(end, ENTRIES).await?;
            work.commit().await?;
            deleted += some;
            if some < u64::from(ENTRIES) {
                break;
            }
        }
        self.forget_answers(&tenant, now).await?;
        if deleted > 0 {
            tracing::info!(tenant = %tenant.slug(), deleted, "old entries of the audit log deleted");
        }
        Ok(())
    }
}

impl AuditRetention {
    /// Remembered answers that have ended go in the same round: nobody is given them any more.
    async fn forget_answers(&self, tenant: &TenantScope, now: Timestamp) -> Result<(), Error> {
        loop {
            let mut work = self.store.begin(tenant).await?;
            let some = work.forget_answers(now, ENTRIES).await?;
            work.commit().await?;
            if some < u64::from(ENTRIES) {
                return Ok(());
            }
        }
    }
}

/// The oldest moment that the tenant wants to know of.
pub fn oldest_kept(tenant: &TenantScope, now: Timestamp) -> Timestamp {
    let days = u64::from(tenant.policy().audit_retention_days);
    now - Duration::from_secs(days * 24 * 3600)
}
