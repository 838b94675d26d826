//! Writes that a store refuses although it is there: it has no room, say.
//!
//! Callers get 503 as for a store that is away. Readiness says it for a minute after the last
//! refusal, so that one write that happens to fit doesn't hide the next that doesn't.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

use super::metrics::MetricsBuilder;

/// For how long a refused write is held against its store.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Why a store that is there takes no writes. Its text is what the log says.
pub trait Refusal: Copy + PartialEq + fmt::Display + 'static {
    const ALL: &'static [Self];

    /// For metrics and the log.
    fn reason(self) -> &'static str;
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// What a store refused lately.
#[derive(Debug)]
pub struct RefusedWrites<R> {
    last: Mutex<Option<(R, Instant)>>,
    counted: Family<Reason, Counter>,
}

impl<R> Default for RefusedWrites<R> {
    fn default() -> Self {
        Self {
            last: Mutex::new(None),
            counted: Family::default(),
        }
    }
}

impl<R: Refusal> RefusedWrites<R> {
    pub fn register(&self, metrics: &mut MetricsBuilder, name: &str, help: &str) {
        for refusal in R::ALL {
            // Zero from the start: what appears with its first value has no rate.
            let reason = refusal.reason();
            drop(self.counted.get_or_create(&Reason { reason }));
        }
        metrics.add(name, help, self.counted.clone());
    }

    /// The refusal that is not forgotten yet.
    pub fn lately(&self) -> Option<R> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.filter(|(_, at)| at.elapsed() < REMEMBERED)
            .map(|(refusal, _)| refusal)
    }

    /// The store says itself that this is over.
    pub fn forget(&self, over: R) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|(refusal, _)| refusal == over) {
            *last = None;
        }
    }

    /// Counts a refusal; the log has one a minute.
    pub fn note(&self, refusal: R) {
        let (reason, now) = (refusal.reason(), Instant::now());
        self.counted.get_or_create(&Reason { reason }).inc();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let told = last
            .is_some_and(|(before, at)| before == refusal && now.duration_since(at) < REMEMBERED);
        *last = Some((refusal, now));
        drop(last);
        if !told {
            tracing::error!(
                reason,
                "{refusal}: what has to be written there is answered with 503 until that is mended"
            );
        }
    }
}
