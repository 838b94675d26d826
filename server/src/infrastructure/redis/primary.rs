//! Which Redis is spoken to: always the same, or the one that the Sentinels call the primary.

use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use redis::{
    Client, ErrorKind, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
    sentinel::SentinelClient,
};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use super::{
    address::{Place, RedisAddress},
    unfit::NO_PRIMARY,
};

/// Longer than a healthy Redis ever takes, shorter than a client's patience. A call that was given
/// up may have been carried out.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(1);
/// Every call that finds no connection starts another round of these.
const RETRIES: usize = 1;
const RETRY_DELAY: Duration = Duration::from_millis(50);
/// The library's own 50 makes calls wait for one another under load.
const CALLS_IN_FLIGHT: usize = 1_024;
/// How often a connection is replaced that Redis answers with refusals.
const REPLACED_AFTER: Duration = Duration::from_secs(1);

/// How long the Sentinels have to name the primary, which is asked too whether it is one.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);
/// How often they are asked while all is well: an old primary behind a cut link fails at nothing.
const LOOKED_UP_EVERY: Duration = Duration::from_secs(5);
/// How often at most, and how often while they name none.
const LOOKUP_PAUSE: Duration = Duration::from_millis(200);

/// The server that commands go to.
pub(super) struct Primary {
    current: watch::Sender<Option<Current>>,
    /// How a connection to the one server is begun anew; without it, Sentinels are asked.
    server: Option<Client>,
    lookup_wanted: Arc<Notify>,
    /// The connection fails although its server may be well: another one may be good again.
    stale: AtomicBool,
    /// How many connections there were.
    count: AtomicU64,
}

#[derive(Clone)]
struct Current {
    manager: ConnectionManager,
    address: String,
    since: Instant,
    number: u64,
}

impl fmt::Debug for Primary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Primary").finish_non_exhaustive()
    }
}

impl Primary {
    /// Prepares a connection, and starts to ask the Sentinels where there are any.
    pub(super) fn open(address: &RedisAddress) -> Result<Arc<Self>, RedisError> {
        match &address.place {
            Place::Server(server) => {
                let client = address.client_of(server)?;
                let primary = Self::new(Some(client.clone()));
                primary
                    .current
                    .send_replace(Some(primary.connect(&client)?));
                Ok(Arc::new(primary))
            }
            // Each of its nodes has a connection of its own.
            Place::Cluster(_) => Err(RedisError::from((
                ErrorKind::InvalidClientConfig,
                "a Cluster has no one primary",
            ))),
            Place::Sentinels(sentinels) => {
                let client = address.client_of_sentinels(sentinels)?;
                let primary = Arc::new(Self::new(None));
                let wanted = Arc::clone(&primary.lookup_wanted);
                tokio::spawn(ask(client, Arc::downgrade(&primary), wanted));
                Ok(primary)
            }
        }
    }

    fn new(server: Option<Client>) -> Self {
        Self {
            current: watch::Sender::new(None),
            server,
            lookup_wanted: Arc::default(),
            stale: AtomicBool::new(false),
            count: AtomicU64::new(0),
        }
    }

    /// A clone of the connection, which shares it.
    pub(super) fn manager(&self) -> Result<ConnectionManager, RedisError> {
        let current = self.current.borrow();
        let manager = current.as_ref().map(|current| current.manager.clone());
        manager.ok_or_else(|| RedisError::from((ErrorKind::Io, NO_PRIMARY)))
    }

    /// Which of its connections it is now: another number is another server, for all we know.
    pub(super) fn number(&self) -> Option<u64> {
        let current = self.current.borrow();
        current.as_ref().map(|current| current.number)
    }

    /// Waits, not long, until there is a server to speak to.
    pub(super) async fn known(&self) {
        let mut current = self.current.subscribe();
        let known = current.wait_for(Option::is_some);
        // Whoever goes on without one is told.
        let _late = timeout(LOOKUP_TIMEOUT, known).await;
    }

    /// A command failed in a way that may be the connection's fault. The manager comes back by
    /// itself when a connection breaks; never after a refusal while connecting (of a password, of one
    /// client too many, of a node that is no primary), and not for a quarter of an hour from a link that
    /// swallows what is sent.
    pub(super) fn failed(&self, error: &RedisError) {
        let stale = error.kind() != ErrorKind::Io || error.is_timeout();
        match &self.server {
            None => {
                self.stale.fetch_or(stale, Ordering::Relaxed);
                self.lookup_wanted.notify_one();
            }
            Some(server) if stale => self.begin_anew(server),
            Some(_) => {}
        }
    }

    /// Connects when it is first used.
    fn connect(&self, server: &Client) -> Result<Current, RedisError> {
        Ok(Current {
            manager: ConnectionManager::new_lazy_with_config(server.clone(), config())?,
            address: server.get_connection_info().addr().to_string(),
            since: Instant::now(),
            number: self.count.fetch_add(1, Ordering::Relaxed),
        })
    }

    fn begin_anew(&self, server: &Client) {
        self.current.send_if_modified(|current| {
            let settled = current
                .as_ref()
                .is_none_or(|current| current.since.elapsed() >= REPLACED_AFTER);
            match self.connect(server) {
                Ok(new) if settled => {
                    *current = Some(new);
                    true
                }
                _ => false,
            }
        });
    }

    /// Goes on with the primary that the Sentinels have named.
    fn follow(&self, named: &Client) {
        let address = named.get_connection_info().addr().to_string();
        let before = self.current.borrow().clone();
        match before {
            Some(current) if current.address == address => {
                if self.stale.swap(false, Ordering::Relaxed) {
                    self.begin_anew(named);
                }
            }
            before => {
                let Ok(new) = self.connect(named) else {
                    return;
                };
                self.current.send_replace(Some(new));
                tracing::warn!(
                    primary = address,
                    before = before.map(|current| current.address),
                    "the Sentinels have named the primary"
                );
            }
        }
    }
}

/// Asks the Sentinels for as long as somebody wants to know.
async fn ask(mut sentinels: SentinelClient, primary: Weak<Primary>, wanted: Arc<Notify>) {
    let mut silent = false;
    loop {
        let named = timeout(LOOKUP_TIMEOUT, sentinels.async_get_client()).await;
        let Some(primary) = primary.upgrade() else {
            return;
        };
        let named = match named {
            Ok(Ok(named)) => {
                primary.follow(&named);
                silent = false;
                true
            }
            failed => {
                // Once: while a primary is being elected, this is asked five times a second.
                if !silent {
                    let error = failed
                        .ok()
                        .and_then(Result::err)
                        .map(|error| error.to_string());
                    tracing::warn!(error, "no Sentinel names a primary that answers");
                }
                silent = true;
                false
            }
        };
        drop(primary);
        sleep(LOOKUP_PAUSE).await;
        if named {
            let _nobody_asked = timeout(LOOKED_UP_EVERY, wanted.notified()).await;
        }
    }
}

fn config() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_connection_timeout(Some(CONNECTION_TIMEOUT))
        .set_number_of_retries(RETRIES)
        .set_min_delay(RETRY_DELAY)
        .set_max_delay(RETRY_DELAY)
        .set_pipeline_buffer_size(CALLS_IN_FLIGHT)
}
