//! `clients`; the id is the `client_id`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "clients")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// JSON; members that it lacks have their defaults.
    pub metadata: String,
    /// JSON: id, SHA-256 and times of each.
    pub secrets: String,
    /// SHA-256 of the registration access token of a client that registered itself.
    pub registration_digest: Option<Vec<u8>>,
    pub first_party: bool,
    pub not_before: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
