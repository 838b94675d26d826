//! Scratch servers: Redis and PostgreSQL on free loopback ports, in a temporary folder, for as
//! long as a [`Scratch`] lives.
//!
//! Three things keep them from outliving us: the guards of [`process`](crate::process) on every
//! return and panic, [`Interrupt`] for signals, and on Linux the parent-death signal for the case
//! that nothing of ours runs any more.

mod certificates;
mod cluster;
mod postgres;
mod redis;
mod tokenhouse;

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

use self::certificates::Certificates;
use self::cluster::Cluster;
use self::postgres::Postgres;
use self::redis::Redis;
pub(crate) use self::tokenhouse::Tokenhouse;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::tools::{Tools, is_root};

/// How often a server is started on another port when the chosen one was taken meanwhile.
const PORT_ATTEMPTS: usize = 3;

/// How the servers are to run.
#[derive(Clone, Copy, Default)]
pub(crate) struct Settings {
    /// Whether PostgreSQL waits for the disk. Tests don't care; a bench must.
    pub(crate) durable: bool,
    /// The core the servers are bound to.
    pub(crate) core: Option<usize>,
    /// Whether there is a Redis Cluster too.
    pub(crate) cluster: bool,
}

impl Settings {
    /// For the tests of the server, which use everything.
    pub(crate) fn for_tests() -> Self {
        Self {
            cluster: true,
            ..Self::default()
        }
    }
}

/// The running servers. Fields are dropped in this order: servers first, then their folder.
pub(crate) struct Scratch {
    redis: Redis,
    cluster: Option<Cluster>,
    postgres: Postgres,
    certificates: Certificates,
    _folder: TempDir,
}

impl Scratch {
    pub(crate) fn start(
        tools: &Tools,
        settings: Settings,
        progress: &Progress,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let folder = scratch_folder()?;
        let certificates = Certificates::make(folder.path())?;
        let redis = Redis::start(tools, settings, folder.path(), progress, interrupt)?;
        let cluster = settings
            .cluster
            .then(|| Cluster::start(tools, settings, folder.path(), progress, interrupt));
        let cluster = cluster.transpose()?;
        let postgres = Postgres::start(
            tools,
            settings,
            &certificates,
            folder.path(),
            progress,
            interrupt,
        )?;
        Ok(Self {
            redis,
            cluster,
            postgres,
            certificates,
            _folder: folder,
        })
    }

    /// What the tests and the bench read to find the servers.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let cluster = self.cluster.as_ref().map(Cluster::url);
        let cluster = cluster.map(|url| ("TOKENHOUSE_TEST_REDIS_CLUSTER_URL", url));
        let others = [
            ("TOKENHOUSE_TEST_POSTGRES_URL", self.postgres.url()),
            (
                "TOKENHOUSE_TEST_POSTGRES_ADMIN_URL",
                self.postgres.admin_url(),
            ),
            ("TOKENHOUSE_TEST_REDIS_URL", self.redis.url()),
            (
                "TOKENHOUSE_TEST_CERTIFICATES",
                self.certificates.folder().display().to_string(),
            ),
        ];
        others.into_iter().chain(cluster).collect()
    }

    /// Fails when one of the servers has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.redis.check()?;
        self.cluster.as_mut().map_or(Ok(()), Cluster::check)?;
        self.postgres.check()
    }
}

/// Makes the folder all servers live in.
fn scratch_folder() -> Result<TempDir> {
    let candidates = [std::env::temp_dir(), "/tmp".into(), "/var/tmp".into()];
    let parent = if is_root() {
        // PostgreSQL runs as another user then, and has to get through to its folder.
        let open = candidates.iter().find(|path| passable(path));
        open.context("no temporary folder that every user may enter; set TMPDIR to one")?
    } else {
        &candidates[0]
    };
    let folder = tempfile::Builder::new()
        .prefix("tokenhouse-")
        .tempdir_in(parent);
    let folder =
        folder.with_context(|| format!("could not make a folder in {}", parent.display()))?;
    if is_root() {
        fs::set_permissions(folder.path(), Permissions::from_mode(0o711))
            .context("could not open the scratch folder for PostgreSQL")?;
    }
    Ok(folder)
}

