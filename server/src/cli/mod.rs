//! The command line. Each command prints results to standard output and errors to standard error,
//! and exits non-zero when it fails.

mod admin;
mod dev;
mod healthcheck;
mod keygen;
mod migrate;
mod openapi;
mod serve;

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{
    config::{LogFormat, RawSettings},
    telemetry::{self, Traces},
};

/// Tokenhouse: a multi-tenant token server that speaks OAuth 2.x and OpenID Connect.
#[derive(Debug, Parser)]
#[command(name = "tokenhouse", version, about, arg_required_else_help = true)]
#[command(after_help = "Examples:
  tokenhouse dev                        try it: no service needed, data in ./data
  tokenhouse keygen > master.key        a master key for production
  tokenhouse migrate up                 bring the database schema up to date
  tokenhouse serve --config /etc/tokenhouse.toml
  tokenhouse tenant create acme         the admin API from here; also user, client, key,
                                        registration-token, domain

Settings come from TOKENHOUSE_… variables; `tokenhouse serve --help` lists them.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::Dev),
    Serve(serve::Serve),
    Migrate(migrate::Migrate),
    Openapi(openapi::Openapi),
    Keygen(keygen::Keygen),
    Healthcheck(healthcheck::Healthcheck),
    Tenant(admin::Tenant),
    User(admin::User),
    Client(admin::Client),
    Key(admin::Key),
    RegistrationToken(admin::RegistrationToken),
    Domain(admin::Domain),
}

/// Where settings come from besides the environment.
#[derive(Debug, Args)]
struct ConfigFile {
    /// TOML file with settings; its keys are the variables in lower case without TOKENHOUSE_
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    /// Reads the settings and starts logging and tracing; traces end with what comes back for them.
    fn read(&self, format: LogFormat) -> anyhow::Result<(RawSettings, Option<Traces>)> {
        let mut raw = RawSettings::read(self.config.as_deref(), std::env::vars());
        let (filter, format) = raw.log(format);
        let traces = raw.traces();
        let traces = telemetry::start(&filter, format, traces.as_ref())?;
        Ok((raw, traces))
    }
}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    let done = |()| ExitCode::SUCCESS;
    ended(match Cli::parse().command {
        Command::Dev(dev) => block_on(dev.run()).map(done),
        Command::Serve(serve) => block_on(serve.run()).map(done),
        Command::Migrate(migrate) => block_on(migrate.run()),
        Command::Healthcheck(healthcheck) => healthcheck.run().map(done),
        Command::Openapi(openapi) => openapi.run().map(done),
        Command::Keygen(keygen) => keygen.run().map(done),
        Command::Tenant(tenant) => block_on(tenant.run()).map(done),
        Command::User(user) => block_on(user.run()).map(done),
        Command::Client(client) => block_on(client.run()).map(done),
        Command::Key(key) => block_on(key.run()).map(done),
        Command::RegistrationToken(token) => block_on(token.run()).map(done),
        Command::Domain(domain) => block_on(domain.run()).map(done),
    })
}

fn ended(result: anyhow::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) => {
            // A closed standard error leaves nobody to tell.
            let _told = writeln!(std::io::stderr(), "tokenhouse: {}", describe(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error and its causes, each once.
fn describe(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    text
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

/// Prints a line to standard output.
fn say(text: impl AsRef<str>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", text.as_ref())?;
    out.flush()?;
    Ok(())
}
