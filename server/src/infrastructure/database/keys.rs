use async_trait::async_trait;
use sea_orm::{ActiveValue::Set, ColumnTrait};
use tokenhouse_entity::{signing_key, tag_key};

use super::{
    row::{Row, time},
    tenant_tx::TenantTx,
    tenants::read_tenant,
};
use crate::{
    application::{
        error::StoreError,
        ports::{
            KeptAnswers, KeyChange, KeyEdit, Keys, NewTenantKeys, SealedDataKey, StoredKeys,
            StoredSigningKey, StoredTagKey,
        },
    },
    domain::{
        key_rotation::{self, KeyRecord, KeyRules, KeyState},
        refresh::TagKeyId,
        signing_key::{KeyId, PublicKey, SigningAlgorithm},
        tenant::Tenant,
        timestamp::Timestamp,
    },
};

/// When the schedule looks at the keys of a new tenant.
pub(super) fn first_due_at(tenant: &Tenant, keys: &NewTenantKeys) -> Option<Timestamp> {
    let key = std::slice::from_ref(&keys.signing_key.record);
    let made_at = keys.signing_key.record.created_at;
    key_rotation::looked_at(key, &KeyRules::of(tenant), made_at)
}

#[async_trait]
impl Keys for TenantTx {
    /// Latest first.
    async fn signing_keys(&mut self) -> Result<Vec<StoredSigningKey>, StoreError> {
        let query = self
            .find::<signing_key::Entity>()
            .latest_first(signing_key::Column::CreatedAt, signing_key::Column::Id);
        self.all(query)
            .await?
            .into_iter()
            .map(read_signing_key)
            .collect()
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
    /// All keys. The version is read first: what follows may be newer than it, and never older.
    pub(super) async fn stored_keys(&mut self) -> Result<StoredKeys, StoreError> {
        let row = self
            .directory_row()
            .await?
            .filter(|row| row.deleted_at.is_none())
            .ok_or_else(|| StoreError::Unavailable("the tenant was just deleted".into()))?;
        let (version, due_at) = (row.keys_version, time(row.keys_due_at));
        let data_key = SealedDataKey {
            master_key_id: row.data_key_master_id.clone(),
            sealed: row.data_key_sealed.clone(),
        };
        Ok(StoredKeys {
            version,
            due_at,
            // Hosts rule no keys.
            rules: KeyRules::of(&read_tenant(row, &[])?),
            data_key,
            signing_keys: self.signing_keys().await?,
            tag_keys: self.tag_keys().await?,
        })
    }

    /// `false`, and nothing done, when the keys are not the ones that were seen.
    pub(super) async fn change_keys(&mut self, change: &KeyChange) -> Result<bool, StoreError> {
        let due_at = change.due_at.map(Timestamp::as_micros);
        let swapped = self
            .execute_sql(
                "UPDATE tenants SET keys_version = keys_version + 1, keys_due_at = $3 \
                 WHERE id = $1 AND keys_version = $2 AND deleted_at IS NULL",
                [change.seen.into(), due_at.into()],
            )
            .await?;
        if swapped.rows_affected() == 0 {
            return Ok(false);
        }
        if let Some(answer) = &change.answer {
            self.keep_answer(answer).await?;
        }
        for edit in &change.edits {
            match edit {
                KeyEdit::Add(key) => self.add_signing_key(key).await?,
                KeyEdit::Move(record) => self.move_signing_key(record).await?,
                KeyEdit::Remove(id) => {
                    let query = self
                        .delete::<signing_key::Entity>()
                        .filter(signing_key::Column::Id.eq(id.as_str()));
                    self.remove(query).await?;
                }
            }
        }
        Ok(true)
    }

    async fn move_signing_key(&self, record: &KeyRecord) -> Result<(), StoreError> {
        use signing_key::Column;
        let mut query = self
            .update::<signing_key::Entity>()
            .filter(Column::Id.eq(record.public.id.as_str()))
            .set(Column::State, record.state.name())
            .set(Column::CreatedAt, record.created_at.as_micros())
            .set(Column::Since, record.since.as_micros())
            .set(Column::Until, record.until.map(Timestamp::as_micros));
        if !record.state.has_private_key() {
            query = query.set(Column::PrivateKeySealed, Vec::<u8>::new());
        }
        self.change(query).await?;
        Ok(())
    }

    pub(super) async fn add_signing_key(&self, key: &StoredSigningKey) -> Result<(), StoreError> {
        let record = &key.record;
        self.insert::<signing_key::Entity>(signing_key::ActiveModel {
            id: Set(record.public.id.as_str().to_owned()),
            algorithm: Set(record.public.algorithm.name().to_owned()),
            state: Set(record.state.name().to_owned()),
            public_jwk: Set(record.public.material.canonical()),
            private_key_sealed: Set(key.sealed_private_key.clone()),
            created_at: Set(record.created_at.as_micros()),
            since: Set(record.since.as_micros()),
            until: Set(record.until.map(Timestamp::as_micros)),
            ..signing_key::ActiveModel::default()
        })
        .await
    }

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
    let state = KeyState::parse(&row.state).ok_or_else(|| at.corrupt("state"))?;
    Ok(StoredSigningKey {
        record: KeyRecord {
            public: PublicKey {
                material: at.read("public_jwk", serde_json::from_str(&row.public_jwk))?,
                id: KeyId::from_thumbprint(row.id),
                algorithm,
            },
            state,
            created_at: Timestamp::from_micros(row.created_at),
            since: Timestamp::from_micros(row.since),
            until: time(row.until),
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
