//! The programs the tests, the bench and the clients need: finding them, and installing what is missing.
//!
//! Installing happens only where nobody can mind: as root, with apt-get, which means a container
//! or a CI machine. Everywhere else the answer is the command to run.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::interrupt::Interrupt;
use crate::needs::Need;
pub(crate) use crate::needs::Purpose;
use crate::process::run_logged;
use crate::progress::Progress;

/// The second number of the oldest Go that k8s/validate/go.mod and openapi/clients/go/go.mod accept.
const OLDEST_GO: u32 = 26;

/// Where programs are looked for.
pub(crate) struct Tools {
    folders: Vec<PathBuf>,
}

impl Tools {
    /// Finds everything `purpose` needs, installing it first if that is allowed and possible.
    pub(crate) fn ready(
        purpose: Purpose<'_>,
        install: bool,
        progress: &Progress,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let missing = Self::look().missing(&purpose.needs());
        if !missing.is_empty() {
            if !install || !can_install() {
                bail!(advice(&missing, purpose));
            }
            apt_get(&packages(&missing), progress, interrupt)?;
        }
        // Looks again: a package may have brought a new folder of PostgreSQL binaries.
        let tools = Self::look();
        let missing = tools.missing(&purpose.needs());
        ensure!(missing.is_empty(), advice(&missing, purpose));
        Ok(tools)
    }

    fn look() -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
        folders.extend(["/usr/sbin", "/sbin"].map(PathBuf::from));
        folders.extend(postgres_folders(Path::new("/usr/lib/postgresql")));
        Self { folders }
    }

    fn missing(&self, needs: &[Need]) -> Vec<Need> {
        needs
            .iter()
            .filter(|need| self.find(need.program).is_none())
            .copied()
            .collect()
    }

    fn find(&self, program: &str) -> Option<PathBuf> {
        self.folders
            .iter()
            .map(|folder| folder.join(program))
            .find(|path| is_executable(path))
    }

    /// The path of a program that [`Tools::ready`] has asked for.
    pub(crate) fn path(&self, program: &str) -> Result<PathBuf> {
        self.find(program)
            .with_context(|| format!("{program} is not installed"))
    }

    /// A Go that the API server's code can be built with, if there is one.
    pub(crate) fn go(&self) -> Option<PathBuf> {
        let go = self.find("go")?;
        let output = Command::new(&go).arg("version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text
            .split_whitespace()
            .find_map(|word| word.strip_prefix("go1."))?;
        let minor: u32 = version.split('.').next()?.parse().ok()?;
        (minor >= OLDEST_GO).then_some(go)
    }

    /// The path of a PostgreSQL program, from the folder that has `initdb`: on a machine with
    /// several versions, `postgres` of one cannot read what `initdb` of another has written.
    pub(crate) fn postgres(&self, program: &str) -> Result<PathBuf> {
        let initdb = self.path("initdb")?;
        let real = fs::canonicalize(&initdb).unwrap_or(initdb);
        let sibling = real.with_file_name(program);
        if is_executable(&sibling) {
            Ok(sibling)
        } else {
            self.path(program)
        }
    }
}

