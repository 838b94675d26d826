use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::{
    connection::{Database, Dialect},
    error::store_error,
    faults::Noted,
    live::on_a_live_connection,
};
use crate::{
    application::{error::StoreError, ports::StoreClock},
    domain::timestamp::Timestamp,
};

const NOW: &str = "SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint AS now";

#[async_trait]
impl StoreClock for Database {
    async fn now(&self, offset_micros: i64) -> Result<Option<Timestamp>, StoreError> {
        // SQLite has no clock but the machine's, which is ours.
        if self.dialect() == Dialect::Sqlite {
            return Ok(None);
        }
        let statement = || Statement::from_string(DbBackend::Postgres, NOW);
        let row = on_a_live_connection(|| self.connection().query_one_raw(statement()))
            .noted_by(self.faults())
            .await?
            .ok_or_else(|| StoreError::Unavailable("the database told no time".into()))?;
        let micros: i64 = row.try_get("", "now").map_err(store_error)?;
        Ok(Some(Timestamp::from_micros(
            micros.saturating_add(offset_micros),
        )))
    }
}
