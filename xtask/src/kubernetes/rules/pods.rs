//! How pods run: resources, probes, their end, and what confines them.

use serde_json::{Value, json};

use crate::kubernetes::manifest::{Manifest, Workload, list, text, title, walk};
use crate::kubernetes::quantity::thousandths;

/// How long the server may take from SIGTERM to its end.
const STOP_SECONDS: u64 = 23;

pub(super) fn check(manifest: &Manifest, production: bool, found: &mut Vec<String>) {
    for object in &manifest.objects {
        words(object, found);
    }
    for workload in manifest.workloads() {
        confinement(&workload, found);
        for container in workload.containers() {
            resources(&workload, container, found);
            image(&workload, container, production, found);
        }
        for container in list(workload.pod, "/containers") {
            probes(&workload, container, found);
        }
    }
}

/// Words of which Kubernetes knows a few, and schemas take any.
fn words(object: &Value, found: &mut Vec<String>) {
    let owner = title(object);
    let name = text(object, "/metadata/name");
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 63 || !name.chars().all(valid) || name.starts_with('-') {
        found.push(format!("{owner}: {name:?} is no name"));
    }
    walk(object, &mut |member, value| {
        let known: &[&str] = match member {
            "imagePullPolicy" => &["Always", "IfNotPresent", "Never"],
            "whenUnsatisfiable" => &["DoNotSchedule", "ScheduleAnyway"],
            "protocol" => &["TCP", "UDP", "HTTPS"],
            "pathType" => &["Prefix", "Exact"],
            "unhealthyPodEvictionPolicy" => &["AlwaysAllow", "IfHealthyBudget"],
            _ => return,
        };
        if !known.iter().any(|word| value == word) {
            found.push(format!("{owner}: {member} is {value}"));
        }
    });
}

/// Pod Security "restricted", and what goes beyond it.
fn confinement(workload: &Workload<'_>, found: &mut Vec<String>) {
    let owner = title(workload.object);
    let mut expect = |value: &Value, place: &str, wanted: &Value, why: &str| {
        if value.pointer(place) != Some(wanted) {
            found.push(format!("{owner}: {place} is not {wanted}: {why}"));
        }
    };
    let pod = workload.pod;
    expect(
        pod,
        "/automountServiceAccountToken",
        &json!(false),
        "nobody needs the token",
    );
    expect(
        pod,
        "/enableServiceLinks",
        &json!(false),
        "TOKENHOUSE_SERVICE_HOST would be an unknown setting",
    );
    expect(
        pod,
        "/securityContext/runAsNonRoot",
        &json!(true),
        "root is for nobody",
    );
    expect(
        pod,
        "/securityContext/seccompProfile/type",
        &json!("RuntimeDefault"),
        "system calls are not filtered",
    );
    for container in workload.containers() {
        let context = &container["securityContext"];
        expect(
            context,
            "/readOnlyRootFilesystem",
            &json!(true),
            "the image can be changed",
        );
        expect(
            context,
            "/allowPrivilegeEscalation",
            &json!(false),
            "setuid works",
        );
        expect(
            context,
            "/capabilities/drop",
            &json!(["ALL"]),
            "root's powers remain",
        );
    }
    let user = pod
        .pointer("/securityContext/runAsUser")
        .and_then(Value::as_u64);
    if user.is_none_or(|user| user <= 10_000) {
        found.push(format!(
            "{owner}: the user {user:?} may be one of the node's"
        ));
    }
    if workload.labels["app.kubernetes.io/name"] == "tokenhouse" {
        let place = "/spec/topologySpreadConstraints";
        for spread in list(workload.pod, place.trim_start_matches("/spec")) {
            if !workload.is_selected(&spread["labelSelector"]["matchLabels"]) {
                found.push(format!("{owner}: a spread constraint counts other pods"));
            }
        }
        end(workload, found);
    }
}

/// Whether the grace period leaves time for everything that has to happen in it.
fn end(workload: &Workload<'_>, found: &mut Vec<String>) {
    let owner = title(workload.object);
    let grace = workload.pod["terminationGracePeriodSeconds"]
        .as_u64()
        .unwrap_or(30);
    let pause = list(workload.pod, "/containers")
        .iter()
        .filter_map(|one| one.pointer("/lifecycle/preStop/sleep/seconds")?.as_u64())
        .max();
    match pause {
        None | Some(0) => found.push(format!(
            "{owner}: without a preStop sleep, proxies send requests to a pod that has stopped"
        )),
        Some(pause) if pause + STOP_SECONDS >= grace => found.push(format!(
            "{owner}: {pause} s of preStop and {STOP_SECONDS} s of stopping need more than {grace} s"
        )),
        Some(_) => {}
    }
}

fn resources(workload: &Workload<'_>, container: &Value, found: &mut Vec<String>) {
    let owner = format!("{} {}", title(workload.object), text(container, "/name"));
    for resource in ["cpu", "memory"] {
        let amount = |kind: &str| thousandths(&container["resources"][kind][resource]);
        match (amount("requests"), amount("limits")) {
            (Some(request), Some(limit)) if request <= limit => {}
            (Some(request), Some(limit)) => found.push(format!(
                "{owner}: requests more {resource} ({request}) than its limit ({limit})"
            )),
            _ => found.push(format!("{owner}: {resource} lacks a request or a limit")),
        }
    }
}

fn image(workload: &Workload<'_>, container: &Value, production: bool, found: &mut Vec<String>) {
    let owner = title(workload.object);
    let image = text(container, "/image");
    let digest = image.split_once("@sha256:").map(|(_, digest)| digest);
    let by_digest = digest
        .is_some_and(|digest| digest.len() == 64 && digest.chars().all(|c| c.is_ascii_hexdigit()));
    let last = image.rsplit('/').next().unwrap_or_default();
    let tagged = last.split_once(':').is_some_and(|(_, tag)| tag != "latest");
    if production && !by_digest {
        found.push(format!("{owner}: {image:?} has no digest"));
    } else if !by_digest && !tagged {
        found.push(format!("{owner}: {image:?} has neither digest nor tag"));
    }
}

fn probes(workload: &Workload<'_>, container: &Value, found: &mut Vec<String>) {
    let owner = format!("{} {}", title(workload.object), text(container, "/name"));
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let handlers = ["httpGet", "tcpSocket", "exec", "grpc"];
        let handlers: Vec<_> = handlers
            .iter()
            .filter_map(|name| container[probe].get(name))
            .collect();
        match handlers.as_slice() {
            [] if probe == "startupProbe" => {}
            [handler] => {
                let port = &handler["port"];
                if !port.is_null() && !workload.has_port(port) {
                    found.push(format!(
                        "{owner}: {probe} asks port {port}, which isn't there"
                    ));
                }
            }
            other => found.push(format!("{owner}: {probe} has {} handlers", other.len())),
        }
    }
    if text(container, "/name") != "tokenhouse" {
        return;
    }
    for (probe, path) in [
        ("startupProbe", "/livez"),
        ("livenessProbe", "/livez"),
        ("readinessProbe", "/readyz"),
    ] {
        let get = &container[probe]["httpGet"];
        if get["port"] != "management" || get["path"] != path {
            found.push(format!(
                "{owner}: {probe} must ask {path} at the port management"
            ));
        }
    }
}
