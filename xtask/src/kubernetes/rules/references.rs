//! Names that one object has for another lead somewhere.

use serde_json::Value;

use super::Facts;
use crate::kubernetes::manifest::{Manifest, Workload, list, selects, text, title, walk};

pub(super) fn check(manifest: &Manifest, facts: &Facts, found: &mut Vec<String>) {
    services(manifest, found);
    for workload in manifest.workloads() {
        mounts(manifest, &workload, facts, found);
    }
    budgets_and_policies(manifest, found);
    autoscalers(manifest, found);
    routes(manifest, facts, found);
    monitors(manifest, found);
}

fn services(manifest: &Manifest, found: &mut Vec<String>) {
    for service in manifest.of_kind("Service") {
        let selected: Vec<_> = manifest
            .workloads()
            .filter(|workload| workload.is_selected(&service["spec"]["selector"]))
            .collect();
        if selected.len() != 1 {
            let names: Vec<_> = selected.iter().map(|one| title(one.object)).collect();
            found.push(format!(
                "{} selects the pods of {names:?}, not of one",
                title(service)
            ));
        }
        for port in list(service, "/spec/ports") {
            let target = port.get("targetPort").unwrap_or(&port["port"]);
            if !selected.iter().all(|workload| workload.has_port(target)) {
                found.push(format!(
                    "{}: no container has the port {target}",
                    title(service)
                ));
            }
        }
    }
}

/// Volumes, what is in them, and whatever else a pod takes from other objects.
fn mounts(manifest: &Manifest, workload: &Workload<'_>, facts: &Facts, found: &mut Vec<String>) {
    let owner = title(workload.object);
    let claims = list(workload.object, "/spec/volumeClaimTemplates").iter();
    let claims: Vec<_> = claims.map(|claim| text(claim, "/metadata/name")).collect();
    let volumes = list(workload.pod, "/volumes");
    for container in workload.containers() {
        for mount in list(container, "/volumeMounts") {
            let name = text(mount, "/name");
            let known = volumes.iter().any(|volume| volume["name"] == name);
            if !known && !claims.contains(&name) {
                found.push(format!("{owner}: there is no volume {name}"));
            }
        }
    }
    walk(workload.pod, &mut |member, value| match member {
        "secretName" => secret(manifest, value, &owner, facts, found),
        "secretKeyRef" | "secretRef" => {
            found.push(format!("{owner}: a secret in the environment; mount it"));
        }
        "configMapRef" | "configMapKeyRef" | "configMap" => {
            let name = text(value, "/name");
            if manifest.find("ConfigMap", name).is_none() {
                found.push(format!("{owner}: there is no ConfigMap {name}"));
            }
        }
        "serviceAccountName" => {
            let name = value.as_str().unwrap_or_default();
            if manifest.find("ServiceAccount", name).is_none() {
                found.push(format!("{owner}: there is no ServiceAccount {name}"));
            }
        }
        _ => {}
    });
}

/// A secret is either generated here, or the guide tells operators to make it.
fn secret(manifest: &Manifest, name: &Value, owner: &str, facts: &Facts, found: &mut Vec<String>) {
    let name = name.as_str().unwrap_or_default();
    if manifest.find("Secret", name).is_none() && !facts.guide.contains(&format!("`{name}`")) {
        found.push(format!(
            "{owner}: the secret {name} is neither here nor in docs/operate/install.md"
        ));
    }
}

fn budgets_and_policies(manifest: &Manifest, found: &mut Vec<String>) {
    let selectors = [
        ("PodDisruptionBudget", "/spec/selector/matchLabels"),
        ("NetworkPolicy", "/spec/podSelector/matchLabels"),
    ];
    for (kind, place) in selectors {
        for object in manifest.of_kind(kind) {
            let labels = object.pointer(place).unwrap_or(&Value::Null);
            let mut pods = manifest.workloads().filter(|one| one.is_selected(labels));
            let ports_exist = |workload: &Workload<'_>| {
                list(object, "/spec/ingress")
                    .iter()
                    .flat_map(|rule| list(rule, "/ports"))
                    .all(|port| workload.has_port(&port["port"]))
            };
            match pods.next() {
                None => found.push(format!("{} selects no pods", title(object))),
                Some(workload) if !labels.is_null() && !ports_exist(&workload) => {
                    found.push(format!(
                        "{} names a port that no container has",
                        title(object)
                    ));
                }
                Some(_) => {}
            }
        }
    }
}

