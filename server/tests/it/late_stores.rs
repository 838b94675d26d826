//! Stores that are missing when the server starts, and come later.

use std::process::Stdio;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{
    harness::{Client, Installation, until},
    own_redis::redis_at,
    process::{PATIENCE, command, free_port, settings, terminate},
};

/// The answer of a probe, once somebody listens.
async fn probe(port: u16, path: &str) -> (StatusCode, Value) {
    let url = format!("http://127.0.0.1:{port}{path}");
    // The crypto that clients need is there when the first one was made.
    let http = Client::new(([127, 0, 0, 1], port).into()).http;
    let answer = until("the management listener", async || {
        http.get(&url).send().await.ok()
    })
    .await;
    let status = answer.status();
    let text = answer.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    (status, body)
}

async fn until_ready(port: u16) {
    until("ready", async || {
        (probe(port, "/readyz").await.0 == StatusCode::OK).then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_redis_at_the_start_all_but_refreshes_is_served_until_it_comes() {
    let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
    let database = format!("sqlite://{}/tokenhouse.db", folder.path().display());
    let redis = format!("redis://127.0.0.1:{port}");
    let data = tempfile::tempdir().unwrap();
    let installation = Installation::with_stores(folder, &database, Some(&redis)).await;
    let management = installation.instances[0].management_address.port();
    assert_eq!(probe(management, "/livez").await.0, StatusCode::OK);
    let (status, said) = probe(management, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(said["status"], "not ready");
    assert_eq!(said["checks"], json!({ "database": "up", "redis": "down" }));
    let reason = said["reasons"]["redis"].as_str().unwrap();
    assert!(reason.starts_with("unreachable since 2"), "{reason}");

    let tenant = installation.tenant().await;
    let session = tenant.session().await;
    let refused = tenant.refresh(0, &session.refresh_token).await;
    refused.assert_problem(503, "unavailable");
    assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1);

    let _redis = redis_at(port, data.path(), &[]);
    for instance in &installation.instances {
        until_ready(instance.management_address.port()).await;
    }
    let refreshed = tenant.refresh(0, &session.refresh_token).await;
    assert_eq!(refreshed.status, StatusCode::OK, "{refreshed:?}");
    let (_, said) = probe(management, "/readyz").await;
    assert_eq!(said["status"], "ready", "{said}");
    assert!(said.get("reasons").is_none(), "{said}");
}

/// A Redis that comes later and would forget is not taken either.
#[tokio::test]
async fn a_redis_that_comes_later_is_looked_at_before_it_is_used() {
    let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
    let database = format!("sqlite://{}/tokenhouse.db", folder.path().display());
    let redis = format!("redis://127.0.0.1:{port}");
    let data = tempfile::tempdir().unwrap();
    let installation = Installation::with_stores(folder, &database, Some(&redis)).await;
    let tenant = installation.tenant().await;
    let session = tenant.session().await;
    let management = installation.instances[0].management_address.port();
    let evicting = ["--maxmemory-policy", "allkeys-lru"];
    let mut forgetful = redis_at(port, data.path(), &evicting);
    until("it is looked at", async || {
        let (_, said) = probe(management, "/readyz").await;
        let reason = said["reasons"]["redis"].as_str().unwrap_or_default();
        reason.starts_with("set to evict since 2").then_some(())
    })
    .await;
    let refused = tenant.refresh(0, &session.refresh_token).await;
    refused.assert_problem(503, "unavailable");

    forgetful.kill().await.unwrap();
    let _redis = redis_at(port, data.path(), &[]);
    until_ready(management).await;
    let refreshed = tenant.refresh(0, &session.refresh_token).await;
    assert_eq!(refreshed.status, StatusCode::OK, "{refreshed:?}");
}

/// `tokenhouse serve` with a store that is not there yet.
struct Waiting {
    child: Child,
    port: u16,
    management: u16,
    _folder: TempDir,
}

impl Waiting {
    /// For a Postgres at this address.
    fn for_postgres(database: &str) -> Self {
        let setting = ("TOKENHOUSE_DATABASE_URL", database);
        Self::start(tempfile::tempdir().unwrap(), setting)
    }

    fn start(folder: TempDir, setting: (&str, &str)) -> Self {
        let (port, management) = (free_port(), free_port());
        let child = Command::from(command(&["serve"]))
            .envs(settings(folder.path(), port, management))
            .env(setting.0, setting.1)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            child,
            port,
            management,
            _folder: folder,
        }
    }

    async fn end(mut self) {
        terminate(&self.child);
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        assert!(ended.unwrap().unwrap().success());
    }
}

fn postgres_at(port: u16) -> String {
    format!("postgres://tokenhouse@127.0.0.1:{port}/tokenhouse")
}

/// One that takes connections and says nothing: the database isn't blamed for it.
#[tokio::test]
async fn a_redis_that_hangs_at_the_start_is_named() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let redis = format!("redis://{}", silent.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let migrated = command(&["migrate", "up"])
        .envs(settings(folder.path(), 0, 0))
        .output()
        .unwrap();
    assert!(migrated.status.success(), "{migrated:?}");
    let waiting = Waiting::start(folder, ("TOKENHOUSE_REDIS_URL", &redis));
    let mut starting = Vec::new();
    until("it was given up", async || {
        let (status, said) = probe(waiting.management, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let given_up = said["status"] == "not ready";
        starting.push(said);
        given_up.then_some(())
    })
    .await;
    let last = starting.pop().unwrap();
    let down = json!({ "database": "up", "redis": "down" });
    assert_eq!(last["checks"], down);
    assert!(
        starting.iter().any(|said| said["checks"] == down),
        "{starting:?}"
    );
    waiting.end().await;
}

#[tokio::test]
async fn without_the_database_at_the_start_the_server_listens_and_waits() {
    let later = free_port();
    let waiting = Waiting::for_postgres(&postgres_at(later));
    let management = waiting.management;
    assert_eq!(probe(management, "/livez").await.0, StatusCode::OK);
    until("it was looked for", async || {
        let (status, said) = probe(management, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(said["status"], "starting");
        assert_eq!(said["checks"]["database"], "down");
        let reason = said["reasons"]["database"].as_str().unwrap().to_owned();
        reason.starts_with("unreachable since 2").then_some(())
    })
    .await;
    let (_, metrics) = probe(management, "/metrics").await;
    let down = "tokenhouse_dependency_up{dependency=\"database\"} 0";
    assert!(metrics.as_str().unwrap().contains(down), "{metrics}");
    let client = Client::new(([127, 0, 0, 1], waiting.port).into());
    let refused = client
        .post("/t/acme/auth/refresh", json!({ "refresh_token": "thr_x" }))
        .await;
    assert_eq!(
        refused.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{refused:?}"
    );
    assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1);
    let refused = client.post("/t/acme/oauth2/token", json!({})).await;
    assert_eq!(
        refused.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{refused:?}"
    );
    assert_eq!(
        refused.body["error"], "temporarily_unavailable",
        "{refused:?}"
    );

    // It comes: a proxy opens at the address, and leads to the Postgres of the tests.
    let _cable = proxy(later).await;
    until_ready(management).await;
    let document = client.get("/openapi.json").await;
    assert_eq!(document.status, StatusCode::OK);
    waiting.end().await;
}

#[tokio::test]
async fn a_server_that_waits_can_be_stopped() {
    let waiting = Waiting::for_postgres(&postgres_at(free_port()));
    assert_eq!(probe(waiting.management, "/livez").await.0, StatusCode::OK);
    waiting.end().await;
}

/// Leads from a port to the Postgres of the tests, whose schema is up to date.
async fn proxy(port: u16) -> tokio::task::JoinHandle<()> {
    let postgres = crate::harness::store_url("TOKENHOUSE_TEST_POSTGRES_URL");
    let database = tokenhouse_server::infrastructure::database::connect(&postgres)
        .await
        .unwrap();
    tokenhouse_migration::up(database.connection())
        .await
        .unwrap();
    database.connection().close_by_ref().await.unwrap();
    let target = url::Url::parse(&postgres).unwrap();
    let target = format!("{}:{}", target.host_str().unwrap(), target.port().unwrap());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
        .await
        .unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let target = target.clone();
            tokio::spawn(async move {
                let mut far = tokio::net::TcpStream::connect(target).await.unwrap();
                // Either side may hang up.
                let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    })
}
