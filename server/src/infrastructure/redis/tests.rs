//! Redis against the contract, and what is Redis' own. `cargo xtask test` starts a server for it.

mod cluster;
mod connection;
mod floors;
mod sentinel;
mod server;
mod tls;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use redis::{Cmd, Value};

use super::{
    address::RedisAddress, connection::RedisConnection, floor_writer::FloorWriter,
    rotations::RedisRotations, seat::Redis, tenant_key::TenantKey,
};
use crate::{
    application::{
        error::StoreError,
        ports::{Clock, Entropy, Floors, RaisedFloor, Rotation, RotationRequest, Rotations},
    },
    domain::{
        client::ClientId,
        grant::Floor,
        id::{GrantId, TenantId},
        refresh::{
            Generation, Lifetimes, Presented, RefreshToken, Secret, Successor, TagKey, TagKeyId,
        },
        secret::Key256,
        tenant::TenantScope,
    },
    infrastructure::entropy::SystemEntropy,
    rotations_contract, testing,
    testing::{
        clock::TestClock,
        contract::rotations::{Fixture, Volatile},
        entropy::draw,
    },
};

fn url() -> String {
    std::env::var("TOKENHOUSE_TEST_REDIS_URL")
        .expect("TOKENHOUSE_TEST_REDIS_URL is set: run cargo xtask test")
}

async fn connection() -> RedisConnection {
    connection_to(&url()).await
}

/// A connection that nobody has used yet.
fn open(url: &str, authority: Option<&str>) -> RedisConnection {
    let address = RedisAddress::parse(url, authority).expect("an address");
    RedisConnection::open(&address).expect("a connection")
}

async fn connection_to(url: &str) -> RedisConnection {
    let connection = open(url, None);
    connection
        .inspect()
        .await
        .expect("the Redis of the tests runs");
    connection
}

/// Floors that nobody reads.
struct NoFloors;

#[async_trait]
impl Floors for NoFloors {
    async fn raise(&self, _tenant: TenantId, _floors: &[RaisedFloor]) -> Result<(), StoreError> {
        Ok(())
    }
}

struct RedisFixture {
    tenant: TenantScope,
    clock: TestClock,
    redis: Redis,
    one: Arc<RedisRotations>,
    other: Arc<RedisRotations>,
}

impl RedisFixture {
    async fn new() -> Self {
        Self::on(&url()).await
    }

    async fn on(url: &str) -> Self {
        let redis = async || {
            let address = RedisAddress::parse(url, None).expect("an address");
            let redis = Redis::open(&address).expect("connections");
            redis.inspect().await.expect("the Redis of the tests runs");
            redis
        };
        let instance = |redis: Redis| {
            let floors = Arc::new(FloorWriter::start(Arc::new(NoFloors), 1_000));
            Arc::new(RedisRotations::new(redis, floors))
        };
        Self {
            tenant: testing::tenant(),
            clock: TestClock::default(),
            redis: redis().await,
            one: instance(redis().await),
            other: instance(redis().await),
        }
    }

    fn connection(&self) -> &RedisConnection {
        match &self.redis {
            Redis::One(connection) => connection,
            Redis::Cluster(_) => panic!("a Cluster has no one connection"),
        }
    }

    async fn run(&self, command: &Cmd) -> Value {
        let answer = self.connection().call(command).await;
        answer.expect("Redis answers")
    }

    async fn at_family(&self, command: &Cmd, family: GrantId) -> Value {
        let key = TenantKey::family(&self.tenant, family);
        let mut way = self.redis.way_to(&key).await.expect("a way");
        loop {
            match way.seat.call(command).await {
                Ok(answer) => return answer,
                Err(error) => way = way.go_on(error).await.expect("Redis answers"),
            }
        }
    }

    async fn on_family(&self, command: &str, family: GrantId) -> Value {
        let mut command = redis::cmd(command);
        command.arg(TenantKey::family(&self.tenant, family));
        self.at_family(&command, family).await
    }

