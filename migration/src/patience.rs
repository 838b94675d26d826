//! How long migrations wait, and let others wait.

use std::time::Duration;

/// The times of a run.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long a statement waits for its lock. Whoever comes meanwhile waits behind it.
    pub lock: Duration,
    /// How long a statement may hold its lock, outside of `CREATE INDEX CONCURRENTLY`.
    pub statement: Duration,
    /// How long to leave the table alone after a lock was not to be had.
    pub pause: Duration,
    /// How often to try.
    pub attempts: u32,
    /// How often to ask whether another process still migrates.
    pub turn: Duration,
}

impl Default for Patience {
    /// No request waits longer than a second because of a migration that waits, and none longer than
    /// five because of one that works. For five minutes it is tried.
    fn default() -> Self {
        Self {
            lock: Duration::from_secs(1),
            statement: Duration::from_secs(5),
            pause: Duration::from_secs(4),
            attempts: 60,
            turn: Duration::from_millis(100),
        }
    }
}
