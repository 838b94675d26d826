//! `tokenhouse migrate`

use std::{fmt::Write as _, io::Write as _, process::ExitCode};

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use tokenhouse_migration::{Entry, Held, Instances, Migrations, Report, SchemaProblem};

use super::ConfigFile;
use crate::{config::LogFormat, infrastructure::database, server};

/// Migrations wait to be applied.
const PENDING: u8 = 3;
/// This program may not serve, whatever it migrates.
const REFUSED: u8 = 4;

/// Change the database schema
#[derive(Debug, Args)]
#[command(after_help = "Needs TOKENHOUSE_DATABASE_URL alone.

Examples:
  tokenhouse migrate status
  tokenhouse migrate status --output json
  tokenhouse migrate up
  tokenhouse migrate down --steps 1")]
pub(super) struct Migrate {
    #[command(flatten)]
    file: ConfigFile,
    #[command(subcommand)]
    direction: Direction,
}

#[derive(Debug, Subcommand)]
enum Direction {
    /// Apply everything that is missing, while instances run; safe from several processes at once
    Up {
        /// No instance runs: apply also what only programs can bear that are newer than the last ones
        #[arg(long)]
        offline: bool,
    },
    /// Take back the newest migrations, with the data in what they made
    Down {
        /// How many
        #[arg(long, default_value_t = 1)]
        steps: u32,
    },
    /// Say what is applied, what would run and whom it would stop, and whether this program may serve
    #[command(after_help = "Changes nothing and waits for nobody.

Exit codes:
  0  the schema could be read; with --exit-code: nothing is pending, this program may serve
  1  the schema could not be read
  3  with --exit-code: migrations are pending
  4  with --exit-code: the schema is of a newer program, and this one may not serve on it")]
    Status {
        /// Text for people, JSON for programs
        #[arg(long, value_enum, default_value_t)]
        output: Output,
        /// Tell by the exit code, too
        #[arg(long)]
        exit_code: bool,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    #[default]
    Text,
    Json,
}

impl Migrate {
    pub(super) async fn run(&self) -> anyhow::Result<ExitCode> {
        // In a container nobody else ends the first process, and an init container would hold up a rollout.
        let stopped = server::stop_signal()?;
        tokio::select! {
            ended = self.migrate() => ended,
            () = stopped => bail!("stopped; the same command again goes on from there"),
        }
    }

    async fn migrate(&self) -> anyhow::Result<ExitCode> {
        let (settings, _traces) = self.file.read(LogFormat::Pretty)?;
        let url = settings.database_url()?;
        let database = database::connect(&url)
            .await
            .context("the database can't be opened")?;
        let database = database.connection();
        let migrations = Migrations::current();
        match self.direction {
            Direction::Up { offline } => {
                let instances = if offline {
                    Instances::AreStopped
                } else {
                    Instances::MayRun
                };
                for name in migrations.up(database, instances, &tell).await? {
                    super::say(format!("applied {name}"))?;
                }
                let newer = migrations.check(database).await?;
                super::say(match newer.len() {
                    0 => "The schema is up to date.".to_owned(),
                    _ => format!(
                        "The schema is newer, and this program may serve on it; it has also {}.",
                        newer.join(", ")
                    ),
                })?;
                Ok(ExitCode::SUCCESS)
            }
            Direction::Down { steps } => {
                for name in migrations.down(database, steps, &tell).await? {
                    super::say(format!("took back {name}"))?;
                }
                Ok(ExitCode::SUCCESS)
            }
            Direction::Status { output, exit_code } => {
                let report = migrations.report(database).await?;
                super::say(match output {
                    Output::Text => text(&report),
                    Output::Json => serde_json::to_string_pretty(&document(&report))?,
                })?;
                Ok(match &report.verdict {
                    Err(SchemaProblem::Behind(_)) if exit_code => PENDING.into(),
                    Err(_) if exit_code => REFUSED.into(),
                    _ => ExitCode::SUCCESS,
                })
            }
        }
    }
}

/// What goes on meanwhile, for whoever waits.
fn tell(text: &str) {
    // A closed standard error leaves nobody to tell.
    let _told = writeln!(std::io::stderr(), "{text}");
}

fn document(report: &Report) -> serde_json::Value {
    let problem = report.verdict.as_ref().err().map(ToString::to_string);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "may_serve": report.verdict.is_ok(),
        "problem": problem,
        "newer": report.verdict.as_deref().unwrap_or_default(),
        "migrations": report.migrations,
    })
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for entry in &report.migrations {
        let state = if entry.applied { "applied" } else { "pending" };
        let kind = entry.kind.as_deref().unwrap_or("of unknown kind");
        let needs = entry
            .needs
            .iter()
            .map(|needs| format!(", programs need {needs}"));
        let unknown = if entry.known {
            ""
        } else {
            ", unknown to this program"
        };
        let needs: String = needs.collect();
        let _ = writeln!(text, "{state} {} ({kind}{needs}{unknown})", entry.name);
        describe(&mut text, entry);
    }
    let version = env!("CARGO_PKG_VERSION");
    let _ = match &report.verdict {
        Ok(_) => write!(text, "This program ({version}) may serve on this schema."),
        Err(problem) => write!(text, "This program ({version}) may not serve: {problem}."),
    };
    text
}

fn describe(text: &mut String, entry: &Entry) {
    for work in &entry.statements {
        let _ = writeln!(text, "    {}", work.sql);
        for held in &work.locks {
            let _ = writeln!(text, "        {}", whom_it_stops(held));
        }
    }
}

fn whom_it_stops(held: &Held) -> String {
    let rows = match held.rows {
        Some(rows) => format!("about {rows} rows"),
        None => "rows not known".to_owned(),
    };
    let lock = match held.lock {
        Some(lock) => format!("{lock:?}"),
        None => "the write lock".to_owned(),
    };
    let blocks = match (held.blocks_reads, held.blocks_writes) {
        (true, _) => "blocks reads and writes",
        (false, true) => "blocks writes",
        (false, false) => "blocks neither reads nor writes",
    };
    let time = if held.long {
        "as long as it goes through the rows"
    } else {
        "for a moment"
    };
    format!("{} ({rows}): {lock}, {blocks}, {time}", held.table)
}
