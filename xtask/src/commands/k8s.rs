//! `cargo xtask k8s`

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::interrupt::Interrupt;
use crate::kubernetes::faults::FAULTS;
use crate::kubernetes::rules::{self, Facts};
use crate::kubernetes::validators::{self, Eye, Finding, Validators};
use crate::kubernetes::variants::{self, Variant};
use crate::progress::Progress;
use crate::python::{MANIFESTS, PythonTools, go};
use crate::tools::{Purpose, Tools};
use crate::workspace::Workspace;

/// Checks the manifests in `k8s`, in every combination of overlay and components.
///
/// Renders them with kubectl; holds them against the schemas of three versions of Kubernetes,
/// against the code of an API server, a security scanner and rules of our own; then plants mistakes
/// and fails when one is not noticed. Programs are installed into the build folder.
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask k8s                      everything
  cargo xtask k8s --no-faults          without planting mistakes
  cargo xtask k8s --rendered out       also leave the rendered manifests in a folder")]
pub(crate) struct K8s {
    /// Don't plant mistakes
    #[arg(long)]
    no_faults: bool,
    /// Write the rendered manifests into this folder
    #[arg(long, value_name = "FOLDER")]
    rendered: Option<PathBuf>,
    /// Never install anything, even where it would be possible
    #[arg(long)]
    no_install: bool,
}

impl K8s {
    pub(crate) fn run(&self, interrupt: &Interrupt) -> Result<()> {
        let mut progress = Progress::start();
        let workspace = Workspace::locate()?;
        let tools = progress.phase("programs", |progress| {
            Tools::ready(Purpose::Manifests, !self.no_install, progress, interrupt)
        })?;
        let python = progress.phase("python", |progress| {
            PythonTools::ready(MANIFESTS, &workspace, &tools, progress, interrupt)
        })?;
        progress.phase("sources", |_| {
            validators::lint_sources(&workspace.root, &python)
        })?;
        // Scanners pass by hidden folders, which a nameless temporary one would be.
        let work = tempfile::Builder::new().prefix("tokenhouse-k8s-").tempdir();
        let work = work.context("could not make a temporary folder")?;
        let variants = progress.phase("rendering", |_| {
            let kubectl = python.program("kubectl");
            variants::render_all(&workspace.root, work.path(), &kubectl, interrupt)
        })?;
        if let Some(folder) = &self.rendered {
            write_all(folder, &variants)?;
        }
        let validators = progress.phase("the API server's code", |progress| {
            let go = go(&workspace, &tools, progress, interrupt)?;
            let folder = workspace.target.join("test-tools");
            Validators::ready(&workspace.root, &folder, &go, &python, interrupt)
        })?;
        let facts = Facts::read(&workspace.root)?;
        let mut seen = BTreeSet::new();
        progress.phase("checks", |progress| {
            check(
                &validators,
                &facts,
                &work.path().join("good"),
                &variants,
                &mut seen,
                progress,
            )
        })?;
        if !self.no_faults {
            progress.phase("planted mistakes", |progress| {
                plant(
                    &validators,
                    &facts,
                    &work.path().join("bad"),
                    &variants,
                    &mut seen,
                    progress,
                )
            })?;
        }
        progress.summary(&format!("{} variants are good", variants.len()));
        Ok(())
    }
}

fn write_all(folder: &Path, variants: &[Variant]) -> Result<Vec<PathBuf>> {
    validators::fresh_folder(folder)?;
    variants
        .iter()
        .map(|variant| variant.write(folder))
        .collect()
}

/// What everybody says, the rules among them.
fn look(
    validators: &Validators,
    facts: &Facts,
    folder: &Path,
    variants: &[Variant],
    seen: &mut BTreeSet<String>,
) -> Result<Vec<Finding>> {
    let new: Vec<Variant> = variants
        .iter()
        .filter_map(|variant| variant.unseen(seen))
        .collect();
    let files = write_all(folder, &new)?;
    let mut found = validators.look(folder, &files)?;
    for variant in variants {
        // A mistake may leave nothing that could be parsed; that others notice.
        for what in rules::problems(variant, facts).unwrap_or_default() {
            found.push(Finding {
                file: variant.name.clone(),
                eye: Eye::Rules,
                what,
            });
        }
    }
    Ok(found)
}

fn check(
    validators: &Validators,
    facts: &Facts,
    folder: &Path,
    variants: &[Variant],
    seen: &mut BTreeSet<String>,
    progress: &Progress,
) -> Result<()> {
    for variant in variants {
        rules::problems(variant, facts).with_context(|| variant.name.clone())?;
    }
    let mut lines = BTreeSet::new();
    for one in look(validators, facts, folder, variants, seen)? {
        lines.insert(format!("{}: {} ({})", one.eye.name(), one.what, one.file));
    }
    for name in rules::unreachable_settings(variants, facts)? {
        lines.insert(format!(
            "rules: {name} has no place: add it to k8s/base/settings.env, or mount it"
        ));
    }
    let all: Vec<_> = lines.into_iter().collect();
    ensure!(
        all.is_empty(),
        "the manifests are not good:\n{}",
        all.join("\n")
    );
    progress.note(format!("{} variants, nothing found", variants.len()));
    Ok(())
}

/// Plants every mistake, prints who noticed, and fails where those did not who have to.
fn plant(
    validators: &Validators,
    facts: &Facts,
    folder: &Path,
    variants: &[Variant],
    seen: &mut BTreeSet<String>,
    progress: &Progress,
) -> Result<()> {
    let planted = FAULTS
        .iter()
        .map(|fault| fault.plant(variants))
        .collect::<Result<Vec<_>>>()?;
    let found = look(validators, facts, folder, &planted, seen)?;
    let mut noticed: BTreeMap<&str, BTreeSet<Eye>> = BTreeMap::new();
    for one in &found {
        noticed.entry(&one.file).or_default().insert(one.eye);
    }
    let mut table = String::new();
    let mut missed = Vec::new();
    for (fault, variant) in FAULTS.iter().zip(&planted) {
        let by = noticed.remove(variant.name.as_str()).unwrap_or_default();
        let names: Vec<_> = by.iter().map(|eye| eye.name()).collect();
        writeln!(table, "{:<36} {}", fault.name, names.join(", "))?;
        for eye in fault.noticed_by {
            if !by.contains(eye) {
                missed.push(format!("{} was not noticed by {}", fault.name, eye.name()));
            }
        }
    }
    std::io::stdout()
        .write_all(table.as_bytes())
        .context("could not print the table")?;
    ensure!(missed.is_empty(), "{}", missed.join("\n"));
    let counts: Vec<_> = validators::count(&found)
        .into_iter()
        .map(|(eye, count)| format!("{} {count}", eye.name()))
        .collect();
    progress.note(format!(
        "{} mistakes, all noticed; findings: {}",
        FAULTS.len(),
        counts.join(", ")
    ));
    Ok(())
}
