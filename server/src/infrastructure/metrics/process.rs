//! What the process itself is like.

use std::fs;

use prometheus_client::metrics::info::Info;

use super::{MetricsBuilder, Sample};

pub(super) fn register(metrics: &mut MetricsBuilder) {
    metrics.add(
        "build",
        "The version of this server",
        Info::new([("version", env!("CARGO_PKG_VERSION"))]),
    );
    metrics.sample(
        "process_resident_memory_bytes",
        "Memory of the process that is in use, in bytes",
        || one(resident_memory()),
    );
    metrics.sample(
        "process_open_fds",
        "Files, sockets and pipes that the process has open",
        || one(open_files()),
    );
}

fn one(value: Option<f64>) -> Vec<Sample> {
    value.map(|value| (None, value)).into_iter().collect()
}

/// From `/proc`, where there is one.
fn resident_memory() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

fn open_files() -> Option<f64> {
    let count = u32::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()?;
    Some(f64::from(count))
}
