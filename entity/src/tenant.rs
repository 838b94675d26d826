//! `tenants`: the directory, which with `hosts` is all that knows more than one tenant.

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
    /// Counts changes to the keys and to what rules them.
    pub keys_version: i64,
    /// When the schedule has to look at the keys.
    pub keys_due_at: Option<i64>,
    /// When old entries of the audit log are looked for.
    pub audit_sweep_at: i64,
    /// When sessions and grants that ended long ago are looked for.
    pub sign_in_sweep_at: i64,
    /// Until when a JWK Set may be cached that was told to be fresh for longer than one is now.
    pub jwks_cached_until: Option<i64>,
    /// SHA-256 of what its making was asked for under, while that is remembered.
    pub creation_digest: Option<Vec<u8>>,
    pub creation_ends_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(has_many = "super::host::Entity")]
    Hosts,
}

impl Related<super::host::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Hosts.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
