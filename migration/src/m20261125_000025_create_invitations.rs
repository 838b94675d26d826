use sea_orm_migration::prelude::*;

use crate::tenant_table::{TenantTable, drop_tables};

/// No reference to users: an invitation outlives the user that it made.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        TenantTable::new("invitations", ColumnDef::new("id").uuid().take())
            .column(ColumnDef::new("email").text().not_null())
            .column(&mut ColumnDef::new("name").text().take())
            .column(ColumnDef::new("roles").text().not_null())
            .column(ColumnDef::new("digest").blob().not_null())
            .column(ColumnDef::new("expires_at").big_integer().not_null())
            .column(&mut ColumnDef::new("accepted_at").big_integer().take())
            .column(&mut ColumnDef::new("user_id").uuid().take())
            .column(&mut ColumnDef::new("revoked_at").big_integer().take())
            .column(ColumnDef::new("created_at").big_integer().not_null())
            .unique("digest")
            .index("email")
            .index("expires_at")
            .create(manager)
            .await?;
        // Of invitations that nothing has ended an address has one, whoever invites it at the same time.
        let one = "CREATE UNIQUE INDEX invitations_tenant_id_email_open_key ON invitations (tenant_id, email) \
                   WHERE accepted_at IS NULL AND revoked_at IS NULL";
        manager.get_connection().execute_unprepared(one).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["invitations"]).await
    }

    // On SQLite the default is none.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
