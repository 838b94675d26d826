//! The Node packages the tests use, in the build folder.
//!
//! `xtask/node` pins those of the tests by version and digest, `xtask/contract` those of the contract; `npm
//! ci` installs exactly those and nothing runs on installation.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::interrupt::Interrupt;
use crate::process::run_logged;
use crate::progress::Progress;
use crate::tools::{Tools, version};
use crate::workspace::Workspace;

const MANIFESTS: [&str; 2] = ["package.json", "package-lock.json"];

/// Written last: a copy of the lock file that the folder was installed from.
const STAMP: &str = "installed-lock.json";

/// The oldest Node that `jose` runs on.
const OLDEST_NODE: u32 = 18;

/// The first Node that has the Web Crypto API without asking.
const NODE_WITH_CRYPTO: u32 = 20;

/// A Node with the packages the tests import.
pub(crate) struct NodeTools {
    pub(crate) folder: PathBuf,
    major: u32,
}

/// Which packages.
#[derive(Clone, Copy)]
pub(crate) enum Packages {
    Tests,
    Contract,
}

impl Packages {
    /// Where they are pinned and where they are installed.
    fn folders(self) -> (&'static str, &'static str) {
        match self {
            Self::Tests => ("xtask/node", "test-tools/node"),
            Self::Contract => ("xtask/contract", "test-tools/contract"),
        }
    }
}

impl NodeTools {
    pub(crate) fn ready(
        packages: Packages,
        workspace: &Workspace,
        tools: &Tools,
        progress: &Progress,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let node = version(tools.path("node")?)?;
        let major = supported_major(&node)?;
        let (source, folder) = packages.folders();
        let (source, folder) = (workspace.root.join(source), workspace.target.join(folder));
        fs::create_dir_all(&folder)
            .with_context(|| format!("could not create {}", folder.display()))?;

        // Two runs at once share the folder; the second waits, then finds everything there.
        let guard = File::create(folder.join("lock")).context("could not create a lock file")?;
        guard
            .lock()
            .context("could not lock the folder of Node packages")?;
        if is_current(&source, &folder) {
            progress.note(format!(
                "Node {node}, packages already in {}",
                folder.display()
            ));
        } else {
            progress.note(format!("Node {node}, npm ci in {}", folder.display()));
            install(&source, &folder, tools, interrupt)?;
        }
        Ok(Self { folder, major })
    }

    /// A program of one of the packages, to be run in the folder of the workspace.
    pub(crate) fn program(&self, name: &str) -> Command {
        Command::new(self.folder.join("node_modules/.bin").join(name))
    }

    /// Settings for every `node` the tests start.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![(
            "TOKENHOUSE_TEST_NODE_DIR",
            self.folder.to_string_lossy().into_owned(),
        )];
        if self.major < NODE_WITH_CRYPTO {
            let options = "--experimental-global-webcrypto --no-warnings";
            variables.push(("NODE_OPTIONS", options.to_owned()));
        }
        variables
    }
}

fn supported_major(version: &str) -> Result<u32> {
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok());
    match major {
        Some(major) if major >= OLDEST_NODE => Ok(major),
        _ => bail!("Node {version} is too old: the tests need {OLDEST_NODE} or newer"),
    }
}

fn is_current(source: &Path, folder: &Path) -> bool {
    let wanted = fs::read(source.join("package-lock.json"));
    let installed = fs::read(folder.join(STAMP));
    matches!((wanted, installed), (Ok(wanted), Ok(installed)) if wanted == installed)
        && folder.join("node_modules").is_dir()
}

fn install(source: &Path, folder: &Path, tools: &Tools, interrupt: &Interrupt) -> Result<()> {
    let stamp = folder.join(STAMP);
    if stamp.exists() {
        fs::remove_file(&stamp).context("could not remove the old stamp")?;
    }
    for manifest in MANIFESTS {
        let from = source.join(manifest);
        fs::copy(&from, folder.join(manifest))
            .with_context(|| format!("could not copy {}", from.display()))?;
    }
    let mut npm = Command::new(tools.path("npm")?);
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(folder);
    run_logged(&mut npm, &folder.join("npm.log"), interrupt)?;
    fs::copy(folder.join("package-lock.json"), stamp).context("could not write the stamp")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_installed_again_when_the_pinned_version_changes() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let (source, folder) = (root.path().join("source"), root.path().join("folder"));
        fs::create_dir_all(&source).expect("folders can be made");
        fs::create_dir_all(folder.join("node_modules")).expect("folders can be made");
        fs::write(source.join("package-lock.json"), "one").expect("files can be written");
        assert!(!is_current(&source, &folder), "never installed");

        fs::write(folder.join(STAMP), "one").expect("files can be written");
        assert!(is_current(&source, &folder));

        fs::write(source.join("package-lock.json"), "two").expect("files can be written");
        assert!(!is_current(&source, &folder), "another version is wanted");
    }

    #[test]
    fn an_old_node_is_named() {
        assert_eq!(supported_major("20.20.2").expect("20 is fine"), 20);
        let error = supported_major("16.20.2")
            .expect_err("16 is too old")
            .to_string();
        assert!(error.contains("16.20.2"), "{error}");
    }
}
