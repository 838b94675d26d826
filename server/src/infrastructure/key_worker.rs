//! Does what keys need by themselves, in the background.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{task::AbortHandle, time};

use crate::application::ports::KeyWork;

/// How long others get the database between two rounds.
const PAUSE: Duration = Duration::from_millis(20);

/// A task that does one kind of work. It may be stopped at any moment: what is left is found by the next one.
pub struct KeyWorker(AbortHandle);

impl fmt::Debug for KeyWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyWorker").finish_non_exhaustive()
    }
}

impl KeyWorker {
    /// Looks every `interval` whether there is something to do.
    pub fn start(what: &'static str, work: Arc<dyn KeyWork>, interval: Duration) -> Self {
        Self(tokio::spawn(run(what, work, interval)).abort_handle())
    }
}

impl Drop for KeyWorker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run(what: &'static str, work: Arc<dyn KeyWork>, interval: Duration) {
    loop {
        let wait = match work.run().await {
            Ok(true) => PAUSE,
            Ok(false) => interval,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "{what} failed; trying again later"
                );
                interval
            }
        };
        time::sleep(wait).await;
    }
}
