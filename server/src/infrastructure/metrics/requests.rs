//! Requests: how many, how they were answered, how long it took, and whose tenants' they were.

use std::{
    borrow::Cow,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};

use super::{MetricsBuilder, SecondsBy, busiest::Busiest, seconds_by};
use crate::application::ports::Answered;

/// What is counted of requests. Clones share it.
#[derive(Clone)]
pub(super) struct Requests {
    answered: Family<Outcome, Counter>,
    took: SecondsBy<Operation>,
    in_flight: Gauge,
    tenants: Arc<Mutex<Busiest>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    operation: Cow<'static, str>,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: Cow<'static, str>,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            answered: Family::default(),
            took: seconds_by(),
            in_flight: Gauge::default(),
            tenants: Arc::new(Mutex::new(Busiest::new(Instant::now()))),
        }
    }
}

impl Requests {
    pub(super) fn register(&self, metrics: &mut MetricsBuilder) {
        metrics.add(
            "http_requests",
            "Requests that were answered, by operation and status code",
            self.answered.clone(),
        );
        metrics.add_seconds(
            "http_request_duration",
            "How long answers took, by operation",
            self.took.clone(),
        );
        metrics.add(
            "http_requests_in_flight",
            "Requests that wait for their answer",
            self.in_flight.clone(),
        );
        let tenants = Arc::clone(&self.tenants);
        metrics.sample(
            "busiest_tenant_requests",
            "Requests of the ten busiest tenants in the last whole minute",
            move || {
                let mut tenants = tenants.lock().unwrap_or_else(PoisonError::into_inner);
                let top = tenants.top(Instant::now()).iter();
                top.map(|(tenant, count)| {
                    // A count of a minute is exact in a double.
                    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
                    let count = *count as f64;
                    (Some(("tenant", tenant.clone())), count)
                })
                .collect()
            },
        );
    }

    /// Errors begin at zero, before the first of an operation: a rate can't tell the first of a counter that
    /// came out of nowhere.
    fn begin(&self, operation: &Operation) {
        for status in [500, 503] {
            drop(self.count_of(operation, status));
        }
    }

    fn count_of(&self, operation: &Operation, status: u16) -> impl Deref<Target = Counter> + '_ {
        self.answered.get_or_create(&Outcome {
            operation: operation.operation.clone(),
            status,
        })
    }

    pub(super) fn asked(&self) {
        self.in_flight.inc();
    }

    pub(super) fn done(&self) {
        self.in_flight.dec();
    }

    pub(super) fn answered(&self, answered: &Answered<'_>) {
        let operation = Operation {
            operation: answered.operation.clone(),
        };
        if self.took.get(&operation).is_none() {
            self.begin(&operation);
        }
        let took = answered.took.as_secs_f64();
        self.took.get_or_create(&operation).observe(took);
        self.count_of(&operation, answered.status).inc();
        if let Some(tenant) = answered.tenant {
            let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
            tenants.count(tenant, Instant::now());
        }
    }
}
