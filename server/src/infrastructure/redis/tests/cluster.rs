//! Redis Cluster against the contract, and slots that move while refreshes go on.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use super::{
    server::{RedisServer, until},
    *,
};
use crate::{
    application::ports::{Dependency, Health},
    infrastructure::redis::{RedisUnfit, slots::slot_of},
};

mod contract {
    use super::RedisFixture;
    use crate::rotations_contract;

    /// The Cluster of all tests: its nodes are well for as long as they run.
    async fn fixture() -> RedisFixture {
        let url = std::env::var("TOKENHOUSE_TEST_REDIS_CLUSTER_URL")
            .expect("TOKENHOUSE_TEST_REDIS_CLUSTER_URL is set: run cargo xtask test");
        RedisFixture::on(&url).await
    }

    rotations_contract!(fixture);
}

const RANGES: [(u16, u16); 2] = [(0, 8_191), (8_192, 16_383)];

const LINES: [&str; 6] = [
    "port {port}",
    "cluster-enabled yes",
    "cluster-port {other}",
    // Of two nodes neither has a majority: the other would refuse everything after this.
    "cluster-node-timeout 60000",
    "cluster-require-full-coverage no",
    "cluster-allow-reads-when-down no",
];

/// Two primaries of a test's own.
struct Nodes {
    _replicas: Vec<RedisServer>,
    primaries: Vec<RedisServer>,
    admins: Vec<RedisConnection>,
}

impl Nodes {
    async fn start() -> Self {
        let mut nodes = Self {
            _replicas: Vec::new(),
            primaries: Vec::new(),
            admins: Vec::new(),
        };
        for (first, last) in RANGES {
            let server = RedisServer::start(&LINES).await;
            nodes.admins.push(open(&server.url(), None));
            nodes.primaries.push(server);
            let node = nodes.admins.len() - 1;
            nodes.tell(node, &["ADDSLOTSRANGE"], &[first, last]).await;
        }
        nodes.meet(nodes.primaries[1].port, &nodes.admins[1]).await;
        for admin in &nodes.admins {
            admin_knows(admin, 2).await;
        }
        nodes
    }

    async fn meet(&self, port: u16, admin: &RedisConnection) {
        let mut meet = redis::cmd("CLUSTER");
        meet.arg("MEET")
            .arg("127.0.0.1")
            .arg(port)
            .arg(bus_of(admin).await);
        self.admins[0].call(&meet).await.expect("it is met");
    }

    /// A replica of a primary, which has all that this has.
    async fn replica_of(&mut self, node: usize) -> RedisConnection {
        let server = RedisServer::start(&LINES).await;
        let admin = open(&server.url(), None);
        self.meet(server.port, &admin).await;
        for known in self.admins.iter().chain([&admin]) {
            admin_knows(known, 3).await;
        }
        let mut replicate = redis::cmd("CLUSTER");
        replicate.arg("REPLICATE").arg(self.id_of(node).await);
        admin.call(&replicate).await.expect("it becomes one");
        until("the replica has everything", async || {
            let info = admin.call(redis::cmd("INFO").arg("replication")).await;
            text(info.expect("it answers")).contains("master_link_status:up")
        })
        .await;
        self._replicas.push(server);
        admin
    }

    async fn tell(&self, node: usize, words: &[&str], numbers: &[u16]) -> String {
        let mut command = redis::cmd("CLUSTER");
        command.arg(words).arg(numbers);
        text(
            self.admins[node]
                .call(&command)
                .await
                .expect("the node answers"),
        )
    }

    async fn set(&self, node: usize, setting: &str, value: &str) {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg(setting).arg(value);
        self.admins[node].call(&set).await.expect("it is set");
    }

    async fn id_of(&self, node: usize) -> String {
        self.tell(node, &["MYID"], &[]).await
    }

    /// Begins to move a slot from the first node to the second, or the other way.
    async fn begin_to_move(&self, slot: u16, from: usize, to: usize) {
        let slot = slot.to_string();
        let (giver, taker) = (self.id_of(from).await, self.id_of(to).await);
        self.tell(to, &["SETSLOT", &slot, "IMPORTING", &giver], &[])
            .await;
        self.tell(from, &["SETSLOT", &slot, "MIGRATING", &taker], &[])
            .await;
    }

    async fn move_key(&self, key: &TenantKey, from: usize, to: usize) {
        let mut migrate = redis::cmd("MIGRATE");
        migrate
            .arg("127.0.0.1")
            .arg(self.primaries[to].port)
            .arg(key);
        migrate.arg(0).arg(5_000);
        self.admins[from]
            .call(&migrate)
            .await
            .expect("the key moves");
    }

    async fn end_move(&self, slot: u16, to: usize) {
        let (slot, taker) = (slot.to_string(), self.id_of(to).await);
        for node in [to, 1 - to] {
            self.tell(node, &["SETSLOT", &slot, "NODE", &taker], &[])
                .await;
        }
    }

    fn url(&self) -> String {
        // One is enough to hear of the other.
        format!("redis-cluster://127.0.0.1:{}", self.primaries[0].port)
    }
}