/// Whether every user may pass through `path` and all folders above it.
fn passable(path: &Path) -> bool {
    fs::canonicalize(path).is_ok_and(|path| {
        path.ancestors().all(|folder| {
            fs::metadata(folder).is_ok_and(|meta| meta.permissions().mode() & 0o001 != 0)
        })
    })
}

/// A loopback port that nobody listens on right now.
pub(crate) fn free_port() -> Result<u16> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on the loopback")?;
    Ok(listener
        .local_addr()
        .context("a bound socket has an address")?
        .port())
}

/// Starts a server on a free port; tries another when somebody else was faster.
fn on_free_port<T>(mut start: impl FnMut(u16) -> Result<T>) -> Result<T> {
    let mut attempt = 1;
    loop {
        match start(free_port()?) {
            Err(error) if attempt < PORT_ATTEMPTS && port_was_taken(&error) => attempt += 1,
            other => return other,
        }
    }
}

fn port_was_taken(error: &anyhow::Error) -> bool {
    // The servers print the system's message into the log that the error quotes.
    format!("{error:#}").contains("Address already in use")
}

/// A command that becomes a server, with what has to hold before it starts.
struct Launch {
    prefix: Vec<OsString>,
    program: PathBuf,
}

impl Launch {
    fn new(program: PathBuf) -> Self {
        Self {
            prefix: Vec::new(),
            program,
        }
    }

    /// Binds the server to one core.
    fn on_core(mut self, tools: &Tools, core: Option<usize>) -> Result<Self> {
        if let Some(core) = core {
            let taskset = tools.path("taskset")?;
            self.prefix
                .extend([taskset.into(), "-c".into(), core.to_string().into()]);
        }
        Ok(self)
    }

    /// Makes the kernel send `signal` to the server when we die, and changes to `user` if given.
    ///
    /// The change of user resets the parent-death signal, so one program has to do both.
    fn tied_to_us(mut self, tools: &Tools, signal: &str, user: Option<&str>) -> Result<Self> {
        if cfg!(target_os = "linux") {
            self.prefix.push(tools.path("setpriv")?.into());
            self.prefix.push(format!("--pdeathsig={signal}").into());
            if let Some(user) = user {
                self.prefix.push(format!("--reuid={user}").into());
                self.prefix.push(format!("--regid={user}").into());
                self.prefix.push("--init-groups".into());
            }
            self.prefix.push("--".into());
        }
        Ok(self)
    }

    fn command(self) -> Command {
        let mut words = self.prefix.into_iter().chain([self.program.into()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_tried_again_and_other_failures_are_not() {
        let mut ports = Vec::new();
        let result = on_free_port(|port| {
            ports.push(port);
            anyhow::ensure!(ports.len() > 2, "could not bind: Address already in use");
            Ok(port)
        });
        assert_eq!(result.expect("the third port is free"), ports[2]);

        let mut calls = 0;
        let result: Result<()> = on_free_port(|_| {
            calls += 1;
            anyhow::bail!("no such file")
        });
        assert!(result.is_err());
        assert_eq!(calls, 1);
    }

    #[test]
    fn a_launch_runs_the_program_last() {
        let launch = Launch {
            prefix: vec!["taskset".into(), "-c".into(), "1".into()],
            program: "redis-server".into(),
        };
        let command = launch.command();
        assert_eq!(command.get_program(), "taskset");
        assert_eq!(
            command.get_args().collect::<Vec<_>>(),
            ["-c", "1", "redis-server"]
        );
    }

    #[test]
    fn a_private_folder_is_not_passable() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let inner = root.path().join("inner");
        fs::create_dir(&inner).expect("folders can be made");
        fs::set_permissions(root.path(), Permissions::from_mode(0o700)).expect("modes can be set");
        assert!(!passable(&inner));
        assert!(passable(Path::new("/")));
    }
}
