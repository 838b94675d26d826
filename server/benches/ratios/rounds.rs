//! The order of a run: installations, start-up times, then the rounds.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection};
use url::Url;

use crate::bare::{Hello, hashes_per_second};
use crate::fixtures::{Fixed, Tenant};
use crate::http::request;
use crate::load::{Sample, run};
use crate::product::{Installation, Product, Stores, binary_bytes};
use crate::report::{Measured, Round, StartUp, expect_complete};
use crate::scale::{self, Scale, Scaled};

/// Connections of every row but the logins.
const CONNECTIONS: usize = 64;
/// Enough to keep the hashing threads busy without filling their queue.
const LOGIN_CONNECTIONS: usize = 8;
/// More logins at once than the server will queue.
const FLOOD_CONNECTIONS: usize = 32;
/// Connections that refresh beside the flood.
const BESIDE_CONNECTIONS: usize = 16;

const STARTS: usize = 5;

/// Time for the server to fall asleep before its idle size is read.
const SETTLE: Duration = Duration::from_secs(1);

/// An instance with its tenant.
struct Instance {
    product: Product,
    tenant: Tenant,
}

pub(crate) async fn measure(span: Duration, rounds: u32, scale: Scale) -> Result<Measured> {
    let folder = tempfile::tempdir().context("could not make a temporary folder")?;
    let databases = Databases::create().await?;
    let result = measure_in(folder.path(), &databases, span, rounds, scale).await;
    // The servers have ended with the instances; their databases can go.
    let dropped = databases.drop_all().await;
    let measured = result?;
    dropped?;
    Ok(measured)
}

async fn measure_in(
    folder: &Path,
    databases: &Databases,
    span: Duration,
    rounds: u32,
    scale: Scale,
) -> Result<Measured> {
    let scaled = scale_alone(folder, databases, scale).await?;
    if rounds == 0 {
        return Ok(Measured::of_scale(scaled));
    }
    let redis_url = variable("TOKENHOUSE_TEST_REDIS_URL")?;
    let stores = [
        Stores {
            name: "Postgres + Redis",
            database_url: databases.url(0)?,
            redis_url: Some(redis_url),
        },
        Stores {
            name: "SQLite",
            database_url: format!("sqlite://{}?mode=rwc", folder.join("bench.db").display()),
            redis_url: None,
        },
        Stores {
            name: "Postgres",
            database_url: databases.url(1)?,
            redis_url: None,
        },
    ];
    let mut start_ups = Vec::new();
    let mut instances = Vec::new();
    for stores in stores {
        let installation = Installation::new(stores, folder)?;
        let (start_up, product) = start_repeatedly(&installation)?;
        eprintln!("{}: ready, making {CONNECTIONS} users", installation.name());
        let tenant = Tenant::create(&product, CONNECTIONS)?;
        start_ups.push(start_up);
        instances.push(Instance { product, tenant });
    }
    let [redis, sqlite, postgres] = instances.try_into().ok().context("three instances")?;
    let mut bench = Bench {
        hello: Hello::start(folder)?,
        redis,
        sqlite,
        postgres,
        span,
    };
    let mut measured = Vec::new();
    for number in 1..=rounds {
        eprintln!("round {number} of {rounds}");
        let round = bench.round().await?;
        expect_complete(&round)?;
        measured.push(round);
    }
    let loaded_bytes = bench.redis.product.server.resident_bytes()?;
    Ok(Measured {
        scaled,
        rounds: measured,
        start_ups,
        loaded_bytes,
        binary_bytes: binary_bytes()?,
    })
}

/// Before the other servers exist: they would only be in its way.
async fn scale_alone(folder: &Path, databases: &Databases, scale: Scale) -> Result<Scaled> {
    eprintln!("by scale: up to {} tenants and users", scale.listed);
    scale::measure(folder, [databases.url(2)?, databases.url(3)?], scale).await
}

fn start_repeatedly(installation: &Installation) -> Result<(StartUp, Product)> {
    let mut times = Vec::new();
    for _ in 1..STARTS {
        times.push(installation.start()?.ready_after);
    }
    let product = installation.start()?;
    times.push(product.ready_after);
    times.sort_unstable();
    std::thread::sleep(SETTLE);
    let start_up = StartUp {
        name: installation.name(),
        ready_after: times[times.len() / 2],
        idle_bytes: product.server.resident_bytes()?,
    };
    Ok((start_up, product))
}

struct Bench {
    hello: Hello,
    redis: Instance,
    sqlite: Instance,
    postgres: Instance,
    span: Duration,
}

