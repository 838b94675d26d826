//! What the server may reach: exactly what its settings make use of.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use anyhow::Result;
use serde_json::{Value, json};

use super::settings;
use crate::kubernetes::manifest::{Manifest, Workload, list, text};

/// Networks in which no client of a tenant has a server. 169.254.169.254 is where clouds keep the
/// credentials of a node.
const NOT_PUBLIC: [&str; 4] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
];

/// Relays of mail are anywhere, inside as often as outside.
const MAIL: [u64; 2] = [465, 587];

pub(super) fn check(
    manifest: &Manifest,
    policies: &[&Value],
    server: &Workload<'_>,
    found: &mut Vec<String>,
) -> Result<()> {
    let container = server.container("tokenhouse")?;
    let environment = settings::environment(manifest, container);
    let setting = |name: &str| {
        let given = environment.iter().rev().find(|(given, _)| given == name);
        given.map_or("", |(_, value)| value.as_str())
    };
    let rules: Vec<&Value> = policies
        .iter()
        .flat_map(|policy| list(policy, "/spec/egress"))
        .collect();
    for rule in &rules {
        breadth(rule, found);
    }
    let allowed = parts(setting("TOKENHOUSE_OUTBOUND_ALLOWED_NETWORKS"));
    for network in &allowed {
        if !rules.iter().any(|rule| leads_to(rule, network)) {
            found.push(format!(
                "TOKENHOUSE_OUTBOUND_ALLOWED_NETWORKS has {network}, and no policy lets the server out there"
            ));
        }
    }
    let servers = name_servers(setting("TOKENHOUSE_DNS_SERVERS"));
    for one in &servers {
        let host = format!("{}/{}", one.ip(), if one.is_ipv4() { 32 } else { 128 });
        let (udp, tcp) = (format!("UDP/{}", one.port()), format!("TCP/{}", one.port()));
        let is_open = |rule: &&Value| {
            let ports = ports(rule);
            leads_to(rule, &host) && ports.contains(&udp) && ports.contains(&tcp)
        };
        if !rules.iter().any(is_open) {
            found.push(format!(
                "TOKENHOUSE_DNS_SERVERS has {one}, and no policy lets the server out there"
            ));
        }
    }
    let mut wanted: BTreeSet<String> = ["UDP/53", "TCP/53", "TCP/5432", "TCP/443"]
        .map(Into::into)
        .into();
    for one in &servers {
        wanted.extend(["UDP", "TCP"].map(|protocol| format!("{protocol}/{}", one.port())));
    }
    wanted.extend(port_of(setting("TOKENHOUSE_OTLP_ENDPOINT")).map(|port| format!("TCP/{port}")));
    if !setting("TOKENHOUSE_REDIS_URL_FILE").is_empty() {
        wanted.insert("TCP/6379".to_owned());
    }
    if !setting("TOKENHOUSE_SMTP_URL_FILE").is_empty() {
        wanted.extend(MAIL.map(|port| format!("TCP/{port}")));
    }
    // What clients have in the networks of the setting may listen at any port.
    let open = rules
        .iter()
        .filter(|rule| !is_within(rule, &allowed))
        .flat_map(|rule| ports(rule))
        .collect();
    compare(&wanted, &open, found);
    Ok(())
}

fn compare(wanted: &BTreeSet<String>, open: &BTreeSet<String>, found: &mut Vec<String>) {
    for port in wanted.difference(open) {
        found.push(format!(
            "the server needs {port}, and no policy lets it out"
        ));
    }
    for port in open.difference(wanted) {
        found.push(format!(
            "a policy lets the server out to {port}, which it doesn't need"
        ));
    }
}

/// Whether one rule opens more than a port of certain peers.
fn breadth(rule: &Value, found: &mut Vec<String>) {
    let ports = list(rule, "/ports");
    if ports.is_empty() {
        found.push("a policy opens every port to the outside".to_owned());
    }
    let mail = |port: &Value| MAIL.iter().any(|mail| port["port"] == *mail);
    if list(rule, "/to").is_empty() && !ports.iter().all(mail) {
        let ports: Vec<_> = ports.iter().map(|port| port["port"].to_string()).collect();
        found.push(format!(
            "a policy opens {} to whatever is there",
            ports.join(", ")
        ));
    }
    for to in list(rule, "/to") {
        let except = list(to, "/ipBlock/except");
        let all = text(to, "/ipBlock/cidr") == "0.0.0.0/0";
        let is_spared = |network: &&str| except.contains(&json!(network));
        if all && !NOT_PUBLIC.iter().all(is_spared) {
            found.push("a policy opens private networks along with the Internet".to_owned());
        }
    }
}

/// The ports of a rule, as `TCP/443`. Named ones are those of the stores in this namespace.
fn ports(rule: &Value) -> BTreeSet<String> {
    let number = |port: &Value| match port["port"].as_str() {
        Some("postgres") => json!(5432),
        Some("redis") => json!(6379),
        _ => port["port"].clone(),
    };
    list(rule, "/ports")
        .iter()
        .map(|port| format!("{}/{}", text(port, "/protocol"), number(port)))
        .collect()
}

fn leads_to(rule: &Value, network: &str) -> bool {
    let mut peers = list(rule, "/to").iter();
    peers.any(|to| text(to, "/ipBlock/cidr") == network)
}

fn is_within(rule: &Value, networks: &[&str]) -> bool {
    let peers = list(rule, "/to");
    let within = |to: &Value| networks.contains(&text(to, "/ipBlock/cidr"));
    !peers.is_empty() && peers.iter().all(within)
}

fn parts(value: &str) -> Vec<&str> {
    let parts = value.split(',').map(str::trim);
    parts.filter(|part| !part.is_empty()).collect()
}

/// As the server reads them; what it refuses to read is left to it.
fn name_servers(value: &str) -> Vec<SocketAddr> {
    let server = |part: &&str| {
        let bare = part.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
        bare.or_else(|_| part.parse()).ok()
    };
    parts(value).iter().filter_map(server).collect()
}

fn port_of(url: &str) -> Option<u16> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split('/').next().unwrap_or_default();
    let port = authority
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok());
    port.or(match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_a_collector_is_that_of_its_address() {
        assert_eq!(port_of("http://collector.traces.svc:4318"), Some(4318));
        assert_eq!(port_of("https://traces.example/a:1/b"), Some(443));
        assert_eq!(port_of("http://traces.example"), Some(80));
        assert_eq!(port_of(""), None);
    }

    #[test]
    fn name_servers_are_read_as_the_server_does() {
        let read = |value: &str| {
            let servers = name_servers(value);
            servers.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            read("10.0.0.2, [fd00::53]:5353"),
            ["10.0.0.2:53", "[fd00::53]:5353"]
        );
        assert!(read("").is_empty());
    }
}
