//! Imports that go on for long, that are wrong in many places, and that others get in the way of.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokenhouse_server::domain::{email::EmailAddress, tenant::Slug};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    administrators::{admin_token, ask},
    audit_events::events,
};
use crate::harness::{Installation, OPERATOR_TOKEN, Tenant, on_every_backend, until};

on_every_backend!(
    an_import_ends_with_the_power_of_its_sender,
    a_line_that_is_wrong_everywhere_is_a_small_answer,
    a_conflict_fails_its_line_alone,
    what_an_import_changed_is_found_by_its_user,
    a_tenant_has_two_imports_at_a_time,
);

/// An import whose lines are sent one by one.
struct Open(TcpStream);

impl Open {
    async fn start(installation: &Installation, tenant: &Tenant, token: &str) -> Self {
        let address = installation.instances[0].public_address;
        let mut peer = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /admin/v1/tenants/{}/users/import HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer \
             {token}\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\nconnection: \
             close\r\n\r\n",
            tenant.slug
        );
        peer.write_all(head.as_bytes()).await.unwrap();
        Self(peer)
    }

    async fn send(&mut self, line: &Value) {
        let line = format!("{line}\n");
        let chunk = format!("{:x}\r\n{line}\r\n", line.len());
        self.0.write_all(chunk.as_bytes()).await.unwrap();
    }

    /// The status line, before anything else is read.
    async fn status(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(self.0.read_u8().await.unwrap());
        }
        String::from_utf8(line).unwrap()
    }

    /// Everything that is answered after the last line.
    async fn end(mut self) -> String {
        self.0.write_all(b"0\r\n\r\n").await.unwrap();
        let mut text = String::new();
        self.0.read_to_string(&mut text).await.unwrap();
        text
    }
}

async fn import(tenant: &Tenant, lines: &[Value]) -> Vec<Value> {
    let client = tenant.client(0);
    let path = format!("/admin/v1/tenants/{}/users/import", tenant.slug);
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let request = client
        .request(Method::POST, &path)
        .bearer_auth(OPERATOR_TOKEN)
        .header("content-type", "application/x-ndjson")
        .body(body);
    let answer = client.send(request).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let line = |text: &str| serde_json::from_str(text).unwrap();
    answer.text.lines().map(line).collect()
}

async fn users(tenant: &Tenant) -> String {
    let answer = ask(
        tenant,
        0,
        OPERATOR_TOKEN,
        Method::GET,
        "/users?limit=200",
        None,
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.text
}

/// T01.
async fn an_import_ends_with_the_power_of_its_sender(installation: Installation) {
    let roles = json!({ "roles": { "owner": { "permissions": ["tokenhouse:admin"] } } });
    let acme = installation.tenant_with(roles).await;
    for how in ["deleted", "suspended"] {
        let (rp, token) = admin_token(&acme, "tokenhouse:admin").await;
        let mut open = Open::start(&installation, &acme, &token).await;
        assert!(open.status().await.contains("200"), "it began");
        let answer = match how {
            "deleted" => {
                let path = format!("/clients/{}", rp.id);
                ask(&acme, 0, OPERATOR_TOKEN, Method::DELETE, &path, None).await
            }
            _ => ask(&acme, 0, OPERATOR_TOKEN, Method::POST, "/suspend", None).await,
        };
        assert!(answer.status.is_success(), "{answer:?}");
        // So long may what is cached of it count.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        open.send(
            &json!({ "external_id": how, "email": "backdoor@example.com", "roles": ["owner"] }),
        )
        .await;
        let text = open.end().await;
        assert!(text.contains("broken_off"), "{how}: {text}");
        assert!(!text.contains("summary"), "{how}: {text}");
        assert!(!users(&acme).await.contains("backdoor"), "{how}");
    }
    assert_eq!(
        events(&acme, "&event=user.imported").await,
        Vec::<Value>::new()
    );
}

async fn a_line_that_is_wrong_everywhere_is_a_small_answer(installation: Installation) {
    let acme = installation.tenant().await;
    let names = (0..5_000).map(|n| (format!("x{n}"), json!(1)));
    let mut line: serde_json::Map<String, Value> = names.collect();
    line.insert("external_id".to_owned(), json!("1"));
    line.insert("email".to_owned(), json!("ada@example.com"));
    let line = Value::Object(line);
    let results = import(&acme, &vec![line.clone(); 30]).await;
    assert_eq!(results.len(), 31);
    for result in &results[..30] {
        assert_eq!(result["status"], "failed");
        assert_eq!(result["errors"].as_array().unwrap().len(), 21);
        assert!(result.to_string().len() < 4_000);
    }
    let answer = ask(&acme, 0, OPERATOR_TOKEN, Method::POST, "/users", Some(line)).await;
    answer.assert_problem(400, "invalid-body");
    assert_eq!(answer.pointers().len(), 21);

    // Each wrong member is told as what it is.
    let wrong = [
        json!({ "external_id": 3, "email": "a@example.com" }),
        json!({ "external_id": "4", "email": "nothing" }),
        json!({ "external_id": "5", "email": "b@example.com", "password_hash": "x" }),
    ];
    let results = import(&acme, &wrong).await;
    assert_eq!(results[0]["errors"][0]["detail"], "must be a string");
    assert_eq!(
        results[1]["errors"].as_array().unwrap().len(),
        1,
        "{results:?}"
    );
    assert_eq!(results[1]["errors"][0]["pointer"], "/email");
    assert_eq!(results[2]["external_id"], "5");
}

