use async_trait::async_trait;
use sea_orm::{ActiveValue::Set, ColumnTrait};
use tokenhouse_entity::user;

use super::{
    row::{Row, time},
    tenant_tx::TenantTx,
};
use crate::{
    application::{error::StoreError, ports::Users},
    domain::{
        email::EmailAddress,
        id::UserId,
        password::PasswordHash,
        profile::Profile,
        timestamp::Timestamp,
        user::{AvatarUrl, DisplayName, ExternalId, User, UserState},
    },
};

#[async_trait]
impl Users for TenantTx {
    async fn add_user(&mut self, user: &User, password: &PasswordHash) -> Result<(), StoreError> {
        self.insert::<user::Entity>(user::ActiveModel {
            id: Set(user.id.as_uuid()),
            email: Set(user.email.as_str().to_owned()),
            email_verified: Set(user.email_verified),
            name: Set(user.name.as_str().to_owned()),
            avatar_url: Set(user.avatar_url.as_ref().map(|url| url.as_str().to_owned())),
            profile: Set(written(&user.profile)?),
            state: Set(user.state.name().to_owned()),
            external_id: Set(user.external_id.as_ref().map(|id| id.as_str().to_owned())),
            roles: Set(written(&user.roles)?),
            password_phc: Set(Some(password.as_phc().to_owned())),
            not_before: Set(user.not_before.map(Timestamp::as_micros)),
            created_at: Set(user.created_at.as_micros()),
            updated_at: Set(user.updated_at.as_micros()),
            ..user::ActiveModel::default()
        })
        .await
    }

    async fn user_by_email(
        &mut self,
        email: &EmailAddress,
    ) -> Result<Option<(User, Option<PasswordHash>)>, StoreError> {
        let query = self
            .find::<user::Entity>()
            .filter(user::Column::Email.eq(email.as_str()));
        let Some(mut row) = self.one(query).await? else {
            return Ok(None);
        };
        let hash = row.password_phc.take().map(PasswordHash::from_phc);
        Ok(Some((read_user(row)?, hash)))
    }

    async fn set_user_not_before(
        &mut self,
        id: UserId,
        mark: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(user) = self.user(id).await? else {
            return Ok(false);
        };
        let mark = user.not_before.map_or(mark, |before| before.max(mark));
        let update = self
            .update::<user::Entity>()
            .set(user::Column::NotBefore, mark.as_micros())
            .filter(user::Column::Id.eq(id.as_uuid()));
        Ok(self.change(update).await? > 0)
    }

    async fn user(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        let query = self
            .find::<user::Entity>()
            .filter(user::Column::Id.eq(id.as_uuid()));
        self.one(query).await?.map(read_user).transpose()
    }

    async fn set_profile(
        &mut self,
        id: UserId,
        profile: &Profile,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let update = self
            .update::<user::Entity>()
            .set(user::Column::Profile, written(profile)?)
            .set(user::Column::UpdatedAt, now.as_micros())
            .filter(user::Column::Id.eq(id.as_uuid()));
        self.change(update).await?;
        Ok(())
    }
}

fn written(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Unavailable(Box::new(error)))
}

pub(super) fn read_user(row: user::Model) -> Result<User, StoreError> {
    let at = Row {
        table: "users",
        id: &row.id,
    };
    Ok(User {
        id: UserId::from_uuid(row.id),
        name: at.read("name", DisplayName::parse(&row.name))?,
        email: at.read("email", EmailAddress::parse(&row.email))?,
        email_verified: row.email_verified,
        avatar_url: row
            .avatar_url
            .map(|url| at.read("avatar_url", AvatarUrl::parse(&url)))
            .transpose()?,
        profile: at.read("profile", serde_json::from_str(&row.profile))?,
        state: UserState::parse(&row.state).ok_or_else(|| at.corrupt("state"))?,
        external_id: row
            .external_id
            .map(|id| at.read("external_id", ExternalId::parse(&id)))
            .transpose()?,
        roles: at.read("roles", serde_json::from_str(&row.roles))?,
        not_before: time(row.not_before),
        created_at: Timestamp::from_micros(row.created_at),
        updated_at: Timestamp::from_micros(row.updated_at),
    })
}