async fn bus_of(admin: &RedisConnection) -> u16 {
    let mut command = redis::cmd("CONFIG");
    command.arg("GET").arg("cluster-port");
    let Ok(Value::Array(answer)) = admin.call(&command).await else {
        panic!("the port of the bus is known");
    };
    text(answer[1].clone()).parse().expect("a port")
}

/// Waits until a node knows of this many, and that all is well.
async fn admin_knows(admin: &RedisConnection, nodes: u8) {
    let known = format!("cluster_known_nodes:{nodes}");
    until("the nodes have found one another", async || {
        let info = admin.call(redis::cmd("CLUSTER").arg("INFO")).await;
        let info = text(info.expect("a node answers"));
        info.contains("cluster_state:ok") && info.contains(&known)
    })
    .await;
}

fn text(value: Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text,
        Value::Okay => "OK".to_owned(),
        other => panic!("no text: {other:?}"),
    }
}

/// A family whose record is at this node.
fn family_at(fixture: &RedisFixture, node: usize) -> GrantId {
    let (first, last) = RANGES[node];
    std::iter::repeat_with(|| random_family(fixture))
        .find(|family| {
            let slot = slot_of(TenantKey::family(&fixture.tenant, *family).as_str());
            (first..=last).contains(&slot)
        })
        .expect("half of all are")
}

/// With a window of nothing, a command that was sent twice would be taken for theft.
fn without_window(mut request: RotationRequest) -> RotationRequest {
    request.lifetimes.retry_window = Duration::ZERO;
    request
}

#[tokio::test]
async fn refreshes_follow_their_slot_while_it_moves_and_when_it_has() {
    let nodes = Nodes::start().await;
    let fixture = RedisFixture::on(&nodes.url()).await;
    let family = family_at(&fixture, 0);
    let key = TenantKey::family(&fixture.tenant, family);
    let slot = slot_of(key.as_str());
    let mut secret = random_secret();
    let mut generation = Generation::FIRST;
    let mut rotate = async || {
        let next = random_secret();
        let mut request = fixture.request(family, &secret, &next);
        request.presented.generation = generation;
        let rotation = fixture.rotate(&without_window(request)).await;
        (secret, generation) = (next, generation.next());
        rotation
    };
    assert_eq!(rotate().await, Rotation::Rotated);

    nodes.begin_to_move(slot, 0, 1).await;
    assert_eq!(
        rotate().await,
        Rotation::Rotated,
        "the record is still there"
    );
    nodes.move_key(&key, 0, 1).await;
    assert_eq!(rotate().await, Rotation::Rotated, "the node says ASK");
    nodes.end_move(slot, 1).await;
    for _ in 0..3 {
        assert_eq!(rotate().await, Rotation::Rotated, "the node says MOVED");
    }
    fixture
        .one
        .forget(&fixture.tenant, &[family])
        .await
        .expect("it is found");
    assert_eq!(fixture.on_family("EXISTS", family).await, Value::Int(0));
}

#[tokio::test]
async fn a_node_that_is_away_takes_only_its_own_refreshes_along() {
    let mut nodes = Nodes::start().await;
    let fixture = RedisFixture::on(&nodes.url()).await;
    assert_eq!(fixture.redis.check().await, Health::Up);
    let rotate = async |node: usize| {
        let family = family_at(&fixture, node);
        let request = fixture.request(family, &random_secret(), &random_secret());
        fixture.one.rotate(&fixture.tenant, &request).await
    };
    for node in [0, 1] {
        assert_eq!(
            rotate(node).await.expect("all are there"),
            Rotation::Rotated
        );
    }
    nodes.primaries[1].kill().await;
    let partly = Health::Degraded("partly unusable".into());
    assert_eq!(fixture.redis.check().await, partly);
    assert!(!fixture.redis.is_required());
    for _ in 0..5 {
        let refused = rotate(1).await;
        assert!(
            matches!(refused, Err(StoreError::Unavailable(_))),
            "{refused:?}"
        );
        assert_eq!(
            rotate(0).await.expect("its own node is there"),
            Rotation::Rotated
        );
    }
}

/// A node whose password was changed before ours, say.
#[tokio::test]
async fn a_node_that_refuses_us_is_not_the_whole_cluster() {
    let nodes = Nodes::start().await;
    nodes.set(1, "requirepass", "other").await;
    let fixture = RedisFixture::on(&nodes.url()).await;
    let partly = Health::Degraded("partly unusable".into());
    assert_eq!(fixture.redis.check().await, partly);
    for (node, rotates) in [(0, true), (1, false)] {
        let family = family_at(&fixture, node);
        let request = fixture.request(family, &random_secret(), &random_secret());
        let rotated = fixture.one.rotate(&fixture.tenant, &request).await;
        assert_eq!(rotated.is_ok(), rotates, "{node}: {rotated:?}");
    }
}

