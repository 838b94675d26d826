//! `tokenhouse domain`

use anyhow::bail;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;

use super::{Connection, Page, api::Id};

/// Add, verify and remove the custom domains of a tenant
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  tokenhouse domain create acme login.acme.example    shows the TXT record to make
  tokenhouse domain verify acme login.acme.example
  tokenhouse domain issuer acme login.acme.example on
  tokenhouse domain delete acme login.acme.example --yes"
)]
pub(crate) struct Domain {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List domains
    List {
        tenant: Id,
        #[command(flatten)]
        page: Page,
    },
    /// Show a domain, and what proves it
    Get { tenant: Id, domain: Id },
    /// Claim a domain
    Create { tenant: Id, domain: String },
    /// Look for the proof; with it the domain serves
    Verify { tenant: Id, domain: Id },
    /// Make the domain an issuer, or one no more
    Issuer {
        tenant: Id,
        domain: Id,
        state: Switch,
    },
    /// Give a domain up
    Delete {
        tenant: Id,
        domain: Id,
        /// Tokens and grants of its issuer count no more
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Switch {
    On,
    Off,
}

const COLUMNS: &[super::Column] = &[
    ("DOMAIN", "domain"),
    ("STATE", "state"),
    ("ISSUER", "issuer"),
    ("VERIFIED", "verified_at"),
];

fn path(tenant: &Id, domain: &Id) -> String {
    format!("/tenants/{tenant}/domains/{domain}")
}

impl Domain {
    pub(crate) async fn run(&self) -> anyhow::Result<()> {
        let (api, out) = (self.connection.open()?, &self.connection);
        match &self.command {
            Command::List { tenant, page } => {
                let path = format!("/tenants/{tenant}/domains");
                out.list(&api.list(&path, &[], page.limit).await?, COLUMNS)
            }
            Command::Get { tenant, domain } => out.object(&api.get(&path(tenant, domain)).await?),
            Command::Create { tenant, domain } => {
                let path = format!("/tenants/{tenant}/domains");
                let made = api.create(&path, &json!({ "domain": domain })).await?;
                out.object(&made)
            }
            Command::Verify { tenant, domain } => {
                let path = format!("{}/verify", path(tenant, domain));
                out.object(&api.send(api.request(Method::POST, &path)?).await?)
            }
            Command::Issuer {
                tenant,
                domain,
                state,
            } => {
                let body = json!({ "issuer": *state == Switch::On });
                out.object(&api.patch(&path(tenant, domain), &body).await?)
            }
            Command::Delete {
                tenant,
                domain,
                yes,
            } => {
                if !yes {
                    bail!(
                        "nothing will be served at {domain}, and what its issuer made will count no more; add --yes \
                         if you mean it"
                    );
                }
                api.delete(&path(tenant, domain)).await?;
                out.done(&format!("domain {domain} is given up"))
            }
        }
    }
}
