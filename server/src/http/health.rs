//! The management listener: `/livez`, `/readyz` and `/metrics`, and nothing else.

use std::{
    collections::BTreeMap,
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

use super::troubles::{self, Trouble, Troubles};
use crate::{
    app::App,
    application::ports::{Finding, Health, Meter},
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
        let (found, _) = self.0.look().await;
        Ok(metrics(&*self.0.app.meter, &found))
    }
}

/// What was counted, and how dependencies are.
pub(super) fn metrics(meter: &dyn Meter, found: &[Finding]) -> Response {
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
    troubles: Arc<Troubles>,
}

impl Readiness {
    pub fn new(app: Arc<App>) -> Self {
        Self {
            app,
            draining: Arc::default(),
            troubles: Arc::default(),
        }
    }

    /// From now on not ready: requests in flight are finished, new ones should go elsewhere.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Every dependency and how it is, and what is wrong since when.
    async fn look(&self) -> (Vec<Finding>, BTreeMap<&'static str, Trouble>) {
        let asked = self.app.dependencies.iter().map(|dependency| async {
            let checked = tokio::time::timeout(CHECK_TIMEOUT, dependency.check()).await;
            Finding {
                name: dependency.name(),
                health: checked.unwrap_or(Health::Down("unreachable".into())),
                required: dependency.is_required(),
            }
        });
        let found = futures_util::future::join_all(asked).await;
        let (changed, wrong) = self.troubles.note(&found, self.app.now());
        troubles::tell(&changed);
        (found, wrong)
    }

    async fn report(&self) -> (bool, Value) {
        let (found, wrong) = self.look().await;
        report(&found, &wrong, self.draining.load(Ordering::Relaxed))
    }
}

/// What `/readyz` says of these dependencies, and whether it is 200.
pub(super) fn report(
    found: &[Finding],
    wrong: &BTreeMap<&'static str, Trouble>,
    draining: bool,
) -> (bool, Value) {
    let mut ready = !draining;
    let (mut checks, mut reasons) = (Map::new(), Map::new());
    for Finding {
        name,
        health,
        required,
    } in found
    {
        let word = match health {
            Health::Up => "up",
            Health::Degraded(_) => "degraded",
            Health::Down(_) => "down",
        };
        ready &= !(*required && word == "down");
        checks.insert((*name).to_owned(), word.into());
        if let Some(Trouble { reason, since }) = wrong.get(name) {
            let told = format!("{reason} since {}", since.to_rfc3339());
            reasons.insert((*name).to_owned(), told.into());
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

/// `/readyz`: 200 when an instance is of use, else 503; and which dependency isn't as it should be.
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
    use crate::domain::timestamp::Timestamp;

    fn said(finding: Finding, draining: bool) -> (bool, Value) {
        let found = [Finding::required("clock", Health::Up), finding];
        let (_, wrong) = Troubles::default().note(&found, Timestamp::from_micros(1_000_000));
        report(&found, &wrong, draining)
    }

    #[test]
    fn a_missing_dependency_is_named_with_since_when() {
        let gone = Finding::required("database", Health::Down("unreachable".into()));
        let (ready, said) = said(gone, false);
        assert!(!ready);
        assert_eq!(said["status"], "not ready");
        assert_eq!(said["checks"], json!({ "clock": "up", "database": "down" }));
        let reason = "unreachable since 1970-01-01T00:00:01";
        assert!(
            said["reasons"]["database"]
                .as_str()
                .is_some_and(|text| text.starts_with(reason))
        );
        assert!(said["reasons"].get("clock").is_none());
    }

    /// Every instance has the same stores: were all of them taken out, what still works would stop too.
    #[test]
    fn what_is_degraded_or_not_required_keeps_an_instance_in_service() {
        let read_only = Finding::required("database", Health::Degraded("read-only".into()));
        let gone = Finding {
            name: "redis",
            health: Health::Down("unreachable".into()),
            required: false,
        };
        for (finding, word) in [(read_only, "degraded"), (gone, "down")] {
            let name = finding.name;
            let (ready, report) = said(finding.clone(), false);
            assert!(ready, "{name}");
            assert_eq!(report["status"], "degraded", "{name}");
            assert_eq!(report["checks"][name], word);
            let (ready, report) = said(finding, true);
            assert!(!ready, "{name}");
            assert_eq!(report["status"], "draining", "{name}");
        }
        let (ready, report) = said(Finding::required("database", Health::Up), false);
        assert!(ready && report.get("reasons").is_none(), "{report}");
        assert_eq!(report["status"], "ready");
    }
}
