use async_trait::async_trait;
use sea_orm::{ActiveValue::Set, ColumnTrait};
use tokenhouse_entity::{signing_key, tag_key};

use super::{row::Row, tenant_tx::TenantTx};
use crate::{
    application::{
        error::StoreError,
        ports::{Keys, SealedDataKey, StoredTagKey},
    },
    domain::{
        refresh::TagKeyId,
        signing_key::{KeyId, PublicKey, SigningAlgorithm, StoredSigningKey},
        timestamp::Timestamp,
    },
};

const ACTIVE: &str = "active";

#[async_trait]
impl Keys for TenantTx {
    async fn sealed_data_key(&mut self) -> Result<SealedDataKey, StoreError> {
        let row = self
            .directory_row()
            .await?
            .filter(|row| row.deleted_at.is_none())
            .ok_or_else(|| StoreError::Unavailable("the tenant was just deleted".into()))?;
        Ok(SealedDataKey {
            master_key_id: row.data_key_master_id,
            sealed: row.data_key_sealed,
        })
    }

    /// The ones that count, latest first.
    async fn signing_keys(&mut self) -> Result<Vec<StoredSigningKey>, StoreError> {
        let query = self
            .find::<signing_key::Entity>()
            .filter(signing_key::Column::State.eq(ACTIVE))
            .latest_first(signing_key::Column::CreatedAt, signing_key::Column::Id);
        self.all(query)
            .await?
            .into_iter()
            .map(read_signing_key)
            .collect()
    }

    async fn add_signing_key(
        &mut self,
        key: &StoredSigningKey,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.insert::<signing_key::Entity>(signing_key::ActiveModel {
            id: Set(key.public.id.as_str().to_owned()),
            algorithm: Set(key.public.algorithm.name().to_owned()),
            state: Set(ACTIVE.to_owned()),
            public_jwk: Set(key.public.material.canonical()),
            private_key_sealed: Set(key.sealed_private_key.clone()),
            created_at: Set(now.as_micros()),
            ..signing_key::ActiveModel::default()
        })
        .await
    }

    /// Latest first.
    async fn tag_keys(&mut self) -> Result<Vec<StoredTagKey>, StoreError> {
        let query = self
            .find::<tag_key::Entity>()
            .latest_first(tag_key::Column::CreatedAt, tag_key::Column::Id);
        self.all(query)
            .await?
            .into_iter()
            .map(read_tag_key)
            .collect()
    }
}

impl TenantTx {
    pub(super) async fn add_tag_key(
        &self,
        key: &StoredTagKey,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.insert::<tag_key::Entity>(tag_key::ActiveModel {
            id: Set(key.id.0.into()),
            sealed: Set(key.sealed.clone()),
            created_at: Set(now.as_micros()),
            ..tag_key::ActiveModel::default()
        })
        .await
    }
}

fn read_signing_key(row: signing_key::Model) -> Result<StoredSigningKey, StoreError> {
    let at = Row {
        table: "signing_keys",
        id: &row.id,
    };
    let algorithm =
        SigningAlgorithm::parse(&row.algorithm).ok_or_else(|| at.corrupt("algorithm"))?;
    Ok(StoredSigningKey {
        public: PublicKey {
            material: at.read("public_jwk", serde_json::from_str(&row.public_jwk))?,
            id: KeyId::from_thumbprint(row.id),
            algorithm,
        },
        sealed_private_key: row.private_key_sealed,
    })
}

fn read_tag_key(row: tag_key::Model) -> Result<StoredTagKey, StoreError> {
    let at = Row {
        table: "tag_keys",
        id: &row.id,
    };
    Ok(StoredTagKey {
        id: TagKeyId(at.read("id", u8::try_from(row.id))?),
        sealed: row.sealed,
    })
}
