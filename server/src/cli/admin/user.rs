//! `tokenhouse user`

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    Connection, Output, Page,
    api::{Api, Id},
};
use crate::cli::say;

/// List, create, invite, change, import and delete the users of a tenant
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  tokenhouse user create acme --email ada@example.com --name Ada --password-file ada.txt
  tokenhouse user invite acme --email grace@example.com --role owner
  tokenhouse user list acme --q ada
  tokenhouse user disable acme 01a1f6b2-5f00-7a3c-8d4e-0f1a2b3c4d5e
  tokenhouse user import acme users.ndjson --output json > results.ndjson"
)]
pub(crate) struct User {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List users
    List {
        tenant: Id,
        /// Only those whose address or name begins with this
        #[arg(long)]
        q: Option<String>,
        #[command(flatten)]
        page: Page,
    },
    /// Show a user
    Get { tenant: Id, user_id: Id },
    /// Create a user
    Create {
        tenant: Id,
        #[arg(long)]
        email: String,
        #[arg(long)]
        name: String,
        /// The id that another system knows the user by
        #[arg(long)]
        external_id: Option<String>,
        /// A role to hold; may come several times
        #[arg(long = "role")]
        roles: Vec<String>,
        /// File whose first line is the password; without it the user has none
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Invite somebody: prints, this once, the link by which the address becomes a user
    Invite {
        tenant: Id,
        #[arg(long)]
        email: String,
        /// What the sign-up page begins with
        #[arg(long)]
        name: Option<String>,
        /// A role to hold; may come several times
        #[arg(long = "role")]
        roles: Vec<String>,
        /// After how many seconds the link counts no more; a week by default
        #[arg(long, value_name = "SECONDS")]
        expires_in: Option<u32>,
    },
    /// List invitations
    Invitations {
        tenant: Id,
        /// pending, accepted, expired or revoked
        #[arg(long)]
        state: Option<String>,
        #[arg(long)]
        email: Option<String>,
        #[command(flatten)]
        page: Page,
    },
    /// Take an invitation back
    RevokeInvitation { tenant: Id, invitation_id: Id },
    /// Change a user by a JSON merge patch
    Update {
        tenant: Id,
        user_id: Id,
        /// Such as '{"roles": ["admin"]}'
        #[arg(long, value_name = "JSON")]
        set: String,
    },
    /// Let a user sign in no more, and end its sessions
    Disable { tenant: Id, user_id: Id },
    /// Let a disabled user sign in again
    Enable { tenant: Id, user_id: Id },
    /// End all sessions of a user
    EndSessions { tenant: Id, user_id: Id },
    /// Delete a user
    Delete {
        tenant: Id,
        user_id: Id,
        /// It can't be undone
        #[arg(long)]
        yes: bool,
    },
    /// Import users from NDJSON, one a line; prints a result a line
    Import {
        tenant: Id,
        /// `-` is standard input
        file: PathBuf,
    },
}

const COLUMNS: &[super::Column] = &[
    ("USER ID", "user_id"),
    ("EMAIL", "email"),
    ("NAME", "name"),
    ("STATE", "state"),
    ("ROLES", "roles"),
    ("CREATED", "created_at"),
];

const INVITATION_COLUMNS: &[super::Column] = &[
    ("INVITATION ID", "invitation_id"),
    ("EMAIL", "email"),
    ("STATE", "state"),
    ("ROLES", "roles"),
    ("EXPIRES", "expires_at"),
];

impl User {
    pub(crate) async fn run(&self) -> anyhow::Result<()> {
        let (api, out) = (self.connection.open()?, &self.connection);
        let one = |tenant: &Id, user: &Id| format!("/tenants/{tenant}/users/{user}");
        match &self.command {
            Command::List { tenant, q, page } => {
                let path = format!("/tenants/{tenant}/users");
                let filters = [("q", q.as_deref())];
                out.list(&api.list(&path, &filters, page.limit).await?, COLUMNS)
            }
            Command::Get { tenant, user_id } => out.object(&api.get(&one(tenant, user_id)).await?),
            Command::Create {
                tenant,
                email,
                name,
                external_id,
                roles,
                password_file,
            } => {
                let mut body = json!({ "email": email, "name": name, "roles": roles });
                if let Some(id) = external_id {
                    body["external_id"] = id.as_str().into();
                }
                if let Some(file) = password_file {
                    body["password"] = first_line(file)?.as_str().into();
                }
                out.object(
                    &api.create(&format!("/tenants/{tenant}/users"), &body)
                        .await?,
                )
            }
            Command::Invite {
                tenant,
                email,
                name,
                roles,
                expires_in,
            } => {
                let body = json!({ "email": email, "name": name, "roles": roles, "expires_in": expires_in });
                let path = format!("/tenants/{tenant}/invitations");
                out.object(&api.create(&path, &body).await?)
            }
            Command::Invitations {
                tenant,
                state,
                email,
                page,
            } => {
                let path = format!("/tenants/{tenant}/invitations");
                let filters = [("state", state.as_deref()), ("email", email.as_deref())];
                let items = api.list(&path, &filters, page.limit).await?;
                out.list(&items, INVITATION_COLUMNS)
            }
            Command::RevokeInvitation {
                tenant,
                invitation_id,
            } => {
                api.delete(&format!("/tenants/{tenant}/invitations/{invitation_id}"))
                    .await?;
                out.done(&format!("invitation {invitation_id} is revoked"))
            }
            Command::Update {
                tenant,
                user_id,
                set,
            } => {
                let patch = serde_json::from_str(set).context("--set is no JSON")?;
                out.object(&api.patch(&one(tenant, user_id), &patch).await?)
            }
            Command::Disable { tenant, user_id } => {
                let patch = json!({ "state": "disabled" });
                out.object(&api.patch(&one(tenant, user_id), &patch).await?)
            }
            Command::Enable { tenant, user_id } => {
                let patch = json!({ "state": "active" });
                out.object(&api.patch(&one(tenant, user_id), &patch).await?)
            }
            Command::EndSessions { tenant, user_id } => {
                let path = format!("{}/end-sessions", one(tenant, user_id));
                api.send(api.request(reqwest::Method::POST, &path)?).await?;
                out.done("all sessions are ended")
            }
            Command::Delete {
                tenant,
                user_id,
                yes,
            } => {
                if !yes {
                    bail!("deleting a user can't be undone; add --yes if you mean it");
                }
                api.delete(&one(tenant, user_id)).await?;
                out.done(&format!("user {user_id} is deleted"))
            }
            Command::Import { tenant, file } => import(&api, out, tenant, file).await,
        }
    }
}

fn first_line(file: &Path) -> anyhow::Result<Zeroizing<String>> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{} can't be read", file.display()))?;
    let text = Zeroizing::new(text);
    let line = text.lines().next().context("the password file is empty")?;
    Ok(Zeroizing::new(line.to_owned()))
}

