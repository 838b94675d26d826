//! Floors on their way from Redis to SQL: written behind the answers, coalesced per family, at
//! most a second late.
//!
//! What is lost with this process is bounded by that second: a token that was rotated in it may
//! work once more after Redis loses its data as well, and the conflict that follows ends the
//! family.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, task::AbortHandle, time::sleep};

use crate::{
    application::{
        error::{StoreError, chain},
        ports::{Floors, RaisedFloor},
    },
    domain::{
        id::{GrantId, TenantId},
        refresh::Generation,
        timestamp::Timestamp,
    },
    infrastructure::metrics::{self, MetricsBuilder},
};

/// How long floors are gathered before they are written.
const GATHERED_FOR: Duration = Duration::from_millis(250);
/// How long to leave a database alone that just failed.
const RETRIED_AFTER: Duration = Duration::from_secs(1);
/// How many families one statement raises.
const BATCH: usize = 500;
/// Some 10 MiB when the database is down.
pub const DEFAULT_CAPACITY: usize = 100_000;

/// Gathers floors and writes them behind. [`flush`](Self::flush) it before the process ends.
pub struct FloorWriter {
    shared: Arc<Shared>,
    task: AbortHandle,
}

struct Shared {
    floors: Arc<dyn Floors>,
    pending: Mutex<Pending>,
    capacity: usize,
    arrived: Notify,
    /// Held while writing, so that a flush at shutdown also waits for the batch under way.
    writing: tokio::sync::Mutex<()>,
    /// How many families a statement is raising now.
    under_way: AtomicUsize,
}

#[derive(Default)]
struct Pending {
    floors: HashMap<(TenantId, GrantId), Waiting>,
    arrivals: u64,
}

#[derive(Clone, Copy)]
struct Waiting {
    generation: Generation,
    idle_end: Timestamp,
    arrival: u64,
}

impl fmt::Debug for FloorWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FloorWriter").finish_non_exhaustive()
    }
}

impl FloorWriter {
    /// Starts the task that writes. At most `capacity` families wait; beyond that the oldest are
    /// dropped.
    pub fn start(floors: Arc<dyn Floors>, capacity: usize) -> Self {
        let shared = Arc::new(Shared {
            floors,
            pending: Mutex::default(),
            capacity: capacity.max(1),
            arrived: Notify::new(),
            writing: tokio::sync::Mutex::new(()),
            under_way: AtomicUsize::new(0),
        });
        let task = tokio::spawn(Arc::clone(&shared).run()).abort_handle();
        Self { shared, task }
    }

    /// Adds what is known of the queue.
    pub fn register(&self, metrics: &mut MetricsBuilder) {
        let shared = Arc::downgrade(&self.shared);
        metrics.sample(
            "floor_backlog",
            "Refresh families whose floor is not written to the database yet",
            move || metrics::sample_of(shared.upgrade().map(|shared| shared.backlog())),
        );
    }

    /// Takes a floor to be written within a second.
    pub fn push(&self, tenant: TenantId, floor: RaisedFloor) {
        self.shared.push(tenant, floor);
    }

    /// Writes all that waits, now.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.shared.flush().await
    }
}

impl Drop for FloorWriter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    async fn run(self: Arc<Self>) {
        loop {
            self.arrived.notified().await;
            sleep(GATHERED_FOR).await;
            while let Err(error) = self.flush().await {
                let waiting = self.backlog();
                tracing::warn!(
                    error = chain(&error),
                    waiting,
                    "floors of refresh families can't be written; trying again"
                );
                sleep(RETRIED_AFTER).await;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        // Nothing panics while it is held; floors only rise, so a half-done change does no harm.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What waits, and what is being written.
    fn backlog(&self) -> usize {
        self.lock().floors.len() + self.under_way.load(Ordering::Relaxed)
    }

    fn push(&self, tenant: TenantId, floor: RaisedFloor) {
        let mut pending = self.lock();
        pending.raise(tenant, floor);
        let dropped = pending.shrink_to(self.capacity);
        drop(pending);
        report_dropped(dropped);
        self.arrived.notify_one();
    }

    async fn flush(&self) -> Result<(), StoreError> {
        let _alone = self.writing.lock().await;
        let mut left = self.lock().take();
        while let Some((tenant, floors)) = left.pop() {
            let families = |batches: &[(TenantId, Vec<RaisedFloor>)]| {
                batches
                    .iter()
                    .map(|(_, floors)| floors.len())
                    .sum::<usize>()
            };
            let under_way = families(&left) + floors.len();
            self.under_way.store(under_way, Ordering::Relaxed);
            let written = self.floors.raise(tenant, &floors).await;
            self.under_way.store(families(&left), Ordering::Relaxed);
            let Err(error) = written else {
                continue;
            };
            if let StoreError::Unavailable(_) | StoreError::Contended(_) = error {
                left.push((tenant, floors));
                self.under_way.store(0, Ordering::Relaxed);
                self.put_back(left);
                return Err(error);
            }
            // It would fail for ever and hold the others up.
            tracing::error!(
                error = chain(&error),
                tenant.id = %tenant,
                families = floors.len(),
                "floors of refresh families were refused and are dropped"
            );
        }
        Ok(())
    }

    fn put_back(&self, batches: Vec<(TenantId, Vec<RaisedFloor>)>) {
        let mut pending = self.lock();
        for (tenant, floors) in batches {
            for floor in floors {
                pending.raise(tenant, floor);
            }
        }
        let dropped = pending.shrink_to(self.capacity);
        drop(pending);
        report_dropped(dropped);
    }
}

fn report_dropped(count: usize) {
    if count > 0 {
        tracing::error!(
            count,
            "floors of refresh families were dropped: too many wait for the database"
        );
    }
}

impl Pending {
    /// A floor only rises.
    fn raise(&mut self, tenant: TenantId, floor: RaisedFloor) {
        self.arrivals += 1;
        let arrival = self.arrivals;
        let waiting = self
            .floors
            .entry((tenant, floor.family))
            .or_insert(Waiting {
                generation: floor.generation,
                idle_end: floor.idle_end,
                arrival,
            });
        if floor.generation > waiting.generation {
            waiting.generation = floor.generation;
            waiting.idle_end = floor.idle_end;
        }
    }

    /// Drops the oldest when there are too many, a sixteenth at once so that it is seldom needed;
    /// how many.
    fn shrink_to(&mut self, capacity: usize) -> usize {
        if self.floors.len() <= capacity {
            return 0;
        }
        let before = self.floors.len();
        let mut arrivals: Vec<_> = self
            .floors
            .values()
            .map(|waiting| waiting.arrival)
            .collect();
        let surplus = (before - capacity + capacity / 16).min(before - 1);
        let (_, first_kept, _) = arrivals.select_nth_unstable(surplus);
        let first_kept = *first_kept;
        self.floors
            .retain(|_, waiting| waiting.arrival >= first_kept);
        before - self.floors.len()
    }

    fn take(&mut self) -> Vec<(TenantId, Vec<RaisedFloor>)> {
        let mut by_tenant: HashMap<TenantId, Vec<RaisedFloor>> = HashMap::new();
        for ((tenant, family), waiting) in self.floors.drain() {
            by_tenant.entry(tenant).or_default().push(RaisedFloor {
                family,
                generation: waiting.generation,
                idle_end: waiting.idle_end,
            });
        }
        by_tenant
            .into_iter()
            .flat_map(|(tenant, floors)| {
                floors
                    .chunks(BATCH)
                    .map(|batch| (tenant, batch.to_vec()))
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}
