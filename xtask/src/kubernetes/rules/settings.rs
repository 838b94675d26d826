//! The environment of the server is made of settings that it knows, and secrets are files.

use anyhow::Result;
use serde_json::Value;

use super::Facts;
use crate::kubernetes::manifest::{Manifest, list, text, title};

/// Settings that are secret, or have a password in them.
const SECRET: [&str; 5] = [
    "TOKENHOUSE_DATABASE_URL",
    "TOKENHOUSE_REDIS_URL",
    "TOKENHOUSE_MASTER_KEY",
    "TOKENHOUSE_OPERATOR_TOKEN",
    "TOKENHOUSE_SMTP_URL",
];

/// Without them the server refuses to start.
const REQUIRED: [&str; 4] = [
    "TOKENHOUSE_PUBLIC_URL",
    "TOKENHOUSE_DATABASE_URL",
    "TOKENHOUSE_MASTER_KEY",
    "TOKENHOUSE_OPERATOR_TOKEN",
];

/// The environment of a container: names and values, those of its ConfigMaps too.
pub(super) fn environment(manifest: &Manifest, container: &Value) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for from in list(container, "/envFrom") {
        let map = manifest.find("ConfigMap", text(from, "/configMapRef/name"));
        let data = map.and_then(|map| map["data"].as_object());
        for (name, value) in data.into_iter().flatten() {
            all.push((name.clone(), value.as_str().unwrap_or_default().to_owned()));
        }
    }
    for one in list(container, "/env") {
        all.push((
            text(one, "/name").to_owned(),
            text(one, "/value").to_owned(),
        ));
    }
    all
}

/// Names of settings that the manifest mentions in an environment.
pub(super) fn named(manifest: &Manifest) -> Vec<String> {
    manifest
        .workloads()
        .flat_map(|workload| workload.containers().collect::<Vec<_>>())
        .flat_map(|container| environment(manifest, container))
        .map(|(name, _)| name)
        .collect()
}

pub(super) fn check(manifest: &Manifest, facts: &Facts, found: &mut Vec<String>) -> Result<()> {
    for workload in manifest.workloads() {
        for container in workload.containers() {
            let owner = format!("{} {}", title(workload.object), text(container, "/name"));
            for (name, value) in environment(manifest, container) {
                if name.starts_with("TOKENHOUSE_") {
                    one(manifest, container, &name, &value, facts, &owner, found);
                }
            }
        }
    }
    let server = manifest.server()?;
    let container = server.container("tokenhouse")?;
    let environment = environment(manifest, container);
    let given = |name: &str| {
        let value = environment.iter().rev().find(|(given, _)| given == name);
        value
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    };
    for name in REQUIRED {
        if given(name).or(given(&format!("{name}_FILE"))).is_none() {
            found.push(format!("{} lacks {name}", title(server.object)));
        }
    }
    for (setting, port) in [
        ("TOKENHOUSE_LISTEN", "http"),
        ("TOKENHOUSE_MANAGEMENT_LISTEN", "management"),
    ] {
        let number = list(container, "/ports")
            .iter()
            .find(|one| one["name"] == port)
            .map(|one| format!("0.0.0.0:{}", one["containerPort"]));
        if given(setting) != number.as_deref() {
            found.push(format!("{setting} is not where the port {port} is"));
        }
    }
    Ok(())
}

fn one(
    manifest: &Manifest,
    container: &Value,
    name: &str,
    value: &str,
    facts: &Facts,
    owner: &str,
    found: &mut Vec<String>,
) {
    let file_of = name.strip_suffix("_FILE");
    if !facts.settings.contains(file_of.unwrap_or(name)) {
        found.push(format!("{owner}: {name} is no setting of the server"));
    }
    if SECRET.contains(&name) {
        found.push(format!("{owner}: {name} is secret: use {name}_FILE"));
    }
    // Empty: unset.
    if file_of.is_some() && !value.is_empty() {
        file(manifest, container, name, value, owner, found);
    }
}

/// The file is in a mounted volume; and in the secret, where the secret is ours.
fn file(
    manifest: &Manifest,
    container: &Value,
    name: &str,
    path: &str,
    owner: &str,
    found: &mut Vec<String>,
) {
    let mount = list(container, "/volumeMounts").iter().find_map(|mount| {
        let rest = path.strip_prefix(text(mount, "/mountPath"))?;
        Some((text(mount, "/name"), rest.strip_prefix('/')?))
    });
    let Some((volume, key)) = mount else {
        found.push(format!("{owner}: {name} is not in a mounted volume"));
        return;
    };
    let secret = manifest
        .workloads()
        .flat_map(|workload| list(workload.pod, "/volumes"))
        .find(|one| one["name"] == volume)
        .and_then(|one| manifest.find("Secret", text(one, "/secret/secretName")));
    if secret.is_some_and(|secret| secret["data"].get(key).is_none()) {
        found.push(format!("{owner}: the secret of {name} has no {key}"));
    }
}
