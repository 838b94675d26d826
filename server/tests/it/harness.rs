//! An installation in this process: instances that share stores and a clock, and a client.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use crate::name_server::NameServer;
use reqwest::{Method, Response, StatusCode};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokenhouse_server::{
    application::ports::Clock, config::RawSettings, server::Server, testing::clock::TestClock,
};

use crate::contract;

pub(crate) const OPERATOR_TOKEN: &str = "tho_0123456789012345678901234567890123456789012";
pub(crate) const MASTER_KEY: &str = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
/// The issuer's base: where instances listen is another matter, as behind a load balancer.
pub(crate) const PUBLIC_URL: &str = "http://localhost:8080";
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Where tests find a store that `cargo xtask test` started.
pub(crate) fn store_url(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: run `cargo xtask test`"))
}

/// Which stores an installation uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// All state in SQLite.
    Sqlite,
    /// All state in Postgres.
    Postgres,
    /// Hot state in Redis, the rest in Postgres.
    Redis,
}

/// Runs a test on every backend, each as a test of its own. With `alone:` in front, no other test has
/// tenants in its stores: for tests that move the clock so far that work on schedule is due.
macro_rules! on_every_backend {
    (alone: $($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        $(
            mod $name {
                use crate::harness::{Backend, Installation};

                #[tokio::test]
                async fn on_sqlite() {
                    super::$name(Installation::alone(Backend::Sqlite).await).await;
                }

                #[tokio::test]
                async fn on_postgres() {
                    super::$name(Installation::alone(Backend::Postgres).await).await;
                }

                #[tokio::test]
                async fn on_redis() {
                    super::$name(Installation::alone(Backend::Redis).await).await;
                }
            }
        )+
    };
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        $(
            mod $name {
                use crate::harness::{Backend, Installation};

                #[tokio::test]
                async fn on_sqlite() {
                    super::$name(Installation::start(Backend::Sqlite).await).await;
                }

                #[tokio::test]
                async fn on_postgres() {
                    super::$name(Installation::start(Backend::Postgres).await).await;
                }

                #[tokio::test]
                async fn on_redis() {
                    super::$name(Installation::start(Backend::Redis).await).await;
                }
            }
        )+
    };
}
pub(crate) use on_every_backend;

/// Two instances over the same stores.
pub(crate) struct Installation {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) instances: Vec<Server>,
    /// Whom the instances ask for names.
    pub(crate) names: NameServer,
    public_url: String,
    /// The database's URL.
    pub(crate) database: String,
    environment: Vec<(String, String)>,
    _folder: TempDir,
}

impl Installation {
    pub(crate) async fn start(backend: Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = match backend {
            Backend::Sqlite => format!("sqlite://{}/tokenhouse.db", folder.path().display()),
            Backend::Postgres | Backend::Redis => store_url("TOKENHOUSE_TEST_POSTGRES_URL"),
        };
        let redis = (backend == Backend::Redis).then(|| store_url("TOKENHOUSE_TEST_REDIS_URL"));
        Self::with_stores(folder, &database, redis.as_deref()).await
    }

    /// With a schema of its own.
    pub(crate) async fn alone(backend: Backend) -> Self {
        if backend == Backend::Sqlite {
            return Self::start(backend).await;
        }
        let database = own_schema("alone").await;
        let redis = (backend == Backend::Redis).then(|| store_url("TOKENHOUSE_TEST_REDIS_URL"));
        let folder = tempfile::tempdir().unwrap();
        Self::with_stores(folder, &database, redis.as_deref()).await
    }

    /// One instance over a database, with these master keys.
    pub(crate) async fn with_master_keys(database: &str, master_keys: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::listening(folder, database, None, PUBLIC_URL, &[0], master_keys).await
    }

    /// Two instances whose public address has this port, and with it their custom domains; where they listen
    /// is another matter.
    pub(crate) async fn public_at(port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = format!("sqlite://{}/tokenhouse.db", folder.path().display());
        let public_url = format!("http://localhost:{port}");
        Self::listening(folder, &database, None, &public_url, &[0, 0], MASTER_KEY).await
    }

