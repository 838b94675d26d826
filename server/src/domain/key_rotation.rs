//! The life of a signing key: published before it signs, kept until its last token has ended.
//!
//! ```text
//! next ──▶ active ──▶ retiring ──▶ retired
//!   └────────┴───────────┴────────────┴────▶ revoked
//! ```
//!
//! Everything here is a decision about a tenant's keys as they are; carrying it out is one step that
//! somebody else's step in between makes void.

mod mending;

use std::time::Duration;

use self::mending::mend;

use super::{
    signing_key::{KeyId, PublicKey, SigningAlgorithm},
    tenant::Tenant,
    timestamp::Timestamp,
};

/// No token lives longer than a policy lets it; verifiers' clocks may be a minute late.
pub const LONGEST_TOKEN: Duration = Duration::from_secs(24 * 3600 + 60);
/// How long a key that is over stays in lists.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(90 * 24 * 3600);
/// What instances may be late with a new key: their view of the tenant is at most a second old, and an
/// answer takes its time on the way to a cache.
const LATE: Duration = Duration::from_secs(2);
/// The longest that a policy lets the JWK Set be fresh.
pub const LONGEST_FRESHNESS: Duration = Duration::from_secs(24 * 3600);
/// The schedule looks at a tenant's keys at least this often: so no time that it waits for is later, and one that is
/// was written by a wrong clock.
pub const LOOKED_AT_EVERY: Duration = Duration::from_secs(7 * 24 * 3600);
/// How many keys the JWK Set may hold. Every verifier reads them all.
pub const MAX_PUBLISHED: usize = 100;

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Published, so that verifiers know it when it begins to sign.
    Next,
    /// Signs.
    Active,
    /// Signs no more, and is published until the last token that it signed has ended.
    Retiring,
    /// Over.
    Retired,
    /// Over at once: nothing that it signed counts.
    Revoked,
}

impl KeyState {
    pub const ALL: [Self; 5] = [
        Self::Next,
        Self::Active,
        Self::Retiring,
        Self::Retired,
        Self::Revoked,
    ];

    /// The name on the wire and in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether verifiers may meet the key.
    pub const fn is_published(self) -> bool {
        matches!(self, Self::Next | Self::Active | Self::Retiring)
    }

    /// Whether the key has to sign, now or later. The private half of any other is destroyed.
    pub const fn has_private_key(self) -> bool {
        matches!(self, Self::Next | Self::Active)
    }
}

/// A key and where it is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    pub public: PublicKey,
    pub state: KeyState,
    pub created_at: Timestamp,
    /// Since when it is in this state.
    pub since: Timestamp,
    /// When it goes on to the next state; `None` for a state that nothing but a rotation ends.
    pub until: Option<Timestamp>,
}

impl KeyRecord {
    /// The key in another state, from now.
    fn moved(&self, state: KeyState, until: Option<Timestamp>, now: Timestamp) -> Self {
        Self {
            state,
            since: now,
            until,
            ..self.clone()
        }
    }

    fn retiring(&self, now: Timestamp) -> Self {
        self.moved(KeyState::Retiring, Some(now + LONGEST_TOKEN), now)
    }
}

/// What a tenant wants of its rotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRules {
    /// How long a key signs; for ever, when absent.
    interval: Option<Duration>,
    /// How long verifiers may go on with the JWK Set that they have.
    max_age: Duration,
    /// Until when verifiers may go on with one that was told to be fresh for longer.
    cached_until: Option<Timestamp>,
}

impl KeyRules {
    pub fn of(tenant: &Tenant) -> Self {
        let policy = &tenant.policy;
        let interval = Duration::from_secs(policy.key_rotation_interval.into());
        Self {
            interval: (!interval.is_zero()).then_some(interval),
            max_age: Duration::from_secs(policy.jwks_max_age.into()),
            cached_until: tenant.jwks_cached_until,
        }
    }

    /// How long a key is published before it signs.
    pub fn published_for(&self) -> Duration {
        self.max_age + LATE
    }

    /// When everybody who keeps to the JWK Set's freshness knows a key of this age.
    fn known_at(&self, created_at: Timestamp) -> Timestamp {
        let known = created_at + self.published_for();
        // Nobody was told to keep what was there before the key for longer than this.
        let longest = created_at + LONGEST_FRESHNESS + LATE;
        self.cached_until
            .map_or(known, |end| known.max(end.min(longest)))
    }

