//! Keys that change by themselves: rotations on schedule, and data keys that move to a new master key.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::json;
use url::Url;

use super::{
    audit,
    error::{Error, StoreError, chain},
    ports::{
        Agenda, AuditLog, BackgroundWork, Clock, Due, Entropy, KeyDirectory, KeyMaker, Keyring,
        KeysChanged, SealedDataKey,
    },
};
use crate::domain::{
    audit::{Actor, Event, EventKind},
    id::TenantId,
    key_rotation::{self, KeyRecord, KeyRules, KeyState},
    tenant::{Tenant, TenantScope},
    timestamp::Timestamp,
};

/// How many tenants one round looks at.
const BATCH: u32 = 20;
/// How many data keys one round seals anew.
const RESEAL_BATCH: u32 = 100;
/// How long a tenant is one instance's. If it dies, another one takes over after that.
const CLAIM: Duration = Duration::from_secs(30);

/// Rotates signing keys when their time has come.
pub struct ScheduledRotation {
    pub agenda: Arc<dyn Agenda>,
    pub keyring: Arc<dyn Keyring>,
    pub audit: Arc<dyn AuditLog>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub public_url: Url,
}

impl fmt::Debug for ScheduledRotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScheduledRotation").finish_non_exhaustive()
    }
}

#[async_trait]
impl BackgroundWork for ScheduledRotation {
    async fn run(&self) -> Result<bool, Error> {
        let now = self.clock.now();
        let due = self
            .agenda
            .claim(Due::Keys, now, now + CLAIM, BATCH)
            .await?;
        let found = !due.is_empty();
        for tenant in due {
            let slug = tenant.slug.clone();
            // One tenant's trouble must not be the others' too; its claim ends by itself.
            if let Err(error) = self.rotate(tenant, now).await {
                tracing::error!(
                    tenant = %slug,
                    error = chain(&error),
                    "the keys of a tenant can't be rotated; trying again later"
                );
            }
        }
        Ok(found)
    }
}

impl ScheduledRotation {
    async fn rotate(&self, tenant: Tenant, now: Timestamp) -> Result<(), Error> {
        let tenant = tenant.administer(&self.public_url);
        let due = |keys: &[KeyRecord], rules: &KeyRules| Ok(key_rotation::due(keys, rules, now));
        let changed = self.keyring.change(&tenant, &due, now).await?;
        for event in events(&changed) {
            note_own(&*self.audit, &*self.entropy, &tenant, event, now);
        }
        Ok(())
    }
}

/// Notes what the server did by itself.
fn note_own(
    audit: &dyn AuditLog,
    entropy: &dyn Entropy,
    tenant: &TenantScope,
    event: Event,
    now: Timestamp,
) {
    let mut bytes = [0; 10];
    entropy.fill(&mut bytes);
    audit.record(tenant, audit::entry(Actor::System, event, bytes, now));
}

/// What a change to keys was, key by key.
pub fn events(changed: &KeysChanged) -> Vec<Event> {
    let find = |keys: &[KeyRecord], key: &KeyRecord| {
        let mut keys = keys.iter();
        keys.find(|other| other.public.id == key.public.id)
            .map(|other| other.state)
    };
    let event = |kind, key: &KeyRecord| {
        Event::new(kind)
            .target(key.public.id.as_str())
            .detail("alg", key.public.algorithm.name())
    };
    let mut events = Vec::new();
    for key in &changed.after {
        let before = find(&changed.before, key);
        if before.is_none() {
            events.push(event(EventKind::KeyCreated, key));
        }
        if before != Some(key.state) {
            events.extend(kind_of(key.state).map(|kind| event(kind, key)));
        }
    }
    let gone = changed.before.iter();
    let gone = gone.filter(|key| find(&changed.after, key).is_none());
    events.extend(gone.map(|key| event(EventKind::KeyDeleted, key)));
    events
}

const fn kind_of(state: KeyState) -> Option<EventKind> {
    match state {
        KeyState::Next => None,
        KeyState::Active => Some(EventKind::KeyActivated),
        KeyState::Retiring => Some(EventKind::KeyRetiring),
        KeyState::Retired => Some(EventKind::KeyRetired),
        KeyState::Revoked => Some(EventKind::KeyRevoked),
    }
}

/// Notes the events of a change that somebody asked for.
pub fn note(
    app: &crate::app::App,
    tenant: &TenantScope,
    actor: &Actor,
    changed: &KeysChanged,
    now: Timestamp,
) {
    for event in events(changed) {
        audit::note(app, tenant, actor.clone(), event, now);
    }
}

/// Seals data keys anew that are sealed under a master key which is not the first any more.
pub struct DataKeyResealing {
    pub directory: Arc<dyn KeyDirectory>,
    pub maker: Arc<dyn KeyMaker>,
    pub audit: Arc<dyn AuditLog>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub public_url: Url,
}

impl fmt::Debug for DataKeyResealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKeyResealing").finish_non_exhaustive()
    }
}

impl DataKeyResealing {
    /// Seals these anew; how many.
    async fn move_all(
        &self,
        old: &str,
        keys: Vec<(TenantId, SealedDataKey)>,
    ) -> Result<u32, StoreError> {
        let mut done = 0;
        for (tenant, seen) in keys {
            match self.move_one(tenant, &seen).await {
                Ok(moved) => done += u32::from(moved),
                Err(Error::Store(
                    error @ (StoreError::Unavailable(_) | StoreError::Contended(_)),
                )) => {
                    return Err(error);
                }
                // One tenant's trouble must not be the others' too.
                Err(error) => tracing::error!(
                    tenant.id = %tenant,
                    master_key = old,
                    error = chain(&error),
                    "a data key can't be sealed anew: keep its master key, and restore the tenant from a backup"
                ),
            }
        }
        Ok(done)
    }

    /// Seals one anew, unless it was changed since it was seen.
    async fn move_one(&self, tenant: TenantId, seen: &SealedDataKey) -> Result<bool, Error> {
        let new = self.maker.reseal(tenant, seen)?;
        let replaced = self.directory.replace_data_key(tenant, seen, &new).await?;
        if let Some(tenant) = &replaced {
            self.note(tenant, &seen.master_key_id, &new.master_key_id);
        }
        Ok(replaced.is_some())
    }

    fn note(&self, tenant: &Tenant, old: &str, new: &str) {
        let event = Event::new(EventKind::DataKeyResealed)
            .before(json!({ "master_key_id": old }))
            .after(json!({ "master_key_id": new }));
        let tenant = tenant.clone().administer(&self.public_url);
        let now = self.clock.now();
        note_own(&*self.audit, &*self.entropy, &tenant, event, now);
    }
}

#[async_trait]
impl BackgroundWork for DataKeyResealing {
    /// Another instance may do the same at the same moment: one of the two finds the key replaced.
    async fn run(&self) -> Result<bool, Error> {
        let ids = self.maker.master_key_ids();
        for old in ids.iter().skip(1) {
            // Behind those that don't open: they must not keep the others from being moved.
            let mut after = None;
            loop {
                let keys = self
                    .directory
                    .data_keys_under(old, after, RESEAL_BATCH)
                    .await?;
                let Some((last, _)) = keys.last() else {
                    break;
                };
                after = Some(*last);
                let done = self.move_all(old, keys).await?;
                if done > 0 {
                    tracing::info!(master_key = old, data_keys = done, "data keys sealed anew");
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
