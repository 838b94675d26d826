//! `tokenhouse healthcheck`

use std::{
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use clap::Args;
use serde_json::Value;
use url::Url;

const TIMEOUT: Duration = Duration::from_secs(5);
const MOST: usize = 16 * 1_024;
const WELL: &[u8] = b"HTTP/1.1 200 ";

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
        let (status, body) = get(&url).with_context(|| format!("{url} does not answer"))?;
        match status {
            200 => Ok(()),
            _ => bail!("{url} answers {status}: not ready{}", reasons(&body)),
        }
    }
}

/// What `/readyz` says is wrong.
fn reasons(body: &str) -> String {
    let said: Value = serde_json::from_str(body).unwrap_or_default();
    let reasons = said["reasons"].as_object();
    let told = reasons.into_iter().flatten().filter_map(|(name, reason)| {
        let reason = reason.as_str()?;
        Some(format!("; {name}: {reason}"))
    });
    told.collect()
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

/// The status of one GET, and the body unless it is 200. A whole HTTP client would be the larger part of a probe.
fn get(url: &Url) -> anyhow::Result<(u16, String)> {
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
    let answer = read(stream)?;
    let status = answer.split_whitespace().nth(1);
    let status = status.and_then(|status| status.parse().ok());
    let status = status.context("the answer is not HTTP")?;
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned());
    Ok((status, body.unwrap_or_default()))
}

/// An answer, up to what a report of readiness has at most. All of it comes in time, however slowly each part does;
/// of one that is well its first line is enough.
fn read(mut stream: TcpStream) -> anyhow::Result<String> {
    let end = Instant::now() + TIMEOUT;
    let (mut answer, mut part) = (Vec::new(), [0; 1_024]);
    while answer.len() < MOST {
        let left = end.saturating_duration_since(Instant::now());
        ensure!(!left.is_zero(), "the answer takes too long");
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut part).context("no answer comes")? {
            0 => break,
            read => answer.extend_from_slice(&part[..read]),
        }
        if answer.starts_with(WELL) {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_isnt_as_it_should_be_is_said() {
        let body = r#"{"status":"not ready","reasons":{"redis":"unreachable since 2026"}}"#;
        assert_eq!(reasons(body), "; redis: unreachable since 2026");
        assert_eq!(reasons(r#"{"status":"draining"}"#), "");
        assert_eq!(reasons("no report"), "");
    }
}
