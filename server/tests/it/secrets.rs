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
    let told_once = client_made_once(&dev).await;
    let (oauth_secrets, tenant_path) = oauth_story(&dev).await;
    let invitation = invitation_story(&dev).await;
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
        &invitation,
        &invitation[4..30],
        IDEMPOTENCY_KEY,
        &told_once,
    ] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
    assert!(log.contains(&tenant_path), "the pages did log");
    for secret in &oauth_secrets {
        assert!(
            !log.contains(secret.as_str()),
            "a secret of OAuth is in the log"
        );
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
        &invitation,
        &invitation[4..30],
        IDEMPOTENCY_KEY,
        &told_once,
    ] {
        assert!(
            !contains(&kept, secret.as_bytes()),
            "a secret is in the database"
        );
    }
}

/// An invitation is made, looked at, refused to somebody else, accepted on the page and used again; its token.
async fn invitation_story(dev: &Dev) -> String {
    use crate::{harness::Tenant, oidc::browser::Browser};
    let (file, client) = (dev.file(), dev.client());
    let request = client.request(reqwest::Method::POST, "/admin/v1/tenants/demo/invitations");
    let request = request.bearer_auth(file["operator_token"].as_str().unwrap());
    let made = client
        .send(request.json(&json!({ "email": "grace@example.com" })))
        .await;
    let text = |name: &str| made.body[name].as_str().unwrap().to_owned();
    let (token, link) = (text("token"), text("link"));
    let mut body =
        json!({ "name": "E", "email": "eve@example.com", "password": "planted-password-3f9a" });
    body["invitation"] = json!(token);
    let refused = client.post("/t/demo/auth/signup", body).await;
    assert_eq!(refused.status.as_u16(), 403, "{refused:?}");
    let public_url = dev.public_url();
    let port = public_url.rsplit_once(':').unwrap().1.parse().unwrap();
    let tenant = Tenant::at("demo", &public_url, ([127, 0, 0, 1], port).into());
    let mut browser = Browser::new(&tenant);
    let page = browser.open(&link).await.page();
    let members = [("name", "Grace"), ("password", "planted-password-3f9a")];
    let done = browser.submit(&page, &members).await.page();
    assert!(done.html().contains("You are signed in"), "{}", done.html());
    let used = browser.open(&link).await.page();
    assert_eq!(used.answer.status.as_u16(), 403);
    token
}

const IDEMPOTENCY_KEY: &str = "planted-idempotency-key-51d2";

/// The secret of a client that was made under a key, and is told again to whoever has the key.
async fn client_made_once(dev: &Dev) -> String {
    let (client, file) = (dev.client(), dev.file());
    let operator = file["operator_token"].as_str().unwrap();
    let mut told = Vec::new();
    for _ in 0..2 {
        let request = client
            .request(reqwest::Method::POST, "/admin/v1/tenants/demo/clients")
            .bearer_auth(operator)
            .header("idempotency-key", IDEMPOTENCY_KEY)
            .json(&json!({ "redirect_uris": ["https://rp.example/cb"] }));
        let answer = client.send(request).await;
        told.push(answer.body["client_secret"].as_str().unwrap().to_owned());
    }
    assert_eq!(told[0], told[1]);
    told.remove(0)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

/// A user signs in on the pages, and a client does all that clients do; every secret on the way.
async fn oauth_story(dev: &Dev) -> (Vec<String>, String) {
    use crate::{
        harness::{PASSWORD, Tenant},
        oidc::{browser::Browser, rp::Rp},
    };
    let file = dev.file();
    let public_url = dev.public_url();
    let port = public_url.rsplit_once(':').unwrap().1.parse().unwrap();
    let tenant = Tenant::at("demo", &public_url, ([127, 0, 0, 1], port).into());
    let email = tenant.user().await;
    let rp = Rp {
        tenant: tenant.clone(),
        id: "demo-web".to_owned(),
        secret: file["clients"][1]["client_secret"]
            .as_str()
            .map(str::to_owned),
    };
    let mut browser = Browser::new(&tenant);
    let uri = "http://127.0.0.1/callback";
    let callback = rp
        .code(&mut browser, &email, &[("redirect_uri", uri)])
        .await;
    let code = callback.get("code").to_owned();
    let answer = rp.redeem(0, &code, &[("redirect_uri", uri)]).await;
    let tokens = crate::oidc::rp::tokens_of(&answer);
    rp.redeem(0, &code, &[("redirect_uri", uri)]).await;
    rp.userinfo(0, &tokens.access_token).await;
    rp.introspect(0, &tokens.access_token).await;
    rp.post(0, "revoke", &[("token", tokens.refresh())]).await;
    let accounts = browser.cookie("tokenhouse_accounts").unwrap().to_owned();
    let browser_id = browser.cookie("tokenhouse_browser").unwrap().to_owned();
    let secrets = vec![
        PASSWORD.to_owned(),
        code,
        crate::oidc::rp::VERIFIER.to_owned(),
        tokens.refresh().to_owned(),
        tokens.access_token,
        tokens.id_token.unwrap(),
        accounts,
        browser_id,
    ];
    (secrets, "/t/demo/oauth2/authorize".to_owned())
}
