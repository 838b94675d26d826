//! An instance whose clock is wrong leaves undone what it would do to everybody's data.
//!
//! Deletions and rotations go by time, and what they do is done for all instances. The store's clock is the one that
//! all instances share, so theirs are held against it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;

use super::{
    error::{Error, StoreError},
    ports::{BackgroundWork, Clock, Dependency, Health, StoreClock},
};
use crate::domain::clocks::{self, Difference};

/// How long the store may take to tell the time to a probe.
const PROBE: Duration = Duration::from_secs(1);
/// How often the log says what is left undone.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Holds our clock against the store's.
pub struct ClockWatch {
    store: Arc<dyn StoreClock>,
    clock: Arc<dyn Clock>,
    last: Mutex<Option<Difference>>,
}

impl fmt::Debug for ClockWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClockWatch").finish_non_exhaustive()
    }
}

impl ClockWatch {
    pub fn new(store: Arc<dyn StoreClock>, clock: Arc<dyn Clock>) -> Self {
        let last = Mutex::default();
        Self { store, clock, last }
    }

    /// How the two differ now, if they do.
    pub async fn difference(&self) -> Result<Option<Difference>, StoreError> {
        let before = self.clock.now();
        let Some(told) = self.store.now(self.clock.offset_micros()).await? else {
            return Ok(None);
        };
        let found = clocks::difference(before, told, self.clock.now());
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = found;
        Ok(found)
    }

    /// Refuses what writes times that others rely on, unless the clocks agree.
    pub async fn require_agreement(&self) -> Result<(), Error> {
        match self.difference().await? {
            None => Ok(()),
            Some(difference) => {
                let why = format!("the clock of this instance is {difference} the database's");
                Err(StoreError::Unavailable(why.into()).into())
            }
        }
    }
}

#[async_trait]
impl Dependency for ClockWatch {
    fn name(&self) -> &'static str {
        "clock"
    }

    /// Never down: were the store's clock the wrong one, all instances would go. A store that doesn't answer is told
    /// of by its own name.
    async fn check(&self) -> Health {
        let asked = tokio::time::timeout(PROBE, self.difference()).await;
        let found = match asked {
            Ok(Ok(found)) => found,
            Ok(Err(_)) | Err(_) => *self.last.lock().unwrap_or_else(PoisonError::into_inner),
        };
        found.map_or(Health::Up, |found| {
            Health::Degraded(format!("{found} the database's").into())
        })
    }
}

/// Work that is done only while the clocks agree.
pub struct OnTime {
    what: &'static str,
    work: Arc<dyn BackgroundWork>,
    watch: Arc<ClockWatch>,
    told: Mutex<Option<Instant>>,
}

impl fmt::Debug for OnTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnTime")
            .field("what", &self.what)
            .finish_non_exhaustive()
    }
}

impl OnTime {
    pub fn new(what: &'static str, work: Arc<dyn BackgroundWork>, watch: Arc<ClockWatch>) -> Self {
        let told = Mutex::default();
        Self {
            what,
            work,
            watch,
            told,
        }
    }

    fn tell(&self, difference: Difference) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told| told.elapsed() < TELL_EVERY) {
            return;
        }
        *told = Some(Instant::now());
        let what = self.what;
        tracing::error!(
            left_undone = what,
            "the clock of this instance is {difference} the database's: {what} is left undone until they agree"
        );
    }
}

#[async_trait]
impl BackgroundWork for OnTime {
    async fn run(&self) -> Result<bool, Error> {
        match self.watch.difference().await? {
            None => self.work.run().await,
            Some(difference) => {
                self.tell(difference);
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::atomic::{AtomicI64, AtomicU32, Ordering},
    };

    use super::*;
    use crate::domain::timestamp::Timestamp;

    #[derive(Default)]
    struct Settable(AtomicI64);

    impl Clock for Settable {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(self.0.load(Ordering::SeqCst))
        }
    }

    /// A store at the beginning of time.
    struct AtZero;

    #[async_trait]
    impl StoreClock for AtZero {
        async fn now(&self, offset_micros: i64) -> Result<Option<Timestamp>, StoreError> {
            Ok(Some(Timestamp::from_micros(offset_micros)))
        }
    }

    #[derive(Default)]
    struct Counted(AtomicU32);

    #[async_trait]
    impl BackgroundWork for Counted {
        async fn run(&self) -> Result<bool, Error> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(true)
        }
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            log.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn work_waits_for_clocks_that_agree_and_the_log_says_so_once() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let (clock, work) = (Arc::new(Settable::default()), Arc::new(Counted::default()));
        let watch = ClockWatch::new(Arc::new(AtZero), Arc::clone(&clock) as _);
        let on_time = OnTime::new("some work", Arc::clone(&work) as _, Arc::new(watch));

        for minutes in [3, 3, -3] {
            clock.0.store(minutes * 60_000_000, Ordering::SeqCst);
            let more = on_time.run().await.expect("no error");
            assert!(!more, "nothing that could be done now");
        }
        assert_eq!(work.0.load(Ordering::SeqCst), 0);
        clock.0.store(60_000_000, Ordering::SeqCst);
        assert!(on_time.run().await.expect("no error"));
        assert_eq!(work.0.load(Ordering::SeqCst), 1);

        let log = log.0.lock().unwrap_or_else(PoisonError::into_inner);
        let log = String::from_utf8_lossy(&log);
        let said = "3 minutes ahead of the database's: some work is left undone";
        assert!(log.contains("ERROR") && log.contains(said), "{log}");
        assert_eq!(log.lines().count(), 1, "{log}");
    }
}
