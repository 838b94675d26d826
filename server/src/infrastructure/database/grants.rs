use async_trait::async_trait;
use sea_orm::{ActiveValue::Set, ColumnTrait};
use tokenhouse_entity::{client, grant, session, user};

use super::{
    clients::read_client,
    row::{Row, time},
    sessions::read_session,
    tenant_tx::TenantTx,
    users::read_user,
};
use crate::{
    application::{
        error::StoreError,
        ports::{GrantFilter, Grants, SweepBounds, SweptPart},
    },
    domain::{
        claims::Audience,
        client::ClientId,
        domain_name::DomainName,
        grant::{Floor, Grant, GrantSummary, GrantView},
        id::{GrantId, SessionId, UserId},
        refresh::{Family, Generation, LastRotation, SecretDigest},
        scope::Scopes,
        timestamp::Timestamp,
    },
};

#[async_trait]
impl Grants for TenantTx {
    async fn add_grant(&mut self, grant: &Grant) -> Result<(), StoreError> {
        self.insert::<grant::Entity>(grant::ActiveModel {
            id: Set(grant.id.as_uuid()),
            session_id: Set(grant.session_id.as_uuid()),
            user_id: Set(grant.user_id.as_uuid()),
            client_id: Set(grant.client_id.as_str().to_owned()),
            scope: Set(grant.scope.to_string()),
            audience: Set(grant.audience.iter().collect::<Vec<_>>().join(" ")),
            issuer_domain: Set(grant.issuer_domain.as_ref().map(ToString::to_string)),
            offline: Set(grant.offline),
            authenticated_at: Set(grant.authenticated_at.as_micros()),
            claims: Set(serde_json::to_string(&grant.claims)
                .map_err(|error| StoreError::Unavailable(Box::new(error)))?),
            generation: Set(Generation::FIRST.0.into()),
            leaf_digest: Set(Some(grant.leaf.as_bytes().to_vec())),
            idle_end: Set(grant.idle_end.as_micros()),
            absolute_end: Set(grant.absolute_end.as_micros()),
            created_at: Set(grant.created_at.as_micros()),
            ..grant::ActiveModel::default()
        })
        .await
    }

    async fn grant(&mut self, id: GrantId) -> Result<Option<GrantView>, StoreError> {
        let query = self
            .find::<grant::Entity>()
            .filter(grant::Column::Id.eq(id.as_uuid()))
            .with_three(session::Entity, user::Entity, client::Entity);
        let Some((grant, session, user, client)) = self.one_of_four(query).await? else {
            return Ok(None);
        };
        let at = row(&grant);
        let session = session.ok_or_else(|| at.corrupt("session_id"))?;
        let user = user.ok_or_else(|| at.corrupt("user_id"))?;
        let client = client.ok_or_else(|| at.corrupt("client_id"))?;
        Ok(Some(GrantView {
            id: GrantId::from_uuid(grant.id),
            scope: at.read("scope", Scopes::parse(&grant.scope))?,
            audience: read_audience(&grant.audience),
            issuer_domain: read_issuer_domain(&grant)?,
            offline: grant.offline,
            authenticated_at: Timestamp::from_micros(grant.authenticated_at),
            claims: at.read("claims", serde_json::from_str(&grant.claims))?,
            floor: read_floor(&grant)?,
            created_at: Timestamp::from_micros(grant.created_at),
            revoked_at: time(grant.revoked_at),
            client: read_client(&client)?,
            session: read_session(&session)?,
            user: read_user(user)?,
        }))
    }

    async fn grant_summary(&mut self, id: GrantId) -> Result<Option<GrantSummary>, StoreError> {
        let query = self
            .find::<grant::Entity>()
            .filter(grant::Column::Id.eq(id.as_uuid()));
        let row = self.one(query).await?;
        row.as_ref().map(read_summary).transpose()
    }

    async fn grants_page(
        &mut self,
        filter: &GrantFilter,
        after: Option<GrantId>,
        limit: u32,
    ) -> Result<Vec<GrantSummary>, StoreError> {
        let mut query = self.find::<grant::Entity>();
        if let Some(user) = filter.user {
            query = query.filter(grant::Column::UserId.eq(user.as_uuid()));
        }
        if let Some(client) = &filter.client {
            query = query.filter(grant::Column::ClientId.eq(client.as_str()));
        }
        if let Some(session) = filter.session {
            query = query.filter(grant::Column::SessionId.eq(session.as_uuid()));
        }
        if let Some(after) = after {
            query = query.filter(grant::Column::Id.lt(after.as_uuid()));
        }
        let query = query
            .latest_id_first(grant::Column::Id)
            .at_most(limit.into());
        self.all(query).await?.iter().map(read_summary).collect()
    }

    async fn revoke_grant(&mut self, id: GrantId, now: Timestamp) -> Result<bool, StoreError> {
        let revoke = self
            .update::<grant::Entity>()
            .set(grant::Column::RevokedAt, now.as_micros())
            .filter(grant::Column::Id.eq(id.as_uuid()))
            .filter(grant::Column::RevokedAt.is_null());
        Ok(self.change(revoke).await? > 0)
    }

