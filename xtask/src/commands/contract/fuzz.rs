//! Schemathesis against a server of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use rustix::process::Signal;

use super::Context;
use crate::process::{Server, expect_success, run, tail};
use crate::progress::Progress;
use crate::services::free_port;

/// How long a server with new keys may take to begin, on a machine that is busy.
const START_LIMIT: Duration = Duration::from_secs(120);

#[derive(Args)]
pub(super) struct Fuzz {
    /// Many more requests, another seed each time
    #[arg(long)]
    long: bool,
}

impl Fuzz {
    pub(super) const SHORT: Self = Self { long: false };

    pub(super) fn run(&self, context: &Context<'_>, progress: &Progress) -> Result<()> {
        let python = context.python(progress)?;
        let root = &context.workspace.root;
        let program = context
            .workspace
            .build_server(progress, context.interrupt)?;
        let folder = tempfile::tempdir().context("could not make a temporary folder")?;
        let (_server, settings) = start(&program, folder.path(), context)?;
        let mut fuzz = Command::new(python.program("python"));
        fuzz.arg(root.join("openapi/fuzz.py"))
            .arg(settings)
            .arg("--report")
            .arg(folder.path().join("report.json"))
            .args(self.long.then_some("--long"))
            .current_dir(root);
        expect_success("Schemathesis", run(&mut fuzz, context.interrupt)?)
    }
}

/// A server with data of its own, and the file that says how to reach it.
fn start(program: &Path, folder: &Path, context: &Context<'_>) -> Result<(Server, PathBuf)> {
    let (public, management) = (free_port()?, free_port()?);
    let data = folder.join("data");
    let mut command = Command::new(program);
    command
        .arg("dev")
        .env(
            "TOKENHOUSE_PUBLIC_URL",
            format!("http://localhost:{public}"),
        )
        .env("TOKENHOUSE_LISTEN", format!("127.0.0.1:{public}"))
        .env(
            "TOKENHOUSE_MANAGEMENT_LISTEN",
            format!("127.0.0.1:{management}"),
        )
        .env("TOKENHOUSE_DATA_DIR", &data);
    let log = folder.join("server.log");
    let mut server = Server::spawn("tokenhouse", &mut command, Signal::TERM, log)?;
    let settings = data.join("dev.json");
    let ready = context.interrupt.poll(START_LIMIT, || {
        server.check()?;
        let written = fs::read_to_string(&settings).is_ok_and(|text| text.ends_with("}\n"));
        let listens = std::net::TcpStream::connect(("127.0.0.1", public)).is_ok();
        Ok((written && listens).then_some(()))
    })?;
    let late = || format!("the server does not begin:\n{}", tail(server.log()));
    ready.with_context(late)?;
    Ok((server, settings))
}
