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
        // The claim first, here and below: whoever has its row has the host, and others wait. In the other
        // order a claim could be deleted while its host is being taken, and nobody could free the host.
        if !self.replace_domain(domain, expected).await? {
            return Ok(false);
        }
        self.hold_host(domain.name.as_str(), domain.is_issuer)
            .await?;
        Ok(true)
    }

    async fn update_domain(
        &mut self,
        domain: &CustomDomain,
        expected: Timestamp,
    ) -> Result<bool, StoreError> {
        if !self.replace_domain(domain, expected).await? {
            return Ok(false);
        }
        self.change_host(domain.name.as_str(), domain.is_issuer)
            .await?;
        Ok(true)
    }

    async fn delete_domain(&mut self, name: &DomainName) -> Result<bool, StoreError> {
        let query = self
            .delete::<domain::Entity>()
            .filter(domain::Column::Id.eq(name.as_str()));
        let deleted = self.remove(query).await? > 0;
        self.release_host(name.as_str()).await?;
        Ok(deleted)
    }

    async fn count_domains(&mut self) -> Result<u64, StoreError> {
        let query = self.find::<domain::Entity>();
        self.count(query).await
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
