//! `tokenhouse dev` on free ports, with its data in a temporary folder or in scratch stores.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::{Launch, Scratch, free_port, on_free_port};
use crate::interrupt::Interrupt;
use crate::process::{Server, tail};
use crate::progress::Progress;
use crate::tools::Tools;

const START_LIMIT: Duration = Duration::from_secs(60);
const DATA: &str = "data";
/// What a server that listens says about itself, in its data folder.
const ABOUT: &str = "dev.json";

/// A running server, and what it says about itself. Dropped in this order: server first.
pub(crate) struct Tokenhouse {
    server: Server,
    about: Value,
    management: u16,
    folder: TempDir,
}

impl Tokenhouse {
    pub(crate) fn start(
        binary: &Path,
        stores: Option<&Scratch>,
        tools: &Tools,
        progress: &Progress,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let started = Instant::now();
        let running = on_free_port(|port| {
            // Anew for each attempt: what a server has written that found its port taken is of no use.
            let folder = tempfile::tempdir().context("could not make a temporary folder")?;
            let data = folder.path().join(DATA);
            let management = free_port()?;
            let mut command = Launch::new(binary.to_owned())
                .tied_to_us(tools, "TERM", None)?
                .command();
            // Settings of the shell are meant for another server.
            for (name, _) in env::vars_os() {
                if name.to_string_lossy().starts_with("TOKENHOUSE_") {
                    command.env_remove(name);
                }
            }
            command
                .arg("dev")
                .env("TOKENHOUSE_LISTEN", format!("127.0.0.1:{port}"))
                .env(
                    "TOKENHOUSE_MANAGEMENT_LISTEN",
                    format!("127.0.0.1:{management}"),
                )
                .env("TOKENHOUSE_DATA_DIR", &data);
            if let Some(stores) = stores {
                command
                    .env("TOKENHOUSE_DATABASE_URL", stores.postgres.url())
                    .env("TOKENHOUSE_REDIS_URL", stores.redis.url());
            }
            let log = folder.path().join("tokenhouse.log");
            let mut server = Server::spawn("tokenhouse", &mut command, Signal::TERM, log)?;
            // Written when it listens.
            let about = interrupt.poll(START_LIMIT, || {
                server.check()?;
                let text = fs::read_to_string(data.join(ABOUT)).unwrap_or_default();
                Ok(serde_json::from_str(&text).ok())
            })?;
            let late = || format!("tokenhouse is not ready:\n{}", tail(server.log()));
            let about = about.with_context(late)?;
            Ok(Self {
                server,
                about,
                management,
                folder,
            })
        })?;
        progress.note(format!(
            "tokenhouse dev on {} after {} ms",
            running.url(),
            started.elapsed().as_millis()
        ));
        Ok(running)
    }

    pub(crate) fn url(&self) -> String {
        self.says("public_url")
    }

    pub(crate) fn operator_token(&self) -> String {
        self.says("operator_token")
    }

    /// Where it answers `/metrics`: host and port.
    pub(crate) fn management(&self) -> String {
        format!("127.0.0.1:{}", self.management)
    }

    /// The file in which it says so, for programs in other languages.
    pub(crate) fn about(&self) -> PathBuf {
        self.folder.path().join(DATA).join(ABOUT)
    }

    fn says(&self, member: &str) -> String {
        self.about[member].as_str().unwrap_or_default().to_owned()
    }

    /// Fails when the server has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.server.check()
    }
}
