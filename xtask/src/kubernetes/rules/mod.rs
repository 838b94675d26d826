//! What no general validator can know: how our objects belong together, and what the server wants.

mod network;
mod outgoing;
mod pods;
mod references;
mod settings;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::manifest::Manifest;
use super::variants::Variant;

/// What the rules hold the manifests against.
pub(crate) struct Facts {
    /// Names of the server's settings, from its own source.
    settings: BTreeSet<String>,
    /// What tells operators which objects they have to bring.
    guide: String,
}

impl Facts {
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let read = |path: &str| {
            fs::read_to_string(root.join(path)).with_context(|| format!("could not read {path}"))
        };
        Ok(Self {
            settings: settings_in(&read("docs/operate/settings.md")?)?,
            guide: read("docs/operate/install.md")?,
        })
    }
}

/// Reads the names off the page, which a test of the server holds to its code: so this small program
/// needn't compile the server.
fn settings_in(page: &str) -> Result<BTreeSet<String>> {
    let name = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    let names: BTreeSet<String> = page.lines().filter_map(name).collect();
    ensure!(names.len() > 5, "the page names no settings: {names:?}");
    Ok(names)
}

/// Everything that is wrong with a variant.
pub(crate) fn problems(variant: &Variant, facts: &Facts) -> Result<Vec<String>> {
    let manifest = Manifest::parse(&variant.text)?;
    let mut found = Vec::new();
    references::check(&manifest, facts, &mut found);
    pods::check(&manifest, variant.is_production(), &mut found);
    network::check(&manifest, &mut found)?;
    settings::check(&manifest, facts, &mut found)?;
    Ok(found)
}

/// Settings that no variant gives a place.
pub(crate) fn unreachable_settings(variants: &[Variant], facts: &Facts) -> Result<Vec<String>> {
    let mut missing = facts.settings.clone();
    // Only `dev` keeps data in a folder.
    missing.remove("TOKENHOUSE_DATA_DIR");
    for variant in variants {
        for name in settings::named(&Manifest::parse(&variant.text)?) {
            missing.remove(name.strip_suffix("_FILE").unwrap_or(&name));
        }
    }
    Ok(missing.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_off_the_table_alone() {
        let page = "# Settings\n`TOKENHOUSE_Z` is in the text.\n| setting | |\n|---|---|\n\
            | `TOKENHOUSE_A` | not `TOKENHOUSE_B` |\n| `TOKENHOUSE_C` | |\n| `TOKENHOUSE_D` | |\n\
            | `TOKENHOUSE_E` | |\n| `TOKENHOUSE_F` | |\n| `TOKENHOUSE_G` | |\n";
        let names = settings_in(page).expect("the table is there");
        let expected = ["A", "C", "D", "E", "F", "G"].map(|name| format!("TOKENHOUSE_{name}"));
        assert_eq!(names, BTreeSet::from(expected));
        assert!(settings_in("nothing").is_err());
    }

    /// Two formats of one thing: `rule_files` of Prometheus, and the object of its operator.
    #[test]
    fn the_operators_rule_has_the_alerts_of_the_file() {
        let read = |text: &str| -> serde_yaml::Value { serde_yaml::from_str(text).expect("YAML") };
        let file = read(include_str!("../../../../k8s/monitoring/alerts.yaml"));
        let object = read(include_str!(
            "../../../../k8s/components/prometheus-rule/prometheus-rule.yaml"
        ));
        let (ours, theirs) = (&file["groups"], &object["spec"]["groups"]);
        assert_eq!(ours.as_sequence().map(Vec::len), Some(1));
        assert_eq!(
            ours[0], theirs[0],
            "copy the group from k8s/monitoring/alerts.yaml"
        );
    }
}
