//! How `serve` ends.

use std::{
    collections::BTreeMap,
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
use crate::{
    cable::behind_cable,
    harness::{Client, Installation, PASSWORD, own_schema, store_url},
};

/// `tokenhouse serve` on SQLite.
struct Serve {
    child: Child,
    port: u16,
    management: u16,
    _folder: TempDir,
}

impl Serve {
    async fn start() -> Self {
        Self::start_with(&[], Stdio::null()).await
    }

    /// With these settings besides the usual.
    async fn start_with(more: &[(&str, &str)], log: Stdio) -> Self {
        let (folder, port, management) = (tempfile::tempdir().unwrap(), free_port(), free_port());
        let mut environment: BTreeMap<_, _> = settings(folder.path(), port, management)
            .into_iter()
            .collect();
        environment.extend(
            more.iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
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
            .stderr(log)
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

/// Kubernetes would kill it, and with it what it has to say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_and_loses_nothing_unsaid_when_the_database_hangs() {
    let direct = own_schema("hangs").await;
    let (cable, database) = behind_cable(&direct).await;
    let redis = store_url("TOKENHOUSE_TEST_REDIS_URL");
    let stores = [
        ("TOKENHOUSE_DATABASE_URL", database.as_str()),
        ("TOKENHOUSE_REDIS_URL", redis.as_str()),
    ];
    let mut serve = Serve::start_with(&stores, Stdio::piped()).await;
    let client = Client::new(([127, 0, 0, 1], serve.port).into());
    let tenant = json!({ "slug": "acme" });
    let made = client.operator(Method::POST, "/admin/v1/tenants", Some(tenant));
    assert_eq!(made.await.status, StatusCode::CREATED);
    let user = json!({ "name": "Ada", "email": "ada@example.com", "password": PASSWORD });
    let user = client.post("/t/acme/auth/signup", user).await;
    assert_eq!(user.status, StatusCode::CREATED, "{user:?}");
    let login = json!({ "email": "ada@example.com", "password": PASSWORD, "delivery": "body" });
    let session = client.post("/t/acme/auth/login", login).await;
    assert_eq!(session.status, StatusCode::OK, "{session:?}");

    let refresh = json!({ "refresh_token": session.body["refresh_token"] });
    let refreshed = client.post("/t/acme/auth/refresh", refresh).await;
    assert_eq!(refreshed.status, StatusCode::OK, "{refreshed:?}");
    cable.swallow_all().await;
    terminate(&serve.child);
    let mut log = String::new();
    let mut stderr = serve.child.stderr.take().unwrap();
    let stopped = Instant::now();
    let (read, status) = tokio::join!(stderr.read_to_string(&mut log), serve.wait());
    read.unwrap();
    assert!(status.success(), "{log}");
    // What the manifests grant, whatever the machine is busy with.
    let took = stopped.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");

    let folder = tempfile::tempdir().unwrap();
    let after = Installation::with_stores(folder, &direct, None).await;
    let events = "/admin/v1/tenants/acme/audit-events?event=user.signed_in";
    let client = Client::new(after.instances[0].public_address);
    let events = client.operator(Method::GET, events, None).await;
    let stored = events.body["items"].as_array().unwrap().len();
    let said = log.matches("could not be stored").count();
    assert!(stored + said >= 1, "{events:?}, {log}");
}
