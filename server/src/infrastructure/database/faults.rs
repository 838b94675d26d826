//! Writes that a database refuses although it is there: it has no room, or it is read-only.
//!
//! Callers get 503 as for a database that is away. Readiness says it for a minute after the last
//! refusal, so that one write that happens to fit doesn't hide the next that doesn't.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};
use sea_orm::DbErr;

use super::error::{WriteRefusal, store_error, write_refusal};
use crate::{application::error::StoreError, infrastructure::metrics::MetricsBuilder};

/// For how long a refused write is held against the database.
const REMEMBERED: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// What was refused lately.
#[derive(Debug, Default)]
pub(super) struct Faults {
    last: Mutex<Option<(WriteRefusal, Instant)>>,
    refused: Family<Reason, Counter>,
}

impl Faults {
    pub(super) fn register(&self, metrics: &mut MetricsBuilder) {
        for refusal in [WriteRefusal::Full, WriteRefusal::ReadOnly] {
            // Zero from the start: what appears with its first value has no rate.
            let reason = refusal.reason();
            drop(self.refused.get_or_create(&Reason { reason }));
        }
        metrics.add(
            "database_writes_refused",
            "Writes that the database refused because it is full or read-only",
            self.refused.clone(),
        );
    }

    /// What a caller can make of `error`; a refused write is counted.
    pub(super) fn store_error(&self, error: DbErr) -> StoreError {
        if let Some(refusal) = write_refusal(&error) {
            self.note(refusal, Instant::now());
        }
        store_error(error)
    }

    /// The refusal that is not forgotten yet.
    pub(super) fn lately(&self) -> Option<WriteRefusal> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.filter(|(_, at)| at.elapsed() < REMEMBERED)
            .map(|(refusal, _)| refusal)
    }

    /// The database says itself that it may be written to again.
    pub(super) fn forget_read_only(&self) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*last, Some((WriteRefusal::ReadOnly, _))) {
            *last = None;
        }
    }

    fn note(&self, refusal: WriteRefusal, now: Instant) {
        let reason = refusal.reason();
        self.refused.get_or_create(&Reason { reason }).inc();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let told = matches!(*last, Some((before, at))
            if before == refusal && now.duration_since(at) < REMEMBERED);
        *last = Some((refusal, now));
        drop(last);
        if !told {
            tracing::error!(
                reason,
                "{refusal}: everything that writes is answered with 503 until that is mended"
            );
        }
    }
}

/// An answer of the database on its way to a caller.
pub(super) trait Noted<T> {
    /// As a caller can make use of it; a refused write is counted.
    fn noted_by(self, faults: &Faults) -> Result<T, StoreError>;
}

impl<T> Noted<T> for Result<T, DbErr> {
    fn noted_by(self, faults: &Faults) -> Result<T, StoreError> {
        self.map_err(|error| faults.store_error(error))
    }
}
