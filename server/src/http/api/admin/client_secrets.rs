//! The secrets of a client.

use std::{sync::Arc, time::Duration};

use poem::web::Data;
use poem_openapi::{Object, OpenApi, types::Example};
use serde::Serialize;

use crate::{
    app::App,
    application::admin::{
        client_secrets::{self, CreateSecret},
        clients,
    },
    domain::{
        client::secrets::StoredSecret,
        secret::{ClientSecret, OpaqueToken},
        timestamp::Timestamp,
    },
    http::{
        api::Tag,
        extract::{
            administration::Administered,
            body::{FromMembers, JsonBody, Members},
            idempotency_key::IdempotencyKey,
            tenant::Segment,
        },
        respond::{
            answer::{Answer, NoContent, Refused, refusals},
            json::{DateTime, Nullable},
            once::Once,
        },
    },
};

/// Operations on the secrets of clients.
#[derive(Debug)]
pub struct ClientSecretsApi;

refusals! {
    /// Refusals of making a secret.
    CreateSecretRefusals {
        400 => "The body is not valid, or the client does not authenticate with a secret.",
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such tenant or client.",
        409 => "The client has five secrets already.",
        412 => "The client was changed at the same moment. Try again.",
        413 => "The body is too large.",
        415 => "The body is not JSON.",
        422 => "Another request had this `Idempotency-Key`.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of the list of secrets.
    ListSecretsRefusals {
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin:read`.",
        404 => "No such tenant or client.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of an operation on secrets.
    SecretRefusals {
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such tenant, client or secret.",
        412 => "The client was changed at the same moment. Try again.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

#[OpenApi(tag = "Tag::Clients")]
impl ClientSecretsApi {
    /// Create a client secret
    ///
    /// One more secret, told this once. The ones before it go on counting, so that a client can be moved to
    /// the new one without an interruption; `others_expire_in` ends them by themselves.
    #[oai(
        path = "/admin/v1/tenants/:tenant/clients/:client_id/secrets",
        method = "post",
        operation_id = "create_client_secret"
    )]
    async fn create_client_secret(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The client.
        client_id: Segment<6>,
        /// Any text of the caller's own, such as a UUID. A retry with the same key, within 24 hours, gets the same
        /// answer, and nothing is made twice.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: JsonBody<CreateSecretBody>,
    ) -> Result<Once<201, NewClientSecretView>, Refused<CreateSecretRefusals>> {
        let draft = client_secrets::create(&app, &tenant, &client_id.0, body.0.into(), app.now());
        let render = |(stored, secret): &(StoredSecret, OpaqueToken<ClientSecret>)| {
            Answer::new(NewClientSecretView {
                id: stored.id,
                client_secret: secret.expose().to_owned(),
                created_at: DateTime(stored.created_at),
                expires_at: Nullable(stored.expires_at.map(DateTime)),
            })
        };
        Ok(key.once(&app, &tenant, draft, render).await?)
    }

    /// List the secrets of a client
    ///
    /// Those that count now, the oldest first, without the secrets themselves. There are at most five.
    #[oai(
        path = "/admin/v1/tenants/:tenant/clients/:client_id/secrets",
        method = "get",
        operation_id = "list_client_secrets"
    )]
    async fn list_client_secrets(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The client.
        client_id: Segment<6>,
    ) -> Result<Answer<200, ClientSecretPage>, Refused<ListSecretsRefusals>> {
        let client = clients::find(&app, tenant.tenant(), &client_id.0).await?;
        let counting = client.secrets.counting(app.now());
        Ok(Answer::new(ClientSecretPage {
            items: counting.map(ClientSecretView::from).collect(),
            next_cursor: Nullable(None),
        }))
    }

    /// Delete a client secret
    ///
    /// It counts no more, at once.
    #[oai(
        path = "/admin/v1/tenants/:tenant/clients/:client_id/secrets/:secret_id",
        method = "delete",
        operation_id = "delete_client_secret"
    )]
    async fn delete_client_secret(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The client.
        client_id: Segment<6>,
        /// The secret's id.
        secret_id: Segment<8>,
    ) -> Result<NoContent, Refused<SecretRefusals>> {
        client_secrets::delete(&app, &tenant, &client_id.0, &secret_id.0, app.now()).await?;
        Ok(NoContent::default())
    }
}

/// A secret to be made.
#[derive(Debug, Default, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct CreateSecretBody {
    /// After how many seconds it ends; never, when missing.
    #[oai(validator(minimum(value = "1")))]
    expires_in: Option<i32>,
    /// After how many seconds the secrets before it end; when missing, they stay.
    #[oai(validator(minimum(value = "1")))]
    others_expire_in: Option<i32>,
}

impl Example for CreateSecretBody {
    fn example() -> Self {
        Self {
            expires_in: None,
            others_expire_in: Some(86_400),
        }
    }
}

impl FromMembers for CreateSecretBody {
    const STRICT: bool = true;

    fn from_members(members: &mut Members) -> Option<Self> {
        Some(Self {
            expires_in: members.positive("expires_in"),
            others_expire_in: members.positive("others_expire_in"),
        })
    }
}

impl From<CreateSecretBody> for CreateSecret {
    fn from(body: CreateSecretBody) -> Self {
        let time = |seconds: Option<i32>| {
            seconds
                .and_then(|n| u64::try_from(n).ok())
                .map(Duration::from_secs)
        };
        Self {
            lifetime: time(body.expires_in),
            others_for: time(body.others_expire_in),
        }
    }
}

/// A secret that was just made.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "NewClientSecret", example)]
pub struct NewClientSecretView {
    id: uuid::Uuid,
    /// Told this once.
    client_secret: String,
    created_at: DateTime,
    /// Null: never.
    expires_at: Nullable<DateTime>,
}

impl Example for NewClientSecretView {
    fn example() -> Self {
        let at = Timestamp::from_micros(1_795_000_000_000_000);
        Self {
            id: uuid::uuid!("7d3c2a52-0b6e-4a3c-8d4e-0f1a2b3c4d5e"),
            client_secret: "ths_…".to_owned(),
            created_at: DateTime(at),
            expires_at: Nullable(None),
        }
    }
}

/// A secret, without itself.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "ClientSecret")]
pub struct ClientSecretView {
    id: uuid::Uuid,
    created_at: DateTime,
    /// Null: never.
    expires_at: Nullable<DateTime>,
}

impl From<&StoredSecret> for ClientSecretView {
    fn from(stored: &StoredSecret) -> Self {
        Self {
            id: stored.id,
            created_at: DateTime(stored.created_at),
            expires_at: Nullable(stored.expires_at.map(DateTime)),
        }
    }
}

/// The secrets of a client.
#[derive(Debug, Object, Serialize)]
pub struct ClientSecretPage {
    items: Vec<ClientSecretView>,
    /// Always null: all fit onto one page.
    next_cursor: Nullable<String>,
}