fn autoscalers(manifest: &Manifest, found: &mut Vec<String>) {
    for scaler in manifest.of_kind("HorizontalPodAutoscaler") {
        let kind = text(scaler, "/spec/scaleTargetRef/kind");
        let name = text(scaler, "/spec/scaleTargetRef/name");
        match manifest.find(kind, name) {
            None => found.push(format!("{}: there is no {kind}/{name}", title(scaler))),
            Some(target) if target.pointer("/spec/replicas").is_some() => found.push(format!(
                "{kind}/{name} has replicas, which each apply would take from its autoscaler"
            )),
            Some(_) => {}
        }
    }
}

/// Ingress and Gateway API: their services, certificates and host.
fn routes(manifest: &Manifest, facts: &Facts, found: &mut Vec<String>) {
    let host = public_host(manifest);
    let mut objects = Vec::new();
    for kind in ["Ingress", "Gateway", "HTTPRoute"] {
        objects.extend(manifest.of_kind(kind));
    }
    for object in objects {
        let owner = title(object);
        let mut hosts = Vec::new();
        walk(object, &mut |member, value| match member {
            "host" | "hostname" => hosts.push(value.clone()),
            "hosts" | "hostnames" => hosts.extend(value.as_array().cloned().unwrap_or_default()),
            "service" => {
                let port = &value["port"];
                let port = port.get("name").unwrap_or(&port["number"]);
                backend(manifest, text(value, "/name"), port, &owner, found);
            }
            "backendRefs" => {
                for to in value.as_array().into_iter().flatten() {
                    backend(manifest, text(to, "/name"), &to["port"], &owner, found);
                }
            }
            "secretName" => secret(manifest, value, &owner, facts, found),
            "certificateRefs" => {
                for to in value.as_array().into_iter().flatten() {
                    secret(manifest, &to["name"], &owner, facts, found);
                }
            }
            "parentRefs" => {
                for parent in value.as_array().into_iter().flatten() {
                    let name = text(parent, "/name");
                    let listener = text(parent, "/sectionName");
                    let exists = manifest.find("Gateway", name).is_some_and(|gateway| {
                        let mut listeners = list(gateway, "/spec/listeners").iter();
                        listeners.any(|one| one["name"] == listener)
                    });
                    if !exists {
                        found.push(format!("{owner}: there is no listener {name}/{listener}"));
                    }
                }
            }
            _ => {}
        });
        if hosts.is_empty() || hosts.iter().any(|one| *one != host.as_str()) {
            found.push(format!(
                "{owner} is for {hosts:?}, the public URL for {host}"
            ));
        }
    }
}

fn backend(manifest: &Manifest, name: &str, port: &Value, owner: &str, found: &mut Vec<String>) {
    let open = manifest.find("Service", name).is_some_and(|service| {
        let mut ports = list(service, "/spec/ports").iter();
        ports.any(|one| one["name"] == *port || one["port"] == *port)
    });
    if !open {
        found.push(format!(
            "{owner}: there is no port {port} at Service/{name}"
        ));
    }
    if name != "tokenhouse" {
        found.push(format!(
            "{owner} leads to {name}, which is not for the public"
        ));
    }
}

/// The host of the public URL without its port: no route may have one in its host.
fn public_host(manifest: &Manifest) -> String {
    let url = manifest
        .of_kind("ConfigMap")
        .map(|map| text(map, "/data/TOKENHOUSE_PUBLIC_URL"))
        .find(|url| !url.is_empty());
    let authority = url.unwrap_or_default().split('/').nth(2);
    let host = authority.and_then(|authority| authority.split(':').next());
    host.unwrap_or_default().to_owned()
}

fn monitors(manifest: &Manifest, found: &mut Vec<String>) {
    for monitor in manifest.of_kind("ServiceMonitor") {
        let wanted = &monitor["spec"]["selector"]["matchLabels"];
        let services: Vec<_> = manifest
            .of_kind("Service")
            .filter(|service| selects(wanted, &service["metadata"]["labels"]))
            .collect();
        if services.len() != 1 {
            found.push(format!(
                "{} selects {} Services",
                title(monitor),
                services.len()
            ));
        }
        for endpoint in list(monitor, "/spec/endpoints") {
            let port = &endpoint["port"];
            let mut open = services.iter().flat_map(|one| list(one, "/spec/ports"));
            if *port != "management" || !open.any(|one| one["name"] == *port) {
                found.push(format!("{}: {port} is no port for metrics", title(monitor)));
            }
        }
    }
}
