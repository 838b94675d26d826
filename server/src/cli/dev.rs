//! `tokenhouse dev`: a whole installation in one folder, for trying things out.
//!
//! 1. A master key and an operator token, made once.
//! 2. The schema, brought up to date.
//! 3. The server.
//! 4. Tenant `demo` with a user and clients, made once through the same use cases as the API's.
//! 5. `dev.json`, which says all of it to scripts, and the lines that say it to people.

use std::{
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use anyhow::{Context, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{ConfigFile, say};
use crate::{
    app::App,
    application::{
        admin::{self, clients::CreateClient, tenants::CreateTenant},
        error::Error,
        ports::Entropy,
        profile,
        signup::{self, Signup},
    },
    config::{LogFormat, RawSettings},
    domain::{
        client::{
            ClientId,
            metadata::{ApplicationType, AuthMethod, ClientMetadata, GrantType, Introspection},
            redirect_uri::RedirectUri,
        },
        secret::{OpaqueToken, Operator},
        tenant::{Slug, Tenant, TenantScope},
    },
    http::swagger,
    infrastructure::{clock::SystemClock, crypto, database, entropy::SystemEntropy},
    server::{self, Server},
};

const TENANT: &str = "demo";
const EMAIL: &str = "demo@example.com";
/// Where `examples/nextjs` runs: its pages use the demo tenant's cookies.
const EXAMPLE_ORIGIN: &str = "http://localhost:3000";

/// Try it: starts with a demo tenant, on SQLite, with all data under ./data
#[derive(Debug, Args)]
#[command(
    after_help = "No service is needed. The first start makes a master key, an operator token, tenant `demo`, a
user and clients; later starts use them again. Every setting of `serve` works here too.

Examples:
  tokenhouse dev
  TOKENHOUSE_LISTEN=127.0.0.1:3000 TOKENHOUSE_PUBLIC_URL=http://localhost:3000 tokenhouse dev
  TOKENHOUSE_REDIS_URL=redis://127.0.0.1/ tokenhouse dev"
)]
pub(super) struct Dev {
    #[command(flatten)]
    file: ConfigFile,
}

/// `dev.json`. Its form is part of the contract: scripts read it.
#[derive(Serialize, Deserialize)]
struct DevFile {
    public_url: String,
    management_url: String,
    operator_token: String,
    tenant: String,
    issuer: String,
    user: DevUser,
    clients: Vec<DevClient>,
}

