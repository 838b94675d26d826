//! Work that begins with a connection from the pool, which may have died there.

use sea_orm::DbErr;

use super::error::is_lost_connection;

/// After a restart of Postgres every pooled connection may be dead. Each try discards one.
const TRIES: u32 = 20;

/// Makes an attempt, and another one for each connection that turns out to be dead. Only for what may
/// be carried out twice: reading, and beginning.
pub(super) async fn on_a_live_connection<T, F>(attempt: impl Fn() -> F) -> Result<T, DbErr>
where
    F: Future<Output = Result<T, DbErr>>,
{
    let mut tries = 1;
    loop {
        match attempt().await {
            Err(error) if is_lost_connection(&error) && tries < TRIES => tries += 1,
            result => return result,
        }
    }
}
