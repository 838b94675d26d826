//! The busiest tenants of a minute, in bounded memory.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

const WINDOW: Duration = Duration::from_secs(60);
/// How many tenants are counted at a time. With more, the least busy one gives its place to a newcomer, who takes
/// its count over: a busy tenant may be counted too high, and never is left out (the algorithm is known as Space-Saving).
const COUNTED: usize = 1_000;
/// How many are told of.
const TOLD: usize = 10;

/// Counts by tenant: of the minute that goes on, and the result of the one before.
#[derive(Debug)]
pub(super) struct Busiest {
    began: Instant,
    counts: HashMap<String, u64>,
    last: Vec<(String, u64)>,
}

impl Busiest {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            counts: HashMap::new(),
            last: Vec::new(),
        }
    }

    pub(super) fn count(&mut self, tenant: &str, now: Instant) {
        self.turn(now);
        if let Some(count) = self.counts.get_mut(tenant) {
            *count += 1;
            return;
        }
        let inherited = if self.counts.len() < COUNTED {
            0
        } else {
            self.give_up_least()
        };
        self.counts.insert(tenant.to_owned(), inherited + 1);
    }

    /// The busiest of the last whole minute, the first one first.
    pub(super) fn top(&mut self, now: Instant) -> &[(String, u64)] {
        self.turn(now);
        &self.last
    }

    fn give_up_least(&mut self) -> u64 {
        let least = self.counts.iter().min_by_key(|(_, count)| **count);
        match least.map(|(tenant, count)| (tenant.clone(), *count)) {
            Some((tenant, count)) => {
                self.counts.remove(&tenant);
                count
            }
            None => 0,
        }
    }

    fn turn(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.began);
        if passed < WINDOW {
            return;
        }
        let mut counts: Vec<_> = self.counts.drain().collect();
        counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        counts.truncate(TOLD);
        // Nothing was counted in the minute that just went by if more than one has.
        self.last = if passed < 2 * WINDOW {
            counts
        } else {
            Vec::new()
        };
        self.began = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ten_busiest_of_the_last_minute_are_told() {
        let start = Instant::now();
        let mut busiest = Busiest::new(start);
        for tenant in 0..15 {
            for _ in 0..=tenant {
                busiest.count(&format!("t{tenant}"), start);
            }
        }
        assert!(busiest.top(start).is_empty(), "the minute goes on");
        let top = busiest.top(start + WINDOW).to_vec();
        assert_eq!(top.len(), TOLD);
        assert_eq!(top[0], ("t14".to_owned(), 15));
        assert_eq!(top[9], ("t5".to_owned(), 6));
        assert!(busiest.top(start + 3 * WINDOW).is_empty(), "long ago");
    }

    #[test]
    fn a_busy_tenant_is_found_among_any_number_of_others() {
        let start = Instant::now();
        let mut busiest = Busiest::new(start);
        for n in 0..5 * COUNTED {
            busiest.count("busy", start);
            busiest.count(&format!("t{n}"), start);
            assert!(busiest.counts.len() <= COUNTED);
        }
        assert_eq!(busiest.top(start + WINDOW)[0].0, "busy");
    }
}
