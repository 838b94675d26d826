//! `signing_keys`; the id is the `kid`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "signing_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub algorithm: String,
    /// `next`, `active`, `retiring`, `retired` or `revoked`.
    pub state: String,
    /// The members of RFC 7638, in its order.
    pub public_jwk: String,
    /// Under the tenant's data key; empty when the key has nothing to sign any more.
    pub private_key_sealed: Vec<u8>,
    pub created_at: i64,
    /// Since when the key is in its state.
    pub since: i64,
    /// When it goes on to the next state.
    pub until: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
