//! `grants`: what a sign-in allowed a client, and its refresh family.
//!
//! The row is both the family's durable floor and, without Redis, its hot record: with a
//! `leaf_digest` the record is exact, without one only the floor is known.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "grants")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub session_id: Uuid,
    pub user_id: Uuid,
    pub client_id: String,
    pub scope: String,
    pub audience: String,
    /// The custom domain whose issuer made it; `None`: the tenant's path.
    pub issuer_domain: Option<String>,
    /// Of the live token; 0 to 2^32 - 1.
    pub generation: i64,
    /// SHA-256 of the live token's secret.
    pub leaf_digest: Option<Vec<u8>>,
    /// SHA-256 of the secret that was rotated last. Set together with the next two.
    pub parent_digest: Option<Vec<u8>>,
    pub rotated_at: Option<i64>,
    pub sealed_successor: Option<Vec<u8>>,
    /// Outlives its session (OIDC Core §11).
    pub offline: bool,
    /// When the user had signed in: `auth_time`, which a refresh doesn't change.
    pub authenticated_at: i64,
    /// JSON: what the `claims` parameter asked for.
    pub claims: String,
    pub idle_end: i64,
    pub absolute_end: i64,
    pub revoked_at: Option<i64>,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "super::session::Entity",
        from = "(Column::TenantId, Column::SessionId)",
        to = "(super::session::Column::TenantId, super::session::Column::Id)"
    )]
    Session,
    #[sea_orm(
        belongs_to = "super::user::Entity",
        from = "(Column::TenantId, Column::UserId)",
        to = "(super::user::Column::TenantId, super::user::Column::Id)"
    )]
    User,
    #[sea_orm(
        belongs_to = "super::client::Entity",
        from = "(Column::TenantId, Column::ClientId)",
        to = "(super::client::Column::TenantId, super::client::Column::Id)"
    )]
    Client,
}

impl Related<super::session::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Session.def()
    }
}

impl Related<super::user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::User.def()
    }
}

impl Related<super::client::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Client.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
