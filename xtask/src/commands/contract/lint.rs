//! Two linters over the document, with no finding.

use anyhow::Result;

use super::Context;
use crate::process::{expect_success, run};
use crate::progress::Progress;

pub(super) fn run_step(context: &Context<'_>, progress: &Progress) -> Result<()> {
    let node = context.node(progress)?;
    let spectral = [
        "lint",
        "openapi/openapi.json",
        "--ruleset",
        "openapi/.spectral.yaml",
        // A hint is a finding too.
        "--fail-severity",
        "hint",
    ];
    let redocly = [
        "lint",
        "openapi/openapi.json",
        "--config",
        "openapi/redocly.yaml",
        "--format",
        "stylish",
    ];
    for (name, arguments) in [("spectral", spectral.as_slice()), ("redocly", &redocly)] {
        progress.note(format!("{name} {}", arguments.join(" ")));
        let mut command = node.program(name);
        command
            .args(arguments)
            .current_dir(&context.workspace.root)
            .env("REDOCLY_TELEMETRY", "off")
            .env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
        expect_success(name, run(&mut command, context.interrupt)?)?;
    }
    Ok(())
}
