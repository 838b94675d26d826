//! Who talks to whom: nobody in but proxies and Prometheus, nothing out but what is used.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::{Value, json};

use crate::kubernetes::manifest::{Manifest, Workload, list, text, title};

/// Networks in which no client of a tenant has a server. 169.254.169.254 is where clouds keep the
/// credentials of a node.
const NOT_PUBLIC: [&str; 4] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
];

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
    outgoing(&policies, &server, found)?;
    needed(manifest, &policies, found);
    Ok(())
}

fn rules<'a>(policy: &'a Value, direction: &str) -> &'a [Value] {
    list(policy, &format!("/spec/{direction}"))
}

fn incoming(policies: &[&Value], found: &mut Vec<String>) {
    for policy in policies {
        let owner = title(policy);
        for rule in rules(policy, "ingress") {
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

/// The ports that are open to the outside are exactly those that the settings make use of.
fn outgoing(policies: &[&Value], server: &Workload<'_>, found: &mut Vec<String>) -> Result<()> {
    let mut open = BTreeSet::new();
    for rule in policies.iter().flat_map(|policy| rules(policy, "egress")) {
        let ports = list(rule, "/ports");
        if ports.is_empty() {
            found.push("a policy opens every port to the outside".to_owned());
        }
        for port in ports {
            // Named ports are those of the stores in this namespace.
            let number = match port["port"].as_str() {
                Some("postgres") => json!(5432),
                Some("redis") => json!(6379),
                _ => port["port"].clone(),
            };
            open.insert(format!("{}/{number}", text(port, "/protocol")));
        }
        let web = ports.iter().any(|port| port["port"] == 443);
        for to in list(rule, "/to") {
            let except = list(to, "/ipBlock/except");
            let all = text(to, "/ipBlock/cidr") == "0.0.0.0/0";
            if all
                && !NOT_PUBLIC
                    .iter()
                    .all(|network| except.contains(&json!(network)))
            {
                found.push("a policy opens private networks along with the Internet".to_owned());
            }
        }
        if web && list(rule, "/to").is_empty() {
            found.push("HTTPS is open to private networks".to_owned());
        }
    }
    let mut wanted: BTreeSet<String> = ["UDP/53", "TCP/53", "TCP/5432", "TCP/443"]
        .map(Into::into)
        .into();
    let container = server.container("tokenhouse")?;
    let names = list(container, "/env").iter().map(|one| text(one, "/name"));
    for name in names {
        match name {
            "TOKENHOUSE_REDIS_URL_FILE" => wanted.extend(["TCP/6379".to_owned()]),
            "TOKENHOUSE_SMTP_URL_FILE" => {
                wanted.extend(["TCP/465".to_owned(), "TCP/587".to_owned()]);
            }
            _ => {}
        }
    }
    for port in wanted.difference(&open) {
        found.push(format!(
            "the server needs {port}, and no policy lets it out"
        ));
    }
    for port in open.difference(&wanted) {
        found.push(format!(
            "a policy lets the server out to {port}, which it doesn't need"
        ));
    }
    Ok(())
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
