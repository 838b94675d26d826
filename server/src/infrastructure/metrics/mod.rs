//! Metrics in the format of Prometheus.
//!
//! A component owns what it counts and hands it to the [`MetricsBuilder`] when the server is put together; what
//! has no component of its own is counted by wrappers around ports, so that no use case knows of it. Labels
//! take few values, whatever is asked for: a scrape is never larger than the number of operations allows.

mod busiest;
mod cache_lookups;
mod events;
mod hot_state;
mod process;
mod requests;
mod sampled;

use std::{fmt, sync::Arc};

use prometheus_client::{
    encoding::text,
    metrics::{family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Metric, Registry, Unit},
};

pub use self::{
    cache_lookups::{CacheLookups, Lookups},
    events::MeteredAudit,
    hot_state::MeteredRotations,
    sampled::Sample,
};
use self::{requests::Requests, sampled::Sampled};
use crate::application::ports::{Answered, Finding, Health, Meter};

/// What every name begins with.
const PREFIX: &str = "tokenhouse";

/// Bounds of what takes from a hundred microseconds to some seconds.
const SECONDS: [f64; 11] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0,
];

/// A histogram of seconds.
pub fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

/// Histograms of seconds that labels tell apart.
pub type SecondsBy<S> = Family<S, Histogram, fn() -> Histogram>;

/// An empty one.
pub fn seconds_by<S: Clone + std::hash::Hash + Eq>() -> SecondsBy<S> {
    Family::new_with_constructor(seconds)
}

/// Gathers what the components count.
pub struct MetricsBuilder {
    registry: Registry,
    requests: Requests,
}

impl fmt::Debug for MetricsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsBuilder").finish_non_exhaustive()
    }
}

impl Default for MetricsBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl MetricsBuilder {
    pub fn new() -> Self {
        let mut builder = Self {
            registry: Registry::with_prefix(PREFIX),
            requests: Requests::default(),
        };
        let requests = builder.requests.clone();
        requests.register(&mut builder);
        process::register(&mut builder);
        builder
    }

    /// Adds a counter, a gauge or a family of them.
    pub fn add(&mut self, name: &str, help: &str, metric: impl Metric) {
        self.registry.register(name, help, metric);
    }

    /// Adds what counts seconds.
    pub fn add_seconds(&mut self, name: &str, help: &str, metric: impl Metric) {
        self.registry
            .register_with_unit(name, help, Unit::Seconds, metric);
    }

    /// Adds a gauge that is read when it is asked for.
    pub fn sample(
        &mut self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> Vec<Sample> + Send + Sync + 'static,
    ) {
        let sampled = Sampled::new(name, help, read);
        self.registry.register_collector(Box::new(sampled));
    }

    pub fn build(mut self) -> Metrics {
        let up = Dependencies::default();
        self.add(
            "dependency_up",
            "Whether a dependency answers: 1, or 0",
            up.clone(),
        );
        let degraded = Dependencies::default();
        self.add(
            "dependency_degraded",
            "Whether a dependency answers and is not as it should be: 1, or 0",
            degraded.clone(),
        );
        Metrics {
            up,
            degraded,
            registry: self.registry,
            requests: self.requests,
        }
    }
}

/// All that is counted.
pub struct Metrics {
    registry: Registry,
    requests: Requests,
    up: Dependencies,
    degraded: Dependencies,
}

/// A 1 or a 0 for each dependency.
type Dependencies = Family<[(&'static str, &'static str); 1], Gauge>;

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Meter for Metrics {
    fn asked(&self) {
        self.requests.asked();
    }

    fn done(&self) {
        self.requests.done();
    }

    fn answered(&self, answered: &Answered<'_>) {
        self.requests.answered(answered);
    }

    fn exposition(&self, dependencies: &[Finding]) -> String {
        for Finding { name, health, .. } in dependencies {
            let label = [("dependency", *name)];
            let down = matches!(health, Health::Down(_));
            self.up.get_or_create(&label).set((!down).into());
            let degraded = matches!(health, Health::Degraded(_));
            self.degraded.get_or_create(&label).set(degraded.into());
        }
        let mut text = String::new();
        // Writing into memory fails only if a metric can't say what it is: an empty answer shows that it is ours.
        match text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}

/// The one value of a gauge without labels; nothing when there is none now.
pub fn sample_of(value: Option<usize>) -> Vec<Sample> {
    let value = value.and_then(|value| u32::try_from(value).ok());
    value
        .map(|value| (None, f64::from(value)))
        .into_iter()
        .collect()
}

/// Metrics that nobody asks for: for tests and tools that put a part of the server together.
pub fn unwatched() -> Arc<dyn Meter> {
    Arc::new(MetricsBuilder::new().build())
}
