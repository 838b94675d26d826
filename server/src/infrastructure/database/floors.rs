use async_trait::async_trait;
use sea_orm::Value;

use super::{
    connection::{Database, Dialect},
    tenant_tx::{Access, TenantTx},
};
use crate::{
    application::{
        error::StoreError,
        ports::{Floors, RaisedFloor},
    },
    domain::id::TenantId,
};

/// Three values a row, far from the 32,766 that SQLite takes.
const CHUNK: usize = 500;

/// The durable floors of refresh families in a database.
#[derive(Clone, Debug)]
pub struct DatabaseFloors {
    db: Database,
}

impl DatabaseFloors {
    pub fn new(db: Database) -> Self {
        Self { db }
    }
}

#[async_trait]
impl Floors for DatabaseFloors {
    async fn raise(&self, tenant: TenantId, floors: &[RaisedFloor]) -> Result<(), StoreError> {
        if floors.is_empty() {
            return Ok(());
        }
        // In one order everywhere, so that two writers rarely wait for each other in a circle.
        let mut floors = floors.to_vec();
        floors.sort_unstable_by_key(|floor| (floor.family, floor.generation));
        // A family twice in one statement would let chance choose; the highest comes last.
        floors.reverse();
        floors.dedup_by_key(|floor| floor.family);
        let tx = TenantTx::begin(&self.db, tenant, Access::Write).await?;
        for chunk in floors.chunks(CHUNK) {
            let values = chunk.iter().flat_map(|floor| {
                [
                    Value::from(floor.family.as_uuid()),
                    Value::from(i64::from(floor.generation.0)),
                    Value::from(floor.idle_end.as_micros()),
                ]
            });
            tx.execute_sql(&raise_sql(tx.dialect(), chunk.len()), values)
                .await?;
        }
        tx.finish().await
    }
}

/// Only the floor is known afterwards: what the row says of the live token is out of date.
fn raise_sql(dialect: Dialect, rows: usize) -> String {
    let least = match dialect {
        Dialect::Sqlite => "MIN",
        Dialect::Postgres => "LEAST",
    };
    let rows: Vec<_> = (0..rows)
        .map(|row| {
            let first = 2 + row * 3;
            format!("(${first}, ${}, ${})", first + 1, first + 2)
        })
        .collect();
    format!(
        "UPDATE grants SET generation = v.column2, \
         idle_end = {least}(v.column3, grants.absolute_end), leaf_digest = NULL, \
         parent_digest = NULL, rotated_at = NULL, sealed_successor = NULL \
         FROM (VALUES {}) AS v \
         WHERE grants.tenant_id = $1 AND grants.id = v.column1 AND grants.generation < v.column2",
        rows.join(", ")
    )
}
