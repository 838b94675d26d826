//! Nothing costs more because there is more of it: tenant no. n, a page of tenants, a page of users, as ratios
//! within one run.
//!
//! Short by default; `TOKENHOUSE_TEST_SCALE=10000 cargo xtask test -- --release -- scale --nocapture` makes as many
//! tenants, and ten times as many users.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Backend, Client, Installation, OPERATOR_TOKEN};

/// How many requests one measurement takes the median of.
const SAMPLES: usize = 60;
/// What a ratio may be in a short run on a busy machine; the long run is for looking at.
const NOISE: f64 = 5.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cost_of_one_does_not_grow_with_the_number_of_others() {
    let many = std::env::var("TOKENHOUSE_TEST_SCALE");
    let many: usize = many.map_or(400, |text| text.parse().unwrap());
    let installation = Installation::alone(Backend::Postgres).await;
    let client = Client::new(installation.instances[0].public_address);

    let mut made = 0;
    create(&client, &mut made, 10).await;
    let first = median(SAMPLES, async |_| create_one(&client, &mut made).await).await;
    let few = median(SAMPLES, async |_| page(&client, "/admin/v1/tenants").await).await;
    let missing = many - made;
    create(&client, &mut made, missing).await;
    let last = median(SAMPLES, async |_| create_one(&client, &mut made).await).await;
    let lots = median(SAMPLES, async |_| page(&client, "/admin/v1/tenants").await).await;
    let deep = "/admin/v1/tenants?q=s0";
    let searched = median(SAMPLES, async |_| page(&client, deep).await).await;

    let users = "/admin/v1/tenants/s00000/users";
    import(&client, 0, 100).await;
    let few_users = median(SAMPLES, async |_| page(&client, users).await).await;
    let rate = import(&client, 100, many * 10).await;
    let lots_of_users = median(SAMPLES, async |_| page(&client, users).await).await;

    let ratio = |more: Duration, less: Duration| more.as_secs_f64() / less.as_secs_f64();
    let ratios = [
        ("a tenant", ratio(last, first)),
        ("a page of tenants", ratio(lots, few)),
        ("a page of tenants that begin so", ratio(searched, few)),
        ("a page of users", ratio(lots_of_users, few_users)),
    ];
    report(&format!(
        "{made} tenants, {} users, {rate} users/s imported: {ratios:.2?}",
        many * 10
    ));
    for (what, ratio) in ratios {
        assert!(
            ratio < NOISE,
            "{what} costs {ratio:.2} times as much as at the beginning"
        );
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the long run is for people who look at it"
)]
fn report(summary: &str) {
    println!("{summary}");
}

/// The median time of a request.
async fn median(samples: usize, mut work: impl AsyncFnMut(usize)) -> Duration {
    let mut times = Vec::with_capacity(samples);
    for n in 0..samples {
        let began = Instant::now();
        work(n).await;
        times.push(began.elapsed());
    }
    times.sort();
    times[samples / 2]
}

async fn create_one(client: &Client, made: &mut usize) {
    let body = json!({ "slug": format!("s{made:05}") });
    *made += 1;
    let answer = client
        .operator(Method::POST, "/admin/v1/tenants", Some(body))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
}

async fn create(client: &Client, made: &mut usize, count: usize) {
    for _ in 0..count {
        create_one(client, made).await;
    }
}

async fn page(client: &Client, path: &str) {
    let answer = client.operator(Method::GET, path, None).await;
    assert_eq!(
        answer.body["items"].as_array().unwrap().len(),
        50,
        "{}",
        answer.text
    );
}

/// Imports users up to this number; how many a second.
async fn import(client: &Client, from: usize, to: usize) -> f64 {
    let lines: String = (from..to)
        .map(|n| {
            let user = json!({ "external_id": n.to_string(), "name": format!("User {n}"), "email": format!("u{n}@example.com") });
            format!("{user}\n")
        })
        .collect();
    let mut rate = 0.0;
    let lines: Vec<_> = lines.lines().collect();
    // A request takes up to 100,000 lines and some megabytes.
    for chunk in lines.chunks(20_000) {
        let request = client
            .request(Method::POST, "/admin/v1/tenants/s00000/users/import")
            .bearer_auth(OPERATOR_TOKEN)
            .header("content-type", "application/x-ndjson")
            .body(chunk.join("\n"));
        let answer = client.send(request).await;
        let last = answer.text.lines().last().unwrap_or_default();
        let summary: serde_json::Value = serde_json::from_str(last).unwrap();
        assert_eq!(summary["summary"]["failed"], 0, "{last}");
        rate = summary["summary"]["users_per_second"].as_f64().unwrap();
    }
    rate
}
