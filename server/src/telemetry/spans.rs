//! What became of the spans that a collector was to get. A collector that is away costs nobody an answer, so
//! that nobody would notice.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

use crate::infrastructure::metrics::MetricsBuilder;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

const SENT: Outcome = Outcome { outcome: "sent" };
const LOST: Outcome = Outcome { outcome: "lost" };

/// The process has one collector, as it has one log.
static SPANS: LazyLock<Family<Outcome, Counter>> = LazyLock::new(|| {
    let spans: Family<Outcome, Counter> = Family::default();
    // Zero from the start: what appears with its first value has no rate.
    drop(spans.get_or_create(&SENT));
    drop(spans.get_or_create(&LOST));
    spans
});

/// Adds what is known of the spans that were to be sent.
pub fn register(metrics: &mut MetricsBuilder) {
    metrics.add(
        "trace_spans",
        "Spans that the collector took, or that were lost because it didn't",
        SPANS.clone(),
    );
}

/// Counts what an exporter does, and says when it begins to fail and when it works again.
#[derive(Debug)]
pub(super) struct Counted<E> {
    exporter: E,
    failing: AtomicBool,
}

impl<E> Counted<E> {
    pub(super) fn new(exporter: E) -> Self {
        let failing = AtomicBool::new(false);
        Self { exporter, failing }
    }

    fn note(&self, spans: u64, result: &OTelSdkResult) {
        let outcome = if result.is_ok() { SENT } else { LOST };
        SPANS.get_or_create(&outcome).inc_by(spans);
        let failed_before = self.failing.swap(result.is_err(), Ordering::Relaxed);
        match (failed_before, result) {
            (false, Err(error)) => tracing::warn!(
                %error,
                "the collector of TOKENHOUSE_OTLP_ENDPOINT takes no traces; they are lost until it does"
            ),
            (true, Ok(())) => tracing::info!("the collector takes traces again"),
            (false, Ok(())) | (true, Err(_)) => {}
        }
    }
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let result = self.exporter.export(batch).await;
        self.note(spans, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
