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
const NODE: Need = Need {
    program: "node",
    package: "nodejs",
};
pub(crate) const NPM: Need = Need {
    program: "npm",
    package: "npm",
};
const PYTHON: Need = Need {
    program: "python3",
    package: "python3-venv",
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
const TASKSET: Need = Need {
    program: "taskset",
    package: "util-linux",
};

/// What a command is going to use.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Tests,
    Bench,
    Image,
    Manifests,
}

impl Purpose {
    pub(crate) fn needs(self) -> Vec<Need> {
        let mut needs = match self {
            Self::Manifests => return vec![PYTHON],
            Self::Tests => vec![NODE, NPM, PYTHON, CHROMIUM],
            Self::Bench => vec![TASKSET],
            Self::Image => vec![BUILDAH, UMOCI, BWRAP, PYTHON],
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
            Self::Tests | Self::Bench => {
                "\x20 Fedora:          sudo dnf install redis postgresql-server postgresql nodejs npm python3 chromium util-linux\n\
                 \x20 macOS:           brew install redis postgresql node python chromium\n"
            }
            Self::Image => {
                "\x20 Fedora:          sudo dnf install redis postgresql-server postgresql python3 util-linux buildah umoci bubblewrap\n\
                 \x20 Images are built and run on Linux alone.\n"
            }
            Self::Manifests => {
                "\x20 Fedora:          sudo dnf install python3\n\
                 \x20 macOS:           brew install python\n"
            }
        }
    }
}
