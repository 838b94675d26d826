//! Remembered consents.

use async_trait::async_trait;

use super::GrantFilter;
use crate::{
    application::error::StoreError,
    domain::{
        client::{Client, ClientId},
        consent::Consent,
        id::{ConsentId, UserId},
    },
};

#[async_trait]
pub trait Consents {
    async fn consent(
        &mut self,
        user: UserId,
        client: &ClientId,
    ) -> Result<Option<Consent>, StoreError>;
    /// Remembers that the user allowed the client this, besides what was allowed before.
    async fn add_consent(&mut self, consent: &Consent) -> Result<(), StoreError>;
    /// What the user allowed whom, the latest change first; at most 200.
    async fn consents_of(&mut self, user: UserId) -> Result<Vec<(Consent, Client)>, StoreError>;
    async fn consent_by_id(&mut self, id: ConsentId) -> Result<Option<Consent>, StoreError>;
    /// Up to `limit` consents, the latest first, behind `after`.
    async fn consents_page(
        &mut self,
        filter: &GrantFilter,
        after: Option<ConsentId>,
        limit: u32,
    ) -> Result<Vec<Consent>, StoreError>;
    /// Forgets a consent; `false` when there is none.
    async fn delete_consent(&mut self, user: UserId, client: &ClientId)
    -> Result<bool, StoreError>;
}
