use async_trait::async_trait;
use sea_orm::{ActiveValue::Set, ColumnTrait, ExprTrait, sea_query::Expr};
use serde_json::{Map, Value};
use tokenhouse_entity::audit_event::{ActiveModel, Column, Entity, Model};

use super::{
    row::Row,
    tenant_tx::{Scoped, TenantTx},
};
use crate::{
    application::{
        error::StoreError,
        ports::{AuditFilter, AuditTrail},
    },
    domain::{
        audit::{Actor, Entry, Event, EventKind, Origin},
        client::ClientId,
        id::{AuditEntryId, UserId},
        timestamp::Timestamp,
    },
};

#[async_trait]
impl AuditTrail for TenantTx {
    async fn add_audit_entries(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let rows = entries.iter().map(row_of).collect::<Result<_, _>>()?;
        self.insert_many_or_ignore::<Entity>(rows).await
    }

    async fn audit_entry(&mut self, id: AuditEntryId) -> Result<Option<Entry>, StoreError> {
        let query = self.find::<Entity>().filter(Column::Id.eq(id.as_uuid()));
        self.one(query).await?.map(read_entry).transpose()
    }

    async fn audit_entries(
        &mut self,
        filter: &AuditFilter,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        if let Some(found) = self.entries_of_a_kind(filter, limit).await? {
            return found.into_iter().map(read_entry).collect();
        }
        let mut query = self.find::<Entity>();
        if let Some(kind) = filter.kind {
            query = query.filter(Column::Event.eq(kind.name()));
        }
        if let Some(actor) = &filter.actor {
            query = query.filter(Column::ActorId.eq(actor));
        }
        if let Some(target) = &filter.target {
            query = query.filter(Column::Target.eq(target));
        }
        if let Some(from) = filter.from {
            query = query.filter(Column::Id.gte(from.as_uuid()));
        }
        if let Some(before) = filter.before {
            query = query.filter(Column::Id.lt(before.as_uuid()));
        }
        let query = query.latest_id_first(Column::Id).at_most(limit.into());
        self.all(query).await?.into_iter().map(read_entry).collect()
    }

    async fn delete_audit_entries(
        &mut self,
        before: AuditEntryId,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let sql = format!(
            "DELETE FROM audit_events WHERE tenant_id = $1 AND id IN \
             (SELECT id FROM audit_events WHERE tenant_id = $1 AND id < $2 ORDER BY id LIMIT {limit})"
        );
        let done = self.execute_sql(&sql, [before.as_uuid().into()]).await?;
        Ok(done.rows_affected())
    }
}

impl TenantTx {
    /// Entries of one kind by one actor or about one target; `None` when something else is asked. In one
    /// comparison, and in the order of it: several indexes serve the conditions one by one, and of them a
    /// planner without statistics may take one that reads all entries of the kind.
    async fn entries_of_a_kind(
        &self,
        filter: &AuditFilter,
        limit: u32,
    ) -> Result<Option<Vec<Model>>, StoreError> {
        let (column, id, kind) = match (&filter.actor, &filter.target, filter.kind) {
            (Some(actor), None, Some(kind)) => (Column::ActorId, actor, kind.name()),
            (None, Some(target), Some(kind)) => (Column::Target, target, kind.name()),
            _ => return Ok(None),
        };
        let order = [column, Column::Event, Column::Id];
        let before = filter
            .before
            .map_or(uuid::Uuid::max(), AuditEntryId::as_uuid);
        let start = [
            Expr::value(id.as_str()),
            Expr::value(kind),
            Expr::value(before),
        ];
        let start = Expr::tuple(order.map(Expr::col)).lt(Expr::tuple(start));
        let query = self.find::<Entity>().filter(start).at_most(limit.into());
        let query = order.into_iter().fold(query, Scoped::backwards);
        let rows = self.all(query).await?;
        let from = filter.from.map(AuditEntryId::as_uuid);
        let wanted = |row: &Model| {
            let what = match column {
                Column::ActorId => &row.actor_id,
                _ => &row.target,
            };
            row.event == kind && what.as_ref() == Some(id) && from.is_none_or(|from| row.id >= from)
        };
        Ok(Some(rows.into_iter().take_while(wanted).collect()))
    }
}

fn row_of(entry: &Entry) -> Result<ActiveModel, StoreError> {
    let (actor, actor_id, client_id) = entry.actor.parts();
    let details = serde_json::to_string(&entry.event.details)
        .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
    Ok(ActiveModel {
        id: Set(entry.id.as_uuid()),
        created_at: Set(entry.at.as_micros()),
        event: Set(entry.event.kind.name().to_owned()),
        actor: Set(actor.to_owned()),
        actor_id: Set(actor_id),
        actor_client_id: Set(client_id),
        target: Set(entry.event.target.clone()),
        ip: Set(entry.origin.ip.map(|ip| ip.to_string())),
        request_id: Set(entry.origin.request_id.clone()),
        details: Set(details),
        ..ActiveModel::default()
    })
}

fn read_entry(row: Model) -> Result<Entry, StoreError> {
    let at = Row {
        table: "audit_events",
        id: &row.id,
    };
    let client =
        |text: Option<&str>| at.read("actor_client_id", ClientId::parse(text.unwrap_or_default()));
    let actor = match row.actor.as_str() {
        Actor::OPERATOR => Actor::Operator,
        Actor::USER => {
            let user = row.actor_id.as_deref().unwrap_or_default();
            Actor::User {
                user: at.read("actor_id", user.parse::<UserId>())?,
                client: client(row.actor_client_id.as_deref())?,
            }
        }
        Actor::CLIENT => Actor::Client(client(row.actor_id.as_deref())?),
        Actor::ANONYMOUS => Actor::Anonymous,
        Actor::SYSTEM => Actor::System,
        _ => return Err(at.corrupt("actor")),
    };
    let details: Map<String, Value> = at.read("details", serde_json::from_str(&row.details))?;
    let ip = row.ip.as_deref().map(str::parse).transpose();
    Ok(Entry {
        id: AuditEntryId::from_uuid(row.id),
        at: Timestamp::from_micros(row.created_at),
        actor,
        origin: Origin {
            ip: at.read("ip", ip)?,
            request_id: row.request_id,
        },
        event: Event {
            kind: EventKind::parse(&row.event).ok_or_else(|| at.corrupt("event"))?,
            target: row.target,
            details,
        },
    })
}
