use std::{
    error::Error as StdError,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use reqwest::{
    Client, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header, redirect,
};
use serde_json::Value;
use tokio::sync::Semaphore;
use url::{Host, Url};

use super::addresses::AllowedNetworks;
use crate::application::ports::{Outbound, OutboundError};

/// The longest that a whole exchange may take.
const TIMEOUT: Duration = Duration::from_secs(3);
/// The most that is read of an answer.
const MAX_BODY: usize = 512 * 1024;
/// How many exchanges may be under way in this process.
const IN_FLIGHT: usize = 32;

/// Fetches over HTTPS from public addresses, and over both from networks that are allowed by name.
pub struct Fetcher {
    client: Client,
    networks: Arc<AllowedNetworks>,
    turns: Semaphore,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").finish_non_exhaustive()
    }
}

impl Fetcher {
    pub fn new(networks: AllowedNetworks) -> Result<Self, reqwest::Error> {
        // Fails when it was installed before: then it is there.
        let _installed_before = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let networks = Arc::new(networks);
        let client = Client::builder()
            .dns_resolver(Arc::new(CheckedNames(Arc::clone(&networks))))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .connect_timeout(TIMEOUT)
            .pool_max_idle_per_host(1)
            .user_agent("Tokenhouse")
            .build()?;
        Ok(Self {
            client,
            networks,
            turns: Semaphore::new(IN_FLIGHT),
        })
    }

    /// Sends, and gives back the answer when it has the status that is expected.
    async fn exchange(
        &self,
        url: &Url,
        request: reqwest::RequestBuilder,
        expected: &[StatusCode],
    ) -> Result<reqwest::Response, OutboundError> {
        self.may_fetch(url)?;
        let response = request.send().await.map_err(|error| failed(url, &error))?;
        if expected.contains(&response.status()) {
            return Ok(response);
        }
        let status = response.status().as_u16();
        tracing::debug!(
            host = url.host_str(),
            status,
            "an outside address answered otherwise"
        );
        Err(OutboundError::Failed)
    }
}

/// The cause is for the log: the caller must not learn which ports are open where (T88).
fn failed(url: &Url, error: &(dyn StdError + 'static)) -> OutboundError {
    tracing::debug!(
        host = url.host_str(),
        error,
        "an outside address can't be reached"
    );
    OutboundError::Failed
}

#[async_trait]
impl Outbound for Fetcher {
    async fn get_json(&self, url: &Url) -> Result<Value, OutboundError> {
        let _turn = self
            .turns
            .acquire()
            .await
            .map_err(|_| OutboundError::Failed)?;
        let request = self
            .client
            .get(url.clone())
            .header(header::ACCEPT, "application/json")
            .header(header::ACCEPT_ENCODING, "identity");
        let mut response = self.exchange(url, request, &[StatusCode::OK]).await?;
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| failed(url, &error))?
        {
            if body.len() + chunk.len() > MAX_BODY {
                tracing::debug!(host = url.host_str(), "an outside answer is too long");
                return Err(OutboundError::Failed);
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|error| failed(url, &error))
    }

    async fn post_form(&self, url: &Url, form: &[(&str, &str)]) -> Result<(), OutboundError> {
        let _turn = self
            .turns
            .acquire()
            .await
            .map_err(|_| OutboundError::Failed)?;
        let body: String = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = self
            .client
            .post(url.clone())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body);
        let expected = [StatusCode::OK, StatusCode::NO_CONTENT];
        self.exchange(url, request, &expected).await.map(|_| ())
    }

    fn may_fetch(&self, url: &Url) -> Result<(), OutboundError> {
        let anonymous = url.username().is_empty() && url.password().is_none();
        let port = url.port_or_known_default();
        let literal: Option<IpAddr> = match url.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            _ => None,
        };
        let name = url.domain().unwrap_or_default().trim_end_matches('.');
        let local_name = name == "localhost" || name.ends_with(".localhost");
        let local_allowed = self.networks.contain(IpAddr::from([127, 0, 0, 1]));
        let named = literal.is_some_and(|address| self.networks.contain(address))
            || (local_name && local_allowed);
        let scheme_fits = url.scheme() == "https" || (url.scheme() == "http" && named);
        // Well-known ports other than 443 are other services', never a web application's keys.
        let port_fits = port.is_some_and(|port| port == 443 || port >= 1024 || named);
        let address_fits = literal.is_none_or(|address| self.networks.admit(address))
            && (!local_name || local_allowed);
        if anonymous && scheme_fits && port_fits && address_fits && url.has_host() {
            Ok(())
        } else {
            Err(OutboundError::Forbidden)
        }
    }
}

