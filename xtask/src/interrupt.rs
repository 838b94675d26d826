//! Ctrl-C and SIGTERM, as a value the waiting loops look at.
//!
//! A handler that exits by itself would skip the guards that stop the scratch servers. So the
//! handler only notes the signal, and every wait in this crate polls [`Interrupt::check`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// How often a waiting loop looks at its child and at the signals.
pub(crate) const POLL: Duration = Duration::from_millis(20);

/// The signal that asks us to stop, once one has arrived.
#[derive(Clone)]
pub(crate) struct Interrupt {
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    pub(crate) fn listen() -> Result<Self> {
        let signal = Arc::new(AtomicUsize::new(0));
        for number in [SIGINT, SIGTERM, SIGHUP] {
            let value = usize::try_from(number).context("signal numbers are positive")?;
            signal_hook::flag::register_usize(number, Arc::clone(&signal), value)
                .context("could not listen for signals")?;
        }
        Ok(Self { signal })
    }

    pub(crate) fn check(&self) -> Result<(), Interrupted> {
        match self.signal.load(Ordering::SeqCst) {
            0 => Ok(()),
            number => Err(Interrupted {
                number: u8::try_from(number).unwrap_or(u8::MAX),
            }),
        }
    }

    /// Waits until `ready` answers, for at most `limit`; `Ok(None)` means it never did.
    pub(crate) fn poll<T>(
        &self,
        limit: Duration,
        mut ready: impl FnMut() -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let started = Instant::now();
        loop {
            if let Some(value) = ready()? {
                return Ok(Some(value));
            }
            self.check()?;
            if started.elapsed() > limit {
                return Ok(None);
            }
            thread::sleep(POLL);
        }
    }
}

/// The user, or the system, asked us to stop.
#[derive(Debug)]
pub(crate) struct Interrupted {
    number: u8,
}

impl Interrupted {
    /// What a shell reports for a program that a signal ended.
    pub(crate) fn exit_code(&self) -> u8 {
        128_u8.saturating_add(self.number)
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = i32::from(self.number);
        let name = signal_hook::low_level::signal_name(number).unwrap_or("a signal");
        write!(f, "stopped by {name}")
    }
}

impl std::error::Error for Interrupted {}
