//! A life of the server in its container: migrate twice at once, serve, be asked, work, and stop.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::container::{Node, Process};
use super::http::{InFlight, request};
use crate::interrupt::Interrupt;
use crate::process::{Server, tail};
use crate::progress::Progress;

const START_LIMIT: Duration = Duration::from_secs(60);

/// What the server promises: from SIGTERM to its end.
const STOP_LIMIT: Duration = Duration::from_secs(10);

const LOGINS_AT_ONCE: usize = 16;
const LOGINS_EACH: usize = 10;

const SIGNUP: &str =
    r#"{"name":"Ada","email":"ada@example.com","password":"correct horse battery staple"}"#;
const LOGIN: &str =
    r#"{"email":"ada@example.com","password":"correct horse battery staple","delivery":"body"}"#;

/// What was measured, for the table in docs/operate/install.md.
pub(crate) struct Measured {
    pub(crate) start: Duration,
    pub(crate) idle: u64,
    pub(crate) peak: u64,
    pub(crate) stop: Duration,
}

/// Runs a container that ends by itself; what it prints.
pub(crate) fn run_once(
    node: &Node<'_>,
    container: &str,
    arguments: &[&str],
    changed: &BTreeMap<&str, String>,
) -> Result<String> {
    let output = node
        .command(container, arguments, changed)?
        .output()
        .context("could not start a container")?;
    printed(container, &output)
}

fn printed(what: &str, output: &Output) -> Result<String> {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "the container {what} failed ({}):\n{said}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(said)
}

/// Two pods of a rollout begin at the same moment: one migrates, the other finds nothing to do.
pub(crate) fn migrate_twice(node: &Node<'_>) -> Result<()> {
    let spawn = || -> Result<_> {
        let mut command: Command = node.command("migrate", &[], &BTreeMap::new())?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("could not start a container")
    };
    let (first, second) = (spawn()?, spawn()?);
    let mut said = Vec::new();
    for child in [first, second] {
        let output = child.wait_with_output().context("lost a container")?;
        said.push(printed("migrate", &output)?);
    }
    let busy = said
        .iter()
        .filter(|text| text.contains("applied m"))
        .count();
    ensure!(
        busy == 1,
        "of two migrations, {busy} did something: {said:?}"
    );
    Ok(())
}

/// Starts the server, uses it, and stops it while it works.
pub(crate) fn serve(
    node: &Node<'_>,
    public: SocketAddr,
    management: SocketAddr,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<Measured> {
    // Everything is as in the cluster but the addresses: here is no network of its own.
    let changed = BTreeMap::from([
        ("TOKENHOUSE_LISTEN", public.to_string()),
        ("TOKENHOUSE_MANAGEMENT_LISTEN", management.to_string()),
    ]);
    let started = Instant::now();
    let log = node.secrets.join("server.log");
    let mut command = node.command("tokenhouse", &[], &changed)?;
    let mut server = Server::spawn("tokenhouse", &mut command, Signal::TERM, log)?;
    let ready = interrupt.poll(START_LIMIT, || {
        server.check()?;
        Ok(matches!(request(management, "GET", "/readyz", ""), Ok((200, _))).then_some(()))
    })?;
    ready.with_context(|| format!("the server doesn't get ready:\n{}", tail(server.log())))?;
    let start = started.elapsed();
    run_once(node, "tokenhouse", &["healthcheck"], &changed)?;

    let (id, process) = Process::inside(server.id())?;
    process.check_confinement()?;
    let idle = process.mebibytes("VmRSS")?;
    use_it(node, public, &changed)?;
    let peak = process.mebibytes("VmHWM")?;
    progress.note(format!(
        "ready after {} ms, {idle} MiB idle, {peak} MiB at most with {LOGINS_AT_ONCE} logins at once",
        start.as_millis()
    ));

    let stop = stop(&mut server, id, public, interrupt)?;
    let after = node
        .command("tokenhouse", &["healthcheck"], &changed)?
        .output();
    let after = after.context("could not start a container")?;
    ensure!(
        !after.status.success(),
        "the health check is content with a stopped server"
    );
    Ok(Measured {
        start,
        idle,
        peak,
        stop,
    })
}

/// The first tenant, as the guide makes it from inside of the pod; and people who sign in.
fn use_it(node: &Node<'_>, public: SocketAddr, changed: &BTreeMap<&str, String>) -> Result<()> {
    let url = format!("http://{public}");
    let create = [
        "tenant",
        "create",
        "acme",
        "--name",
        "Acme Inc.",
        "--url",
        &url,
    ];
    run_once(node, "tokenhouse", &create, changed)?;
    let path = "/t/acme/.well-known/openid-configuration";
    let (status, metadata) = request(public, "GET", path, "")?;
    ensure!(
        status == 200 && metadata.contains("https://id.example.com/t/acme"),
        "the metadata of the tenant: {status} {metadata}"
    );
    let (status, body) = request(public, "POST", "/t/acme/auth/signup", SIGNUP)?;
    ensure!(status == 201, "sign-up: {status} {body}");
    let people: Vec<_> = (0..LOGINS_AT_ONCE)
        .map(|_| {
            thread::spawn(move || -> Result<()> {
                for _ in 0..LOGINS_EACH {
                    let (status, body) = request(public, "POST", "/t/acme/auth/login", LOGIN)?;
                    // An instance that is full says so, and doesn't fall.
                    ensure!(matches!(status, 200 | 429 | 503), "login: {status} {body}");
                }
                Ok(())
            })
        })
        .collect();
    for person in people {
        person.join().ok().context("a login panicked")??;
    }
    Ok(())
}

/// SIGTERM while somebody signs in: that request is answered, and the server ends in time.
fn stop(
    server: &mut Server,
    id: u32,
    public: SocketAddr,
    interrupt: &Interrupt,
) -> Result<Duration> {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    let pid = pid.context("the kernel counts processes from 1")?;
    let (status, body) = request(public, "POST", "/t/acme/auth/login", LOGIN)?;
    ensure!(status == 200, "login before the end: {status} {body}");
    let in_flight = InFlight::send(public, "POST", "/t/acme/auth/login", LOGIN)?;
    let told = Instant::now();
    kill_process(pid, Signal::TERM).context("could not send SIGTERM")?;
    let status = interrupt.poll(STOP_LIMIT, || server.ended())?;
    let stopped = told.elapsed();
    let status = status.with_context(|| {
        format!(
            "still there {STOP_LIMIT:?} after SIGTERM:\n{}",
            tail(server.log())
        )
    })?;
    ensure!(
        status.success(),
        "it stopped with {status}:\n{}",
        tail(server.log())
    );
    let (status, body) = in_flight.answer()?;
    ensure!(status == 200, "a login that was in flight: {status} {body}");
    Ok(stopped)
}