#[derive(Clone, Serialize, Deserialize)]
struct DevUser {
    email: String,
    password: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct DevClient {
    client_id: String,
    client_secret: Option<String>,
    kind: String,
}

impl Dev {
    pub(super) async fn run(&self) -> anyhow::Result<()> {
        let started = Instant::now();
        let stopped = server::stop_signal()?;
        let (mut raw, _traces) = self.file.read(LogFormat::Pretty)?;
        let folder = Folder::open(&raw.data_dir())?;
        let earlier = folder.read_dev_file()?;
        let operator_token = folder.defaults(&mut raw, earlier.as_ref())?;
        let settings = raw.check()?;

        let database = database::connect(&settings.database_url)
            .await
            .context("the database can't be opened")?;
        tokenhouse_migration::up(database.connection())
            .await
            .context("the schema can't be brought up to date")?;
        drop(database);
        let public_url = settings
            .public_url
            .as_str()
            .trim_end_matches('/')
            .to_owned();
        let server = Server::start(settings, Arc::new(SystemClock))
            .await
            .context("can't start")?;

        let (user, clients) = seed(&server.app, &operator_token, earlier, &folder).await?;
        let file = DevFile {
            issuer: format!("{public_url}/t/{TENANT}"),
            public_url,
            management_url: format!("http://{}", server.management_address),
            operator_token,
            tenant: TENANT.to_owned(),
            user,
            clients,
        };
        folder.write_private(
            "dev.json",
            &format!("{}\n", serde_json::to_string_pretty(&file)?),
        )?;
        announce(&file, &folder, started)?;
        stopped.await;
        server.stop().await;
        Ok(())
    }
}

/// The data folder.
struct Folder(PathBuf);

impl Folder {
    fn open(path: &Path) -> anyhow::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("{} can't be made", path.display()))?;
        Ok(Self(fs::canonicalize(path).with_context(|| {
            format!("{} can't be opened", path.display())
        })?))
    }

    fn read_dev_file(&self) -> anyhow::Result<Option<DevFile>> {
        let path = self.0.join("dev.json");
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map(Some).with_context(|| {
                format!(
                    "{} can't be read: mend it, or delete {}",
                    path.display(),
                    self.0.display()
                )
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{} can't be read", path.display())),
        }
    }

    /// Fills in what was not set; the operator token that is in force.
    fn defaults(&self, raw: &mut RawSettings, earlier: Option<&DevFile>) -> anyhow::Result<String> {
        let master_key = self.0.join("master.key");
        if raw.get("TOKENHOUSE_MASTER_KEY").is_none() && !master_key.exists() {
            self.write_private(
                "master.key",
                &format!("{}\n", crypto::generate_line(&SystemEntropy).as_str()),
            )?;
        }
        if raw.get("TOKENHOUSE_MASTER_KEY").is_none() {
            let line = fs::read_to_string(&master_key)
                .with_context(|| format!("{} can't be read", master_key.display()))?;
            raw.default_to("TOKENHOUSE_MASTER_KEY", || line);
        }
        raw.default_to("TOKENHOUSE_OPERATOR_TOKEN", || match earlier {
            Some(earlier) => earlier.operator_token.clone(),
            None => OpaqueToken::<Operator>::from_entropy(random())
                .expose()
                .to_owned(),
        });
        let database = self.0.join("tokenhouse.db");
        raw.default_to("TOKENHOUSE_DATABASE_URL", || {
            format!("sqlite://{}", database.display())
        });
        if let Some(listen) = raw.get("TOKENHOUSE_LISTEN").map(str::to_owned)
            && let Some((_, port)) = listen.rsplit_once(':')
        {
            raw.default_to("TOKENHOUSE_PUBLIC_URL", || {
                format!("http://localhost:{port}")
            });
        }
        raw.default_to("TOKENHOUSE_PUBLIC_URL", || {
            "http://localhost:8080".to_owned()
        });
        // Applications in development publish their keys and hear of logouts on this machine.
        raw.default_to("TOKENHOUSE_OUTBOUND_ALLOWED_NETWORKS", || {
            "127.0.0.0/8,::1/128".to_owned()
        });
        let token = raw
            .get("TOKENHOUSE_OPERATOR_TOKEN")
            .and_then(|tokens| tokens.lines().next());
        Ok(token.unwrap_or_default().trim().to_owned())
    }

    /// Writes a file that only its owner can read, whole or not at all.
    fn write_private(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let (path, draft) = (self.0.join(name), self.0.join(format!(".{name}.new")));
        let write = || {
            let mut file = fs::OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .mode(0o600)
                .open(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, &path)
        };
        write().with_context(|| format!("{} can't be written", path.display()))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    SystemEntropy.fill(&mut bytes);
    bytes
}

/// Makes the demo tenant with its user and clients, or finds what an earlier start made.
async fn seed(
    app: &App,
    operator_token: &str,
    earlier: Option<DevFile>,
    folder: &Folder,
) -> anyhow::Result<(DevUser, Vec<DevClient>)> {
    let operator = admin::authenticate_operator(app, Some(operator_token))?;
    let command = CreateTenant {
        slug: TENANT.to_owned(),
        name: Some("Demo".to_owned()),
        settings: demo_settings(),
    };
    let tenant = match (
        admin::tenants::create(app, operator, command, app.now()).await,
        earlier,
    ) {
        (Ok(tenant), _) => tenant,
        (Err(Error::SlugTaken), Some(earlier)) => {
            repair(app).await?;
            return Ok((earlier.user, earlier.clients));
        }
        (Err(Error::SlugTaken), None) => bail!(
            "tenant `{TENANT}` exists in the database, but {0}/dev.json, which knows its password, does not: restore \
             the file, or delete {0} (and the tenant) to start over",
            folder.path().display()
        ),
        (Err(error), _) => return Err(error).context("tenant `demo` can't be made"),
    };
    let user = DevUser {
        email: EMAIL.to_owned(),
        password: readable_password(),
    };
    let clients = furnish(app, tenant, &user)
        .await
        .context("the demo user and clients can't be made")?;
    Ok((user, clients))
}

fn demo_settings() -> serde_json::Map<String, serde_json::Value> {
    let settings = serde_json::json!({ "allowed_origins": [EXAMPLE_ORIGIN] });
    settings.as_object().cloned().unwrap_or_default()
}

async fn furnish(app: &App, tenant: Tenant, user: &DevUser) -> anyhow::Result<Vec<DevClient>> {
    let scope = tenant.enter(&app.public_url)?;
    let command = Signup {
        name: "Demo User".to_owned(),
        email: user.email.clone(),
        password: Zeroizing::new(user.password.clone()),
        avatar_url: None,
        invitation: None,
    };
    let made = signup::signup(app, &scope, command, app.now()).await?;
    profile::patch(app, &scope, &made, &demo_profile(), app.now()).await?;
    let mut clients = vec![DevClient {
        client_id: ClientId::first_party().to_string(),
        client_secret: None,
        kind: "first_party".to_owned(),
    }];
    for (id, kind) in [("demo-web", "confidential"), ("demo-spa", "public")] {
        let confidential = kind == "confidential";
        let command = CreateClient {
            id: Some(ClientId::parse(id)?),
            first_party: false,
            metadata: demo_metadata(id, confidential, &scope)?,
            registration_access: None,
        };
        let (client, secret) = admin::clients::create(app, &scope, command, app.now()).await?;
        clients.push(DevClient {
            client_id: client.id.to_string(),
            client_secret: secret.map(|secret| secret.expose().to_owned()),
            kind: kind.to_owned(),
        });
    }
    Ok(clients)
}

/// Eighty random bits in letters that are hard to mistake.
fn readable_password() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let letters: Vec<_> = random()
        .iter()
        .take(16)
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
        .collect();
    letters
        .chunks(4)
        .map(|group| group.iter().collect::<String>())
        .collect::<Vec<_>>()
        .join("-")
}

