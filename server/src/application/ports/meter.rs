//! What those who run the installation want to know of it.

use std::{borrow::Cow, time::Duration};

use super::Finding;

/// Counts what the server does. It never waits and never fails.
pub trait Meter: Send + Sync {
    /// A request came in. It is in flight until [`done`](Self::done) is called.
    fn asked(&self);
    /// A request was answered, or its peer went away.
    fn done(&self);
    fn answered(&self, answered: &Answered<'_>);
    /// All that was counted, in the text format of Prometheus (OpenMetrics 1.0), and how dependencies are.
    fn exposition(&self, dependencies: &[Finding]) -> String;
}

/// A request that was answered.
#[derive(Clone, Debug)]
pub struct Answered<'a> {
    /// The operation of the OpenAPI document, or the route of a page: few, whatever is asked for.
    pub operation: Cow<'static, str>,
    /// The status code of the answer.
    pub status: u16,
    pub took: Duration,
    /// The slug of the tenant whose the request was. One that the directory knows: what a peer invented is nobody's.
    pub tenant: Option<&'a str>,
}
