use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use moka::future::Cache;
use serde_json::Value;
use url::Url;

use crate::{
    application::ports::{ClientKeySets, Clock, Outbound, OutboundError},
    domain::{id::TenantId, tenant::TenantScope, timestamp::Timestamp},
};

const KEPT_FOR: Duration = Duration::from_secs(300);
const FAILURE_KEPT_FOR: Duration = Duration::from_secs(10);
/// A key that isn't known makes us look again at most this often, whatever assertions come.
const REFETCH_INTERVAL: Duration = Duration::from_secs(10);
const ENTRIES: u64 = 10_000;
const MAX_KEYS: usize = 100;

type Key = (TenantId, Url);

/// Key sets of clients, fetched when they are needed.
pub struct FetchedClientKeys {
    outbound: Arc<dyn Outbound>,
    clock: Arc<dyn Clock>,
    sets: Cache<Key, Fetched>,
    /// One fetch at a time per address; the others wait for it.
    turns: Mutex<HashMap<Key, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Clone)]
struct Fetched {
    at: Timestamp,
    keys: Result<Arc<Value>, OutboundError>,
}

impl fmt::Debug for FetchedClientKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchedClientKeys").finish_non_exhaustive()
    }
}

impl FetchedClientKeys {
    pub fn new(outbound: Arc<dyn Outbound>, clock: Arc<dyn Clock>) -> Self {
        Self {
            outbound,
            clock,
            sets: Cache::builder().max_capacity(ENTRIES).build(),
            turns: Mutex::default(),
        }
    }

    /// What is kept, as long as it will do.
    async fn kept(&self, key: &Key, for_unknown_kid: bool) -> Option<Fetched> {
        let kept = self.sets.get(key).await?;
        let lives = match (&kept.keys, for_unknown_kid) {
            (Err(_), _) => FAILURE_KEPT_FOR,
            (Ok(_), true) => REFETCH_INTERVAL,
            (Ok(_), false) => KEPT_FOR,
        };
        (self.clock.now() < kept.at + lives).then_some(kept)
    }

    fn turn(&self, key: &Key) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever waits holds one too: what nobody holds is done.
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(key.clone()).or_default())
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
        let key = (tenant.id(), jwks_uri.clone());
        if let Some(kept) = self.kept(&key, unknown_kid.is_some()).await {
            return kept.keys;
        }
        let turn = self.turn(&key);
        let _held = turn.lock().await;
        if let Some(kept) = self.kept(&key, unknown_kid.is_some()).await {
            return kept.keys;
        }
        let fetched = self
            .outbound
            .get_json(jwks_uri)
            .await
            .and_then(|set| bounded(&set));
        let keys = fetched.map(Arc::new);
        // A failure doesn't take away keys that are still good.
        let kept = match (&keys, self.sets.get(&key).await) {
            (Err(_), Some(before)) if before.keys.is_ok() => before.keys,
            _ => keys.clone(),
        };
        let at = self.clock.now();
        self.sets
            .insert(
                key,
                Fetched {
                    at,
                    keys: kept.clone(),
                },
            )
            .await;
        kept
    }
}

/// A set of a size that someone has.
fn bounded(set: &Value) -> Result<Value, OutboundError> {
    let keys = set.get("keys").and_then(Value::as_array);
    match keys {
        Some(keys) if keys.len() <= MAX_KEYS => Ok(serde_json::json!({ "keys": keys })),
        _ => Err(OutboundError::Failed),
    }
}
