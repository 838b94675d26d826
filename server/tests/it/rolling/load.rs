//! Clients that sign in, refresh, read keys and read who they are, and take down what they see.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::harness::PASSWORD;

pub(super) const OPERATIONS: [&str; 4] = ["login", "refresh", "keys", "user"];

/// How many of each run at once, and how long each rests between two requests.
const CLIENTS: [(&str, usize, Duration); 4] = [
    ("login", 4, Duration::from_millis(150)),
    ("refresh", 24, Duration::from_millis(40)),
    ("keys", 4, Duration::from_millis(40)),
    ("user", 8, Duration::from_millis(40)),
];

/// What was seen in a phase.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) requests: BTreeMap<&'static str, usize>,
    pub(super) failures: Vec<String>,
    pub(super) slowest: Duration,
}

#[derive(Default)]
pub(super) struct Notes {
    phase: AtomicUsize,
    stop: AtomicBool,
    seen: Mutex<BTreeMap<usize, Seen>>,
}

impl Notes {
    pub(super) fn enter(&self, phase: usize) {
        self.phase.store(phase, Ordering::SeqCst);
    }

    pub(super) fn seen(&self, phase: usize) -> Seen {
        self.seen
            .lock()
            .unwrap()
            .get(&phase)
            .cloned()
            .unwrap_or_default()
    }

    /// A request is counted where it began. Anything but a success is a failure.
    async fn ask(&self, operation: &'static str, request: RequestBuilder) -> Option<Value> {
        let phase = self.phase.load(Ordering::SeqCst);
        let started = Instant::now();
        let answer = match request.send().await {
            Err(error) => Err(format!("{error:?}")),
            Ok(answer) => {
                let status = answer.status();
                let body = answer.text().await.map_err(|error| format!("{error:?}"));
                body.and_then(|body| {
                    let json = serde_json::from_str(&body)
                        .map_err(|error| format!("{status}: {error}: {body}"));
                    if status.is_success() {
                        json
                    } else {
                        Err(format!("{status}: {body}"))
                    }
                })
            }
        };
        let mut all = self.seen.lock().unwrap();
        let seen = all.entry(phase).or_default();
        *seen.requests.entry(operation).or_default() += 1;
        seen.slowest = seen.slowest.max(started.elapsed());
        match answer {
            Ok(value) => Some(value),
            Err(failure) => {
                seen.failures.push(format!("{operation}: {failure}"));
                None
            }
        }
    }
}

/// The clients. They end when told to.
pub(super) struct Load {
    pub(super) notes: Arc<Notes>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Makes a user for each client, then lets them all go.
    pub(super) async fn start(balancer: SocketAddr, issuer: &str) -> Self {
        let notes = Arc::new(Notes::default());
        let mut clients = Vec::new();
        for (operation, count, rest) in CLIENTS {
            for n in 0..count {
                let visitor = Visitor {
                    notes: Arc::clone(&notes),
                    // Every other one opens a connection for each request, as behind a proxy.
                    client: Client::builder()
                        .timeout(Duration::from_secs(20))
                        .pool_max_idle_per_host(n % 2)
                        .build()
                        .unwrap(),
                    base: format!("http://{balancer}{issuer}"),
                    email: format!("{operation}{n}@example.com"),
                    rest,
                };
                visitor.sign_up().await;
                clients.push(visitor);
            }
        }
        let clients = clients
            .into_iter()
            .map(|visitor| tokio::spawn(visitor.visit()))
            .collect();
        Self { notes, clients }
    }

    pub(super) async fn stop(self) {
        self.notes.stop.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.await.unwrap();
        }
    }
}

struct Visitor {
    notes: Arc<Notes>,
    client: Client,
    base: String,
    email: String,
    rest: Duration,
}

impl Visitor {
    async fn sign_up(&self) {
        let body = json!({ "name": "Ada", "email": self.email, "password": PASSWORD });
        let answer = self
            .client
            .post(format!("{}/auth/signup", self.base))
            .json(&body)
            .send()
            .await;
        assert_eq!(answer.unwrap().status(), 201);
    }

    async fn login(&self) -> Option<Value> {
        let body = json!({ "email": self.email, "password": PASSWORD, "delivery": "body" });
        let request = self
            .client
            .post(format!("{}/auth/login", self.base))
            .json(&body);
        self.notes.ask("login", request).await
    }

    /// What is got for one session has to last: a refresh token is used once and its successor next.
    async fn visit(self) {
        let mut tokens = None;
        while !self.notes.stop.load(Ordering::SeqCst) {
            if self.email.starts_with("login") || tokens.is_none() {
                tokens = self.login().await;
            } else if self.email.starts_with("refresh") {
                let old = tokens.take().unwrap_or_default();
                let body = json!({ "refresh_token": old["refresh_token"] });
                let request = self
                    .client
                    .post(format!("{}/auth/refresh", self.base))
                    .json(&body);
                tokens = self.notes.ask("refresh", request).await;
            } else if self.email.starts_with("keys") {
                let request = self.client.get(format!("{}/oauth2/jwks", self.base));
                self.notes.ask("keys", request).await;
            } else {
                let token = tokens
                    .as_ref()
                    .and_then(|tokens| tokens["access_token"].as_str());
                let request = self.client.get(format!("{}/auth/current-user", self.base));
                let request = request.bearer_auth(token.unwrap_or_default());
                if let Some(user) = self.notes.ask("user", request).await {
                    assert_eq!(user["email"], self.email);
                }
            }
            tokio::time::sleep(self.rest).await;
        }
    }
}
