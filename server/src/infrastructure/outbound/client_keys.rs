//! Clients' keys, fetched when they are needed and kept for a while.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use moka::{policy::EvictionPolicy, sync::Cache};
use serde_json::{Value, json};
use url::Url;

use crate::{
    application::ports::{ClientKeySets, Clock, Outbound, OutboundError},
    domain::{id::TenantId, tenant::TenantScope, timestamp::Timestamp},
};

/// How long a set counts: the time within which a client's revocation of a key reaches us.
const KEPT_FOR: Duration = Duration::from_secs(300);
/// How long an address is left alone after a fetch, when a key is not in the set or there is none.
const LEFT_ALONE_FOR: Duration = Duration::from_secs(10);
/// The most keys of a set.
const MAX_KEYS: usize = 100;
/// The longest set, in bytes of JSON.
const MAX_SET: usize = 64 * 1024;
/// How many sets are kept, and how long they may be together, in bytes of JSON.
const ENTRIES: u32 = 10_000;
const TOTAL: u32 = 64 * 1024 * 1024;

/// Nobody's keys are seen by another tenant, even at the same address.
type Key = (TenantId, String);

/// Fetches each set at most once in five minutes, and once more in ten seconds for keys that are
/// not in it.
pub struct FetchedClientKeys {
    outbound: Arc<dyn Outbound>,
    clock: Arc<dyn Clock>,
    entries: Cache<Key, Arc<Entry>>,
}

impl fmt::Debug for FetchedClientKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchedClientKeys").finish_non_exhaustive()
    }
}

/// One address of one tenant.
#[derive(Default)]
struct Entry {
    known: Mutex<Known>,
    /// Held while fetching: the others wait for what comes.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Bytes of JSON.
    length: AtomicU32,
}

#[derive(Default)]
struct Known {
    set: Option<(Timestamp, Arc<Value>)>,
    /// When the last fetch ended, and how if not well.
    tried: Option<(Timestamp, Option<OutboundError>)>,
}

impl FetchedClientKeys {
    /// Keeps what `outbound` brings for as long as `clock` says.
    pub fn new(outbound: Arc<dyn Outbound>, clock: Arc<dyn Clock>) -> Self {
        let entries = Cache::builder()
            .max_capacity(TOTAL.into())
            // An empty entry weighs something too, so that there are never more than so many.
            .weigher(|_, entry: &Arc<Entry>| {
                entry.length.load(Ordering::Relaxed).max(TOTAL / ENTRIES)
            })
            // A new address must find room: without an entry it would be fetched for each request.
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(KEPT_FOR * 2)
            .build();
        Self {
            outbound,
            clock,
            entries,
        }
    }

    /// Fetches, and keeps what comes.
    ///
    /// In a task of its own: a caller who hangs up at the right moment must not leave the others
    /// without an answer.
    async fn fetch(
        &self,
        key: Key,
        entry: Arc<Entry>,
        turn: tokio::sync::OwnedMutexGuard<()>,
        url: Url,
    ) -> Result<Arc<Value>, OutboundError> {
        let (outbound, clock) = (Arc::clone(&self.outbound), Arc::clone(&self.clock));
        let entries = self.entries.clone();
        let fetch = async move {
            let (tenant, _) = key;
            let fetched = outbound.get_json(tenant, &url).await.and_then(check);
            let answer = entry.keep(fetched, clock.now());
            // Once more, so that it is weighed with what it holds now.
            entries.insert(key, entry);
            drop(turn);
            answer
        };
        // It ends early only with the process.
        tokio::spawn(fetch)
            .await
            .unwrap_or(Err(OutboundError::Failed))
    }
}

#[async_trait]
impl ClientKeySets for FetchedClientKeys {
    async fn keys(
        &self,
        tenant: &TenantScope,
        jwks_uri: &Url,
        unknown_kid: Option<&str>,
    ) -> Result<Arc<Value>, OutboundError> {
        let key = (tenant.id(), jwks_uri.as_str().to_owned());
        let entry = self.entries.get_with_by_ref(&key, Arc::default);
        // Not in turn: those whose keys are known don't wait for those whose keys are not.
        if let Some(answer) = entry.answer(unknown_kid, self.clock.now()) {
            return answer;
        }
        let turn = Arc::clone(&entry.turn).lock_owned().await;
        if let Some(answer) = entry.answer(unknown_kid, self.clock.now()) {
            return answer;
        }
        self.fetch(key, entry, turn, jwks_uri.clone()).await
    }
}

impl Entry {
    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while it is held.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What can be said without a fetch; `None` when it is time for one.
    fn answer(
        &self,
        unknown_kid: Option<&str>,
        now: Timestamp,
    ) -> Option<Result<Arc<Value>, OutboundError>> {
        let known = self.lock();
        let (left_alone, failure) = match known.tried {
            Some((at, failure)) => (now < at + LEFT_ALONE_FOR, failure),
            None => (false, None),
        };
        match &known.set {
            Some((at, set)) if now < *at + KEPT_FOR => {
                let suffices = unknown_kid.is_none_or(|kid| has_key(set, kid));
                (suffices || left_alone).then(|| Ok(Arc::clone(set)))
            }
            // A set that is too old counts no more, even when there is no newer one: it may have a
            // key that the client revoked.
            _ => left_alone.then(|| Err(failure.unwrap_or(OutboundError::Failed))),
        }
    }

    /// Keeps what a fetch brought; what to answer. A failure takes no set away that still counts,
    /// nor does it make it count longer.
    fn keep(
        &self,
        fetched: Result<(Value, u32), OutboundError>,
        now: Timestamp,
    ) -> Result<Arc<Value>, OutboundError> {
        let mut known = self.lock();
        known.tried = Some((now, fetched.as_ref().err().copied()));
        match (fetched, &known.set) {
            (Ok((set, length)), _) => {
                let set = Arc::new(set);
                known.set = Some((now, Arc::clone(&set)));
                self.length.store(length, Ordering::Relaxed);
                Ok(set)
            }
            (Err(_), Some((at, set))) if now < *at + KEPT_FOR => Ok(Arc::clone(set)),
            (Err(error), _) => {
                known.set = None;
                self.length.store(0, Ordering::Relaxed);
                Err(error)
            }
        }
    }
}

fn has_key(set: &Value, kid: &str) -> bool {
    let keys = set.get("keys").and_then(Value::as_array);
    keys.is_some_and(|keys| {
        keys.iter()
            .any(|key| key.get("kid").and_then(Value::as_str) == Some(kid))
    })
}

/// A set of a size that someone has, with nothing beside the keys, and its length.
fn check(mut set: Value) -> Result<(Value, u32), OutboundError> {
    let refused = |why| {
        tracing::debug!(why, "a client's key set can't be used");
        OutboundError::Failed
    };
    let keys = set.get_mut("keys").map(Value::take);
    let Some(Value::Array(keys)) = keys else {
        return Err(refused("it has no keys"));
    };
    if keys.len() > MAX_KEYS {
        return Err(refused("it has too many keys"));
    }
    let set = json!({ "keys": keys });
    let length = set.to_string().len();
    match u32::try_from(length) {
        Ok(short) if length <= MAX_SET => Ok((set, short)),
        _ => Err(refused("it is too long")),
    }
}
