//! `tokenhouse healthcheck`

use std::{
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use clap::Args;
use url::Url;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Exit 0 when a server answers that it is ready: for container probes
#[derive(Debug, Args)]
#[command(after_help = "Example:
  tokenhouse healthcheck http://127.0.0.1:9090/readyz")]
pub(super) struct Healthcheck {
    /// What to ask; the default is /readyz at TOKENHOUSE_MANAGEMENT_LISTEN or 127.0.0.1:9090
    #[arg(value_name = "URL")]
    url: Option<Url>,
}

impl Healthcheck {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let url = match &self.url {
            Some(url) => url.clone(),
            None => default_url()?,
        };
        if url.scheme() != "http" {
            bail!("{url} must begin with http://: the management listener speaks nothing else");
        }
        let status = get(&url).with_context(|| format!("{url} does not answer"))?;
        if status == 200 {
            Ok(())
        } else {
            bail!("{url} answers {status}: not ready")
        }
    }
}

fn default_url() -> anyhow::Result<Url> {
    let listen = std::env::var("TOKENHOUSE_MANAGEMENT_LISTEN")
        .unwrap_or_else(|_| "127.0.0.1:9090".to_owned());
    // An instance that listens everywhere listens on loopback too.
    let address = listen
        .replace("0.0.0.0", "127.0.0.1")
        .replace("[::]", "[::1]");
    Ok(Url::parse(&format!("http://{address}/readyz"))?)
}

/// The status of one GET. A whole HTTP client would be the larger part of a probe.
fn get(url: &Url) -> anyhow::Result<u16> {
    let host = url.host_str().context("the address has no host")?;
    let port = url
        .port_or_known_default()
        .context("the address has no port")?;
    let address = (host.trim_matches(['[', ']']), port)
        .to_socket_addrs()?
        .next()
        .context("the host has no address")?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "GET {} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n",
        url.path()
    )?;
    let head = head(stream)?;
    head.split_whitespace()
        .nth(1)
        .and_then(|status| status.parse().ok())
        .context("the answer is not HTTP")
}

/// The beginning of an answer: its status line is in it. All of it comes in time, however slowly each part does.
fn head(mut stream: TcpStream) -> anyhow::Result<String> {
    let end = Instant::now() + TIMEOUT;
    let (mut head, mut part) = (Vec::new(), [0; 64]);
    while head.len() < part.len() {
        let left = end.saturating_duration_since(Instant::now());
        ensure!(!left.is_zero(), "the answer takes too long");
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut part).context("no answer comes")? {
            0 => break,
            read => head.extend_from_slice(&part[..read]),
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
