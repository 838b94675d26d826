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
        client::{Client, ClientId},
        secret::TokenDigest,
        timestamp::Timestamp,
    },
};

#[async_trait]
impl Clients for TenantTx {
    async fn add_client(&mut self, client: &Client) -> Result<(), StoreError> {
        self.insert::<client::Entity>(client::ActiveModel {
            id: Set(client.id.as_str().to_owned()),
            metadata: Set(written(client)?),
            secret_digest: Set(client.secret_digest.as_ref().map(|d| d.as_bytes().to_vec())),
            registration_digest: Set(client
                .registration_access
                .as_ref()
                .map(|d| d.as_bytes().to_vec())),
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

fn written(client: &Client) -> Result<String, StoreError> {
    serde_json::to_string(&client.metadata)
        .map_err(|error| StoreError::Unavailable(Box::new(error)))
}

pub(super) fn read_client(row: &client::Model) -> Result<Client, StoreError> {
    let at = Row {
        table: "clients",
        id: &row.id,
    };
    let digest = |column, bytes: &Option<Vec<u8>>| {
        bytes
            .as_deref()
            .map(|bytes| at.digest(column, bytes))
            .transpose()
    };
    Ok(Client {
        id: at.read("id", ClientId::parse(&row.id))?,
        secret_digest: digest("secret_digest", &row.secret_digest)?.map(TokenDigest::from_bytes),
        metadata: at.read("metadata", serde_json::from_str(&row.metadata))?,
        first_party: row.first_party,
        registration_access: digest("registration_digest", &row.registration_digest)?
            .map(TokenDigest::from_bytes),
        not_before: time(row.not_before),
        created_at: Timestamp::from_micros(row.created_at),
        updated_at: Timestamp::from_micros(row.updated_at),
    })
}
