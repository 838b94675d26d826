//! Changes to signing keys: read, decided, made and written in one compare-and-swap.

use std::sync::Arc;

use super::keyring::CachedKeyring;
use crate::{
    application::{
        error::{CryptoError, Error, StoreError},
        ports::{
            KeyAnswer, KeyChange, KeyDecision, KeyEdit, KeysChanged, StoredKeys, StoredSigningKey,
        },
    },
    domain::{
        key_rotation::{self, KeyRecord, Step},
        tenant::TenantScope,
        timestamp::Timestamp,
    },
};

/// Others change the same tenant's keys at the same moment, but not that often.
const TRIES: u32 = 5;

impl CachedKeyring {
    /// Asks what to do and does it, again when somebody was faster.
    pub(super) async fn carry_out(
        &self,
        tenant: &TenantScope,
        decide: KeyDecision<'_>,
        answer: KeyAnswer<'_>,
        now: Timestamp,
    ) -> Result<KeysChanged, Error> {
        let _turn = self.making.lock().await;
        for _ in 0..TRIES {
            let stored = self.store.stored_keys(tenant).await?;
            let before = stored.records();
            let steps = decide(&before, &stored.rules)?;
            let mut edits = Vec::with_capacity(steps.len());
            for step in steps {
                edits.push(self.prepare(tenant, &stored, step, now).await?);
            }
            let after = edited(&before, &edits);
            let change = KeyChange {
                seen: stored.version,
                edits,
                due_at: key_rotation::looked_at(&after, &stored.rules, now),
                answer: answer(&after)?,
            };
            let nothing = change.edits.is_empty()
                && change.due_at == stored.due_at
                && change.answer.is_none();
            if nothing || self.store.change_keys(tenant, &change).await? {
                tell_of_mended(tenant, &before, &after);
                return Ok(KeysChanged { before, after });
            }
        }
        let busy = "the keys were changed by others again and again";
        Err(StoreError::Unavailable(busy.into()).into())
    }

    /// A step with what has to be made for it.
    async fn prepare(
        &self,
        tenant: &TenantScope,
        stored: &StoredKeys,
        step: Step,
        now: Timestamp,
    ) -> Result<KeyEdit, Error> {
        let (algorithm, state, until) = match step {
            Step::Move(record) => return Ok(KeyEdit::Move(record)),
            Step::Remove(id) => return Ok(KeyEdit::Remove(id)),
            Step::Make {
                algorithm,
                state,
                until,
            } => (algorithm, state, until),
        };
        let data_key = self.open_data_key(tenant.id(), &stored.data_key)?;
        let (maker, id) = (Arc::clone(&self.maker), tenant.id());
        let make = move || maker.signing_key(id, &data_key, algorithm, state, until, now);
        let key = tokio::task::spawn_blocking(make)
            .await
            .map_err(|_| CryptoError::Failed("making a signing key"))??;
        Ok(KeyEdit::Add(key))
    }
}

/// Says when times were brought back that lay in the future.
fn tell_of_mended(tenant: &TenantScope, before: &[KeyRecord], after: &[KeyRecord]) {
    let is_mended = |old: &&KeyRecord| {
        let mut after = after.iter();
        after.any(|new| {
            new.public.id == old.public.id
                && (new.created_at < old.created_at || new.since < old.since)
        })
    };
    let keys = before.iter().filter(is_mended).count();
    if keys > 0 {
        tracing::warn!(
            tenant = %tenant.slug(),
            keys,
            "times of signing keys lay in the future, written by an instance whose clock was wrong: they count from now"
        );
    }
}

/// The keys after the edits, the latest first.
fn edited(before: &[KeyRecord], edits: &[KeyEdit]) -> Vec<KeyRecord> {
    let mut keys = before.to_vec();
    for edit in edits {
        match edit {
            KeyEdit::Add(StoredSigningKey { record, .. }) => keys.insert(0, record.clone()),
            KeyEdit::Move(record) => {
                for key in &mut keys {
                    if key.public.id == record.public.id {
                        *key = record.clone();
                    }
                }
            }
            KeyEdit::Remove(id) => keys.retain(|key| key.public.id != *id),
        }
    }
    keys
}
