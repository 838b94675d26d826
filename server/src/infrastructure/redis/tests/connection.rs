//! Finding Redis, judging it, losing it and getting it back.

use super::{server::RedisServer, *};
use crate::{
    application::ports::{Dependency, Health},
    infrastructure::redis::RedisUnfit,
};

#[tokio::test]
async fn a_healthy_redis_is_ready_and_fit() {
    let connection = connection().await;
    assert_eq!(connection.name(), "redis");
    assert_eq!(connection.check().await, Health::Up);
    let findings = connection.inspect().await.expect("it evicts nothing");
    assert_eq!(findings.eviction_policy.as_deref(), Some("noeviction"));
    assert!(findings.version.is_some() && findings.append_only.is_some());
    assert_eq!(findings.replicas, Some(0));
}

#[tokio::test]
async fn a_redis_that_is_not_there_is_unreachable_and_rotates_nothing() {
    let absent = open("redis://127.0.0.1:1", None);
    let unfit = absent.inspect().await.expect_err("nobody listens");
    assert!(
        unfit.may_pass() && matches!(unfit, RedisUnfit::Unreachable(_)),
        "{unfit:?}"
    );
    assert_eq!(absent.check().await, Health::Down("unreachable".into()));
    assert!(absent.is_required(), "its address may be wrong");
}

async fn set_policy(server: &RedisServer, policy: &str) {
    let admin = open(&server.url(), None);
    let mut set = redis::cmd("CONFIG");
    set.arg("SET").arg("maxmemory-policy").arg(policy);
    admin.call(&set).await.expect("Redis answers");
}

