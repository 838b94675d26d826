//! Child processes: those we wait for, and the servers we own.
//!
//! Each child leads a process group of its own. Ctrl-C therefore reaches only us, and we decide
//! the order: first whatever uses the servers ends, then the servers do.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::interrupt::{Interrupt, POLL};

/// How long a process may take to end after it was asked to, before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// Lines of a log worth showing when the process behind it failed.
const LOG_TAIL: usize = 30;

/// A child ended with a status other than 0, and has said why itself.
#[derive(Debug)]
pub(crate) struct Failed {
    what: String,
    status: ExitStatus,
}

impl Failed {
    /// The child's own code, so that a caller's script sees what `cargo test` answered.
    pub(crate) fn exit_code(&self) -> u8 {
        self.status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(1)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed ({})", self.what, self.status)
    }
}

impl std::error::Error for Failed {}

/// Turns a status other than 0 into [`Failed`].
pub(crate) fn expect_success(what: &str, status: ExitStatus) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    Err(Failed {
        what: what.to_owned(),
        status,
    }
    .into())
}

/// A child that is waited for. Dropping it ends the whole group it leads.
pub(crate) struct Job {
    what: String,
    child: Child,
}

impl Job {
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        let what = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("could not start {what}"))?;
        Ok(Self { what, child })
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits for the end; a signal to us ends the group and is the error.
    pub(crate) fn wait(&mut self, interrupt: &Interrupt) -> Result<ExitStatus> {
        loop {
            let status = self.child.try_wait();
            if let Some(status) = status.with_context(|| format!("lost {}", self.what))? {
                return Ok(status);
            }
            interrupt.check()?;
            thread::sleep(POLL);
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.child);
        // A test that leaks a process must not keep it on our servers: the group is swept even
        // when its leader has ended. A group without members answers ESRCH, which is fine.
        let _ = kill_process_group(group, Signal::TERM);
        if !ended_within(&mut self.child, GRACE) {
            let _ = kill_process_group(group, Signal::KILL);
            let _ = self.child.wait();
        }
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Runs a command whose output goes to the developer, and returns how it ended.
pub(crate) fn run(command: &mut Command, interrupt: &Interrupt) -> Result<ExitStatus> {
    Job::spawn(command)?.wait(interrupt)
}

/// Runs a command whose output matters only when it fails: it then ends up in the error.
pub(crate) fn run_logged(command: &mut Command, log: &Path, interrupt: &Interrupt) -> Result<()> {
    let (out, err) = log_handles(log)?;
    let status = run(command.stdout(out).stderr(err), interrupt)?;
    if status.success() {
        return Ok(());
    }
    let program = command.get_program().to_string_lossy();
    let first = command
        .get_args()
        .next()
        .unwrap_or(OsStr::new(""))
        .to_string_lossy();
    bail!(
        "`{program} {first} …` failed ({status}); its last lines:\n{}",
        tail(log)
    );
}

/// A server that lives exactly as long as this value.
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    stop: Signal,
    log: PathBuf,
}

impl Server {
    pub(crate) fn spawn(
        name: &'static str,
        command: &mut Command,
        stop: Signal,
        log: PathBuf,
    ) -> Result<Self> {
        let (out, err) = log_handles(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .with_context(|| format!("could not start {name}"))?;
        Ok(Self {
            name,
            child,
            stop,
            log,
        })
    }

    /// Fails, with the end of its log, when the server is no longer running.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self
            .child
            .try_wait()
            .with_context(|| format!("lost {}", self.name))?
        {
            None => Ok(()),
            Some(status) => {
                bail!(
                    "{} ended by itself ({status}):\n{}",
                    self.name,
                    tail(&self.log)
                )
            }
        }
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// The number of the process that was started.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How the server ended, once it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .with_context(|| format!("lost {}", self.name))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let _ = kill_process(Pid::from_child(&self.child), self.stop);
        if !ended_within(&mut self.child, GRACE) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn ended_within(child: &mut Child, limit: Duration) -> bool {
    let started = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(_)) => return true,
            Ok(None) if started.elapsed() < limit => thread::sleep(Duration::from_millis(2)),
            Ok(None) | Err(_) => return false,
        }
    }
}

fn log_handles(log: &Path) -> Result<(Stdio, Stdio)> {
    let file = File::create(log).with_context(|| format!("could not write {}", log.display()))?;
    let twin = file
        .try_clone()
        .context("could not duplicate a file handle")?;
    Ok((file.into(), twin.into()))
}

/// The last lines of a log, indented for an error message.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_else(|error| format!("(no log: {error})"));
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LOG_TAIL);
    lines[from..]
        .iter()
        .map(|line| format!("    {line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_stopped_when_dropped() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new("sleep");
        command.arg("600");
        let log = dir.path().join("log");
        let mut server =
            Server::spawn("sleep", &mut command, Signal::TERM, log).expect("sleep starts");
        server.check().expect("sleep runs");
        let pid = Pid::from_child(&server.child);
        drop(server);
        assert!(
            rustix::process::test_kill_process(pid).is_err(),
            "reaped, so the id is free"
        );
    }

    #[test]
    fn a_failed_command_shows_the_end_of_its_output() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let interrupt = Interrupt::listen().expect("signals can be watched");
        let mut command = Command::new("sh");
        command.args(["-c", "echo the reason >&2; exit 3"]);
        let error = run_logged(&mut command, &dir.path().join("log"), &interrupt)
            .expect_err("the script exits with 3")
            .to_string();
        assert!(error.contains("the reason"), "{error}");
    }

    #[test]
    fn a_failure_keeps_the_exit_code_of_the_child() {
        let status = Command::new("sh")
            .args(["-c", "exit 101"])
            .status()
            .expect("sh runs");
        let error = expect_success("cargo test", status).expect_err("101 is a failure");
        let failed = error
            .downcast_ref::<Failed>()
            .expect("the error says which status");
        assert_eq!(failed.exit_code(), 101);
    }
}
