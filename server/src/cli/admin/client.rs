//! `tokenhouse client`

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{Connection, Page, api::Id};

/// List, create, change and delete the clients of a tenant, and their secrets
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  tokenhouse client create acme --name Web --redirect-uri https://app.example.com/cb
  tokenhouse client create acme --name Admin --grant-type client_credentials --scope tokenhouse:admin
  tokenhouse client add-secret acme c_5mE1… --others-expire-in 86400
  tokenhouse client list acme"
)]
pub(crate) struct Client {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List clients
    List {
        tenant: Id,
        /// Only those whose id or name has this
        #[arg(long)]
        q: Option<String>,
        #[command(flatten)]
        page: Page,
    },
    /// Show a client
    Get { tenant: Id, client_id: Id },
    /// Create a client; its secret is told this once
    Create {
        tenant: Id,
        #[arg(long)]
        name: Option<String>,
        /// Where answers go; may come several times
        #[arg(long = "redirect-uri", value_name = "URI")]
        redirect_uris: Vec<String>,
        /// authorization_code, refresh_token, client_credentials; may come several times
        #[arg(long = "grant-type", value_name = "TYPE")]
        grant_types: Vec<String>,
        /// Scopes that it may ask for, with spaces between
        #[arg(long)]
        scope: Option<String>,
        /// Without a secret: for apps that can't keep one
        #[arg(long)]
        public: bool,
    },
    /// Change a client by a JSON merge patch
    Update {
        tenant: Id,
        client_id: Id,
        /// Such as '{"client_name": "Web"}'
        #[arg(long, value_name = "JSON")]
        set: String,
    },
    /// Delete a client
    Delete {
        tenant: Id,
        client_id: Id,
        /// It can't be undone
        #[arg(long)]
        yes: bool,
    },
    /// List the secrets of a client, without themselves
    Secrets { tenant: Id, client_id: Id },
    /// Make one more secret; it is told this once
    AddSecret {
        tenant: Id,
        client_id: Id,
        /// After how many seconds the secrets before it end
        #[arg(long, value_name = "SECONDS")]
        others_expire_in: Option<u32>,
    },
    /// End a secret now
    DeleteSecret {
        tenant: Id,
        client_id: Id,
        secret_id: Id,
    },
}

const COLUMNS: &[super::Column] = &[
    ("CLIENT ID", "client_id"),
    ("NAME", "client_name"),
    ("GRANT TYPES", "grant_types"),
    ("SCOPE", "scope"),
];
const SECRET_COLUMNS: &[super::Column] = &[
    ("ID", "id"),
    ("CREATED", "created_at"),
    ("EXPIRES", "expires_at"),
];

impl Client {
    pub(crate) async fn run(&self) -> anyhow::Result<()> {
        let (api, out) = (self.connection.open()?, &self.connection);
        let one = |tenant: &Id, client: &Id| format!("/tenants/{tenant}/clients/{client}");
        match &self.command {
            Command::List { tenant, q, page } => {
                let path = format!("/tenants/{tenant}/clients");
                let filters = [("q", q.as_deref())];
                out.list(&api.list(&path, &filters, page.limit).await?, COLUMNS)
            }
            Command::Get { tenant, client_id } => {
                out.object(&api.get(&one(tenant, client_id)).await?)
            }
            Command::Create {
                tenant,
                name,
                redirect_uris,
                grant_types,
                scope,
                public,
            } => {
                let mut body = json!({ "redirect_uris": redirect_uris });
                if let Some(name) = name {
                    body["client_name"] = name.as_str().into();
                }
                if !grant_types.is_empty() {
                    body["grant_types"] = json!(grant_types);
                }
                if let Some(scope) = scope {
                    body["scope"] = scope.as_str().into();
                }
                if *public {
                    body["token_endpoint_auth_method"] = "none".into();
                }
                out.object(
                    &api.create(&format!("/tenants/{tenant}/clients"), &body)
                        .await?,
                )
            }
            Command::Update {
                tenant,
                client_id,
                set,
            } => {
                let patch = serde_json::from_str(set).context("--set is no JSON")?;
                out.object(&api.patch(&one(tenant, client_id), &patch).await?)
            }
            Command::Delete {
                tenant,
                client_id,
                yes,
            } => {
                if !yes {
                    bail!("deleting a client ends all its tokens; add --yes if you mean it");
                }
                api.delete(&one(tenant, client_id)).await?;
                out.done(&format!("client {client_id} is deleted"))
            }
            Command::Secrets { tenant, client_id } => {
                let path = format!("{}/secrets", one(tenant, client_id));
                let page = api.get(&path).await?;
                let items = page["items"].as_array().cloned().unwrap_or_default();
                out.list(&items, SECRET_COLUMNS)
            }
            Command::AddSecret {
                tenant,
                client_id,
                others_expire_in,
            } => {
                let path = format!("{}/secrets", one(tenant, client_id));
                let body = json!({ "others_expire_in": others_expire_in });
                out.object(&api.create(&path, &body).await?)
            }
            Command::DeleteSecret {
                tenant,
                client_id,
                secret_id,
            } => {
                api.delete(&format!("{}/secrets/{secret_id}", one(tenant, client_id)))
                    .await?;
                out.done(&format!("secret {secret_id} counts no more"))
            }
        }
    }
}
