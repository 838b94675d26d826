//! As much HTTP/1.1 as the bench sends and receives.
//!
//! A client library costs more per request than a static answer does, and would be what the bench
//! measures. Answers have a Content-Length; chunked ones are an error.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

const TIMEOUT: Duration = Duration::from_secs(10);

/// The bytes of a request. `headers` are whole lines.
pub(crate) fn request(
    method: &str,
    path: &str,
    host: &str,
    headers: &[&str],
    body: Option<&str>,
) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    if let Some(body) = body {
        text.push_str("Content-Type: application/json\r\n");
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body.unwrap_or_default());
    text.into_bytes()
}

/// Where an answer's parts are in the buffer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: std::ops::Range<usize>,
}

/// Reads an answer from the front of `buffer`; `None` when it isn't all there yet.
pub(crate) fn parse(buffer: &[u8]) -> Result<Option<Answer>> {
    let Some(head_end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = &buffer[..head_end];
    let status = head
        .strip_prefix(b"HTTP/1.1 ")
        .and_then(|rest| std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok());
    let status: u16 = status.context("the answer does not start with HTTP/1.1 and a status")?;
    let body_start = head_end + 4;
    let length = match content_length(head)? {
        Some(length) => length,
        None if status == 204 || status == 304 => 0,
        None => bail!("an answer without Content-Length"),
    };
    let body = body_start..body_start + length;
    Ok((buffer.len() >= body.end).then_some(Answer { status, body }))
}

fn content_length(head: &[u8]) -> Result<Option<usize>> {
    const NAME: &[u8] = b"content-length:";
    for line in head.split(|byte| *byte == b'\n') {
        if line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME) {
            let value = std::str::from_utf8(&line[NAME.len()..]).context("Content-Length")?;
            return Ok(Some(
                value
                    .trim()
                    .parse()
                    .context("Content-Length is no number")?,
            ));
        }
    }
    Ok(None)
}

/// Sends one request and waits for its answer; for fixtures, not for measuring.
pub(crate) fn call(address: SocketAddr, request: &[u8]) -> Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).context("no connection")?;
    stream
        .set_read_timeout(Some(TIMEOUT))
        .context("could not set a timeout")?;
    stream.write_all(request).context("could not send")?;
    let mut buffer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(answer) = parse(&buffer)? {
            return Ok((answer.status, buffer[answer.body].to_vec()));
        }
        let length = stream.read(&mut chunk).context("no answer")?;
        ensure!(length > 0, "the connection ended before the answer did");
        buffer.extend_from_slice(&chunk[..length]);
    }
}

/// Like [`call`], for an answer that has to be a success with a JSON body.
pub(crate) fn call_json(address: SocketAddr, request: &[u8]) -> Result<Value> {
    let (status, body) = call(address, request)?;
    expect_success(status, &body)?;
    serde_json::from_slice(&body).context("the answer is not JSON")
}

/// Any answer but a success fails the bench: it would be measured as a fast one.
pub(crate) fn expect_success(status: u16, body: &[u8]) -> Result<()> {
    let text = String::from_utf8_lossy(&body[..body.len().min(400)]);
    ensure!((200..300).contains(&status), "answered {status}: {text}");
    Ok(())
}
