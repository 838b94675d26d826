//! `invitations`: who may become a user by a link.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invitations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    /// It begins with the time.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// In canonical form. One invitation of an address at most is neither accepted nor revoked.
    pub email: String,
    /// What the form begins with.
    pub name: Option<String>,
    /// JSON: the names of roles.
    pub roles: String,
    /// SHA-256 of the token; unique within the tenant.
    pub digest: Vec<u8>,
    pub expires_at: i64,
    pub accepted_at: Option<i64>,
    /// The user that it made.
    pub user_id: Option<Uuid>,
    pub revoked_at: Option<i64>,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
