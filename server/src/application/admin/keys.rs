//! A tenant's signing keys: seen, rotated, activated, revoked, forgotten; and the master keys below them.

use super::{OperatorCaller, administration::Administration};
use crate::{
    app::App,
    application::{
        error::{Error, StoreError},
        idempotency::{Answered, Memory, Told},
        key_rotation::note,
        page::{Page, with_one_more},
        ports::{KeyDecision, KeyDirectory, KeysChanged},
    },
    domain::{
        idempotency::KeyedRequest,
        key_rotation::{self, KeyRecord, KeyRules, KeyState},
        signing_key::{KeyId, SigningAlgorithm},
        timestamp::Timestamp,
    },
};

/// How many data keys are counted at most.
const COUNTED: u32 = 1_000;

/// Where a page of keys begins: behind this one, the latest first.
pub type KeyPosition = (Timestamp, KeyId);

/// Up to `limit` keys behind `after`, the latest first.
pub async fn page(
    app: &App,
    admin: &Administration,
    state: Option<KeyState>,
    after: Option<&KeyPosition>,
    limit: u32,
) -> Result<Page<KeyRecord, KeyPosition>, Error> {
    let position = |key: &KeyRecord| (key.created_at, key.public.id.clone());
    let mut keys = app.keyring.records(admin.tenant()).await?;
    keys.retain(|key| {
        state.is_none_or(|state| key.state == state)
            && after.is_none_or(|after| position(key) < *after)
    });
    keys.sort_by_key(|key| std::cmp::Reverse(position(key)));
    keys.truncate(usize::try_from(with_one_more(limit)).unwrap_or(usize::MAX));
    Ok(Page::of(keys, limit, position))
}

/// One key.
pub async fn find(app: &App, admin: &Administration, kid: &str) -> Result<KeyRecord, Error> {
    pick(app.keyring.records(admin.tenant()).await?, kid)
}

fn pick(keys: Vec<KeyRecord>, kid: &str) -> Result<KeyRecord, Error> {
    keys.into_iter()
        .find(|key| key.public.id.as_str() == kid)
        .ok_or(Error::NotFound)
}

/// Publishes the next key of an algorithm, unless one is published already; it signs as soon as verifiers
/// know it.
pub async fn rotate(
    app: &App,
    admin: &Administration,
    algorithm: SigningAlgorithm,
    request: Option<&KeyedRequest>,
    render: impl Fn(&KeyRecord) -> Answered + Send + Sync,
    now: Timestamp,
) -> Result<Told, Error> {
    let memory = Memory::open(app, admin, request, now).await?;
    if let Some(told) = memory.recall().await? {
        return Ok(told);
    }
    app.clock_watch.require_agreement().await?;
    let rotate =
        |keys: &[KeyRecord], rules: &KeyRules| key_rotation::rotate(keys, rules, algorithm, now);
    let answer = |keys: &[KeyRecord]| {
        keys.iter()
            .find(|key| key.public.algorithm == algorithm && key.state == KeyState::Next)
            .map(&render)
            .ok_or(Error::NotFound)
    };
    let keep = |keys: &[KeyRecord]| memory.keep(&answer(keys)?);
    let changed = app
        .keyring
        .change_and_keep(admin.tenant(), &rotate, &keep, now)
        .await;
    let done = changed.and_then(|changed| {
        note(app, admin.tenant(), admin.actor(), &changed, now);
        answer(&changed.after)
    });
    memory.settle(done).await
}

/// Lets the next key sign now.
pub async fn activate(
    app: &App,
    admin: &Administration,
    kid: &str,
    now: Timestamp,
) -> Result<KeyRecord, Error> {
    app.clock_watch.require_agreement().await?;
    let id = KeyId::from_thumbprint(kid.to_owned());
    let activate =
        |keys: &[KeyRecord], rules: &KeyRules| key_rotation::activate(keys, rules, &id, now);
    pick(change(app, admin, &activate, now).await?.after, kid)
}

/// Ends a key and all that it signed. Other instances follow within a second.
pub async fn revoke(
    app: &App,
    admin: &Administration,
    kid: &str,
    now: Timestamp,
) -> Result<KeyRecord, Error> {
    let id = KeyId::from_thumbprint(kid.to_owned());
    let revoke = |keys: &[KeyRecord], _: &KeyRules| key_rotation::revoke(keys, &id, now);
    pick(change(app, admin, &revoke, now).await?.after, kid)
}

/// Forgets a key that nothing needs.
pub async fn delete(
    app: &App,
    admin: &Administration,
    kid: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let id = KeyId::from_thumbprint(kid.to_owned());
    let remove = |keys: &[KeyRecord], _: &KeyRules| key_rotation::remove(keys, &id);
    change(app, admin, &remove, now).await?;
    Ok(())
}

async fn change(
    app: &App,
    admin: &Administration,
    decide: KeyDecision<'_>,
    now: Timestamp,
) -> Result<KeysChanged, Error> {
    let changed = app.keyring.change(admin.tenant(), decide, now).await?;
    note(app, admin.tenant(), admin.actor(), &changed, now);
    Ok(changed)
}

/// The ids of master keys that data keys are sealed under and that we don't have.
pub async fn missing_master_keys(
    directory: &dyn KeyDirectory,
    configured: &[&str],
) -> Result<Vec<String>, StoreError> {
    let mut missing = Vec::new();
    let mut after = String::new();
    while let Some(id) = directory.next_master_key(&after).await? {
        if !configured.contains(&id.as_str()) {
            missing.push(id.clone());
        }
        after = id;
    }
    Ok(missing)
}

/// A master key, and what rests on it.
#[derive(Clone, Debug)]
pub struct MasterKeyUse {
    pub id: String,
    /// New data keys are sealed under it.
    pub seals: bool,
    /// How many data keys are sealed under it; at most 1,000 are counted.
    pub data_keys: u32,
    pub all_counted: bool,
}

/// The configured master keys, the sealing one first.
pub async fn master_keys(app: &App, _operator: OperatorCaller) -> Result<Vec<MasterKeyUse>, Error> {
    let mut uses = Vec::new();
    for (n, id) in app.key_maker.master_key_ids().into_iter().enumerate() {
        // One more tells whether there are more.
        let count = app
            .key_directory
            .count_data_keys_under(id, COUNTED + 1)
            .await?;
        uses.push(MasterKeyUse {
            id: id.to_owned(),
            seals: n == 0,
            data_keys: count.min(COUNTED),
            all_counted: count <= COUNTED,
        });
    }
    Ok(uses)
}
