//! Clients that register themselves (RFC 7591) and manage what they registered (RFC 7592).

use serde_json::{Map, Value};

use super::{
    admin::clients::{self, CreateClient},
    audit,
    error::Error,
    oauth::{OAuthError, Refusal},
    registration,
};
use crate::{
    app::App,
    domain::{
        audit::{Actor, Event, EventKind},
        client::{
            Client, ClientId,
            registration::{Door, Registration, read},
        },
        secret::{ClientSecret, OpaqueToken, RegistrationAccess, TokenDigest},
        tenant::{RegistrationPolicy, TenantScope},
        timestamp::Timestamp,
        violation::Violations,
    },
};

/// A client that was just registered, and what it is told once.
#[derive(Debug)]
pub struct Registered {
    pub client: Client,
    pub secret: Option<OpaqueToken<ClientSecret>>,
    pub access: OpaqueToken<RegistrationAccess>,
}

/// Registers a client, if the tenant's policy lets the caller.
pub async fn register(
    app: &App,
    tenant: &TenantScope,
    bearer: Option<&str>,
    members: &Map<String, Value>,
    now: Timestamp,
) -> Result<Registered, OAuthError> {
    let policy = tenant.policy();
    // Checked before a token is used up, and again nowhere: what is refused here costs nothing.
    if policy.registration == RegistrationPolicy::Off {
        return Err(Refusal::AccessDenied("Clients can not register themselves here.").into());
    }
    if policy.registration == RegistrationPolicy::InitialAccessToken && bearer.is_none() {
        return Err(Refusal::NoToken.into());
    }
    // Before anything is fetched for the caller, and before it hears what is wrong with the rest.
    admit(app, tenant, bearer, now).await?;
    let metadata = checked(app, tenant, members).await?;
    let access = OpaqueToken::<RegistrationAccess>::from_entropy(app.random());
    let command = CreateClient {
        id: None,
        first_party: false,
        metadata,
        registration_access: Some(access.digest()),
    };
    let (client, secret) = clients::draw(app, command, now);
    // A token is used up and its client made in one step, or neither.
    let mut work = app.store.begin(tenant).await?;
    match policy.registration {
        RegistrationPolicy::Off => {}
        RegistrationPolicy::InitialAccessToken => {
            let token = TokenDigest::of(bearer.unwrap_or_default());
            if !work.use_initial_access(&token, now).await? {
                return Err(unusable().into());
            }
        }
        // Of registrations at the very same time a few may pass: the number is a fence, not a law.
        RegistrationPolicy::Open => {
            let registered = work.count_dynamic_clients().await?;
            if registered >= policy.registration_max_clients.into() {
                return Err(full().into());
            }
        }
    }
    work.add_client(&client).await?;
    work.commit().await?;
    tracing::info!(client.id = %client.id, "client registered itself");
    let event = Event::new(EventKind::ClientRegistered).after(clients::written(&client));
    note(app, tenant, event, Actor::Anonymous, &client, now);
    Ok(Registered {
        client,
        secret,
        access,
    })
}

/// Whether the caller may register at all, as it looks now: what counts is decided when the client is made.
async fn admit(
    app: &App,
    tenant: &TenantScope,
    bearer: Option<&str>,
    now: Timestamp,
) -> Result<(), OAuthError> {
    let policy = tenant.policy();
    let mut view = app.store.view(tenant).await?;
    match policy.registration {
        RegistrationPolicy::Off => Ok(()),
        RegistrationPolicy::InitialAccessToken => {
            let token = TokenDigest::of(bearer.unwrap_or_default());
            match view.is_initial_access(&token, now).await? {
                true => Ok(()),
                false => Err(unusable().into()),
            }
        }
        RegistrationPolicy::Open => {
            let registered = view.count_dynamic_clients().await?;
            match registered >= policy.registration_max_clients.into() {
                true => Err(full().into()),
                false => Ok(()),
            }
        }
    }
}

fn unusable() -> Refusal {
    Refusal::InvalidToken("unknown, used up or expired")
}

fn full() -> Refusal {
    Refusal::AccessDenied("No more clients can register themselves here.")
}

async fn checked(
    app: &App,
    tenant: &TenantScope,
    members: &Map<String, Value>,
) -> Result<crate::domain::client::metadata::ClientMetadata, OAuthError> {
    let policy = tenant.policy();
    let door = Door::Dynamic {
        require_pkce: policy.require_pkce,
        scopes: &policy.registration_scopes,
    };
    let Registration { mut metadata, .. } =
        read(members, door).map_err(|broken| refused(&broken))?;
    // Without credentials there is nothing else that ties a code to its client.
    metadata.require_pkce |= !metadata.auth_method().has_secret()
        && metadata.jwks.is_none()
        && metadata.jwks_uri.is_none();
    registration::check(app, tenant.id(), &metadata)
        .await
        .map_err(|broken| refused(&broken))?;
    Ok(metadata)
}

