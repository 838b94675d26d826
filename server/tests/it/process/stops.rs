//! How `serve` ends.

use std::{
    net::TcpStream,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use reqwest::{Method, StatusCode};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Child,
};

use super::{PATIENCE, command, free_port, run, settings, terminate};
use crate::harness::Client;

/// `tokenhouse serve` on SQLite.
struct Serve {
    child: Child,
    port: u16,
    management: u16,
    _folder: TempDir,
}

impl Serve {
    async fn start() -> Self {
        let (folder, port, management) = (tempfile::tempdir().unwrap(), free_port(), free_port());
        let environment = settings(folder.path(), port, management);
        assert!(
            command(&["migrate", "up"])
                .envs(environment.clone())
                .output()
                .unwrap()
                .status
                .success()
        );
        let child = tokio::process::Command::from(command(&["serve"]))
            .envs(environment)
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let probe = format!("http://127.0.0.1:{management}/readyz");
        let started = Instant::now();
        while !run(&["healthcheck", &probe], &[]).status.success() {
            assert!(started.elapsed() < PATIENCE, "serve did not become ready");
        }
        Self {
            child,
            port,
            management,
            _folder: folder,
        }
    }

    async fn wait(mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .unwrap()
            .unwrap()
    }

    async fn stop(self) -> ExitStatus {
        terminate(&self.child);
        self.wait().await
    }
}

#[tokio::test]
async fn a_stop_finishes_requests_in_flight_and_then_stops() {
    let serve = Serve::start().await;
    let client = Client::new(([127, 0, 0, 1], serve.port).into());
    let tenant = client
        .operator(
            Method::POST,
            "/admin/v1/tenants",
            Some(json!({ "slug": "acme" })),
        )
        .await;
    assert_eq!(tenant.status, StatusCode::CREATED, "{tenant:?}");

    // A request whose body is on its way when the stop comes.
    let body = json!({ "name": "Ada", "email": "ada@example.com", "password": "correct horse" })
        .to_string();
    let mut connection = tokio::net::TcpStream::connect(("127.0.0.1", serve.port))
        .await
        .unwrap();
    let head = format!(
        "POST /t/acme/auth/signup HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let (first, rest) = body.split_at(10);
    connection
        .write_all(format!("{head}{first}").as_bytes())
        .await
        .unwrap();
    // The server has the request once it answers another one that came later.
    assert_eq!(client.get("/openapi.json").await.status, StatusCode::OK);
    let (port, management) = (serve.port, serve.management);
    terminate(&serve.child);
    let probe = format!("http://127.0.0.1:{management}/readyz");
    while run(&["healthcheck", &probe], &[]).status.success() {}
    while TcpStream::connect(("127.0.0.1", port)).is_ok() {}
    connection.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(serve.wait().await.success());
}

#[tokio::test]
async fn a_connection_that_sends_nothing_does_not_hold_up_a_stop() {
    let serve = Serve::start().await;
    let mut idle = tokio::net::TcpStream::connect(("127.0.0.1", serve.port))
        .await
        .unwrap();
    idle.write_all(b"GET / HT").await.unwrap();
    let started = Instant::now();
    assert!(serve.stop().await.success());
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "{:?}",
        started.elapsed()
    );
}
