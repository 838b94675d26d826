use async_trait::async_trait;
use sea_orm::{ActiveValue::Set, ColumnTrait};
use tokenhouse_entity::client;

use super::{
    row::{Row, time},
    tenant_tx::TenantTx,
};
use crate::{
    application::{error::StoreError, ports::Clients},
    domain::{
        client::{Client, ClientId, ClientKind},
        secret::TokenDigest,
        timestamp::Timestamp,
    },
};

const PUBLIC: &str = "public";
const CONFIDENTIAL: &str = "confidential";

#[async_trait]
impl Clients for TenantTx {
    async fn add_client(&mut self, client: &Client) -> Result<(), StoreError> {
        let (kind, secret_digest) = match &client.kind {
            ClientKind::Public => (PUBLIC, None),
            ClientKind::Confidential { secret_digest } => {
                (CONFIDENTIAL, Some(secret_digest.as_bytes().to_vec()))
            }
        };
        self.insert::<client::Entity>(client::ActiveModel {
            id: Set(client.id.as_str().to_owned()),
            kind: Set(kind.to_owned()),
            name: Set(client.name.clone()),
            secret_digest: Set(secret_digest),
            first_party: Set(client.first_party),
            not_before: Set(client.not_before.map(Timestamp::as_micros)),
            created_at: Set(client.created_at.as_micros()),
            updated_at: Set(client.updated_at.as_micros()),
            ..client::ActiveModel::default()
        })
        .await
    }

    async fn client(&mut self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let query = self
            .find::<client::Entity>()
            .filter(client::Column::Id.eq(id.as_str()));
        self.one(query)
            .await?
            .map(|row| read_client(&row))
            .transpose()
    }
}

fn read_client(row: &client::Model) -> Result<Client, StoreError> {
    let at = Row {
        table: "clients",
        id: &row.id,
    };
    let kind = match (row.kind.as_str(), &row.secret_digest) {
        (PUBLIC, None) => ClientKind::Public,
        (CONFIDENTIAL, Some(bytes)) => ClientKind::Confidential {
            secret_digest: TokenDigest::from_bytes(at.digest("secret_digest", bytes)?),
        },
        _ => return Err(at.corrupt("kind")),
    };
    Ok(Client {
        id: at.read("id", ClientId::parse(&row.id))?,
        name: row.name.clone(),
        kind,
        first_party: row.first_party,
        not_before: time(row.not_before),
        created_at: Timestamp::from_micros(row.created_at),
        updated_at: Timestamp::from_micros(row.updated_at),
    })
}
