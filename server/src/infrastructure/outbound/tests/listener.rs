//! What the exchanges meet: listeners that answer as they are told, and names that lead to them.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use rustls::RootCertStore;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use url::Url;

use super::super::{fetcher::Fetcher, names::Names};

pub(super) const LOOPBACK: &str = "127.0.0.0/8";

/// A listener on loopback that counts who connects and keeps what they send.
#[derive(Clone)]
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    /// Reads a request, then does with the connection what it is told.
    pub(super) async fn start<F>(answer: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listener = Self {
            address: socket.local_addr().unwrap(),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (connections, requests) = (
            Arc::clone(&listener.connections),
            Arc::clone(&listener.requests),
        );
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = socket.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let request = read_request(&mut stream).await.unwrap_or_default();
                requests.lock().unwrap().push(request);
                tokio::spawn(answer(stream));
            }
        });
        listener
    }

    /// Answers every request with the same bytes.
    pub(super) async fn answering(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes: Arc<[u8]> = bytes.into().into();
        Self::start(move |mut stream| {
            let bytes = Arc::clone(&bytes);
            async move { stream.write_all(&bytes).await }
        })
        .await
    }

    pub(super) fn url(&self, host: &str) -> Url {
        format!("http://{host}:{}/keys", self.address.port())
            .parse()
            .unwrap()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Head and body of a request, the body as long as the head says.
async fn read_request(stream: &mut TcpStream) -> io::Result<String> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return Ok(text);
            }
        }
        let mut chunk = [0; 1024];
        match stream.read(&mut chunk).await? {
            0 => return Ok(text),
            n => request.extend_from_slice(&chunk[..n]),
        }
    }
}

/// An answer with a body.
pub(super) fn answer(status: &str, head: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Knows the names it was told, and counts how often it is asked.
#[derive(Default)]
pub(super) struct TestNames {
    /// What each lookup answers; the last answer stays.
    answers: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    asked: AtomicUsize,
}

impl TestNames {
    pub(super) fn with(name: &str, answers: &[&[&str]]) -> Arc<Self> {
        let parse = |texts: &&[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let names = Self::default();
        let answers = answers.iter().map(parse).collect();
        names
            .answers
            .lock()
            .unwrap()
            .insert(name.to_owned(), answers);
        Arc::new(names)
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Names for TestNames {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        match answers.get_mut(name) {
            Some(answers) if answers.len() > 1 => Ok(answers.remove(0)),
            Some(answers) => Ok(answers[0].clone()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// A fetcher that may reach `networks` and knows `names`.
pub(super) fn fetcher(networks: &str, names: Arc<TestNames>) -> Fetcher {
    Fetcher::with(networks.parse().unwrap(), names, RootCertStore::empty()).unwrap()
}
