//! One connection to Postgres before there is a pool. A pool tries again until it gives up, and then
//! knows only that it did; this says what is wrong.

use std::{io, time::Duration};

use sea_orm::sqlx::{
    self, ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions,
};

/// For a host that drops what is sent to it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// What matters of the database's role.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) name: String,
    /// A superuser, or with BYPASSRLS: row-level security, one of the locks between tenants, doesn't
    /// bind it.
    pub(super) unbound: bool,
}

/// Connects once and asks who we are.
pub(super) async fn look(options: &PgConnectOptions) -> Result<Role, sqlx::Error> {
    let asked = async {
        let mut connection = options.connect().await?;
        let role = role(&mut connection).await;
        connection.close().await?;
        role
    };
    let too_late = |_elapsed| {
        let text = format!("no answer within {} s", CONNECT_TIMEOUT.as_secs());
        sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, text))
    };
    tokio::time::timeout(CONNECT_TIMEOUT, asked)
        .await
        .map_err(too_late)?
}

async fn role(connection: &mut PgConnection) -> Result<Role, sqlx::Error> {
    let (name, unbound) = sqlx::query_as(
        "SELECT rolname::text, rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user",
    )
    .fetch_one(connection)
    .await?;
    Ok(Role { name, unbound })
}
