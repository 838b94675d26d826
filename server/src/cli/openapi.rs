//! `tokenhouse openapi`

use clap::{Args, ValueEnum};

use crate::http::spec;

/// Print the OpenAPI document; needs no settings and no database
#[derive(Debug, Args)]
#[command(after_help = "Example:
  tokenhouse openapi --format yaml > openapi.yaml")]
pub(super) struct Openapi {
    /// How it is written
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Json,
    Yaml,
}

impl Openapi {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let document = spec::document();
        let text = match self.format {
            Format::Json => spec::to_json(&document),
            Format::Yaml => spec::to_yaml(&document),
        };
        super::say(text.trim_end())
    }
}
