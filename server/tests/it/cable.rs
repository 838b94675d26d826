//! The way to a store, which a test may cut.

use std::{
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::net::{TcpListener, TcpStream as AsyncStream};
use url::Url;

/// A proxy in front of a store that can be cut and mended, or swallow what is sent.
pub(crate) struct Cable {
    address: SocketAddr,
    cut: Arc<AtomicBool>,
    /// How often it has begun to swallow what older connections send.
    swallowed: Arc<AtomicU64>,
    /// Whether new connections swallow from the beginning.
    hollow: Arc<AtomicBool>,
}

impl Cable {
    async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cut = Arc::new(AtomicBool::new(false));
        let swallowed = Arc::new(AtomicU64::new(0));
        let hollow = Arc::new(AtomicBool::new(false));
        let (is_cut, swallows) = (Arc::clone(&cut), Arc::clone(&swallowed));
        let is_hollow = Arc::clone(&hollow);
        tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                if is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                if is_hollow.load(Ordering::SeqCst) {
                    tokio::spawn(async move {
                        let _held = near;
                        std::future::pending::<()>().await;
                    });
                    continue;
                }
                let (target, is_cut) = (target.clone(), Arc::clone(&is_cut));
                let (swallows, begun) = (Arc::clone(&swallows), swallows.load(Ordering::SeqCst));
                tokio::spawn(async move {
                    let Ok(mut far) = AsyncStream::connect(target).await else {
                        return;
                    };
                    let mut watch = tokio::time::interval(Duration::from_millis(5));
                    let copy = tokio::io::copy_bidirectional(&mut near, &mut far);
                    tokio::pin!(copy);
                    loop {
                        tokio::select! {
                            _ = &mut copy => return,
                            _ = watch.tick() => {
                                if is_cut.load(Ordering::SeqCst) {
                                    return;
                                }
                                if swallows.load(Ordering::SeqCst) != begun {
                                    break;
                                }
                            }
                        }
                    }
                    // Neither end hears of it.
                    std::future::pending::<()>().await;
                });
            }
        });
        Self {
            address,
            cut,
            swallowed,
            hollow,
        }
    }

    /// What is sent over the connections that there are is lost from now on, as when a machine at the other
    /// end loses its power. New connections reach the store.
    pub(crate) async fn swallow(&self) {
        self.swallowed.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    /// The same, and new connections lead nowhere either.
    pub(crate) async fn swallow_all(&self) {
        self.hollow.store(true, Ordering::SeqCst);
        self.swallow().await;
    }

    pub(crate) async fn set_cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::SeqCst);
        // Connections notice within a few ticks.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The same address behind a cable.
pub(crate) async fn behind_cable(url: &str) -> (Cable, String) {
    let mut url = Url::parse(url).unwrap();
    let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    assert!(TcpStream::connect(&target).is_ok());
    let cable = Cable::to(target).await;
    url.set_ip_host(cable.address.ip()).unwrap();
    url.set_port(Some(cable.address.port())).unwrap();
    (cable, url.to_string())
}
