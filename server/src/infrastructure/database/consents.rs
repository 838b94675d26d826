use async_trait::async_trait;
use sea_orm::{ActiveValue::Set, ColumnTrait};
use tokenhouse_entity::{client, consent};

use super::{clients::read_client, row::Row, tenant_tx::TenantTx};
use crate::{
    application::{
        error::StoreError,
        ports::{Consents, GrantFilter},
    },
    domain::{
        client::{Client, ClientId},
        consent::Consent,
        id::{ConsentId, UserId},
        scope::Scopes,
        timestamp::Timestamp,
    },
};

/// Nobody scrolls further, and no answer grows without bound.
const MAX_LISTED: u64 = 200;

#[async_trait]
impl Consents for TenantTx {
    async fn consent(
        &mut self,
        user: UserId,
        client: &ClientId,
    ) -> Result<Option<Consent>, StoreError> {
        let query = self
            .find::<consent::Entity>()
            .filter(consent::Column::UserId.eq(user.as_uuid()))
            .filter(consent::Column::ClientId.eq(client.as_str()));
        self.one(query)
            .await?
            .map(|row| read_consent(&row))
            .transpose()
    }

    async fn add_consent(&mut self, consent: &Consent) -> Result<(), StoreError> {
        let added = self
            .insert_or_ignore::<consent::Entity>(consent::ActiveModel {
                id: Set(consent.id.as_uuid()),
                user_id: Set(consent.user_id.as_uuid()),
                client_id: Set(consent.client_id.as_str().to_owned()),
                scope: Set(consent.scope.to_string()),
                created_at: Set(consent.created_at.as_micros()),
                updated_at: Set(consent.updated_at.as_micros()),
                ..consent::ActiveModel::default()
            })
            .await?;
        if added {
            return Ok(());
        }
        // There is one already. Two pages that add to it at once may lose one addition: that user
        // is asked once more, and nobody gets what wasn't allowed.
        let before = self.consent(consent.user_id, &consent.client_id).await?;
        let scope = before.map_or_else(Scopes::default, |before| before.scope);
        let update = self
            .update::<consent::Entity>()
            .set(
                consent::Column::Scope,
                scope.union(&consent.scope).to_string(),
            )
            .set(consent::Column::UpdatedAt, consent.updated_at.as_micros())
            .filter(consent::Column::UserId.eq(consent.user_id.as_uuid()))
            .filter(consent::Column::ClientId.eq(consent.client_id.as_str()));
        self.change(update).await?;
        Ok(())
    }

    async fn consents_of(&mut self, user: UserId) -> Result<Vec<(Consent, Client)>, StoreError> {
        let query = self
            .find::<consent::Entity>()
            .filter(consent::Column::UserId.eq(user.as_uuid()))
            .latest_first(consent::Column::UpdatedAt, consent::Column::Id)
            .at_most(MAX_LISTED)
            .with(client::Entity);
        self.all_of_two(query)
            .await?
            .into_iter()
            .map(|(consent, client)| {
                let at = Row {
                    table: "consents",
                    id: &consent.id,
                };
                let client = client.ok_or_else(|| at.corrupt("client_id"))?;
                Ok((read_consent(&consent)?, read_client(&client)?))
            })
            .collect()
    }

    async fn consent_by_id(&mut self, id: ConsentId) -> Result<Option<Consent>, StoreError> {
        let query = self
            .find::<consent::Entity>()
            .filter(consent::Column::Id.eq(id.as_uuid()));
        let row = self.one(query).await?;
        row.as_ref().map(read_consent).transpose()
    }

    async fn consents_page(
        &mut self,
        filter: &GrantFilter,
        after: Option<ConsentId>,
        limit: u32,
    ) -> Result<Vec<Consent>, StoreError> {
        let mut query = self.find::<consent::Entity>();
        if let Some(user) = filter.user {
            query = query.filter(consent::Column::UserId.eq(user.as_uuid()));
        }
        if let Some(client) = &filter.client {
            query = query.filter(consent::Column::ClientId.eq(client.as_str()));
        }
        if let Some(after) = after {
            query = query.filter(consent::Column::Id.lt(after.as_uuid()));
        }
        let query = query
            .latest_id_first(consent::Column::Id)
            .at_most(limit.into());
        self.all(query).await?.iter().map(read_consent).collect()
    }

    async fn delete_consent(
        &mut self,
        user: UserId,
        client: &ClientId,
    ) -> Result<bool, StoreError> {
        let query = self
            .delete::<consent::Entity>()
            .filter(consent::Column::UserId.eq(user.as_uuid()))
            .filter(consent::Column::ClientId.eq(client.as_str()));
        Ok(self.remove(query).await? > 0)
    }
}

fn read_consent(row: &consent::Model) -> Result<Consent, StoreError> {
    let at = Row {
        table: "consents",
        id: &row.id,
    };
    Ok(Consent {
        id: ConsentId::from_uuid(row.id),
        user_id: UserId::from_uuid(row.user_id),
        client_id: at.read("client_id", ClientId::parse(&row.client_id))?,
        scope: at.read("scope", Scopes::parse(&row.scope))?,
        created_at: Timestamp::from_micros(row.created_at),
        updated_at: Timestamp::from_micros(row.updated_at),
    })
}