/// `bin` folders of the versions under `root`, newest first: Debian keeps them off the PATH.
fn postgres_folders(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn can_install() -> bool {
    is_root()
        && Path::new("/etc/debian_version").exists()
        && Tools::look().find("apt-get").is_some()
}

fn packages(missing: &[Need]) -> Vec<&'static str> {
    let mut packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// The text for whoever has to install something by hand.
fn advice(missing: &[Need], purpose: Purpose<'_>) -> String {
    let programs: Vec<&str> = missing.iter().map(|need| need.program).collect();
    format!(
        "not installed: {}\n\
         \x20 Debian, Ubuntu:  sudo apt-get install --no-install-recommends {}\n\
         {}\
         No service has to be started or configured: scratch instances are started from these programs.",
        programs.join(", "),
        packages(missing).join(" "),
        purpose.elsewhere(),
    )
}

fn apt_get(packages: &[&str], progress: &Progress, interrupt: &Interrupt) -> Result<()> {
    if packages.contains(&"postgresql") {
        skip_main_cluster(Path::new("/etc/postgresql-common/createcluster.conf"))?;
    }
    let folder = tempfile::tempdir().context("could not make a temporary folder")?;
    let log = folder.path().join("apt-get.log");
    // Keeps the setting written above where the package brings a file of that name.
    let keep = ["-o", "Dpkg::Options::=--force-confold"];
    let install = [
        &["install", "-y", "--no-install-recommends"],
        &keep[..],
        packages,
    ]
    .concat();
    for arguments in [vec!["update"], install] {
        progress.note(format!("apt-get {}", arguments.join(" ")));
        let mut command = Command::new("apt-get");
        command
            .args(&arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        run_logged(&mut command, &log, interrupt)?;
    }
    Ok(())
}

/// Keeps the PostgreSQL package from creating and starting a database nobody asked for.
fn skip_main_cluster(config: &Path) -> Result<()> {
    let text = match fs::read_to_string(config) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other.with_context(|| format!("could not read {}", config.display()))?,
    };
    let decided = text.lines().any(|line| {
        line.split_once('=')
            .is_some_and(|(name, _)| name.trim() == "create_main_cluster")
    });
    if decided {
        return Ok(());
    }
    let folder = config.parent().context("the file is in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
    fs::write(config, format!("{text}create_main_cluster = false\n"))
        .with_context(|| format!("could not write {}", config.display()))
}

/// The version a program reports, for progress lines: the first word that starts with a digit.
pub(crate) fn version(program: impl AsRef<OsStr>) -> Result<String> {
    let program = program.as_ref();
    let shown = program.to_string_lossy();
    let output = Command::new(program).arg("--version").output();
    let output = output.with_context(|| format!("could not run {shown}"))?;
    ensure!(
        output.status.success(),
        "{shown} --version failed ({})",
        output.status
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let number = first_version(&text);
    Ok(number
        .with_context(|| format!("{shown} --version says {text:?}"))?
        .to_owned())
}

fn first_version(text: &str) -> Option<&str> {
    text.split_whitespace()
        .map(|word| word.trim_start_matches(['v', '=']))
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::needs::{INITDB, NPM, PSQL};

    #[test]
    fn newest_postgres_comes_first_and_other_folders_do_not_count() {
        let root = tempfile::tempdir().expect("a temporary folder");
        for name in ["9", "15", "17", "lost+found"] {
            fs::create_dir_all(root.path().join(name).join("bin")).expect("folders can be made");
        }
        let found = postgres_folders(root.path());
        let expected = ["17/bin", "15/bin", "9/bin"].map(|name| root.path().join(name));
        assert_eq!(found, expected);
        assert!(postgres_folders(&root.path().join("absent")).is_empty());
    }

    #[test]
    fn only_executable_files_are_programs_and_the_first_folder_wins() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let folders: Vec<PathBuf> = ["a", "b", "c"].map(|name| root.path().join(name)).into();
        for (folder, mode) in folders.iter().zip([0o644, 0o755, 0o755]) {
            fs::create_dir(folder).expect("folders can be made");
            let file = folder.join("initdb");
            fs::write(&file, "").expect("files can be written");
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("modes can be set");
        }
        fs::create_dir(folders[0].join("psql")).expect("folders can be made");
        let tools = Tools {
            folders: folders.clone(),
        };
        assert_eq!(tools.find("initdb"), Some(folders[1].join("initdb")));
        assert_eq!(tools.find("psql"), None, "a folder is not a program");
        assert_eq!(tools.missing(&[INITDB, PSQL]), [PSQL]);
    }

    #[test]
    fn postgres_programs_come_from_the_folder_of_the_real_initdb() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let links = root.path().join("links");
        let real = root.path().join("15/bin");
        fs::create_dir_all(&links).expect("folders can be made");
        fs::create_dir_all(&real).expect("folders can be made");
        for file in [real.join("initdb"), real.join("psql"), links.join("psql")] {
            fs::write(&file, "").expect("files can be written");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755))
                .expect("modes can be set");
        }
        std::os::unix::fs::symlink(real.join("initdb"), links.join("initdb")).expect("links work");
        let tools = Tools {
            folders: vec![links],
        };
        let psql = tools.postgres("psql").expect("psql is there");
        assert_eq!(
            psql,
            fs::canonicalize(real.join("psql")).expect("the file is there")
        );
    }

    #[test]
    fn advice_names_each_package_once() {
        let text = advice(&[INITDB, PSQL, NPM], Purpose::Tests);
        assert!(text.contains("initdb, psql, npm"), "{text}");
        assert!(
            text.contains("--no-install-recommends npm postgresql\n"),
            "{text}"
        );
    }

    #[test]
    fn a_decision_about_the_main_cluster_is_left_alone() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let config = root.path().join("postgresql-common/createcluster.conf");
        skip_main_cluster(&config).expect("a missing file is written");
        skip_main_cluster(&config).expect("a decided file is left alone");
        let text = fs::read_to_string(&config).expect("the file is there");
        assert_eq!(text, "create_main_cluster = false\n");

        let comment = "#create_main_cluster = true\n";
        fs::write(&config, comment).expect("files can be written");
        skip_main_cluster(&config).expect("a comment decides nothing");
        let text = fs::read_to_string(&config).expect("the file is there");
        assert_eq!(text, format!("{comment}create_main_cluster = false\n"));
    }

    #[test]
    fn versions_are_found_in_what_programs_print() {
        assert_eq!(
            first_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0)"),
            Some("15.18")
        );
        assert_eq!(
            first_version("Redis server v=7.0.15 sha=00000000:0"),
            Some("7.0.15")
        );
        assert_eq!(first_version("v20.20.2\n"), Some("20.20.2"));
        assert_eq!(first_version("nothing"), None);
    }
}
