//! How fast the server is, as ratios to a static answer of the same web framework.
//!
//! `cargo xtask bench` builds the release, starts Redis and PostgreSQL, and runs this. Absolute
//! numbers of two machines, or of two evenings, say little; a ratio between two rows of one round
//! does. So every round measures the static answer first and then each row for a short while, and
//! the table shows the median and the best ratio over the rounds.
//!
//! Placement: the server under test, and likewise the static answer, has core 0 to itself. The
//! load generator shares core 1 with Redis and PostgreSQL. A static answer costs the generator
//! about as much as the server, so ratios to it flatter a little; the table says how busy the
//! generator was.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table is the result"
)]

mod bare;
mod fixtures;
mod http;
mod load;
mod process;
mod product;
mod report;
mod rounds;
mod scale;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};

/// The core of the server under test.
const SERVER_CORE: &str = "0";
/// The core of the load generator and the databases.
const LOAD_CORE: &str = "1";

/// Measures the server as ratios to a static answer of the same web framework.
#[derive(Parser)]
#[command(after_help = "Example:\n  cargo xtask bench --rounds 5 --check")]
struct Options {
    /// Seconds a row is measured in each round
    #[arg(long, default_value_t = 2)]
    seconds: u32,
    /// Rounds; the median and the best are reported. 0: only the rows by scale
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// The rows by scale with 10,000 tenants to make and 100,000 tenants and users to list
    #[arg(long)]
    full_scale: bool,
    /// Exit non-zero when a ratio is below its floor, or the machine was busy with something else
    #[arg(long)]
    check: bool,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What this binary does when it is its own child.
#[derive(Subcommand)]
enum Role {
    /// Serves the static answer
    #[command(hide = true)]
    Hello { port: u16 },
    /// Counts argon2 hashes
    #[command(hide = true)]
    Argon2 { milliseconds: u64 },
}

fn main() -> ExitCode {
    let options = Options::parse();
    let result = match options.role {
        Some(Role::Hello { port }) => bare::serve_hello(port).map(|()| true),
        Some(Role::Argon2 { milliseconds }) => {
            bare::count_hashes(Duration::from_millis(milliseconds)).map(|()| true)
        }
        None => measure(&options),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures and reports; false when `--check` was asked for and has an objection.
fn measure(options: &Options) -> Result<bool> {
    if !options.bench {
        // `cargo test --benches` comes along here; a debug build has nothing to measure.
        println!("nothing measured: run `cargo xtask bench`");
        return Ok(true);
    }
    ensure!(options.seconds > 0, "nothing to measure");
    // Before the first thread exists: those that follow inherit the core.
    process::pin_to(LOAD_CORE)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let span = Duration::from_secs(options.seconds.into());
    let local = tokio::task::LocalSet::new();
    let scale = match options.full_scale {
        true => scale::Scale::FULL,
        false => scale::Scale::SHORT,
    };
    let measured = local.block_on(&runtime, rounds::measure(span, options.rounds, scale))?;
    print!("{}", report::table(&measured));
    let objections = report::objections(&measured);
    for line in &objections {
        eprintln!("objection: {line}");
    }
    Ok(!options.check || objections.is_empty())
}
