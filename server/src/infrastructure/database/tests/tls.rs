//! TLS to a real Postgres, whose certificate is for `localhost` and of an authority of the tests.

use std::error::Error;

use sea_orm::{ConnectionTrait, Statement};

use crate::infrastructure::database::{NoConnection, connect};

/// The test database at this host, with these parameters. `{authority}` and `{stranger}` are files.
fn url(host: &str, parameters: &str) -> String {
    let variable = |name: &str| {
        std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run cargo xtask test"))
    };
    let folder = variable("TOKENHOUSE_TEST_CERTIFICATES");
    let mut url = url::Url::parse(&variable("TOKENHOUSE_TEST_POSTGRES_URL")).unwrap();
    url.set_host(Some(host)).unwrap();
    let parameters = parameters
        .replace("{authority}", &format!("{folder}/authority.pem"))
        .replace("{stranger}", &format!("{folder}/stranger.pem"));
    url.set_query(Some(&parameters));
    url.to_string()
}

/// Whether the connection is encrypted, as the server sees it.
async fn is_encrypted(url: &str) -> bool {
    let database = connect(url).await.unwrap();
    let query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let statement = Statement::from_string(sea_orm::DbBackend::Postgres, query);
    let row = database.connection().query_one_raw(statement).await;
    let encrypted = row.unwrap().unwrap().try_get("", "ssl").unwrap();
    database.connection().close_by_ref().await.unwrap();
    encrypted
}

async fn refusal(url: &str) -> NoConnection {
    match connect(url).await {
        Ok(_) => panic!("{url} was accepted"),
        Err(refusal) => {
            assert!(!refusal.may_pass(), "{refusal}: waiting doesn't help");
            refusal
        }
    }
}

#[tokio::test]
async fn the_right_authority_and_name_make_an_encrypted_connection() {
    let verified = url("localhost", "sslmode=verify-full&sslrootcert={authority}");
    assert!(is_encrypted(&verified).await);
    // The same through the parameters that migrations use.
    let database = connect(&verified).await.unwrap();
    tokenhouse_migration::status(database.connection())
        .await
        .unwrap();
    database.connection().close_by_ref().await.unwrap();
}

#[tokio::test]
async fn other_modes_encrypt_as_their_names_say() {
    assert!(is_encrypted(&url("127.0.0.1", "sslmode=require")).await);
    assert!(is_encrypted(&url("127.0.0.1", "sslmode=prefer")).await);
    assert!(!is_encrypted(&url("127.0.0.1", "sslmode=disable")).await);
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_with_what_to_do() {
    for parameters in [
        "sslmode=verify-full&sslrootcert={stranger}",
        "sslmode=verify-full",
    ] {
        let refusal = refusal(&url("localhost", parameters)).await;
        assert!(
            matches!(refusal, NoConnection::UnknownAuthority { .. }),
            "{refusal:?}"
        );
        assert!(refusal.to_string().contains("sslrootcert"), "{refusal}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused_with_what_to_do() {
    let by_address = url("127.0.0.1", "sslmode=verify-full&sslrootcert={authority}");
    let refusal = refusal(&by_address).await;
    assert!(
        matches!(refusal, NoConnection::WrongName { .. }),
        "{refusal:?}"
    );
    assert!(refusal.to_string().contains("127.0.0.1"), "{refusal}");
}

/// A server that answers `N` to the wish for TLS, as one without does.
#[tokio::test]
async fn a_database_without_tls_is_refused_where_tls_was_asked_for() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut wish = [0; 8];
            stream.read_exact(&mut wish).await.unwrap();
            stream.write_all(b"N").await.unwrap();
        }
    });
    for mode in ["require", "verify-full"] {
        let refusal = refusal(&format!("postgres://u:hunter2@{address}/x?sslmode={mode}")).await;
        assert!(matches!(refusal, NoConnection::NoTls { .. }), "{refusal:?}");
        let mut text = refusal.to_string();
        let mut cause = refusal.source();
        while let Some(error) = cause {
            text += &error.to_string();
            cause = error.source();
        }
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_may_come_and_one_that_refuses_will_not() {
    let absent = connect("postgres://u@127.0.0.1:1/x").await.unwrap_err();
    assert!(absent.may_pass(), "{absent}");
    assert!(absent.to_string().contains("127.0.0.1:1"), "{absent}");
    let cause = absent.source().unwrap().to_string();
    assert!(
        cause.contains("refused"),
        "what the pool would hide: {cause}"
    );
    let mut other = url::Url::parse(&url("127.0.0.1", "sslmode=disable")).unwrap();
    other.set_path("/no_such_database");
    let refused = refusal(other.as_str()).await;
    assert!(
        matches!(refused, NoConnection::Refused { .. }),
        "{refused:?}"
    );
    // In the database's words, without a line of its source.
    let words = "database \"no_such_database\" does not exist (SQLSTATE 3D000)";
    assert_eq!(refused.source().unwrap().to_string(), words);
}
