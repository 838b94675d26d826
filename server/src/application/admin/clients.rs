//! Clients of a tenant: made with a secret that is shown once, read, listed and deleted.

use serde_json::{Map, Value};

use super::{administration::Administration, client_secrets::stored};
use crate::{
    app::App,
    application::{
        error::{Error, StoreError},
        idempotency::Draft,
        page::{Page, size_of, with_one_more},
        ports::UnitOfWork,
        refresh::Ended,
        registration,
    },
    domain::{
        audit::{Event, EventKind},
        client::{
            Client, ClientId,
            metadata::ClientMetadata,
            registration::{Door, Registration, read},
            secrets::ClientSecrets,
        },
        merge_patch,
        role::AdminScope,
        secret::{ClientSecret, OpaqueToken, RegistrationAccess, TokenDigest},
        tenant::TenantScope,
        timestamp::Timestamp,
        violation::Violations,
    },
};

/// A client to be made.
#[derive(Clone, Debug)]
pub struct CreateClient {
    /// A fresh one when absent.
    pub id: Option<ClientId>,
    pub first_party: bool,
    pub metadata: ClientMetadata,
    /// Of a client that registers itself.
    pub registration_access: Option<TokenDigest<RegistrationAccess>>,
}

/// Makes a client from what an administrator sent.
pub async fn register(
    app: &App,
    admin: &Administration,
    members: &Map<String, Value>,
    now: Timestamp,
) -> Result<Draft<(Client, Option<OpaqueToken<ClientSecret>>)>, Error> {
    let Registration {
        id,
        first_party,
        metadata,
    } = read(members, Door::Admin).map_err(Error::Invalid)?;
    registration::check(app, admin.tenant().id(), &metadata)
        .await
        .map_err(Error::Invalid)?;
    let command = CreateClient {
        id,
        first_party,
        metadata,
        registration_access: None,
    };
    let (client, secret) = draw(app, command, now);
    let mut work = app.store.begin(admin.tenant()).await?;
    add(&mut *work, &client).await?;
    let event = Event::new(EventKind::ClientCreated)
        .target(&client.id)
        .after(written(&client));
    Ok(Draft::new((client, secret), work, event))
}

/// Makes a client; one that authenticates with a secret gets it.
pub async fn create(
    app: &App,
    tenant: &TenantScope,
    command: CreateClient,
    now: Timestamp,
) -> Result<(Client, Option<OpaqueToken<ClientSecret>>), Error> {
    let (client, secret) = draw(app, command, now);
    let mut work = app.store.begin(tenant).await?;
    add(&mut *work, &client).await?;
    work.commit().await?;
    tracing::info!(tenant = %tenant.slug(), client.id = %client.id, "client created");
    Ok((client, secret))
}

async fn add(work: &mut dyn UnitOfWork, client: &Client) -> Result<(), Error> {
    match work.add_client(client).await {
        Err(StoreError::Conflict("clients_pkey")) => Err(Error::ClientIdTaken),
        other => Ok(other?),
    }
}

/// A client with its id and secret, not stored yet.
pub fn draw(
    app: &App,
    command: CreateClient,
    now: Timestamp,
) -> (Client, Option<OpaqueToken<ClientSecret>>) {
    let secret: Option<OpaqueToken<ClientSecret>> = command
        .metadata
        .auth_method()
        .has_secret()
        .then(|| OpaqueToken::from_entropy(app.random()));
    let first = secret.as_ref().map(|secret| stored(app, secret, None, now));
    let client = Client {
        id: command.id.unwrap_or_else(|| ClientId::new(app.random())),
        secrets: ClientSecrets::of(first.into_iter().collect()),
        metadata: command.metadata,
        first_party: command.first_party,
        registration_access: command.registration_access,
        not_before: None,
        created_at: now,
        updated_at: now,
    };
    (client, secret)
}

