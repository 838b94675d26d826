//! `write` stores the OpenAPI document, `check` fails when the stored one is stale.

use std::{io::Write, process::ExitCode};

fn main() -> ExitCode {
    let result = match std::env::args().nth(1).as_deref() {
        Some("write") => tokenhouse_openapi::write().map(|()| None),
        Some("check") => tokenhouse_openapi::difference(),
        _ => Ok(Some("usage: tokenhouse-openapi write|check\n".to_owned())),
    };
    let complaint = match result {
        Ok(None) => return ExitCode::SUCCESS,
        Ok(Some(difference)) => format!(
            "{difference}\nTo store the new one: {}\n",
            tokenhouse_openapi::WRITE_COMMAND
        ),
        Err(error) => format!("openapi.json: {error}\n"),
    };
    // A closed standard error leaves nobody to tell; the exit code does.
    let _told = std::io::stderr().write_all(complaint.as_bytes());
    ExitCode::FAILURE
}
