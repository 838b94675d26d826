//! Finding Redis, judging it, losing it and getting it back.

use super::*;
use crate::{application::ports::Dependency, infrastructure::redis::RedisUnfit};

#[tokio::test]
async fn a_healthy_redis_is_ready_and_fit() {
    let connection = connection().await;
    assert_eq!(connection.name(), "redis");
    connection.check().await.expect("it answers");
    let findings = connection.inspect().await.expect("it evicts nothing");
    assert_eq!(findings.eviction_policy.as_deref(), Some("noeviction"));
    assert!(findings.version.is_some() && findings.append_only.is_some());
    assert_eq!(findings.replicas, Some(0));
}

#[tokio::test]
async fn other_kinds_of_redis_are_refused_by_name() {
    for (url, scheme) in [
        ("rediss://host", "rediss"),
        ("sentinel://host", "sentinel"),
        ("http://user:secret@host", "http"),
    ] {
        let error = RedisConnection::connect(url).await.expect_err(url);
        assert!(matches!(&error, RedisUnfit::Scheme(found) if found == scheme));
        assert!(!error.to_string().contains("secret"));
    }
    assert!(matches!(
        RedisConnection::connect("localhost:6379").await,
        Err(RedisUnfit::Scheme(_))
    ));
    assert!(matches!(
        RedisConnection::connect("redis://127.0.0.1:1").await,
        Err(RedisUnfit::Unreachable(_))
    ));
}

/// As after a restart of Redis: the first caller need not suffer.
#[tokio::test]
async fn a_cut_connection_comes_back_by_itself() {
    let fixture = RedisFixture::new().await;
    let cut = connection().await;
    let rotations = RedisRotations::load(
        cut.clone(),
        Arc::new(FloorWriter::start(Arc::new(NoFloors), 1)),
    )
    .await
    .expect("the script loads");
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
    cut.check().await.expect("it is ready");
}

/// A Redis that takes connections and says nothing must not hold anyone up for long.
#[tokio::test]
async fn a_silent_redis_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!("redis://{}", silent.local_addr().expect("an address"));
    let started = std::time::Instant::now();
    let answer = RedisConnection::connect(&url).await;
    assert!(matches!(answer, Err(RedisUnfit::Unreachable(_))));
    assert!(started.elapsed() < Duration::from_secs(5));
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
        assert!(connection.check().await.is_err(), "the password is wrong");
    }

    set_password("one").await;
    let restored = std::time::Instant::now();
    while connection.check().await.is_err() {
        assert!(restored.elapsed() < Duration::from_secs(3), "still refused");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut remove = redis::cmd("ACL");
    remove.arg("DELUSER").arg(&user);
    fixture.run(&remove).await;
}
