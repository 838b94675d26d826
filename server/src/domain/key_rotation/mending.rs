//! Times in the future, which an instance with a wrong clock wrote: the schedule would wait for them.

use super::{KeyRecord, KeyRules, KeyState, LONGEST_TOKEN, Step};
use crate::domain::{clocks::BETWEEN_INSTANCES, timestamp::Timestamp};

impl KeyRecord {
    /// When it really was, nobody knows; not later than now, which is therefore safe to count from.
    fn mended(&self, rules: &KeyRules, now: Timestamp) -> Self {
        let latest = now + BETWEEN_INSTANCES;
        if self.created_at <= latest && self.since <= latest {
            return self.clone();
        }
        Self {
            created_at: self.created_at.min(now),
            since: self.since.min(now),
            until: match self.state {
                KeyState::Next => Some(rules.known_at(now)),
                KeyState::Retiring => Some(now + LONGEST_TOKEN),
                KeyState::Active | KeyState::Retired | KeyState::Revoked => None,
            },
            ..self.clone()
        }
    }
}

/// The keys with believable times, and the steps that write these down.
pub(super) fn mend(
    keys: &[KeyRecord],
    rules: &KeyRules,
    now: Timestamp,
) -> (Vec<KeyRecord>, Vec<Step>) {
    let mended: Vec<_> = keys.iter().map(|key| key.mended(rules, now)).collect();
    let changed = keys.iter().zip(&mended).filter(|(old, new)| old != new);
    let steps = changed.map(|(_, new)| Step::Move(new.clone())).collect();
    (mended, steps)
}