    /// One instance whose issuers are where it listens: for software that goes there by itself.
    pub(crate) async fn reachable() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = format!("sqlite://{}/tokenhouse.db", folder.path().display());
        // Free a moment ago; the server needs to know it before it listens.
        let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = probe.local_addr().unwrap().port();
        drop(probe);
        let public_url = format!("http://localhost:{port}");
        Self::listening(folder, &database, None, &public_url, &[port], MASTER_KEY).await
    }

    pub(crate) async fn with_stores(folder: TempDir, database: &str, redis: Option<&str>) -> Self {
        Self::listening(folder, database, redis, PUBLIC_URL, &[0, 0], MASTER_KEY).await
    }

    async fn listening(
        folder: TempDir,
        database: &str,
        redis: Option<&str>,
        public_url: &str,
        ports: &[u16],
        master_keys: &str,
    ) -> Self {
        let clock = Arc::new(TestClock::default());
        let connected = tokenhouse_server::infrastructure::database::connect(database)
            .await
            .unwrap();
        tokenhouse_migration::up(connected.connection())
            .await
            .unwrap();
        let names = NameServer::start().await;
        let mut environment = environment(public_url, database, master_keys, names.address);
        environment.extend(redis.map(|url| ("TOKENHOUSE_REDIS_URL".to_owned(), url.to_owned())));
        let mut instances = Vec::new();
        for port in ports {
            instances.push(instance(&environment, *port, clock.clone()).await);
        }
        Self {
            clock,
            instances,
            names,
            public_url: public_url.to_owned(),
            database: database.to_owned(),
            environment,
            _folder: folder,
        }
    }

    /// One more instance, with a clock of its own. The tenants know it as their last.
    pub(crate) async fn add_instance(&mut self, clock: Arc<dyn Clock>) {
        let added = instance(&self.environment, 0, clock).await;
        self.instances.push(added);
    }

    /// A tenant that no other test knows.
    pub(crate) async fn tenant(&self) -> Tenant {
        self.tenant_with(json!({})).await
    }

    /// With these settings.
    pub(crate) async fn tenant_with(&self, settings: Value) -> Tenant {
        let slug = unique("t");
        let client = Client::new(self.instances[0].public_address);
        let answer = client
            .operator(
                Method::POST,
                "/admin/v1/tenants",
                Some(json!({ "slug": slug, "settings": settings })),
            )
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        Tenant {
            slug,
            public_url: self.public_url.clone(),
            domain: None,
            // Those there are now.
            addresses: self
                .instances
                .iter()
                .map(|server| server.public_address)
                .collect(),
        }
    }
}

