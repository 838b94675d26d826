//! Every combination of overlay and components, rendered as an operator would.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_yaml::Value;

use super::examples;
use crate::interrupt::Interrupt;
use crate::process::run_logged;

/// What leads requests to the server. Nobody takes both at once.
const ROUTES: [Option<&str>; 3] = [None, Some("ingress"), Some("gateway")];

/// What may be added or left out one by one.
const OPTIONAL: [&str; 5] = [
    "redis",
    "smtp",
    "service-monitor",
    "prometheus-rule",
    "traces",
];

/// A rendered combination.
pub(crate) struct Variant {
    /// `local`, or `production` and its components, or `production-` and an overlay of the guides.
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Variant {
    pub(crate) fn is_production(&self) -> bool {
        self.name.starts_with("production")
    }

    /// What of it nobody has looked at yet, with the namespace that it is in. Variants have most of
    /// their objects in common, and validators take their time for each.
    pub(crate) fn unseen(&self, seen: &mut BTreeSet<String>) -> Option<Self> {
        let documents: Vec<&str> = self.text.split("\n---\n").map(str::trim).collect();
        let is_namespace = |text: &str| text.contains("\nkind: Namespace\n");
        // Another namespace changes what its pods may do.
        let elsewhere = documents
            .iter()
            .any(|text| is_namespace(text) && !seen.contains(*text));
        let kept: Vec<&str> = documents
            .iter()
            .filter(|text| elsewhere || is_namespace(text) || !seen.contains(**text))
            .copied()
            .collect();
        let is_new = elsewhere || kept.iter().any(|text| !is_namespace(text));
        seen.extend(documents.iter().map(|text| (*text).to_owned()));
        is_new.then(|| Self {
            name: self.name.clone(),
            text: kept.join("\n---\n") + "\n",
        })
    }

    /// Writes it to where validators read it.
    pub(crate) fn write(&self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join(format!("{}.yaml", self.name));
        fs::write(&path, &self.text)
            .with_context(|| format!("could not write {}", path.display()))?;
        Ok(path)
    }
}

/// Renders the overlay `production` as it stands.
pub(crate) fn render_production(source: &Path, kubectl: &Path) -> Result<String> {
    render(kubectl, &source.join("overlays/production"))
}

/// Renders all of them from a copy of `root`'s manifests, in which the line of components is changed
/// as the operator would change it; then the overlays that the guides tell operators to make.
pub(crate) fn render_all(
    root: &Path,
    work: &Path,
    kubectl: &Path,
    interrupt: &Interrupt,
) -> Result<Vec<Variant>> {
    let source = root.join("k8s");
    ensure_all_components_are_known(&source.join("components"))?;
    let copy = work.join("k8s");
    for part in ["base", "components", "transformers", "overlays"] {
        copy_folder(&source.join(part), &copy.join(part))?;
    }
    let mut make_secrets = Command::new(copy.join("overlays/local/secrets.sh"));
    run_logged(&mut make_secrets, &work.join("secrets.log"), interrupt)?;

    let mut variants = vec![Variant {
        name: "local".to_owned(),
        text: render(kubectl, &copy.join("overlays/local"))?,
    }];
    let production = copy.join("overlays/production");
    // As it stands, before anything is changed in it.
    variants.push(Variant {
        name: "production-as-it-is".to_owned(),
        text: render(kubectl, &production)?,
    });
    let files = examples::in_guides(&root.join("docs/operate"))?;
    for name in examples::write(&files, work)? {
        let overlay = copy.join("overlays").join(&name);
        let text = render(kubectl, &overlay)?;
        examples::ensure_settings_hold(&files, &name, &text)?;
        variants.push(Variant {
            name: format!("production-{name}"),
            text,
        });
    }
    for components in combinations() {
        interrupt.check()?;
        set_components(&production.join("kustomization.yaml"), &components)?;
        let name: Vec<&str> = ["production"].into_iter().chain(components).collect();
        variants.push(Variant {
            name: name.join("+"),
            text: render(kubectl, &production)?,
        });
    }
    Ok(variants)
}

fn combinations() -> Vec<Vec<&'static str>> {
    let mut all = Vec::new();
    for route in ROUTES {
        for chosen in 0..1_u32 << OPTIONAL.len() {
            let optional = OPTIONAL.iter().enumerate();
            let optional = optional.filter(|(bit, _)| chosen & (1 << bit) != 0);
            all.push(
                route
                    .into_iter()
                    .chain(optional.map(|(_, name)| *name))
                    .collect(),
            );
        }
    }
    all
}