    /// When the key after this active one has to be published.
    fn successor_due(&self, active: &KeyRecord) -> Option<Timestamp> {
        let end = active.since + self.interval?;
        Some((end - self.published_for()).max(active.since))
    }
}

/// One part of a change to a tenant's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make a key that is in this state from now on.
    Make {
        algorithm: SigningAlgorithm,
        state: KeyState,
        until: Option<Timestamp>,
    },
    /// The key's new record.
    Move(KeyRecord),
    /// Forget the key.
    Remove(KeyId),
}

/// Why a key can't do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    #[error("there is no such key")]
    Absent,
    #[error("verifiers may not know the key yet")]
    NotReady { ready_at: Timestamp },
    #[error("only the next key can be activated")]
    NotNext,
    #[error("the key signs, or tokens that it signed are still alive")]
    InUse,
    #[error("the JWK Set has {MAX_PUBLISHED} keys")]
    TooMany,
}

fn in_state(
    keys: &[KeyRecord],
    algorithm: SigningAlgorithm,
    state: KeyState,
) -> Option<&KeyRecord> {
    keys.iter()
        .find(|key| key.public.algorithm == algorithm && key.state == state)
}

fn find<'a>(keys: &'a [KeyRecord], id: &KeyId) -> Result<&'a KeyRecord, KeyRefusal> {
    keys.iter()
        .find(|key| key.public.id == *id)
        .ok_or(KeyRefusal::Absent)
}

/// The key signs from now on; the one before it retires. That comes first: no algorithm ever has two.
fn succeed(keys: &[KeyRecord], next: &KeyRecord, now: Timestamp) -> Vec<Step> {
    let active = in_state(keys, next.public.algorithm, KeyState::Active);
    active
        .map(|active| Step::Move(active.retiring(now)))
        .into_iter()
        .chain([Step::Move(next.moved(KeyState::Active, None, now))])
        .collect()
}

/// What the schedule wants now.
pub fn due(keys: &[KeyRecord], rules: &KeyRules, now: Timestamp) -> Vec<Step> {
    let (keys, mut steps) = mend(keys, rules, now);
    for key in &keys {
        let over = key.until.is_some_and(|until| until <= now);
        match key.state {
            KeyState::Next if over && rules.known_at(key.created_at) <= now => {
                steps.extend(succeed(&keys, key, now));
            }
            KeyState::Retiring if over => {
                steps.push(Step::Move(key.moved(KeyState::Retired, None, now)));
            }
            KeyState::Retired | KeyState::Revoked if key.since + REMEMBERED_FOR <= now => {
                steps.push(Step::Remove(key.public.id.clone()));
            }
            KeyState::Active => steps.extend(successor(&keys, key, rules, now)),
            _ => {}
        }
    }
    steps
}

/// The key after this one, when the time to publish it has come.
fn successor(
    keys: &[KeyRecord],
    active: &KeyRecord,
    rules: &KeyRules,
    now: Timestamp,
) -> Option<Step> {
    let algorithm = active.public.algorithm;
    let wanted = rules.successor_due(active)? <= now
        && in_state(keys, algorithm, KeyState::Next).is_none()
        && has_room(keys);
    wanted.then(|| Step::Make {
        algorithm,
        state: KeyState::Next,
        until: rules
            .interval
            .map(|interval| rules.known_at(now).max(active.since + interval)),
    })
}

/// When the schedule wants something next.
pub fn due_at(keys: &[KeyRecord], rules: &KeyRules) -> Option<Timestamp> {
    keys.iter()
        .filter_map(|key| match key.state {
            KeyState::Next => key.until.map(|at| at.max(rules.known_at(key.created_at))),
            KeyState::Retiring => key.until,
            KeyState::Retired | KeyState::Revoked => Some(key.since + REMEMBERED_FOR),
            KeyState::Active => match in_state(keys, key.public.algorithm, KeyState::Next) {
                None if has_room(keys) => rules.successor_due(key),
                // What makes room is due itself, and this is looked at again then.
                _ => None,
            },
        })
        .min()
}

/// When the schedule looks at the keys next.
pub fn looked_at(keys: &[KeyRecord], rules: &KeyRules, now: Timestamp) -> Option<Timestamp> {
    due_at(keys, rules).map(|at| at.min(now + LOOKED_AT_EVERY))
}

fn has_room(keys: &[KeyRecord]) -> bool {
    keys.iter().filter(|key| key.state.is_published()).count() < MAX_PUBLISHED
}

