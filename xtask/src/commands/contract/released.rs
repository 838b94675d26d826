//! The documents of releases, and what a version allows to change.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// A version without pre-release: three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u64, u64, u64);

impl Version {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.split(['-', '+']).next()?;
        let mut numbers = text.split('.').map(|part| part.parse().ok());
        let version = Self(numbers.next()??, numbers.next()??, numbers.next()??);
        numbers.next().is_none().then_some(version)
    }

    /// Whether clients of `before` have to expect changes that break them: a new major version, or before
    /// 1.0 a new minor one (Semantic Versioning, §4 and §8).
    pub(super) fn may_break(self, before: Self) -> bool {
        self.0 > before.0 || (self.0 == 0 && before.0 == 0 && self.1 > before.1)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// The document of the last release.
pub(super) fn last(folder: &Path) -> Result<(Version, PathBuf)> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("could not read {}", folder.display()))?
        .flatten();
    let released = entries.filter_map(|entry| {
        let path = entry.path();
        let version = Version::parse(path.file_stem()?.to_str()?)?;
        (path.extension()? == "json").then_some((version, path))
    });
    released
        .max_by_key(|(version, _)| *version)
        .with_context(|| format!("{} has no document of a release", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).expect(text)
    }

    #[test]
    fn only_a_step_of_the_version_allows_to_break_clients() {
        for (before, now, may) in [
            ("0.1.0", "0.1.0", false),
            ("0.1.0", "0.1.1", false),
            ("0.1.0", "0.2.0", true),
            ("0.1.0", "1.0.0", true),
            ("1.0.0", "1.1.0", false),
            ("1.2.3", "2.0.0", true),
            ("0.2.0", "0.1.0", false),
        ] {
            assert_eq!(
                version(now).may_break(version(before)),
                may,
                "{before} {now}"
            );
        }
    }

    #[test]
    fn the_last_release_is_the_highest_version() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["0.9.0.json", "0.10.0.json", "README.md", "next.json"] {
            fs::write(folder.path().join(name), "{}").expect("files can be written");
        }
        let (found, path) = last(folder.path()).expect("there is one");
        assert_eq!(found, version("0.10.0"));
        assert!(path.ends_with("0.10.0.json"), "{path:?}");
        assert_eq!(Version::parse("1.0"), None);
    }
}
