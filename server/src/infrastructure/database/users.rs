use async_trait::async_trait;
use sea_orm::{ActiveValue::Set, ColumnTrait};
use tokenhouse_entity::{grant, user};

use super::{
    row::{Row, time},
    tenant_tx::TenantTx,
    users_list,
};
use crate::{
    application::{
        error::StoreError,
        ports::{UserFilter, UserPosition, UserWithHash, Users},
    },
    domain::{
        email::EmailAddress,
        id::{GrantId, SessionId, UserId},
        password::PasswordHash,
        profile::Profile,
        timestamp::Timestamp,
        user::{AvatarUrl, DisplayName, ExternalId, User, UserState},
    },
};

#[async_trait]
impl Users for TenantTx {
    async fn add_user(
        &mut self,
        user: &User,
        password: Option<&PasswordHash>,
    ) -> Result<(), StoreError> {
        self.insert::<user::Entity>(row_of(user, password)?).await
    }

    async fn add_user_if_free(
        &mut self,
        user: &User,
        password: Option<&PasswordHash>,
    ) -> Result<bool, StoreError> {
        self.insert_or_ignore::<user::Entity>(row_of(user, password)?)
            .await
    }

    async fn user_by_email(
        &mut self,
        email: &EmailAddress,
    ) -> Result<Option<UserWithHash>, StoreError> {
        let query = self
            .find::<user::Entity>()
            .filter(user::Column::Email.eq(email.as_str()));
        self.one(query).await?.map(read_with_hash).transpose()
    }

    async fn users_by_external_id(
        &mut self,
        ids: &[ExternalId],
    ) -> Result<Vec<UserWithHash>, StoreError> {
        let ids = ids.iter().map(ExternalId::as_str);
        let query = self
            .find::<user::Entity>()
            .filter(user::Column::ExternalId.is_in(ids));
        let rows = self.all(query).await?;
        rows.into_iter().map(read_with_hash).collect()
    }

    async fn user(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        let query = self
            .find::<user::Entity>()
            .filter(user::Column::Id.eq(id.as_uuid()));
        self.one(query).await?.map(read_user).transpose()
    }

    async fn user_with_hash(&mut self, id: UserId) -> Result<Option<UserWithHash>, StoreError> {
        let query = self
            .find::<user::Entity>()
            .filter(user::Column::Id.eq(id.as_uuid()));
        self.one(query).await?.map(read_with_hash).transpose()
    }

    async fn users_page(
        &mut self,
        filter: &UserFilter,
        after: Option<&UserPosition>,
        limit: u32,
    ) -> Result<Vec<(UserPosition, UserWithHash)>, StoreError> {
        users_list::page(self, filter, after, limit).await
    }

    async fn update_user(&mut self, user: &User, seen: Timestamp) -> Result<bool, StoreError> {
        let update = self
            .update::<user::Entity>()
            .set(user::Column::Email, user.email.as_str())
            .set(user::Column::EmailVerified, user.email_verified)
            .set(user::Column::Name, user.name.as_str())
            .set(user::Column::SearchName, user.name.as_str().to_lowercase())
            .set(
                user::Column::AvatarUrl,
                user.avatar_url.as_ref().map(|url| url.as_str().to_owned()),
            )
            .set(user::Column::Profile, written(&user.profile)?)
            .set(user::Column::State, user.state.name())
            .set(
                user::Column::ExternalId,
                user.external_id.as_ref().map(|id| id.as_str().to_owned()),
            )
            .set(user::Column::Roles, written(&user.roles)?)
            .set(user::Column::UpdatedAt, user.updated_at.as_micros())
            .filter(user::Column::Id.eq(user.id.as_uuid()))
            .filter(user::Column::UpdatedAt.eq(seen.as_micros()));
        // Setting the mark leaves the user's version alone: what was read of it may be out of date.
        let update = match user.not_before {
            Some(mark) => update.set_later(user::Column::NotBefore, mark.as_micros()),
            None => update,
        };
        Ok(self.change(update).await? > 0)
    }

    async fn replace_password(
        &mut self,
        id: UserId,
        old: Option<&PasswordHash>,
        new: &PasswordHash,
    ) -> Result<bool, StoreError> {
        let update = self
            .update::<user::Entity>()
            .set(user::Column::PasswordPhc, new.as_phc())
            .filter(user::Column::Id.eq(id.as_uuid()));
        let update = match old {
            Some(old) => update.filter(user::Column::PasswordPhc.eq(old.as_phc())),
            None => update.filter(user::Column::PasswordPhc.is_null()),
        };
        Ok(self.change(update).await? > 0)
    }

    async fn delete_user(
        &mut self,
        id: UserId,
    ) -> Result<Option<Vec<(SessionId, GrantId)>>, StoreError> {
        let grants = self
            .find::<grant::Entity>()
            .filter(grant::Column::UserId.eq(id.as_uuid()));
        let grants = self.all(grants).await?;
        let user = self
            .delete::<user::Entity>()
            .filter(user::Column::Id.eq(id.as_uuid()));
        let ids = |grant: grant::Model| {
            (
                SessionId::from_uuid(grant.session_id),
                GrantId::from_uuid(grant.id),
            )
        };
        let gone = self.remove(user).await? > 0;
        Ok(gone.then(|| grants.into_iter().map(ids).collect()))
    }

    async fn set_user_not_before(
        &mut self,
        id: UserId,
        mark: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = self
            .update::<user::Entity>()
            .set_later(user::Column::NotBefore, mark.as_micros())
            .filter(user::Column::Id.eq(id.as_uuid()));
        Ok(self.change(update).await? > 0)
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

fn row_of(user: &User, password: Option<&PasswordHash>) -> Result<user::ActiveModel, StoreError> {
    Ok(user::ActiveModel {
        id: Set(user.id.as_uuid()),
        email: Set(user.email.as_str().to_owned()),
        email_verified: Set(user.email_verified),
        name: Set(user.name.as_str().to_owned()),
        search_name: Set(user.name.as_str().to_lowercase()),
        avatar_url: Set(user.avatar_url.as_ref().map(|url| url.as_str().to_owned())),
        profile: Set(written(&user.profile)?),
        state: Set(user.state.name().to_owned()),
        external_id: Set(user.external_id.as_ref().map(|id| id.as_str().to_owned())),
        roles: Set(written(&user.roles)?),
        password_phc: Set(password.map(|hash| hash.as_phc().to_owned())),
        not_before: Set(user.not_before.map(Timestamp::as_micros)),
        created_at: Set(user.created_at.as_micros()),
        updated_at: Set(user.updated_at.as_micros()),
        ..user::ActiveModel::default()
    })
}

pub(super) fn read_with_hash(mut row: user::Model) -> Result<UserWithHash, StoreError> {
    let hash = row.password_phc.take().map(PasswordHash::from_phc);
    Ok((read_user(row)?, hash))
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