/// Its nodes answer, and refuse every key.
#[tokio::test]
async fn a_cluster_without_a_majority_is_down() {
    let mut nodes = Nodes::start().await;
    let fixture = RedisFixture::on(&nodes.url()).await;
    nodes.set(0, "cluster-node-timeout", "500").await;
    nodes.primaries[1].kill().await;
    let down = Health::Down("a Cluster that is down".into());
    until("it is seen", async || fixture.redis.check().await == down).await;
    let family = family_at(&fixture, 0);
    let request = fixture.request(family, &random_secret(), &random_secret());
    let refused = fixture.one.rotate(&fixture.tenant, &request).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
}

/// One that hangs is worse than one that is gone: nobody hears of it.
#[tokio::test]
async fn however_many_wait_for_a_node_that_hangs_they_hear_soon() {
    let nodes = Nodes::start().await;
    let fixture = RedisFixture::on(&nodes.url()).await;
    let mut pause = redis::cmd("CLIENT");
    pause.arg("PAUSE").arg(60_000).arg("ALL");
    nodes.admins[1].call(&pause).await.expect("it begins");
    let started = std::time::Instant::now();
    let requests = (0..20).map(|_| async {
        let family = family_at(&fixture, 1);
        let request = fixture.request(family, &random_secret(), &random_secret());
        fixture.one.rotate(&fixture.tenant, &request).await
    });
    let refused = join_all(requests).await;
    assert!(refused.iter().all(Result::is_err), "{refused:?}");
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "not one after the other"
    );
    // Every probe sees the same, however many ask.
    let partly = Health::Degraded("partly unusable".into());
    for _ in 0..3 {
        let (one, other) = tokio::join!(fixture.redis.check(), fixture.redis.check());
        assert_eq!([&one, &other], [&partly, &partly]);
    }
}

#[tokio::test]
async fn a_node_that_would_forget_makes_the_cluster_unfit() {
    let nodes = Nodes::start().await;
    let fixture = RedisFixture::on(&nodes.url()).await;
    nodes.set(1, "maxmemory-policy", "allkeys-lru").await;
    let unfit = fixture.redis.inspect().await.expect_err("one evicts");
    assert!(matches!(unfit, RedisUnfit::Evicts(_)), "{unfit:?}");
    // Whoever has looked entrusts it with nothing.
    let floors = Arc::new(FloorWriter::start(Arc::new(NoFloors), 1));
    let rotations = RedisRotations::new(fixture.redis.clone(), floors);
    let family = family_at(&fixture, 1);
    let request = fixture.request(family, &random_secret(), &random_secret());
    let refused = rotations.rotate(&fixture.tenant, &request).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
}

/// A failover: nobody says MOVED any more, the other nodes know.
#[tokio::test]
async fn a_replica_that_took_over_goes_on_with_the_refreshes() {
    let mut nodes = Nodes::start().await;
    let replica = nodes.replica_of(1).await;
    let fixture = RedisFixture::on(&nodes.url()).await;
    let family = family_at(&fixture, 1);
    let (first, second) = (random_secret(), random_secret());
    let request = fixture.request(family, &first, &second);
    assert_eq!(fixture.rotate(&request).await, Rotation::Rotated);
    let mut wait = redis::cmd("WAIT");
    wait.arg(1).arg(5_000);
    assert_eq!(
        nodes.admins[1].call(&wait).await.expect("it is copied"),
        Value::Int(1)
    );

    nodes.primaries[1].kill().await;
    let mut take_over = redis::cmd("CLUSTER");
    take_over.arg("FAILOVER").arg("TAKEOVER");
    replica.call(&take_over).await.expect("it takes over");
    until("refreshes go on", async || {
        matches!(
            fixture.one.rotate(&fixture.tenant, &request).await,
            Ok(Rotation::Repeated { .. })
        )
    })
    .await;
    until("all are there", async || {
        fixture.redis.check().await == Health::Up
    })
    .await;
}

#[tokio::test]
async fn an_address_must_say_rightly_whether_it_leads_to_a_cluster() {
    let single = url().replacen("redis://", "redis-cluster://", 1);
    let address = RedisAddress::parse(&single, None).expect("an address");
    let unfit = Redis::open(&address).expect("connections").inspect().await;
    assert!(matches!(unfit, Err(RedisUnfit::NoCluster)), "{unfit:?}");
    let nobody = RedisAddress::parse("redis-cluster://127.0.0.1:1", None).expect("an address");
    let nobody = Redis::open(&nobody).expect("connections");
    assert!(nobody.is_required());
    assert_eq!(nobody.check().await, Health::Down("unreachable".into()));
}

#[tokio::test]
async fn slots_are_those_that_redis_says() {
    let nodes = Nodes::start().await;
    let fixture = RedisFixture::on(&nodes.url()).await;
    let mut slots = BTreeSet::new();
    for _ in 0..20 {
        let key = TenantKey::family(&fixture.tenant, random_family(&fixture));
        let mut ask = redis::cmd("CLUSTER");
        let answer = nodes.admins[0].call(ask.arg("KEYSLOT").arg(&key)).await;
        let slot = slot_of(key.as_str());
        assert_eq!(answer.expect("it answers"), Value::Int(slot.into()));
        slots.insert(slot);
    }
    assert!(slots.len() > 10, "families are spread");
}
