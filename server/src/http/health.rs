//! The management listener: `/livez`, `/readyz` and `/metrics`, and nothing else.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use poem::{
    Endpoint, Request, Response, Result, handler,
    http::{StatusCode, header},
};
use serde_json::{Map, Value, json};

use crate::{
    app::App,
    application::ports::{Health, Meter},
    domain::timestamp::Timestamp,
};

/// How long a dependency may take to answer a probe.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// The process lives; nothing else is asked, or a store's trouble would restart every instance.
#[handler]
pub(crate) fn livez() -> Response {
    live()
}

pub(super) fn live() -> Response {
    json_response(StatusCode::OK, &json!({ "status": "live" }))
}

/// `/metrics`, for Prometheus.
pub struct Metrics(pub Readiness);

impl Endpoint for Metrics {
    type Output = Response;

    async fn call(&self, _request: Request) -> Result<Response> {
        Ok(metrics(&*self.0.app.meter, &self.0.check().await))
    }
}

/// What was counted, and how dependencies are.
pub(super) fn metrics(meter: &dyn Meter, found: &[(&'static str, Health)]) -> Response {
    Response::builder()
        .header(header::CONTENT_TYPE, OPEN_METRICS)
        .body(meter.exposition(found))
}

/// The format's own media type (OpenMetrics 1.0).
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether this instance should get requests.
#[derive(Clone, Debug)]
pub struct Readiness {
    app: Arc<App>,
    draining: Arc<AtomicBool>,
    /// Since when a dependency is not up, as far as anybody asked.
    since: Arc<Mutex<BTreeMap<&'static str, Timestamp>>>,
}

impl Readiness {
    pub fn new(app: Arc<App>) -> Self {
        Self {
            app,
            draining: Arc::default(),
            since: Arc::default(),
        }
    }

    /// From now on not ready: requests in flight are finished, new ones should go elsewhere.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Every dependency, and how it is.
    async fn check(&self) -> Vec<(&'static str, Health)> {
        futures_util::future::join_all(self.app.dependencies.iter().map(|dependency| async {
            let checked = tokio::time::timeout(CHECK_TIMEOUT, dependency.check()).await;
            let health = checked.unwrap_or(Health::Down("unreachable".into()));
            (dependency.name(), health)
        }))
        .await
    }

    async fn report(&self) -> (bool, Value) {
        let found = self.check().await;
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let before = since.clone();
        let draining = self.draining.load(Ordering::Relaxed);
        let report = report(&found, draining, &mut since, self.app.now());
        drop(since);
        tell_changes(&found, |name| before.contains_key(name));
        report
    }
}

/// Says what stopped being as it should, and what is again: once, where each failing request would be
/// one of many.
fn tell_changes(found: &[(&'static str, Health)], was_troubled: impl Fn(&str) -> bool) {
    for (dependency, health) in found {
        match (was_troubled(dependency), health) {
            (false, Health::Down(reason)) => {
                tracing::error!(dependency, reason = &**reason, "a dependency is down");
            }
            (false, Health::Degraded(reason)) => {
                tracing::warn!(dependency, reason = &**reason, "a dependency is degraded");
            }
            (true, Health::Up) => tracing::info!(dependency, "a dependency is up again"),
            (false, Health::Up) | (true, Health::Down(_) | Health::Degraded(_)) => {}
        }
    }
}

/// What `/readyz` says of these dependencies, and whether it is 200. `since` is brought up to date.
pub(super) fn report(
    found: &[(&'static str, Health)],
    draining: bool,
    since: &mut BTreeMap<&'static str, Timestamp>,
    now: Timestamp,
) -> (bool, Value) {
    let mut ready = !draining;
    let (mut checks, mut reasons) = (Map::new(), Map::new());
    for (name, health) in found {
        let (word, reason) = match health {
            Health::Up => ("up", None),
            Health::Degraded(reason) => ("degraded", Some(reason)),
            Health::Down(reason) => ("down", Some(reason)),
        };
        ready &= word != "down";
        checks.insert((*name).to_owned(), word.into());
        match reason {
            None => drop(since.remove(name)),
            Some(reason) => {
                let began = since.entry(name).or_insert(now).to_rfc3339();
                reasons.insert((*name).to_owned(), format!("{reason} since {began}").into());
            }
        }
    }
    let status = match (ready, draining) {
        (true, _) if reasons.is_empty() => "ready",
        (true, _) => "degraded",
        (false, true) => "draining",
        (false, false) => "not ready",
    };
    let mut report = json!({ "status": status, "checks": checks });
    if !reasons.is_empty() {
        report["reasons"] = reasons.into();
    }
    (ready, report)
}

/// `/readyz`: 200 when every dependency answers, else 503 and which one doesn't.
pub struct Readyz(pub Readiness);

impl Endpoint for Readyz {
    type Output = Response;

    async fn call(&self, _request: Request) -> Result<Response> {
        let (ready, report) = self.0.report().await;
        Ok(readiness_response(ready, &report))
    }
}

pub(super) fn readiness_response(ready: bool, report: &Value) -> Response {
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    json_response(status, report)
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_dependency_is_named_with_since_when() {
        let mut since = BTreeMap::new();
        let mut at = |second: i64, redis: Health| {
            let now = Timestamp::from_micros(second * 1_000_000);
            let found = [("database", Health::Up), ("redis", redis)];
            report(&found, false, &mut since, now)
        };
        let gone = || Health::Down("unreachable".into());
        let (ready, said) = at(1, gone());
        assert!(!ready);
        assert_eq!(said["checks"], json!({ "database": "up", "redis": "down" }));
        assert_eq!(said["status"], "not ready");
        assert_eq!(at(9, gone()).1, said, "since the first time");
        assert!(
            said["reasons"]["redis"]
                .as_str()
                .is_some_and(|reason| reason.starts_with("unreachable since 1970-01-01T00:00:01"))
        );
        let (ready, said) = at(10, Health::Up);
        assert!(ready && said.get("reasons").is_none());
        let (_, said) = at(11, gone());
        assert!(
            said["reasons"]["redis"]
                .as_str()
                .is_some_and(|reason| reason.contains(":11"))
        );
    }

    /// Every instance has the same database: were all of them taken out, reading would stop too.
    #[test]
    fn a_degraded_dependency_keeps_an_instance_in_service() {
        let found = [("database", Health::Degraded("read-only".into()))];
        let now = Timestamp::from_micros(0);
        let (ready, said) = report(&found, false, &mut BTreeMap::new(), now);
        assert!(ready);
        assert_eq!(said["status"], "degraded");
        assert_eq!(said["checks"]["database"], "degraded");
        let (ready, said) = report(&found, true, &mut BTreeMap::new(), now);
        assert!(!ready);
        assert_eq!(said["status"], "draining");
    }
}
