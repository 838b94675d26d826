//! Logs: structured, on standard error, with request id and tenant, and without any secret.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

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

/// Starts logging with this filter.
pub fn start(filter: &str, format: LogFormat) -> Result<(), SettingsError> {
    let mut filter = EnvFilter::try_new(filter).map_err(|error| {
        SettingsError(vec![format!("TOKENHOUSE_LOG is no log filter: {error}")])
    })?;
    for directive in QUIET {
        if let Ok(directive) = directive.parse() {
            filter = filter.add_directive(directive);
        }
    }
    let registry = tracing_subscriber::registry().with(filter);
    // Colours are for people: a file or a collector would get escape sequences.
    let colours = std::io::stderr().is_terminal();
    let output = fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    match format {
        LogFormat::Json => registry
            .with(output.json().flatten_event(true).with_current_span(true))
            .try_init(),
        LogFormat::Pretty => registry.with(output.with_target(false)).try_init(),
    }
    .map_err(|error| SettingsError(vec![format!("logging can't start: {error}")]))
}
