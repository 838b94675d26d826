//! `tokenhouse serve`

use std::sync::Arc;

use anyhow::Context;
use clap::Args;

use super::ConfigFile;
use crate::{
    config::{LogFormat, SETTINGS, Setting},
    infrastructure::clock::SystemClock,
    server::{self, Server},
};

/// Serve in production; refuses to start on a missing or bad setting
#[derive(Debug, Args)]
#[command(after_help = after_help())]
pub(super) struct Serve {
    #[command(flatten)]
    file: ConfigFile,
}

fn after_help() -> String {
    let mut text = "Settings (X_FILE reads the secret X from a file):\n".to_owned();
    for setting in SETTINGS {
        let Setting {
            name,
            about,
            absent,
            ..
        } = setting;
        text.push_str(&format!("  {name:<36} {about} ({absent})\n"));
    }
    text.push_str("\nExamples:\n  tokenhouse migrate up && tokenhouse serve\n  tokenhouse serve --config /etc/tokenhouse.toml");
    text
}

impl Serve {
    pub(super) async fn run(&self) -> anyhow::Result<()> {
        let (settings, _traces) = self.file.read(LogFormat::Json)?;
        let settings = settings.check()?;
        let mut stopped = std::pin::pin!(server::stop_signal()?);
        let server = tokio::select! {
            server = Server::start(settings, Arc::new(SystemClock)) => server.context("can't start")?,
            // A start may wait for its stores for as long as they are missing.
            () = &mut stopped => return Ok(()),
        };
        tracing::info!(public = %server.public_address, management = %server.management_address, "serving");
        stopped.await;
        tracing::info!("stopping");
        server.stop().await;
        Ok(())
    }
}
