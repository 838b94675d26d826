//! The trace that a request is part of (W3C Trace Context).
//!
//! Only a proxy that the operator trusts hands a trace on: anybody else could make us send every request of
//! theirs to the collector, or mix their requests into other people's traces.

use std::{borrow::Cow, collections::HashMap, net::IpAddr};

use opentelemetry::{propagation::TextMapPropagator, trace::TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use poem::http::HeaderMap;
use tracing::{Span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::domain::networks::Networks;

/// `tracestate` is left out: a proxy that only passes headers on passes on its clients', and we need none.
const PARENT: &str = "traceparent";

/// Puts the span into the trace that the request brought along, if a trusted `peer` did, and notes the trace's
/// id in it, so that every line of the log has it.
pub(super) fn join(span: &Span, headers: &HeaderMap, peer: Option<IpAddr>, trusted: &Networks) {
    let handed_on = headers.get(PARENT).and_then(|parent| parent.to_str().ok());
    let trusts = || peer.is_some_and(|peer| trusted.contains(peer.to_canonical()));
    if let Some(parent) = handed_on.filter(|_| trusts()) {
        let fields = HashMap::from([(PARENT.to_owned(), parent.to_owned())]);
        let parent = TraceContextPropagator::new().extract(&fields);
        note(span, &parent);
        // Refused only for a span that has begun, and this one hasn't.
        let _begun = span.set_parent(parent).is_err();
    }
    note(span, &span.context());
}

/// Calls the span what its request turned out to be for.
pub(super) fn name(span: &Span, operation: Cow<'static, str>) {
    // A recorded `otel.name` counts only before the span has begun.
    span.context().span().update_name(operation);
}

fn note(span: &Span, context: &opentelemetry::Context) {
    let context = context.span();
    let trace = context.span_context();
    if trace.is_valid() {
        span.record("trace.id", field::display(trace.trace_id()));
    }
}
