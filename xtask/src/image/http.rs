//! Just enough of HTTP to talk to a server on the loopback.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

const TIMEOUT: Duration = Duration::from_secs(30);

/// The status and the body.
pub(crate) fn request(
    server: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> Result<(u16, String)> {
    InFlight::send(server, method, path, body)?.answer()
}

/// A request that has been sent.
pub(crate) struct InFlight {
    stream: TcpStream,
    what: String,
}

impl InFlight {
    pub(crate) fn send(server: SocketAddr, method: &str, path: &str, body: &str) -> Result<Self> {
        let mut stream = TcpStream::connect_timeout(&server, TIMEOUT)
            .with_context(|| format!("{server} does not answer"))?;
        stream
            .set_read_timeout(Some(TIMEOUT))
            .context("a socket has a timeout")?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .context("could not send a request")?;
        Ok(Self {
            stream,
            what: format!("{method} {path}"),
        })
    }

    pub(crate) fn answer(mut self) -> Result<(u16, String)> {
        let what = &self.what;
        let mut answer = String::new();
        self.stream
            .read_to_string(&mut answer)
            .with_context(|| format!("no answer to {what}"))?;
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .with_context(|| format!("{what}: not an answer: {answer:?}"))?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Ok((status, body.to_owned()))
    }
}