/// The settings of an instance, but for its port.
fn environment(
    public_url: &str,
    database: &str,
    master_keys: &str,
    names: SocketAddr,
) -> Vec<(String, String)> {
    [
        ("TOKENHOUSE_PUBLIC_URL", public_url),
        ("TOKENHOUSE_MANAGEMENT_LISTEN", "127.0.0.1:0"),
        ("TOKENHOUSE_DATABASE_URL", database),
        ("TOKENHOUSE_MASTER_KEY", master_keys),
        ("TOKENHOUSE_OPERATOR_TOKEN", OPERATOR_TOKEN),
        // Tests may say where they come from.
        ("TOKENHOUSE_TRUSTED_PROXIES", "127.0.0.1/32"),
        // Where the tests' own applications are.
        ("TOKENHOUSE_OUTBOUND_ALLOWED_NETWORKS", "127.0.0.0/8"),
        ("TOKENHOUSE_DNS_SERVERS", &names.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

async fn instance(environment: &[(String, String)], port: u16, clock: Arc<dyn Clock>) -> Server {
    let listen = ("TOKENHOUSE_LISTEN".to_owned(), format!("127.0.0.1:{port}"));
    let environment = environment.iter().cloned().chain([listen]);
    let settings = RawSettings::read(None, environment).check().unwrap();
    Server::start(settings, clock).await.unwrap()
}

/// The address of a schema of its own in the test database.
pub(crate) async fn own_schema(prefix: &str) -> String {
    let url = store_url("TOKENHOUSE_TEST_POSTGRES_URL");
    let schema = unique(prefix);
    let connection = tokenhouse_server::infrastructure::database::connect(&url)
        .await
        .unwrap();
    connection
        .connection()
        .execute_unprepared(&format!("CREATE SCHEMA {schema}"))
        .await
        .unwrap();
    connection.connection().close_by_ref().await.unwrap();
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}options[search_path]={schema}")
}

/// A name that no other test uses, in this run or in one before.
pub(crate) fn unique(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let started = std::process::id();
    let nanos = std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    format!("{prefix}{started}x{nanos}x{n}")
}

/// Asks until the answer is there; another instance and work in the background may take a moment.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let end = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(std::time::Instant::now() < end, "{what}: not yet");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// A tenant of an installation.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    pub(crate) slug: String,
    /// The base of the issuer.
    pub(crate) public_url: String,
    /// The custom domain that it is spoken to at.
    domain: Option<String>,
    addresses: Vec<SocketAddr>,
}

impl Tenant {
    /// A tenant of a server that runs elsewhere.
    pub(crate) fn at(slug: &str, public_url: &str, address: SocketAddr) -> Self {
        Self {
            slug: slug.to_owned(),
            public_url: public_url.to_owned(),
            domain: None,
            addresses: vec![address],
        }
    }

    /// The same tenant, spoken to at a custom domain.
    pub(crate) fn at_domain(&self, domain: &str) -> Self {
        let port = url::Url::parse(&self.public_url).unwrap().port().unwrap();
        Self {
            public_url: format!("http://{domain}:{port}"),
            domain: Some(domain.to_owned()),
            ..self.clone()
        }
    }

    pub(crate) fn issuer(&self) -> String {
        format!("{}{}", self.public_url, self.path(""))
    }

    pub(crate) fn path(&self, rest: &str) -> String {
        match self.domain {
            None => format!("/t/{}{rest}", self.slug),
            Some(_) => rest.to_owned(),
        }
    }

    /// A client of instance `n`.
    pub(crate) fn client(&self, n: usize) -> Client {
        let client = Client::new(self.addresses[n % self.addresses.len()]);
        match self.domain {
            None => client,
            Some(_) => client.at_host(self.public_url.trim_start_matches("http://")),
        }
    }

    /// A user who has signed up; the address.
    pub(crate) async fn user(&self) -> String {
        let email = format!("{}@example.com", unique("u"));
        let body = json!({ "name": "Ada Lovelace", "email": email, "password": PASSWORD });
        let answer = self.client(0).post(&self.path("/auth/signup"), body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        email
    }

    /// A fresh session, tokens in the body.
    pub(crate) async fn session(&self) -> Session {
        let email = self.user().await;
        self.login(&email).await
    }

    pub(crate) async fn login(&self, email: &str) -> Session {
        let body = json!({ "email": email, "password": PASSWORD, "delivery": "body" });
        let answer = self.client(0).post(&self.path("/auth/login"), body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        Session::of(&answer)
    }

    /// Presents a refresh token to instance `n`.
    pub(crate) async fn refresh(&self, n: usize, token: &str) -> Answer {
        self.client(n)
            .post(
                &self.path("/auth/refresh"),
                json!({ "refresh_token": token }),
            )
            .await
    }

    pub(crate) async fn current_user(&self, n: usize, access_token: &str) -> Answer {
        self.client(n)
            .bearer(Method::GET, &self.path("/auth/current-user"), access_token)
            .await
    }
}

/// What a login or refresh with `delivery: "body"` gave.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
}

impl Session {
    pub(crate) fn of(answer: &Answer) -> Self {
        let text = |name: &str| {
            answer.body[name]
                .as_str()
                .unwrap_or_else(|| panic!("no {name}: {answer:?}"))
                .to_owned()
        };
        Self {
            access_token: text("access_token"),
            refresh_token: text("refresh_token"),
        }
    }
}

/// A whole answer, read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
    /// Null when it is no JSON.
    pub(crate) body: Value,
}

impl Answer {
    async fn read(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self {
            status,
            headers,
            text,
            body,
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts a problem document of this kind, complete.
    pub(crate) fn assert_problem(&self, status: u16, slug: &str) {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        assert_eq!(
            self.body["type"],
            format!("{PUBLIC_URL}/problems/{slug}"),
            "{self:?}"
        );
        assert_eq!(self.body["status"], status);
        assert_eq!(
            self.body["instance"],
            format!("urn:uuid:{}", self.header("x-request-id"))
        );
        assert!(self.body["title"].is_string() && self.body["detail"].is_string());
        assert_eq!(self.header("cache-control"), "no-store");
    }

    /// The pointers of a validation problem.
    pub(crate) fn pointers(&self) -> Vec<&str> {
        self.body["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["pointer"].as_str().unwrap())
            .collect()
    }
}

/// An HTTP client of one instance.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    base: String,
    /// Of the `Host` header, if it is another one than where the instance listens.
    host: Option<String>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        // Fails when it was installed before: then it is there.
        let _installed_before = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        Self {
            http,
            base: format!("http://{address}"),
            host: None,
        }
    }

    pub(crate) fn at_host(self, host: &str) -> Self {
        Self {
            host: Some(host.to_owned()),
            ..self
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.host {
            None => request,
            Some(host) => request.header("host", host),
        }
    }

    /// Sends a request and reads the answer, which the OpenAPI document must have.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let (http, request) = request.build_split();
        let request = request.unwrap();
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let at_a_host = request.headers().contains_key("host");
        let answer = Answer::read(http.execute(request).await.unwrap()).await;
        contract::check(
            &method,
            &path,
            at_a_host,
            answer.status,
            &answer.headers,
            &answer.text,
        );
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body))
            .await
    }

    pub(crate) async fn bearer(&self, method: Method, path: &str, token: &str) -> Answer {
        self.send(self.request(method, path).bearer_auth(token))
            .await
    }

    pub(crate) async fn operator(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.request(method, path).bearer_auth(OPERATOR_TOKEN);
        self.send(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }
}
