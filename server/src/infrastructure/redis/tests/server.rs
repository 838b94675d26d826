//! Servers of a test's own: with TLS, with replicas, to be killed.

use std::{net::TcpListener, path::PathBuf, process::Stdio, time::Duration};

use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

/// For waiting, never for measuring: a busy machine is slow.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A `redis-server` that ends with the test.
pub(super) struct RedisServer {
    child: Child,
    pub(super) port: u16,
    _folder: TempDir,
}

pub(super) fn free_port() -> u16 {
    let probe = TcpListener::bind("127.0.0.1:0").expect("a port");
    probe.local_addr().expect("an address").port()
}

impl RedisServer {
    /// With these lines of configuration, in which `{port}` is the port and `{other}` a free one.
    pub(super) async fn start(lines: &[&str]) -> Self {
        Self::run(lines, &[]).await
    }

    /// A Sentinel.
    pub(super) async fn sentinel(lines: &[&str]) -> Self {
        Self::run(lines, &["--sentinel"]).await
    }

    async fn run(lines: &[&str], arguments: &[&str]) -> Self {
        let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
        // A Sentinel writes its findings into its configuration.
        let file = folder.path().join("redis.conf");
        let mut text = format!(
            "bind 127.0.0.1\nsave \"\"\nlogfile \"{0}/log\"\ndir {0}\n",
            folder.path().display()
        );
        for line in lines {
            let line = line.replace("{other}", &free_port().to_string());
            text += &line.replace("{port}", &port.to_string());
            text.push('\n');
        }
        std::fs::write(&file, text).expect("a file");
        let child = Command::new("redis-server")
            .arg(&file)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("redis-server runs: cargo xtask test says what is missing");
        until("redis-server listens", async || {
            TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
        Self {
            child,
            port,
            _folder: folder,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// As a machine that loses its power.
    pub(super) async fn kill(&mut self) {
        self.child.kill().await.expect("it ran");
    }
}

/// Asks until it is so.
pub(super) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let end = std::time::Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(std::time::Instant::now() < end, "{what}: not yet");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// A file of the certificates that the tests have.
pub(super) fn certificate(name: &str) -> PathBuf {
    let folder = std::env::var("TOKENHOUSE_TEST_CERTIFICATES")
        .expect("TOKENHOUSE_TEST_CERTIFICATES is set: run cargo xtask test");
    PathBuf::from(folder).join(name)
}

/// What makes a server speak TLS alone.
pub(super) fn tls() -> Vec<String> {
    let file = |name: &str| certificate(name).display().to_string();
    vec![
        "port 0".to_owned(),
        "tls-port {port}".to_owned(),
        "tls-auth-clients no".to_owned(),
        format!("tls-cert-file {}", file("server.pem")),
        format!("tls-key-file {}", file("server.key")),
        format!("tls-ca-cert-file {}", file("authority.pem")),
    ]
}
