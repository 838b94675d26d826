//! `tokenhouse key`

use anyhow::bail;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;

use super::{Connection, Page, api::Id};

/// List, rotate, activate and revoke the signing keys of a tenant; show the master keys
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  tokenhouse key list acme
  tokenhouse key rotate acme --alg RS256
  tokenhouse key revoke acme -JTecBx2yauh5Smly35NSsxAKE4QbWvTHbO8kaZj7XE --yes
  tokenhouse key master                 which master keys may be taken out of the settings"
)]
pub(crate) struct Key {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List signing keys
    List {
        tenant: Id,
        #[command(flatten)]
        page: Page,
    },
    /// Publish the next key; it signs as soon as verifiers know it
    Rotate {
        tenant: Id,
        /// RS256, ES256, PS256 or EdDSA; that of access tokens when absent
        #[arg(long)]
        alg: Option<String>,
    },
    /// Let the next key sign now, if verifiers know it
    Activate {
        tenant: Id,
        #[arg(allow_hyphen_values = true)]
        kid: Id,
    },
    /// End a key that got into wrong hands, with all that it signed
    Revoke {
        tenant: Id,
        #[arg(allow_hyphen_values = true)]
        kid: Id,
        /// Every token that it signed counts no more
        #[arg(long)]
        yes: bool,
    },
    /// Forget a key that nothing needs
    Delete {
        tenant: Id,
        #[arg(allow_hyphen_values = true)]
        kid: Id,
    },
    /// List the master keys and what rests on them
    Master,
}

const COLUMNS: &[super::Column] = &[
    ("KID", "kid"),
    ("ALG", "alg"),
    ("STATE", "state"),
    ("SINCE", "since"),
    ("UNTIL", "until"),
];
const MASTER_COLUMNS: &[super::Column] = &[
    ("ID", "id"),
    ("SEALS", "seals"),
    ("DATA KEYS", "data_keys"),
    ("ALL COUNTED", "all_counted"),
];

impl Key {
    pub(crate) async fn run(&self) -> anyhow::Result<()> {
        let (api, out) = (self.connection.open()?, &self.connection);
        match &self.command {
            Command::List { tenant, page } => {
                let path = format!("/tenants/{tenant}/keys");
                out.list(&api.list(&path, &[], page.limit).await?, COLUMNS)
            }
            Command::Rotate { tenant, alg } => {
                let body = alg.as_ref().map_or(json!({}), |alg| json!({ "alg": alg }));
                let path = format!("/tenants/{tenant}/keys");
                out.object(&api.create(&path, &body).await?)
            }
            Command::Activate { tenant, kid } => {
                let path = format!("/tenants/{tenant}/keys/{kid}/activate");
                out.object(&api.send(api.request(Method::POST, &path)?).await?)
            }
            Command::Revoke { tenant, kid, yes } => {
                if !yes {
                    bail!(
                        "every token that {kid} signed will count no more; add --yes if you mean it"
                    );
                }
                let path = format!("/tenants/{tenant}/keys/{kid}/revoke");
                out.object(&api.send(api.request(Method::POST, &path)?).await?)
            }
            Command::Delete { tenant, kid } => {
                api.delete(&format!("/tenants/{tenant}/keys/{kid}")).await?;
                out.done(&format!("key {kid} is forgotten"))
            }
            Command::Master => {
                let list = api.get("/master-keys").await?;
                let items = list["items"].as_array().cloned().unwrap_or_default();
                out.list(&items, MASTER_COLUMNS)
            }
        }
    }
}
