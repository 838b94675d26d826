//! `tenants`: the directory, the only table that knows more than one tenant.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tenants")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub slug: String,
    pub name: String,
    /// The name in lower case, to search by its beginning.
    pub search_name: String,
    /// `active` or `suspended`.
    pub state: String,
    /// JSON; members that it lacks have their defaults.
    pub policy: String,
    pub not_before: Option<i64>,
    pub data_key_master_id: String,
    pub data_key_sealed: Vec<u8>,
    pub created_at: i64,
    pub updated_at: i64,
    /// Set: the tenant is gone for everyone, and its rows are on the way out.
    pub deleted_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
