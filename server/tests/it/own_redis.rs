//! A Redis of a test's own, to be changed or ended as it likes.

use std::{path::Path, process::Stdio};

use tokio::process::{Child, Command};

/// Starts one with these settings besides the usual; it ends with the handle.
pub(crate) fn redis_at(port: u16, folder: &Path, settings: &[&str]) -> Child {
    Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--save", "", "--port"])
        .arg(port.to_string())
        .arg("--dir")
        .arg(folder)
        .args(settings)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("redis-server runs: cargo xtask test says what is missing")
}
