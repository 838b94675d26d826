//! `cargo xtask contract`

mod breaking;
mod fuzz;
mod lint;
mod planted;
mod released;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::interrupt::Interrupt;
use crate::node::{NodeTools, Packages};
use crate::progress::Progress;
use crate::python::{CONTRACT, PythonTools};
use crate::tools::{Purpose, Tools};
use crate::workspace::Workspace;

/// Holds the OpenAPI document to its promises: lint, breaking changes, fuzzing.
///
/// Without a step all of them, in this order. The tools are pinned in `xtask/contract`; they are installed
/// in the build folder.
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask contract                 every step, as CI runs them
  cargo xtask contract lint            Spectral and Redocly over openapi/openapi.json
  cargo xtask contract breaking        what changed since the last release, and whether it may
  cargo xtask contract fuzz            Schemathesis against a server of its own, a minute
  cargo xtask contract fuzz --long     the same for half an hour, with another seed each time")]
pub(crate) struct Contract {
    #[command(subcommand)]
    step: Option<Step>,
    /// Never install anything, even where it would be possible
    #[arg(long, global = true)]
    no_install: bool,
}

#[derive(Subcommand)]
enum Step {
    /// Lints the document with the rules in openapi/.spectral.yaml and openapi/redocly.yaml
    Lint,
    /// Compares the document with that of the last release, in openapi/released
    Breaking,
    /// Sends generated requests to every operation and checks the answers against the document
    Fuzz(fuzz::Fuzz),
}

/// What every step works with.
struct Context<'a> {
    workspace: Workspace,
    tools: Tools,
    interrupt: &'a Interrupt,
}

impl Context<'_> {
    fn node(&self, progress: &Progress) -> Result<NodeTools> {
        let (workspace, tools) = (&self.workspace, &self.tools);
        NodeTools::ready(
            Packages::Contract,
            workspace,
            tools,
            progress,
            self.interrupt,
        )
    }

    fn python(&self, progress: &Progress) -> Result<PythonTools> {
        let (workspace, tools) = (&self.workspace, &self.tools);
        PythonTools::ready(CONTRACT, workspace, tools, progress, self.interrupt)
    }
}

impl Contract {
    pub(crate) fn run(&self, interrupt: &Interrupt) -> Result<()> {
        let mut progress = Progress::start();
        let workspace = Workspace::locate()?;
        let tools = progress.phase("programs", |progress| {
            Tools::ready(Purpose::Contract, !self.no_install, progress, interrupt)
        })?;
        let context = Context {
            workspace,
            tools,
            interrupt,
        };
        let all = self.step.is_none();
        if all || matches!(self.step, Some(Step::Lint)) {
            progress.phase("lint", |progress| lint::run_step(&context, progress))?;
        }
        if all || matches!(self.step, Some(Step::Breaking)) {
            progress.phase("breaking", |progress| {
                breaking::run_step(&context, progress)
            })?;
        }
        let fuzz = match &self.step {
            None => Some(&fuzz::Fuzz::SHORT),
            Some(Step::Fuzz(fuzz)) => Some(fuzz),
            Some(_) => None,
        };
        if let Some(fuzz) = fuzz {
            progress.phase("fuzz", |progress| fuzz.run(&context, progress))?;
        }
        progress.summary("the contract holds");
        Ok(())
    }
}
