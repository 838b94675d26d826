//! `tokenhouse keygen`

use clap::Args;

use crate::infrastructure::{crypto, entropy::SystemEntropy};

/// Print a fresh master-key line
#[derive(Debug, Args)]
#[command(
    after_help = "The line goes into TOKENHOUSE_MASTER_KEY or a file that TOKENHOUSE_MASTER_KEY_FILE names.
To rotate, put a new line above the old ones: the first seals, all open.

Example:
  (umask 077; tokenhouse keygen > master.key)"
)]
pub(super) struct Keygen {}

impl Keygen {
    #[expect(clippy::unused_self, reason = "every command runs alike")]
    pub(super) fn run(&self) -> anyhow::Result<()> {
        super::say(crypto::generate_line(&SystemEntropy).as_str())
    }
}
