//! `cargo xtask services`

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use crate::interrupt::{Interrupt, Interrupted};
use crate::node::{NodeTools, Packages};
use crate::progress::Progress;
use crate::python::{PythonTools, TESTS};
use crate::services::{Scratch, Settings};
use crate::tools::{Purpose, Tools};
use crate::workspace::Workspace;

/// Starts the scratch instances of `cargo xtask test` and keeps them until Ctrl-C.
///
/// Prints the `export` lines a shell needs for `cargo test`; all else goes to stderr.
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask services                     then paste the lines into the shell of `cargo test`
  cargo xtask services > /tmp/services &   then `. /tmp/services` in any shell")]
pub(crate) struct Services {
    /// Never install anything, even where it would be possible
    #[arg(long)]
    no_install: bool,
}

impl Services {
    pub(crate) fn run(&self, interrupt: &Interrupt) -> Result<()> {
        let progress = Progress::start();
        let workspace = Workspace::locate()?;
        let tools = Tools::ready(Purpose::Tests, !self.no_install, &progress, interrupt)?;
        let node = NodeTools::ready(Packages::Tests, &workspace, &tools, &progress, interrupt)?;
        let python = PythonTools::ready(TESTS, &workspace, &tools, &progress, interrupt)?;
        let chromium = tools.path("chromium")?.to_string_lossy().into_owned();
        let mut scratch = Scratch::start(&tools, Settings::for_tests(), &progress, interrupt)?;

        let mut lines = String::new();
        let software = [("TOKENHOUSE_TEST_CHROMIUM", chromium)];
        let all = scratch
            .environment()
            .into_iter()
            .chain(node.environment())
            .chain(python.environment())
            .chain(software);
        for (name, value) in all {
            lines.push_str(&format!("export {name}={}\n", quoted(&value)));
        }
        let mut out = std::io::stdout();
        out.write_all(lines.as_bytes())
            .context("could not print the export lines")?;
        out.flush().context("could not print the export lines")?;

        progress.note("running until Ctrl-C");
        let ended = interrupt.poll::<()>(Duration::MAX, || scratch.check().map(|()| None));
        match ended {
            // Ctrl-C is how this command is meant to end.
            Err(error) if error.is::<Interrupted>() => {
                drop(scratch);
                progress.note("stopped");
                Ok(())
            }
            other => other.map(|_| ()),
        }
    }
}

/// A value as one word of a POSIX shell.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=".contains(c);
    if value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_shell_would_split_is_quoted() {
        assert_eq!(
            quoted("redis://127.0.0.1:6390/0"),
            "redis://127.0.0.1:6390/0"
        );
        assert_eq!(quoted("/home/a b"), "'/home/a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
