use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use sea_orm::{ActiveValue::Set, ColumnTrait, Value};
use tokenhouse_entity::{client, grant, session, user};

use super::{
    clients::read_client,
    grants::{read_domain_name, read_issuer_domain},
    row::{Row, time},
    tenant_tx::{TenantTx, column},
    users::read_user,
};
use crate::{
    application::{
        error::StoreError,
        ports::{
            EndedSessions, GrantsOfSession, SessionClient, SessionFilter, SessionView, Sessions,
            SweepBounds, SweptPart,
        },
    },
    domain::{
        client::ClientId,
        id::{GrantId, SessionId, UserId},
        secret::{BrowserSession, TokenDigest},
        session::Session,
        timestamp::Timestamp,
    },
};

#[async_trait]
impl Sessions for TenantTx {
    async fn add_session(&mut self, session: &Session) -> Result<(), StoreError> {
        self.insert::<session::Entity>(session::ActiveModel {
            id: Set(session.id.as_uuid()),
            user_id: Set(session.user_id.as_uuid()),
            authenticated_at: Set(session.authenticated_at.as_micros()),
            amr: Set(session.amr.join(" ")),
            browser_digest: Set(session.browser.as_ref().map(|d| d.as_bytes().to_vec())),
            seen_at: Set(session.seen_at.map(Timestamp::as_micros)),
            ended_at: Set(session.ended_at.map(Timestamp::as_micros)),
            created_at: Set(session.created_at.as_micros()),
            ..session::ActiveModel::default()
        })
        .await
    }

    async fn session(&mut self, id: SessionId) -> Result<Option<SessionView>, StoreError> {
        let query = self
            .find::<session::Entity>()
            .filter(session::Column::Id.eq(id.as_uuid()))
            .with(user::Entity);
        let Some((session, user)) = self.one_of_two(query).await? else {
            return Ok(None);
        };
        read_view(&session, user).map(Some)
    }

    async fn session_of_browser(
        &mut self,
        browser: &TokenDigest<BrowserSession>,
    ) -> Result<Option<SessionView>, StoreError> {
        let query = self
            .find::<session::Entity>()
            .filter(session::Column::BrowserDigest.eq(browser.as_bytes().to_vec()))
            .with(user::Entity);
        self.one_of_two(query)
            .await?
            .map(|(session, user)| read_view(&session, user))
            .transpose()
    }

    async fn renew_session(&mut self, session: &Session) -> Result<(), StoreError> {
        let renew = self
            .update::<session::Entity>()
            .set(
                session::Column::AuthenticatedAt,
                session.authenticated_at.as_micros(),
            )
            .set(session::Column::Amr, session.amr.join(" "))
            .set(
                session::Column::BrowserDigest,
                session.browser.as_ref().map(|d| d.as_bytes().to_vec()),
            )
            .set(
                session::Column::SeenAt,
                session.seen_at.map(Timestamp::as_micros),
            )
            .filter(session::Column::Id.eq(session.id.as_uuid()))
            .filter(session::Column::EndedAt.is_null());
        self.change(renew).await?;
        Ok(())
    }

    async fn touch_session(&mut self, id: SessionId, now: Timestamp) -> Result<(), StoreError> {
        let touch = self
            .update::<session::Entity>()
            .set(session::Column::SeenAt, now.as_micros())
            .filter(session::Column::Id.eq(id.as_uuid()));
        self.change(touch).await?;
        Ok(())
    }

    async fn clients_of_session(
        &mut self,
        id: SessionId,
    ) -> Result<Vec<SessionClient>, StoreError> {
        let query = self
            .find::<grant::Entity>()
            .filter(grant::Column::SessionId.eq(id.as_uuid()))
            .with(client::Entity);
        let mut clients: Vec<SessionClient> = Vec::new();
        for (grant, client) in self.all_of_two(query).await? {
            let Some(client) = client else { continue };
            let issuer_domain = read_issuer_domain(&grant)?;
            let is_known = |known: &SessionClient| {
                known.client.id.as_str() == client.id && known.issuer_domain == issuer_domain
            };
            if !clients.iter().any(is_known) {
                clients.push(SessionClient {
                    client: read_client(&client)?,
                    issuer_domain,
                });
            }
        }
        Ok(clients)
    }

