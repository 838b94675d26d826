//! A bounded queue in which no tenant's rush makes another tenant wait behind all of it.

use std::collections::{HashMap, VecDeque};

use crate::domain::id::TenantId;

/// First in, first out for each tenant; the tenants take turns.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    lanes: HashMap<TenantId, VecDeque<T>>,
    /// Tenants with something waiting, in the order of their next turn.
    turns: VecDeque<TenantId>,
    length: usize,
    limit: usize,
}

impl<T> FairQueue<T> {
    /// Holds at most `limit` items, and of one tenant at most half of them.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            lanes: HashMap::new(),
            turns: VecDeque::new(),
            length: 0,
            limit: limit.max(1),
        }
    }

    /// Adds an item, or gives it back when there is no room.
    pub(super) fn push(&mut self, tenant: TenantId, item: T) -> Result<(), T> {
        let waiting = self.lanes.get(&tenant).map_or(0, VecDeque::len);
        if self.length >= self.limit || waiting >= self.limit.div_ceil(2) {
            return Err(item);
        }
        let lane = self.lanes.entry(tenant).or_default();
        if lane.is_empty() {
            self.turns.push_back(tenant);
        }
        lane.push_back(item);
        self.length += 1;
        Ok(())
    }

    /// The next item of the tenant whose turn it is.
    pub(super) fn pop(&mut self) -> Option<T> {
        let tenant = self.turns.pop_front()?;
        let lane = self.lanes.get_mut(&tenant)?;
        let item = lane.pop_front()?;
        self.length -= 1;
        if lane.is_empty() {
            // A lane for every tenant that ever logged in would be a leak.
            self.lanes.remove(&tenant);
        } else {
            self.turns.push_back(tenant);
        }
        Some(item)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::timestamp::Timestamp;

    fn tenant(n: u8) -> TenantId {
        TenantId::new(Timestamp::from_micros(1), [n; 10])
    }

    #[test]
    fn tenants_take_turns_and_keep_their_order() {
        let mut queue = FairQueue::new(100);
        for n in 0..10 {
            queue.push(tenant(1), ("flood", n)).expect("room");
        }
        queue.push(tenant(2), ("quiet", 0)).expect("room");
        queue.push(tenant(2), ("quiet", 1)).expect("room");
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).take(5).collect();
        assert_eq!(
            order,
            [
                ("flood", 0),
                ("quiet", 0),
                ("flood", 1),
                ("quiet", 1),
                ("flood", 2)
            ]
        );
    }

    #[test]
    fn one_tenant_fills_half_of_it_and_all_of_them_no_more_than_all() {
        let mut queue = FairQueue::new(4);
        assert!(queue.push(tenant(1), 1).is_ok() && queue.push(tenant(1), 2).is_ok());
        assert_eq!(queue.push(tenant(1), 3), Err(3), "half is taken");
        assert!(queue.push(tenant(2), 4).is_ok() && queue.push(tenant(3), 5).is_ok());
        assert_eq!(queue.push(tenant(4), 6), Err(6), "full");
        assert_eq!(queue.len(), 4);
        while queue.pop().is_some() {}
        assert!(queue.lanes.is_empty() && queue.turns.is_empty() && queue.len() == 0);
    }
}
