//! Where this workspace and its build folder are.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::interrupt::Interrupt;
use crate::process::{expect_success, run};
use crate::progress::Progress;

pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// Asks cargo, because the build folder may have been moved by the environment or a config.
    pub(crate) fn locate() -> Result<Self> {
        let output = Command::new(cargo())
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(manifest_folder())
            .output()
            .context("could not run cargo metadata")?;
        ensure!(
            output.status.success(),
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        let metadata: serde_json::Value =
            serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")?;
        let path = |member: &str| -> Result<PathBuf> {
            let value = metadata[member].as_str();
            Ok(value
                .with_context(|| format!("cargo metadata has no {member}"))?
                .into())
        };
        Ok(Self {
            root: path("workspace_root")?,
            target: path("target_directory")?,
        })
    }

    /// Builds the server without optimisation; its program. One that is there already is named by
    /// `TOKENHOUSE_TEST_BINARY`: built for this package alone, its dependencies have other features than for
    /// `cargo test`, and most would be compiled again.
    pub(crate) fn build_server(
        &self,
        progress: &Progress,
        interrupt: &Interrupt,
    ) -> Result<PathBuf> {
        if let Some(built) = env::var_os("TOKENHOUSE_TEST_BINARY") {
            let built = PathBuf::from(built);
            ensure!(
                built.is_file(),
                "TOKENHOUSE_TEST_BINARY is {}, and no file",
                built.display()
            );
            progress.note(format!(
                "{}, as TOKENHOUSE_TEST_BINARY says",
                built.display()
            ));
            return Ok(built);
        }
        progress.note("cargo build --package tokenhouse-server");
        let mut build = Command::new(cargo());
        build
            .args(["build", "--quiet", "--package", "tokenhouse-server"])
            .current_dir(&self.root);
        expect_success("cargo build", run(&mut build, interrupt)?)?;
        Ok(self.target.join("debug/tokenhouse"))
    }
}

/// This package's folder, as `cargo run` reports it. What the compiler saw would be wrong where
/// several checkouts share one build folder.
fn manifest_folder() -> PathBuf {
    env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| ".".into(), PathBuf::from)
}

/// The cargo that runs us, so that a chosen toolchain stays chosen.
pub(crate) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