    async fn sessions_page(
        &mut self,
        filter: SessionFilter,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let mut query = self.find::<session::Entity>();
        if let Some(user) = filter.user {
            query = query.filter(session::Column::UserId.eq(user.as_uuid()));
        }
        if let Some(after) = after {
            query = query.filter(session::Column::Id.lt(after.as_uuid()));
        }
        let query = query
            .latest_id_first(session::Column::Id)
            .at_most(limit.into());
        let rows = self.all(query).await?;
        rows.iter().map(read_session).collect()
    }

    async fn end_session(
        &mut self,
        id: SessionId,
        now: Timestamp,
    ) -> Result<GrantsOfSession, StoreError> {
        let end = self
            .update::<session::Entity>()
            .set(session::Column::EndedAt, now.as_micros())
            .filter(session::Column::Id.eq(id.as_uuid()))
            .filter(session::Column::EndedAt.is_null());
        self.change(end).await?;
        let revoke = self
            .update::<grant::Entity>()
            .set(grant::Column::RevokedAt, now.as_micros())
            .filter(grant::Column::SessionId.eq(id.as_uuid()))
            .filter(grant::Column::Offline.eq(false))
            .filter(grant::Column::RevokedAt.is_null());
        let revoked = self.change(revoke).await?;
        // All of them, not only those just revoked: whoever ends a session twice may do so because
        // clearing up after the first time failed.
        let grants = self
            .find::<grant::Entity>()
            .filter(grant::Column::SessionId.eq(id.as_uuid()))
            .filter(grant::Column::Offline.eq(false));
        let grants = self.all(grants).await?;
        Ok(GrantsOfSession {
            all: grants
                .into_iter()
                .map(|grant| GrantId::from_uuid(grant.id))
                .collect(),
            revoked,
        })
    }

    async fn end_sessions_of(
        &mut self,
        user: UserId,
        now: Timestamp,
    ) -> Result<EndedSessions, StoreError> {
        let (user, now) = (Value::from(user.as_uuid()), Value::from(now.as_micros()));
        let both = || [user.clone(), now.clone()];
        let grants = self.rows_sql(LIVE_GRANTS_OF, both()).await?;
        let ended = self.rows_sql(END_SESSIONS_OF, both()).await?;
        self.execute_sql(REVOKE_GRANTS_OF, both()).await?;
        let mut used = UsedClients::new();
        let mut ids = Vec::new();
        for grant in &grants {
            ids.push(GrantId::from_uuid(column(grant, "id")?));
            let session = SessionId::from_uuid(column(grant, "session_id")?);
            let client: String = column(grant, "client_id")?;
            if client != ClientId::first_party().as_str() {
                let client = (client, column(grant, "issuer_domain")?);
                used.entry(client).or_default().insert(session);
            }
        }
        Ok(EndedSessions {
            sessions: ended
                .iter()
                .map(|row| column(row, "id").map(SessionId::from_uuid))
                .collect::<Result<_, _>>()?,
            grants: ids,
            clients: self.clients_used(used).await?,
        })
    }

    async fn sweep_sessions(
        &mut self,
        after: SessionId,
        bounds: &SweepBounds,
        limit: u32,
    ) -> Result<SweptPart<SessionId>, StoreError> {
        let oldest_kept = SessionId::first_at(bounds.ended_before).as_uuid();
        let window = self
            .window("sessions", after.as_uuid(), oldest_kept, limit)
            .await?;
        let done = self
            .execute_sql(
                SWEEP_SESSIONS,
                [
                    after.as_uuid().into(),
                    window.unwrap_or(oldest_kept).into(),
                    bounds.ended_before.as_micros().into(),
                    SessionId::first_at(bounds.browser_before).as_uuid().into(),
                ],
            )
            .await?;
        Ok(SweptPart {
            deleted: done.rows_affected(),
            next: window.map(SessionId::from_uuid),
        })
    }
}

