//! The languages: what each is generated, compiled and run with.

use anyhow::{Context, Result};

use super::{CLEAR_WITH_NULL, STEPS};
use crate::needs::{JAVAC, MAVEN, NODE, NPM, NPX, Need, PYTHON};

/// A language and its generator. Commands are words with spaces between, run in the language's
/// folder, where programs of its own packages come first.
pub(crate) struct Language {
    /// Its folder, and what it is called on the command line.
    pub(crate) name: &'static str,
    pub(crate) generator: &'static str,
    /// Where the generator's version is pinned: a file, and the text before the version.
    pin: (&'static str, &'static str),
    /// What the compiler is told, for the table.
    pub(crate) strictness: &'static str,
    pub(crate) needs: &'static [Need],
    /// Gets the packages, anew when the file that pins them has changed.
    pub(crate) install: Install,
    /// What the generator makes, removed before it runs.
    pub(crate) generated: &'static [&'static str],
    pub(crate) generate: &'static [&'static str],
    pub(crate) compile: &'static [&'static str],
    pub(crate) story: &'static str,
    /// Steps that the generated client can't take.
    cannot: &'static [&'static str],
    /// What the line of the README leaves behind; none where it is what `compile` runs.
    pub(crate) readme: Option<Readme>,
}

pub(crate) struct Install {
    /// The file that pins all packages.
    pub(crate) lock: &'static str,
    pub(crate) commands: &'static [&'static str],
}

/// A line of the README's section.
pub(crate) struct Readme {
    /// The comment above it.
    pub(crate) title: &'static str,
    /// What it makes.
    pub(crate) makes: &'static str,
}

impl Language {
    /// The steps of its story.
    pub(crate) fn steps(&self) -> Vec<&'static str> {
        let can = |step: &&str| !self.cannot.contains(step);
        STEPS.iter().copied().filter(can).collect()
    }

    /// The generator's version, out of the text of the file that pins it.
    pub(crate) fn version<'a>(&self, pins: &'a str) -> Result<&'a str> {
        let (file, before) = self.pin;
        let (_, rest) = pins
            .split_once(before)
            .with_context(|| format!("{file} does not pin {}", self.generator))?;
        let rest = rest.trim_start_matches(|c: char| !c.is_ascii_digit());
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        Ok(&rest[..end.unwrap_or(rest.len())])
    }

    pub(crate) fn pin_file(&self) -> &'static str {
        self.pin.0
    }
}

/// In the order in which they are run.
pub(crate) const LANGUAGES: &[Language] = &[
    Language {
        name: "typescript",
        generator: "@hey-api/openapi-ts",
        pin: ("package.json", "\"@hey-api/openapi-ts\": "),
        strictness: "tsc --strict, noUncheckedIndexedAccess",
        needs: &[NODE, NPM, NPX],
        install: Install {
            lock: "package-lock.json",
            commands: &["npm ci --ignore-scripts --no-audit --no-fund"],
        },
        generated: &["generated", "out"],
        generate: &[
            "openapi-ts",
            "openapi-typescript ../../openapi.json -o generated/paths.ts",
        ],
        compile: &["tsc"],
        story: "node out/story.js",
        cannot: &[],
        readme: Some(Readme {
            title: "# TypeScript",
            makes: "tokenhouse-ts/sdk.gen.ts",
        }),
    },
    Language {
        name: "python",
        generator: "openapi-python-client",
        pin: ("requirements.txt", "openapi-python-client=="),
        strictness: "mypy --strict",
        needs: &[PYTHON],
        install: Install {
            lock: "requirements.txt",
            commands: &[
                "python3 -m venv --clear venv",
                "python -m pip install --disable-pip-version-check -q -r requirements.txt",
            ],
        },
        generated: &["tokenhouse_client"],
        generate: &[
            "openapi-python-client generate --path ../../openapi.json --config config.yaml \
             --meta none --output-path tokenhouse_client --overwrite --fail-on-warning",
        ],
        compile: &["mypy --strict story.py tokenhouse_client"],
        story: "python story.py",
        cannot: &[],
        readme: Some(Readme {
            title: "# Python",
            makes: "tokenhouse-client/tokenhouse_client/client.py",
        }),
    },
    Language {
        name: "go",
        generator: "oapi-codegen",
        pin: ("go.mod", "oapi-codegen/oapi-codegen/v2 v"),
        strictness: "go vet",
        // Where the machine's Go is too old or missing, Python's packages have one.
        needs: &[PYTHON],
        install: Install {
            lock: "go.sum",
            commands: &["go mod download"],
        },
        generated: &["tokenhouse/client.gen.go"],
        generate: &["go tool oapi-codegen -config oapi-codegen.yaml ../../openapi.json"],
        compile: &["go vet ./...", "go build -o story ."],
        story: "./story",
        cannot: &[],
        readme: Some(Readme {
            title: "# Go",
            makes: "tokenhouse.go",
        }),
    },
    Language {
        name: "java",
        generator: "openapi-generator",
        pin: (
            "pom.xml",
            "<artifactId>openapi-generator-maven-plugin</artifactId>",
        ),
        strictness: "-Xlint:all,-deprecation,-serial -Werror",
        needs: &[JAVAC, MAVEN],
        install: Install {
            lock: "pom.xml",
            commands: &[],
        },
        generated: &["target/generated"],
        generate: &["mvn -B -q generate-sources"],
        compile: &["mvn -B -q test-compile"],
        story: "java -cp target/test-classes:target/classes:target/dependency/* Story",
        cannot: &[],
        readme: Some(Readme {
            title: "# Java",
            makes: "tokenhouse-java/pom.xml",
        }),
    },
    Language {
        name: "rust",
        generator: "progenitor",
        pin: ("Cargo.toml", "progenitor = { version = "),
        strictness: "rustc -D warnings",
        needs: &[],
        install: Install {
            lock: "Cargo.lock",
            commands: &["cargo fetch --locked"],
        },
        // The build script makes it anew when the document has changed.
        generated: &[],
        generate: &[],
        compile: &["cargo build --locked --target-dir target"],
        story: "target/debug/story",
        // To its types, null and absent are the same.
        cannot: &[CLEAR_WITH_NULL],
        readme: None,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_language_pins_its_generator() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../openapi/clients");
        for language in LANGUAGES {
            let path = folder.join(language.name).join(language.pin_file());
            let text = std::fs::read_to_string(path).expect("the file is there");
            let version = language.version(&text).expect("a version");
            assert!(
                version.split('.').count() == 3,
                "{}: {version}",
                language.name
            );
        }
    }

    #[test]
    fn lock_files_name_no_registry_host() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../openapi/clients");
        let text = std::fs::read_to_string(folder.join("typescript/package-lock.json"))
            .expect("the file is there");
        assert!(
            !text.contains("\"resolved\""),
            "npm's host is of no concern here"
        );
    }

    #[test]
    fn a_step_that_a_client_cannot_take_is_one_of_the_story() {
        for language in LANGUAGES {
            assert_eq!(language.steps().len() + language.cannot.len(), STEPS.len());
        }
    }
}
