//! A client's secrets: a new one is rolled out while the old one still counts.

use std::time::Duration;

use super::{administration::Administration, clients};
use crate::{
    app::App,
    application::{error::Error, idempotency::Draft, ports::UnitOfWork},
    domain::{
        audit::{Event, EventKind},
        client::{
            Client,
            secrets::{ClientSecrets, StoredSecret},
        },
        secret::{ClientSecret, OpaqueToken},
        timestamp::Timestamp,
        violation::Violations,
    },
};

/// A secret to be made.
#[derive(Clone, Copy, Debug, Default)]
pub struct CreateSecret {
    /// How long it counts; for ever, when absent.
    pub lifetime: Option<Duration>,
    /// How long the secrets before it go on counting; as long as they do anyway, when absent.
    pub others_for: Option<Duration>,
}

/// What is kept of a secret.
pub fn stored(
    app: &App,
    secret: &OpaqueToken<ClientSecret>,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> StoredSecret {
    StoredSecret {
        id: uuid::Builder::from_random_bytes(app.random()).into_uuid(),
        digest: secret.digest(),
        created_at: now,
        expires_at,
    }
}

/// Makes one more secret. It is told this once.
pub async fn create(
    app: &App,
    admin: &Administration,
    client: &str,
    command: CreateSecret,
    now: Timestamp,
) -> Result<Draft<(StoredSecret, OpaqueToken<ClientSecret>)>, Error> {
    let before = clients::find(app, admin.tenant(), client).await?;
    if !before.metadata.auth_method().has_secret() {
        let detail =
            "the client does not authenticate with a secret: see token_endpoint_auth_method";
        return Err(Error::Invalid(Violations::one("", detail)));
    }
    let secret = OpaqueToken::from_entropy(app.random());
    let end = command.lifetime.map(|lifetime| now + lifetime);
    let fresh = stored(app, &secret, end, now);
    let others_end = command.others_for.map(|time| now + time);
    let secrets = before
        .secrets
        .with(fresh.clone(), others_end, now)
        .map_err(|_| Error::TooManySecrets)?;
    let work = replaced(app, admin, before, secrets, now).await?;
    let event = Event::new(EventKind::ClientSecretCreated)
        .target(client)
        .detail("secret_id", fresh.id.to_string());
    Ok(Draft::new((fresh, secret), work, event))
}

/// Ends a secret now.
pub async fn delete(
    app: &App,
    admin: &Administration,
    client: &str,
    secret: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let before = clients::find(app, admin.tenant(), client).await?;
    let id = secret.parse().map_err(|_| Error::NotFound)?;
    let secrets = before.secrets.without(id, now).ok_or(Error::NotFound)?;
    let work = replaced(app, admin, before, secrets, now).await?;
    work.commit().await?;
    let event = Event::new(EventKind::ClientSecretDeleted)
        .target(client)
        .detail("secret_id", id.to_string());
    admin.note(app, event, now);
    Ok(())
}

/// The client has other secrets once this is committed.
async fn replaced(
    app: &App,
    admin: &Administration,
    before: Client,
    secrets: ClientSecrets,
    now: Timestamp,
) -> Result<Box<dyn UnitOfWork>, Error> {
    let seen = before.updated_at;
    let after = Client {
        secrets,
        updated_at: now.max(seen.next()),
        ..before
    };
    let mut work = app.store.begin(admin.tenant()).await?;
    // Of two changes at the same moment one must see the other: it is told to try again.
    if !work.update_client(&after, seen).await? {
        return Err(Error::Stale);
    }
    Ok(work)
}
