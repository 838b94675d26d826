//! Databases that are there and take no writes: 503 for what writes, answers for what reads.

use reqwest::StatusCode;
use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::{Value, json};
use url::Url;

use crate::{
    harness::{Answer, Installation, PASSWORD, Session, Tenant, store_url, unique, until},
    own_redis::redis_at,
    process::free_port,
};

/// A database of a test's own, so that it can be changed as a whole.
pub(crate) struct OwnDatabase {
    name: String,
    admin: DatabaseConnection,
    pub(crate) url: String,
}

impl OwnDatabase {
    pub(crate) async fn create() -> Self {
        let admin = sea_orm::Database::connect(
            sea_orm::ConnectOptions::new(store_url("TOKENHOUSE_TEST_POSTGRES_ADMIN_URL"))
                .max_connections(1)
                .to_owned(),
        )
        .await
        .unwrap();
        let mut url = Url::parse(&store_url("TOKENHOUSE_TEST_POSTGRES_URL")).unwrap();
        let name = unique("own");
        let owner = url.username().to_owned();
        url.set_path(&name);
        let own = Self {
            name,
            admin,
            url: url.to_string(),
        };
        let create = format!("CREATE DATABASE {} OWNER {owner}", own.name);
        own.run(&create).await;
        own
    }

    async fn run(&self, sql: &str) {
        self.admin.execute_unprepared(sql).await.unwrap();
    }

    /// As when a standby takes its place, or the other way round: connections end with it.
    pub(crate) async fn set_read_only(&self, on: bool) {
        let name = &self.name;
        let change = match on {
            true => format!("ALTER DATABASE {name} SET default_transaction_read_only = on"),
            false => format!("ALTER DATABASE {name} RESET default_transaction_read_only"),
        };
        self.run(&change).await;
        self.run(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        ))
        .await;
    }

    pub(crate) async fn drop(self) {
        self.run(&format!("DROP DATABASE {} WITH (FORCE)", self.name))
            .await;
    }
}

fn assert_unavailable(answer: &Answer) {
    answer.assert_problem(503, "unavailable");
    assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
}

