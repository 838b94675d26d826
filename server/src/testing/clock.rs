//! A clock that tests move.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use crate::{
    application::ports::Clock, domain::timestamp::Timestamp, infrastructure::clock::SystemClock,
};

/// Real time and an offset that only grows when told to. Stores that read their own clock add the
/// same offset, so that all of an installation moves together.
#[derive(Debug, Default)]
pub struct TestClock {
    offset_micros: AtomicI64,
}

impl TestClock {
    /// Real time, for now.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the clock forward.
    pub fn advance(&self, duration: Duration) {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        self.offset_micros.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(
            SystemClock
                .now()
                .as_micros()
                .saturating_add(self.offset_micros()),
        )
    }

    fn offset_micros(&self) -> i64 {
        self.offset_micros.load(Ordering::SeqCst)
    }
}
