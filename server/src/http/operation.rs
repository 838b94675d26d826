//! Which operation a request was for, as metrics call it.

use std::borrow::Cow;

use poem::{PathPattern, Response};
use poem_openapi::OperationId;

use crate::application::ports::Meter;

/// The operation id of the document, or the route of what is not in it. `none` for what has no route, and for
/// what was answered before the routes: there are few, whatever is asked for.
#[derive(Clone, Debug)]
pub(super) struct Operation(Cow<'static, str>);

impl Operation {
    fn new(id: Option<&OperationId>, pattern: Option<&PathPattern>) -> Self {
        Self(match (id, pattern) {
            (Some(OperationId(id)), _) => Cow::Borrowed(id),
            // A route that catches all beneath it caught nothing that is known.
            (None, Some(PathPattern(pattern))) if !pattern.contains("*--poem-rest") => {
                Cow::Owned(pattern.to_string())
            }
            _ => Cow::Borrowed("none"),
        })
    }

    pub(super) fn of_error(error: &poem::Error) -> Self {
        Self::new(error.data(), error.data())
    }

    /// Of an answer that came from a route.
    pub(super) fn of_response(response: &Response) -> Self {
        Self::new(response.data(), response.data())
    }

    /// Of an answer that [`mark`](Self::mark) was called on, or else of one without.
    pub(super) fn marked(response: &Response) -> Cow<'static, str> {
        response
            .data::<Self>()
            .map_or(Cow::Borrowed("none"), |operation| operation.0.clone())
    }

    pub(super) fn mark(self, response: &mut Response) {
        response.set_data(self);
    }
}

/// A request that waits for its answer, until it is dropped: peers that go away end it too.
pub(super) struct InFlight<'a>(&'a dyn Meter);

impl<'a> InFlight<'a> {
    pub(super) fn begin(meter: &'a dyn Meter) -> Self {
        meter.asked();
        Self(meter)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.done();
    }
}
