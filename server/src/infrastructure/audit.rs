//! The audit log on its way to the store: written behind the answers, in batches, in order of arrival.
//!
//! A stop writes what waits. While the store doesn't answer, entries wait up to a bound; what comes beyond
//! it goes to the server's own log as a whole, so that it is not lost without a trace.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use prometheus_client::metrics::counter::Counter;
use tokio::{
    sync::Notify,
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::audit_floods::Floods;
use crate::{
    application::{
        error::{StoreError, chain},
        ports::{AuditLog, Store},
    },
    domain::{audit::Entry, id::TenantId, tenant::TenantScope},
    infrastructure::metrics::{self, MetricsBuilder},
};

/// How long entries are gathered before they are written.
const GATHERED_FOR: Duration = Duration::from_millis(200);
/// How often to look whether something that was counted is to be written.
const COUNTED_FOR: Duration = Duration::from_secs(5);
/// How long to leave a store alone that just failed.
const RETRIED_AFTER: Duration = Duration::from_secs(1);
/// How many entries one statement writes: Postgres binds at most 65,535 values.
const BATCH: usize = 500;
/// Some 30 MiB when the store is down.
pub const DEFAULT_CAPACITY: usize = 50_000;

/// Gathers entries and writes them behind. [`flush`](Self::flush) it before the process ends.
pub struct AuditWriter {
    shared: Arc<Shared>,
    task: AbortHandle,
}

struct Shared {
    store: Arc<dyn Store>,
    waiting: Mutex<VecDeque<(TenantScope, Entry)>>,
    capacity: usize,
    floods: Mutex<Floods>,
    arrived: Notify,
    /// Held while writing, so that a flush at shutdown also waits for the batch under way.
    writing: tokio::sync::Mutex<()>,
    unwritten: Counter,
}

impl fmt::Debug for AuditWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditWriter").finish_non_exhaustive()
    }
}

impl AuditWriter {
    /// Starts the task that writes. At most `capacity` entries wait.
    pub fn start(store: Arc<dyn Store>, capacity: usize) -> Self {
        let shared = Arc::new(Shared {
            store,
            waiting: Mutex::default(),
            capacity: capacity.max(1),
            floods: Mutex::default(),
            arrived: Notify::new(),
            writing: tokio::sync::Mutex::new(()),
            unwritten: Counter::default(),
        });
        let task = tokio::spawn(Arc::clone(&shared).run()).abort_handle();
        Self { shared, task }
    }

    /// Adds what is known of the queue.
    pub fn register(&self, metrics: &mut MetricsBuilder) {
        let shared = Arc::downgrade(&self.shared);
        metrics.sample(
            "audit_backlog",
            "Entries of the audit log that are not written yet",
            move || metrics::sample_of(shared.upgrade().map(|shared| shared.lock().len())),
        );
        metrics.add(
            "audit_unwritten",
            "Entries of the audit log that went to the server's own log because the database didn't take them",
            self.shared.unwritten.clone(),
        );
    }

    /// Writes all that waits, now.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.shared.take_counted(true);
        self.shared.flush().await
    }

    /// Puts what still waits into the server's own log: the process ends, and the store doesn't answer.
    pub fn give_up(&self) {
        let left: Vec<_> = self.shared.lock().drain(..).collect();
        for (tenant, entry) in left {
            self.shared.log_whole(&tenant, &entry);
        }
    }
}

impl AuditLog for AuditWriter {
    fn record(&self, tenant: &TenantScope, entry: Entry) {
        self.shared.record(tenant, entry);
    }

    fn record_often(&self, tenant: &TenantScope, entry: Entry) {
        let first = self.shared.floods().admit(tenant, entry, Instant::now());
        if let Some(first) = first {
            self.shared.record(tenant, first);
        }
    }
}

