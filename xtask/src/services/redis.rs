//! A Redis that keeps nothing on disk.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::{Launch, Settings, on_free_port};
use crate::interrupt::Interrupt;
use crate::process::{Server, tail};
use crate::progress::Progress;
use crate::tools::{Tools, version};

const START_LIMIT: Duration = Duration::from_secs(10);
/// For waiting, never for measuring: a busy machine is slow.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

pub(super) struct Redis {
    server: Server,
    port: u16,
}

impl Redis {
    pub(super) fn start(
        tools: &Tools,
        settings: Settings,
        folder: &Path,
        progress: &Progress,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let started = Instant::now();
        let redis = Self::run(tools, settings, folder, &[], interrupt)?;
        progress.note(format!(
            "Redis {} on 127.0.0.1:{} after {} ms",
            version(&tools.path("redis-server")?)?,
            redis.port,
            started.elapsed().as_millis()
        ));
        Ok(redis)
    }

    /// Starts one in this folder, with these arguments besides.
    pub(super) fn run(
        tools: &Tools,
        settings: Settings,
        folder: &Path,
        arguments: &[String],
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let program = tools.path("redis-server")?;
        on_free_port(|port| {
            let mut command = Launch::new(program.clone())
                .on_core(tools, settings.core)?
                .tied_to_us(tools, "TERM", None)?
                .command();
            command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
            command
                .arg("--port")
                .arg(port.to_string())
                .arg("--dir")
                .arg(folder)
                .args(arguments);
            let log = folder.join("redis.log");
            let mut server = Server::spawn("redis-server", &mut command, Signal::TERM, log)?;
            let ready = interrupt.poll(START_LIMIT, || {
                server.check()?;
                Ok(answers_ping(port).then_some(()))
            })?;
            let late = || format!("redis-server does not answer:\n{}", tail(server.log()));
            ready.with_context(late)?;
            Ok(Self { server, port })
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Says something in a line, and gives the first line of the answer, or of what a bulk string has.
    pub(super) fn ask(&self, line: &str) -> Result<String> {
        ask(self.port, line).with_context(|| format!("redis-server doesn't answer {line:?}"))
    }

    pub(super) fn url(&self) -> String {
        url(self.port)
    }

    pub(super) fn check(&mut self) -> Result<()> {
        self.server.check()
    }
}

fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}/0")
}

fn answers_ping(port: u16) -> bool {
    ask(port, "PING").is_ok_and(|answer| answer == "+PONG")
}

fn ask(port: u16, line: &str) -> io::Result<String> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    let mut stream = BufReader::new(stream);
    stream
        .get_mut()
        .write_all(format!("{line}\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_line(&mut answer)?;
    if answer.starts_with('$') {
        answer.clear();
        stream.read_line(&mut answer)?;
    }
    Ok(answer.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_names_the_loopback_and_the_first_database() {
        assert_eq!(url(6390), "redis://127.0.0.1:6390/0");
    }

    #[test]
    fn silence_is_not_an_answer() {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener
            .local_addr()
            .expect("a bound socket has an address")
            .port();
        drop(listener);
        assert!(!answers_ping(port));
    }
}
