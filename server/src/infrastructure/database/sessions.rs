use async_trait::async_trait;
use sea_orm::{ActiveValue::Set, ColumnTrait};
use tokenhouse_entity::{client, grant, session, user};

use super::{
    clients::read_client,
    grants::read_issuer_domain,
    row::{Row, time},
    tenant_tx::TenantTx,
    users::read_user,
};
use crate::{
    application::{
        error::StoreError,
        ports::{SessionClient, SessionFilter, SessionView, Sessions},
    },
    domain::{
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

    async fn live_sessions_of(&mut self, user: UserId) -> Result<Vec<SessionId>, StoreError> {
        let query = self
            .find::<session::Entity>()
            .filter(session::Column::UserId.eq(user.as_uuid()))
            .filter(session::Column::EndedAt.is_null());
        let rows = self.all(query).await?;
        Ok(rows
            .into_iter()
            .map(|row| SessionId::from_uuid(row.id))
            .collect())
    }

    async fn end_session(
        &mut self,
        id: SessionId,
        now: Timestamp,
    ) -> Result<Vec<GrantId>, StoreError> {
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
        self.change(revoke).await?;
        // All of them, not only those just revoked: whoever ends a session twice may do so because
        // clearing up after the first time failed.
        let grants = self
            .find::<grant::Entity>()
            .filter(grant::Column::SessionId.eq(id.as_uuid()))
            .filter(grant::Column::Offline.eq(false));
        let grants = self.all(grants).await?;
        Ok(grants
            .into_iter()
            .map(|grant| GrantId::from_uuid(grant.id))
            .collect())
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
