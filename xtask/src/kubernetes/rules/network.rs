//! Who talks to whom: nobody in but proxies and Prometheus, nothing out but what is used.

use anyhow::Result;
use serde_json::{Value, json};

use super::outgoing;
use crate::kubernetes::manifest::{Manifest, list, text, title};

pub(super) fn check(manifest: &Manifest, found: &mut Vec<String>) -> Result<()> {
    let server = manifest.server()?;
    let denies_all = manifest.of_kind("NetworkPolicy").any(|policy| {
        policy["spec"] == json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] })
    });
    if !denies_all {
        found.push("no policy denies everything that no other allows".to_owned());
    }
    let policies: Vec<_> = manifest
        .of_kind("NetworkPolicy")
        .filter(|policy| {
            let selector = &policy["spec"]["podSelector"]["matchLabels"];
            !selector.is_null() && server.is_selected(selector)
        })
        .collect();
    incoming(&policies, found);
    outgoing::check(manifest, &policies, &server, found)?;
    needed(manifest, &policies, found);
    Ok(())
}

fn incoming(policies: &[&Value], found: &mut Vec<String>) {
    for policy in policies {
        let owner = title(policy);
        for rule in list(policy, "/spec/ingress") {
            let from = list(rule, "/from");
            let named = |one: &Value| {
                let namespace = "/namespaceSelector/matchLabels/kubernetes.io~1metadata.name";
                !text(one, namespace).is_empty()
                    && one.pointer("/podSelector/matchLabels").is_some()
            };
            if from.is_empty() || !from.iter().all(named) {
                found.push(format!("{owner} lets others in than certain pods"));
            }
            let ports = list(rule, "/ports");
            let expected = match text(policy, "/metadata/name") {
                "tokenhouse-from-prometheus" => "management",
                _ => "http",
            };
            if ports.len() != 1 || ports[0]["port"] != expected {
                found.push(format!("{owner} must open the port {expected} alone"));
            }
        }
    }
}

/// What leads requests here comes with the policy that lets them in.
fn needed(manifest: &Manifest, policies: &[&Value], found: &mut Vec<String>) {
    for (kind, policy) in [
        ("Ingress", "tokenhouse-from-ingress"),
        ("Gateway", "tokenhouse-from-gateway"),
        ("ServiceMonitor", "tokenhouse-from-prometheus"),
    ] {
        let is_used = manifest.of_kind(kind).next().is_some();
        let is_open = policies.iter().any(|one| one["metadata"]["name"] == policy);
        if is_used != is_open {
            found.push(format!("{kind} and NetworkPolicy/{policy} belong together"));
        }
    }
}
