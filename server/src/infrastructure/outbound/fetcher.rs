//! The exchanges themselves.

use std::{error::Error as StdError, io, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use reqwest::{
    Client, Response, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING},
    redirect,
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use serde_json::Value;
use tokio::time::timeout;
use url::Url;

use super::{
    names::{Names, SystemNames},
    resolver::NameServers,
    rules::{Refusal, Rules},
    shares::Shares,
};
use crate::{
    application::ports::{Outbound, OutboundError},
    domain::{id::TenantId, networks::Networks},
};

/// The longest that a whole exchange may take, from the wait for a place to the last byte.
pub(super) const WHOLE_EXCHANGE: Duration = Duration::from_secs(3);
/// The most that is read of an answer, in bytes.
pub(super) const MAX_BODY: usize = 512 * 1024;
/// How many exchanges may be under way in this process.
pub(super) const IN_FLIGHT: usize = 32;
/// And how many of them for one tenant.
pub(super) const OF_ONE_TENANT: usize = 8;

/// Sends over HTTPS to public addresses, and over HTTP too to networks that the operator allowed.
pub struct Fetcher {
    rules: Rules,
    names: Arc<dyn Names>,
    tls: ClientConfig,
    places: Shares,
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// What went wrong: for the log alone.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the URL is refused")]
    Refused(#[source] Refusal),
    #[error("the name can't be looked up")]
    Lookup(#[source] io::Error),
    #[error("the exchange failed")]
    Exchange(#[source] reqwest::Error),
    #[error("the answer has status {0}")]
    Status(u16),
    #[error("the answer is compressed although we said that we take none")]
    Compressed,
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("the answer is no text")]
    NotText,
    #[error("the answer is no JSON")]
    NotJson(#[source] serde_json::Error),
    #[error("the exchange took longer than {WHOLE_EXCHANGE:?}")]
    TooSlow,
}

impl From<reqwest::Error> for Trouble {
    fn from(error: reqwest::Error) -> Self {
        // The query may hold a secret of the client's.
        Self::Exchange(error.without_url())
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Trouble {
    /// What a caller may know of it (T88); the rest goes into the log.
    fn hide(&self, url: &Url) -> OutboundError {
        tracing::debug!(
            error = self as &dyn StdError,
            host = url.host_str(),
            "a client's address can't be used"
        );
        match self {
            Self::Refused(_) => OutboundError::Forbidden,
            _ => OutboundError::Failed,
        }
    }
}

/// The certificate authorities that Mozilla trusts.
pub fn public_roots() -> RootCertStore {
    RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    }
}

/// How to speak TLS to servers that these vouch for.
pub fn tls_with(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    // Named here, not installed for the process: tests and other libraries keep their own.
    let provider = Arc::new(aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

impl Fetcher {
    /// Trusts the certificate authorities that Mozilla trusts.
    /// Looks names up at these servers, or without any as the system does.
    pub fn new(networks: Networks, name_servers: &[SocketAddr]) -> Result<Self, rustls::Error> {
        let names: Arc<dyn Names> = match name_servers {
            [] => Arc::new(SystemNames::default()),
            servers => Arc::new(NameServers::new(servers.to_vec())),
        };
        Self::with(networks, names, public_roots())
    }

    /// As [`new`](Self::new), with names and certificate authorities of the caller's.
    pub(super) fn with(
        networks: Networks,
        names: Arc<dyn Names>,
        roots: RootCertStore,
    ) -> Result<Self, rustls::Error> {
        let tls = tls_with(roots)?;
        Ok(Self {
            rules: Rules::new(networks),
            names,
            tls,
            places: Shares::new(IN_FLIGHT, OF_ONE_TENANT),
        })
    }

    /// A client for one exchange that connects to nothing but addresses that were checked. One per
    /// exchange: a kept connection would be to an address that was good for an earlier one.
    async fn client(&self, url: &Url) -> Result<Client, Trouble> {
        let target = self.rules.read(url)?;
        let addresses = match target.name() {
            None => self.rules.admit(&target, target.known())?,
            Some(name) => {
                let found = self.names.addresses(name).await.map_err(Trouble::Lookup)?;
                self.rules.admit(&target, &found)?
            }
        };
        Ok(Client::builder()
            .dns_resolver(Arc::new(Checked(addresses)))
            .use_preconfigured_tls(self.tls.clone())
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .http1_only()
            .pool_max_idle_per_host(0)
            .user_agent("Tokenhouse")
            .build()?)
    }

    /// The text at a URL. `Failed` unless it answers 200 with UTF-8 of at most `longest` bytes within 3 s.
    pub(super) async fn get_text(
        &self,
        tenant: TenantId,
        url: &Url,
        longest: usize,
    ) -> Result<String, OutboundError> {
        let exchange = async {
            let request = self
                .client(url)
                .await?
                .get(url.clone())
                .header(ACCEPT, "text/plain, */*")
                .header(ACCEPT_ENCODING, "identity");
            let response = request.send().await?;
            expect(&response, &[StatusCode::OK])?;
            let body = read(response, longest).await?;
            String::from_utf8(body).map_err(|_| Trouble::NotText)
        };
        self.bounded(tenant, url, exchange).await
    }

    async fn get(&self, url: &Url) -> Result<Value, Trouble> {
        let request = self
            .client(url)
            .await?
            .get(url.clone())
            .header(ACCEPT, "application/json, application/jwk-set+json")
            .header(ACCEPT_ENCODING, "identity");
        let response = request.send().await?;
        expect(&response, &[StatusCode::OK])?;
        let body = read(response, MAX_BODY).await?;
        // Nesting is bounded by the parser (128 levels), everything else by the length.
        serde_json::from_slice(&body).map_err(Trouble::NotJson)
    }

    async fn post(&self, url: &Url, form: &[(&str, &str)]) -> Result<(), Trouble> {
        let request = self
            .client(url)
            .await?
            .post(url.clone())
            .header(ACCEPT_ENCODING, "identity")
            .form(form);
        // The body is never read: the status says all.
        expect(
            &request.send().await?,
            &[StatusCode::OK, StatusCode::NO_CONTENT],
        )
    }

    /// Runs an exchange within the limits on time and number.
    async fn bounded<T>(
        &self,
        tenant: TenantId,
        url: &Url,
        exchange: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, OutboundError> {
        let in_its_place = async {
            let _place = self.places.take(tenant).await.ok_or(Trouble::TooSlow)?;
            exchange.await
        };
        timeout(WHOLE_EXCHANGE, in_its_place)
            .await
            .unwrap_or(Err(Trouble::TooSlow))
            .map_err(|trouble| trouble.hide(url))
    }
}

#[async_trait]
impl Outbound for Fetcher {
    async fn get_json(&self, tenant: TenantId, url: &Url) -> Result<Value, OutboundError> {
        self.bounded(tenant, url, self.get(url)).await
    }

    async fn post_form(
        &self,
        tenant: TenantId,
        url: &Url,
        form: &[(&str, &str)],
    ) -> Result<(), OutboundError> {
        self.bounded(tenant, url, self.post(url, form)).await
    }

    fn may_fetch(&self, url: &Url) -> Result<(), OutboundError> {
        match self.rules.read(url) {
            Ok(_) => Ok(()),
            Err(refusal) => Err(Trouble::Refused(refusal).hide(url)),
        }
    }
}

fn expect(response: &Response, expected: &[StatusCode]) -> Result<(), Trouble> {
    if expected.contains(&response.status()) {
        Ok(())
    } else {
        Err(Trouble::Status(response.status().as_u16()))
    }
}

/// Reads an answer. Nothing is unpacked, so what is counted is what is kept.
async fn read(mut response: Response, longest: usize) -> Result<Vec<u8>, Trouble> {
    let plain = |coding: &[u8]| coding.eq_ignore_ascii_case(b"identity");
    if let Some(coding) = response.headers().get(CONTENT_ENCODING)
        && !plain(coding.as_bytes())
    {
        return Err(Trouble::Compressed);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > longest {
            return Err(Trouble::TooLong(longest));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Answers every name with the addresses that were checked for it.
struct Checked(Vec<SocketAddr>);

impl Resolve for Checked {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(async { Ok(addresses) })
    }
}
