//! What one costs among many: a large installation beside a small one on the same PostgreSQL, request by
//! request in turns, so that whatever else the machine does it does to both.
//!
//! Most tenants and users are copied within the database, and nothing gathers statistics of them: what is
//! measured is what holds right after an import, whatever the planner knows.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sea_orm::{ConnectionTrait as _, Database, TransactionTrait as _};
use serde_json::{Value, json};

use crate::http::{expect_success, parse, request};
use crate::product::{Installation, Product, Stores};

const WARM_UP: usize = 20;
const SAMPLES: usize = 300;
/// Well before the server gives a silent connection up, such as while rows are copied.
const IDLE: Duration = Duration::from_secs(3);

/// How many times as much the large one may cost.
const LIMIT: f64 = 1.2;

/// How many there are in the large installation.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    /// When tenants are made.
    pub(crate) tenants: usize,
    /// When pages are read; as many users in one tenant.
    pub(crate) listed: usize,
}

impl Scale {
    pub(crate) const SHORT: Self = Self {
        tenants: 2_000,
        listed: 20_000,
    };
    pub(crate) const FULL: Self = Self {
        tenants: 10_000,
        listed: 100_000,
    };
}

/// How many users are imported on each side.
const IMPORTED: usize = 2_000;

/// In the small installation.
const FEW_TENANTS: usize = 10;
const FEW_LISTED: usize = 100;

const PAGES: [(&str, &str); 8] = [
    ("page of tenants", "/tenants"),
    ("tenants that begin so", "/tenants?q=s0"),
    ("page of users", "/tenants/s000000/users"),
    ("users in a state", "/tenants/s000000/users?state=disabled"),
    ("addresses that begin so", "/tenants/s000000/users?q=u0"),
    ("names that begin so", "/tenants/s000000/users?q=user%20"),
    (
        "addresses in a state",
        "/tenants/s000000/users?q=u0&state=disabled",
    ),
    (
        "names in a state",
        "/tenants/s000000/users?q=user%20&state=disabled",
    ),
];

/// One line of the table: medians in milliseconds.
pub(crate) struct Compared {
    name: &'static str,
    few: f64,
    lots: f64,
}

impl Compared {
    fn ratio(&self) -> f64 {
        self.lots / self.few
    }
}

/// What was found.
pub(crate) struct Scaled {
    scale: Scale,
    rows: Vec<Compared>,
    /// Users a second, into a tenant without any, among few and lots.
    imported: [f64; 2],
}

impl Scaled {
    pub(crate) fn table(&self) -> String {
        // Writing to a `String` cannot fail.
        let mut out = String::new();
        let Scale { tenants, listed } = self.scale;
        let _ = writeln!(
            out,
            "\nby scale: {FEW_TENANTS} and {tenants} tenants to make one more, {FEW_LISTED} and {listed} to list; \
             medians of {SAMPLES} in turns, no statistics gathered\n{:<25}{:>10}{:>10}{:>9}{:>8}",
            "", "few ms", "lots ms", "ratio", "limit"
        );
        for row in &self.rows {
            let _ = writeln!(
                out,
                "{:<25}{:>10.2}{:>10.2}{:>9.3}{LIMIT:>8.2}",
                row.name,
                row.few,
                row.lots,
                row.ratio()
            );
        }
        let [few, lots] = self.imported;
        let _ = writeln!(
            out,
            "import of {IMPORTED} users: {few:.0} users/s among few, {lots:.0} among lots"
        );
        out
    }

    pub(crate) fn objections(&self) -> Vec<String> {
        let over = self.rows.iter().filter(|row| row.ratio() > LIMIT);
        over.map(|row| format!("{}: {:.3} times the cost of few", row.name, row.ratio()))
            .collect()
    }
}

/// Fills two databases and measures.
pub(crate) async fn measure(folder: &Path, urls: [String; 2], scale: Scale) -> Result<Scaled> {
    let [small_url, large_url] = urls;
    let mut small = Side::start("few", small_url, folder)?;
    let mut large = Side::start("lots", large_url, folder)?;
    small.tenants(FEW_TENANTS - 1).await?;
    large.tenants(scale.tenants - 1).await?;
    let mut rows = vec![compare(
        "one more tenant",
        &mut small,
        &mut large,
        Side::create,
    )?];
    small.tenants(FEW_LISTED).await?;
    large.tenants(scale.listed).await?;
    small.users(FEW_LISTED).await?;
    large.users(scale.listed).await?;
    for (name, path) in PAGES {
        let get = |side: &mut Side| side.call("GET", path, None);
        rows.push(compare(name, &mut small, &mut large, get)?);
    }
    let imported = [small.import().await?, large.import().await?];
    Ok(Scaled {
        scale,
        rows,
        imported,
    })
}

