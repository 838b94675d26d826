//! `tokenhouse registration-token`

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::{Connection, Page, api::Id};

/// Create, list, show and delete the tokens by which clients register themselves with a tenant
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  tokenhouse registration-token create acme --uses 1 --expires-in 86400
  tokenhouse registration-token list acme
  tokenhouse registration-token delete acme 01a1f6b2-5f00-7a3c-8d4e-0f1a2b3c4d5e"
)]
pub(crate) struct RegistrationToken {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a token; it is shown this once
    Create {
        tenant: Id,
        /// How many clients it may register; any number when absent
        #[arg(long)]
        uses: Option<u32>,
        /// After how many seconds it ends; never when absent
        #[arg(long, value_name = "SECONDS")]
        expires_in: Option<u32>,
    },
    /// List tokens, the latest first
    List {
        tenant: Id,
        #[command(flatten)]
        page: Page,
    },
    /// Show one token, without itself
    Get { tenant: Id, id: Id },
    /// Revoke a token at once; what it registered stays
    Delete { tenant: Id, id: Id },
}

const COLUMNS: &[super::Column] = &[
    ("ID", "id"),
    ("STATE", "state"),
    ("USES LEFT", "uses_left"),
    ("CREATED", "created_at"),
    ("EXPIRES", "expires_at"),
];

impl RegistrationToken {
    pub(crate) async fn run(&self) -> anyhow::Result<()> {
        let (api, out) = (self.connection.open()?, &self.connection);
        let path = |tenant: &Id| format!("/tenants/{tenant}/registration-tokens");
        match &self.command {
            Command::Create {
                tenant,
                uses,
                expires_in,
            } => {
                let mut body = Map::new();
                body.extend(uses.map(|n| ("uses".to_owned(), n.into())));
                body.extend(expires_in.map(|n| ("expires_in".to_owned(), n.into())));
                out.object(&api.create(&path(tenant), &Value::Object(body)).await?)
            }
            Command::List { tenant, page } => {
                out.list(&api.list(&path(tenant), &[], page.limit).await?, COLUMNS)
            }
            Command::Get { tenant, id } => {
                out.object(&api.get(&format!("{}/{id}", path(tenant))).await?)
            }
            Command::Delete { tenant, id } => {
                api.delete(&format!("{}/{id}", path(tenant))).await?;
                out.done(&format!("registration token {id} is revoked"))
            }
        }
    }
}