async fn management(installation: &Installation, path: &str) -> (u16, String) {
    let address = installation.instances[0].management_address;
    let answer = reqwest::get(format!("http://{address}{path}"))
        .await
        .unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// What `/readyz` says of a store, when it says that the instance stays in service.
async fn reason(installation: &Installation, store: &str) -> Option<String> {
    let (status, text) = management(installation, "/readyz").await;
    assert_eq!(status, 200, "{text}");
    let report: Value = serde_json::from_str(&text).unwrap();
    let reason = report["reasons"][store].as_str().map(str::to_owned);
    let status = if reason.is_some() {
        "degraded"
    } else {
        "ready"
    };
    assert_eq!(report["status"], status, "{text}");
    reason
}

async fn refused_writes(installation: &Installation, store: &str, reason: &str) -> f64 {
    let (_, text) = management(installation, "/metrics").await;
    let up = format!("tokenhouse_dependency_up{{dependency=\"{store}\"}} 1");
    assert!(text.contains(&up), "{text}");
    let name = format!("tokenhouse_{store}_writes_refused_total{{reason=\"{reason}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap().parse().unwrap()
}

/// Somebody who was signed in before.
struct Before {
    tenant: Tenant,
    email: String,
    session: Session,
}

impl Before {
    async fn of(installation: &Installation) -> Self {
        let tenant = installation.tenant().await;
        let email = tenant.user().await;
        let session = tenant.login(&email).await;
        let before = Self {
            tenant,
            email,
            session,
        };
        before.assert_reads().await;
        before
    }

    async fn assert_reads(&self) {
        let token = &self.session.access_token;
        let user = self.tenant.current_user(0, token).await;
        assert_eq!(user.status, StatusCode::OK, "{user:?}");
        let client = self.tenant.client(0);
        for path in ["/oauth2/jwks", "/.well-known/openid-configuration"] {
            let answer = client.get(&self.tenant.path(path)).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        }
        let users = format!("/admin/v1/tenants/{}/users", self.tenant.slug);
        let answer = client.operator(reqwest::Method::GET, &users, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }

    async fn login(&self) -> Answer {
        let login = json!({ "email": self.email, "password": PASSWORD, "delivery": "body" });
        let path = self.tenant.path("/auth/login");
        self.tenant.client(0).post(&path, login).await
    }

    async fn assert_writes_are_refused(&self) {
        assert_unavailable(&self.login().await);
        let client = self.tenant.client(0);
        let signup = json!({ "name": "New", "email": "new@example.com", "password": PASSWORD });
        assert_unavailable(&client.post(&self.tenant.path("/auth/signup"), signup).await);
        // An end that isn't written down is none, and isn't said to be one.
        let logout = json!({ "refresh_token": self.session.refresh_token });
        assert_unavailable(&client.post(&self.tenant.path("/auth/logout"), logout).await);
    }

    async fn refresh(&self) -> Answer {
        self.tenant.refresh(0, &self.session.refresh_token).await
    }
}

async fn a_read_only_postgres(redis: Option<&str>) {
    let database = OwnDatabase::create().await;
    let folder = tempfile::tempdir().unwrap();
    let installation = Installation::with_stores(folder, &database.url, redis).await;
    let before = Before::of(&installation).await;
    assert_eq!(reason(&installation, "database").await, None);

    database.set_read_only(true).await;
    before.assert_writes_are_refused().await;
    before.assert_reads().await;
    let refresh = before.refresh().await;
    match redis {
        None => assert_unavailable(&refresh),
        // The hot state is elsewhere, and the floor waits for the database.
        Some(_) => assert_eq!(refresh.status, StatusCode::OK, "{refresh:?}"),
    }
    let said = reason(&installation, "database").await.expect("degraded");
    assert!(said.starts_with("read-only since 2"), "{said}");
    assert!(refused_writes(&installation, "database", "read_only").await >= 3.0);

    database.set_read_only(false).await;
    until("the database takes writes", async || {
        (before.login().await.status == StatusCode::OK).then_some(())
    })
    .await;
    assert_eq!(before.refresh().await.status, StatusCode::OK);
    assert_eq!(reason(&installation, "database").await, None);
    drop(installation);
    database.drop().await;
}

#[tokio::test]
async fn a_read_only_postgres_serves_reads() {
    a_read_only_postgres(None).await;
}

#[tokio::test]
async fn a_read_only_postgres_serves_reads_and_refreshes_of_redis() {
    a_read_only_postgres(Some(&store_url("TOKENHOUSE_TEST_REDIS_URL"))).await;
}

/// The error of a full disk, raised where Postgres would: a disk of its own takes a mount.
#[tokio::test]
async fn a_full_postgres_serves_reads() {
    let database = OwnDatabase::create().await;
    let folder = tempfile::tempdir().unwrap();
    let installation = Installation::with_stores(folder, &database.url, None).await;
    let before = Before::of(&installation).await;
    let owner = sea_orm::Database::connect(&database.url).await.unwrap();
    let run = async |sql: &str| owner.execute_unprepared(sql).await.unwrap();
    run(
        "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$",
    )
    .await;
    let tables = ["users", "sessions", "grants"];
    for table in tables {
        run(&format!(
            "CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON {table} \
             FOR EACH ROW EXECUTE FUNCTION no_room()"
        ))
        .await;
    }

    before.assert_writes_are_refused().await;
    before.assert_reads().await;
    assert_unavailable(&before.refresh().await);
    let said = reason(&installation, "database").await.expect("degraded");
    assert!(said.starts_with("without room since 2"), "{said}");
    assert!(refused_writes(&installation, "database", "full").await >= 4.0);

    for table in tables {
        run(&format!("DROP TRIGGER no_room ON {table}")).await;
    }
    assert_eq!(before.refresh().await.status, StatusCode::OK);
    assert_eq!(before.login().await.status, StatusCode::OK);
    owner.close().await.unwrap();
    drop(installation);
    database.drop().await;
}

/// Records are kept, and new ones refused: to drop the old ones would forget what was used.
#[tokio::test]
async fn a_full_redis_refuses_refreshes_and_says_so() {
    let (port, data) = (free_port(), tempfile::tempdir().unwrap());
    let url = format!("redis://127.0.0.1:{port}");
    let _redis = redis_at(port, data.path(), &[]);
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}/tokenhouse.db", folder.path().display());
    let installation = Installation::with_stores(folder, &database, Some(&url)).await;
    let before = Before::of(&installation).await;
    until("Redis is there", async || {
        let (status, _) = management(&installation, "/readyz").await;
        (status == 200).then_some(())
    })
    .await;
    let admin = redis::Client::open(url).unwrap();
    let mut admin = admin.get_multiplexed_async_connection().await.unwrap();
    let mut set_memory = async |bytes: &str| {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("maxmemory").arg(bytes);
        let () = set.query_async(&mut admin).await.unwrap();
    };

    set_memory("1").await;
    assert_unavailable(&before.refresh().await);
    before.assert_reads().await;
    assert_eq!(before.login().await.status, StatusCode::OK);
    let said = reason(&installation, "redis").await.expect("degraded");
    assert!(said.starts_with("full since 2"), "{said}");
    assert!(refused_writes(&installation, "redis", "full").await >= 1.0);

    set_memory("0").await;
    assert_eq!(before.refresh().await.status, StatusCode::OK);
}