impl Bench {
    async fn round(&mut self) -> Result<Round> {
        let span = self.span;
        let fixed = Fixed {
            bytes: request("GET", "/", "localhost", &[], None),
        };
        let Hello { server, address } = &self.hello;
        let hello = run(server, *address, CONNECTIONS, span, fixed)
            .await
            .context("hello")?
            .0;

        let (refresh_redis, access_tokens) = self
            .redis
            .refresh(span, true)
            .await
            .context("refresh on Redis")?;
        let (refresh_sqlite, _) = self
            .sqlite
            .refresh(span, false)
            .await
            .context("refresh on SQLite")?;
        let (refresh_postgres, _) = self
            .postgres
            .refresh(span, false)
            .await
            .context("refresh on Postgres")?;

        let Instance { product, tenant } = &mut self.redis;
        let (server, address) = (&product.server, product.address);
        let once_each = tenant.current_user_once_each(access_tokens);
        let (current_user, _) = run(server, address, CONNECTIONS, span, once_each)
            .await
            .context("current user, each token once")?;
        let again = tenant.current_user(&tenant.access_token()?);
        let (current_user_again, _) = run(server, address, CONNECTIONS, span, again)
            .await
            .context("current user, same token")?;
        let (jwks, _) = run(
            server,
            address,
            CONNECTIONS,
            span,
            tenant.get("oauth2/jwks"),
        )
        .await
        .context("JWKS")?;
        let document = tenant.get(".well-known/openid-configuration");
        let (discovery, _) = run(server, address, CONNECTIONS, span, document)
            .await
            .context("discovery")?;

        let bare_hashes = hashes_per_second(span)?;
        let logins = tenant.logins(LOGIN_CONNECTIONS, false);
        let (login, _) = run(server, address, LOGIN_CONNECTIONS, span, logins)
            .await
            .context("login")?;

        let flood = tenant.logins(FLOOD_CONNECTIONS, true);
        let beside = tenant.refresh(false);
        let (flood, beside) = tokio::join!(
            run(server, address, FLOOD_CONNECTIONS, span, flood),
            run(server, address, BESIDE_CONNECTIONS, span, beside),
        );
        let (flood, _) = flood.context("login flood")?;
        let (beside_flood, refresh) = beside.context("refresh beside a login flood")?;
        tenant.refresh_tokens = refresh.into_tokens().0;

        Ok(Round {
            hello,
            refresh_redis,
            refresh_sqlite,
            refresh_postgres,
            current_user,
            current_user_again,
            jwks,
            discovery,
            login,
            bare_hashes,
            flood,
            beside_flood,
        })
    }
}

impl Instance {
    async fn refresh(&mut self, span: Duration, harvest: bool) -> Result<(Sample, Vec<String>)> {
        let traffic = self.tenant.refresh(harvest);
        let Product {
            server, address, ..
        } = &self.product;
        let (sample, traffic) = run(server, *address, CONNECTIONS, span, traffic).await?;
        let (newest, access_tokens) = traffic.into_tokens();
        self.tenant.refresh_tokens = newest;
        Ok((sample, access_tokens))
    }
}

/// Four databases of the product's role, apart from the one that tests use.
struct Databases {
    admin: DatabaseConnection,
    product_url: Url,
    names: [String; 4],
}

impl Databases {
    async fn create() -> Result<Self> {
        let product_url = Url::parse(&variable("TOKENHOUSE_TEST_POSTGRES_URL")?)
            .context("TOKENHOUSE_TEST_POSTGRES_URL is no URL")?;
        let admin = Database::connect(variable("TOKENHOUSE_TEST_POSTGRES_ADMIN_URL")?);
        let admin = admin.await.context("could not connect to PostgreSQL")?;
        let names = [0, 1, 2, 3].map(|number| format!("bench_{}_{number}", std::process::id()));
        let owner = product_url.username();
        for name in &names {
            let statement = format!(r#"CREATE DATABASE "{name}" OWNER "{owner}""#);
            admin
                .execute_unprepared(&statement)
                .await
                .context("could not create a database")?;
        }
        Ok(Self {
            admin,
            product_url,
            names,
        })
    }

    fn url(&self, number: usize) -> Result<String> {
        let mut url = self.product_url.clone();
        url.set_path(self.names.get(number).context("there are four databases")?);
        Ok(url.into())
    }

    async fn drop_all(self) -> Result<()> {
        for name in &self.names {
            let statement = format!(r#"DROP DATABASE "{name}" WITH (FORCE)"#);
            self.admin
                .execute_unprepared(&statement)
                .await
                .context("could not drop a database")?;
        }
        Ok(())
    }
}

fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set: run `cargo xtask bench`"))
}