/// A component that nobody combines would be one that nobody looks at.
fn ensure_all_components_are_known(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).context("could not read the components")? {
        let name = entry.context("could not read the components")?.file_name();
        let name = name.to_string_lossy();
        let known = OPTIONAL.contains(&name.as_ref()) || ROUTES.contains(&Some(name.as_ref()));
        ensure!(
            known,
            "the component {name} is missing in xtask/src/kubernetes/variants.rs"
        );
    }
    Ok(())
}

fn set_components(kustomization: &Path, components: &[&str]) -> Result<()> {
    let text = fs::read_to_string(kustomization).context("could not read the overlay")?;
    let mut value: Value = serde_yaml::from_str(&text).context("the overlay is not YAML")?;
    let paths: Vec<Value> = components
        .iter()
        .map(|name| Value::from(format!("../../components/{name}")))
        .collect();
    value["components"] = Value::from(paths);
    let text = serde_yaml::to_string(&value).context("could not print the overlay")?;
    fs::write(kustomization, text).context("could not write the overlay")
}

fn render(kubectl: &Path, overlay: &Path) -> Result<String> {
    let output = Command::new(kubectl)
        .arg("kustomize")
        .arg(overlay)
        .output()
        .context("could not run kubectl")?;
    let complaints = String::from_utf8_lossy(&output.stderr);
    // Warnings are about what the next version won't understand.
    ensure!(
        output.status.success() && complaints.trim().is_empty(),
        "kubectl kustomize {}: {complaints}",
        overlay.display()
    );
    String::from_utf8(output.stdout).context("kubectl printed something odd")
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("could not create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("could not read {}", from.display()))? {
        let entry = entry.context("could not read a folder")?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        // Secrets of a developer's own cluster stay where they are.
        if entry.file_name() == "secrets" {
            continue;
        }
        if source.is_dir() {
            copy_folder(&source, &target)?;
        } else {
            fs::copy(&source, &target)
                .with_context(|| format!("could not copy {}", source.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_that_are_new_are_kept_with_their_namespace() {
        let variant = |text: &str| Variant {
            name: "a".to_owned(),
            text: text.to_owned(),
        };
        let space = |level: &str| format!("apiVersion: v1\nkind: Namespace\nlevel: {level}");
        let first = format!("{}\n---\none: 1\n---\ntwo: 2\n", space("x"));
        let mut seen = BTreeSet::new();
        let unseen = |text: &str, seen: &mut BTreeSet<String>| {
            variant(text).unseen(seen).map(|variant| variant.text)
        };
        assert_eq!(unseen(&first, &mut seen), Some(first.clone()));
        assert_eq!(unseen(&first, &mut seen), None);
        let second = first.replace("two: 2", "two: 3");
        let expected = format!("{}\n---\ntwo: 3\n", space("x"));
        assert_eq!(unseen(&second, &mut seen), Some(expected));
        let third = first.replace("level: x", "level: y");
        assert_eq!(
            unseen(&third, &mut seen),
            Some(third.clone()),
            "all its pods"
        );
    }

    #[test]
    fn every_combination_is_there_once_and_no_two_routes_meet() {
        let all = combinations();
        let distinct: BTreeSet<_> = all.iter().collect();
        assert_eq!((all.len(), distinct.len()), (96, 96));
        assert!(
            !all.iter()
                .any(|one| one.contains(&"ingress") && one.contains(&"gateway"))
        );
    }
}
