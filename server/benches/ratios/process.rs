//! Children on a core of their own, and what the kernel knows about them.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Linux counts CPU time in hundredths of a second, whatever its timer does.
const MICROSECONDS_PER_TICK: u64 = 10_000;

/// Lines of a server's log worth showing when it failed.
const LOG_TAIL: usize = 5;

/// Binds this process to a core.
pub(crate) fn pin_to(core: &str) -> Result<()> {
    let me = std::process::id().to_string();
    let output = Command::new("taskset")
        .args(["-c", "-p", core, &me])
        .output();
    let output = output.context("could not run taskset: the bench needs Linux and util-linux")?;
    let reason = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "could not use core {core}: {}",
        reason.trim()
    );
    Ok(())
}

/// A command that runs on `core`.
pub(crate) fn on_core(core: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", core]).arg(program);
    command
}

/// An address on the loopback that nobody listens on right now.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    listener
        .local_addr()
        .context("a bound socket has an address")
}

/// A server that lives as long as this value. `taskset` becomes it, so the process id is its own.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    pub(crate) fn spawn(command: &mut Command, log: PathBuf) -> Result<Self> {
        let out =
            File::create(&log).with_context(|| format!("could not write {}", log.display()))?;
        let err = out
            .try_clone()
            .context("could not duplicate a file handle")?;
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = command.spawn().context("could not start a server")?;
        Ok(Self { child, log })
    }

    /// Fails, with its log, when the server has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait().context("lost a server")? {
            None => Ok(()),
            Some(status) => bail!("a server ended by itself ({status}):\n{}", read(&self.log)),
        }
    }

    /// The end of what the server has printed.
    pub(crate) fn log(&self) -> String {
        read(&self.log)
    }

    /// CPU time used so far.
    pub(crate) fn cpu_microseconds(&self) -> Result<u64> {
        cpu_microseconds(self.child.id())
    }

    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&path).with_context(|| format!("could not read {path}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Ok(kilobytes.with_context(|| format!("{path} has no VmRSS"))? * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn own_cpu_microseconds() -> Result<u64> {
    cpu_microseconds(std::process::id())
}

fn cpu_microseconds(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("could not read {path}"))?;
    // The second field is the name in parentheses and may contain anything; utime and stime are
    // the fields 14 and 15, so the 12th and 13th behind it.
    let fields = stat
        .rsplit_once(')')
        .map(|(_, fields)| fields)
        .unwrap_or_default();
    let ticks: Vec<u64> = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    ensure!(ticks.len() == 2, "{path} has no CPU times");
    Ok(ticks.iter().sum::<u64>() * MICROSECONDS_PER_TICK)
}

/// CPU time that `core` has spent on anything at all so far.
pub(crate) fn core_microseconds(core: &str) -> Result<u64> {
    let stat = fs::read_to_string("/proc/stat").context("could not read /proc/stat")?;
    let name = format!("cpu{core}");
    let line = stat
        .lines()
        .find(|line| line.split_whitespace().next() == Some(&name))
        .with_context(|| format!("/proc/stat has no {name}"))?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    ensure!(ticks.len() >= 8, "/proc/stat has no times of {name}");
    // user, nice, system, irq, softirq, steal; the two left out are idle and iowait.
    Ok([0, 1, 2, 5, 6, 7]
        .iter()
        .map(|field| ticks[*field])
        .sum::<u64>()
        * MICROSECONDS_PER_TICK)
}

fn read(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_else(|error| format!("(no log: {error})"));
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n")
}
