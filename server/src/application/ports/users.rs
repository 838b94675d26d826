//! Users and their passwords.

use async_trait::async_trait;

use crate::{
    application::error::StoreError,
    domain::{
        email::EmailAddress, id::UserId, password::PasswordHash, profile::Profile,
        timestamp::Timestamp, user::User,
    },
};

#[async_trait]
pub trait Users {
    /// Adds a user. `Conflict("users_tenant_id_email_key")` when the address is taken.
    async fn add_user(&mut self, user: &User, password: &PasswordHash) -> Result<(), StoreError>;
    /// A user and its password hash, by canonical address.
    async fn user_by_email(
        &mut self,
        email: &EmailAddress,
    ) -> Result<Option<(User, Option<PasswordHash>)>, StoreError>;
    /// Nothing that the user did before `mark` counts any more; `false` when there is no such user. A later
    /// mark stays.
    async fn set_user_not_before(
        &mut self,
        id: UserId,
        mark: Timestamp,
    ) -> Result<bool, StoreError>;
    async fn user(&mut self, id: UserId) -> Result<Option<User>, StoreError>;
    /// Replaces what a user says of itself.
    async fn set_profile(
        &mut self,
        id: UserId,
        profile: &Profile,
        now: Timestamp,
    ) -> Result<(), StoreError>;
}
