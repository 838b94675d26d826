//! The address of a Redis, as the operator writes it: one server, the Sentinels that know it, or nodes of a Cluster.

use std::fmt;

use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisError, TlsCertificates,
    TlsMode,
    io::tcp::TcpSettings,
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};
use url::Url;

use crate::infrastructure::tls::check_authorities;

/// How long what was sent may wait to be acknowledged before the connection counts as broken.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_FOR: std::time::Duration = std::time::Duration::from_secs(5);

/// Where a Redis listens unless it is told otherwise.
const REDIS_PORT: u16 = 6_379;
/// Where Sentinels do.
const SENTINEL_PORT: u16 = 26_379;

/// Why an address can't be used. No text repeats it: it may carry a password.
#[derive(Debug, thiserror::Error)]
pub enum BadAddress {
    #[error("is malformed")]
    Malformed(#[source] RedisError),
    #[error(
        "must begin with redis://, redis-sentinel://, redis-cluster://, the same with rediss for TLS, or unix://; \
         {0}:// is not supported"
    )]
    Scheme(String),
    #[error("must end after the nodes of the Cluster: redis-cluster://host:6379,host:6379")]
    ClusterPath,
    #[error("must have a host, or a host and a port, between its commas: host:6379,host:6379")]
    Hosts,
    #[error("must not end with #insecure: whoever answers would be believed")]
    Insecure,
    #[error(
        "must name the primary after the Sentinels: redis-sentinel://host:26379,host:26379/name"
    )]
    NoName,
    #[error(
        "comes with TOKENHOUSE_REDIS_CA, which needs rediss://, rediss-sentinel:// or rediss-cluster://"
    )]
    UnusedAuthority,
    #[error("comes with a TOKENHOUSE_REDIS_CA that can't be used: {0}")]
    Authority(String),
}

/// An address that was checked.
#[derive(Clone)]
pub struct RedisAddress {
    pub(super) place: Place,
    authority: Option<Vec<u8>>,
}

/// What the address leads to.
#[derive(Clone)]
pub(super) enum Place {
    Server(Box<ConnectionInfo>),
    Sentinels(Sentinels),
    Cluster(ClusterNodes),
}

/// A host and a port.
pub(super) type Node = (String, u16);

/// Some nodes of a Cluster, which know the others.
#[derive(Clone)]
pub(super) struct ClusterNodes {
    pub(super) seeds: Vec<Node>,
    tls: bool,
    /// User and password of all nodes.
    servers: Box<ConnectionInfo>,
}

#[derive(Clone)]
pub(super) struct Sentinels {
    nodes: Vec<Node>,
    /// What the Sentinels call the primary.
    name: String,
    tls: bool,
    /// User, password and database of the Redis servers.
    servers: Box<ConnectionInfo>,
    /// Those of the Sentinels themselves.
    user: Option<String>,
    password: Option<String>,
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisAddress").finish_non_exhaustive()
    }
}

impl RedisAddress {
    /// Reads an address; `authority` is in PEM, and then the only one whose certificates count.
    pub fn parse(address: &str, authority: Option<&str>) -> Result<Self, BadAddress> {
        let (scheme, rest) = address.split_once("://").unwrap_or((address, ""));
        let place = match scheme {
            "redis" | "rediss" | "unix" | "redis+unix" => server(address)?,
            "redis-sentinel" => Place::Sentinels(sentinels(rest, false)?),
            "rediss-sentinel" => Place::Sentinels(sentinels(rest, true)?),
            "redis-cluster" => Place::Cluster(cluster(rest, false)?),
            "rediss-cluster" => Place::Cluster(cluster(rest, true)?),
            _ if address.contains("://") => return Err(BadAddress::Scheme(scheme.to_owned())),
            // What is no scheme may be a password.
            _ => return Err(BadAddress::Scheme(String::new())),
        };
        let address = Self {
            place,
            authority: authority.map(|pem| pem.as_bytes().to_vec()),
        };
        if let Some(pem) = &address.authority {
            if !address.has_tls() {
                return Err(BadAddress::UnusedAuthority);
            }
            check_authorities(pem).map_err(BadAddress::Authority)?;
        }
        Ok(address)
    }

    fn has_tls(&self) -> bool {
        match &self.place {
            Place::Server(info) => matches!(info.addr(), ConnectionAddr::TcpTls { .. }),
            Place::Sentinels(sentinels) => sentinels.tls,
            Place::Cluster(nodes) => nodes.tls,
        }
    }

