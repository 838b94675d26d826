//! Names of hosts, looked up.

use std::{
    io,
    net::{IpAddr, ToSocketAddrs},
    sync::Arc,
};

use async_trait::async_trait;
use tokio::{sync::Semaphore, task};

/// How many lookups may be under way. The system gives none of them up before its own time, often
/// ten seconds and more, and each holds a thread until then.
const LOOKUPS: usize = 32;

/// Looks names up. A trait, so that tests need no name that leads where they want it.
#[async_trait]
pub(super) trait Names: Send + Sync {
    /// All addresses of a name.
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// Asks the system: its hosts file and its name servers.
pub(super) struct SystemNames {
    places: Arc<Semaphore>,
}

impl Default for SystemNames {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(LOOKUPS)),
        }
    }
}

#[async_trait]
impl Names for SystemNames {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(io::Error::other)?;
        let name = name.to_owned();
        let lookup = move || {
            let found = (name.as_str(), 0).to_socket_addrs();
            // Only now: whoever asked may have given up long ago, the thread has not.
            drop(place);
            found.map(|addresses| addresses.map(|address| address.ip()).collect())
        };
        task::spawn_blocking(lookup)
            .await
            .map_err(io::Error::other)?
    }
}
