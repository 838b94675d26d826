//! Files of manifests that the guides show: whoever copies one has to get something that works.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_yaml::Value;

/// What the first line of a block says when the block is a file.
const PLACE: &str = "# k8s/overlays/";

/// A file that a guide shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Example {
    /// The folder in `k8s/overlays`.
    overlay: String,
    name: String,
    text: String,
}

/// All that the guides in a folder show.
pub(super) fn in_guides(folder: &Path) -> Result<Vec<Example>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).context("could not read the guides")? {
        let path = entry.context("could not read the guides")?.path();
        let text = fs::read_to_string(&path)
            .with_context(|| format!("could not read {}", path.display()))?;
        found.extend(in_guide(&text).with_context(|| path.display().to_string())?);
    }
    ensure!(!found.is_empty(), "no guide shows an overlay");
    Ok(found)
}

fn in_guide(text: &str) -> Result<Vec<Example>> {
    let blocks = text.split("\n```yaml\n").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split_once("\n```").map(|(block, _)| block));
    blocks
        .filter(|block| block.starts_with(PLACE))
        .map(|block| {
            let line = block.lines().next().unwrap_or_default();
            let place = line.trim_start_matches(PLACE).split_once('/');
            let (overlay, name) = place.with_context(|| format!("{line:?} names no file"))?;
            Ok(Example {
                overlay: overlay.to_owned(),
                name: name.to_owned(),
                text: format!("{block}\n"),
            })
        })
        .collect()
}

/// Writes the files to where they say they are, below `root`; the overlays they make.
pub(super) fn write(examples: &[Example], root: &Path) -> Result<BTreeSet<String>> {
    for example in examples {
        let folder = root.join("k8s/overlays").join(&example.overlay);
        fs::create_dir_all(&folder)
            .with_context(|| format!("could not create {}", folder.display()))?;
        let file = folder.join(&example.name);
        ensure!(!file.exists(), "two guides show {}", file.display());
        fs::write(&file, &example.text)
            .with_context(|| format!("could not write {}", file.display()))?;
    }
    Ok(examples.iter().map(|one| one.overlay.clone()).collect())
}

/// What an overlay says of settings is what comes of it: a component, say, may override what stands beside it.
pub(super) fn ensure_settings_hold(
    examples: &[Example],
    overlay: &str,
    rendered: &str,
) -> Result<()> {
    let files = examples.iter().filter(|one| one.overlay == overlay);
    let file = files
        .into_iter()
        .find(|one| one.name == "kustomization.yaml");
    let file = file.with_context(|| format!("the overlay {overlay} has no kustomization"))?;
    let kustomization: Value = serde_yaml::from_str(&file.text)?;
    let objects: Vec<Value> = serde_yaml::Deserializer::from_str(rendered)
        .map(Value::deserialize)
        .collect::<Result<_, _>>()?;
    for (name, value) in settings_of(&kustomization)? {
        let given: Vec<_> = objects
            .iter()
            .filter(|object| object["kind"] == "ConfigMap")
            .filter_map(|map| map["data"][name.as_str()].as_str())
            .collect();
        ensure!(
            given == [value.as_str()],
            "the overlay {overlay} of a guide sets {name} to {value}, and renders {given:?}"
        );
    }
    Ok(())
}

/// Settings that a kustomization gives, as literals or by patching the ConfigMap.
fn settings_of(kustomization: &Value) -> Result<Vec<(String, String)>> {
    let list = |value: &Value| value.as_sequence().cloned().unwrap_or_default();
    let mut settings = Vec::new();
    for generator in list(&kustomization["configMapGenerator"]) {
        for literal in list(&generator["literals"]) {
            let pair = literal.as_str().and_then(|pair| pair.split_once('='));
            let (name, value) = pair.context("a literal is no NAME=value")?;
            settings.push((name.to_owned(), value.to_owned()));
        }
    }
    for patch in list(&kustomization["patches"]) {
        if patch["target"]["kind"] != "ConfigMap" {
            continue;
        }
        let operations: Value = serde_yaml::from_str(patch["patch"].as_str().unwrap_or_default())?;
        for operation in list(&operations) {
            let path = operation["path"].as_str();
            let name = path.and_then(|path| path.strip_prefix("/data/"));
            let name = name.context("a patch of settings is at no /data/NAME")?;
            let value = operation["value"].as_str();
            let value = value.context("the value of a setting is text")?;
            settings.push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUIDE: &str = "Make a file:\n\n```yaml\n# k8s/overlays/mine/kustomization.yaml\na: 1\n```\n\n\
                         ```yaml\nb: 2\n```\n\n```sh\n# k8s/overlays/mine/c\n```\n";

    #[test]
    fn a_block_that_says_where_it_belongs_is_a_file() {
        let found = in_guide(GUIDE).expect("the guide is fine");
        let only = Example {
            overlay: "mine".to_owned(),
            name: "kustomization.yaml".to_owned(),
            text: "# k8s/overlays/mine/kustomization.yaml\na: 1\n".to_owned(),
        };
        assert_eq!(found, [only]);
        let nameless = in_guide("\n```yaml\n# k8s/overlays/mine\n```\n");
        assert!(nameless.is_err(), "which file of the overlay");
    }

    #[test]
    fn files_are_written_once_to_where_they_say() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let examples = in_guide(GUIDE).expect("the guide is fine");
        let overlays = write(&examples, root.path()).expect("the folder is empty");
        assert_eq!(overlays, BTreeSet::from(["mine".to_owned()]));
        let file = root.path().join("k8s/overlays/mine/kustomization.yaml");
        assert!(file.exists());
        assert!(write(&examples, root.path()).is_err(), "it is there");
    }

    #[test]
    fn a_setting_that_something_overrides_is_told() {
        let literal = "configMapGenerator: [{name: s, literals: [A=mine, B=2]}]\n";
        let patch = "patches:\n  - target: {kind: ConfigMap}\n    patch: |-\n      \
                     - {op: replace, path: /data/A, value: mine}\n";
        let rendered =
            |a: &str| format!("kind: Service\n---\nkind: ConfigMap\ndata: {{A: {a}, B: \"2\"}}\n");
        for text in [literal, patch] {
            let example = Example {
                overlay: "o".to_owned(),
                name: "kustomization.yaml".to_owned(),
                text: text.to_owned(),
            };
            let holds = |a| ensure_settings_hold(std::slice::from_ref(&example), "o", &rendered(a));
            holds("mine").expect("it is what it says");
            let told = holds("theirs").expect_err("something overrides it");
            assert!(told.to_string().contains("theirs"), "{told}");
        }
        assert!(ensure_settings_hold(&[], "o", "kind: Service").is_err());
    }
}
