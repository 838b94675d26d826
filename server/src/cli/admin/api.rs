//! Requests to the admin API, and its refusals in words.

use std::{
    fmt, fs,
    io::{self, Write as _},
    path::Path,
    str::FromStr,
    time::Duration,
};

use anyhow::{Context, bail};
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode, header};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use crate::{
    application::ports::Entropy,
    infrastructure::{
        entropy::SystemEntropy,
        outbound::{public_roots, tls_with},
    },
};

const TIMEOUT: Duration = Duration::from_secs(30);
/// A server that restarts may need a moment.
const BEFORE_RETRY: Duration = Duration::from_millis(500);
/// The largest page of a list.
const PAGE: u32 = 200;

/// The admin API of a server.
pub(super) struct Api {
    http: reqwest::Client,
    base: String,
    token: Zeroizing<String>,
}

impl Api {
    pub(super) fn open(
        url: Option<&Url>,
        token_file: Option<&Path>,
        ca_file: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let url = match url {
            Some(url) => url.clone(),
            None => match std::env::var("TOKENHOUSE_PUBLIC_URL") {
                Ok(text) => Url::parse(&text).context("TOKENHOUSE_PUBLIC_URL is no URL")?,
                Err(_) => Url::parse("http://localhost:8080")?,
            },
        };
        let mut roots = public_roots();
        if let Some(file) = ca_file {
            let unreadable = || format!("{} has no certificate in PEM", file.display());
            for certificate in CertificateDer::pem_file_iter(file).with_context(unreadable)? {
                roots.add(certificate.with_context(unreadable)?)?;
            }
        }
        let loopback = match url.host() {
            Some(url::Host::Domain(host)) => host == "localhost" || host.ends_with(".localhost"),
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        if url.scheme() != "https" && !loopback {
            bail!("{url} would carry the token in clear text: use https");
        }
        let http = reqwest::Client::builder()
            .connect_timeout(TIMEOUT)
            .use_preconfigured_tls(tls_with(roots)?);
        // A proxy has no business between two programs of this machine, and would see the token.
        let http = if loopback { http.no_proxy() } else { http };
        Ok(Self {
            http: http.build()?,
            base: format!("{}/admin/v1", url.as_str().trim_end_matches('/')),
            token: read_token(token_file)?,
        })
    }

    /// A request for a path below the admin API. One that could lead anywhere else is never sent.
    pub(super) fn request(&self, method: Method, path: &str) -> anyhow::Result<RequestBuilder> {
        let mut segments = path.split('/').skip(1);
        if let Some(odd) = segments.find(|segment| segment.parse::<Id>().is_err()) {
            bail!("{odd:?} can be no id or name");
        }
        let request = self.http.request(method, format!("{}{path}", self.base));
        Ok(request.bearer_auth(&*self.token))
    }

    /// Sends; the answer's JSON, or null when it has none.
    pub(super) async fn send(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let answer = self.answer(request.timeout(TIMEOUT)).await?;
        let text = answer.text().await.context("the answer broke off")?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).context("the answer is no JSON; is this a Tokenhouse server?")
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(self.request(Method::GET, path)?).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(self.request(Method::POST, path)?.json(body))
            .await
    }

    /// Makes something, once: when the connection is lost before the answer is there, the same request is sent
    /// again, and the server gives the same answer if it did it already.
    pub(super) async fn create(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let mut random = [0; 16];
        SystemEntropy.fill(&mut random);
        let key = uuid::Builder::from_random_bytes(random).into_uuid();
        let request = || {
            let request = self.request(Method::POST, path)?.json(body);
            anyhow::Ok(request.header("idempotency-key", key.to_string()))
        };
        match self.send(request()?).await {
            Err(error) if is_lost(&error) => {
                tokio::time::sleep(BEFORE_RETRY).await;
                self.send(request()?).await
            }
            outcome => outcome,
        }
    }

