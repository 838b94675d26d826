//! The management listener: `/livez`, `/readyz` and `/metrics`, and nothing else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use poem::{
    Endpoint, Request, Response, Result, handler,
    http::{StatusCode, header},
};
use serde_json::{Map, Value, json};

use crate::app::App;

/// How long a dependency may take to answer a probe.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// The process lives; nothing else is asked, or a store's trouble would restart every instance.
#[handler]
pub(crate) fn livez() -> Response {
    json_response(StatusCode::OK, &json!({ "status": "live" }))
}

/// `/metrics`, for Prometheus.
pub struct Metrics(pub Readiness);

impl Endpoint for Metrics {
    type Output = Response;

    async fn call(&self, _request: Request) -> Result<Response> {
        Ok(Response::builder()
            .header(header::CONTENT_TYPE, OPEN_METRICS)
            .body(self.0.app.meter.exposition(&self.0.check().await)))
    }
}

/// The format's own media type (OpenMetrics 1.0).
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether this instance should get requests.
#[derive(Clone, Debug)]
pub struct Readiness {
    app: Arc<App>,
    draining: Arc<AtomicBool>,
}

impl Readiness {
    pub fn new(app: Arc<App>) -> Self {
        Self {
            app,
            draining: Arc::default(),
        }
    }

    /// From now on not ready: requests in flight are finished, new ones should go elsewhere.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Every dependency, and whether it answers.
    async fn check(&self) -> Vec<(&'static str, bool)> {
        futures_util::future::join_all(self.app.dependencies.iter().map(|dependency| async {
            let checked = tokio::time::timeout(CHECK_TIMEOUT, dependency.check()).await;
            (dependency.name(), matches!(checked, Ok(Ok(()))))
        }))
        .await
    }

    async fn report(&self) -> (bool, Value) {
        let mut ready = !self.draining.load(Ordering::Relaxed);
        let mut checks = Map::new();
        for (name, up) in self.check().await {
            ready &= up;
            checks.insert(name.to_owned(), Value::from(if up { "up" } else { "down" }));
        }
        let status = match (ready, self.draining.load(Ordering::Relaxed)) {
            (true, _) => "ready",
            (false, true) => "draining",
            (false, false) => "not ready",
        };
        (ready, json!({ "status": status, "checks": checks }))
    }
}

/// `/readyz`: 200 when every dependency answers, else 503 and which one doesn't.
pub struct Readyz(pub Readiness);

impl Endpoint for Readyz {
    type Output = Response;

    async fn call(&self, _request: Request) -> Result<Response> {
        let (ready, report) = self.0.report().await;
        let status = if ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        Ok(json_response(status, &report))
    }
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.to_string())
}
