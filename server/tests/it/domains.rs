//! Custom domains: claimed, proved, served, given up.

mod claims;
mod issuers;
mod requests;

use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    admin::administrators::ask,
    harness::{Answer, Installation, OPERATOR_TOKEN, Tenant, unique},
};

/// A domain that no other test has.
pub(super) fn fresh_domain() -> String {
    format!("login.{}.example", unique("d"))
}

pub(super) async fn operator(
    tenant: &Tenant,
    n: usize,
    method: Method,
    rest: &str,
    body: Option<Value>,
) -> Answer {
    ask(
        tenant,
        n,
        OPERATOR_TOKEN,
        method,
        &format!("/domains{rest}"),
        body,
    )
    .await
}

/// Claims a domain; what the tenant has to publish.
pub(super) async fn claim(tenant: &Tenant, domain: &str) -> Value {
    let body = json!({ "domain": domain });
    let answer = operator(tenant, 0, Method::POST, "", Some(body)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.body
}

pub(super) async fn verify(tenant: &Tenant, n: usize, domain: &str) -> Answer {
    operator(tenant, n, Method::POST, &format!("/{domain}/verify"), None).await
}

/// Publishes the TXT record that a claim asks for.
pub(super) fn publish(installation: &Installation, claim: &Value) {
    let record = &claim["dns_record"];
    let text = |name: &str| record[name].as_str().unwrap();
    installation.names.add_txt(text("name"), &[text("value")]);
}

/// A tenant at a fresh domain that it holds, an issuer or not.
pub(super) async fn held(installation: &Installation, tenant: &Tenant, issuer: bool) -> Tenant {
    let domain = fresh_domain();
    publish(installation, &claim(tenant, &domain).await);
    let answer = verify(tenant, 0, &domain).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    if issuer {
        make_issuer(tenant, &domain).await;
    }
    let here = tenant.at_domain(&domain);
    // The other instance learns of it within a second.
    serves(&here, 1).await;
    here
}

pub(super) async fn make_issuer(tenant: &Tenant, domain: &str) {
    let body = json!({ "issuer": true });
    let answer = operator(tenant, 0, Method::PATCH, &format!("/{domain}"), Some(body)).await;
    assert_eq!(answer.body["issuer"], true, "{answer:?}");
}

/// Waits until an instance serves the tenant at its domain as it is stored now; its metadata.
pub(super) async fn serves(here: &Tenant, n: usize) -> Value {
    let path = here.path("/.well-known/openid-configuration");
    let started = std::time::Instant::now();
    crate::harness::until("the domain serves", async || {
        let answer = here.client(n).get(&path).await;
        // What an instance keeps is at most a second old, and what it read then may be as old as that.
        let settled = started.elapsed() > std::time::Duration::from_millis(1_100);
        (answer.status == StatusCode::OK && settled).then_some(answer.body)
    })
    .await
}

/// Answers `GET path` with a text, on loopback, until it is dropped.
pub(super) struct FileServer {
    pub(super) port: u16,
    pub(super) body: Arc<std::sync::Mutex<String>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FileServer {
    pub(super) async fn start(path: &'static str) -> Self {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let body = Arc::new(std::sync::Mutex::new(String::new()));
        let text = Arc::clone(&body);
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => break,
                    }
                }
                let found = head.starts_with(format!("GET {path} HTTP/1.1\r\n").as_bytes());
                let status = if found { "200 OK" } else { "404 Not Found" };
                let body = text.lock().unwrap().clone();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _gone = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { port, body, task }
    }
}
