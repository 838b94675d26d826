//! What is wrong with dependencies and since when.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::{
    application::ports::{Finding, Health},
    domain::timestamp::Timestamp,
};

/// A reason, and when it was first found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub reason: Cow<'static, str>,
    pub since: Timestamp,
}

/// What is wrong now, by dependency.
#[derive(Debug, Default)]
pub(super) struct Troubles(Mutex<BTreeMap<&'static str, Trouble>>);

impl Troubles {
    /// Brings this up to date; gives what changed, and what is wrong now.
    pub(super) fn note<'a>(
        &self,
        found: &'a [Finding],
        now: Timestamp,
    ) -> (Vec<&'a Finding>, BTreeMap<&'static str, Trouble>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = Vec::new();
        for finding in found {
            let reason = finding.health.reason();
            match (known.get_mut(finding.name), reason) {
                (None, None) => {}
                (Some(trouble), Some(reason)) if same(&trouble.reason, reason) => {
                    trouble.reason.clone_from(reason);
                }
                (_, Some(reason)) => {
                    let (reason, since) = (reason.clone(), now);
                    known.insert(finding.name, Trouble { reason, since });
                    changed.push(finding);
                }
                (Some(_), None) => {
                    known.remove(finding.name);
                    changed.push(finding);
                }
            }
        }
        (changed, known.clone())
    }
}

/// Whether two reasons are of one trouble: a figure in it may change (of a clock that goes on drifting, say).
fn same(one: &str, other: &str) -> bool {
    let words = |text: &str| -> String { text.chars().filter(|c| !c.is_ascii_digit()).collect() };
    one == other || words(one) == words(other)
}

/// Says what stopped being as it should, and what is again: once, where each failing request would be
/// one of many.
pub(super) fn tell(changed: &[&Finding]) {
    for Finding { name, health, .. } in changed {
        match health {
            Health::Down(reason) => {
                tracing::error!(
                    dependency = name,
                    reason = &**reason,
                    "a dependency is down"
                );
            }
            Health::Degraded(reason) => {
                tracing::warn!(
                    dependency = name,
                    reason = &**reason,
                    "a dependency is degraded"
                );
            }
            Health::Up => tracing::info!(dependency = name, "a dependency is up again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_counts_from_when_its_reason_was_first_found() {
        let troubles = Troubles::default();
        let at = |second: i64, redis: Health| {
            let now = Timestamp::from_micros(second * 1_000_000);
            let found = [
                Finding::required("database", Health::Up),
                Finding::required("redis", redis),
            ];
            let (changed, wrong) = troubles.note(&found, now);
            let changed: Vec<_> = changed.iter().map(|finding| finding.name).collect();
            let since = wrong.get("redis").map(|trouble| trouble.since.as_seconds());
            assert!(!wrong.contains_key("database"));
            (changed, since)
        };
        let (gone, full) = (
            || Health::Down("unreachable".into()),
            || Health::Degraded("full".into()),
        );
        assert_eq!(at(1, Health::Up), (vec![], None), "nothing to tell of");
        assert_eq!(at(2, gone()), (vec!["redis"], Some(2)));
        assert_eq!(at(3, gone()), (vec![], Some(2)), "told once");
        assert_eq!(at(4, full()), (vec!["redis"], Some(4)), "another trouble");
        assert_eq!(at(5, Health::Up), (vec!["redis"], None));
        assert_eq!(at(6, gone()), (vec!["redis"], Some(6)));
        let drifting = |by: u8| Health::Degraded(format!("{by} minutes ahead").into());
        assert_eq!(at(7, drifting(9)), (vec!["redis"], Some(7)));
        assert_eq!(at(8, drifting(10)), (vec![], Some(7)), "the same drift");
    }
}