    pub(super) async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.request(Method::PATCH, path)?.json(body);
        self.send(request).await
    }

    pub(super) async fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.send(self.request(Method::DELETE, path)?).await?;
        Ok(())
    }

    /// Up to `limit` items of a list, page by page.
    pub(super) async fn list(
        &self,
        path: &str,
        filters: &[(&str, Option<&str>)],
        limit: u32,
    ) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        let limit = usize::try_from(limit)?;
        loop {
            let missing = u32::try_from(limit - items.len())?;
            let mut query: Vec<(&str, String)> = vec![("limit", missing.min(PAGE).to_string())];
            let given = filters
                .iter()
                .filter_map(|(name, value)| Some((*name, (*value)?)));
            query.extend(given.map(|(name, value)| (name, value.to_owned())));
            query.extend(cursor.map(|cursor| ("cursor", cursor)));
            let request = self.request(Method::GET, path)?.query(&query);
            let mut page = self.send(request).await?;
            if let Value::Array(more) = page["items"].take() {
                items.extend(more);
            }
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_some() && items.len() >= limit {
                writeln!(
                    io::stderr(),
                    "Only the first {limit} are shown; there are more: --limit shows up to 100000."
                )?;
            }
            if cursor.is_none() || items.len() >= limit {
                return Ok(items);
            }
        }
    }

    /// Sends a file and answers with the lines of the answer as they come.
    pub(super) async fn upload(&self, path: &str, body: Body) -> anyhow::Result<Response> {
        let request = self
            .request(Method::POST, path)?
            .header(header::CONTENT_TYPE, "application/x-ndjson")
            .body(body);
        self.answer(request).await
    }

    async fn answer(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let answer = request
            .send()
            .await
            .map_err(reqwest::Error::without_url)
            .with_context(|| format!("{} does not answer", self.base))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let problem: Value = answer.json().await.unwrap_or_default();
        bail!("{}", explained(status, &problem))
    }
}

/// The id or name of one object: nothing that a URL could take for more than one step of its path.
#[derive(Clone, Debug)]
pub(super) struct Id(String);

impl FromStr for Id {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if !text.is_empty() && text.bytes().all(plain) && text.bytes().any(|b| b != b'.') {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be an id or a name of letters, digits, hyphens, underscores and dots")
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the request may have arrived, and its answer did not.
fn is_lost(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<reqwest::Error>()
        .is_some_and(|error| !error.is_connect() && !error.is_builder())
}

/// A refusal in words: what, why, and which members.
fn explained(status: StatusCode, problem: &Value) -> String {
    let text = |name: &str| problem[name].as_str().unwrap_or_default();
    let mut lines = match text("title") {
        "" => format!("the server answers {status}"),
        title => format!("{title} ({}). {}", status.as_u16(), text("detail")),
    };
    for error in problem["errors"].as_array().into_iter().flatten() {
        let pointer = error["pointer"].as_str().unwrap_or_default();
        let detail = error["detail"].as_str().unwrap_or_default();
        lines.push_str(&format!("\n  {} {detail}", pointer.trim_start_matches('/')));
    }
    if status == StatusCode::UNAUTHORIZED {
        lines.push_str("\n  Give the token by --token-file or TOKENHOUSE_OPERATOR_TOKEN_FILE.");
    }
    lines
}

fn read_token(file: Option<&Path>) -> anyhow::Result<Zeroizing<String>> {
    let from_environment = || std::env::var_os("TOKENHOUSE_OPERATOR_TOKEN_FILE").map(Into::into);
    let text = match file.map(Path::to_path_buf).or_else(from_environment) {
        Some(path) => fs::read_to_string(&path)
            .with_context(|| format!("{} can't be read", path.display()))?,
        None => std::env::var("TOKENHOUSE_OPERATOR_TOKEN").map_err(|_| {
            anyhow::anyhow!(
                "there is no token: give --token-file, or set TOKENHOUSE_OPERATOR_TOKEN_FILE or \
                 TOKENHOUSE_OPERATOR_TOKEN"
            )
        })?,
    };
    let text = Zeroizing::new(text);
    let lines = text.lines().map(str::trim);
    let token = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| Zeroizing::new(line.to_owned()))
        .next();
    token.context("the token is empty")
}