/// A rotation on demand: the next key is published now, and signs as soon as verifiers know it.
pub fn rotate(
    keys: &[KeyRecord],
    rules: &KeyRules,
    algorithm: SigningAlgorithm,
    now: Timestamp,
) -> Result<Vec<Step>, KeyRefusal> {
    let (keys, mut steps) = mend(keys, rules, now);
    steps.extend(publish_next(&keys, rules, algorithm, now)?);
    Ok(steps)
}

fn publish_next(
    keys: &[KeyRecord],
    rules: &KeyRules,
    algorithm: SigningAlgorithm,
    now: Timestamp,
) -> Result<Vec<Step>, KeyRefusal> {
    if let Some(next) = in_state(keys, algorithm, KeyState::Next) {
        let until = rules.known_at(next.created_at).max(now);
        let sooner = KeyRecord {
            until: Some(next.until.map_or(until, |planned| planned.min(until))),
            ..next.clone()
        };
        return Ok(vec![Step::Move(sooner)]);
    }
    if !has_room(keys) {
        return Err(KeyRefusal::TooMany);
    }
    Ok(vec![Step::Make {
        algorithm,
        state: KeyState::Next,
        until: Some(rules.known_at(now)),
    }])
}

/// The next key signs from now on, if verifiers know it.
pub fn activate(
    keys: &[KeyRecord],
    rules: &KeyRules,
    id: &KeyId,
    now: Timestamp,
) -> Result<Vec<Step>, KeyRefusal> {
    let key = find(keys, id)?;
    let ready_at = rules.known_at(key.created_at);
    match key.state {
        KeyState::Active => Ok(Vec::new()),
        KeyState::Next if ready_at <= now => Ok(succeed(keys, key, now)),
        KeyState::Next => Err(KeyRefusal::NotReady { ready_at }),
        _ => Err(KeyRefusal::NotNext),
    }
}

/// A key that got into wrong hands counts no more. Another one signs at once, known to verifiers or not:
/// one that doesn't know it asks again, one that knows the stolen one believes a thief.
pub fn revoke(keys: &[KeyRecord], id: &KeyId, now: Timestamp) -> Result<Vec<Step>, KeyRefusal> {
    let key = find(keys, id)?;
    if key.state == KeyState::Revoked {
        return Ok(Vec::new());
    }
    let mut steps = vec![Step::Move(key.moved(KeyState::Revoked, None, now))];
    if key.state == KeyState::Active {
        steps.push(sign_at_once(keys, key.public.algorithm, now));
    }
    Ok(steps)
}

/// A key of an algorithm that has none that signs.
pub fn first_use(keys: &[KeyRecord], algorithm: SigningAlgorithm, now: Timestamp) -> Vec<Step> {
    match in_state(keys, algorithm, KeyState::Active) {
        Some(_) => Vec::new(),
        None => vec![sign_at_once(keys, algorithm, now)],
    }
}

/// A key of an algorithm that tokens are to be signed with from now on, and that has none: it is published, and signs
/// when verifiers know it. Until then another algorithm goes on.
pub fn introduce(
    keys: &[KeyRecord],
    rules: &KeyRules,
    algorithm: SigningAlgorithm,
    now: Timestamp,
) -> Result<Vec<Step>, KeyRefusal> {
    match in_state(keys, algorithm, KeyState::Active) {
        Some(_) => Ok(Vec::new()),
        // As they are: whoever only signs needn't have a clock that is right.
        None => publish_next(keys, rules, algorithm, now),
    }
}

fn sign_at_once(keys: &[KeyRecord], algorithm: SigningAlgorithm, now: Timestamp) -> Step {
    match in_state(keys, algorithm, KeyState::Next) {
        Some(next) => Step::Move(next.moved(KeyState::Active, None, now)),
        None => Step::Make {
            algorithm,
            state: KeyState::Active,
            until: None,
        },
    }
}

/// Forgets a key that nothing needs.
pub fn remove(keys: &[KeyRecord], id: &KeyId) -> Result<Vec<Step>, KeyRefusal> {
    match find(keys, id)?.state {
        KeyState::Active | KeyState::Retiring => Err(KeyRefusal::InUse),
        KeyState::Next | KeyState::Retired | KeyState::Revoked => {
            Ok(vec![Step::Remove(id.clone())])
        }
    }
}

#[cfg(test)]
mod tests;
