//! Deletes the rows of ended tenants, a bounded number at a time, so that the end of a large tenant is
//! nobody else's wait.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{sync::Notify, task::AbortHandle, time};

use crate::application::{
    error::chain,
    ports::{Sweeper, Swept, Tenants},
};

/// How many rows one transaction deletes.
const BATCH: u32 = 1_000;
/// How long others get the database between two batches.
const PAUSE: Duration = Duration::from_millis(20);
/// How often to look for what another instance left behind.
const INTERVAL: Duration = Duration::from_secs(60);

/// The task that sweeps. It may be stopped at any moment: what is left is found by the next one.
pub struct TenantSweeper {
    ended: Arc<Notify>,
    task: AbortHandle,
}

impl fmt::Debug for TenantSweeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantSweeper").finish_non_exhaustive()
    }
}

impl TenantSweeper {
    pub fn start(tenants: Arc<dyn Tenants>) -> Self {
        let ended = Arc::new(Notify::new());
        let task = tokio::spawn(run(tenants, Arc::clone(&ended))).abort_handle();
        Self { ended, task }
    }
}

impl Sweeper for TenantSweeper {
    fn notify(&self) {
        self.ended.notify_one();
    }
}

impl Drop for TenantSweeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(tenants: Arc<dyn Tenants>, ended: Arc<Notify>) {
    loop {
        match tenants.sweep(BATCH).await {
            Ok(Swept::Some) => {
                time::sleep(PAUSE).await;
                continue;
            }
            Ok(Swept::Clean) => {}
            Err(error) => tracing::warn!(
                error = chain(&error),
                "rows of ended tenants can't be deleted; trying again later"
            ),
        }
        // Either will do: the time is up, or there is something to do.
        let _elapsed = time::timeout(INTERVAL, ended.notified()).await;
    }
}
