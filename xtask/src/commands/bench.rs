//! `cargo xtask bench`

use std::num::NonZeroU32;
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::interrupt::Interrupt;
use crate::process::{expect_success, run};
use crate::progress::Progress;
use crate::services::{Scratch, Settings};
use crate::tools::{Purpose, Tools};
use crate::workspace::{Workspace, cargo};

/// The server under test has core 0 to itself; the load and the databases share this one.
const LOAD_CORE: usize = 1;

/// Measures the server as ratios to a static answer of the same web framework.
///
/// Builds the release, starts scratch Redis and PostgreSQL instances, and runs
/// `server/benches/ratios.rs` in short interleaved rounds. Needs two cores.
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask bench                          three rounds of two seconds a row
  cargo xtask bench --rounds 5 --check       fail when a ratio is below its floor
  cargo xtask bench --seconds 1 --rounds 1   a quick look
  cargo xtask bench --rounds 0 --full-scale  what one costs among 100,000")]
pub(crate) struct Bench {
    /// Seconds a row is measured in each round
    #[arg(long, default_value = "2")]
    seconds: NonZeroU32,
    /// Rounds; the median and the best are reported. 0: only the rows by scale
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// The rows by scale with 10,000 tenants to make and 100,000 tenants and users to list
    #[arg(long)]
    full_scale: bool,
    /// Exit non-zero when a ratio is below its floor, or the machine was busy otherwise
    #[arg(long)]
    check: bool,
    /// Never install anything, even where it would be possible
    #[arg(long)]
    no_install: bool,
}

impl Bench {
    pub(crate) fn run(&self, interrupt: &Interrupt) -> Result<()> {
        let cores = available_parallelism().context("the number of cores is unknown")?;
        ensure!(
            cores.get() >= 2,
            "the bench needs two cores: one for the server, one for load"
        );
        let mut progress = Progress::start();
        let workspace = Workspace::locate()?;
        let tools = progress.phase("programs", |progress| {
            Tools::ready(Purpose::Bench, !self.no_install, progress, interrupt)
        })?;

        let cargo_bench = || {
            let mut command = Command::new(cargo());
            command.current_dir(&workspace.root);
            command.args([
                "bench",
                "--package",
                "tokenhouse-server",
                "--bench",
                "ratios",
            ]);
            command
        };
        // The build comes first: idle servers would only be in its way.
        progress.phase("build", |progress| {
            progress.note("cargo bench --no-run: a release build takes minutes");
            let status = run(cargo_bench().arg("--no-run"), interrupt)?;
            expect_success("cargo bench --no-run", status)
        })?;
        let scratch = progress.phase("services", |progress| {
            let settings = Settings {
                durable: true,
                core: Some(LOAD_CORE),
                ..Settings::default()
            };
            Scratch::start(&tools, settings, progress, interrupt)
        })?;
        let status = progress.phase("bench", |progress| {
            progress.note(format!(
                "{} rounds of {} s a row",
                self.rounds, self.seconds
            ));
            let mut command = cargo_bench();
            command
                .arg("--")
                .args(["--seconds", &self.seconds.to_string()]);
            command.args(["--rounds", &self.rounds.to_string()]);
            if self.full_scale {
                command.arg("--full-scale");
            }
            if self.check {
                command.arg("--check");
            }
            run(command.envs(scratch.environment()), interrupt)
        })?;
        drop(scratch);
        progress.summary(if status.success() {
            "bench done"
        } else {
            "bench FAILED"
        });
        expect_success("the bench", status)
    }
}