/// Clients by id and by the domain whose issuer they know, with the sessions that they were used in.
type UsedClients = BTreeMap<(String, Option<String>), BTreeSet<SessionId>>;

/// What counts of a user's grants: what expired by itself is nobody's to be told of.
const LIVE_GRANTS_OF: &str = "SELECT id, session_id, client_id, issuer_domain FROM grants \
    WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL \
    AND idle_end > $3 AND absolute_end > $3";

const END_SESSIONS_OF: &str = "UPDATE sessions SET ended_at = $3 \
    WHERE tenant_id = $1 AND user_id = $2 AND ended_at IS NULL RETURNING id";

const REVOKE_GRANTS_OF: &str = "UPDATE grants SET revoked_at = $3 \
    WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL AND NOT offline";

/// A session without a browser lives by its grants alone. One with grants stays, whatever it is.
const SWEEP_SESSIONS: &str = "DELETE FROM sessions \
    WHERE tenant_id = $1 AND id > $2 AND id <= $3 \
    AND (ended_at < $4 OR browser_digest IS NULL OR id < $5) \
    AND NOT EXISTS (SELECT 1 FROM grants \
        WHERE grants.tenant_id = $1 AND grants.session_id = sessions.id)";

impl TenantTx {
    async fn clients_used(
        &self,
        used: UsedClients,
    ) -> Result<Vec<(SessionClient, Vec<SessionId>)>, StoreError> {
        if used.is_empty() {
            return Ok(Vec::new());
        }
        let query = self
            .find::<client::Entity>()
            .filter(client::Column::Id.is_in(used.keys().map(|(id, _)| id.clone())));
        let clients = self.all(query).await?;
        let mut found = Vec::new();
        for ((id, issuer_domain), sessions) in used {
            let Some(row) = clients.iter().find(|row| row.id == id) else {
                continue;
            };
            let client = SessionClient {
                client: read_client(row)?,
                issuer_domain: read_domain_name(&row.id, issuer_domain.as_deref())?,
            };
            found.push((client, sessions.into_iter().collect()));
        }
        Ok(found)
    }

    /// The last of `limit` ids of a table behind `after`, if there are as many before `end`. A sweep walks
    /// the primary key: what it leaves costs it one look, and no other index has to be kept for it.
    pub(super) async fn window(
        &self,
        table: &'static str,
        after: uuid::Uuid,
        end: uuid::Uuid,
        limit: u32,
    ) -> Result<Option<uuid::Uuid>, StoreError> {
        let sql = format!(
            "SELECT id FROM {table} WHERE tenant_id = $1 AND id > $2 AND id < $3 \
             ORDER BY id LIMIT 1 OFFSET {}",
            limit.saturating_sub(1)
        );
        let row = self.query_sql(&sql, [after.into(), end.into()]).await?;
        row.map(|row| column(&row, "id")).transpose()
    }
}

fn read_view(
    session: &session::Model,
    user: Option<user::Model>,
) -> Result<SessionView, StoreError> {
    let at = Row {
        table: "sessions",
        id: &session.id,
    };
    Ok(SessionView {
        user: read_user(user.ok_or_else(|| at.corrupt("user_id"))?)?,
        session: read_session(session)?,
    })
}

pub(super) fn read_session(row: &session::Model) -> Result<Session, StoreError> {
    let at = Row {
        table: "sessions",
        id: &row.id,
    };
    let browser = row
        .browser_digest
        .as_deref()
        .map(|bytes| at.digest("browser_digest", bytes))
        .transpose()?;
    Ok(Session {
        id: SessionId::from_uuid(row.id),
        user_id: UserId::from_uuid(row.user_id),
        authenticated_at: Timestamp::from_micros(row.authenticated_at),
        amr: row.amr.split_whitespace().map(str::to_owned).collect(),
        browser: browser.map(TokenDigest::from_bytes),
        seen_at: time(row.seen_at),
        ended_at: time(row.ended_at),
        created_at: Timestamp::from_micros(row.created_at),
    })
}
