//! A PostgreSQL with a database owned by a plain role.
//!
//! The role is neither a superuser nor exempt from row-level security: tests that connect as it
//! prove that the policies hold. The `trust` of the loopback is for scratch data only; whoever
//! may log in to this machine may use it while it runs.

use std::env;
use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use super::certificates::Certificates;
use super::{Launch, Settings, on_free_port};
use crate::interrupt::Interrupt;
use crate::process::{Server, run, run_logged, tail};
use crate::progress::Progress;
use crate::tools::{Tools, is_root, version};

/// Who runs the server when we are root: PostgreSQL refuses to be root.
const SYSTEM_USER: &str = "postgres";

const SUPERUSER: &str = "postgres";
const ROLE: &str = "tokenhouse";
const DATABASE: &str = "tokenhouse";

const START_LIMIT: Duration = Duration::from_secs(30);

/// Enough for every test that holds a pool of its own.
const MAX_CONNECTIONS: u16 = 200;

pub(super) struct Postgres {
    server: Server,
    port: u16,
}

impl Postgres {
    pub(super) fn start(
        tools: &Tools,
        settings: Settings,
        certificates: &Certificates,
        folder: &Path,
        progress: &Progress,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let started = Instant::now();
        let user = is_root().then_some(SYSTEM_USER);
        let home = folder.join("postgres");
        fs::create_dir(&home).context("could not make a folder for PostgreSQL")?;
        if let Some(user) = user {
            let (uid, gid) = (id_of(user, "-u")?, id_of(user, "-g")?);
            chown(&home, Some(uid), Some(gid)).context("could not hand over the folder")?;
            chown(certificates.key(), Some(uid), Some(gid)).context("could not hand over a key")?;
        }
        let data = home.join("data");
        init(tools, user, &data, folder, interrupt)?;

        let program = tools.postgres("postgres")?;
        let postgres = on_free_port(|port| {
            // QUIT stops at once and leaves recovery to a next start, which never comes.
            let mut command = Launch::new(program.clone())
                .on_core(tools, settings.core)?
                .tied_to_us(tools, "QUIT", user)?
                .command();
            clean_environment(&mut command);
            command.arg("-D").arg(&data).arg("-p").arg(port.to_string());
            for option in options(settings, certificates) {
                command.arg("-c").arg(option);
            }
            command.current_dir(&home);
            let log = folder.join("postgres.log");
            let mut server = Server::spawn("postgres", &mut command, Signal::QUIT, log)?;
            let ready = interrupt.poll(START_LIMIT, || {
                server.check()?;
                Ok(accepts_connections(tools, port, interrupt)?.then_some(()))
            })?;
            let late = || format!("postgres does not answer:\n{}", tail(server.log()));
            ready.with_context(late)?;
            Ok(Self { server, port })
        })?;
        postgres.create_database(tools, folder, interrupt)?;
        progress.note(format!(
            "PostgreSQL {} on 127.0.0.1:{} after {} ms, database {DATABASE} of plain role {ROLE}",
            version(&program)?,
            postgres.port,
            started.elapsed().as_millis()
        ));
        Ok(postgres)
    }

    fn create_database(&self, tools: &Tools, folder: &Path, interrupt: &Interrupt) -> Result<()> {
        let mut command = Command::new(tools.postgres("psql")?);
        clean_environment(&mut command);
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &self.admin_url()]);
        for statement in [
            format!("CREATE ROLE {ROLE} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE"),
            format!("CREATE DATABASE {DATABASE} OWNER {ROLE}"),
        ] {
            command.arg("-c").arg(statement);
        }
        run_logged(&mut command, &folder.join("psql.log"), interrupt)
    }

    /// The database of the product, as the role the product connects with. In clear text: the
    /// handshakes of hundreds of pools take a third of the tests' time. Those of TLS ask for it.
    pub(super) fn url(&self) -> String {
        format!("{}?sslmode=disable", url(ROLE, self.port, DATABASE))
    }

    /// For what the product's role must not do, such as creating databases.
    pub(super) fn admin_url(&self) -> String {
        url(SUPERUSER, self.port, "postgres")
    }

    pub(super) fn check(&mut self) -> Result<()> {
        self.server.check()
    }
}

fn url(user: &str, port: u16, database: &str) -> String {
    format!("postgres://{user}@127.0.0.1:{port}/{database}")
}

fn options(settings: Settings, certificates: &Certificates) -> Vec<String> {
    let mut options = vec![
        "listen_addresses=127.0.0.1".to_owned(),
        // A socket would need a short path, and nobody asks for one.
        "unix_socket_directories=".to_owned(),
        format!("max_connections={MAX_CONNECTIONS}"),
    ];
    // A bench measures us, not the TLS of a loopback.
    if !settings.durable {
        options.extend([
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", certificates.certificate().display()),
            format!("ssl_key_file={}", certificates.key().display()),
        ]);
        options.extend(
            [
                "fsync=off",
                "full_page_writes=off",
                "synchronous_commit=off",
            ]
            .map(Into::into),
        );
    }
    options
}

fn init(
    tools: &Tools,
    user: Option<&str>,
    data: &Path,
    folder: &Path,
    interrupt: &Interrupt,
) -> Result<()> {
    let locale = if cfg!(target_os = "linux") {
        "C.UTF-8"
    } else {
        "C"
    };
    let mut command = Launch::new(tools.postgres("initdb")?)
        .tied_to_us(tools, "KILL", user)?
        .command();
    clean_environment(&mut command);
    command.arg("-D").arg(data);
    command.args([
        "-U",
        SUPERUSER,
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-sync",
        "--locale",
        locale,
    ]);
    command.current_dir("/");
    run_logged(&mut command, &folder.join("initdb.log"), interrupt)
}

fn accepts_connections(tools: &Tools, port: u16, interrupt: &Interrupt) -> Result<bool> {
    let mut command = Command::new(tools.postgres("pg_isready")?);
    clean_environment(&mut command);
    command.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
    Ok(run(
        command.stdout(Stdio::null()).stderr(Stdio::null()),
        interrupt,
    )?
    .success())
}

/// Removes `PGHOST`, `PGOPTIONS` and their like: they belong to the developer's own databases.
fn clean_environment(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
}

fn id_of(user: &str, which: &str) -> Result<u32> {
    let output = Command::new("id")
        .args([which, user])
        .output()
        .context("could not run id")?;
    ensure!(
        output.status.success(),
        "PostgreSQL refuses to run as root, and there is no user {user}: create one, or run this \
         as another user"
    );
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .with_context(|| format!("id {which} {user} says {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_the_role_and_the_database() {
        assert_eq!(
            url(ROLE, 5440, DATABASE),
            "postgres://tokenhouse@127.0.0.1:5440/tokenhouse"
        );
        assert_eq!(
            url(SUPERUSER, 5440, "postgres"),
            "postgres://postgres@127.0.0.1:5440/postgres"
        );
    }

    #[test]
    fn only_tests_may_lose_what_was_committed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let certificates = Certificates::make(folder.path()).expect("certificates");
        let durable = Settings {
            durable: true,
            core: None,
            ..Settings::default()
        };
        let durable = options(durable, &certificates);
        assert!(
            !durable.iter().any(|option| option.ends_with("=off")),
            "{durable:?}"
        );
        assert!(options(Settings::default(), &certificates).contains(&"fsync=off".to_owned()));
    }
}
