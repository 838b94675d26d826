//! No secret is in any log at any level, and none is readable in a store.

use serde_json::json;

use crate::process::Dev;

/// T101: the whole story at the most talkative level, with secrets that are easy to find.
#[tokio::test]
async fn no_secret_reaches_a_log_at_any_level() {
    let temporary = tempfile::tempdir().unwrap();
    let environment = [
        ("TOKENHOUSE_LOG", "trace"),
        ("TOKENHOUSE_LOG_FORMAT", "json"),
    ];
    let dev = Dev::start_in(temporary.path(), &environment).await;
    let (file, client) = (dev.file(), dev.client());
    let password = "planted-password-3f9a";
    let signup = json!({ "name": "Ada", "email": "ada@example.com", "password": password });
    client.post("/t/demo/auth/signup", signup).await;
    let wrong = json!({ "email": "ada@example.com", "password": "planted-wrong-77c1" });
    client.post("/t/demo/auth/login", wrong).await;
    let login = json!({ "email": "ada@example.com", "password": password, "delivery": "body" });
    let session = client.post("/t/demo/auth/login", login).await;
    let (access, refresh) = (
        session.body["access_token"].as_str().unwrap(),
        session.body["refresh_token"].as_str().unwrap(),
    );
    let rotated = client
        .post("/t/demo/auth/refresh", json!({ "refresh_token": refresh }))
        .await;
    let successor = rotated.body["refresh_token"].as_str().unwrap();
    client
        .bearer(reqwest::Method::GET, "/t/demo/auth/current-user", access)
        .await;
    client
        .post(
            "/t/demo/auth/refresh",
            json!({ "refresh_token": &successor[..40] }),
        )
        .await;
    client
        .post("/t/demo/auth/logout", json!({ "refresh_token": successor }))
        .await;
    client
        .bearer(
            reqwest::Method::GET,
            "/admin/v1/tenants",
            file["operator_token"].as_str().unwrap(),
        )
        .await;
    let master_key = std::fs::read_to_string(dev.folder().join("master.key")).unwrap();
    let log = dev.stop().await;
    assert!(
        log.contains("logged in") && log.contains("request"),
        "it did log: {log}"
    );

    let client_secret = file["clients"][1]["client_secret"].as_str().unwrap();
    let demo_password = file["user"]["password"].as_str().unwrap();
    let operator = file["operator_token"].as_str().unwrap();
    let master_key = master_key.trim_end().split(':').nth(1).unwrap();
    let access_payload = access.split('.').nth(1).unwrap();
    for secret in [
        password,
        "planted-wrong-77c1",
        access,
        access_payload,
        refresh,
        successor,
        &successor[4..40],
        operator,
        client_secret,
        demo_password,
        master_key,
        "$argon2id",
    ] {
        assert!(!log.contains(secret), "a secret is in the log");
    }

    // What the database keeps opens nothing either.
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(temporary.path()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("tokenhouse.db")
        {
            kept.extend(std::fs::read(path).unwrap());
        }
    }
    assert!(contains(&kept, b"ada@example.com"), "the database is there");
    for secret in [
        password,
        refresh,
        successor,
        &refresh[40..80],
        &successor[40..80],
        access_payload,
        operator,
        client_secret,
    ] {
        assert!(
            !contains(&kept, secret.as_bytes()),
            "a secret is in the database"
        );
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}