fn announce(file: &DevFile, folder: &Folder, started: Instant) -> anyhow::Result<()> {
    let DevFile {
        public_url,
        issuer,
        user,
        operator_token,
        ..
    } = file;
    let DevUser { email, password } = user;
    say(format!(
        "
Tokenhouse is ready after {} ms.

  Issuer       {issuer}
  Swagger UI   {public_url}/docs/ with the operator token; {issuer}/docs/ as the user, with client demo-spa
  Readiness    {}/readyz
  User         {email} with password {password}
  Operator     {operator_token}
  Data         {} (dev.json has all of this)

Log in:

  curl -s {issuer}/auth/login -H 'Content-Type: application/json' \\
    -d '{{\"email\":\"{email}\",\"password\":\"{password}\",\"delivery\":\"body\"}}'

Refresh (with the refresh_token of that answer):

  curl -s {issuer}/auth/refresh -H 'Content-Type: application/json' -d '{{\"refresh_token\":\"thr_…\"}}'

Stop with Ctrl-C.",
        started.elapsed().as_millis(),
        file.management_url,
        folder.path().display(),
    ))
}

/// What the demo clients registered: applications on this machine, at the usual ports.
fn demo_metadata(
    id: &str,
    confidential: bool,
    tenant: &TenantScope,
) -> anyhow::Result<ClientMetadata> {
    let swagger_ui = swagger_ui(tenant);
    let uris = |texts: &[&str]| -> anyhow::Result<Vec<RedirectUri>> {
        texts
            .iter()
            .map(|text| Ok(RedirectUri::parse(text)?))
            .collect()
    };
    let mut grant_types = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
    if confidential {
        grant_types.push(GrantType::ClientCredentials);
    }
    Ok(ClientMetadata {
        client_name: match id {
            "demo-web" => "Demo web application".to_owned(),
            _ => "Demo single-page application".to_owned(),
        },
        token_endpoint_auth_method: (!confidential).then_some(AuthMethod::None),
        grant_types,
        // So that any port of this machine will do.
        application_type: ApplicationType::Native,
        redirect_uris: uris(&[
            "http://localhost/callback",
            "http://127.0.0.1/callback",
            &swagger_ui,
        ])?,
        post_logout_redirect_uris: uris(&["http://localhost/", "http://127.0.0.1/"])?,
        introspection: if confidential {
            Introspection::Tenant
        } else {
            Introspection::Own
        },
        ..ClientMetadata::default()
    })
}

/// Where the tenant's Swagger UI comes back to when it signs in with one of them.
fn swagger_ui(tenant: &TenantScope) -> String {
    format!("{}{}", tenant.issuer().as_str(), swagger::OAUTH_REDIRECT)
}

/// Every standard claim, so that every scope has something to show.
fn demo_profile() -> serde_json::Map<String, serde_json::Value> {
    let members = serde_json::json!({
        "given_name": "Demo",
        "family_name": "User",
        "middle_name": "D.",
        "nickname": "demo",
        "preferred_username": "demo",
        "profile": "https://example.com/demo",
        "website": "https://example.com/",
        "gender": "unspecified",
        "birthdate": "2000-02-29",
        "zoneinfo": "Europe/Berlin",
        "locale": "en-GB",
        "phone_number": "+441632960961",
        "address": {
            "street_address": "1 Demo Street",
            "locality": "Demo Town",
            "postal_code": "12345",
            "country": "DE",
        },
    });
    members.as_object().cloned().unwrap_or_default()
}

/// Gives demo clients of an earlier version the addresses that they lack.
async fn repair(app: &App) -> anyhow::Result<()> {
    let slug = Slug::parse(TENANT)?;
    let Some(tenant) = app.tenants.by_slug(&slug).await? else {
        return Ok(());
    };
    let Ok(scope) = tenant.enter(&app.public_url) else {
        return Ok(());
    };
    let mut work = app.store.begin(&scope).await?;
    let swagger_ui = RedirectUri::parse(&swagger_ui(&scope))?;
    for id in ["demo-web", "demo-spa"] {
        let id = ClientId::parse(id)?;
        if let Some(mut client) = work.client(&id).await?
            && !client.metadata.redirect_uris.contains(&swagger_ui)
        {
            if client.metadata.redirect_uris.is_empty() {
                client.metadata = demo_metadata(id.as_str(), !client.secrets.is_empty(), &scope)?;
            } else {
                client.metadata.redirect_uris.push(swagger_ui.clone());
            }
            let seen = client.updated_at;
            work.update_client(&client, seen).await?;
        }
    }
    Ok(work.commit().await?)
}
