//! Sessions and grants are forgotten when they ended long ago, a bounded part at a time: otherwise a user that
//! signs in every minute would grow for ever, and with it whatever is done to all of its sessions.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use url::Url;

use super::{
    error::Error,
    ports::{Agenda, BackgroundWork, Clock, Due, Store, SweepBounds},
};
use crate::domain::{
    id::{GrantId, SessionId},
    tenant::{Tenant, TenantScope},
    timestamp::Timestamp,
};

const DUE: Due = Due::SignInSweep;
/// How many tenants one round looks at.
const BATCH: u32 = 20;
/// How many rows one unit of work looks at.
const ROWS: u32 = 1_000;
/// How long administrators still see what has ended.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long others get the database between two units of work.
const PAUSE: Duration = Duration::from_millis(20);

/// Deletes sessions and grants that ended long ago.
pub struct SignInRetention {
    pub agenda: Arc<dyn Agenda>,
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub public_url: Url,
}

impl fmt::Debug for SignInRetention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInRetention").finish_non_exhaustive()
    }
}

#[async_trait]
impl BackgroundWork for SignInRetention {
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

impl SignInRetention {
    /// Grants first: a session stays as long as it has one.
    async fn sweep(&self, tenant: Tenant, now: Timestamp) -> Result<(), Error> {
        let tenant = tenant.administer(&self.public_url);
        let bounds = bounds(&tenant, now);
        let grants = self.sweep_grants(&tenant, &bounds).await?;
        let sessions = self.sweep_sessions(&tenant, &bounds).await?;
        if grants + sessions > 0 {
            tracing::info!(tenant = %tenant.slug(), grants, sessions, "old sign-ins deleted");
        }
        Ok(())
    }

    async fn sweep_grants(&self, tenant: &TenantScope, bounds: &SweepBounds) -> Result<u64, Error> {
        let (mut after, mut deleted) = (GrantId::from_uuid(uuid::Uuid::nil()), 0);
        loop {
            let mut work = self.store.begin(tenant).await?;
            let part = work.sweep_grants(after, bounds, ROWS).await?;
            work.commit().await?;
            deleted += part.deleted;
            let Some(next) = part.next else {
                return Ok(deleted);
            };
            after = next;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn sweep_sessions(
        &self,
        tenant: &TenantScope,
        bounds: &SweepBounds,
    ) -> Result<u64, Error> {
        let (mut after, mut deleted) = (SessionId::from_uuid(uuid::Uuid::nil()), 0);
        loop {
            let mut work = self.store.begin(tenant).await?;
            let part = work.sweep_sessions(after, bounds, ROWS).await?;
            work.commit().await?;
            deleted += part.deleted;
            let Some(next) = part.next else {
                return Ok(deleted);
            };
            after = next;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn bounds(tenant: &TenantScope, now: Timestamp) -> SweepBounds {
    let policy = tenant.policy();
    let browser = Duration::from_secs(policy.session_absolute_ttl.into());
    SweepBounds {
        ended_before: now - KEPT,
        // With Redis the row learns of a rotation behind the answer, and of one before a crash never. The next
        // rotation comes within an idle lifetime of it, so one more of them is enough.
        idle_before: now - KEPT.max(policy.refresh_idle_ttl()),
        browser_before: now - KEPT - browser,
    }
}
