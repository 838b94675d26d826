//! Name servers, asked directly.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use hickory_resolver::{
    Resolver, TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::{Name, RData, RecordType},
    system_conf,
};
use tokio::{sync::Semaphore, time::timeout};

use super::names::Names;

/// The longest that a lookup may take, from the wait for a place to the answer.
const WHOLE_LOOKUP: Duration = Duration::from_secs(5);
/// How long one name server gets for one attempt.
const ATTEMPT: Duration = Duration::from_millis(1_500);
/// How many lookups may be under way.
const LOOKUPS: usize = 32;
/// The most records that are read of an answer.
const MAX_RECORDS: usize = 100;

/// Asks the name servers of the settings, or those of the system.
#[derive(Debug)]
pub(super) struct NameServers {
    /// Empty: those of the system, as they are when somebody asks.
    servers: Vec<SocketAddr>,
    places: Arc<Semaphore>,
}

impl NameServers {
    pub(super) fn new(servers: Vec<SocketAddr>) -> Self {
        Self {
            servers,
            places: Arc::new(Semaphore::new(LOOKUPS)),
        }
    }

    /// A resolver for one lookup: whoever just made a record must not be told for minutes that there is none.
    fn resolver(&self) -> Result<TokioResolver, NetError> {
        let servers = match self.servers.as_slice() {
            [] => system_conf::read_system_conf()?.0.name_servers,
            given => given.iter().copied().map(name_server).collect(),
        };
        let config = ResolverConfig::from_name_servers(servers);
        let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options.timeout = ATTEMPT;
        options.attempts = 2;
        builder.build()
    }

    /// The records of a kind at exactly this name: without the system's search domains.
    async fn lookup(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, NetError> {
        let mut name = Name::from_ascii(name)?;
        name.set_fqdn(true);
        let _place = self.places.acquire().await.map_err(|_| NetError::Timeout)?;
        match self.resolver()?.lookup(name, kind).await {
            Ok(found) => {
                let data = found.answers().iter().map(|record| record.data.clone());
                Ok(data.take(MAX_RECORDS).collect())
            }
            // There is the name or there isn't; there are no such records.
            Err(error) if error.is_no_records_found() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn bounded(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, NetError> {
        timeout(WHOLE_LOOKUP, self.lookup(name, kind))
            .await
            .unwrap_or(Err(NetError::Timeout))
    }

    /// The texts at a name, each put together from its parts (RFC 7208 §3.3).
    pub(super) async fn texts(&self, name: &str) -> Result<Vec<String>, NetError> {
        let records = self.bounded(name, RecordType::TXT).await?;
        let text = |data| match data {
            RData::TXT(text) => {
                let bytes: Vec<u8> = text
                    .txt_data
                    .iter()
                    .flat_map(|part| part.iter().copied())
                    .collect();
                Some(String::from_utf8_lossy(&bytes).into_owned())
            }
            _ => None,
        };
        Ok(records.into_iter().filter_map(text).collect())
    }
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let at_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(at_port);
    NameServerConfig::new(address.ip(), true, connections.to_vec())
}

#[async_trait]
impl Names for NameServers {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let (v4, v6) = tokio::join!(
            self.bounded(name, RecordType::A),
            self.bounded(name, RecordType::AAAA)
        );
        let address = |data| match data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        };
        let found = v4
            .map_err(io::Error::other)?
            .into_iter()
            .chain(v6.map_err(io::Error::other)?);
        Ok(found.filter_map(address).collect())
    }
}
