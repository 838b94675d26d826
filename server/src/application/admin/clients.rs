//! Clients of a tenant: made with a secret that is shown once.

use crate::{
    app::App,
    application::error::Error,
    domain::{
        client::{Client, ClientId, metadata::ClientMetadata},
        secret::{ClientSecret, OpaqueToken},
        tenant::TenantScope,
        timestamp::Timestamp,
    },
};

/// A client to be made.
#[derive(Clone, Debug)]
pub struct CreateClient {
    /// A fresh one when absent.
    pub id: Option<ClientId>,
    pub first_party: bool,
    pub metadata: ClientMetadata,
}

/// Makes a client; one that authenticates with a secret gets it.
pub async fn create(
    app: &App,
    tenant: &TenantScope,
    command: CreateClient,
    now: Timestamp,
) -> Result<(Client, Option<OpaqueToken<ClientSecret>>), Error> {
    let secret: Option<OpaqueToken<ClientSecret>> = command
        .metadata
        .auth_method()
        .has_secret()
        .then(|| OpaqueToken::from_entropy(app.random()));
    let client = Client {
        id: command.id.unwrap_or_else(|| ClientId::new(app.random())),
        secret_digest: secret.as_ref().map(OpaqueToken::digest),
        metadata: command.metadata,
        first_party: command.first_party,
        registration_access: None,
        not_before: None,
        created_at: now,
        updated_at: now,
    };
    let mut work = app.store.begin(tenant).await?;
    work.add_client(&client).await?;
    work.commit().await?;
    Ok((client, secret))
}
