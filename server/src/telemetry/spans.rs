//! What became of the spans that a collector was to get. A collector that is away costs nobody an answer, so
//! that nobody would notice.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use opentelemetry::Context;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor},
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

/// How many spans wait to be sent, or are being sent, at most.
const WAITING: u64 = 2_048;

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

/// Sends spans behind, and takes no more than can wait: what the library drops it doesn't tell of.
#[derive(Debug)]
pub(super) struct Sender {
    behind: BatchSpanProcessor,
    waiting: Arc<AtomicU64>,
}

impl Sender {
    pub(super) fn new(exporter: impl SpanExporter + 'static) -> Self {
        let waiting = Arc::default();
        let counted = Counted {
            exporter,
            waiting: Arc::clone(&waiting),
            failing: AtomicBool::new(false),
        };
        let size = usize::try_from(WAITING).unwrap_or(usize::MAX);
        let config = BatchConfigBuilder::default().with_max_queue_size(size);
        let behind = BatchSpanProcessor::builder(counted).with_batch_config(config.build());
        Self {
            behind: behind.build(),
            waiting,
        }
    }
}

impl SpanProcessor for Sender {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.behind.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) < WAITING {
            self.behind.on_end(span);
        } else {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            SPANS.get_or_create(&LOST).inc();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.behind.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.behind.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.behind.set_resource(resource);
    }
}

/// Counts what an exporter does, and says when it begins to fail and when it works again.
#[derive(Debug)]
struct Counted<E> {
    exporter: E,
    waiting: Arc<AtomicU64>,
    failing: AtomicBool,
}

impl<E> Counted<E> {
    fn note(&self, spans: u64, result: &OTelSdkResult) {
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::SdkTracerProvider;

    use super::*;

    /// A collector that hangs.
    #[derive(Debug)]
    struct Hanging;

    impl SpanExporter for Hanging {
        async fn export(&self, _batch: Vec<SpanData>) -> OTelSdkResult {
            std::future::pending().await
        }
    }

    #[test]
    fn what_finds_no_room_to_wait_is_lost_and_counted() {
        let provider = SdkTracerProvider::builder().with_span_processor(Sender::new(Hanging));
        let provider = provider.build();
        let tracer = provider.tracer("tests");
        let lost = || SPANS.get_or_create(&LOST).get();
        let before = lost();
        for _ in 0..WAITING + 10 {
            tracer.start("a span").end();
        }
        assert_eq!(lost() - before, 10);
        // It never comes to an end.
        assert!(
            provider
                .shutdown_with_timeout(Duration::from_millis(1))
                .is_err()
        );
    }
}
