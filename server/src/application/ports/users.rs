//! Users and their passwords.

use async_trait::async_trait;

use crate::{
    application::error::StoreError,
    domain::{
        email::EmailAddress,
        id::{GrantId, SessionId, UserId},
        password::PasswordHash,
        profile::Profile,
        timestamp::Timestamp,
        user::{ExternalId, User, UserState},
    },
};

/// A user and its password hash.
pub type UserWithHash = (User, Option<PasswordHash>);

#[async_trait]
pub trait Users {
    /// Adds a user. `Conflict("users_tenant_id_email_key")` when the address is taken,
    /// `Conflict("users_tenant_id_external_id_key")` when the external id is.
    async fn add_user(
        &mut self,
        user: &User,
        password: Option<&PasswordHash>,
    ) -> Result<(), StoreError>;
    /// Adds a user unless something of it is taken; then the work goes on, and the answer is `false`.
    async fn add_user_if_free(
        &mut self,
        user: &User,
        password: Option<&PasswordHash>,
    ) -> Result<bool, StoreError>;
    /// A user and its password hash, by canonical address.
    async fn user_by_email(
        &mut self,
        email: &EmailAddress,
    ) -> Result<Option<UserWithHash>, StoreError>;
    /// The users that other systems know by these ids.
    async fn users_by_external_id(
        &mut self,
        ids: &[ExternalId],
    ) -> Result<Vec<UserWithHash>, StoreError>;
    async fn user(&mut self, id: UserId) -> Result<Option<User>, StoreError>;
    async fn user_with_hash(&mut self, id: UserId) -> Result<Option<UserWithHash>, StoreError>;
    /// Up to `limit` users behind `after`. Without a search in order of id. With one, in order of address
    /// those whose address begins so; when there are none, in order of name those whose name does.
    async fn users_page(
        &mut self,
        filter: &UserFilter,
        after: Option<&UserPosition>,
        limit: u32,
    ) -> Result<Vec<(UserPosition, UserWithHash)>, StoreError>;
    /// Writes what may change of a user that was last changed at `seen`; `false` when it is gone or was
    /// changed since. Conflicts as in `add_user`.
    async fn update_user(&mut self, user: &User, seen: Timestamp) -> Result<bool, StoreError>;
    /// Sets a password hash in place of this very one; `false` when it is there no more.
    async fn replace_password(
        &mut self,
        id: UserId,
        old: Option<&PasswordHash>,
        new: &PasswordHash,
    ) -> Result<bool, StoreError>;
    /// Deletes a user with all that it granted; the grants with their sessions, or `None` when there is no
    /// such user.
    async fn delete_user(
        &mut self,
        id: UserId,
    ) -> Result<Option<Vec<(SessionId, GrantId)>>, StoreError>;
    /// Nothing that the user did before `mark` counts any more; `false` when there is no such user. A later
    /// mark stays.
    async fn set_user_not_before(
        &mut self,
        id: UserId,
        mark: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Replaces what a user says of itself.
    async fn set_profile(
        &mut self,
        id: UserId,
        profile: &Profile,
        now: Timestamp,
    ) -> Result<(), StoreError>;
}

/// Which users a list shows: those that fit every member that is there.
#[derive(Clone, Debug, Default)]
pub struct UserFilter {
    pub email: Option<EmailAddress>,
    pub external_id: Option<ExternalId>,
    pub state: Option<UserState>,
    pub q: Option<String>,
}

/// Where a page of users begins: behind this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserPosition {
    Id(UserId),
    Email(String),
    Name(String, UserId),
}