async fn a_conflict_fails_its_line_alone(installation: Installation) {
    let acme = installation.tenant().await;
    let made = import(
        &acme,
        &[
            json!({ "external_id": "1", "email": "one@example.com" }),
            json!({ "external_id": "other", "email": "other@example.com" }),
        ],
    )
    .await;
    assert_eq!(made[2]["summary"]["created"], 2);
    // Another change takes the address, and is committed when the import waits for it.
    let app = &installation.instances[1].app;
    let slug = Slug::parse(&acme.slug).unwrap();
    let found = app.tenants.by_slug(&slug).await.unwrap().unwrap();
    let scope = found.enter(&app.public_url).unwrap();
    let mut work = app.store.begin(&scope).await.unwrap();
    let other = EmailAddress::parse("other@example.com").unwrap();
    let (mut user, _) = work.user_by_email(&other).await.unwrap().unwrap();
    let seen = user.updated_at;
    user.email = EmailAddress::parse("race@example.com").unwrap();
    assert!(work.update_user(&user, seen).await.unwrap());
    let lines = [
        json!({ "external_id": "2", "email": "two@example.com" }),
        json!({ "external_id": "1", "email": "race@example.com" }),
        json!({ "external_id": "3", "email": "three@example.com" }),
    ];
    let (results, ()) = tokio::join!(import(&acme, &lines), async {
        // Whether it waits by then or comes later: the answer is the same.
        tokio::time::sleep(Duration::from_millis(700)).await;
        work.commit().await.unwrap();
    });
    let statuses: Vec<_> = results.iter().map(|one| one["status"].as_str()).collect();
    let expected = [Some("created"), Some("failed"), Some("created"), None];
    assert_eq!(statuses, expected, "{results:?}");
    assert_eq!(results[1]["errors"][0]["pointer"], "/email");
    assert_eq!(results[3]["summary"]["failed"], 1);

    // Two imports in opposite order, on two instances: each of their lines is done.
    let mut lines: Vec<_> = (0..100)
        .map(|n| json!({ "external_id": format!("d{n}"), "email": format!("d{n}@example.com") }))
        .collect();
    let forth = lines.clone();
    lines.reverse();
    let (one, two) = tokio::join!(import(&acme, &forth), import(&acme, &lines));
    for results in [one, two] {
        let summary = &results.last().unwrap()["summary"];
        assert!(summary.is_object(), "{:?}", results.last());
    }
}

async fn what_an_import_changed_is_found_by_its_user(installation: Installation) {
    let roles = json!({ "roles": { "owner": { "permissions": ["tokenhouse:admin"] } } });
    let acme = installation.tenant_with(roles).await;
    let results = import(
        &acme,
        &[
            json!({ "external_id": "7", "email": "ada@example.com" }),
            json!({ "external_id": "8", "email": "bob@example.com", "roles": ["owner"] }),
        ],
    )
    .await;
    let (ada, bob) = (&results[0]["user_id"], &results[1]["user_id"]);
    let line = json!({ "external_id": "7", "roles": ["owner"], "state": "disabled" });
    for _ in 0..2 {
        import(&acme, std::slice::from_ref(&line)).await;
    }
    let of = async |user: &Value| {
        let user = user.as_str().unwrap();
        until("an event of the user", async || {
            let found = events(&acme, &format!("&target={user}")).await;
            (!found.is_empty()).then_some(found)
        })
        .await
    };
    let changed = of(ada).await;
    assert_eq!(
        changed.len(),
        1,
        "the same line again is no change: {changed:?}"
    );
    assert_eq!(changed[0]["event"], "user.imported");
    assert_eq!(
        changed[0]["details"],
        json!({
            "before": { "roles": [], "state": "active" },
            "after": { "roles": ["owner"], "state": "disabled" },
        })
    );
    assert_eq!(
        of(bob).await[0]["details"]["after"]["roles"],
        json!(["owner"])
    );
}

async fn a_tenant_has_two_imports_at_a_time(installation: Installation) {
    let (acme, other) = (installation.tenant().await, installation.tenant().await);
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut one = Open::start(&installation, &acme, OPERATOR_TOKEN).await;
        assert!(one.status().await.contains("200"));
        open.push(one);
    }
    let mut third = Open::start(&installation, &acme, OPERATOR_TOKEN).await;
    assert!(third.status().await.contains("503"));
    let mut foreign = Open::start(&installation, &other, OPERATOR_TOKEN).await;
    assert!(
        foreign.status().await.contains("200"),
        "others have their own"
    );
    for one in open {
        assert!(one.end().await.contains("summary"));
    }
    until("a free place", async || {
        let mut one = Open::start(&installation, &acme, OPERATOR_TOKEN).await;
        one.status().await.contains("200").then_some(())
    })
    .await;
}