/// Streams the file up and the results down. People see how far it is; programs get every line.
async fn import(api: &Api, out: &Connection, tenant: &Id, file: &Path) -> anyhow::Result<()> {
    let body = if file == Path::new("-") {
        reqwest::Body::wrap_stream(tokio_util::io::ReaderStream::new(tokio::io::stdin()))
    } else {
        let opened = tokio::fs::File::open(file).await;
        let opened = opened.with_context(|| format!("{} can't be read", file.display()))?;
        reqwest::Body::wrap_stream(tokio_util::io::ReaderStream::new(opened))
    };
    let mut answer = api
        .upload(&format!("/tenants/{tenant}/users/import"), body)
        .await?;
    let mut progress = Progress::default();
    let mut rest = Vec::new();
    while let Some(chunk) = answer.chunk().await.context("the import broke off")? {
        rest.extend_from_slice(&chunk);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            progress.take(String::from_utf8_lossy(&line).trim(), out.output)?;
        }
    }
    progress.finish()
}

#[derive(Default)]
struct Progress {
    lines: u64,
    refused: u64,
    summary: Value,
}

impl Progress {
    fn take(&mut self, line: &str, output: Output) -> anyhow::Result<()> {
        if line.is_empty() {
            return Ok(());
        }
        let result: Value = serde_json::from_str(line).context("a result is no JSON")?;
        if result.get("summary").is_some() {
            self.summary = result["summary"].clone();
            if output == Output::Json {
                say(line)?;
            }
            return Ok(());
        }
        self.lines += 1;
        let refused = result["status"] == "failed";
        self.refused += u64::from(refused);
        if output == Output::Json || refused {
            say(line)?;
        }
        if self.lines.is_multiple_of(1_000) && std::io::stderr().is_terminal() {
            write!(std::io::stderr(), "\r{} users", self.lines)?;
        }
        Ok(())
    }

    fn finish(&self) -> anyhow::Result<()> {
        if self.summary.is_null() {
            bail!(
                "the import ended early, after {} lines; the ones before are kept, and it may be run again",
                self.lines
            );
        }
        writeln!(
            std::io::stderr(),
            "{}",
            super::table::members(&self.summary).trim_end()
        )?;
        if self.refused > 0 {
            bail!("{} of {} users were not imported", self.refused, self.lines);
        }
        Ok(())
    }
}