    async fn revoke_grants_of(
        &mut self,
        user: UserId,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Vec<(SessionId, GrantId)>, StoreError> {
        let revoke = self
            .update::<grant::Entity>()
            .set(grant::Column::RevokedAt, now.as_micros())
            .filter(grant::Column::UserId.eq(user.as_uuid()))
            .filter(grant::Column::ClientId.eq(client.as_str()))
            .filter(grant::Column::RevokedAt.is_null());
        self.change(revoke).await?;
        let grants = self
            .find::<grant::Entity>()
            .filter(grant::Column::UserId.eq(user.as_uuid()))
            .filter(grant::Column::ClientId.eq(client.as_str()));
        let ids = |grant: grant::Model| {
            (
                SessionId::from_uuid(grant.session_id),
                GrantId::from_uuid(grant.id),
            )
        };
        Ok(self.all(grants).await?.into_iter().map(ids).collect())
    }

    async fn sweep_grants(
        &mut self,
        after: GrantId,
        bounds: &SweepBounds,
        limit: u32,
    ) -> Result<SweptPart<GrantId>, StoreError> {
        let oldest_kept = GrantId::first_at(bounds.ended_before).as_uuid();
        let window = self
            .window("grants", after.as_uuid(), oldest_kept, limit)
            .await?;
        let done = self
            .execute_sql(
                "DELETE FROM grants WHERE tenant_id = $1 AND id > $2 AND id <= $3 \
                 AND (revoked_at < $4 OR absolute_end < $4 OR idle_end < $5)",
                [
                    after.as_uuid().into(),
                    window.unwrap_or(oldest_kept).into(),
                    bounds.ended_before.as_micros().into(),
                    bounds.idle_before.as_micros().into(),
                ],
            )
            .await?;
        Ok(SweptPart {
            deleted: done.rows_affected(),
            next: window.map(GrantId::from_uuid),
        })
    }
}

fn read_summary(grant: &grant::Model) -> Result<GrantSummary, StoreError> {
    Ok(GrantSummary {
        id: GrantId::from_uuid(grant.id),
        session_id: SessionId::from_uuid(grant.session_id),
        user_id: UserId::from_uuid(grant.user_id),
        client_id: read_client_id(grant)?,
        scope: row(grant).read("scope", Scopes::parse(&grant.scope))?,
        audience: read_audience(&grant.audience),
        offline: grant.offline,
        absolute_end: Timestamp::from_micros(grant.absolute_end),
        revoked_at: time(grant.revoked_at),
        created_at: Timestamp::from_micros(grant.created_at),
    })
}

/// URIs have no spaces: they are kept with spaces between them.
fn read_audience(text: &str) -> Audience {
    Audience::of(text.split_whitespace().map(str::to_owned).collect())
}

fn row(grant: &grant::Model) -> Row<'_> {
    Row {
        table: "grants",
        id: &grant.id,
    }
}

pub(super) fn read_client_id(grant: &grant::Model) -> Result<ClientId, StoreError> {
    row(grant).read("client_id", ClientId::parse(&grant.client_id))
}

pub(super) fn read_issuer_domain(grant: &grant::Model) -> Result<Option<DomainName>, StoreError> {
    read_domain_name(&grant.id, grant.issuer_domain.as_deref())
}

pub(super) fn read_domain_name(
    id: &dyn std::fmt::Display,
    text: Option<&str>,
) -> Result<Option<DomainName>, StoreError> {
    let at = Row {
        table: "grants",
        id,
    };
    at.read("issuer_domain", text.map(DomainName::stored).transpose())
}

/// The row as a family's durable bound.
pub(super) fn read_floor(grant: &grant::Model) -> Result<Floor, StoreError> {
    Ok(Floor {
        generation: read_generation(grant)?,
        leaf: read_digest(grant, "leaf_digest", grant.leaf_digest.as_deref())?,
        idle_end: Timestamp::from_micros(grant.idle_end),
        absolute_end: Timestamp::from_micros(grant.absolute_end),
    })
}

/// The row as a family's hot record; `None` when only the floor is known.
pub(super) fn read_family(grant: &grant::Model) -> Result<Option<Family>, StoreError> {
    let Some(leaf) = read_digest(grant, "leaf_digest", grant.leaf_digest.as_deref())? else {
        return Ok(None);
    };
    let parent = read_digest(grant, "parent_digest", grant.parent_digest.as_deref())?;
    let last_rotation = match (parent, grant.rotated_at, &grant.sealed_successor) {
        (Some(parent), Some(rotated_at), Some(sealed)) => Some(LastRotation {
            parent,
            rotated_at: Timestamp::from_micros(rotated_at),
            sealed_successor: sealed.clone(),
        }),
        (None, None, None) => None,
        _ => return Err(row(grant).corrupt("parent_digest")),
    };
    Ok(Some(Family {
        client_id: read_client_id(grant)?,
        generation: read_generation(grant)?,
        leaf,
        last_rotation,
        idle_end: Timestamp::from_micros(grant.idle_end),
        absolute_end: Timestamp::from_micros(grant.absolute_end),
        dead: grant.revoked_at.is_some(),
    }))
}

fn read_generation(grant: &grant::Model) -> Result<Generation, StoreError> {
    row(grant)
        .read("generation", u32::try_from(grant.generation))
        .map(Generation)
}

fn read_digest(
    grant: &grant::Model,
    column: &'static str,
    bytes: Option<&[u8]>,
) -> Result<Option<SecretDigest>, StoreError> {
    bytes
        .map(|bytes| {
            row(grant)
                .digest(column, bytes)
                .map(SecretDigest::from_bytes)
        })
        .transpose()
}