    fn request(&self, family: GrantId, secret: &Secret, successor: &Secret) -> RotationRequest {
        let now = self.clock.now();
        RotationRequest {
            family,
            owner: ClientId::first_party(),
            floor: Floor {
                generation: Generation::FIRST,
                leaf: Some(secret.digest()),
                idle_end: now + Duration::from_secs(100),
                absolute_end: now + Duration::from_secs(1_000),
            },
            floor_is_fresh: true,
            presented: Presented {
                client_id: ClientId::first_party(),
                generation: Generation::FIRST,
                digest: secret.digest(),
            },
            successor: Successor {
                digest: successor.digest(),
                sealed: b"sealed".to_vec(),
            },
            lifetimes: Lifetimes {
                idle: Duration::from_secs(100),
                retry_window: Duration::from_secs(30),
            },
            now,
            clock_offset: self.clock.offset_micros(),
        }
    }

    async fn rotate(&self, request: &RotationRequest) -> Rotation {
        self.one
            .rotate(&self.tenant, request)
            .await
            .expect("Redis answers")
    }
}

#[async_trait]
impl Fixture for RedisFixture {
    fn tenant(&self) -> &TenantScope {
        &self.tenant
    }

    fn clock(&self) -> &TestClock {
        &self.clock
    }

    fn rotations(&self) -> Arc<dyn Rotations> {
        Arc::clone(&self.one) as Arc<dyn Rotations>
    }

    fn second_instance(&self) -> Arc<dyn Rotations> {
        Arc::clone(&self.other) as Arc<dyn Rotations>
    }

    /// The first rotation makes the record.
    async fn add_family(&self, _family: GrantId, _owner: &ClientId, _floor: &Floor) {}

    fn volatile(&self) -> Option<&dyn Volatile> {
        Some(self)
    }
}

#[async_trait]
impl Volatile for RedisFixture {
    async fn lose(&self, family: GrantId) {
        self.on_family("DEL", family).await;
    }

    async fn save(&self, family: GrantId) -> Vec<u8> {
        match self.on_family("DUMP", family).await {
            Value::BulkString(dump) => dump,
            other => panic!("no record to save: {other:?}"),
        }
    }

    async fn restore(&self, family: GrantId, saved: &[u8]) {
        let mut restore = redis::cmd("RESTORE");
        restore.arg(TenantKey::family(&self.tenant, family));
        restore.arg(600_000).arg(saved).arg("REPLACE");
        self.at_family(&restore, family).await;
    }
}

rotations_contract!(RedisFixture::new);

fn number(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        other => panic!("not a number: {other:?}"),
    }
}

fn random_secret() -> Secret {
    Secret::from_entropy(draw(&SystemEntropy as &dyn Entropy))
}

fn random_family(fixture: &RedisFixture) -> GrantId {
    GrantId::new(fixture.clock.now(), draw(&SystemEntropy as &dyn Entropy))
}

#[tokio::test]
async fn a_dump_holds_nothing_that_can_be_used() {
    let fixture = RedisFixture::new().await;
    let family = random_family(&fixture);
    let (secret, successor) = (random_secret(), random_secret());
    let request = fixture.request(family, &secret, &successor);
    assert_eq!(fixture.rotate(&request).await, Rotation::Rotated);

    let Value::Array(fields) = fixture.on_family("HGETALL", family).await else {
        panic!("there is a record");
    };
    let dump: Vec<u8> = fields
        .into_iter()
        .flat_map(|field| match field {
            Value::BulkString(bytes) => bytes,
            other => panic!("not a string: {other:?}"),
        })
        .collect();
    let contains = |part: &[u8]| dump.windows(part.len()).any(|window| window == part);
    assert!(
        contains(successor.digest().as_bytes()),
        "the digest is kept"
    );
    let key = TagKey {
        id: TagKeyId(1),
        key: Key256::from_bytes([1; 32]),
    };
    for (generation, secret) in [(0, secret), (1, successor)] {
        assert!(!contains(&secret.expose()[..8]));
        let token = RefreshToken {
            family,
            generation: Generation(generation),
            secret,
        }
        .encode(fixture.tenant.id(), &key);
        assert!(!contains(&token.as_bytes()[..12]));
    }
}

