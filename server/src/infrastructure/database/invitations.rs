use async_trait::async_trait;
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, ExprTrait, sea_query::Expr};
use tokenhouse_entity::invitation::{ActiveModel, Column, Entity, Model};

use super::{row::Row, tenant_tx::TenantTx};
use crate::{
    application::{
        error::StoreError,
        ports::{InvitationFilter, Invitations},
    },
    domain::{
        email::EmailAddress,
        id::{InvitationId, UserId},
        invitation::{Ending, Invitation, InvitationState, KEPT},
        secret::{Invitation as InvitationToken, TokenDigest},
        timestamp::Timestamp,
        user::DisplayName,
    },
};

/// Each row that comes takes a few old ones of its tenant along: nothing grows without bound, and no job has to
/// walk through all tenants.
const SWEEP: &str = "\
DELETE FROM invitations WHERE tenant_id = $1 AND id IN \
(SELECT id FROM invitations WHERE tenant_id = $1 AND expires_at <= $2 ORDER BY expires_at LIMIT 4)";

#[async_trait]
impl Invitations for TenantTx {
    async fn add_invitation(&mut self, invitation: &Invitation) -> Result<bool, StoreError> {
        let roles = serde_json::to_string(&invitation.roles)
            .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        let long_ago = invitation.created_at - KEPT;
        self.execute_sql(SWEEP, [long_ago.as_micros().into()])
            .await?;
        self.insert_or_ignore::<Entity>(ActiveModel {
            id: Set(invitation.id.as_uuid()),
            email: Set(invitation.email.as_str().to_owned()),
            name: Set(invitation
                .name
                .as_ref()
                .map(|name| name.as_str().to_owned())),
            roles: Set(roles),
            digest: Set(invitation.digest.as_bytes().to_vec()),
            expires_at: Set(invitation.expires_at.as_micros()),
            accepted_at: Set(None),
            user_id: Set(None),
            revoked_at: Set(None),
            created_at: Set(invitation.created_at.as_micros()),
            ..ActiveModel::default()
        })
        .await
    }

    async fn invitation(&mut self, id: InvitationId) -> Result<Option<Invitation>, StoreError> {
        let query = self.find::<Entity>().filter(Column::Id.eq(id.as_uuid()));
        self.one(query).await?.map(|row| read(&row)).transpose()
    }

    async fn invitation_by_token(
        &mut self,
        token: &TokenDigest<InvitationToken>,
    ) -> Result<Option<Invitation>, StoreError> {
        let query = self
            .find::<Entity>()
            .filter(Column::Digest.eq(token.as_bytes().to_vec()));
        self.one(query).await?.map(|row| read(&row)).transpose()
    }

    async fn invitations_page(
        &mut self,
        filter: &InvitationFilter,
        after: Option<InvitationId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Invitation>, StoreError> {
        let mut query = self.find::<Entity>();
        if let Some(email) = &filter.email {
            query = query.filter(Column::Email.eq(email.as_str()));
        }
        if let Some(state) = filter.state {
            query = query.filter(is_in(state, now));
        }
        if let Some(after) = after {
            query = query.filter(Column::Id.lt(after.as_uuid()));
        }
        let query = query.latest_id_first(Column::Id).at_most(limit.into());
        self.all(query).await?.iter().map(read).collect()
    }

    async fn count_pending_invitations(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let query = self
            .find::<Entity>()
            .filter(is_in(InvitationState::Pending, now));
        self.count(query).await
    }

    async fn revoke_invitations_of(
        &mut self,
        email: &EmailAddress,
        now: Timestamp,
    ) -> Result<Vec<InvitationId>, StoreError> {
        let query = self
            .find::<Entity>()
            .filter(Column::Email.eq(email.as_str()))
            .filter(open());
        let mut revoked = Vec::new();
        for row in self.all(query).await? {
            let id = InvitationId::from_uuid(row.id);
            if self.revoke_invitation(id, now).await? && now.as_micros() < row.expires_at {
                revoked.push(id);
            }
        }
        Ok(revoked)
    }

    async fn revoke_invitation(
        &mut self,
        id: InvitationId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = self
            .update::<Entity>()
            .set(Column::RevokedAt, now.as_micros())
            .filter(Column::Id.eq(id.as_uuid()))
            .filter(open());
        Ok(self.change(update).await? > 0)
    }

    async fn accept_invitation(
        &mut self,
        id: InvitationId,
        user: UserId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = self
            .update::<Entity>()
            .set(Column::AcceptedAt, now.as_micros())
            .set(Column::UserId, user.as_uuid())
            .filter(Column::Id.eq(id.as_uuid()))
            .filter(is_in(InvitationState::Pending, now));
        Ok(self.change(update).await? > 0)
    }
}

/// Neither accepted nor revoked.
fn open() -> Condition {
    Condition::all()
        .add(Column::AcceptedAt.is_null())
        .add(Column::RevokedAt.is_null())
}

/// The image of [`Invitation::state`].
fn is_in(state: InvitationState, now: Timestamp) -> Condition {
    let in_time = || Expr::col(Column::RevokedAt).lt(Expr::col(Column::ExpiresAt));
    match state {
        InvitationState::Pending => open().add(Column::ExpiresAt.gt(now.as_micros())),
        InvitationState::Accepted => Condition::all().add(Column::AcceptedAt.is_not_null()),
        InvitationState::Revoked => Condition::all()
            .add(Column::AcceptedAt.is_null())
            .add(in_time()),
        InvitationState::Expired => Condition::all()
            .add(Column::AcceptedAt.is_null())
            .add(Column::ExpiresAt.lte(now.as_micros()))
            .add(
                Condition::any()
                    .add(Column::RevokedAt.is_null())
                    .add(in_time().not()),
            ),
    }
}

fn read(row: &Model) -> Result<Invitation, StoreError> {
    let at = Row {
        table: "invitations",
        id: &row.id,
    };
    let time = |micros: i64| Timestamp::from_micros(micros);
    let ending = match (row.accepted_at, row.user_id, row.revoked_at) {
        (None, None, None) => None,
        (None, None, Some(revoked)) => Some(Ending::Revoked { at: time(revoked) }),
        (Some(accepted), Some(user), None) => Some(Ending::Accepted {
            at: time(accepted),
            user: UserId::from_uuid(user),
        }),
        _ => return Err(at.corrupt("accepted_at")),
    };
    Ok(Invitation {
        id: InvitationId::from_uuid(row.id),
        email: at.read("email", EmailAddress::parse(&row.email))?,
        name: row
            .name
            .as_deref()
            .map(|name| at.read("name", DisplayName::parse(name)))
            .transpose()?,
        roles: at.read("roles", serde_json::from_str(&row.roles))?,
        digest: TokenDigest::from_bytes(at.digest("digest", &row.digest)?),
        expires_at: time(row.expires_at),
        ending,
        created_at: time(row.created_at),
    })
}
