use std::collections::HashMap;

use async_trait::async_trait;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder,
    TransactionTrait, UpdateMany, sea_query::Expr,
};
use tokenhouse_entity::{host, tenant};

use super::{
    connection::Database,
    faults::Noted,
    keys::first_due_at,
    live::on_a_live_connection,
    row::{Row, time},
    tenant_tx::{Access, TenantTx},
};
use crate::{
    application::{
        error::StoreError,
        ports::{
            Clients, KeptAnswers, KeptCreation, NewTenantKeys, Swept, TenantAt, TenantPosition,
            Tenants,
        },
    },
    domain::{
        client::Client,
        domain_name::DomainName,
        id::TenantId,
        tenant::{Policy, Slug, Tenant, TenantState},
        timestamp::Timestamp,
    },
};

/// What the slug of an ended tenant begins with. No slug does, so its own is free again.
const TOMBSTONE: &str = "#";

const ACTIVE: &str = "active";
const SUSPENDED: &str = "suspended";

const FORGET_EARLIER_CREATION: &str = "\
UPDATE tenants SET creation_digest = NULL, creation_ends_at = NULL \
WHERE id <> $1 AND creation_digest = $2 AND creation_ends_at <= $3";

/// The directory of tenants in a database.
#[derive(Clone, Debug)]
pub struct DatabaseTenants {
    pub(super) db: Database,
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
        kept: Option<&KeptCreation>,
    ) -> Result<(), StoreError> {
        let mut tx = TenantTx::begin(&self.db, tenant.id, Access::Write).await?;
        let policy = serde_json::to_string(&tenant.policy)
            .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        if let Some(kept) = kept {
            // What was made under the same key in earlier times is another story.
            let values = [
                kept.digest.to_vec().into(),
                tenant.created_at.as_micros().into(),
            ];
            tx.execute_sql(FORGET_EARLIER_CREATION, values).await?;
        }
        tx.insert_directory_row(tenant::ActiveModel {
            slug: Set(tenant.slug.as_str().to_owned()),
            name: Set(tenant.name.clone()),
            search_name: Set(tenant.name.to_lowercase()),
            state: Set(state_name(tenant.state).to_owned()),
            policy: Set(policy),
            not_before: Set(tenant.not_before.map(Timestamp::as_micros)),
            data_key_master_id: Set(keys.data_key.master_key_id.clone()),
            data_key_sealed: Set(keys.data_key.sealed.clone()),
            created_at: Set(tenant.created_at.as_micros()),
            updated_at: Set(tenant.updated_at.as_micros()),
            keys_version: Set(tenant.keys_version),
            keys_due_at: Set(first_due_at(tenant, keys).map(Timestamp::as_micros)),
            audit_sweep_at: Set(tenant.created_at.as_micros()),
            jwks_cached_until: Set(tenant.jwks_cached_until.map(Timestamp::as_micros)),
            creation_digest: Set(kept.map(|kept| kept.digest.to_vec())),
            creation_ends_at: Set(kept.map(|kept| kept.answer.ends_at.as_micros())),
            ..tenant::ActiveModel::default()
        })
        .await?;
        tx.add_signing_key(&keys.signing_key).await?;
        tx.add_tag_key(&keys.tag_key, tenant.created_at).await?;
        tx.add_client(client).await?;
        if let Some(kept) = kept {
            tx.keep_answer(&kept.answer).await?;
        }
        tx.finish().await
    }

    async fn by_creation(
        &self,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Tenant>, StoreError> {
        let found = tenant::Entity::find()
            .filter(tenant::Column::CreationDigest.eq(digest.to_vec()))
            .filter(tenant::Column::CreationEndsAt.gt(now.as_micros()))
            .filter(tenant::Column::DeletedAt.is_null())
            .one(self.db.connection())
            .noted_by(self.db.faults())
            .await?;
        let found = self.read_tenants(found.into_iter().collect()).await?;
        Ok(found.into_iter().next())
    }

    async fn by_slug(&self, slug: &Slug) -> Result<Option<Tenant>, StoreError> {
        // One query: what a tenant holds must not be of another moment than the tenant.
        let query = || {
            tenant::Entity::find()
                .filter(tenant::Column::Slug.eq(slug.as_str()))
                .find_with_related(host::Entity)
                .all(self.db.connection())
        };
        let found = on_a_live_connection(query)
            .noted_by(self.db.faults())
            .await?;
        found
            .into_iter()
            .next()
            .map(|(row, hosts)| read_tenant(row, &hosts))
            .transpose()
    }

    async fn slug_at(&self, domain: &DomainName) -> Result<Option<Slug>, StoreError> {
        let query = || {
            host::Entity::find_by_id(domain.as_str())
                .find_also_related(tenant::Entity)
                .one(self.db.connection())
        };
        let found = on_a_live_connection(query)
            .noted_by(self.db.faults())
            .await?;
        let owner = found.and_then(|(_, owner)| owner);
        // An ended tenant has no slug.
        let owner = owner.filter(|owner| owner.deleted_at.is_none());
        owner.as_ref().map(read_slug).transpose()
    }

    async fn forget_domain(&self, _: &Slug, _: &DomainName) {}

    async fn page(
        &self,
        after: Option<&TenantPosition>,
        limit: u32,
        q: Option<&str>,
    ) -> Result<Vec<TenantAt>, StoreError> {
        self.list(after, limit, q).await
    }

    async fn set_name(
        &self,
        slug: &Slug,
        name: &str,
        expected: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Tenant>, StoreError> {
        let change = tenant::Entity::update_many()
            .col_expr(tenant::Column::Name, Expr::value(name))
            .col_expr(tenant::Column::SearchName, Expr::value(name.to_lowercase()))
            .filter(tenant::Column::Name.ne(name));
        self.change(change, slug, expected, now).await
    }

    async fn set_policy(
        &self,
        slug: &Slug,
        policy: &Policy,
        jwks_cached_until: Option<Timestamp>,
        expected: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Tenant>, StoreError> {
        let text = serde_json::to_string(policy)
            .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        let cached_until = jwks_cached_until.map(Timestamp::as_micros);
        let change = tenant::Entity::update_many()
            .filter(tenant::Column::Policy.ne(text.as_str()))
            .col_expr(tenant::Column::Policy, Expr::value(text))
            .col_expr(tenant::Column::JwksCachedUntil, Expr::value(cached_until))
            // The policy rules the keys: a change to them that was decided before must be decided anew.
            .col_expr(
                tenant::Column::KeysVersion,
                ExprTrait::add(Expr::col(tenant::Column::KeysVersion), 1),
            )
            .col_expr(tenant::Column::KeysDueAt, Expr::value(now.as_micros()))
            .col_expr(tenant::Column::AuditSweepAt, Expr::value(now.as_micros()));
        self.change(change, slug, expected, now).await
    }

    async fn set_state(
        &self,
        slug: &Slug,
        state: TenantState,
        now: Timestamp,
    ) -> Result<Option<(Tenant, bool)>, StoreError> {
        let done = {
            let _turn = self.db.turn_to_write().await;
            tenant::Entity::update_many()
                .col_expr(tenant::Column::State, Expr::value(state_name(state)))
                .col_expr(tenant::Column::UpdatedAt, Expr::value(now.as_micros()))
                .filter(tenant::Column::Slug.eq(slug.as_str()))
                // Setting what is set already is no change.
                .filter(tenant::Column::State.ne(state_name(state)))
                .exec(self.db.connection())
                .noted_by(self.db.faults())
                .await?
        };
        let tenant = self.by_slug(slug).await?;
        Ok(tenant.map(|tenant| (tenant, done.rows_affected > 0)))
    }

    async fn delete(&self, slug: &Slug, now: Timestamp) -> Result<bool, StoreError> {
        let Some(tenant) = self.by_slug(slug).await? else {
            return Ok(false);
        };
        let _turn = self.db.turn_to_write().await;
        let tx = self
            .db
            .connection()
            .begin()
            .noted_by(self.db.faults())
            .await?;
        let ended = tenant::Entity::update_many()
            .col_expr(
                tenant::Column::Slug,
                Expr::value(format!("{TOMBSTONE}{}", tenant.id)),
            )
            .col_expr(tenant::Column::Name, Expr::value(""))
            .col_expr(tenant::Column::SearchName, Expr::value(""))
            .col_expr(tenant::Column::Policy, Expr::value("{}"))
            .col_expr(tenant::Column::DataKeySealed, Expr::value(Vec::<u8>::new()))
            .col_expr(tenant::Column::DeletedAt, Expr::value(now.as_micros()))
            .col_expr(
                tenant::Column::CreationDigest,
                Expr::value(Option::<Vec<u8>>::None),
            )
            .col_expr(
                tenant::Column::CreationEndsAt,
                Expr::value(Option::<i64>::None),
            )
            .col_expr(tenant::Column::KeysDueAt, Expr::value(Option::<i64>::None))
            .filter(tenant::Column::Id.eq(tenant.id.as_uuid()))
            .filter(tenant::Column::DeletedAt.is_null())
            .exec(&tx)
            .noted_by(self.db.faults())
            .await?;
        // Its hosts are free at once, not only when its rows are gone.
        host::Entity::delete_many()
            .filter(host::Column::OwnerId.eq(tenant.id.as_uuid()))
            .exec(&tx)
            .noted_by(self.db.faults())
            .await?;
        tx.commit().noted_by(self.db.faults()).await?;
        Ok(ended.rows_affected > 0)
    }

    async fn sweep(&self, rows: u32) -> Result<Swept, StoreError> {
        let ended = tenant::Entity::find()
            .filter(tenant::Column::DeletedAt.is_not_null())
            .order_by_asc(tenant::Column::DeletedAt)
            .one(self.db.connection())
            .noted_by(self.db.faults())
            .await?;
        let Some(ended) = ended else {
            return Ok(Swept::Clean);
        };
        let tx = TenantTx::begin(&self.db, TenantId::from_uuid(ended.id), Access::Write).await?;
        if !tx.delete_some_rows(rows).await? {
            tx.delete_directory_row().await?;
        }
        tx.finish().await?;
        Ok(Swept::Some)
    }
}

impl DatabaseTenants {
    /// Changes a tenant that was last changed at `expected`. `change` leaves out one that is so already: it is
    /// answered as it is.
    async fn change(
        &self,
        change: UpdateMany<tenant::Entity>,
        slug: &Slug,
        expected: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Tenant>, StoreError> {
        // Two changes within one microsecond must not look like one.
        let now = now.max(expected.next());
        let changed = {
            let _turn = self.db.turn_to_write().await;
            change
                .col_expr(tenant::Column::UpdatedAt, Expr::value(now.as_micros()))
                .filter(tenant::Column::Slug.eq(slug.as_str()))
                .filter(tenant::Column::UpdatedAt.eq(expected.as_micros()))
                .exec(self.db.connection())
                .noted_by(self.db.faults())
                .await?
        };
        let tenant = self.by_slug(slug).await?;
        let is_so_already = |tenant: &Tenant| tenant.updated_at == expected;
        Ok(tenant.filter(|tenant| changed.rows_affected > 0 || is_so_already(tenant)))
    }

    /// Tenants with what they hold, in the order of their rows.
    pub(super) async fn read_tenants(
        &self,
        rows: Vec<tenant::Model>,
    ) -> Result<Vec<Tenant>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut hosts: HashMap<_, Vec<_>> = HashMap::new();
        let found = host::Entity::find()
            .filter(host::Column::OwnerId.is_in(rows.iter().map(|row| row.id)))
            .all(self.db.connection())
            .noted_by(self.db.faults())
            .await?;
        for host in found {
            hosts.entry(host.owner_id).or_default().push(host);
        }
        let read = |row: tenant::Model| {
            let own = hosts.remove(&row.id).unwrap_or_default();
            read_tenant(row, &own)
        };
        rows.into_iter().map(read).collect()
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

fn read_slug(row: &tenant::Model) -> Result<Slug, StoreError> {
    let at = Row {
        table: "tenants",
        id: &row.id,
    };
    at.read("slug", Slug::parse(&row.slug))
}

/// A tenant, which holds these hosts.
pub(super) fn read_tenant(row: tenant::Model, hosts: &[host::Model]) -> Result<Tenant, StoreError> {
    let at = Row {
        table: "tenants",
        id: &row.id,
    };
    Ok(Tenant {
        id: TenantId::from_uuid(row.id),
        slug: read_slug(&row)?,
        domains: hosts
            .iter()
            .map(|host| {
                let at = Row {
                    table: "hosts",
                    id: &host.name,
                };
                Ok((
                    at.read("name", DomainName::stored(&host.name))?,
                    host.is_issuer,
                ))
            })
            .collect::<Result<_, StoreError>>()?,
        state: match row.state.as_str() {
            ACTIVE => TenantState::Active,
            SUSPENDED => TenantState::Suspended,
            _ => return Err(at.corrupt("state")),
        },
        policy: at.read("policy", Policy::from_stored(&row.policy))?,
        not_before: time(row.not_before),
        created_at: Timestamp::from_micros(row.created_at),
        updated_at: Timestamp::from_micros(row.updated_at),
        keys_version: row.keys_version,
        jwks_cached_until: time(row.jwks_cached_until),
        name: row.name,
    })
}