/// The first broken rule, in the words of RFC 7591 §3.2.2.
fn refused(violations: &Violations) -> Refusal {
    let first = violations.list().first();
    let pointer = first.map_or("", |one| one.pointer.trim_start_matches('/'));
    let text = first.map_or_else(String::new, |one| format!("{pointer} {}.", one.detail));
    if pointer.starts_with("redirect_uris") {
        Refusal::InvalidRedirectUri(text)
    } else {
        Refusal::InvalidClientMetadata(text)
    }
}

/// The client that a registration access token manages. Unknown clients, foreign tokens and missing
/// ones are one answer.
pub async fn manage(
    app: &App,
    tenant: &TenantScope,
    id: &str,
    bearer: Option<&str>,
) -> Result<Client, OAuthError> {
    let bearer = bearer.ok_or(Refusal::NoToken)?;
    let unknown = Refusal::InvalidToken("no such client, or another token");
    let Ok(id) = ClientId::parse(id) else {
        return Err(unknown.into());
    };
    let client = app.store.view(tenant).await?.client(&id).await?;
    let digest = TokenDigest::of(bearer);
    client
        .filter(|client| client.registration_access.as_ref() == Some(&digest))
        .ok_or(unknown.into())
}

/// Members that only we say (RFC 7592 §2.2).
const OURS: [&str; 4] = [
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
];

/// Replaces what a client registered (RFC 7592 §2.2): what is missing gets its default.
pub async fn replace(
    app: &App,
    tenant: &TenantScope,
    client: Client,
    members: &Map<String, Value>,
    now: Timestamp,
) -> Result<Client, OAuthError> {
    let wrong = |text: &str| Refusal::InvalidRequest(text.to_owned());
    if members.get("client_id").and_then(Value::as_str) != Some(client.id.as_str()) {
        return Err(wrong("client_id must be the client's own.").into());
    }
    if OURS.iter().any(|name| members.contains_key(*name)) {
        return Err(wrong("The body has members that only the server says.").into());
    }
    if let Some(secret) = members.get("client_secret") {
        let presented = secret.as_str().map(TokenDigest::of);
        if !presented.is_some_and(|presented| client.secrets.know(&presented, now)) {
            return Err(wrong("client_secret is not the client's.").into());
        }
    }
    let mut metadata = checked(app, tenant, members).await?;
    let before = &client.metadata;
    if metadata.auth_method().has_secret() != before.auth_method().has_secret() {
        // A secret is told once, at registration; there is none to begin with here.
        return Err(wrong("token_endpoint_auth_method can't change to or from a secret.").into());
    }
    if metadata.subject_type != before.subject_type {
        return Err(wrong("subject_type can't change: users would become strangers.").into());
    }
    // What an administrator decided stays decided.
    metadata.require_pkce |= before.require_pkce;
    metadata.resources.clone_from(&before.resources);
    metadata.introspection = before.introspection;
    metadata.lifetimes = before.lifetimes;
    let scopes = before.scope.clone();
    metadata.scope = metadata.scope.union(&scopes.filtered(|one| {
        members
            .get("scope")
            .and_then(Value::as_str)
            .is_some_and(|asked| asked.split(' ').any(|word| word == one))
    }));
    let seen = client.updated_at;
    let before = clients::written(&client);
    let client = Client {
        metadata,
        updated_at: now.max(seen.next()),
        ..client
    };
    let mut work = app.store.begin(tenant).await?;
    if !work.update_client(&client, seen).await? {
        return Err(Refusal::InvalidToken("no such client, or changed at this moment").into());
    }
    work.commit().await?;
    tracing::info!(client.id = %client.id, "client replaced its registration");
    let actor = Actor::Client(client.id.clone());
    let event = Event::new(EventKind::ClientChanged).change(&before, &clients::written(&client));
    note(app, tenant, event, actor, &client, now);
    Ok(client)
}

/// Deletes a client on its own wish (RFC 7592 §2.3).
pub async fn delete(
    app: &App,
    tenant: &TenantScope,
    client: &Client,
    now: Timestamp,
) -> Result<(), OAuthError> {
    match clients::remove(app, tenant, &client.id).await {
        Ok(ended) => {
            let actor = Actor::Client(client.id.clone());
            let event = Event::new(EventKind::ClientDeleted).before(clients::written(client));
            note(app, tenant, event, actor, client, now);
            ended.forget(app, tenant).await;
            Ok(())
        }
        // It went a moment ago.
        Err(Error::NotFound) => Ok(()),
        Err(error) => Err(OAuthError::Failed(error)),
    }
}

fn note(
    app: &App,
    tenant: &TenantScope,
    event: Event,
    actor: Actor,
    client: &Client,
    now: Timestamp,
) {
    let event = event
        .target(&client.id)
        .detail("client_name", client.metadata.client_name.as_str());
    audit::note(app, tenant, actor, event, now);
}
