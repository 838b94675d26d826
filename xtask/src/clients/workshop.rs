//! One language at work, in its folder of the build folder.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::{Language, readme};
use crate::interrupt::Interrupt;
use crate::process::run_logged;
use crate::progress::Progress;
use crate::services::Tokenhouse;
use crate::workspace::{Workspace, cargo};

/// Written last: a copy of the file that the packages were installed from.
const STAMP: &str = "installed-lock";

/// Where packages put their programs.
const OWN_PROGRAMS: [&str; 2] = ["node_modules/.bin", "venv/bin"];

/// A language, the folder it is worked on in, and what a run needs.
pub(crate) struct Workshop<'a> {
    pub(crate) language: &'a Language,
    pub(crate) workspace: &'a Workspace,
    pub(crate) server: &'a Tokenhouse,
    /// The folder of a Go that is new enough, where one is needed.
    pub(crate) go: Option<&'a Path>,
    pub(crate) interrupt: &'a Interrupt,
}

impl Workshop<'_> {
    /// Everything, in order; the steps that the story has taken.
    pub(crate) fn run(&self, progress: &Progress) -> Result<usize> {
        let name = self.language.name;
        let folder = self.folder();
        copy_changed(&self.source(), &folder)?;
        self.install(progress)?;
        for generated in self.language.generated {
            remove(&folder.join(generated))?;
        }
        for (phase, commands) in [
            ("generate", self.language.generate),
            ("compile", self.language.compile),
        ] {
            for command in commands {
                progress.note(format!("{name}: {command}"));
                self.call(phase, command)?;
            }
        }
        progress.note(format!("{name}: {}", self.language.story));
        self.call("story", self.language.story)?;
        let told = fs::read_to_string(self.log("story")).context("the story's log")?;
        let steps = steps_of(&told);
        ensure!(
            steps == self.language.steps(),
            "the story went another way: {steps:?}"
        );
        if let Some(line) = &self.language.readme {
            progress.note(format!("{name}: the line of the README"));
            self.follow_readme(line)?;
        }
        Ok(steps.len())
    }

    /// The generator and its version.
    pub(crate) fn generator(&self) -> Result<String> {
        let path = self.source().join(self.language.pin_file());
        let text = fs::read_to_string(&path)
            .with_context(|| format!("could not read {}", path.display()))?;
        let version = self.language.version(&text)?;
        Ok(format!("{} {version}", self.language.generator))
    }

    fn source(&self) -> PathBuf {
        let clients = self.workspace.root.join("openapi/clients");
        clients.join(self.language.name)
    }

    fn folder(&self) -> PathBuf {
        let clients = self.workspace.target.join("openapi/clients");
        clients.join(self.language.name)
    }

    fn log(&self, phase: &str) -> PathBuf {
        self.folder().join(format!("{phase}.log"))
    }

    fn install(&self, progress: &Progress) -> Result<()> {
        let folder = self.folder();
        let wanted = fs::read(folder.join(self.language.install.lock))
            .with_context(|| format!("no {}", self.language.install.lock))?;
        let stamp = folder.join(STAMP);
        if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(());
        }
        for command in self.language.install.commands {
            progress.note(format!("{}: {command}", self.language.name));
            self.call("install", command)?;
        }
        fs::write(stamp, wanted).context("could not write the stamp")
    }

    /// Runs one command in the language's folder; what it printed is told when it fails.
    fn call(&self, phase: &str, line: &str) -> Result<()> {
        let mut words = line.split_whitespace();
        let program = words.next().context("a command is not empty")?;
        let mut command = match program {
            "cargo" => Command::new(cargo()),
            other => Command::new(other),
        };
        command.args(words).current_dir(self.folder());
        self.furnish(&mut command)?;
        run_logged(&mut command, &self.log(phase), self.interrupt)
            .with_context(|| format!("{}: {phase}", self.language.name))
    }

    /// Runs the line of the README, as it is printed but for the address, in an empty folder.
    fn follow_readme(&self, line: &super::language::Readme) -> Result<()> {
        let text = fs::read_to_string(self.workspace.root.join("README.md"))
            .context("could not read README.md")?;
        let script = readme::line_under(&text, line.title)?;
        let script = script.replace("http://localhost:8080", &self.server.url());
        let folder = self.folder().join("readme");
        remove(&folder)?;
        fs::create_dir_all(&folder).context("could not make a folder")?;
        let mut command = Command::new("bash");
        command
            .args(["-euo", "pipefail", "-c", &script])
            .current_dir(&folder);
        self.furnish(&mut command)?;
        run_logged(&mut command, &self.log("readme"), self.interrupt)
            .with_context(|| format!("README, {}", line.title))?;
        if !folder.join(line.makes).exists() {
            bail!("README, {}: no {}", line.title, line.makes);
        }
        Ok(())
    }

    /// The environment of every command: programs of the language's own packages first, and where
    /// the server is.
    fn furnish(&self, command: &mut Command) -> Result<()> {
        let own = OWN_PROGRAMS.map(|folder| self.folder().join(folder));
        let path = env::var_os("PATH").unwrap_or_default();
        let own = own.into_iter().chain(self.go.map(Path::to_owned));
        let path: OsString = env::join_paths(own.chain(env::split_paths(&path)))
            .context("a folder's name can't be in PATH")?;
        command
            .env("PATH", path)
            // The colours of a terminal have no place in a log, nor has a question.
            .env("NO_COLOR", "1")
            .env("npm_config_yes", "true")
            .env("TOKENHOUSE_URL", self.server.url())
            .env("TOKENHOUSE_OPERATOR_TOKEN", self.server.operator_token());
        Ok(())
    }
}

/// The steps that a story says it has taken.
fn steps_of(told: &str) -> Vec<&str> {
    told.lines()
        .filter_map(|line| line.strip_prefix("step: "))
        .collect()
}

/// Copies a folder over another, but not files that are the same: compilers look at times.
fn copy_changed(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("could not make {}", to.display()))?;
    let entries = fs::read_dir(from).with_context(|| format!("no {}", from.display()))?;
    for entry in entries {
        let entry = entry.context("could not list a folder")?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_changed(&entry.path(), &target)?;
            continue;
        }
        copy_if_changed(&entry.path(), &target)?;
    }
    Ok(())
}

/// Copies a file, unless it is there with the same content.
pub(crate) fn copy_if_changed(from: &Path, to: &Path) -> Result<()> {
    let wanted = fs::read(from).with_context(|| format!("could not read {}", from.display()))?;
    if fs::read(to).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    fs::write(to, wanted).with_context(|| format!("could not write {}", to.display()))
}

fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("could not remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_say_so_are_steps() {
        assert_eq!(
            steps_of("noise\nstep: one\n step: no\nstep: two"),
            ["one", "two"]
        );
    }

    #[test]
    fn a_file_that_has_not_changed_keeps_its_time() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        fs::create_dir_all(from.join("src")).expect("folders can be made");
        fs::write(from.join("src/main"), "one").expect("files can be written");
        copy_changed(&from, &to).expect("it is copied");
        let copy = to.join("src/main");
        let time = || {
            fs::metadata(&copy)
                .and_then(|meta| meta.modified())
                .expect("a time")
        };
        let before = time();
        copy_changed(&from, &to).expect("it is there");
        assert_eq!(time(), before);
        fs::write(from.join("src/main"), "two").expect("files can be written");
        copy_changed(&from, &to).expect("it is copied");
        assert_eq!(fs::read(&copy).expect("it is there"), b"two");
    }
}
