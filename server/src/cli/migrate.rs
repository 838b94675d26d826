//! `tokenhouse migrate`

use anyhow::Context;
use clap::{Args, Subcommand};

use super::ConfigFile;
use crate::{config::LogFormat, infrastructure::database};

/// Change the database schema
#[derive(Debug, Args)]
#[command(after_help = "Needs TOKENHOUSE_DATABASE_URL alone.

Examples:
  tokenhouse migrate status
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
    /// Apply everything that is missing; safe to run from several processes at once
    Up,
    /// Take back the newest migrations, with the data in what they made
    Down {
        /// How many
        #[arg(long, default_value_t = 1)]
        steps: u32,
    },
    /// Say which migrations are applied
    Status,
}

impl Migrate {
    pub(super) async fn run(&self) -> anyhow::Result<()> {
        let (settings, _traces) = self.file.read(LogFormat::Pretty)?;
        let url = settings.database_url()?;
        let database = database::connect(&url)
            .await
            .context("the database can't be opened")?;
        match self.direction {
            Direction::Up => {
                let applied = tokenhouse_migration::up(database.connection()).await?;
                for name in &applied {
                    super::say(format!("applied {name}"))?;
                }
                super::say(match applied.len() {
                    0 => "The schema is up to date.".to_owned(),
                    n => format!("The schema is up to date; {n} applied."),
                })
            }
            Direction::Down { steps } => {
                for name in tokenhouse_migration::down(database.connection(), steps).await? {
                    super::say(format!("took back {name}"))?;
                }
                Ok(())
            }
            Direction::Status => {
                for (name, applied) in tokenhouse_migration::status(database.connection()).await? {
                    super::say(format!(
                        "{} {name}",
                        if applied { "applied" } else { "pending" }
                    ))?;
                }
                Ok(())
            }
        }
    }
}
