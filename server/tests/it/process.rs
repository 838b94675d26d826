//! The binary as a process: `dev`, `serve`, `migrate` and the small commands.

mod schema;
mod stops;

use std::{
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::Child,
};

use crate::harness::{Client, MASTER_KEY, OPERATOR_TOKEN};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_tokenhouse");
/// For waiting, never for measuring: a busy machine is slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// The binary without any setting of the environment it runs in.
pub(crate) fn command(arguments: &[&str]) -> Command {
    command_of(BINARY, arguments)
}

/// Another binary, the same way.
pub(crate) fn command_of(binary: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TOKENHOUSE_")) {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    command(arguments)
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn terminate(child: &Child) {
    let id = child.id().expect("it runs");
    assert!(
        Command::new("kill")
            .arg("-TERM")
            .arg(id.to_string())
            .status()
            .unwrap()
            .success()
    );
}

/// `tokenhouse dev` on free ports, with its data in a folder of its own.
pub(crate) struct Dev {
    child: Child,
    log: tokio::task::JoinHandle<String>,
    folder: PathBuf,
    port: u16,
    _temporary: Option<TempDir>,
}

impl Dev {
    pub(crate) async fn start() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("data");
        Self {
            _temporary: Some(temporary),
            ..Self::start_in(&folder, &[]).await
        }
    }

    pub(crate) async fn start_in(folder: &Path, environment: &[(&str, &str)]) -> Self {
        let (port, management) = (free_port(), free_port());
        let mut child = tokio::process::Command::from(command(&["dev"]))
            .env("TOKENHOUSE_LISTEN", format!("127.0.0.1:{port}"))
            .env(
                "TOKENHOUSE_MANAGEMENT_LISTEN",
                format!("127.0.0.1:{management}"),
            )
            .env("TOKENHOUSE_DATA_DIR", folder)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut errors = child.stderr.take().unwrap();
        let log = tokio::spawn(async move {
            let mut log = String::new();
            errors.read_to_string(&mut log).await.unwrap();
            log
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains("Stop with Ctrl-C") {
                    return true;
                }
            }
            false
        };
        if !tokio::time::timeout(PATIENCE, ready).await.unwrap() {
            panic!("dev ended: {}", log.await.unwrap());
        }
        Self {
            child,
            log,
            folder: folder.to_owned(),
            port,
            _temporary: None,
        }
    }

    pub(crate) fn public_url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(([127, 0, 0, 1], self.port).into())
    }

    pub(crate) fn file(&self) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.folder.join("dev.json")).unwrap())
            .unwrap()
    }

    /// Stops it as an operator would; what it logged.
    pub(crate) async fn stop(mut self) -> String {
        terminate(&self.child);
        let status = tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .unwrap()
            .unwrap();
        assert!(status.success(), "{status}");
        self.log.await.unwrap()
    }
}

