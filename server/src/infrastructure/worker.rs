//! Tasks that do in the background what comes up again and again.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{task::AbortHandle, time};

use crate::application::{error::chain, ports::BackgroundWork};

/// How long others get the database between two rounds.
const PAUSE: Duration = Duration::from_millis(20);

/// A task that does one kind of work. It may be stopped at any moment: what is left is found by the next one.
pub struct Worker(AbortHandle);

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

impl Worker {
    /// Looks every `interval` whether there is something to do.
    pub fn start(what: &'static str, work: Arc<dyn BackgroundWork>, interval: Duration) -> Self {
        Self(tokio::spawn(run(what, work, interval)).abort_handle())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run(what: &'static str, work: Arc<dyn BackgroundWork>, interval: Duration) {
    loop {
        let wait = match work.run().await {
            Ok(true) => PAUSE,
            Ok(false) => interval,
            Err(error) => {
                tracing::warn!(error = chain(&error), "{what} failed; trying again later");
                interval
            }
        };
        time::sleep(wait).await;
    }
}
