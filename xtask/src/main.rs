//! Developer tasks. `cargo xtask --help` lists them.
//!
//! Progress goes to stderr, so that stdout holds only what a command is asked for: the output of
//! the tests, the bench's table, or the `export` lines of `services`.

#![expect(
    clippy::print_stderr,
    reason = "a command line tool tells the developer what it does"
)]

mod clients;
mod commands;
#[cfg(test)]
mod documentation;
mod image;
mod interrupt;
mod kubernetes;
mod needs;
mod node;
mod process;
mod progress;
mod python;
mod services;
mod tally;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::interrupt::{Interrupt, Interrupted};
use crate::process::Failed;

/// Developer tasks of Tokenhouse.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Test(commands::test::Test),
    Bench(commands::bench::Bench),
    Clients(commands::clients::Clients),
    Contract(commands::contract::Contract),
    Example(commands::example::Example),
    Services(commands::services::Services),
    K8s(commands::k8s::K8s),
    Image(commands::image::Image),
    Monitoring(commands::monitoring::Monitoring),
    Rolling(commands::rolling::Rolling),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = Interrupt::listen().and_then(|interrupt| match cli.command {
        Command::Test(test) => test.run(&interrupt),
        Command::Bench(bench) => bench.run(&interrupt),
        Command::Clients(clients) => clients.run(&interrupt),
        Command::Contract(contract) => contract.run(&interrupt),
        Command::Example(example) => example.run(&interrupt),
        Command::Services(services) => services.run(&interrupt),
        Command::K8s(k8s) => k8s.run(&interrupt),
        Command::Image(image) => image.run(&interrupt),
        Command::Monitoring(monitoring) => monitoring.run(&interrupt),
        Command::Rolling(rolling) => rolling.run(&interrupt),
    });
    // Everything that stops a server or removes a folder is a guard inside `run`, and has been
    // dropped by now: nothing below may be needed for cleaning up.
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    if let Some(interrupted) = error.downcast_ref::<Interrupted>() {
        eprintln!("{interrupted}");
        return ExitCode::from(interrupted.exit_code());
    }
    eprintln!("error: {error:#}");
    match error.downcast_ref::<Failed>() {
        Some(failed) => ExitCode::from(failed.exit_code()),
        None => ExitCode::FAILURE,
    }
}
