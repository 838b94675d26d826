//! A clock that tests move.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use crate::{
    application::ports::Clock, domain::timestamp::Timestamp, infrastructure::clock::SystemClock,
};

/// Real time and an offset. Stores with a clock of their own follow it through
/// [`Clock::offset_micros`]. Clones move together.
#[derive(Clone, Debug, Default)]
pub struct TestClock {
    offset_micros: Arc<AtomicI64>,
}

impl TestClock {
    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.offset_micros.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let real = SystemClock.now().as_micros();
        Timestamp::from_micros(real.saturating_add(self.offset_micros()))
    }

    fn offset_micros(&self) -> i64 {
        self.offset_micros.load(Ordering::SeqCst)
    }
}
