//! Logs: structured, on standard error, with request id and tenant, and without any secret. Traces, to a
//! collector.

mod spans;
mod traces;

use std::{error::Error, io::IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    EnvFilter, Layer, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

pub use self::{
    spans::register,
    traces::{TraceSettings, Traces},
};
use crate::config::{LogFormat, SettingsError};

/// Libraries that would log what they are given: SQL with its values, requests with their headers.
/// They stay at warnings whatever the operator's filter says.
const QUIET: &[&str] = &[
    "sqlx=warn",
    "sea_orm=warn",
    "hyper=warn",
    "hyper_util=warn",
    "redis=warn",
    "poem=warn",
    "h2=warn",
];

/// What has a span in a trace: requests and calls of Redis, SQL statements.
const TRACED: &[&str] = &["tokenhouse_server", "sea_orm"];

/// Starts logging with this filter, and tracing if it is wanted. To be called inside of a runtime. What comes
/// back is to be kept for as long as there is something to trace.
pub fn start(
    filter: &str,
    format: LogFormat,
    traces: Option<&TraceSettings>,
) -> Result<Option<Traces>, SettingsError> {
    let mut filter = EnvFilter::try_new(filter).map_err(|error| {
        SettingsError(vec![format!("TOKENHOUSE_LOG is no log filter: {error}")])
    })?;
    for directive in QUIET {
        if let Ok(directive) = directive.parse() {
            filter = filter.add_directive(directive);
        }
    }
    let traces = traces.map(Traces::start).transpose().map_err(|error| {
        let cause = error.source().map(ToString::to_string);
        let cause = cause.unwrap_or_default();
        SettingsError(vec![format!("TOKENHOUSE_OTLP_ENDPOINT: {error}: {cause}")])
    })?;
    let spans = traces.as_ref().map(|traces| {
        let traced = TRACED.iter().map(|target| (*target, LevelFilter::INFO));
        tracing_opentelemetry::layer()
            .with_tracer(traces.tracer())
            .with_location(false)
            .with_threads(false)
            .with_filter(traced.collect::<Targets>())
    });
    // Colours are for people: a file or a collector would get escape sequences.
    let colours = std::io::stderr().is_terminal();
    let output = fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    let output = match format {
        LogFormat::Json => output
            .json()
            .flatten_event(true)
            // It has all that the list of spans would say again.
            .with_current_span(true)
            .with_span_list(false)
            .with_filter(filter)
            .boxed(),
        LogFormat::Pretty => output.with_target(false).with_filter(filter).boxed(),
    };
    tracing_subscriber::registry()
        .with(output)
        .with(spans)
        .try_init()
        .map_err(|error| SettingsError(vec![format!("logging can't start: {error}")]))?;
    Ok(traces)
}