    /// The address of one node of a Cluster.
    pub(super) fn of_node(&self, nodes: &ClusterNodes, (host, port): &Node) -> Self {
        let info = (*nodes.servers).clone();
        let info = info.set_addr(address_of(host, *port, nodes.tls));
        Self {
            place: Place::Server(Box::new(info)),
            authority: self.authority.clone(),
        }
    }

    /// Without an authority of the operator's, public ones count.
    fn certificates(&self) -> TlsCertificates {
        TlsCertificates {
            client_tls: None,
            root_cert: self.authority.clone(),
        }
    }

    /// A client of the server.
    pub(super) fn client_of(&self, server: &ConnectionInfo) -> Result<Client, RedisError> {
        let info = server.clone().set_tcp_settings(tcp());
        match self.has_tls() {
            true => Client::build_with_tls(info, self.certificates()),
            false => Client::open(info),
        }
    }

    /// A client that asks the Sentinels.
    pub(super) fn client_of_sentinels(
        &self,
        sentinels: &Sentinels,
    ) -> Result<SentinelClient, RedisError> {
        let nodes = sentinels
            .nodes
            .iter()
            .map(|(host, port)| address_of(host, *port, sentinels.tls));
        let mut builder =
            SentinelClientBuilder::new(nodes, &sentinels.name, SentinelServerType::Master)?
                .set_client_to_redis_tcp_settings(tcp())
                .set_client_to_redis_db(sentinels.servers.redis_settings().db());
        if let Some(user) = sentinels.servers.redis_settings().username() {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = sentinels.servers.redis_settings().password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(user) = &sentinels.user {
            builder = builder.set_client_to_sentinel_username(user);
        }
        if let Some(password) = &sentinels.password {
            builder = builder.set_client_to_sentinel_password(password);
        }
        if sentinels.tls {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(self.certificates())
                .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_certificates(self.certificates());
        }
        builder.build()
    }
}

fn address_of(host: &str, port: u16, tls: bool) -> ConnectionAddr {
    let host = host.to_owned();
    match tls {
        true => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        },
        false => ConnectionAddr::Tcp(host, port),
    }
}

/// Off by default: small commands would wait for one another's acknowledgement, and what was sent into a
/// link that swallows it would be sent again for a quarter of an hour.
fn tcp() -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(UNACKNOWLEDGED_FOR);
    settings
}

fn server(address: &str) -> Result<Place, BadAddress> {
    let info = address
        .into_connection_info()
        .map_err(BadAddress::Malformed)?;
    match info.addr() {
        ConnectionAddr::TcpTls { insecure: true, .. } => Err(BadAddress::Insecure),
        _ => Ok(Place::Server(Box::new(info))),
    }
}

/// Reads `[user:password@]host[:port][,host[:port]…]/name[/database][?user=&password=]`, where the
/// parameters are those of the Sentinels.
fn sentinels(rest: &str, tls: bool) -> Result<Sentinels, BadAddress> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').ok_or(BadAddress::NoName)?;
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (name, database) = path.split_once('/').unwrap_or((path, "0"));
    if name.is_empty() {
        return Err(BadAddress::NoName);
    }
    let servers = credentials(user, database)?;
    let node = |text| node(text, SENTINEL_PORT);
    let nodes = hosts.split(',').map(node).collect::<Result<_, _>>()?;
    let parameter = |wanted: &str| {
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.into_owned())
    };
    Ok(Sentinels {
        nodes,
        name: name.to_owned(),
        tls,
        servers: Box::new(servers),
        user: parameter("user"),
        password: parameter("password"),
    })
}

/// Reads `[user:password@]host[:port][,host[:port]…]`: a Cluster has the database 0 alone.
fn cluster(rest: &str, tls: bool) -> Result<ClusterNodes, BadAddress> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !["", "0"].contains(&path) || authority.contains(['?', '#']) {
        return Err(BadAddress::ClusterPath);
    }
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let node = |text| node(text, REDIS_PORT);
    Ok(ClusterNodes {
        seeds: hosts.split(',').map(node).collect::<Result<_, _>>()?,
        tls,
        servers: Box::new(credentials(user, "0")?),
    })
}

/// User, password and database. The library decodes what is before and after the host; the host itself is never
/// used.
fn credentials(user: &str, database: &str) -> Result<ConnectionInfo, BadAddress> {
    format!("redis://{user}@host/{database}")
        .into_connection_info()
        .map_err(BadAddress::Malformed)
}

