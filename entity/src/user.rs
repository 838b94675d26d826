//! `users`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// In canonical form; unique within the tenant.
    pub email: String,
    pub email_verified: bool,
    pub name: String,
    /// The name in lower case, to search by its beginning.
    pub search_name: String,
    pub avatar_url: Option<String>,
    /// JSON; members that it lacks are unknown.
    pub profile: String,
    /// `active` or `disabled`.
    pub state: String,
    /// Unique within the tenant.
    pub external_id: Option<String>,
    /// JSON: the names of roles.
    pub roles: String,
    pub password_phc: Option<String>,
    pub not_before: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
