//! What a command is doing and how long each part took, on stderr.

use std::time::{Duration, Instant};

use anyhow::Result;

/// The phases of one command, timed.
pub(crate) struct Progress {
    started: Instant,
    phases: Vec<(&'static str, Duration)>,
}

impl Progress {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            phases: Vec::new(),
        }
    }

    pub(crate) fn note(&self, line: impl AsRef<str>) {
        eprintln!(
            "[xtask {:>6}] {}",
            seconds(self.started.elapsed()),
            line.as_ref()
        );
    }

    /// Runs one phase and remembers its time, whatever comes of it.
    pub(crate) fn phase<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&Self) -> Result<T>,
    ) -> Result<T> {
        let started = Instant::now();
        let result = work(self);
        self.phases.push((name, started.elapsed()));
        result
    }

    pub(crate) fn summary(&self, verdict: &str) {
        let parts: Vec<String> = self
            .phases
            .iter()
            .map(|(name, took)| format!("{name} {}", seconds(*took)))
            .collect();
        self.note(format!("{verdict} ({})", parts.join(", ")));
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
