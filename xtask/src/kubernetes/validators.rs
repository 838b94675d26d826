//! Programs that others wrote, and what each says about files of manifests.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::interrupt::Interrupt;
use crate::process::run_logged;
use crate::python::PythonTools;

/// The oldest version that is still in use somewhere, one between, and the newest.
const VERSIONS: [&str; 3] = ["1.31", "1.34", "1.37"];

/// Kinds without a published schema. Their definitions are in [`DEFINITIONS`], and the API
/// server's code holds them against those.
const CUSTOM: [&str; 4] = ["Gateway", "HTTPRoute", "ServiceMonitor", "PrometheusRule"];

/// Modules of Go that carry definitions of custom resources, and the folder in them.
const DEFINITIONS: [(&str, &str); 2] = [
    ("sigs.k8s.io/gateway-api@v1.6.3", "config/crd/standard"),
    (
        "github.com/prometheus-operator/prometheus-operator@v0.85.0",
        "example/prometheus-operator-crd",
    ),
];

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Eye {
    Yaml,
    Schemas,
    ApiServer,
    Scanner,
    Rules,
}

impl Eye {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Yaml => "yamllint",
            Self::Schemas => "schemas",
            Self::ApiServer => "API server",
            Self::Scanner => "checkov",
            Self::Rules => "rules",
        }
    }
}

/// What is wrong with a file, and who says so.
pub(crate) struct Finding {
    /// The name of the file without its extension.
    pub(crate) file: String,
    pub(crate) eye: Eye,
    pub(crate) what: String,
}

/// The programs, ready to run.
pub(crate) struct Validators {
    yamllint: PathBuf,
    schemas: PathBuf,
    checkov: PathBuf,
    api_server: PathBuf,
    definitions: Vec<PathBuf>,
    /// Holds the names in the files only, as the rest is the renderer's.
    yamllint_rules: &'static str,
}

impl Validators {
    /// Builds the API server's part of it: minutes the first time, seconds from then on.
    pub(crate) fn ready(
        root: &Path,
        folder: &Path,
        go: &Path,
        python: &PythonTools,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let api_server = folder.join("k8s-validate");
        let mut build = Command::new(go);
        build
            .args(["build", "-trimpath", "-o"])
            .arg(&api_server)
            .arg(".")
            .current_dir(root.join("k8s/validate"));
        run_logged(&mut build, &folder.join("go.log"), interrupt)?;
        let mut definitions = Vec::new();
        for (module, inside) in DEFINITIONS {
            let mut download = Command::new(go);
            download
                .args(["mod", "download", "-json", module])
                .current_dir(folder);
            let answer: Value = serde_json::from_str(&succeed(&mut download)?)
                .with_context(|| format!("go has no answer about {module}"))?;
            let home = answer["Dir"].as_str().context("the module has no folder")?;
            definitions.push(Path::new(home).join(inside));
        }
        Ok(Self {
            yamllint: python.program("yamllint"),
            schemas: python.program("kubernetes-validate"),
            checkov: python.program("checkov"),
            api_server,
            definitions,
            yamllint_rules: "{rules: {key-duplicates: enable}}",
        })
    }

    /// Everything that any of them finds. The files are those of `folder`.
    pub(crate) fn look(&self, folder: &Path, files: &[PathBuf]) -> Result<Vec<Finding>> {
        let mut found = Vec::new();
        self.yaml(files, &mut found)?;
        for version in VERSIONS {
            self.schemas(version, files, &mut found)?;
        }
        self.api_server(files, &mut found)?;
        self.scan(folder, &mut found)?;
        Ok(found)
    }

