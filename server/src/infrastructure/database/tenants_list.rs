//! Pages of tenants. Each query walks one index from the first row that is wanted, so a page costs the same
//! however many tenants there are.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, Statement};
use tokenhouse_entity::tenant;

use super::{faults::Noted, tenants::DatabaseTenants};
use crate::{
    application::{
        error::StoreError,
        ports::{TenantAt, TenantPosition},
    },
    domain::tenant::Tenant,
};

/// After every tombstone and before every slug.
const BEFORE_ALL_SLUGS: &str = "/";
/// After everything that a text can go on with.
const LAST: &str = "\u{10ffff}";

impl DatabaseTenants {
    /// Behind `after`: tenants whose slug begins with `q`, then those whose name does.
    pub(super) async fn list(
        &self,
        after: Option<&TenantPosition>,
        limit: u32,
        q: Option<&str>,
    ) -> Result<Vec<TenantAt>, StoreError> {
        let Some(q) = q else {
            let slug = match after {
                Some(TenantPosition::Slug(slug) | TenantPosition::Name(_, slug)) => slug.as_str(),
                None => BEFORE_ALL_SLUGS,
            };
            return self.by_slugs(slug, LAST, limit).await;
        };
        let q = q.to_lowercase();
        let end = format!("{q}{LAST}");
        match after {
            Some(TenantPosition::Slug(slug)) => self.by_slugs(slug.as_str(), &end, limit).await,
            Some(TenantPosition::Name(name, slug)) => {
                self.by_names((name, slug.as_str()), &end, limit).await
            }
            None => {
                // Nothing lies between what is before all that begin with it and the first of them.
                let slugs = match q.as_str() {
                    "" => self.by_slugs(BEFORE_ALL_SLUGS, &end, limit).await?,
                    q => self.slugs_from(q, &end, limit).await?,
                };
                if slugs.is_empty() {
                    self.by_names((&q, ""), &end, limit).await
                } else {
                    Ok(slugs)
                }
            }
        }
    }

    /// In order of slug, behind `after` and before `end`.
    async fn by_slugs(
        &self,
        after: &str,
        end: &str,
        limit: u32,
    ) -> Result<Vec<TenantAt>, StoreError> {
        let query = tenant::Entity::find().filter(tenant::Column::Slug.gt(after));
        self.in_order_of_slug(query, end, limit).await
    }

    /// In order of slug, from `start` and before `end`.
    async fn slugs_from(
        &self,
        start: &str,
        end: &str,
        limit: u32,
    ) -> Result<Vec<TenantAt>, StoreError> {
        let query = tenant::Entity::find().filter(tenant::Column::Slug.gte(start));
        self.in_order_of_slug(query, end, limit).await
    }

    /// The end is looked for here: of a range with two ends, a planner without fresh statistics believes
    /// that it is small, and sorts all of it instead of walking the index. It believes the same of
    /// `deleted_at IS NULL`, and other indexes have that condition: ended tenants are left out by their slugs.
    async fn in_order_of_slug(
        &self,
        query: Select<tenant::Entity>,
        end: &str,
        limit: u32,
    ) -> Result<Vec<TenantAt>, StoreError> {
        let rows = query
            .order_by_asc(tenant::Column::Slug)
            .limit(u64::from(limit))
            .all(self.db.connection())
            .noted_by(self.db.faults())
            .await?;
        let at = |tenant: Tenant| (TenantPosition::Slug(tenant.slug.clone()), tenant);
        let rows = rows.into_iter().take_while(|row| row.slug.as_str() < end);
        let tenants = self.read_tenants(rows.collect()).await?;
        Ok(tenants.into_iter().map(at).collect())
    }

    /// In order of name, behind this one and before `end`.
    async fn by_names(
        &self,
        (name, slug): (&str, &str),
        end: &str,
        limit: u32,
    ) -> Result<Vec<TenantAt>, StoreError> {
        let connection = self.db.connection();
        // One comparison of two columns: an index serves it from the first row that is wanted.
        let statement = Statement::from_sql_and_values(
            connection.get_database_backend(),
            "SELECT * FROM tenants WHERE (search_name, slug) > ($1, $2) \
             ORDER BY search_name, slug LIMIT $3",
            [name.into(), slug.into(), i64::from(limit).into()],
        );
        let rows = tenant::Entity::find()
            .from_raw_sql(statement)
            .all(connection)
            .noted_by(self.db.faults())
            .await?;
        let rows = rows
            .into_iter()
            .take_while(|row| row.search_name.as_str() < end)
            // They have no name, so no page has any of them but one that begins before all names.
            .filter(|row| row.deleted_at.is_none());
        let (names, rows): (Vec<_>, Vec<_>) =
            rows.map(|row| (row.search_name.clone(), row)).unzip();
        let tenants = self.read_tenants(rows).await?;
        let at = |(name, tenant): (String, Tenant)| {
            (TenantPosition::Name(name, tenant.slug.clone()), tenant)
        };
        Ok(names.into_iter().zip(tenants).map(at).collect())
    }
}