#[tokio::test]
async fn flushing_redis_logs_nobody_out() {
    // A database of its own: the other tests must keep their records.
    let mut url = url::Url::parse(&url()).expect("a URL");
    url.set_path("/15");
    let fixture = RedisFixture::on(url.as_str()).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let family = random_family(&fixture);
        let (first, second) = (random_secret(), random_secret());
        let request = fixture.request(family, &first, &second);
        assert_eq!(fixture.rotate(&request).await, Rotation::Rotated);
        clients.push((request, second));
    }
    fixture.run(redis::cmd("FLUSHDB").arg("SYNC")).await;
    fixture.run(redis::cmd("SCRIPT").arg("FLUSH")).await;
    for (before, second) in clients {
        let third = random_secret();
        let mut request = fixture.request(before.family, &second, &third);
        request.floor = before.floor;
        request.presented.generation = Generation(1);
        request.floor_is_fresh = false;
        assert_eq!(fixture.rotate(&request).await, Rotation::Reload);
        request.floor_is_fresh = true;
        assert_eq!(fixture.rotate(&request).await, Rotation::Rotated);
    }
}

/// A restart or a failover takes the script along with the records.
#[tokio::test]
async fn a_script_that_redis_forgot_is_sent_again() {
    let fixture = RedisFixture::new().await;
    let forgetful = RedisRotations::with_unknown_script(
        fixture.redis.clone(),
        Arc::new(FloorWriter::start(Arc::new(NoFloors), 1)),
    );
    let (secret, successor) = (random_secret(), random_secret());
    let request = fixture.request(random_family(&fixture), &secret, &successor);
    assert_eq!(
        forgetful
            .rotate(&fixture.tenant, &request)
            .await
            .expect("Redis answers"),
        Rotation::Rotated
    );
}

#[tokio::test]
async fn a_record_lives_as_long_as_its_token() {
    let fixture = RedisFixture::new().await;
    let family = random_family(&fixture);
    let request = fixture.request(family, &random_secret(), &random_secret());
    fixture.rotate(&request).await;
    for _ in 0..2 {
        let left = number(&fixture.on_family("PTTL", family).await);
        assert!((90_000..=100_000).contains(&left), "{left} ms");
        // Reuse keeps the record as long, so that it stays known.
        let forged = fixture.request(family, &random_secret(), &random_secret());
        fixture.rotate(&forged).await;
    }
}

/// Times are 16 digits long; Lua's tostring() keeps 14.
#[tokio::test]
async fn times_keep_their_microseconds() {
    let fixture = RedisFixture::new().await;
    let family = random_family(&fixture);
    let mut request = fixture.request(family, &random_secret(), &random_secret());
    let micros = request.floor.absolute_end.as_micros() / 10 * 10 + 7;
    request.floor.absolute_end = crate::domain::timestamp::Timestamp::from_micros(micros);
    fixture.rotate(&request).await;
    let mut get = redis::cmd("HGET");
    get.arg(TenantKey::family(&fixture.tenant, family)).arg("a");
    assert_eq!(
        fixture.run(&get).await,
        Value::BulkString(micros.to_string().into_bytes())
    );
}

#[tokio::test]
async fn lifetimes_without_end_do_not_break_the_script() {
    let fixture = RedisFixture::new().await;
    let mut request = fixture.request(random_family(&fixture), &random_secret(), &random_secret());
    request.lifetimes.idle = Duration::MAX;
    assert_eq!(fixture.rotate(&request).await, Rotation::Rotated);
    assert_eq!(
        fixture.rotate(&request).await,
        Rotation::Repeated {
            sealed_successor: b"sealed".to_vec()
        }
    );
}

#[tokio::test]
async fn a_tenants_key_names_the_tenant_and_one_slot() {
    let tenant = testing::tenant();
    let family = GrantId::new(
        TestClock::default().now(),
        draw(&SystemEntropy as &dyn Entropy),
    );
    let key = TenantKey::family(&tenant, family);
    assert_eq!(key.as_str(), format!("rt:{{{}/{family}}}", tenant.id()));
}
