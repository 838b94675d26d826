//! The admin API from a terminal: `tokenhouse tenant|user|client|key|registration-token|domain …`.

mod api;
mod client;
mod domain;
mod key;
mod registration_token;
mod table;
mod tenant;
mod user;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::Value;
use url::Url;

use self::{api::Api, table::Column};
use super::say;

pub(super) use self::{
    client::Client, domain::Domain, key::Key, registration_token::RegistrationToken,
    tenant::Tenant, user::User,
};

/// Where the server is, who asks, and how the answer is shown.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
struct Connection {
    /// The server; the default is TOKENHOUSE_PUBLIC_URL or http://localhost:8080
    #[arg(long, value_name = "URL", global = true)]
    url: Option<Url>,
    /// File whose first line is the operator token, or a tenant's access token with tokenhouse:admin; the
    /// default is TOKENHOUSE_OPERATOR_TOKEN_FILE or TOKENHOUSE_OPERATOR_TOKEN
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// File with certificates (PEM) of authorities to trust besides the public ones
    #[arg(long, value_name = "FILE", global = true)]
    ca_file: Option<PathBuf>,
    /// A table for people, JSON for programs
    #[arg(long, value_enum, default_value_t, global = true)]
    output: Output,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    #[default]
    Table,
    Json,
}

/// How much of a list is wanted.
#[derive(Debug, Args)]
struct Page {
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

impl Connection {
    fn open(&self) -> anyhow::Result<Api> {
        Api::open(
            self.url.as_ref(),
            self.token_file.as_deref(),
            self.ca_file.as_deref(),
        )
    }

    /// Shows a list.
    fn list(&self, items: &[Value], columns: &[Column]) -> anyhow::Result<()> {
        match self.output {
            Output::Json => say(serde_json::to_string_pretty(items)?),
            Output::Table => say(table::rows(items, columns).trim_end()),
        }
    }

    /// Shows one object.
    fn object(&self, object: &Value) -> anyhow::Result<()> {
        match self.output {
            Output::Json => say(serde_json::to_string_pretty(object)?),
            Output::Table => say(table::members(object).trim_end()),
        }
    }

    /// Says what was done, to people.
    fn done(&self, text: &str) -> anyhow::Result<()> {
        match self.output {
            Output::Json => Ok(()),
            Output::Table => say(text),
        }
    }
}
