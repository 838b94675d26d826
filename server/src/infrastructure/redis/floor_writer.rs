//! Floors, written behind: after a loss of Redis they say how far each family had come.
//!
//! An answer does not wait for its floor; the floor follows within a second. Rotations of one
//! family in the meantime become one write.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::task::JoinHandle;

use crate::{
    application::ports::{Floors, RaisedFloor},
    domain::id::{GrantId, TenantId},
};

/// How often floors are written. With the time of a write it stays well under the promised second.
const INTERVAL: Duration = Duration::from_millis(250);
/// Floors that may wait while SQL is down, about 100 bytes each.
const MAX_WAITING: usize = 500_000;

/// Collects floors and writes them behind. Cheap to clone.
#[derive(Clone)]
pub struct FloorWriter(Arc<Shared>);

struct Shared {
    floors: Arc<dyn Floors>,
    waiting: Mutex<HashMap<(TenantId, GrantId), RaisedFloor>>,
    /// One writer at a time, so that a flush on stop waits for the write under way.
    writing: tokio::sync::Mutex<()>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for FloorWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FloorWriter")
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let task = self
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(task) = task {
            task.abort();
        }
    }
}

impl FloorWriter {
    /// Starts writing.
    pub fn start(floors: Arc<dyn Floors>) -> Self {
        let shared = Arc::new(Shared {
            floors,
            waiting: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            task: Mutex::default(),
        });
        // The task must not keep alive what it works for.
        let weak = Arc::downgrade(&shared);
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(INTERVAL).await;
                let Some(shared) = weak.upgrade() else { return };
                shared.write().await;
            }
        });
        *shared.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        Self(shared)
    }

    /// Notes that a family has come to a generation.
    pub fn raise(&self, tenant: TenantId, floor: RaisedFloor) {
        self.0.note(tenant, floor);
    }

    /// Writes what is waiting, now.
    pub async fn flush(&self) {
        self.0.write().await;
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, HashMap<(TenantId, GrantId), RaisedFloor>> {
        // The map is whole between any two statements that hold the lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, tenant: TenantId, floor: RaisedFloor) {
        let mut waiting = self.waiting();
        if waiting.len() >= MAX_WAITING && !waiting.contains_key(&(tenant, floor.family)) {
            // The family keeps its older floor: after a loss of Redis, a token rotated since could
            // be used once more, and the conflict would be caught.
            tracing::error!(
                waiting = waiting.len(),
                "a floor was dropped: SQL has been down for too long"
            );
            return;
        }
        let entry = waiting.entry((tenant, floor.family)).or_insert(floor);
        if floor.generation > entry.generation {
            *entry = floor;
        }
    }

    async fn write(&self) {
        let _one_at_a_time = self.writing.lock().await;
        let mut by_tenant: HashMap<TenantId, Vec<RaisedFloor>> = HashMap::new();
        for ((tenant, _), floor) in std::mem::take(&mut *self.waiting()) {
            by_tenant.entry(tenant).or_default().push(floor);
        }
        for (tenant, floors) in by_tenant {
            if let Err(error) = self.floors.raise(tenant, &floors).await {
                tracing::warn!(
                    error = %error,
                    cause = std::error::Error::source(&error).map(ToString::to_string),
                    floors = floors.len(),
                    "floors could not be written; they wait"
                );
                floors
                    .into_iter()
                    .for_each(|floor| self.note(tenant, floor));
            }
        }
    }
}
