//! Files of manifests that the guides show: whoever copies one has to get something that works.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

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
}
