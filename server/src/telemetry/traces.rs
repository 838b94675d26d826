//! Traces: spans of HTTP requests, SQL statements and calls of Redis, sent to a collector by OTLP over HTTP. Off
//! unless a collector is named.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider, Tracer},
};
use tokio::runtime::Handle;
use url::Url;

use super::spans::Sender;
use crate::infrastructure::outbound::{public_roots, tls_with};

/// How long the collector has for a batch.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// The path of the signal (OTLP specification, "OTLP/HTTP request").
const TRACES_PATH: &str = "v1/traces";

/// Where traces go, and how many.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSettings {
    /// The base address of the collector, such as `http://otel-collector:4318`.
    pub endpoint: Url,
    /// The share of traces that begin here and are sent, from 0 to 1. Who hands a trace on decides for it.
    pub ratio: f64,
}

/// What sends traces. Dropping it sends what waits.
pub struct Traces(SdkTracerProvider);

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").finish_non_exhaustive()
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // A collector that doesn't answer must not keep the process.
        if self.0.shutdown_with_timeout(EXPORT_TIMEOUT).is_err() {
            tracing::debug!("the last spans were not sent");
        }
    }
}

/// Why traces can't be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum TracesError {
    #[error("TLS can't be prepared")]
    Tls(#[source] rustls::Error),
    #[error("the client can't be prepared")]
    Client(#[source] reqwest::Error),
    #[error("the exporter can't be prepared")]
    Exporter(#[source] opentelemetry_otlp::ExporterBuildError),
}

impl Traces {
    /// Starts the thread that sends. To be called inside of a runtime: it carries the requests.
    pub(super) fn start(settings: &TraceSettings) -> Result<Self, TracesError> {
        let mut endpoint = settings.endpoint.clone();
        let base = endpoint.path().trim_end_matches('/').to_owned();
        endpoint.set_path(&format!("{base}/{TRACES_PATH}"));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Courier::new()?)
            .with_endpoint(endpoint)
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .map_err(TracesError::Exporter)?;
        let resource = Resource::builder()
            .with_service_name("tokenhouse")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let sampler = Sampler::TraceIdRatioBased(settings.ratio);
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_span_processor(Sender::new(exporter))
            .build();
        Ok(Self(provider))
    }

    pub(super) fn tracer(&self) -> Tracer {
        self.0.tracer("tokenhouse")
    }
}

/// Carries batches on the server's own runtime: the thread that makes them up has none.
#[derive(Debug)]
struct Courier {
    client: reqwest::Client,
    runtime: Handle,
}

impl Courier {
    fn new() -> Result<Self, TracesError> {
        let tls = tls_with(public_roots()).map_err(TracesError::Tls)?;
        let client = reqwest::Client::builder()
            .use_preconfigured_tls(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(EXPORT_TIMEOUT)
            .build()
            .map_err(TracesError::Client)?;
        Ok(Self {
            client,
            runtime: Handle::current(),
        })
    }
}

#[async_trait]
impl HttpClient for Courier {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, request) = (self.client.clone(), request.try_into()?);
        let exchange = self.runtime.spawn(async move {
            let answer = client.execute(request).await?;
            let status = answer.status();
            Ok::<_, reqwest::Error>((status, answer.bytes().await?))
        });
        let (status, body) = exchange.await??;
        Ok(Response::builder().status(status).body(body)?)
    }
}
