//! A bounded queue of work for many hosts, each of which may be slow.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::time::Instant;

/// How many items of one host may be under way.
const BUSY_PER_HOST: usize = 2;

/// A lane per host, served in turn, and a waiting room for what is due later.
///
/// An item keeps its place from [`push`](Self::push) until it is [finished](Self::finish) for good.
/// There are `capacity` places, and one host gets half of them at most.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    lanes: HashMap<String, Lane<T>>,
    /// Hosts that have something ready and are not busy; the front is served next.
    turns: VecDeque<String>,
    later: BTreeMap<(Instant, u64), (String, T)>,
    /// Tells items apart that are due at the same moment.
    postponed: u64,
    places: usize,
    capacity: usize,
}

#[derive(Debug)]
struct Lane<T> {
    ready: VecDeque<T>,
    busy: usize,
    places: usize,
    in_turns: bool,
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self {
            ready: VecDeque::new(),
            busy: 0,
            places: 0,
            in_turns: false,
        }
    }
}

/// There is no place left.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoPlace;

impl<T> Lanes<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            lanes: HashMap::new(),
            turns: VecDeque::new(),
            later: BTreeMap::new(),
            postponed: 0,
            places: 0,
            capacity: capacity.max(1),
        }
    }

    /// Puts an item behind the others of its host.
    pub(super) fn push(&mut self, host: &str, item: T) -> Result<(), NoPlace> {
        let of_host = self.lanes.get(host).map_or(0, |lane| lane.places);
        if self.places >= self.capacity || of_host >= self.capacity.div_ceil(2) {
            return Err(NoPlace);
        }
        self.places += 1;
        self.lanes.entry(host.to_owned()).or_default().places += 1;
        self.make_ready(host, item);
        Ok(())
    }

    /// Takes an item of the host whose turn it is, and the host; it is busy until the item is
    /// finished.
    pub(super) fn take(&mut self, now: Instant) -> Option<(String, T)> {
        while let Some(first) = self.later.first_entry()
            && first.key().0 <= now
        {
            let (host, item) = first.remove();
            self.make_ready(&host, item);
        }
        let host = self.turns.pop_front()?;
        let lane = self.lanes.get_mut(&host)?;
        lane.in_turns = false;
        let item = lane.ready.pop_front()?;
        lane.busy += 1;
        self.line_up(&host);
        Some((host, item))
    }

    /// Whether an item could be taken at once.
    pub(super) fn has_ready(&self) -> bool {
        !self.turns.is_empty()
    }

    /// When the next item becomes ready that isn't yet.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.later.keys().next().map(|(due, _)| *due)
    }

    /// Gives back what was taken from a host: its place, or the item for another time.
    pub(super) fn finish(&mut self, host: &str, again: Option<(Instant, T)>) {
        let Some(lane) = self.lanes.get_mut(host) else {
            return;
        };
        lane.busy = lane.busy.saturating_sub(1);
        if let Some((due, item)) = again {
            self.postponed += 1;
            self.later
                .insert((due, self.postponed), (host.to_owned(), item));
        } else {
            lane.places = lane.places.saturating_sub(1);
            self.places = self.places.saturating_sub(1);
        }
        if lane.places == 0 {
            self.lanes.remove(host);
        }
        self.line_up(host);
    }

    /// Makes everything ready that is due later.
    pub(super) fn hurry(&mut self) {
        for (host, item) in std::mem::take(&mut self.later).into_values() {
            self.make_ready(&host, item);
        }
    }

    /// How many places are taken, by items that wait and that are under way.
    pub(super) fn len(&self) -> usize {
        self.places
    }

    fn make_ready(&mut self, host: &str, item: T) {
        let lane = self.lanes.entry(host.to_owned()).or_default();
        lane.ready.push_back(item);
        self.line_up(host);
    }

    /// Gives a host a turn when it has something ready and is not busy.
    fn line_up(&mut self, host: &str) {
        if let Some(lane) = self.lanes.get_mut(host)
            && !lane.in_turns
            && !lane.ready.is_empty()
            && lane.busy < BUSY_PER_HOST
        {
            lane.in_turns = true;
            self.turns.push_back(host.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn filled(capacity: usize, hosts: &str) -> (Lanes<usize>, Vec<bool>) {
        let mut lanes = Lanes::new(capacity);
        let accepted = hosts
            .split(' ')
            .enumerate()
            .map(|(n, host)| lanes.push(host, n).is_ok())
            .collect();
        (lanes, accepted)
    }

    #[test]
    fn hosts_take_turns_and_no_host_has_more_than_two_under_way() {
        let (mut lanes, _) = filled(100, "a a a a b c c");
        let now = Instant::now();
        let order: Vec<_> = std::iter::from_fn(|| lanes.take(now))
            .map(|(_, n)| n)
            .collect();
        assert_eq!(order, [0, 4, 5, 1, 6]);
        assert!(!lanes.has_ready());

        lanes.finish("a", None);
        assert_eq!(lanes.take(now), Some(("a".to_owned(), 2)));
        assert_eq!(lanes.take(now), None);
    }

    #[test]
    fn one_host_gets_half_of_the_places() {
        assert_eq!(
            filled(4, "a a a b b c").1,
            [true, true, false, true, true, false]
        );
        assert_eq!(filled(1, "a b").1, [true, false]);
    }

    #[test]
    fn an_item_keeps_its_place_until_it_is_finished_for_good() {
        let (mut lanes, _) = filled(2, "a b");
        let now = Instant::now();
        let later = now + Duration::from_secs(5);
        let (host, item) = lanes.take(now).expect("an item");
        assert_eq!(lanes.push("c", 9), Err(NoPlace));
        lanes.finish(&host, Some((later, item)));
        assert_eq!(lanes.push("c", 9), Err(NoPlace));
        assert_eq!(lanes.next_due(), Some(later));

        assert_eq!(lanes.take(now), Some(("b".to_owned(), 1)));
        assert_eq!(lanes.take(now), None);
        assert_eq!(lanes.take(later), Some(("a".to_owned(), 0)));
        lanes.finish("a", None);
        assert_eq!(lanes.push("c", 9), Ok(()));
    }

    #[test]
    fn in_a_hurry_everything_is_ready() {
        let (mut lanes, _) = filled(10, "a");
        let now = Instant::now();
        let (host, item) = lanes.take(now).expect("an item");
        lanes.finish(&host, Some((now + Duration::from_secs(600), item)));
        lanes.hurry();
        assert_eq!(lanes.take(now), Some(("a".to_owned(), 0)));
    }

    proptest! {
        #[test]
        fn every_item_comes_out_once_and_nothing_is_left(
            capacity in 1_usize..12,
            steps in proptest::collection::vec((0_u8..4, 0_u8..4), 0..200),
        ) {
            let (mut lanes, mut now) = (Lanes::new(capacity), Instant::now());
            let (mut accepted, mut done, mut busy) = (0, 0, Vec::new());
            for (n, (step, host)) in steps.into_iter().enumerate() {
                match step {
                    0 | 1 => accepted += usize::from(lanes.push(&host.to_string(), n).is_ok()),
                    2 => busy.extend(lanes.take(now)),
                    _ => if let Some((host, item)) = busy.pop() {
                        let again = item % 2 == 0 && n % 3 == 0;
                        let due = now + Duration::from_secs(1);
                        lanes.finish(&host, again.then_some((due, item)));
                        done += usize::from(!again);
                    },
                }
                for (host, _) in &busy {
                    let of_host = busy.iter().filter(|(other, _)| other == host).count();
                    prop_assert!(of_host <= BUSY_PER_HOST);
                }
                prop_assert!(lanes.len() <= capacity);
                prop_assert_eq!(lanes.len(), accepted - done);
            }
            now += Duration::from_secs(2);
            while lanes.len() > 0 {
                busy.extend(lanes.take(now));
                let (host, _) = busy.pop().expect("places are taken by items");
                lanes.finish(&host, None);
                done += 1;
            }
            prop_assert_eq!(done, accepted);
            prop_assert!(lanes.lanes.is_empty() && lanes.turns.is_empty());
        }
    }
}
