//! `cargo xtask clients`

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::clients::{LANGUAGES, Language, STEPS, Workshop};
use crate::interrupt::{Interrupt, Interrupted};
use crate::progress::Progress;
use crate::python;
use crate::services::Tokenhouse;
use crate::tools::{Purpose, Tools};
use crate::workspace::Workspace;

/// Generates typed clients from openapi/openapi.json and runs each against a live server.
///
/// Gets the generators' packages into the build folder, generates, compiles as strictly as the
/// language can, and runs the story of openapi/clients/LANGUAGE and the line of the README. A
/// warning of the compiler is a failure.
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask clients              all languages
  cargo xtask clients go rust      some of them

What was generated, and what each step printed, stays in target/openapi/clients/<language>.")]
pub(crate) struct Clients {
    /// The languages; all when there is none
    #[arg(value_parser = PossibleValuesParser::new(LANGUAGES.iter().map(|one| one.name)))]
    languages: Vec<String>,
    /// Never install anything, even where it would be possible
    #[arg(long)]
    no_install: bool,
}

/// What came of one language.
struct Row {
    language: &'static Language,
    generator: String,
    outcome: Result<usize>,
    took: Duration,
}

impl Clients {
    pub(crate) fn run(&self, interrupt: &Interrupt) -> Result<()> {
        let mut progress = Progress::start();
        let workspace = Workspace::locate()?;
        let chosen: Vec<&'static Language> = LANGUAGES
            .iter()
            .filter(|one| self.languages.is_empty() || self.languages.iter().any(|n| n == one.name))
            .collect();
        let needs: Vec<_> = chosen.iter().flat_map(|one| one.needs).copied().collect();
        let tools = progress.phase("programs", |progress| {
            let purpose = Purpose::Clients(&needs);
            Tools::ready(purpose, !self.no_install, progress, interrupt)
        })?;
        let go = progress.phase("go", |progress| {
            let wanted = chosen.iter().any(|one| one.name == "go");
            let go = wanted.then(|| python::go(&workspace, &tools, progress, interrupt));
            go.transpose()
        })?;
        let binary = progress.phase("build", |progress| {
            workspace.build_server(progress, interrupt)
        })?;
        let guard = copy_document(&workspace)?;
        let mut server = progress.phase("server", |progress| {
            Tokenhouse::start(&binary, None, &tools, progress, interrupt)
        })?;
        let mut rows = Vec::new();
        for language in chosen {
            let started = Instant::now();
            let workshop = Workshop {
                language,
                workspace: &workspace,
                server: &server,
                go: go.as_deref().and_then(Path::parent),
                interrupt,
            };
            let generator = workshop.generator()?;
            let outcome = progress.phase(language.name, |progress| workshop.run(progress));
            if let Err(error) = &outcome {
                if error.is::<Interrupted>() {
                    return outcome.map(|_| ());
                }
                progress.note(format!("{} FAILED: {error:#}", language.name));
            }
            rows.push(Row {
                language,
                generator,
                outcome,
                took: started.elapsed(),
            });
            server.check()?;
        }
        drop((server, guard));
        print_table(&rows)?;
        let failed: Vec<&str> = rows
            .iter()
            .filter(|row| row.outcome.is_err())
            .map(|row| row.language.name)
            .collect();
        progress.summary(if failed.is_empty() {
            "clients done"
        } else {
            "clients FAILED"
        });
        if failed.is_empty() {
            return Ok(());
        }
        bail!("failed: {}", failed.join(", "))
    }
}

/// Puts the document where the languages' settings look for it. The file that is returned keeps a
/// second run waiting.
fn copy_document(workspace: &Workspace) -> Result<File> {
    let folder = workspace.target.join("openapi");
    fs::create_dir_all(&folder)
        .with_context(|| format!("could not create {}", folder.display()))?;
    let guard = File::create(folder.join("lock")).context("could not create a lock file")?;
    guard
        .lock()
        .context("could not lock the folder of clients")?;
    let document = workspace.root.join("openapi/openapi.json");
    crate::clients::copy_if_changed(&document, &folder.join("openapi.json"))?;
    Ok(guard)
}

fn print_table(rows: &[Row]) -> Result<()> {
    let mut table = format!(
        "{:<11} {:<29} {:<39} {:>6} {:>8}\n",
        "language", "generator", "compiled with", "steps", "seconds"
    );
    for row in rows {
        let steps = match &row.outcome {
            Ok(taken) => format!("{taken}/{}", STEPS.len()),
            Err(_) => "FAILED".to_owned(),
        };
        table.push_str(&format!(
            "{:<11} {:<29} {:<39} {steps:>6} {:>8.1}\n",
            row.language.name,
            row.generator,
            row.language.strictness,
            row.took.as_secs_f64()
        ));
    }
    let mut out = std::io::stdout();
    out.write_all(table.as_bytes())
        .context("could not print the table")
}
