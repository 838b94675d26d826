//! Which programs each command uses, and where they come from.

/// A program, and the Debian package that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
}

const REDIS: Need = Need {
    program: "redis-server",
    package: "redis-server",
};
pub(crate) const INITDB: Need = Need {
    program: "initdb",
    package: "postgresql",
};
const PG_ISREADY: Need = Need {
    program: "pg_isready",
    package: "postgresql",
};
const POSTGRES: Need = Need {
    program: "postgres",
    package: "postgresql",
};
pub(crate) const PSQL: Need = Need {
    program: "psql",
    package: "postgresql",
};
pub(crate) const NODE: Need = Need {
    program: "node",
    package: "nodejs",
};
pub(crate) const NPM: Need = Need {
    program: "npm",
    package: "npm",
};
pub(crate) const PYTHON: Need = Need {
    program: "python3",
    package: "python3-venv",
};
pub(crate) const NPX: Need = Need {
    program: "npx",
    package: "npm",
};
pub(crate) const JAVAC: Need = Need {
    program: "javac",
    package: "openjdk-17-jdk-headless",
};
pub(crate) const MAVEN: Need = Need {
    program: "mvn",
    package: "maven",
};
const CHROMIUM: Need = Need {
    program: "chromium",
    package: "chromium",
};
const SETPRIV: Need = Need {
    program: "setpriv",
    package: "util-linux",
};
const BUILDAH: Need = Need {
    program: "buildah",
    package: "buildah",
};
const UMOCI: Need = Need {
    program: "umoci",
    package: "umoci",
};
const BWRAP: Need = Need {
    program: "bwrap",
    package: "bubblewrap",
};
const PROMETHEUS: Need = Need {
    program: "prometheus",
    package: "prometheus",
};
const PROMTOOL: Need = Need {
    program: "promtool",
    package: "prometheus",
};
const TASKSET: Need = Need {
    program: "taskset",
    package: "util-linux",
};

/// What a command is going to use.
#[derive(Clone, Copy)]
pub(crate) enum Purpose<'a> {
    Tests,
    Bench,
    Clients(&'a [Need]),
    Contract,
    Example,
    Image,
    Manifests,
    Monitoring,
}

impl Purpose<'_> {
    pub(crate) fn needs(self) -> Vec<Need> {
        let mut needs = match self {
            Self::Manifests => return vec![PYTHON],
            Self::Contract => return vec![NODE, NPM, PYTHON],
            Self::Example => return vec![NODE, NPM, CHROMIUM],
            Self::Clients(languages) => {
                let mut needs = languages.to_vec();
                if cfg!(target_os = "linux") {
                    needs.push(SETPRIV);
                }
                return needs;
            }
            Self::Tests => vec![NODE, NPM, PYTHON, CHROMIUM],
            Self::Bench => vec![TASKSET],
            Self::Image => vec![BUILDAH, UMOCI, BWRAP, PYTHON],
            Self::Monitoring => vec![PYTHON, PROMETHEUS, PROMTOOL],
        };
        needs.extend([REDIS, INITDB, PG_ISREADY, POSTGRES, PSQL]);
        if cfg!(target_os = "linux") {
            needs.push(SETPRIV);
        }
        needs
    }

    /// What installs it where there is no apt-get.
    pub(crate) fn elsewhere(self) -> &'static str {
        match self {
            Self::Clients(_) => {
                "\x20 Fedora:          sudo dnf install nodejs npm python3 golang java-latest-openjdk-devel maven util-linux\n\
                 \x20 macOS:           brew install node python go openjdk maven\n"
            }
            Self::Tests | Self::Bench | Self::Contract | Self::Example => {
                "\x20 Fedora:          sudo dnf install redis postgresql-server postgresql nodejs npm python3 chromium util-linux\n\
                 \x20 macOS:           brew install redis postgresql node python chromium\n"
            }
            Self::Image => {
                "\x20 Fedora:          sudo dnf install redis postgresql-server postgresql python3 util-linux buildah umoci bubblewrap\n\
                 \x20 Images are built and run on Linux alone.\n"
            }
            Self::Monitoring => {
                "\x20 Fedora:          sudo dnf install redis postgresql-server postgresql python3 util-linux golang-github-prometheus\n\
                 \x20 macOS:           brew install redis postgresql python prometheus\n"
            }
            Self::Manifests => {
                "\x20 Fedora:          sudo dnf install python3\n\
                 \x20 macOS:           brew install python\n"
            }
        }
    }
}
