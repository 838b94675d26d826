//! The time of the machine.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{application::ports::Clock, domain::timestamp::Timestamp};

/// The machine's clock: the only place that reads it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            // A clock before 1970 is not set at all; every token is then from the future.
            .unwrap_or(Duration::ZERO);
        Timestamp::from_micros(0) + since_epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_a_time_after_this_was_written() {
        assert!(SystemClock.now().as_seconds() > 1_700_000_000);
        assert_eq!(SystemClock.offset_micros(), 0);
    }
}
