//! `idempotency_keys`: answers that are given again to requests that come again.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    /// A digest of the key, of who sent it, and of what for.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Opens with the key alone.
    pub answer_sealed: Vec<u8>,
    pub ends_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
