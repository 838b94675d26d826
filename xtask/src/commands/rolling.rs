//! `cargo xtask rolling`

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::interrupt::Interrupt;
use crate::process::{expect_success, run};
use crate::progress::Progress;
use crate::services::{Scratch, Settings};
use crate::tools::{Purpose, Tools};
use crate::workspace::{Workspace, cargo};

/// Updates two instances under load, one by one, and rolls one back; no request may fail.
///
/// The new program is this source with a schema that has more. The old one is this source without it,
/// or the one of another commit. Prints a table for each kind of store.
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask rolling                       some minutes
  cargo xtask rolling --from v0.1.0         from a released version
  cargo xtask rolling --seconds 60          a minute in each state

A short one is part of `cargo xtask test`.")]
pub(crate) struct Rolling {
    /// Commit or tag that the old program is built from
    #[arg(long, value_name = "REF")]
    from: Option<String>,
    /// Seconds in each state between two steps
    #[arg(long, default_value = "15")]
    seconds: NonZeroU32,
    /// Never install anything, even where it would be possible
    #[arg(long)]
    no_install: bool,
}

impl Rolling {
    pub(crate) fn run(&self, interrupt: &Interrupt) -> Result<()> {
        let mut progress = Progress::start();
        let workspace = Workspace::locate()?;
        let tools = progress.phase("programs", |progress| {
            Tools::ready(Purpose::Bench, !self.no_install, progress, interrupt)
        })?;
        let folder = workspace.target.join("rolling");
        fs::create_dir_all(&folder).context("could not make target/rolling")?;
        let new = progress.phase("the new program", |_| {
            let arguments = ["--features", "rehearsal"];
            build(
                &workspace,
                &workspace.root,
                &arguments,
                &folder.join("new"),
                interrupt,
            )
        })?;
        let old = progress.phase("the old program", |_| match &self.from {
            None => build(
                &workspace,
                &workspace.root,
                &[],
                &folder.join("old"),
                interrupt,
            ),
            Some(reference) => {
                let source = Source::check_out(&workspace, reference, &folder, interrupt)?;
                build(
                    &workspace,
                    &source.folder,
                    &[],
                    &folder.join("old"),
                    interrupt,
                )
            }
        })?;
        let scratch = progress.phase("services", |progress| {
            let settings = Settings {
                durable: true,
                core: None,
                ..Settings::default()
            };
            Scratch::start(&tools, settings, progress, interrupt)
        })?;
        let status = progress.phase("rolling", |_| {
            let mut command = Command::new(cargo());
            command.current_dir(&workspace.root).args([
                "test",
                "--package",
                "tokenhouse-server",
                "--test",
                "it",
                "--",
                "rolling::",
                "--nocapture",
                "--test-threads=1",
            ]);
            command
                .envs(scratch.environment())
                .env("TOKENHOUSE_TEST_OLD_BINARY", &old)
                .env("TOKENHOUSE_TEST_NEW_BINARY", &new)
                .env("TOKENHOUSE_TEST_ROLLING_SECONDS", self.seconds.to_string());
            run(&mut command, interrupt)
        })?;
        drop(scratch);
        progress.summary(if status.success() {
            "no request failed"
        } else {
            "rolling FAILED"
        });
        expect_success("the rolling update", status)
    }
}

/// Builds the server from this source and keeps it at `place`: the next build writes over its own.
/// All share one target folder, so only the crates of the workspace are compiled again.
fn build(
    workspace: &Workspace,
    source: &Path,
    arguments: &[&str],
    place: &Path,
    interrupt: &Interrupt,
) -> Result<PathBuf> {
    let mut command = Command::new(cargo());
    command
        .current_dir(source)
        .env("CARGO_TARGET_DIR", &workspace.target)
        .args([
            "build",
            "--package",
            "tokenhouse-server",
            "--bin",
            "tokenhouse",
        ])
        .args(arguments);
    expect_success("cargo build", run(&mut command, interrupt)?)?;
    let built = workspace.target.join("debug/tokenhouse");
    fs::copy(&built, place).with_context(|| format!("could not copy {}", built.display()))?;
    Ok(place.to_owned())
}

/// The source of another commit, for as long as this value lives.
struct Source<'a> {
    workspace: &'a Workspace,
    folder: PathBuf,
}

impl<'a> Source<'a> {
    fn check_out(
        workspace: &'a Workspace,
        reference: &str,
        folder: &Path,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let source = Self {
            workspace,
            folder: folder.join("source"),
        };
        // One that a killed run has left.
        source.remove();
        let mut command = source.git(&["worktree", "add", "--force", "--detach"]);
        command.arg(&source.folder).arg(reference);
        expect_success("git worktree add", run(&mut command, interrupt)?)?;
        Ok(source)
    }

    fn git(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.current_dir(&self.workspace.root).args(arguments);
        command
    }

    fn remove(&self) {
        if self.folder.exists() {
            let mut command = self.git(&["worktree", "remove", "--force"]);
            // What can't be removed here is in the way of the next run, which says so.
            let _removed = command.arg(&self.folder).status();
        }
    }
}

impl Drop for Source<'_> {
    fn drop(&mut self) {
        self.remove();
    }
}
