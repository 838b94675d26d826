//! A bounded queue that is fair between tenants.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// One queue per key, served in turn.
///
/// Two limits hold: `total` over all keys, and half of it for any one of them, so that a tenant
/// under attack leaves room for the others.
#[derive(Debug)]
pub struct FairQueue<K, T> {
    lanes: HashMap<K, VecDeque<T>>,
    /// Keys that have something waiting; the front is served next.
    turns: VecDeque<K>,
    length: usize,
    total: usize,
}

/// There is no room; the item comes back.
#[derive(Debug)]
pub struct Full<T>(pub T);

impl<K: Eq + Hash + Clone, T> FairQueue<K, T> {
    /// A queue for at most `total` items.
    pub fn new(total: usize) -> Self {
        Self {
            lanes: HashMap::new(),
            turns: VecDeque::new(),
            length: 0,
            total,
        }
    }

    /// Puts an item behind the others of its key.
    pub fn push(&mut self, key: K, item: T) -> Result<(), Full<T>> {
        let waiting = self.lanes.get(&key).map_or(0, VecDeque::len);
        if self.length >= self.total || waiting >= self.share() {
            return Err(Full(item));
        }
        if waiting == 0 {
            self.turns.push_back(key.clone());
        }
        self.lanes.entry(key).or_default().push_back(item);
        self.length += 1;
        Ok(())
    }

    /// Takes the oldest item that `fits` of the first key whose turn it is and that has one.
    pub fn pop(&mut self, fits: impl Fn(&T) -> bool) -> Option<T> {
        let (turn, place) = self.turns.iter().enumerate().find_map(|(turn, key)| {
            let place = self.lanes.get(key)?.iter().position(&fits)?;
            Some((turn, place))
        })?;
        let key = self.turns.remove(turn)?;
        let lane = self.lanes.get_mut(&key)?;
        let item = lane.remove(place);
        if lane.is_empty() {
            self.lanes.remove(&key);
        } else {
            self.turns.push_back(key);
        }
        self.length -= usize::from(item.is_some());
        item
    }

    /// Drops all items that nobody wants any more.
    pub fn retain(&mut self, mut wanted: impl FnMut(&T) -> bool) {
        self.lanes.retain(|_, lane| {
            lane.retain(&mut wanted);
            !lane.is_empty()
        });
        self.turns.retain(|key| self.lanes.contains_key(key));
        self.length = self.lanes.values().map(VecDeque::len).sum();
    }

    /// How many items wait.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// How many items one key may have here.
    fn share(&self) -> usize {
        (self.total / 2).max(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(total: usize, keys: &str) -> (FairQueue<char, usize>, Vec<bool>) {
        let mut queue = FairQueue::new(total);
        let accepted = keys
            .chars()
            .enumerate()
            .map(|(n, key)| queue.push(key, n).is_ok())
            .collect();
        (queue, accepted)
    }

    #[test]
    fn limits() {
        for (total, keys, expected) in [
            (0, "a", vec![false]),
            (1, "ab", vec![true, false]),
            (2, "aab", vec![true, false, true]),
            (3, "aab", vec![true, false, true]),
            (4, "aaabbb", vec![true, true, false, true, true, false]),
            (4, "abcda", vec![true, true, true, true, false]),
        ] {
            assert_eq!(filled(total, keys).1, expected, "{total} for {keys}");
        }
    }

    #[test]
    fn keys_take_turns_and_each_keeps_its_order() {
        for (keys, expected) in [
            ("aaabc", vec![0, 3, 4, 1, 2]),
            ("abab", vec![0, 1, 2, 3]),
            ("aabb", vec![0, 2, 1, 3]),
        ] {
            let mut queue = filled(100, keys).0;
            let order: Vec<_> = std::iter::from_fn(|| queue.pop(|_| true)).collect();
            assert_eq!(order, expected, "{keys}");
            assert!(queue.is_empty());
        }
    }

    #[test]
    fn a_flood_delays_another_tenant_by_one_item() {
        let mut queue = FairQueue::new(100);
        while queue.push('f', 'f').is_ok() {}
        assert_eq!(queue.len(), 50);
        queue.push('q', 'q').expect("half of it is left");
        assert_eq!(
            (queue.pop(|_| true), queue.pop(|_| true)),
            (Some('f'), Some('q'))
        );
    }

    #[test]
    fn what_nobody_wants_gives_its_room_back() {
        let mut queue = filled(4, "aabb").0;
        queue.retain(|n| *n == 3);
        assert_eq!(queue.len(), 1);
        assert!(queue.push('a', 9).is_ok());
        assert_eq!(
            (
                queue.pop(|_| true),
                queue.pop(|_| true),
                queue.pop(|_| true)
            ),
            (Some(3), Some(9), None)
        );
    }

    proptest! {
        #[test]
        fn nothing_is_lost_doubled_or_over_the_limits(
            total in 0_usize..20,
            steps in proptest::collection::vec(proptest::option::of(0_u8..4), 0..200),
        ) {
            let mut queue = FairQueue::new(total);
            let mut waiting: HashMap<u8, VecDeque<usize>> = HashMap::new();
            for (n, step) in steps.into_iter().enumerate() {
                match step {
                    Some(key) => {
                        if queue.push(key, (key, n)).is_ok() {
                            waiting.entry(key).or_default().push_back(n);
                        }
                    }
                    None => {
                        let expected_some = waiting.values().any(|lane| !lane.is_empty());
                        let popped = queue.pop(|_| true);
                        prop_assert_eq!(popped.is_some(), expected_some);
                        if let Some((key, n)) = popped {
                            let lane = waiting.get_mut(&key).expect("it was pushed");
                            prop_assert_eq!(lane.pop_front(), Some(n));
                        }
                    }
                }
                let length: usize = waiting.values().map(VecDeque::len).sum();
                prop_assert_eq!(queue.len(), length);
                prop_assert!(length <= total);
                prop_assert!(waiting.values().all(|lane| lane.len() <= (total / 2).max(1)));
            }
        }
    }
}
