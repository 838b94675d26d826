//! The audit log of a tenant.

use std::{collections::BTreeMap, sync::Arc};

use poem::{Request, web::Data};
use poem_openapi::{Enum, Object, OpenApi, param::Query, types::Example};
use serde::Serialize;
use serde_json::Value;

use super::page::{self, Search, check_text, default_limit};
use crate::{
    app::App,
    application::{admin::audit_events, page::Page, ports::AuditFilter},
    domain::{
        audit::{Actor, Entry, EventKind},
        id::AuditEntryId,
        timestamp::Timestamp,
    },
    http::{
        api::Tag,
        extract::{administration::Administered, tenant::Segment},
        respond::{
            answer::{Answer, Refused, refusals},
            json::{DateTime, Nullable},
            problem::{Kind, Problem},
        },
    },
};

/// Operations on the audit log.
#[derive(Debug)]
pub struct AuditEventsApi;

refusals! {
    /// Refusals of the list of audit events.
    ListAuditEventsRefusals {
        400 => "A parameter is not valid.",
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin:read`.",
        404 => "No such tenant.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of reading an audit event.
    ReadAuditEventRefusals {
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin:read`.",
        404 => "No such tenant or event.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

#[OpenApi(tag = "Tag::Audit")]
impl AuditEventsApi {
    /// List audit events
    ///
    /// A page of what happened, the latest first. Events are written a moment after their answer, and kept as
    /// long as the setting `audit_retention_days` says.
    #[oai(
        path = "/admin/v1/tenants/:tenant/audit-events",
        method = "get",
        operation_id = "list_audit_events"
    )]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter")]
    async fn list_audit_events(
        &self,
        request: &Request,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// How many events at most.
        #[oai(
            validator(minimum(value = "1"), maximum(value = "200")),
            default = "default_limit"
        )]
        limit: Query<i32>,
        /// Where to go on: `next_cursor` of the page before.
        #[oai(validator(max_length = 128))]
        cursor: Query<Option<String>>,
        /// Only events of this kind, such as `user.sign_in_failed`.
        #[oai(validator(max_length = 64))]
        event: Query<Option<String>>,
        /// Only what this user or client did.
        #[oai(validator(max_length = 255))]
        actor_id: Query<Option<String>>,
        /// Only what happened to this object: the id of a user, a client, a key, a session.
        #[oai(validator(max_length = 255))]
        target: Query<Option<String>>,
        /// Only events from this moment on.
        since: Query<Option<DateTime>>,
        /// Only events before this moment.
        until: Query<Option<DateTime>>,
    ) -> Result<Answer<200, AuditEventPage>, Refused<ListAuditEventsRefusals>> {
        let search = Search::of(request, &["event", "actor_id", "target", "since", "until"])?;
        check_text("actor_id", actor_id.0.as_deref())?;
        check_text("target", target.0.as_deref())?;
        let after = search.read_cursor(cursor.0.as_deref(), str::parse::<AuditEntryId>)?;
        let until = until.0.map(|until| AuditEntryId::first_at(until.0));
        let filter = AuditFilter {
            kind: event.0.as_deref().map(read_kind).transpose()?,
            actor: actor_id.0,
            target: target.0,
            from: since.0.map(|since| AuditEntryId::first_at(since.0)),
            before: [after, until].into_iter().flatten().min(),
        };
        let limit = page::limit(limit.0);
        let Page { items, next } = audit_events::page(&app, &tenant, &filter, limit).await?;
        Ok(Answer::new(AuditEventPage {
            items: items.into_iter().map(AuditEventView::from).collect(),
            next_cursor: Nullable(next.map(|id| search.write_cursor(&id.to_string()))),
        }))
    }

    /// Read an audit event
    ///
    /// One entry of the log, as the list has it.
    #[oai(
        path = "/admin/v1/tenants/:tenant/audit-events/:event_id",
        method = "get",
        operation_id = "get_audit_event"
    )]
    async fn get_audit_event(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The event's id.
        event_id: Segment<6>,
    ) -> Result<Answer<200, AuditEventView>, Refused<ReadAuditEventRefusals>> {
        let entry = audit_events::find(&app, &tenant, &event_id.0).await?;
        Ok(Answer::new(AuditEventView::from(entry)))
    }
}