/// Changes a client by a merge patch (RFC 7396) of what it registered, if it is still the one that the
/// caller saw.
pub async fn patch(
    app: &App,
    admin: &Administration,
    id: &str,
    seen: Option<&str>,
    members: &Map<String, Value>,
    now: Timestamp,
) -> Result<Client, Error> {
    let before = find(app, admin.tenant(), id).await?;
    if seen.is_some_and(|seen| seen != version(&before)) {
        return Err(Error::Stale);
    }
    let after = patched(&before, members, now).map_err(Error::Invalid)?;
    let unchanged = Client {
        updated_at: before.updated_at,
        ..after.clone()
    };
    if unchanged == before {
        return Ok(before);
    }
    registration::check(app, admin.tenant().id(), &after.metadata)
        .await
        .map_err(Error::Invalid)?;
    let mut work = app.store.begin(admin.tenant()).await?;
    if !work.update_client(&after, before.updated_at).await? {
        return Err(Error::Stale);
    }
    work.commit().await?;
    let event = Event::new(EventKind::ClientChanged)
        .target(&after.id)
        .change(&written(&before), &written(&after));
    admin.note(app, event, now);
    Ok(after)
}

/// What tells one state of a client from another: its `ETag`.
pub fn version(client: &Client) -> String {
    format!("\"{}\"", client.updated_at.as_micros())
}

/// What a patch may change, as the audit log keeps it.
pub fn written(client: &Client) -> Value {
    let mut members = members_of(client);
    members.insert("first_party".to_owned(), client.first_party.into());
    Value::Object(members)
}

fn members_of(client: &Client) -> Map<String, Value> {
    match serde_json::to_value(&client.metadata) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

/// The client after a patch: read by the same rules as a new one.
fn patched(
    before: &Client,
    patch: &Map<String, Value>,
    now: Timestamp,
) -> Result<Client, Violations> {
    if patch
        .get("client_id")
        .is_some_and(|id| id.as_str() != Some(before.id.as_str()))
    {
        return Err(Violations::one("/client_id", "can't change"));
    }
    let mut patch = patch.clone();
    patch.remove("client_id");
    let merged = merge_patch::merged(Some(&written(before)), &Value::Object(patch));
    let Value::Object(members) = merged else {
        return Err(Violations::one("", "must be a JSON object"));
    };
    let Registration {
        first_party,
        metadata,
        ..
    } = read(&members, Door::Admin)?;
    if metadata.subject_type != before.metadata.subject_type {
        let detail = "can't change: users would become strangers";
        return Err(Violations::one("/subject_type", detail));
    }
    let secrets = if metadata.auth_method().has_secret() {
        before.secrets.clone()
    } else {
        ClientSecrets::default()
    };
    // What an administrator gave it, a client that registered itself must not take elsewhere by its own token.
    let widened = first_party || AdminScope::widest_of(&metadata.scope).is_some();
    let registration_access = before.registration_access.clone().filter(|_| !widened);
    Ok(Client {
        first_party,
        metadata,
        secrets,
        registration_access,
        updated_at: now.max(before.updated_at.next()),
        ..before.clone()
    })
}

/// One client. The session API's own is nobody's to see.
pub async fn find(app: &App, tenant: &TenantScope, id: &str) -> Result<Client, Error> {
    let id = ClientId::parse(id).map_err(|_| Error::NotFound)?;
    let client = app.store.view(tenant).await?.client(&id).await?;
    client
        .filter(|client| client.id != ClientId::first_party())
        .ok_or(Error::NotFound)
}

/// Up to `limit` clients behind `after`.
pub async fn page(
    app: &App,
    tenant: &TenantScope,
    after: Option<&ClientId>,
    limit: u32,
    q: Option<&str>,
) -> Result<Page<Client, ClientId>, Error> {
    let mut view = app.store.view(tenant).await?;
    let items = view.clients_page(after, with_one_more(limit), q).await?;
    let size = |client: &Client| size_of(&client.metadata);
    Ok(Page::within(items, limit, size, |client| client.id.clone()))
}

/// Deletes a client; every grant it has ends.
pub async fn delete(
    app: &App,
    admin: &Administration,
    id: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let client = find(app, admin.tenant(), id).await?;
    let ended = remove(app, admin.tenant(), &client.id).await?;
    let event = Event::new(EventKind::ClientDeleted)
        .target(&client.id)
        .before(written(&client));
    admin.note(app, event, now);
    ended.forget(app, admin.tenant()).await;
    Ok(())
}

/// Deletes a client that was found.
pub async fn remove(app: &App, tenant: &TenantScope, id: &ClientId) -> Result<Ended, Error> {
    let mut work = app.store.begin(tenant).await?;
    let ended = work.delete_client(id).await?.ok_or(Error::NotFound)?;
    work.commit().await?;
    tracing::info!(tenant = %tenant.slug(), client.id = %id, "client deleted");
    Ok(Ended::of(ended))
}
