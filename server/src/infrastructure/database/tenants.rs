use async_trait::async_trait;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, Statement, sea_query::Expr,
};
use tokenhouse_entity::tenant;

use super::{
    connection::Database,
    error::store_error,
    row::{Row, time},
    tenant_tx::{Access, TenantTx},
};
use crate::{
    application::{
        error::StoreError,
        ports::{Clients, Keys, NewTenantKeys, Tenants},
    },
    domain::{
        client::Client,
        id::TenantId,
        tenant::{Policy, Slug, Tenant, TenantState},
        timestamp::Timestamp,
    },
};

const ACTIVE: &str = "active";
const SUSPENDED: &str = "suspended";

/// The directory of tenants in a database.
#[derive(Clone, Debug)]
pub struct DatabaseTenants {
    db: Database,
}

impl DatabaseTenants {
    pub fn new(db: Database) -> Self {
        Self { db }
    }
}

#[async_trait]
impl Tenants for DatabaseTenants {
    async fn create(
        &self,
        tenant: &Tenant,
        keys: &NewTenantKeys,
        client: &Client,
    ) -> Result<(), StoreError> {
        let mut tx = TenantTx::begin(&self.db, tenant.id, Access::Write).await?;
        let policy = serde_json::to_string(&tenant.policy)
            .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        tx.insert_directory_row(tenant::ActiveModel {
            slug: Set(tenant.slug.as_str().to_owned()),
            name: Set(tenant.name.clone()),
            state: Set(state_name(tenant.state).to_owned()),
            policy: Set(policy),
            not_before: Set(tenant.not_before.map(Timestamp::as_micros)),
            data_key_master_id: Set(keys.data_key.master_key_id.clone()),
            data_key_sealed: Set(keys.data_key.sealed.clone()),
            created_at: Set(tenant.created_at.as_micros()),
            updated_at: Set(tenant.updated_at.as_micros()),
            ..tenant::ActiveModel::default()
        })
        .await?;
        tx.add_signing_key(&keys.signing_key, tenant.created_at)
            .await?;
        tx.add_tag_key(&keys.tag_key, tenant.created_at).await?;
        tx.add_client(client).await?;
        tx.finish().await
    }

    async fn by_slug(&self, slug: &Slug) -> Result<Option<Tenant>, StoreError> {
        tenant::Entity::find()
            .filter(tenant::Column::Slug.eq(slug.as_str()))
            .one(self.db.connection())
            .await
            .map_err(store_error)?
            .map(read_tenant)
            .transpose()
    }

    async fn page(
        &self,
        after: Option<&Slug>,
        limit: u32,
        q: Option<&str>,
    ) -> Result<Vec<Tenant>, StoreError> {
        let connection = self.db.connection();
        // Every slug is greater than "", and every text is like "%".
        let statement = Statement::from_sql_and_values(
            connection.get_database_backend(),
            r"SELECT * FROM tenants
              WHERE slug > $1
              AND (slug LIKE LOWER($2) ESCAPE '\' OR LOWER(name) LIKE LOWER($2) ESCAPE '\')
              ORDER BY slug LIMIT $3",
            [
                after.map_or("", Slug::as_str).into(),
                containing(q.unwrap_or_default()).into(),
                i64::from(limit).into(),
            ],
        );
        tenant::Entity::find()
            .from_raw_sql(statement)
            .all(connection)
            .await
            .map_err(store_error)?
            .into_iter()
            .map(read_tenant)
            .collect()
    }

    async fn set_policy(
        &self,
        slug: &Slug,
        policy: &Policy,
        expected: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Tenant>, StoreError> {
        let text = serde_json::to_string(policy)
            .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        // Two changes within one microsecond must not look like one.
        let now = now.as_micros().max(expected.as_micros() + 1);
        let changed = {
            let _turn = self.db.turn_to_write().await;
            tenant::Entity::update_many()
                .col_expr(tenant::Column::Policy, Expr::value(text))
                .col_expr(tenant::Column::UpdatedAt, Expr::value(now))
                .filter(tenant::Column::Slug.eq(slug.as_str()))
                .filter(tenant::Column::UpdatedAt.eq(expected.as_micros()))
                .exec(self.db.connection())
                .await
                .map_err(store_error)?
        };
        if changed.rows_affected == 0 {
            return Ok(None);
        }
        self.by_slug(slug).await
    }

    async fn set_state(
        &self,
        slug: &Slug,
        state: TenantState,
        now: Timestamp,
    ) -> Result<Option<Tenant>, StoreError> {
        {
            let _turn = self.db.turn_to_write().await;
            tenant::Entity::update_many()
                .col_expr(tenant::Column::State, Expr::value(state_name(state)))
                .col_expr(tenant::Column::UpdatedAt, Expr::value(now.as_micros()))
                .filter(tenant::Column::Slug.eq(slug.as_str()))
                // Setting what is set already is no change.
                .filter(tenant::Column::State.ne(state_name(state)))
                .exec(self.db.connection())
                .await
                .map_err(store_error)?;
        }
        self.by_slug(slug).await
    }

    async fn delete(&self, slug: &Slug) -> Result<bool, StoreError> {
        let Some(tenant) = self.by_slug(slug).await? else {
            return Ok(false);
        };
        let tx = TenantTx::begin(&self.db, tenant.id, Access::Write).await?;
        let deleted = tx.delete_directory_row().await?;
        tx.finish().await?;
        Ok(deleted)
    }
}

/// A LIKE pattern for texts that contain `part` as it is written.
pub(super) fn containing(part: &str) -> String {
    let mut pattern = String::with_capacity(part.len() + 2);
    pattern.push('%');
    for c in part.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

fn state_name(state: TenantState) -> &'static str {
    match state {
        TenantState::Active => ACTIVE,
        TenantState::Suspended => SUSPENDED,
    }
}

fn read_tenant(row: tenant::Model) -> Result<Tenant, StoreError> {
    let at = Row {
        table: "tenants",
        id: &row.id,
    };
    Ok(Tenant {
        id: TenantId::from_uuid(row.id),
        slug: at.read("slug", Slug::parse(&row.slug))?,
        state: match row.state.as_str() {
            ACTIVE => TenantState::Active,
            SUSPENDED => TenantState::Suspended,
            _ => return Err(at.corrupt("state")),
        },
        policy: at.read("policy", serde_json::from_str(&row.policy))?,
        not_before: time(row.not_before),
        created_at: Timestamp::from_micros(row.created_at),
        updated_at: Timestamp::from_micros(row.updated_at),
        name: row.name,
    })
}
