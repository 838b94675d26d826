//! Entries that anybody can make happen, such as a wrong secret: the same ones within a minute become one, so
//! that nobody fills a tenant's log, or hides in it.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use crate::domain::{
    audit::{Entry, EventKind},
    id::TenantId,
    tenant::TenantScope,
};

/// How long entries of a kind are counted before one is written for them.
const WINDOW: Duration = Duration::from_secs(60);
/// How many different ones of a tenant are told apart within that time. Further ones are one.
const MOST_OF_A_TENANT: usize = 100;
/// And of all tenants.
const MOST: usize = 20_000;

/// What is being counted.
#[derive(Default)]
pub(super) struct Floods {
    tenants: HashMap<TenantId, HashMap<Like, Flood>>,
    len: usize,
}

/// What makes two entries of a tenant alike. Nothing but the kind for those beyond the bound.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Like {
    kind: EventKind,
    rest: Option<Rest>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Rest {
    actor: String,
    target: Option<String>,
    reason: Option<String>,
    ip: Option<IpAddr>,
}

struct Flood {
    tenant: TenantScope,
    since: Instant,
    /// The last one that was not written, and how many there were.
    last: Option<(Entry, u64)>,
}

impl Like {
    fn of(entry: &Entry) -> Self {
        let reason = entry.event.details.get("reason");
        Self {
            kind: entry.event.kind,
            rest: Some(Rest {
                actor: format!("{:?}", entry.actor),
                target: entry.event.target.clone(),
                reason: reason.map(ToString::to_string),
                ip: entry.origin.ip,
            }),
        }
    }
}

impl Floods {
    /// The entry, if it is the first of its like; else it is counted.
    pub(super) fn admit(
        &mut self,
        tenant: &TenantScope,
        entry: Entry,
        now: Instant,
    ) -> Option<Entry> {
        let of_tenant = self.tenants.entry(tenant.id()).or_default();
        let mut like = Like::of(&entry);
        let full = of_tenant.len() >= MOST_OF_A_TENANT || self.len >= MOST;
        if full && !of_tenant.contains_key(&like) {
            like.rest = None;
        }
        if let Some(flood) = of_tenant.get_mut(&like) {
            let count = flood.last.as_ref().map_or(0, |(_, count)| *count);
            flood.last = Some((entry, count + 1));
            return None;
        }
        let flood = Flood {
            tenant: tenant.clone(),
            since: now,
            last: None,
        };
        of_tenant.insert(like, flood);
        self.len += 1;
        Some(entry)
    }

    /// One entry for those that were counted until now, where the time is up or `all` are wanted.
    pub(super) fn due(&mut self, now: Instant, all: bool) -> Vec<(TenantScope, Entry)> {
        let mut due = Vec::new();
        for floods in self.tenants.values_mut() {
            floods.retain(|_, flood| {
                if !all && now.duration_since(flood.since) < WINDOW {
                    return true;
                }
                let Some((mut entry, count)) = flood.last.take() else {
                    return false;
                };
                entry.event = entry.event.detail("times", count);
                due.push((flood.tenant.clone(), entry));
                // It may go on.
                flood.since = now;
                true
            });
        }
        self.tenants.retain(|_, floods| !floods.is_empty());
        self.len = self.tenants.values().map(HashMap::len).sum();
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        application::audit::entry,
        domain::{
            audit::{Actor, Event},
            timestamp::Timestamp,
        },
        testing,
    };

    fn failure(target: &str, n: u8) -> Entry {
        let event = Event::new(EventKind::ClientAuthenticationFailed)
            .target(target)
            .detail("reason", "wrong secret");
        entry(Actor::Anonymous, event, [n; 10], Timestamp::from_micros(1))
    }

    fn times(due: &[(TenantScope, Entry)]) -> Vec<(&str, u64)> {
        let one = |(_, entry): &'_ (TenantScope, Entry)| {
            let times = entry.event.details["times"].as_u64();
            times.expect("a number")
        };
        due.iter()
            .map(|all| (all.1.event.target.as_deref().unwrap_or_default(), one(all)))
            .collect()
    }

    #[test]
    fn the_first_is_written_and_its_like_are_counted() {
        let (mut floods, tenant, start) = (Floods::default(), testing::tenant(), Instant::now());
        assert!(floods.admit(&tenant, failure("a", 0), start).is_some());
        assert!(floods.admit(&tenant, failure("b", 0), start).is_some());
        for n in 1..=9 {
            assert!(floods.admit(&tenant, failure("a", n), start).is_none());
        }
        assert!(floods.due(start + WINDOW / 2, false).is_empty());
        let due = floods.due(start + WINDOW, false);
        assert_eq!(times(&due), [("a", 9)]);
        assert_eq!(due[0].1.id, failure("a", 9).id, "the last of them");
        // Going on it is counted on; quiet for a window it begins anew.
        assert!(
            floods
                .admit(&tenant, failure("a", 1), start + WINDOW)
                .is_none()
        );
        assert_eq!(times(&floods.due(start + WINDOW, true)), [("a", 1)]);
        assert!(floods.due(start + WINDOW * 3, false).is_empty());
        let later = start + WINDOW * 3;
        assert!(floods.admit(&tenant, failure("a", 1), later).is_some());
    }

    #[test]
    fn what_differs_every_time_is_bounded_all_the_same() {
        let (mut floods, tenant, start) = (Floods::default(), testing::tenant(), Instant::now());
        let written = (0..5_000)
            .filter(|n| {
                floods
                    .admit(&tenant, failure(&n.to_string(), 0), start)
                    .is_some()
            })
            .count();
        assert_eq!(written, MOST_OF_A_TENANT + 1);
        let due = floods.due(start, true);
        assert_eq!(times(&due), [("4999", 5_000 - written as u64)]);
    }
}