/// Resolves names, and refuses one that leads anywhere forbidden, whatever else it leads to.
struct CheckedNames(Arc<AllowedNetworks>);

impl Resolve for CheckedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let networks = Arc::clone(&self.0);
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if found.is_empty() || !found.iter().all(|found| networks.admit(found.ip())) {
                return Err(ForbiddenName.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the name leads to an address that may not be reached")]
struct ForbiddenName;

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    fn loopback() -> AllowedNetworks {
        "127.0.0.0/8".parse().expect("a network")
    }

    fn fetcher(networks: AllowedNetworks) -> Fetcher {
        Fetcher::new(networks).expect("a fetcher")
    }

    /// Answers one request with these bytes.
    async fn answering(bytes: Vec<u8>) -> (Url, tokio::task::JoinHandle<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let task = tokio::spawn(async move {
            let mut seen = 0;
            while let Ok((mut socket, _)) = listener.accept().await {
                seen += 1;
                let mut request = [0; 4096];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(&bytes).await;
                if bytes.starts_with(b"HTTP/1.1 200 OK\r\n\r\n{") {
                    break;
                }
                drop(socket);
            }
            seen
        });
        let url = format!("http://127.0.0.1:{port}/keys")
            .parse()
            .expect("a URL");
        (url, task)
    }

    /// T85.
    #[test]
    fn an_address_is_judged_before_anything_is_sent() {
        let fetcher = fetcher(AllowedNetworks::default());
        for url in [
            "http://rp.example/keys",
            "https://127.0.0.1/keys",
            "https://[::1]/keys",
            "https://[::ffff:127.0.0.1]/keys",
            "https://169.254.169.254/latest",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://0.0.0.0/",
            "https://localhost/",
            "https://localhost./",
            "https://x.localhost/",
            "https://a:b@rp.example/",
            "https://rp.example:22/",
            "https://rp.example:80/",
            "ftp://rp.example/",
            "file:///etc/passwd",
            "gopher://rp.example/",
        ] {
            let url: Url = url.parse().expect(url);
            assert_eq!(
                fetcher.may_fetch(&url),
                Err(OutboundError::Forbidden),
                "{url}"
            );
        }
        for url in ["https://rp.example/keys", "https://rp.example:8443/keys"] {
            let url: Url = url.parse().expect(url);
            assert_eq!(fetcher.may_fetch(&url), Ok(()), "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_followed() {
        let (url, task) = answering(b"HTTP/1.1 200 OK\r\n\r\n{}".to_vec()).await;
        let port = url.port().expect("a port");
        let names = CheckedNames(Arc::new(AllowedNetworks::default()));
        let resolved = names.resolve("localhost".parse().expect("a name")).await;
        assert!(resolved.is_err());
        let inside: Url = format!("https://localhost:{port}/").parse().expect("a URL");
        let answer = fetcher(AllowedNetworks::default()).get_json(&inside).await;
        assert_eq!(answer, Err(OutboundError::Forbidden));
        task.abort();
    }

    #[tokio::test]
    async fn an_allowed_network_is_reached() {
        let (url, task) = answering(b"HTTP/1.1 200 OK\r\n\r\n{\"keys\":[]}".to_vec()).await;
        let answer = fetcher(loopback()).get_json(&url).await;
        assert_eq!(answer, Ok(serde_json::json!({ "keys": [] })));
        assert_eq!(task.await.expect("it ends"), 1);
    }

    /// T86 and T87.
    #[tokio::test]
    async fn redirects_and_endless_answers_lead_nowhere() {
        let endless = [
            b"HTTP/1.1 200 OK\r\n\r\n".as_slice(),
            &vec![b'['; MAX_BODY + 10],
        ]
        .concat();
        for bytes in [
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
                .to_vec(),
            b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec(),
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnot".to_vec(),
            endless,
        ] {
            let (url, task) = answering(bytes).await;
            let answer = fetcher(loopback()).get_json(&url).await;
            assert_eq!(answer, Err(OutboundError::Failed));
            task.abort();
        }
    }
}