impl Drop for AuditWriter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn log_whole(&self, tenant: &TenantScope, entry: &Entry) {
        self.unwritten.inc();
        tracing::error!(
            tenant = %tenant.slug(),
            entry = %entry.to_json(),
            "an entry of the audit log could not be stored"
        );
    }

    async fn run(self: Arc<Self>) {
        loop {
            if timeout(COUNTED_FOR, self.arrived.notified()).await.is_ok() {
                sleep(GATHERED_FOR).await;
            }
            self.take_counted(false);
            while let Err(error) = self.flush().await {
                tracing::warn!(
                    error = chain(&error),
                    waiting = self.lock().len(),
                    "the audit log can't be written; trying again"
                );
                sleep(RETRIED_AFTER).await;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(TenantScope, Entry)>> {
        // Nothing panics while it is held, and a queue is whole between its calls.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn floods(&self) -> MutexGuard<'_, Floods> {
        // Nothing panics while it is held either.
        self.floods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, tenant: &TenantScope, entry: Entry) {
        let mut waiting = self.lock();
        if waiting.len() >= self.capacity {
            drop(waiting);
            self.log_whole(tenant, &entry);
            return;
        }
        waiting.push_back((tenant.clone(), entry));
        drop(waiting);
        self.arrived.notify_one();
    }

    fn take_counted(&self, all: bool) {
        let due = self.floods().due(Instant::now(), all);
        for (tenant, entry) in due {
            self.record(&tenant, entry);
        }
    }

    /// Writes batch by batch. An entry leaves the queue when it is written: what is not is tried again, and
    /// one that was written in spite of a failure is not written twice.
    async fn flush(&self) -> Result<(), StoreError> {
        let _alone = self.writing.lock().await;
        loop {
            let batch: Vec<_> = self.lock().iter().take(BATCH).cloned().collect();
            if batch.is_empty() {
                return Ok(());
            }
            let taken = batch.len();
            for (tenant, entries) in by_tenant(batch) {
                self.write(&tenant, &entries).await?;
            }
            self.lock().drain(..taken);
        }
    }

    async fn write(&self, tenant: &TenantScope, entries: &[Entry]) -> Result<(), StoreError> {
        let write = async {
            let mut work = self.store.begin(tenant).await?;
            work.add_audit_entries(entries).await?;
            work.commit().await
        };
        match write.await {
            Err(error @ (StoreError::Unavailable(_) | StoreError::Contended(_))) => Err(error),
            // The tenant is gone, or the store will never take it: it would hold the others up for ever.
            Err(error) => {
                tracing::error!(
                    error = chain(&error),
                    "entries of the audit log were refused"
                );
                for entry in entries {
                    self.log_whole(tenant, entry);
                }
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

fn by_tenant(batch: Vec<(TenantScope, Entry)>) -> Vec<(TenantScope, Vec<Entry>)> {
    let mut tenants: HashMap<TenantId, (TenantScope, Vec<Entry>)> = HashMap::new();
    for (tenant, entry) in batch {
        let (_, entries) = tenants
            .entry(tenant.id())
            .or_insert_with(|| (tenant, Vec::new()));
        entries.push(entry);
    }
    tenants.into_values().collect()
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::{
        application::{audit::entry, ports::UnitOfWork},
        domain::{
            audit::{Actor, Event, EventKind},
            timestamp::Timestamp,
        },
        testing,
    };

    /// A store that doesn't answer.
    struct Down;

    #[async_trait]
    impl Store for Down {
        async fn view(&self, _: &TenantScope) -> Result<Box<dyn UnitOfWork>, StoreError> {
            Err(StoreError::Unavailable("down".into()))
        }

        async fn begin(&self, _: &TenantScope) -> Result<Box<dyn UnitOfWork>, StoreError> {
            Err(StoreError::Unavailable("down".into()))
        }
    }

    #[tokio::test]
    async fn entries_wait_for_the_store_up_to_a_bound() {
        let writer = AuditWriter::start(Arc::new(Down), 10);
        let tenant = testing::tenant();
        let now = Timestamp::from_micros(1);
        for n in 0..12 {
            let event = Event::new(EventKind::UserSignedIn).target(n);
            writer.record(&tenant, entry(Actor::System, event, [n; 10], now));
        }
        assert!(writer.flush().await.is_err());
        let targets: Vec<_> = writer
            .shared
            .lock()
            .iter()
            .map(|(_, entry)| entry.event.target.clone().unwrap_or_default())
            .collect();
        assert_eq!(targets.len(), 10);
        assert_eq!((targets[0].as_str(), targets[9].as_str()), ("0", "9"));
        writer.give_up();
        assert!(writer.shared.lock().is_empty());
        assert!(writer.flush().await.is_ok(), "nothing is left");
    }
}
