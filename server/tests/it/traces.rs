//! Traces: what a collector gets, and what it must not get.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{Span, status::StatusCode},
};
use prost::Message;
use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::{
    harness::{PASSWORD, until},
    process::{Dev, free_port},
};

/// A collector that takes OTLP over HTTP (`POST /v1/traces`, protobuf).
struct Collector {
    address: String,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&bodies);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(take(stream, Arc::clone(&taken)));
            }
        });
        Self { address, bodies }
    }

    fn spans(&self) -> Vec<Span> {
        let bodies = self.bodies.lock().unwrap();
        let requests = bodies
            .iter()
            .map(|body| ExportTraceServiceRequest::decode(&**body).unwrap());
        requests
            .flat_map(|request| request.resource_spans)
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans)
            .collect()
    }

    fn contains(&self, text: &str) -> bool {
        let bodies = self.bodies.lock().unwrap();
        let has = |body: &Vec<u8>| body.windows(text.len()).any(|part| part == text.as_bytes());
        bodies.iter().any(has)
    }
}

/// Reads the requests of one connection.
async fn take(stream: TcpStream, bodies: Arc<Mutex<Vec<Vec<u8>>>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut length, mut first) = (0, String::new());
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            if first.is_empty() {
                first.clone_from(&line);
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        assert!(first.starts_with("POST /v1/traces "), "{first}");
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        bodies.lock().unwrap().push(body);
        let answer =
            b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
    }
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_trace_that_a_trusted_proxy_hands_on_reaches_into_the_database() {
    let collector = Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    let environment = [
        ("TOKENHOUSE_OTLP_ENDPOINT", collector.address.as_str()),
        ("TOKENHOUSE_OTLP_SAMPLE_RATIO", "0"),
        ("TOKENHOUSE_TRUSTED_PROXIES", "127.0.0.1/32"),
        ("TOKENHOUSE_LOG_FORMAT", "json"),
    ];
    let dev = Dev::start_in(&folder.path().join("data"), &environment).await;
    let client = dev.client();
    let email = "ada@example.com";
    let sign_up = json!({ "name": "Ada", "email": email, "password": PASSWORD });
    client.post("/t/demo/auth/signup", sign_up).await;
    let body = json!({ "email": email, "password": PASSWORD, "delivery": "body" });
    let request = client
        .request(Method::POST, "/t/demo/auth/login")
        .header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"))
        .json(&body);
    let login = client.send(request).await;
    assert_eq!(login.status.as_u16(), 200, "{login:?}");

    let spans = until("the spans arrive", async || {
        let spans = collector.spans();
        spans
            .iter()
            .any(|span| span.name == "login")
            .then_some(spans)
    })
    .await;
    let names: BTreeSet<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert!(
        names.iter().any(|name| name.starts_with("sea_orm.")),
        "{names:?}"
    );
    for span in &spans {
        assert_eq!(hex(&span.trace_id), TRACE, "nobody asked for {}", span.name);
        let code = span
            .status
            .as_ref()
            .map(opentelemetry_proto::tonic::trace::v1::Status::code);
        assert_ne!(code, Some(StatusCode::Error), "{span:?}");
    }
    let request = spans.iter().find(|span| span.name == "login").unwrap();
    assert_eq!(hex(&request.parent_span_id), "00f067aa0ba902b7");
    let token = login.body["access_token"].as_str().unwrap();
    for secret in [
        PASSWORD,
        email,
        token,
        login.body["refresh_token"].as_str().unwrap(),
    ] {
        assert!(!collector.contains(secret), "{secret} is in a trace");
    }
    let log = dev.stop().await;
    assert!(log.contains(TRACE), "the log has no trace id: {log}");
}

#[tokio::test]
async fn a_collector_that_is_away_is_told_of_once_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let environment = [
        ("TOKENHOUSE_OTLP_ENDPOINT", nobody.as_str()),
        ("TOKENHOUSE_OTLP_SAMPLE_RATIO", "1"),
    ];
    let dev = Dev::start_in(&folder.path().join("data"), &environment).await;
    let metrics = format!("{}/metrics", dev.file()["management_url"].as_str().unwrap());
    until("lost spans are counted", async || {
        dev.client().get("/t/demo/oauth2/jwks").await;
        let text = reqwest::get(&metrics).await.unwrap().text().await.unwrap();
        assert!(text.contains("tokenhouse_trace_spans_total{outcome=\"sent\"} 0"));
        let lost = "tokenhouse_trace_spans_total{outcome=\"lost\"} ";
        let lost = text
            .lines()
            .find_map(|line| line.strip_prefix(lost))
            .unwrap();
        (lost.parse::<u64>().unwrap() > 0).then_some(())
    })
    .await;
    let log = dev.stop().await;
    assert_eq!(log.matches("takes no traces").count(), 1, "{log}");
}

#[tokio::test]
async fn nobody_else_puts_requests_into_traces() {
    let collector = Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    let environment = [
        ("TOKENHOUSE_OTLP_ENDPOINT", collector.address.as_str()),
        ("TOKENHOUSE_OTLP_SAMPLE_RATIO", "1"),
    ];
    let dev = Dev::start_in(&folder.path().join("data"), &environment).await;
    let client = dev.client();
    let request = client
        .request(Method::GET, "/t/demo/oauth2/jwks")
        .header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"));
    client.send(request).await;
    let spans = until("the span arrives", async || {
        let spans = collector.spans();
        spans
            .iter()
            .any(|span| span.name == "get_jwks")
            .then_some(spans)
    })
    .await;
    assert!(spans.iter().all(|span| hex(&span.trace_id) != TRACE));
}
