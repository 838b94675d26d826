//! TLS to a real Redis, whose certificate is for `localhost` and of an authority of the tests.

use super::{
    server::{RedisServer, certificate, tls, until},
    *,
};
use crate::infrastructure::redis::RedisUnfit;

async fn server() -> RedisServer {
    let mut lines = tls();
    lines.push("user app on >secret ~* +@all".to_owned());
    lines.push("user default off".to_owned());
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    RedisServer::start(&lines).await
}

fn authority(name: &str) -> String {
    std::fs::read_to_string(certificate(name)).expect("a certificate")
}

#[tokio::test]
async fn the_right_authority_and_password_make_a_connection() {
    let server = server().await;
    let url = format!("rediss://app:secret@localhost:{}", server.port);
    let connection = open(&url, Some(&authority("authority.pem")));
    connection.inspect().await.expect("it is fit");
    let floors = Arc::new(FloorWriter::start(Arc::new(NoFloors), 1));
    let rotations = RedisRotations::new(connection, floors);
    let fixture = RedisFixture::new().await;
    let request = fixture.request(random_family(&fixture), &random_secret(), &random_secret());
    let rotated = rotations.rotate(&fixture.tenant, &request).await;
    assert_eq!(rotated.expect("Redis answers"), Rotation::Rotated);
}

#[tokio::test]
async fn whoever_is_not_vouched_for_is_refused_with_what_to_do() {
    let server = server().await;
    let by = |user: &str, host: &str| format!("rediss://{user}@{host}:{}", server.port);
    for stranger in [Some(authority("stranger.pem")), None] {
        let connection = open(&by("app:secret", "localhost"), stranger.as_deref());
        let unfit = connection.inspect().await.expect_err("not vouched for");
        assert!(matches!(unfit, RedisUnfit::UnknownAuthority), "{unfit:?}");
        assert!(unfit.to_string().contains("TOKENHOUSE_REDIS_CA_FILE"));
    }
    let ours = authority("authority.pem");
    let elsewhere = open(&by("app:secret", "127.0.0.1"), Some(&ours));
    let unfit = elsewhere.inspect().await.expect_err("another host");
    assert!(matches!(unfit, RedisUnfit::WrongName), "{unfit:?}");
    for user in ["app:wrong", ":secret"] {
        let stranger = open(&by(user, "localhost"), Some(&ours));
        let unfit = stranger.inspect().await.expect_err("another password");
        assert!(matches!(unfit, RedisUnfit::BadCredentials(_)), "{unfit:?}");
        assert!(!unfit.may_pass());
    }
}

/// Nothing is sent in clear text to a server that speaks none, and the other way round.
#[tokio::test]
async fn a_server_and_an_address_must_agree_on_tls() {
    let server = server().await;
    let plain = open(
        &format!("redis://app:secret@localhost:{}", server.port),
        None,
    );
    let unfit = plain.inspect().await.expect_err("TLS is wanted");
    assert!(matches!(unfit, RedisUnfit::HangsUp(_)), "{unfit:?}");
    assert!(unfit.to_string().contains("rediss://") && unfit.may_pass());
    let url = url().replacen("redis://127.0.0.1", "rediss://localhost", 1);
    let encrypted = open(&url, Some(&authority("authority.pem")));
    let unfit = encrypted.inspect().await.expect_err("no TLS");
    assert!(matches!(unfit, RedisUnfit::Silent(_)), "{unfit:?}");
    assert!(unfit.to_string().contains("no TLS") && unfit.may_pass());
}

/// The nodes of a Cluster are called by the names that they announce.
#[tokio::test]
async fn a_cluster_is_reached_by_the_names_in_its_certificates() {
    let mut lines = tls();
    let cluster = [
        "cluster-enabled yes",
        "cluster-port {other}",
        "tls-cluster yes",
        "cluster-announce-hostname localhost",
        "cluster-preferred-endpoint-type hostname",
    ];
    lines.extend(cluster.map(str::to_owned));
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let server = RedisServer::start(&lines).await;
    let ours = authority("authority.pem");
    let admin = open(&format!("rediss://localhost:{}", server.port), Some(&ours));
    let mut take_all = redis::cmd("CLUSTER");
    take_all.arg("ADDSLOTSRANGE").arg(0).arg(16_383);
    admin.call(&take_all).await.expect("it has all slots");

    let url = format!("rediss-cluster://localhost:{}", server.port);
    let opened = |authority: Option<&str>| {
        let address = RedisAddress::parse(&url, authority).expect("an address");
        Redis::open(&address).expect("connections")
    };
    let unfit = opened(None).inspect().await.expect_err("not vouched for");
    assert!(matches!(unfit, RedisUnfit::UnknownAuthority), "{unfit:?}");
    let redis = opened(Some(&ours));
    until("the Cluster is well", async || {
        redis.inspect().await.is_ok()
    })
    .await;
    let floors = Arc::new(FloorWriter::start(Arc::new(NoFloors), 1));
    let rotations = RedisRotations::new(redis, floors);
    let fixture = RedisFixture::new().await;
    let request = fixture.request(random_family(&fixture), &random_secret(), &random_secret());
    let rotated = rotations.rotate(&fixture.tenant, &request).await;
    assert_eq!(rotated.expect("Redis answers"), Rotation::Rotated);
}