/// Before it was looked at, it may be one that forgets; and after it was away, it may be another one.
#[tokio::test]
async fn nothing_is_entrusted_to_a_redis_that_forgets() {
    let server = RedisServer::start(&["port {port}", "maxmemory-policy allkeys-lru"]).await;
    let tenant = RedisFixture::new().await;
    let connection = open(&server.url(), None);
    let floors = Arc::new(FloorWriter::start(Arc::new(NoFloors), 1));
    let rotations = RedisRotations::new(connection.clone(), floors);
    let rotate = async || {
        let request = tenant.request(random_family(&tenant), &random_secret(), &random_secret());
        rotations.rotate(&tenant.tenant, &request).await
    };
    let refused = rotate().await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    set_policy(&server, "noeviction").await;
    assert_eq!(rotate().await.expect("it is fit now"), Rotation::Rotated);

    let id = connection.call(redis::cmd("CLIENT").arg("ID")).await;
    set_policy(&server, "allkeys-lru").await;
    let mut kill = redis::cmd("CLIENT");
    kill.arg("KILL")
        .arg("ID")
        .arg(number(&id.expect("Redis answers")));
    open(&server.url(), None)
        .call(&kill)
        .await
        .expect("Redis answers");
    let refused = rotate().await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    // Without losing its connection, readiness finds it.
    set_policy(&server, "noeviction").await;
    assert_eq!(connection.check().await, Health::Up);
    set_policy(&server, "allkeys-lru").await;
    assert_eq!(
        connection.check().await,
        Health::Down("set to evict".into())
    );
    assert!(!connection.is_required(), "all instances have this one");
    let refused = rotate().await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn replicas_clusters_and_databases_that_are_not_there_are_no_place_for_refreshes() {
    let primary = RedisServer::start(&["port {port}"]).await;
    let follows = format!("replicaof 127.0.0.1 {}", primary.port);
    let replica = RedisServer::start(&["port {port}", &follows]).await;
    let unfit = open(&replica.url(), None)
        .inspect()
        .await
        .expect_err("it takes no writes");
    assert!(
        matches!(unfit, RedisUnfit::Replica) && unfit.may_pass(),
        "{unfit:?}"
    );

    let beyond = open(&format!("{}/99", primary.url()), None);
    let unfit = beyond.inspect().await.expect_err("there are sixteen");
    assert!(
        matches!(unfit, RedisUnfit::NoDatabase) && !unfit.may_pass(),
        "{unfit:?}"
    );

    let node = RedisServer::start(&["port {port}", "cluster-enabled yes"]).await;
    let unfit = open(&node.url(), None)
        .inspect()
        .await
        .expect_err("slots move");
    assert!(
        matches!(unfit, RedisUnfit::Cluster) && !unfit.may_pass(),
        "{unfit:?}"
    );
}

/// A replica that was the primary when we connected.
#[tokio::test]
async fn a_primary_that_becomes_a_replica_is_seen() {
    let (server, other) = (
        RedisServer::start(&["port {port}"]).await,
        RedisServer::start(&["port {port}"]).await,
    );
    let tenant = RedisFixture::new().await;
    let connection = connection_to(&server.url()).await;
    let floors = Arc::new(FloorWriter::start(Arc::new(NoFloors), 1));
    let rotations = RedisRotations::new(connection.clone(), floors);
    let mut follow = redis::cmd("REPLICAOF");
    follow.arg("127.0.0.1").arg(other.port);
    connection.call(&follow).await.expect("Redis answers");
    let request = tenant.request(random_family(&tenant), &random_secret(), &random_secret());
    let refused = rotations.rotate(&tenant.tenant, &request).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    assert_eq!(connection.check().await, Health::Down("a replica".into()));
    let mut lead = redis::cmd("REPLICAOF");
    connection
        .call(lead.arg("NO").arg("ONE"))
        .await
        .expect("Redis answers");
    assert_eq!(connection.check().await, Health::Up);
    let rotated = rotations.rotate(&tenant.tenant, &request).await;
    assert_eq!(rotated.expect("it is the primary"), Rotation::Rotated);
}

/// As after a restart of Redis: the first caller need not suffer.
#[tokio::test]
async fn a_cut_connection_comes_back_by_itself() {
    let fixture = RedisFixture::new().await;
    let cut = connection().await;
    let floors = Arc::new(FloorWriter::start(Arc::new(NoFloors), 1));
    let rotations = RedisRotations::new(cut.clone(), floors);
    for _ in 0..3 {
        let id = cut.call(redis::cmd("CLIENT").arg("ID")).await;
        let mut kill = redis::cmd("CLIENT");
        kill.arg("KILL")
            .arg("ID")
            .arg(number(&id.expect("Redis answers")));
        assert_eq!(fixture.run(&kill).await, Value::Int(1));
        let request = fixture.request(random_family(&fixture), &random_secret(), &random_secret());
        let rotation = rotations.rotate(&fixture.tenant, &request).await;
        assert_eq!(rotation.expect("Redis is there"), Rotation::Rotated);
    }
    assert_eq!(cut.check().await, Health::Up);
}

/// A Redis that takes connections and says nothing must not hold anyone up for long.
#[tokio::test]
async fn a_silent_redis_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!("redis://{}", silent.local_addr().expect("an address"));
    let started = std::time::Instant::now();
    let answer = open(&url, None).inspect().await;
    assert!(matches!(answer, Err(RedisUnfit::Silent(_))), "{answer:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

/// Answers everything but `INFO`, as one behind a link that loses long answers.
async fn without_info() -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut part = [0; 4096];
                while let Ok(read) = stream.read(&mut part).await {
                    let sent = String::from_utf8_lossy(&part[..read]);
                    if read == 0 || sent.contains("INFO\r\n") && !sent.contains("SETINFO") {
                        return std::future::pending().await;
                    }
                    let commands = sent.lines().filter(|line| line.starts_with('*')).count();
                    let answers = "+OK\r\n".repeat(commands);
                    if stream.write_all(answers.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// What Redis refuses to tell is left out; what doesn't arrive could be anything.
#[tokio::test]
async fn a_redis_that_was_not_seen_is_not_fit() {
    let unseen = open(&format!("redis://{}", without_info().await), None);
    let unfit = unseen.inspect().await.expect_err("nothing is known of it");
    assert!(matches!(unfit, RedisUnfit::Silent(_)), "{unfit:?}");
    assert!(unseen.ensure_fit().await.is_err());
}

/// The library keeps a connection that was refused with anything but an I/O error, and never tries
/// again: a changed password or too many clients would last until a restart of ours.
#[tokio::test]
async fn a_refusal_at_connecting_is_not_for_ever() {
    let fixture = RedisFixture::new().await;
    let user = format!("u{}", fixture.tenant.id().as_uuid().simple());
    let set_password = async |password: &str| {
        let mut command = redis::cmd("ACL");
        command.arg("SETUSER").arg(&user).arg("on").arg("~*");
        command
            .arg("+@all")
            .arg("resetpass")
            .arg(format!(">{password}"));
        fixture.run(&command).await;
    };
    set_password("one").await;
    let mut url = url::Url::parse(&url()).expect("a URL");
    url.set_username(&user).expect("a host");
    url.set_password(Some("one")).expect("a host");
    let connection = connection_to(url.as_str()).await;

    let id = connection.call(redis::cmd("CLIENT").arg("ID")).await;
    set_password("other").await;
    let mut kill = redis::cmd("CLIENT");
    kill.arg("KILL").arg("ID");
    kill.arg(number(&id.expect("Redis answers")));
    fixture.run(&kill).await;
    for _ in 0..5 {
        let refusing = Health::Down("refusing our user or password".into());
        assert_eq!(connection.check().await, refusing, "the password is wrong");
    }

    set_password("one").await;
    let restored = std::time::Instant::now();
    while connection.check().await != Health::Up {
        assert!(restored.elapsed() < Duration::from_secs(3), "still refused");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut remove = redis::cmd("ACL");
    remove.arg("DELUSER").arg(&user);
    fixture.run(&remove).await;
}

/// Readiness says for a while what Redis answered to a write.
#[tokio::test]
async fn what_redis_says_to_a_write_is_what_readiness_says() {
    for (answer, said) in [
        ("OOM command not allowed", "full"),
        (
            "MISCONF errors writing to disk",
            "unable to save to its disk",
        ),
        (
            "NOREPLICAS not enough good replicas",
            "without enough replicas",
        ),
    ] {
        let connection = connection().await;
        let mut refused = redis::cmd("EVAL");
        refused.arg(format!("return redis.error_reply('{answer}')"));
        connection.call(refused.arg(0)).await.expect_err(answer);
        assert_eq!(connection.check().await, Health::Degraded(said.into()));
    }
}
