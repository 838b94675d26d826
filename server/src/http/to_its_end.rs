//! Work that its peer can't break off.
//!
//! A handler is dropped when its connection goes: between a commit and what must follow it, such as the
//! entry of the audit log. Whoever hung up at the right moment would have done something unseen.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use super::serve::InFlight;

/// A future that goes on in a task of its own when it is dropped before its end.
///
/// Not spawned from the beginning: nearly every peer waits for its answer, and those requests are to cost
/// no task and no wake-up of another thread. What the future carries with it, such as its span, its origin
/// and its time limit, goes on with it.
pub(super) struct ToItsEnd<T: Send + 'static> {
    /// None when it has ended.
    work: Option<BoxFuture<'static, T>>,
    in_flight: InFlight,
}

impl<T: Send + 'static> ToItsEnd<T> {
    pub(super) fn new(work: impl Future<Output = T> + Send + 'static, in_flight: InFlight) -> Self {
        Self {
            work: Some(Box::pin(work)),
            in_flight,
        }
    }
}

impl<T: Send + 'static> fmt::Debug for ToItsEnd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToItsEnd").finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Future for ToItsEnd<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(work) = &mut self.work else {
            return Poll::Pending;
        };
        let output = ready!(work.as_mut().poll(cx));
        self.work = None;
        Poll::Ready(output)
    }
}

impl<T: Send + 'static> Drop for ToItsEnd<T> {
    fn drop(&mut self) {
        // Without a runtime the process is ending, and nothing goes on.
        if let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            let in_flight = self.in_flight.clone();
            runtime.spawn(async move {
                let _nobody_waits_for_it = work.await;
                drop(in_flight);
            });
        }
    }
}
