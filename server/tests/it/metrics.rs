//! `/metrics`: what is counted, and that the page about it is true.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use serde_json::json;

use crate::harness::{Backend, Client, Installation, PASSWORD, until};

const DOCUMENTED: &str = include_str!("../../../docs/metrics.md");
const DASHBOARD: &str = include_str!("../../../k8s/monitoring/dashboard.json");
const ALERTS: &str = include_str!("../../../k8s/components/prometheus-rule/prometheus-rule.yaml");
const RUNBOOKS: &str = include_str!("../../../docs/operate/runbooks.md");

async fn exposition(installation: &Installation, instance: usize) -> String {
    let address = installation.instances[instance].management_address;
    let answer = Client::new(address).get("/metrics").await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(
        answer.header("content-type"),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(answer.text.ends_with("# EOF\n"), "{}", answer.text);
    answer.text
}

/// The value of the series with this name and these labels; 0 when there is none.
fn value(exposition: &str, series: &str) -> f64 {
    let line = exposition
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

/// Names as they are written on the page: counters with `_total`, info with `_info`.
fn names(exposition: &str) -> BTreeSet<String> {
    let types = exposition
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|line| {
            let (name, kind) = line.split_once(' ').unwrap();
            match kind {
                "counter" => format!("{name}_total"),
                "info" => format!("{name}_info"),
                _ => name.to_owned(),
            }
        })
        .collect()
}

#[tokio::test]
async fn every_metric_is_on_the_page_and_the_other_way_round() {
    let installation = Installation::start(Backend::Redis).await;
    installation.tenant().await.session().await;
    assert_eq!(names(&exposition(&installation, 0).await), documented());
}

fn documented() -> BTreeSet<String> {
    DOCUMENTED
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect()
}

/// The metrics that a text names.
fn named(text: &str) -> BTreeSet<&str> {
    let other = |c: char| !(c.is_ascii_lowercase() || c == '_');
    text.split(other)
        .filter(|word| word.starts_with("tokenhouse_"))
        .collect()
}

#[test]
fn dashboard_and_alerts_name_metrics_that_exist() {
    let documented = documented();
    for (what, text) in [("dashboard", DASHBOARD), ("alerts", ALERTS)] {
        let named = named(text);
        assert!(named.len() >= 8, "{what}: {named:?}");
        for name in named {
            let series = ["_bucket", "_count", "_sum"];
            let bare = series.iter().find_map(|end| name.strip_suffix(end));
            assert!(
                documented.contains(name) || bare.is_some_and(|bare| documented.contains(bare)),
                "the {what} has {name}, which no server answers"
            );
        }
    }
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");
}

#[test]
fn every_alert_has_its_runbook() {
    let anchors: BTreeSet<String> = RUNBOOKS
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|title| title.to_lowercase().replace(' ', "-"))
        .collect();
    let alerts = ALERTS.matches("- alert:").count();
    let runbooks: Vec<_> = ALERTS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("runbook_url:"))
        .map(|url| url.rsplit_once("runbooks.md#").unwrap().1)
        .collect();
    assert_eq!(runbooks.len(), alerts, "each alert has one");
    for anchor in runbooks {
        assert!(anchors.contains(anchor), "there is no runbook {anchor}");
    }
}

#[tokio::test]
async fn sign_ins_and_refreshes_are_counted_by_outcome() {
    for backend in [Backend::Sqlite, Backend::Redis] {
        let installation = Installation::start(backend).await;
        let tenant = installation.tenant().await;
        let email = tenant.user().await;
        let session = tenant.login(&email).await;
        for password in ["wrong horse battery staple", "also wrong"] {
            let body = json!({ "email": email, "password": password });
            let login = tenant.path("/auth/login");
            let refused = tenant.client(0).post(&login, body).await;
            refused.assert_problem(401, "wrong-credentials");
        }
        let rotated = tenant.refresh(0, &session.refresh_token).await;
        assert_eq!(rotated.status, StatusCode::OK);
        let repeated = tenant.refresh(0, &session.refresh_token).await;
        assert_eq!(
            repeated.body["refresh_token"],
            rotated.body["refresh_token"]
        );
        installation
            .clock
            .advance(std::time::Duration::from_secs(31));
        let reused = tenant.refresh(0, &session.refresh_token).await;
        assert_eq!(reused.status, StatusCode::UNAUTHORIZED, "{reused:?}");

        let text = exposition(&installation, 0).await;
        for (series, expected) in [
            (r#"tokenhouse_sign_ins_total{outcome="success"}"#, 1.0),
            (
                r#"tokenhouse_sign_ins_total{outcome="wrong_password"}"#,
                2.0,
            ),
            (r#"tokenhouse_refreshes_total{outcome="rotated"}"#, 1.0),
            (r#"tokenhouse_refreshes_total{outcome="repeated"}"#, 1.0),
            (r#"tokenhouse_refreshes_total{outcome="reused"}"#, 1.0),
            (r#"tokenhouse_refreshes_total{outcome="ahead"}"#, 0.0),
            (
                r#"tokenhouse_events_total{event="grant.refresh_reused"}"#,
                1.0,
            ),
            (
                r#"tokenhouse_http_requests_total{operation="login",status="401"}"#,
                2.0,
            ),
            (
                r#"tokenhouse_http_request_duration_seconds_count{operation="refresh_session"}"#,
                3.0,
            ),
            (r#"tokenhouse_dependency_up{dependency="database"}"#, 1.0),
            ("tokenhouse_http_requests_in_flight", 0.0),
        ] {
            assert!(
                (value(&text, series) - expected).abs() < f64::EPSILON,
                "{backend:?}, {series} is not {expected}:\n{text}"
            );
        }
        assert!(value(&text, "tokenhouse_password_hash_work_seconds_count") >= 4.0);
        assert!(value(&text, "tokenhouse_process_resident_memory_bytes") > 1e6);
        assert!(!text.contains(&email) && !text.contains(PASSWORD));
    }
}

#[tokio::test]
async fn whatever_is_asked_for_there_are_as_many_series() {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let client = tenant.client(0);
    let ask = async |n: u32| {
        for path in [
            format!("/nothing/{n}"),
            format!("/t/none-{n}/oauth2/jwks"),
            format!("/docs/{n}"),
            format!("/problems/{n}"),
            tenant.path(&format!("/auth/consents/{n}")),
            tenant.path(&format!("/oauth2/authorize?client_id={n}")),
        ] {
            client.get(&path).await;
        }
    };
    ask(0).await;
    let series = async || {
        let text = exposition(&installation, 0).await;
        text.lines().filter(|line| !line.starts_with('#')).count()
    };
    let before = series().await;
    for n in 1..20 {
        ask(n).await;
    }
    assert_eq!(series().await, before);
}

#[tokio::test]
async fn the_audit_backlog_is_seen_and_goes() {
    let installation = Installation::start(Backend::Sqlite).await;
    installation.tenant().await.session().await;
    until("the audit log is written", async || {
        let text = exposition(&installation, 0).await;
        assert!(text.contains("tokenhouse_audit_backlog "), "{text}");
        (value(&text, "tokenhouse_audit_backlog") < 1.0).then_some(())
    })
    .await;
}
