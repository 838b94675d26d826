use sea_orm::{EntityTrait, prelude::Uuid};

/// A table whose rows each belong to one tenant: its primary key starts with `tenant_id`.
pub trait TenantOwned: EntityTrait {
    /// The column that names the owner.
    fn tenant_column() -> Self::Column;
    /// Makes `tenant` the owner of a row that is about to be inserted.
    fn stamp(row: &mut Self::ActiveModel, tenant: Uuid);
}

macro_rules! tenant_owned {
    ($($module:ident),*) => {$(
        impl TenantOwned for crate::$module::Entity {
            fn tenant_column() -> Self::Column {
                crate::$module::Column::TenantId
            }

            fn stamp(row: &mut Self::ActiveModel, tenant: Uuid) {
                row.tenant_id = sea_orm::ActiveValue::Set(tenant);
            }
        }
    )*};
}

tenant_owned!(
    audit_event,
    user,
    client,
    client_origin,
    initial_access_token,
    invitation,
    session,
    grant,
    idempotency_key,
    consent,
    domain,
    signing_key,
    tag_key
);