fn read_kind(name: &str) -> Result<EventKind, Problem> {
    EventKind::parse(name).ok_or_else(|| {
        Problem::new(Kind::InvalidParameter)
            .detail("`event` is no kind of event; docs/operations.md lists them.")
    })
}

/// Who did it.
#[derive(Clone, Copy, Debug, Enum, Serialize)]
#[oai(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum ActorKind {
    /// Whoever runs the installation.
    Operator,
    /// A user.
    User,
    /// A client for itself.
    Client,
    /// Somebody who didn't prove who they are.
    Anonymous,
    /// The server by itself.
    System,
}

/// Who did it.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "AuditActor")]
pub struct ActorView {
    kind: ActorKind,
    /// The user or the client.
    id: Nullable<String>,
    /// The client that a user acted by.
    client_id: Nullable<String>,
}

impl From<Actor> for ActorView {
    fn from(actor: Actor) -> Self {
        let (kind, id, client_id) = match actor {
            Actor::Operator => (ActorKind::Operator, None, None),
            Actor::User { user, client } => (
                ActorKind::User,
                Some(user.to_string()),
                Some(client.to_string()),
            ),
            Actor::Client(client) => (ActorKind::Client, Some(client.to_string()), None),
            Actor::Anonymous => (ActorKind::Anonymous, None, None),
            Actor::System => (ActorKind::System, None, None),
        };
        Self {
            kind,
            id: Nullable(id),
            client_id: Nullable(client_id),
        }
    }
}

/// Something that happened in the tenant.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "AuditEvent", example)]
pub struct AuditEventView {
    id: uuid::Uuid,
    /// What happened, such as `user.signed_in`. Later versions may know more kinds.
    event: String,
    created_at: DateTime,
    actor: ActorView,
    /// What it happened to: the id of a user, a client, a key, a session.
    target: Nullable<String>,
    /// The address that the request came from.
    ip: Nullable<String>,
    /// The `X-Request-Id` of the request's answer.
    request_id: Nullable<String>,
    /// More, by name; a change has `before` and `after` with the members that differ. Never a secret.
    details: BTreeMap<String, Value>,
}

impl From<Entry> for AuditEventView {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id.as_uuid(),
            event: entry.event.kind.name().to_owned(),
            created_at: DateTime(entry.at),
            actor: entry.actor.into(),
            target: Nullable(entry.event.target),
            ip: Nullable(entry.origin.ip.map(|ip| ip.to_string())),
            request_id: Nullable(entry.origin.request_id),
            details: entry.event.details.into_iter().collect(),
        }
    }
}

impl Example for AuditEventView {
    fn example() -> Self {
        let user = "01a1f6b2-5f00-7a3c-8d4e-0f1a2b3c4d5e".to_owned();
        Self {
            id: uuid::uuid!("01a1f6b2-6000-7a3c-8d4e-0f1a2b3c4d5e"),
            event: EventKind::UserSignedIn.name().to_owned(),
            created_at: DateTime(Timestamp::from_micros(1_795_000_000_000_000)),
            actor: ActorView {
                kind: ActorKind::User,
                id: Nullable(Some(user.clone())),
                client_id: Nullable(Some("first-party".to_owned())),
            },
            target: Nullable(Some(user)),
            ip: Nullable(Some("198.51.100.7".to_owned())),
            request_id: Nullable(Some("7d3c2a52-0b6e-4a3c-8d4e-0f1a2b3c4d5e".to_owned())),
            details: BTreeMap::from([(
                "session_id".to_owned(),
                Value::from("01a1f6b2-6001-7a3c-8d4e-0f1a2b3c4d5e"),
            )]),
        }
    }
}

/// A page of audit events.
#[derive(Debug, Object, Serialize)]
pub struct AuditEventPage {
    items: Vec<AuditEventView>,
    /// Null at the end.
    next_cursor: Nullable<String>,
}
