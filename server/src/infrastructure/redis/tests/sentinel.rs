//! Failing over, with a real primary, replica and Sentinel.

use super::{
    server::{RedisServer, until},
    *,
};

struct Trio {
    servers: [RedisServer; 2],
    sentinel: RedisServer,
}

impl Trio {
    async fn start() -> Self {
        let common = ["port {port}", "requirepass secret", "masterauth secret"];
        let primary = RedisServer::start(&common).await;
        let follows = format!("replicaof 127.0.0.1 {}", primary.port);
        let replica = RedisServer::start(&[&common[..], &[follows.as_str()]].concat()).await;
        let monitor = format!("sentinel monitor main 127.0.0.1 {} 1", primary.port);
        let sentinel = RedisServer::sentinel(&[
            "port {port}",
            "requirepass other",
            &monitor,
            "sentinel auth-pass main secret",
            "sentinel down-after-milliseconds main 500",
            "sentinel failover-timeout main 1000",
        ])
        .await;
        let trio = Self {
            servers: [primary, replica],
            sentinel,
        };
        until("the Sentinel knows the replica", async || {
            let known = trio.ask(&["SENTINEL", "REPLICAS", "main"]).await;
            matches!(known, Ok(Value::Array(replicas)) if replicas.len() == 1
                && format!("{replicas:?}").contains("master-link-status"))
                && trio.linked(1).await
        })
        .await;
        trio
    }

    async fn ask(&self, words: &[&str]) -> Result<Value, redis::RedisError> {
        command_to(self.sentinel.port, "other", words).await
    }

    /// Whether this server is a replica whose link is up.
    async fn linked(&self, server: usize) -> bool {
        let info = command_to(
            self.servers[server].port,
            "secret",
            &["INFO", "replication"],
        )
        .await;
        matches!(info, Ok(value) if format!("{value:?}").contains("master_link_status:up"))
    }

    fn url(&self) -> String {
        let sentinel = self.sentinel.port;
        // The first Sentinel is one that nobody started.
        format!("redis-sentinel://:secret@127.0.0.1:1,127.0.0.1:{sentinel}/main?password=other")
    }
}

async fn command_to(port: u16, password: &str, words: &[&str]) -> Result<Value, redis::RedisError> {
    let client = redis::Client::open(format!("redis://:{password}@127.0.0.1:{port}"))?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(*word);
    }
    command.query_async(&mut connection).await
}

/// A client that presents its token again until it is answered, as clients do on 503.
async fn refreshed(
    rotations: &RedisRotations,
    fixture: &RedisFixture,
    request: &RotationRequest,
) -> Rotation {
    let mut answer = None;
    until("the new primary answers", async || {
        answer = rotations.rotate(&fixture.tenant, request).await.ok();
        answer.is_some()
    })
    .await;
    answer.expect("it was answered")
}

#[tokio::test]
async fn refreshes_go_on_at_the_primary_that_took_over() {
    let mut trio = Trio::start().await;
    let connection = open(&trio.url(), None);
    connection
        .inspect()
        .await
        .expect("the Sentinel names the primary");
    let floors = Arc::new(FloorWriter::start(Arc::new(NoFloors), 100));
    let rotations = RedisRotations::new(connection.clone(), floors);
    let fixture = RedisFixture::new().await;
    let secrets = [(); 4].map(|()| random_secret());
    let family = random_family(&fixture);
    let mut request = fixture.request(family, &secrets[0], &secrets[1]);
    assert_eq!(
        refreshed(&rotations, &fixture, &request).await,
        Rotation::Rotated
    );
    let replicated = connection.call(redis::cmd("WAIT").arg(1).arg(5_000)).await;
    assert_eq!(replicated.expect("Redis answers"), Value::Int(1));

    // An operator's failover: the old primary lives on as a replica and refuses writes.
    trio.ask(&["SENTINEL", "FAILOVER", "main"])
        .await
        .expect("the Sentinel does it");
    until("the old primary follows", async || trio.linked(0).await).await;
    request = fixture.request(family, &secrets[1], &secrets[2]);
    request.presented.generation = Generation(1);
    assert_eq!(
        refreshed(&rotations, &fixture, &request).await,
        Rotation::Rotated
    );
    // The record came along: the same request is a repetition.
    assert!(matches!(
        refreshed(&rotations, &fixture, &request).await,
        Rotation::Repeated { .. }
    ));
    let replicated = connection.call(redis::cmd("WAIT").arg(1).arg(5_000)).await;
    assert_eq!(replicated.expect("Redis answers"), Value::Int(1));

    // A crash: nobody says goodbye.
    trio.servers[1].kill().await;
    request = fixture.request(family, &secrets[2], &secrets[3]);
    request.presented.generation = Generation(2);
    assert!(matches!(
        refreshed(&rotations, &fixture, &request).await,
        // Within the failover, the first answer may be lost on its way.
        Rotation::Rotated | Rotation::Repeated { .. }
    ));
    let role = connection
        .call(&redis::cmd("ROLE"))
        .await
        .expect("Redis answers");
    assert!(format!("{role:?}").contains("master"), "{role:?}");
}

#[tokio::test]
async fn without_a_sentinel_redis_is_unreachable() {
    use crate::application::ports::{Dependency, Health};
    let nobody = open("redis-sentinel://127.0.0.1:1/main", None);
    let unfit = nobody.inspect().await.expect_err("nobody is there");
    assert!(unfit.may_pass(), "{unfit:?}");
    assert_eq!(nobody.check().await, Health::Down("unreachable".into()));

    // Who asks together waits together, not one behind the other.
    let began = std::time::Instant::now();
    assert!(nobody.ensure_fit().await.is_err());
    let one = began.elapsed();
    let began = std::time::Instant::now();
    let asked = (0..20).map(|_| nobody.ensure_fit());
    let answers = futures_util::future::join_all(asked).await;
    assert!(answers.iter().all(Result::is_err));
    assert!(
        began.elapsed() < one * 5,
        "{:?} for all, {one:?} for one",
        began.elapsed()
    );
}
