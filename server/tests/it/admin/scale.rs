//! Nothing costs more because there is more of it: tenant no. n, a page of tenants, a page of users, as ratios of
//! a large installation to a small one beside it.
//!
//! Short by default; `TOKENHOUSE_TEST_SCALE=10000 cargo xtask test -- --release -- scale --nocapture` makes as many
//! tenants, ten times as many for the pages, and fifty times as many users. `cargo xtask bench` has the same rows.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};

use crate::harness::{Backend, Client, Installation, OPERATOR_TOKEN};

/// How many requests of each installation the median is taken of, in turns.
const SAMPLES: usize = 60;
const WARM_UP: usize = 10;
/// What a ratio may be in a short run of a debug build on a busy machine. A page that reads every row is
/// dozens of times slower.
const NOISE: f64 = 2.5;
const COMPARISONS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cost_of_one_does_not_grow_with_the_number_of_others() {
    let many = std::env::var("TOKENHOUSE_TEST_SCALE");
    let many: usize = many.map_or(2_000, |text| text.parse().unwrap());
    let (mut small, mut large) = (Scaled::start().await, Scaled::start().await);
    small.tenants(9).await;
    large.tenants(many - 1).await;
    let mut ratios = vec![(
        "a tenant",
        compare(&mut small, &mut large, Scaled::create).await,
    )];

    small.tenants(100).await;
    large.tenants(many * 10).await;
    small.users(100).await;
    large.users(many * 50).await;
    for (what, path) in [
        ("a page of tenants", "/tenants"),
        ("tenants that begin so", "/tenants?q=s0"),
        ("a page of users", "/tenants/s000000/users"),
        ("users in a state", "/tenants/s000000/users?state=disabled"),
        (
            "users whose address begins so",
            "/tenants/s000000/users?q=u0",
        ),
        (
            "users whose name begins so",
            "/tenants/s000000/users?q=user%20",
        ),
        (
            "the same in a state",
            "/tenants/s000000/users?q=u0&state=disabled",
        ),
        (
            "names in a state",
            "/tenants/s000000/users?q=user%20&state=disabled",
        ),
    ] {
        let ratio = compare(&mut small, &mut large, async |one| one.page(path).await).await;
        ratios.push((what, ratio));
    }
    let rate = large.import(many / 4).await;
    report(&format!(
        "{many} tenants and {} for the pages, {} users, {rate:.0} users/s imported: {ratios:.2?}",
        many * 10,
        many * 50
    ));
    for (what, ratio) in ratios {
        assert!(ratio < NOISE, "{what}: {ratio:.2} times the cost");
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the long run is for people who look at it"
)]
fn report(summary: &str) {
    println!("{summary}");
}

/// How many times as long a request takes at the large one: the least of a few comparisons, if the first is
/// beyond the bound. What other tests do beside this one passes; a page that reads every row reads it each time.
async fn compare(small: &mut Scaled, large: &mut Scaled, work: impl AsyncFn(&mut Scaled)) -> f64 {
    let mut least = f64::INFINITY;
    for _ in 0..COMPARISONS {
        least = least.min(medians(small, large, &work).await);
        if least < NOISE {
            break;
        }
    }
    least
}

/// The ratio of the median times. In turns, so that whatever else the machine does, it does to both.
async fn medians(small: &mut Scaled, large: &mut Scaled, work: &impl AsyncFn(&mut Scaled)) -> f64 {
    let mut times = [Vec::new(), Vec::new()];
    for n in 0..WARM_UP + SAMPLES {
        for (one, times) in [&mut *small, &mut *large].into_iter().zip(&mut times) {
            let began = Instant::now();
            work(one).await;
            if n >= WARM_UP {
                times.push(began.elapsed());
            }
        }
    }
    let [few, lots] = times.map(median);
    lots.as_secs_f64() / few.as_secs_f64()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// An installation in a schema of its own.
struct Scaled {
    installation: Installation,
    client: Client,
    tenants: usize,
    made: usize,
}

impl Scaled {
    /// With tenant `s000000` and its user.
    async fn start() -> Self {
        let installation = Installation::alone(Backend::Postgres).await;
        let client = Client::new(installation.instances[0].public_address);
        let scaled = Self {
            installation,
            client,
            tenants: 1,
            made: 0,
        };
        scaled.post("/tenants", json!({ "slug": "s000000" })).await;
        let user = json!({ "name": "User", "email": "first@example.com" });
        scaled.post("/tenants/s000000/users", user).await;
        scaled
    }

    async fn post(&self, path: &str, body: Value) {
        let path = format!("/admin/v1{path}");
        let answer = self.client.operator(Method::POST, &path, Some(body)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }

    /// Until there are this many more than the first, besides those that requests made.
    async fn tenants(&mut self, to: usize) {
        let sql = include_str!("../../scale/tenants.sql");
        let sql = sql.replace("{from}", &self.tenants.to_string());
        self.run(&sql.replace("{to}", &to.to_string())).await;
        self.tenants = to + 1;
    }

    async fn users(&self, to: usize) {
        let sql = include_str!("../../scale/users.sql");
        self.run(&sql.replace("{to}", &to.to_string())).await;
    }

    async fn run(&self, sql: &str) {
        let url = &self.installation.database;
        let database = tokenhouse_server::infrastructure::database::connect(url)
            .await
            .unwrap();
        let tx = database.connection().begin().await.unwrap();
        tx.execute_unprepared(sql).await.unwrap();
        tx.commit().await.unwrap();
        database.connection().close_by_ref().await.unwrap();
    }

    async fn create(&mut self) {
        self.made += 1;
        let body = json!({ "slug": format!("made{}", self.made) });
        self.post("/tenants", body).await;
    }

    async fn page(&self, path: &str) {
        let path = format!("/admin/v1{path}");
        let answer = self.client.operator(Method::GET, &path, None).await;
        let items = answer.body["items"].as_array().map(Vec::len);
        assert_eq!(items, Some(50), "{}", answer.text);
    }

    /// Imports so many users; how many a second.
    async fn import(&self, users: usize) -> f64 {
        self.post("/tenants", json!({ "slug": "imported" })).await;
        let line = |n: usize| {
            let user = json!({ "external_id": n.to_string(), "name": "A user", "email": format!("i{n}@example.com") });
            format!("{user}\n")
        };
        let request = self
            .client
            .request(Method::POST, "/admin/v1/tenants/imported/users/import")
            .bearer_auth(OPERATOR_TOKEN)
            .header("content-type", "application/x-ndjson")
            .body((0..users).map(line).collect::<String>());
        let answer = self.client.send(request).await;
        let last = answer.text.lines().last().unwrap_or_default();
        let summary: Value = serde_json::from_str(last).unwrap();
        assert_eq!(summary["summary"]["failed"], 0, "{last}");
        summary["summary"]["users_per_second"].as_f64().unwrap()
    }
}
