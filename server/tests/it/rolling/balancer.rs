//! A balancer as a Kubernetes Service is one: it hands connections to instances that are ready, in
//! turn, and looks at nothing inside. What fails there fails for the client; nothing is tried again.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// How often readiness is asked for.
const PROBE_EVERY: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) public: SocketAddr,
    pub(super) management: SocketAddr,
}

struct Member {
    endpoint: Endpoint,
    ready: bool,
}

/// Ends with the value.
pub(super) struct Balancer {
    pub(super) address: SocketAddr,
    members: Arc<Mutex<Vec<Member>>>,
    tasks: [JoinHandle<()>; 2],
}

impl Balancer {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let members: Arc<Mutex<Vec<Member>>> = Arc::default();
        let tasks = [
            tokio::spawn(accept(listener, Arc::clone(&members))),
            tokio::spawn(probe(Arc::clone(&members))),
        ];
        Self {
            address,
            members,
            tasks,
        }
    }

    /// It gets connections when a probe has found it ready.
    pub(super) fn add(&self, endpoint: Endpoint) {
        self.members.lock().unwrap().push(Member {
            endpoint,
            ready: false,
        });
    }

    /// No new connections from now on; those that are open stay.
    pub(super) fn remove(&self, endpoint: Endpoint) {
        self.members
            .lock()
            .unwrap()
            .retain(|member| member.endpoint != endpoint);
    }

    pub(super) fn is_ready(&self, endpoint: Endpoint) -> bool {
        let members = self.members.lock().unwrap();
        members
            .iter()
            .any(|member| member.endpoint == endpoint && member.ready)
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn accept(listener: TcpListener, members: Arc<Mutex<Vec<Member>>>) {
    let turn = AtomicUsize::new(0);
    loop {
        let (mut near, _) = listener.accept().await.unwrap();
        let next = {
            let members = members.lock().unwrap();
            let ready: Vec<_> = members.iter().filter(|member| member.ready).collect();
            let turn = turn.fetch_add(1, Ordering::Relaxed);
            ready
                .get(turn % ready.len().max(1))
                .map(|member| member.endpoint)
        };
        tokio::spawn(async move {
            // Without an instance, or when it refuses, the client sees its connection closed.
            let Some(endpoint) = next else { return };
            let Ok(mut far) = TcpStream::connect(endpoint.public).await else {
                return;
            };
            let _ = (near.set_nodelay(true), far.set_nodelay(true));
            let _closed = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        });
    }
}

async fn probe(members: Arc<Mutex<Vec<Member>>>) {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(3))
        .build()
        .unwrap();
    loop {
        let all: Vec<Endpoint> = {
            let members = members.lock().unwrap();
            members.iter().map(|member| member.endpoint).collect()
        };
        for endpoint in all {
            let url = format!("http://{}/readyz", endpoint.management);
            let answer = client.get(url).send().await;
            let ready = answer.is_ok_and(|answer| answer.status().is_success());
            let mut members = members.lock().unwrap();
            let member = members
                .iter_mut()
                .find(|member| member.endpoint == endpoint);
            if let Some(member) = member {
                member.ready = ready;
            }
        }
        tokio::time::sleep(PROBE_EVERY).await;
    }
}
