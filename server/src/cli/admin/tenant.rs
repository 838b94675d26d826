//! `tokenhouse tenant`

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Connection, Page, api::Id};

/// Create, list, change, suspend and delete tenants
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  tokenhouse tenant create acme --name 'Acme Inc.'
  tokenhouse tenant list --q ac --output json
  tokenhouse tenant settings acme --set '{\"access_token_ttl\": 600}'
  tokenhouse tenant delete acme --yes"
)]
pub(crate) struct Tenant {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List tenants
    List {
        /// Only those whose slug, or else whose name, begins with this
        #[arg(long)]
        q: Option<String>,
        #[command(flatten)]
        page: Page,
    },
    /// Show a tenant
    Get { slug: Id },
    /// Create a tenant
    Create {
        slug: String,
        /// What people call it; the slug when absent
        #[arg(long)]
        name: Option<String>,
        /// What differs from the default settings, as JSON
        #[arg(long, value_name = "JSON")]
        settings: Option<String>,
    },
    /// Give a tenant another name
    Rename { slug: Id, name: String },
    /// Show a tenant's settings, or change them
    Settings {
        slug: Id,
        /// A JSON merge patch: members that are missing stay, null is the default again
        #[arg(long, value_name = "JSON")]
        set: Option<String>,
    },
    /// Make a tenant answer like one that does not exist
    Suspend { slug: Id },
    /// Let a suspended tenant serve again
    Resume { slug: Id },
    /// Delete a tenant with all that it has
    Delete {
        slug: Id,
        /// It can't be undone: its data key is destroyed at once
        #[arg(long)]
        yes: bool,
    },
}

const COLUMNS: &[super::Column] = &[
    ("SLUG", "slug"),
    ("NAME", "name"),
    ("STATE", "state"),
    ("ISSUER", "issuer"),
    ("CREATED", "created_at"),
];

/// JSON that somebody typed.
fn parsed(text: &str, option: &str) -> anyhow::Result<Value> {
    serde_json::from_str(text).with_context(|| format!("{option} is no JSON"))
}

impl Tenant {
    pub(crate) async fn run(&self) -> anyhow::Result<()> {
        let (api, out) = (self.connection.open()?, &self.connection);
        match &self.command {
            Command::List { q, page } => {
                let filters = [("q", q.as_deref())];
                out.list(&api.list("/tenants", &filters, page.limit).await?, COLUMNS)
            }
            Command::Get { slug } => out.object(&api.get(&format!("/tenants/{slug}")).await?),
            Command::Create {
                slug,
                name,
                settings,
            } => {
                let mut body = json!({ "slug": slug, "name": name });
                if let Some(settings) = settings {
                    body["settings"] = parsed(settings, "--settings")?;
                }
                out.object(&api.create("/tenants", &body).await?)
            }
            Command::Rename { slug, name } => {
                let body = json!({ "name": name });
                out.object(&api.patch(&format!("/tenants/{slug}"), &body).await?)
            }
            Command::Settings { slug, set } => {
                let path = format!("/tenants/{slug}/settings");
                out.object(&match set {
                    None => api.get(&path).await?,
                    Some(set) => api.patch(&path, &parsed(set, "--set")?).await?,
                })
            }
            Command::Suspend { slug } => out.object(
                &api.post(&format!("/tenants/{slug}/suspend"), &json!({}))
                    .await?,
            ),
            Command::Resume { slug } => out.object(
                &api.post(&format!("/tenants/{slug}/resume"), &json!({}))
                    .await?,
            ),
            Command::Delete { slug, yes } => {
                if !yes {
                    bail!("deleting {slug} can't be undone; add --yes if you mean it");
                }
                api.delete(&format!("/tenants/{slug}")).await?;
                out.done(&format!("tenant {slug} is deleted"))
            }
        }
    }
}
