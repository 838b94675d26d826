//! The `tokenhouse` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    tokenhouse_server::cli::run()
}
