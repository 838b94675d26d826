//! `cargo xtask test`

use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use crate::interrupt::Interrupt;
use crate::node::{NodeTools, Packages};
use crate::process::{Job, expect_success};
use crate::progress::Progress;
use crate::python::{PythonTools, TESTS};
use crate::services::{Scratch, Settings};
use crate::tally::Tally;
use crate::tools::{Purpose, Tools};
use crate::workspace::{Workspace, cargo};

/// How long output may still trickle in from processes that a test has left behind.
const LAST_OUTPUT: Duration = Duration::from_secs(2);

/// Runs every test against scratch Redis and PostgreSQL instances.
///
/// Installs what is missing when it is root on Debian or Ubuntu, else says what to install. The
/// instances listen on free loopback ports, live in a temporary folder, and end with the command.
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask test                              every test of the workspace
  cargo xtask test -- refresh                   tests whose name contains `refresh`
  cargo xtask test -- -p tokenhouse-server --lib
                                                the unit tests of one package
  cargo xtask test -- --test it -- --nocapture  one test binary, with its output

Tests find the instances by TOKENHOUSE_TEST_POSTGRES_URL, TOKENHOUSE_TEST_POSTGRES_ADMIN_URL,
TOKENHOUSE_TEST_REDIS_URL, certificates for TLS by TOKENHOUSE_TEST_CERTIFICATES, and other software by TOKENHOUSE_TEST_NODE_DIR, TOKENHOUSE_TEST_PYTHON and
TOKENHOUSE_TEST_CHROMIUM.")]
pub(crate) struct Test {
    /// Never install anything, even where it would be possible
    #[arg(long)]
    no_install: bool,
    /// More arguments for `cargo test`
    #[arg(last = true)]
    cargo_args: Vec<String>,
}

impl Test {
    pub(crate) fn run(&self, interrupt: &Interrupt) -> Result<()> {
        let mut progress = Progress::start();
        let workspace = Workspace::locate()?;
        let tools = progress.phase("programs", |progress| {
            Tools::ready(Purpose::Tests, !self.no_install, progress, interrupt)
        })?;
        let node = progress.phase("node", |progress| {
            NodeTools::ready(Packages::Tests, &workspace, &tools, progress, interrupt)
        })?;
        let python = progress.phase("python", |progress| {
            PythonTools::ready(TESTS, &workspace, &tools, progress, interrupt)
        })?;
        let scratch = progress.phase("services", |progress| {
            Scratch::start(&tools, Settings::for_tests(), progress, interrupt)
        })?;

        let mut command = Command::new(cargo());
        command
            .current_dir(&workspace.root)
            .args(arguments(&self.cargo_args));
        command
            .envs(scratch.environment())
            .envs(node.environment())
            .envs(python.environment())
            .env("TOKENHOUSE_TEST_CHROMIUM", tools.path("chromium")?);
        let mut tally = Tally::default();
        let status = progress.phase("cargo test", |progress| {
            progress.note(format!("cargo {}", arguments(&self.cargo_args).join(" ")));
            let mut job = Job::spawn(command.stdout(Stdio::piped()))?;
            let output = job.child().stdout.take().context("stdout is a pipe")?;
            let counted = copy_and_count(output, std::io::stdout());
            let status = job.wait(interrupt)?;
            // Sweeps what the tests left behind, which else could hold the pipe open.
            drop(job);
            tally = counted.recv_timeout(LAST_OUTPUT).unwrap_or_default();
            Ok(status)
        })?;
        progress.phase("stopping", |_| {
            drop(scratch);
            Ok(())
        })?;
        let verdict = if status.success() { "passed" } else { "FAILED" };
        progress.summary(&format!("{verdict}: {tally}"));
        expect_success("cargo test", status)
    }
}

/// The whole workspace, unless the caller has chosen packages; all binaries, even after a failure.
fn arguments(extra: &[String]) -> Vec<&str> {
    let own = extra.split(|word| word == "--").next().unwrap_or_default();
    let chosen = own.iter().any(|word| {
        word.starts_with("-p") || word == "--package" || word.starts_with("--package=")
    });
    let mut arguments = vec!["test", "--no-fail-fast"];
    if !chosen {
        arguments.push("--workspace");
    }
    arguments.extend(extra.iter().map(String::as_str));
    arguments
}

/// Passes the output on, line by line, and sends the counts when it ends.
fn copy_and_count(
    output: impl Read + Send + 'static,
    mut sink: impl Write + Send + 'static,
) -> mpsc::Receiver<Tally> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut tally = Tally::default();
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output
            .read_until(b'\n', &mut line)
            .is_ok_and(|length| length > 0)
        {
            tally.line(&String::from_utf8_lossy(&line));
            // A reader that has gone away must not end the tests.
            let _ = sink.write_all(&line);
            line.clear();
        }
        let _ = sink.flush();
        let _ = sender.send(tally);
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_workspace_is_tested_unless_packages_are_chosen() {
        assert_eq!(arguments(&[]), ["test", "--no-fail-fast", "--workspace"]);
        assert_eq!(
            arguments(&words("-p entity --lib")),
            ["test", "--no-fail-fast", "-p", "entity", "--lib"]
        );
        assert_eq!(
            arguments(&words("refresh -- -p")),
            [
                "test",
                "--no-fail-fast",
                "--workspace",
                "refresh",
                "--",
                "-p"
            ],
            "what follows -- is for the test binaries"
        );
    }

    #[test]
    fn output_is_counted_to_its_end() {
        let text = "noise\ntest result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; \
                    0 filtered out; finished in 0.00s";
        let tally = copy_and_count(text.as_bytes(), std::io::sink())
            .recv()
            .expect("the counts are sent");
        assert_eq!((tally.passed, tally.binaries), (3, 1));
    }
}
