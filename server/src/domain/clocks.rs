//! Whether two clocks tell the same time, as far as it matters.

use std::{fmt, time::Duration};

use super::timestamp::Timestamp;

/// How far a clock may be off the store's. One that NTP keeps is off by milliseconds; one that nobody set, by hours.
pub const TOLERANCE: Duration = Duration::from_secs(60);
/// How far two clocks are apart at most that both agree with the store's. What lies later than that behind now was
/// written by a clock that was wrong.
pub const BETWEEN_INSTANCES: Duration = Duration::from_secs(2 * TOLERANCE.as_secs());

/// By how much our clock differs from another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    Ahead(Duration),
    Behind(Duration),
}

/// The difference, if the clocks don't agree. The other clock was read between `before` and `after`.
pub fn difference(before: Timestamp, other: Timestamp, after: Timestamp) -> Option<Difference> {
    let (ahead, behind) = (before.since(other), other.since(after));
    if ahead > TOLERANCE {
        Some(Difference::Ahead(ahead))
    } else if behind > TOLERANCE {
        Some(Difference::Behind(behind))
    } else {
        None
    }
}

/// Such as `400 days ahead of`: in the largest unit of which there are two. The other clock follows.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (by, direction) = match self {
            Self::Ahead(by) => (by, "ahead of"),
            Self::Behind(by) => (by, "behind"),
        };
        let seconds = by.as_secs();
        let units = [("days", 24 * 3600), ("hours", 3600), ("minutes", 60)];
        let unit = units.iter().find(|(_, length)| seconds >= 2 * length);
        let (name, length) = unit.copied().unwrap_or(("seconds", 1));
        // Rounded: between reading the two clocks a moment goes by.
        write!(f, "{} {name} {direction}", (seconds + length / 2) / length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(1_795_000_000_000_000 + seconds * 1_000_000)
    }

    #[test]
    fn clocks_agree_within_a_minute() {
        for (off, told) in [
            (0, None),
            (60, None),
            (-60, None),
            (61, Some("61 seconds ahead of")),
            (-61, Some("61 seconds behind")),
            (140, Some("2 minutes ahead of")),
            (-3 * 3600, Some("3 hours behind")),
            (47 * 3600, Some("47 hours ahead of")),
            (400 * 24 * 3600 - 1, Some("400 days ahead of")),
            (400 * 24 * 3600 + 5, Some("400 days ahead of")),
        ] {
            let found = difference(at(off), at(0), at(off));
            let found = found.map(|found| found.to_string());
            assert_eq!(found.as_deref(), told, "{off}");
        }
    }

    #[test]
    fn an_answer_that_took_long_is_no_difference() {
        assert_eq!(difference(at(0), at(0), at(300)), None);
        assert_eq!(difference(at(0), at(300), at(300)), None);
        assert_eq!(
            difference(at(0), at(-61), at(300)).map(|d| d.to_string()),
            Some("61 seconds ahead of".to_owned())
        );
        assert_eq!(
            difference(at(0), at(361), at(300)).map(|d| d.to_string()),
            Some("61 seconds behind".to_owned())
        );
    }
}
