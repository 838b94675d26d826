//! What changed since the last release, by oasdiff, and whether the version allows it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::{
    Context,
    planted::PLANTED,
    released::{Version, last},
};
use crate::process::{run, run_logged};
use crate::progress::Progress;

/// The module proxy's checksum database says what this version is, byte for byte.
const OASDIFF: &str = "github.com/oasdiff/oasdiff@v1.37.0";

/// How a comparison is made: what `allOf` says together counts, not how it is said; and what may break some
/// clients breaks some clients.
const ARGUMENTS: [&str; 3] = ["--flatten-allof", "--fail-on", "WARN"];

pub(super) fn run_step(context: &Context<'_>, progress: &Progress) -> Result<()> {
    let oasdiff = Oasdiff::ready(context, progress)?;
    let document = context.workspace.root.join("openapi/openapi.json");
    tell_apart(&oasdiff, &document, context, progress)?;

    let (released, before) = last(&context.workspace.root.join("openapi/released"))?;
    let now = version_of(&document)?;
    progress.note(format!("what changed since {released}; this is {now}"));
    oasdiff.show("changelog", &before, &document, context)?;
    if !oasdiff.breaks(&before, &document, context)? {
        progress.note("nothing breaks clients");
        return Ok(());
    }
    oasdiff.show("breaking", &before, &document, context)?;
    if now.may_break(released) {
        progress.note(format!("clients break, as {now} says"));
        return Ok(());
    }
    bail!(
        "the document breaks clients of {released}, and {now} does not say so: undo it, or step the version in \
         Cargo.toml as docs/versioning.md tells"
    )
}

/// Shows on planted changes that the comparison finds what it has to find, and nothing else.
fn tell_apart(
    oasdiff: &Oasdiff,
    document: &Path,
    context: &Context<'_>,
    progress: &Progress,
) -> Result<()> {
    let folder = tempfile::tempdir().context("could not make a temporary folder")?;
    let path = folder.path().join("planted.json");
    let text = fs::read_to_string(document).context("could not read openapi.json")?;
    let original: Value = serde_json::from_str(&text).context("openapi.json is not JSON")?;
    let mut wrong = Vec::new();
    for planted in PLANTED {
        let mut changed = original.clone();
        (planted.change)(&mut changed);
        ensure!(
            changed != original || planted.what == "nothing",
            "planting {:?} changed nothing",
            planted.what
        );
        fs::write(&path, changed.to_string()).context("could not write the planted document")?;
        if oasdiff.breaks(document, &path, context)? != planted.breaks {
            wrong.push(planted.what);
        }
    }
    ensure!(
        wrong.is_empty(),
        "the comparison does not tell what breaks clients: {wrong:?}"
    );
    progress.note(format!("{} planted changes are told apart", PLANTED.len()));
    Ok(())
}

fn version_of(document: &Path) -> Result<Version> {
    let text = fs::read_to_string(document).context("could not read openapi.json")?;
    let document: Value = serde_json::from_str(&text).context("openapi.json is not JSON")?;
    let version = document["info"]["version"].as_str().unwrap_or_default();
    Version::parse(version).with_context(|| format!("{version:?} is no version"))
}

/// The program, built from the sources that the Go module proxy has.
struct Oasdiff(PathBuf);

impl Oasdiff {
    fn ready(context: &Context<'_>, progress: &Progress) -> Result<Self> {
        let go = context.python(progress)?.program("go");
        let folder = context.workspace.target.join("test-tools/oasdiff");
        fs::create_dir_all(&folder)
            .with_context(|| format!("could not create {}", folder.display()))?;
        // Two runs at once share the folder; the second waits, then finds everything there.
        let guard = File::create(folder.join("lock")).context("could not create a lock file")?;
        guard
            .lock()
            .context("could not lock the folder of oasdiff")?;
        let (program, stamp) = (folder.join("oasdiff"), folder.join("version"));
        let current = fs::read_to_string(&stamp).is_ok_and(|version| version == OASDIFF);
        if !current || !program.exists() {
            progress.note(format!("go install {OASDIFF}"));
            let mut install = Command::new(go);
            install
                .args(["install", OASDIFF])
                .env("GOBIN", &folder)
                .env("GOPATH", folder.join("go"))
                .env("GOFLAGS", "-modcacherw")
                .env("GOTOOLCHAIN", "local");
            run_logged(&mut install, &folder.join("go.log"), context.interrupt)?;
            fs::write(stamp, OASDIFF).context("could not write the stamp")?;
        }
        Ok(Self(program))
    }

    fn command(&self, what: &str, before: &Path, now: &Path) -> Command {
        let mut command = Command::new(&self.0);
        command.arg(what).arg(before).arg(now).args(ARGUMENTS);
        command
    }

    /// Whether the change breaks clients.
    fn breaks(&self, before: &Path, now: &Path, context: &Context<'_>) -> Result<bool> {
        let mut command = self.command("breaking", before, now);
        let silent = command.stdout(Stdio::null()).stderr(Stdio::null());
        match run(silent, context.interrupt)?.code() {
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            other => bail!("oasdiff failed ({other:?}) on {}", now.display()),
        }
    }

    /// Lets it tell what it found.
    fn show(&self, what: &str, before: &Path, now: &Path, context: &Context<'_>) -> Result<()> {
        run(&mut self.command(what, before, now), context.interrupt)?;
        Ok(())
    }
}