fn compare(
    name: &'static str,
    small: &mut Side,
    large: &mut Side,
    work: impl Fn(&mut Side) -> Result<()>,
) -> Result<Compared> {
    eprintln!("by scale: {name}");
    let (mut few, mut lots) = (Vec::new(), Vec::new());
    for n in 0..WARM_UP + SAMPLES {
        for (side, times) in [(&mut *small, &mut few), (&mut *large, &mut lots)] {
            let began = Instant::now();
            work(side).with_context(|| format!("{name} among {}", side.name))?;
            if n >= WARM_UP {
                times.push(began.elapsed());
            }
        }
    }
    Ok(Compared {
        name,
        few: median_ms(few),
        lots: median_ms(lots),
    })
}

fn connect(product: &Product) -> Result<TcpStream> {
    let stream = TcpStream::connect(product.address).context("no connection")?;
    stream.set_nodelay(true).context("could not set nodelay")?;
    Ok(stream)
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1_000.0
}

/// One of the two installations, and one connection to it.
struct Side {
    name: &'static str,
    database_url: String,
    product: Product,
    stream: TcpStream,
    used: Instant,
    /// Copies so far.
    copied: usize,
    made: usize,
}

impl Side {
    /// With tenant `s000000` and its user, which the others are copies of.
    fn start(name: &'static str, database_url: String, folder: &Path) -> Result<Self> {
        let stores = Stores {
            name,
            database_url: database_url.clone(),
            redis_url: None,
        };
        let product = Installation::new(stores, folder)?.start()?;
        let stream = connect(&product)?;
        let mut side = Self {
            name,
            database_url,
            product,
            stream,
            used: Instant::now(),
            copied: 0,
            made: 0,
        };
        side.call(
            "POST",
            "/tenants",
            Some(&json!({ "slug": "s000000" }).to_string()),
        )?;
        let user = json!({ "name": "User", "email": "first@example.com" }).to_string();
        side.call("POST", "/tenants/s000000/users", Some(&user))?;
        Ok(side)
    }

    async fn tenants(&mut self, to: usize) -> Result<()> {
        let sql = include_str!("../../tests/scale/tenants.sql");
        let sql = sql.replace("{from}", &(self.copied + 1).to_string());
        self.copied = to;
        self.run(&sql.replace("{to}", &to.to_string())).await
    }

    async fn users(&self, to: usize) -> Result<()> {
        let sql = include_str!("../../tests/scale/users.sql");
        self.run(&sql.replace("{to}", &to.to_string())).await
    }

    async fn run(&self, sql: &str) -> Result<()> {
        let database = Database::connect(&self.database_url).await?;
        let tx = database.begin().await?;
        tx.execute_unprepared(sql)
            .await
            .context("could not copy rows")?;
        tx.commit().await?;
        Ok(database.close().await?)
    }

    fn create(&mut self) -> Result<()> {
        self.made += 1;
        let body = json!({ "slug": format!("made{}", self.made) }).to_string();
        self.call("POST", "/tenants", Some(&body))
    }

    /// Its answer comes in parts, so a client library reads it. The server counts the rate itself.
    async fn import(&mut self) -> Result<f64> {
        let body = json!({ "slug": "imported" }).to_string();
        self.call("POST", "/tenants", Some(&body))?;
        let line = |n: usize| {
            let email = format!("i{n}@example.com");
            let user = json!({ "external_id": n.to_string(), "name": "A user", "email": email });
            format!("{user}\n")
        };
        let address = self.product.address;
        // Fails when it was installed before: then it is there.
        let _installed_before = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let answer = reqwest::Client::new()
            .post(format!(
                "http://{address}/admin/v1/tenants/imported/users/import"
            ))
            .bearer_auth(&self.product.operator_token)
            .header("content-type", "application/x-ndjson")
            .body((0..IMPORTED).map(line).collect::<String>())
            .send()
            .await?
            .text()
            .await?;
        let last = answer.lines().last().context("no answer")?;
        let summary: Value = serde_json::from_str(last).context("no summary")?;
        ensure!(summary["summary"]["failed"] == 0, "{last}");
        let rate = summary["summary"]["users_per_second"].as_f64();
        rate.context("no rate")
    }

    fn call(&mut self, method: &str, path: &str, body: Option<&str>) -> Result<()> {
        let host = format!("localhost:{}", self.product.address.port());
        let bearer = format!("Authorization: Bearer {}", self.product.operator_token);
        let path = format!("/admin/v1{path}");
        let bytes = request(method, &path, &host, &[&bearer], body);
        if self.used.elapsed() > IDLE {
            self.stream = connect(&self.product)?;
        }
        self.used = Instant::now();
        self.stream.write_all(&bytes).context("could not send")?;
        let mut buffer = Vec::with_capacity(64 << 10);
        let mut chunk = [0; 16 << 10];
        loop {
            if let Some(answer) = parse(&buffer)? {
                return expect_success(answer.status, &buffer[answer.body]);
            }
            let length = self.stream.read(&mut chunk).context("no answer")?;
            ensure!(length > 0, "the connection ended before the answer did");
            buffer.extend_from_slice(&chunk[..length]);
        }
    }
}
