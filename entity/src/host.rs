//! `hosts`: which tenant holds a host. Part of the directory, as a request names a host before anybody knows
//! whose it is; the primary key lets one tenant alone hold it.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "hosts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    pub owner_id: Uuid,
    /// As in the owner's `domains`, where requests need it.
    pub is_issuer: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "super::tenant::Entity",
        from = "Column::OwnerId",
        to = "super::tenant::Column::Id"
    )]
    Owner,
}

impl Related<super::tenant::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Owner.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
