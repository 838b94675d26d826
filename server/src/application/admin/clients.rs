//! Clients of a tenant: made with a secret that is shown once.

use crate::{
    app::App,
    application::error::Error,
    domain::{
        client::{Client, ClientId, ClientKind},
        secret::{ClientSecret, OpaqueToken},
        tenant::TenantScope,
        timestamp::Timestamp,
    },
};

/// A client to be made.
#[derive(Clone, Debug)]
pub struct CreateClient {
    pub id: ClientId,
    pub name: String,
    pub confidential: bool,
}

/// Makes a client; a confidential one with its secret.
pub async fn create(
    app: &App,
    tenant: &TenantScope,
    command: CreateClient,
    now: Timestamp,
) -> Result<(Client, Option<OpaqueToken<ClientSecret>>), Error> {
    let secret = command
        .confidential
        .then(|| OpaqueToken::from_entropy(app.random()));
    let kind = secret
        .as_ref()
        .map_or(ClientKind::Public, |secret: &OpaqueToken<ClientSecret>| {
            ClientKind::Confidential {
                secret_digest: secret.digest(),
            }
        });
    let client = Client {
        id: command.id,
        name: command.name,
        kind,
        first_party: false,
        not_before: None,
        created_at: now,
        updated_at: now,
    };
    let mut work = app.store.begin(tenant).await?;
    work.add_client(&client).await?;
    work.commit().await?;
    Ok((client, secret))
}