    fn yaml(&self, files: &[PathBuf], found: &mut Vec<Finding>) -> Result<()> {
        let mut command = Command::new(&self.yamllint);
        command
            .args(["-f", "parsable", "-d", self.yamllint_rules])
            .args(files);
        let output = output(&mut command)?;
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let (path, what) = line.split_once(".yaml:").unwrap_or(("", line));
            found.push(finding(Eye::Yaml, path, what));
        }
        Ok(())
    }

    /// A schema that doesn't exist is a mere warning there, and a misspelt kind would pass.
    fn schemas(&self, version: &str, files: &[PathBuf], found: &mut Vec<Finding>) -> Result<()> {
        let mut command = Command::new(&self.schemas);
        command.args(["--strict", "-k", version]).args(files);
        let output = output(&mut command)?;
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        let mut passed = 0;
        for line in said.lines() {
            let mut words = line.splitn(3, ' ');
            let (level, path, what) = (words.next(), words.next(), words.next());
            let (Some(level), Some(path), Some(what)) = (level, path, what) else {
                bail!("kubernetes-validate says {line:?}");
            };
            let custom = what
                .strip_prefix("Couldn't find schema for kind ")
                .is_some_and(|rest| CUSTOM.contains(&rest.split(' ').next().unwrap_or_default()));
            match level {
                "INFO" => passed += 1,
                "WARN" if custom => {}
                "WARN" | "ERROR" => found.push(finding(Eye::Schemas, path, what)),
                _ => bail!("kubernetes-validate says {said}"),
            }
        }
        ensure!(passed > 0, "kubernetes-validate looked at nothing: {said}");
        Ok(())
    }

    fn api_server(&self, files: &[PathBuf], found: &mut Vec<Finding>) -> Result<()> {
        let mut command = Command::new(&self.api_server);
        for folder in &self.definitions {
            command.arg("-crds").arg(folder);
        }
        let output = output(command.args(files))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let Some((lines, _)) = said.trim_end().rsplit_once('\n').or(Some(("", &said))) else {
            return Ok(());
        };
        let refused = said.trim_end().ends_with(" refused");
        ensure!(
            refused,
            "the API server's code says {said}{}",
            complaints(&output)
        );
        let mut lines = lines.lines().peekable();
        while let Some(line) = lines.next() {
            let (path, what) = line.split_once(".yaml: ").unwrap_or(("", line));
            // An error may have more lines than one: those that name no file belong to it.
            while lines.next_if(|line| !line.contains(".yaml: ")).is_some() {}
            found.push(finding(Eye::ApiServer, path, what));
        }
        ensure!(
            output.status.success() != found.iter().any(|one| one.eye == Eye::ApiServer),
            "the API server's code says {said}"
        );
        Ok(())
    }

    fn scan(&self, folder: &Path, found: &mut Vec<Finding>) -> Result<()> {
        let mut command = Command::new(&self.checkov);
        command.args(["--framework", "kubernetes", "--skip-download", "--quiet"]);
        command
            .args(["--soft-fail", "-o", "json", "-d"])
            .arg(folder);
        let report: Value = serde_json::from_str(&succeed(&mut command)?)
            .context("checkov printed something odd")?;
        let looked = report["summary"]["resource_count"].as_u64();
        ensure!(
            looked.is_some_and(|count| count > 0),
            "checkov looked at nothing"
        );
        let results = &report["results"];
        for one in results["failed_checks"].as_array().into_iter().flatten() {
            let text = |member: &str| one[member].as_str().unwrap_or_default();
            let what = format!(
                "{} {}: {}",
                text("check_id"),
                text("resource"),
                text("check_name")
            );
            found.push(finding(Eye::Scanner, text("file_path"), &what));
        }
        for path in results["parsing_errors"].as_array().into_iter().flatten() {
            let path = path.as_str().unwrap_or_default();
            found.push(finding(Eye::Scanner, path, "it can't be read"));
        }
        Ok(())
    }
}

/// Style of what people write: manifests, scripts and the Dockerfile.
pub(crate) fn lint_sources(root: &Path, python: &PythonTools) -> Result<()> {
    let k8s = root.join("k8s");
    let mut yaml = Command::new(python.program("yamllint"));
    yaml.args(["--strict", "-c"])
        .arg(k8s.join(".yamllint.yaml"))
        .arg(&k8s);
    succeed(&mut yaml)?;
    let mut scripts = Command::new(python.program("shellcheck"));
    let local = k8s.join("overlays/local");
    scripts.args([local.join("secrets.sh"), local.join("create-role.sh")]);
    succeed(&mut scripts)?;
    let mut dockerfile = Command::new(python.program("hadolint"));
    dockerfile.arg("--no-color").arg(root.join("Dockerfile"));
    succeed(&mut dockerfile)?;
    let mut dockerfile = Command::new(python.program("checkov"));
    dockerfile.args(["--framework", "dockerfile", "--skip-download", "--compact"]);
    dockerfile
        .arg("--quiet")
        .arg("-f")
        .arg(root.join("Dockerfile"));
    succeed(&mut dockerfile)?;
    Ok(())
}

/// How many files each eye found something in.
pub(crate) fn count(found: &[Finding]) -> BTreeMap<Eye, usize> {
    let mut counts = BTreeMap::new();
    for one in found {
        *counts.entry(one.eye).or_default() += 1;
    }
    counts
}

fn finding(eye: Eye, path: &str, what: &str) -> Finding {
    let name = Path::new(path).file_name().unwrap_or(OsStr::new(path));
    let name = name.to_string_lossy();
    Finding {
        file: name.trim_end_matches(".yaml").to_owned(),
        eye,
        what: what.to_owned(),
    }
}

fn output(command: &mut Command) -> Result<Output> {
    let program = command.get_program().to_owned();
    command
        .output()
        .with_context(|| format!("could not run {}", program.display()))
}

/// What a program prints that must not fail.
fn succeed(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{} failed:\n{said}{}",
        command.get_program().display(),
        complaints(&output)
    );
    Ok(said)
}

fn complaints(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Empties a folder, so that nothing of an earlier run is looked at.
pub(crate) fn fresh_folder(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).with_context(|| format!("could not empty {}", path.display()))?;
    }
    fs::create_dir_all(path).with_context(|| format!("could not create {}", path.display()))
}
