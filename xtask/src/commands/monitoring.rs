//! `cargo xtask monitoring`

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::interrupt::Interrupt;
use crate::process::{expect_success, run};
use crate::progress::Progress;
use crate::python::{PICTURE, PythonTools};
use crate::services::{Scratch, Settings, Tokenhouse};
use crate::tools::{Purpose, Tools};
use crate::workspace::Workspace;

/// Checks the alerts and the dashboard in `k8s/monitoring` with Prometheus itself.
///
/// Tries each alert on made-up series, then lets Prometheus watch a server under load for a minute: every
/// expression has to be understood, and every line of every panel has to have values.
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask monitoring                          everything
  cargo xtask monitoring --alerts                 only the alerts on made-up series: a second
  cargo xtask monitoring --picture dashboard.png  draw what the dashboard shows")]
pub(crate) struct Monitoring {
    /// Only try the alerts on made-up series
    #[arg(long, conflicts_with = "picture")]
    alerts: bool,
    /// Draw the dashboard into this file
    #[arg(long, value_name = "PNG")]
    picture: Option<PathBuf>,
    /// Never install anything, even where it would be possible
    #[arg(long)]
    no_install: bool,
}

impl Monitoring {
    pub(crate) fn run(&self, interrupt: &Interrupt) -> Result<()> {
        let mut progress = Progress::start();
        let workspace = Workspace::locate()?;
        let folder = workspace.root.join("k8s/monitoring");
        let tools = progress.phase("programs", |progress| {
            Tools::ready(Purpose::Monitoring, !self.no_install, progress, interrupt)
        })?;
        progress.phase("alerts", |_| {
            for arguments in [
                ["check", "rules", "alerts.yaml"],
                ["test", "rules", "alerts.test.yaml"],
            ] {
                let mut promtool = Command::new(tools.path("promtool")?);
                promtool.args(arguments).current_dir(&folder);
                expect_success("promtool", run(&mut promtool, interrupt)?)?;
            }
            Ok(())
        })?;
        if self.alerts {
            return Ok(());
        }
        let binary = progress.phase("build", |progress| {
            workspace.build_server(progress, interrupt)
        })?;
        progress.phase("dashboard", |progress| {
            let scratch = Scratch::start(&tools, Settings::default(), progress, interrupt)?;
            // Dropped, and so stopped, before its stores.
            let server = Tokenhouse::start(&binary, Some(&scratch), &tools, progress, interrupt)?;
            let mut check = Command::new(match self.picture {
                None => tools.path("python3")?,
                Some(_) => PythonTools::ready(PICTURE, &workspace, &tools, progress, interrupt)?
                    .program("python"),
            });
            check
                .arg(folder.join("check.py"))
                .arg(server.about())
                .args(["--management", &server.management()])
                .arg("--prometheus")
                .arg(tools.path("prometheus")?);
            if let Some(picture) = &self.picture {
                check.arg("--picture").arg(picture);
            }
            progress.note("a minute of load");
            expect_success("the dashboard", run(&mut check, interrupt)?)
        })?;
        progress.summary("alerts and dashboard are good");
        Ok(())
    }
}
