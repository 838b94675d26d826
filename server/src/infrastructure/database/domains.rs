use async_trait::async_trait;
use sea_orm::{ActiveValue::Set, ColumnTrait};
use tokenhouse_entity::domain;

use super::{
    row::{Row, time},
    tenant_tx::TenantTx,
};
use crate::{
    application::{error::StoreError, ports::Domains},
    domain::{
        custom_domain::{CustomDomain, DomainToken},
        domain_name::DomainName,
        timestamp::Timestamp,
    },
};

#[async_trait]
impl Domains for TenantTx {
    async fn add_domain(&mut self, domain: &CustomDomain) -> Result<(), StoreError> {
        self.insert::<domain::Entity>(domain::ActiveModel {
            id: Set(domain.name.to_string()),
            token: Set(domain.token.as_str().to_owned()),
            verified_at: Set(domain.verified_at.map(Timestamp::as_micros)),
            is_issuer: Set(domain.is_issuer),
            created_at: Set(domain.created_at.as_micros()),
            updated_at: Set(domain.updated_at.as_micros()),
            ..domain::ActiveModel::default()
        })
        .await
    }

    async fn domain(&mut self, name: &DomainName) -> Result<Option<CustomDomain>, StoreError> {
        let query = self
            .find::<domain::Entity>()
            .filter(domain::Column::Id.eq(name.as_str()));
        self.one(query).await?.map(read_domain).transpose()
    }

    async fn domains_page(
        &mut self,
        after: Option<&DomainName>,
        limit: u32,
    ) -> Result<Vec<CustomDomain>, StoreError> {
        let mut query = self.find::<domain::Entity>();
        if let Some(after) = after {
            query = query.filter(domain::Column::Id.gt(after.as_str()));
        }
        let query = query.in_order_of(domain::Column::Id).at_most(limit.into());
        self.all(query)
            .await?
            .into_iter()
            .map(read_domain)
            .collect()
    }

    async fn hold_domain(
        &mut self,
        domain: &CustomDomain,
        expected: Timestamp,
    ) -> Result<bool, StoreError> {
        self.hold_host(domain.name.as_str(), domain.is_issuer)
            .await?;
        self.replace_domain(domain, expected).await
    }

    async fn update_domain(
        &mut self,
        domain: &CustomDomain,
        expected: Timestamp,
    ) -> Result<bool, StoreError> {
        self.change_host(domain.name.as_str(), domain.is_issuer)
            .await?;
        self.replace_domain(domain, expected).await
    }

    async fn delete_domain(&mut self, name: &DomainName) -> Result<bool, StoreError> {
        self.release_host(name.as_str()).await?;
        let query = self
            .delete::<domain::Entity>()
            .filter(domain::Column::Id.eq(name.as_str()));
        Ok(self.remove(query).await? > 0)
    }
}

impl TenantTx {
    async fn replace_domain(
        &self,
        domain: &CustomDomain,
        expected: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = self
            .update::<domain::Entity>()
            .set(
                domain::Column::VerifiedAt,
                domain.verified_at.map(Timestamp::as_micros),
            )
            .set(domain::Column::IsIssuer, domain.is_issuer)
            .set(domain::Column::UpdatedAt, domain.updated_at.as_micros())
            .filter(domain::Column::Id.eq(domain.name.as_str()))
            .filter(domain::Column::UpdatedAt.eq(expected.as_micros()));
        Ok(self.change(update).await? > 0)
    }
}

fn read_domain(row: domain::Model) -> Result<CustomDomain, StoreError> {
    let at = Row {
        table: "domains",
        id: &row.id,
    };
    Ok(CustomDomain {
        name: at.read("id", DomainName::stored(&row.id))?,
        verified_at: time(row.verified_at),
        is_issuer: row.is_issuer,
        created_at: Timestamp::from_micros(row.created_at),
        updated_at: Timestamp::from_micros(row.updated_at),
        token: DomainToken::stored(row.token),
    })
}