fn node(text: &str, usual_port: u16) -> Result<Node, BadAddress> {
    let url = Url::parse(&format!("redis://{text}/")).map_err(|_| BadAddress::Hosts)?;
    let host = url.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or(BadAddress::Hosts)?;
    // Brackets belong to the URL, not to the address.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok((host.to_owned(), url.port().unwrap_or(usual_port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(address: &str) -> String {
        let refusal = RedisAddress::parse(address, None).expect_err(address);
        assert!(!refusal.to_string().contains("hunter2"), "{refusal}");
        refusal.to_string()
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        assert!(refusal("http://u:hunter2@host").contains("http://"));
        assert!(refusal("u:hunter2@host:6379").contains("must begin"));
        assert!(refusal("rediss://u:hunter2@host/#insecure").contains("#insecure"));
        for nameless in [
            "redis-sentinel://a,b",
            "redis-sentinel://a,b/",
            "rediss-sentinel://a//1",
        ] {
            assert!(refusal(nameless).contains("name the primary"), "{nameless}");
        }
        assert!(refusal("redis-sentinel://a:port/main").contains("must have a host"));
        assert!(refusal("redis://host:port").contains("malformed"));
        for no_such in [
            "redis-cluster://:hunter2@a,b/3",
            "redis-cluster://a?x=1",
            "rediss-cluster://a#insecure",
        ] {
            assert!(
                refusal(no_such).contains("must end after the nodes"),
                "{no_such}"
            );
        }
        for hostless in ["redis-cluster://", "redis-cluster://a,"] {
            assert!(refusal(hostless).contains("must have a host"), "{hostless}");
        }
    }

    #[test]
    fn nodes_of_a_cluster_are_read_with_their_password() {
        let address = "rediss-cluster://app:p%40ss@a,b:7000,[::1]:7001";
        let read = RedisAddress::parse(address, None).expect(address);
        let Place::Cluster(nodes) = &read.place else {
            panic!("a Cluster");
        };
        let expected = [("a", 6_379), ("b", 7_000), ("::1", 7_001)];
        let expected = expected.map(|(host, port)| (host.to_owned(), port));
        assert_eq!(nodes.seeds, expected);
        let Place::Server(node) = read.of_node(nodes, &nodes.seeds[1]).place else {
            panic!("a server");
        };
        assert_eq!(node.redis_settings().password(), Some("p@ss"));
        assert_eq!(node.addr().to_string(), "b:7000");
        assert!(matches!(
            node.addr(),
            ConnectionAddr::TcpTls {
                insecure: false,
                ..
            }
        ));
    }

    #[test]
    fn sentinels_are_read_with_their_names_and_passwords() {
        let address = "redis-sentinel://app:p%40ss,1@a,b:7000,[::1]:7001/main/3?password=other";
        let Place::Sentinels(read) = RedisAddress::parse(address, None).expect(address).place
        else {
            panic!("a server");
        };
        let nodes = [("a", 26_379), ("b", 7_000), ("::1", 7_001)]
            .map(|(host, port)| (host.to_owned(), port));
        assert_eq!(read.nodes, nodes);
        assert_eq!(read.name, "main");
        let servers = read.servers.redis_settings();
        assert_eq!(
            (servers.username(), servers.password()),
            (Some("app"), Some("p@ss,1"))
        );
        assert_eq!(servers.db(), 3);
        assert_eq!(
            (read.user.as_deref(), read.password.as_deref()),
            (None, Some("other"))
        );
    }

    #[test]
    fn an_authority_needs_tls_and_has_to_be_one() {
        let with = |address: &str, pem: &str| RedisAddress::parse(address, Some(pem)).map(drop);
        let made = rcgen::generate_simple_self_signed(["ca".to_owned()]).expect("a certificate");
        let pem = made.cert.pem();
        assert!(matches!(
            with("redis://a", &pem),
            Err(BadAddress::UnusedAuthority)
        ));
        assert!(matches!(
            with("redis-sentinel://a/m", &pem),
            Err(BadAddress::UnusedAuthority)
        ));
        assert!(matches!(
            with("rediss://a", "no"),
            Err(BadAddress::Authority(_))
        ));
        with("rediss://a", &pem).expect("fine");
        with("rediss-sentinel://a/m", &pem).expect("fine");
    }
}