#[tokio::test]
async fn dev_starts_again_on_the_same_data() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("deep/data");
    let dev = Dev::start_in(&folder, &[]).await;
    let file = dev.file();
    assert_eq!(file["public_url"], dev.public_url());
    assert_eq!(file["tenant"], "demo");
    assert_eq!(file["issuer"], format!("{}/t/demo", dev.public_url()));
    let kinds: Vec<_> = file["clients"]
        .as_array()
        .unwrap()
        .iter()
        .map(|client| client["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["first_party", "confidential", "public"]);
    for name in ["dev.json", "master.key"] {
        let mode = std::fs::metadata(folder.join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let management_url = file["management_url"].as_str().unwrap();
    let readiness = dev.client().http.get(format!("{management_url}/readyz"));
    let ready = readiness.send().await.unwrap();
    assert_eq!(ready.status(), StatusCode::OK);
    assert_eq!(
        ready.json::<Value>().await.unwrap(),
        json!({ "status": "ready", "checks": { "database": "up" } })
    );

    let login = json!({ "email": file["user"]["email"], "password": file["user"]["password"], "delivery": "body" });
    let session = dev.client().post("/t/demo/auth/login", login.clone()).await;
    assert_eq!(session.status, StatusCode::OK, "{session:?}");
    // Pages of examples/nextjs, and of no other origin, may have the demo tenant's cookies.
    for (origin, status) in [
        ("http://localhost:3000", StatusCode::OK),
        ("http://localhost:3001", StatusCode::FORBIDDEN),
    ] {
        let client = dev.client();
        let request = client
            .request(Method::POST, "/t/demo/auth/login")
            .header("origin", origin)
            .json(&json!({ "email": file["user"]["email"], "password": file["user"]["password"] }));
        let answer = client.send(request).await;
        assert_eq!(answer.status, status, "{origin}: {answer:?}");
    }
    let operator = file["operator_token"].as_str().unwrap();
    assert_eq!(
        dev.client()
            .bearer(Method::GET, "/admin/v1/tenants/demo", operator)
            .await
            .status,
        StatusCode::OK
    );
    // What has no tenant's audit log any more is in the server's own.
    let client = dev.client();
    let made = client
        .request(Method::POST, "/admin/v1/tenants")
        .bearer_auth(operator)
        .json(&json!({ "slug": "gone" }));
    assert_eq!(client.send(made).await.status, StatusCode::CREATED);
    let deleted = client
        .bearer(Method::DELETE, "/admin/v1/tenants/gone", operator)
        .await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted:?}");
    let log = dev.stop().await;
    let line = log.lines().find(|line| line.contains("tenant_deleted"));
    let line = line.unwrap_or_else(|| panic!("no line in {log}"));
    for part in ["gone", "127.0.0.1", deleted.header("x-request-id")] {
        assert!(line.contains(part), "{part}: {line}");
    }

    let again = Dev::start_in(&folder, &[]).await;
    for member in ["operator_token", "user", "clients", "tenant"] {
        assert_eq!(again.file()[member], file[member], "{member}");
    }
    assert_eq!(
        again
            .client()
            .post("/t/demo/auth/login", login)
            .await
            .status,
        StatusCode::OK
    );
    let refresh = json!({ "refresh_token": session.body["refresh_token"] });
    assert_eq!(
        again
            .client()
            .post("/t/demo/auth/refresh", refresh)
            .await
            .status,
        StatusCode::OK,
        "sessions live on"
    );
    again.stop().await;
}

pub(crate) fn settings(folder: &Path, port: u16, management: u16) -> Vec<(&'static str, String)> {
    vec![
        ("TOKENHOUSE_PUBLIC_URL", format!("http://localhost:{port}")),
        ("TOKENHOUSE_LISTEN", format!("127.0.0.1:{port}")),
        (
            "TOKENHOUSE_MANAGEMENT_LISTEN",
            format!("127.0.0.1:{management}"),
        ),
        (
            "TOKENHOUSE_DATABASE_URL",
            format!("sqlite://{}/t.db", folder.display()),
        ),
        ("TOKENHOUSE_MASTER_KEY", MASTER_KEY.to_owned()),
        ("TOKENHOUSE_OPERATOR_TOKEN", OPERATOR_TOKEN.to_owned()),
    ]
}

#[test]
fn serve_names_every_bad_setting_in_a_line_of_its_own() {
    let output = run(
        &["serve"],
        &[
            ("TOKENHOUSE_OPERATOR_TOKEN", "secret"),
            ("TOKENHOUSE_PUBLIC_URL", "http://id.example"),
            ("TOKENHOUSE_LOG", "inof"),
            ("TOKENHOUSE_OTLP_ENDPOINT", "collector:4318"),
        ],
    );
    assert!(!output.status.success());
    let errors = text(&output.stderr);
    for name in [
        "PUBLIC_URL",
        "DATABASE_URL",
        "MASTER_KEY",
        "OPERATOR_TOKEN",
        "LOG",
        "OTLP_ENDPOINT",
    ] {
        assert_eq!(
            errors
                .lines()
                .filter(|line| line.contains(&format!("TOKENHOUSE_{name} ")))
                .count(),
            1,
            "{errors}"
        );
    }
    assert!(
        !errors.contains("secret\n") && output.stdout.is_empty(),
        "{errors}"
    );
}

#[tokio::test]
async fn serve_refuses_to_start_without_a_master_key_that_tenants_need() {
    let temporary = tempfile::tempdir().unwrap();
    let dev = Dev::start_in(temporary.path(), &[]).await;
    dev.stop().await;
    let mut environment = settings(temporary.path(), free_port(), free_port());
    environment.retain(|(name, _)| !name.ends_with("DATABASE_URL"));
    let url = format!("sqlite://{}/tokenhouse.db", temporary.path().display());
    let refused = command(&["serve"])
        .envs(environment)
        .env("TOKENHOUSE_DATABASE_URL", url)
        .output()
        .unwrap();
    assert!(!refused.status.success());
    let said = text(&refused.stderr);
    assert!(said.contains("TOKENHOUSE_MASTER_KEY lacks "), "{said}");
    assert!(said.contains("add the line again"), "{said}");
}

#[test]
fn small_commands_do_what_they_say() {
    let (first, second) = (
        text(&run(&["keygen"], &[]).stdout),
        text(&run(&["keygen"], &[]).stdout),
    );
    assert_ne!(first, second);
    let (id, key) = first.trim_end().split_once(':').unwrap();
    assert!(id.starts_with("mk-") && key.len() == 43, "{first}");

    let json = text(&run(&["openapi"], &[]).stdout);
    let checked_in = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../openapi/openapi.json"),
    )
    .unwrap();
    assert_eq!(json, checked_in);
    assert!(text(&run(&["openapi", "--format", "yaml"], &[]).stdout).contains("openapi: 3.0.3"));

    let dead = format!("http://127.0.0.1:{}/readyz", free_port());
    let output = run(&["healthcheck", &dead], &[]);
    assert!(!output.status.success() && text(&output.stderr).contains("does not answer"));

    for arguments in [
        vec!["--help"],
        vec!["dev", "--help"],
        vec!["serve", "--help"],
        vec!["migrate", "--help"],
        vec!["openapi", "--help"],
        vec!["keygen", "--help"],
        vec!["healthcheck", "--help"],
    ] {
        let output = run(&arguments, &[]);
        assert!(
            output.status.success() && text(&output.stdout).contains("Example"),
            "{arguments:?}"
        );
    }
    assert!(!run(&["nonsense"], &[]).status.success());
}
