//! `cargo xtask example`

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::interrupt::Interrupt;
use crate::process::{expect_success, run, run_logged};
use crate::progress::Progress;
use crate::tools::{Purpose, Tools, version};
use crate::workspace::Workspace;

/// Where the packages are recorded that were installed: a copy of the lock file.
const STAMP: &str = "node_modules/.installed-lock.json";

/// The oldest Node that Next.js and the client's generator run on.
const OLDEST_NODE: (u32, u32) = (20, 19);

/// Builds the Next.js example and tests it in Chromium against a scratch server.
///
/// Builds the server, installs the pinned packages, generates the client from
/// `openapi/openapi.json`, lints, checks types, makes the production build, and runs the tests of
/// `examples/nextjs/e2e`. They start and stop their own servers, on free ports and SQLite.
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask example                      everything
  cargo xtask example -- renewal           tests of e2e/renewal.spec.ts
  cargo xtask example -- -g 'two tabs'     tests with these words in their name")]
pub(crate) struct Example {
    /// Never install anything, even where it would be possible
    #[arg(long)]
    no_install: bool,
    /// More arguments for `playwright test`
    #[arg(last = true)]
    playwright_args: Vec<String>,
}

impl Example {
    pub(crate) fn run(&self, interrupt: &Interrupt) -> Result<()> {
        let mut progress = Progress::start();
        let workspace = Workspace::locate()?;
        let tools = progress.phase("programs", |progress| {
            Tools::ready(Purpose::Example, !self.no_install, progress, interrupt)
        })?;
        let server = progress.phase("server", |progress| {
            workspace.build_server(progress, interrupt)
        })?;

        let app = App::locate(&workspace, &tools)?;
        // Two runs at once would build into the same folder; the second waits.
        let guard = File::create(app.logs.join("lock")).context("could not create a lock file")?;
        guard.lock().context("could not lock the example")?;
        progress.phase("packages", |progress| app.install(progress, interrupt))?;
        for (phase, script) in [
            ("client", "generate"),
            ("lint", "lint"),
            ("types and build", "build"),
        ] {
            progress.phase(phase, |progress| app.npm_run(script, progress, interrupt))?;
        }
        let status = progress.phase("browser", |progress| {
            progress.note("playwright test");
            let mut test = app.command(&["exec", "--", "playwright", "test"]);
            test.args(&self.playwright_args)
                .env("TOKENHOUSE_BINARY", server)
                .env("TOKENHOUSE_TEST_CHROMIUM", tools.path("chromium")?);
            run(&mut test, interrupt)
        })?;
        let verdict = if status.success() { "passed" } else { "FAILED" };
        progress.summary(&format!("{verdict}: the Next.js example"));
        expect_success("the example's tests", status)
    }
}

/// The example's folder, and what runs in it.
struct App {
    folder: PathBuf,
    logs: PathBuf,
    npm: PathBuf,
}

impl App {
    fn locate(workspace: &Workspace, tools: &Tools) -> Result<Self> {
        let node = version(tools.path("node")?)?;
        ensure!(
            is_supported(&node),
            "Node {node} is too old: the example needs {}.{} or newer",
            OLDEST_NODE.0,
            OLDEST_NODE.1
        );
        let logs = workspace.target.join("test-tools/example");
        fs::create_dir_all(&logs)
            .with_context(|| format!("could not create {}", logs.display()))?;
        Ok(Self {
            folder: workspace.root.join("examples/nextjs"),
            logs,
            npm: tools.path("npm")?,
        })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.npm);
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env("NEXT_TELEMETRY_DISABLED", "1");
        command
    }

    /// Installs what the lock file names; nothing runs on installation.
    fn install(&self, progress: &Progress, interrupt: &Interrupt) -> Result<()> {
        if is_current(&self.folder) {
            progress.note("packages are there already");
            return Ok(());
        }
        progress.note("npm ci");
        let mut install = self.command(&["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        run_logged(&mut install, &self.logs.join("install.log"), interrupt)?;
        fs::copy(
            self.folder.join("package-lock.json"),
            self.folder.join(STAMP),
        )
        .context("could not write the stamp")?;
        Ok(())
    }

    fn npm_run(&self, script: &str, progress: &Progress, interrupt: &Interrupt) -> Result<()> {
        progress.note(format!("npm run {script}"));
        let log = self.logs.join(format!("{script}.log"));
        run_logged(&mut self.command(&["run", script]), &log, interrupt)
    }
}

fn is_current(folder: &Path) -> bool {
    let wanted = fs::read(folder.join("package-lock.json"));
    let installed = fs::read(folder.join(STAMP));
    matches!((wanted, installed), (Ok(wanted), Ok(installed)) if wanted == installed)
}

fn is_supported(version: &str) -> bool {
    let mut parts = version.split('.').map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= OLDEST_NODE,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_node_is_refused() {
        for (version, supported) in [
            ("20.19.0", true),
            ("20.18.3", false),
            ("22.0.0", true),
            ("18.20.4", false),
            ("nothing", false),
        ] {
            assert_eq!(is_supported(version), supported, "{version}");
        }
    }

    #[test]
    fn packages_are_installed_again_when_the_lock_file_changes() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let folder = root.path();
        fs::create_dir(folder.join("node_modules")).expect("folders can be made");
        fs::write(folder.join("package-lock.json"), "one").expect("files can be written");
        assert!(!is_current(folder), "never installed");
        fs::write(folder.join(STAMP), "one").expect("files can be written");
        assert!(is_current(folder));
        fs::write(folder.join("package-lock.json"), "two").expect("files can be written");
        assert!(!is_current(folder), "another version is wanted");
    }
}
