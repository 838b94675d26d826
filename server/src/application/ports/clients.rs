//! Clients, and the tokens that allow to register them.

use async_trait::async_trait;

use crate::{
    application::error::StoreError,
    domain::{
        client::{Client, ClientId, initial_access::InitialAccessToken},
        id::{GrantId, InitialAccessTokenId, SessionId},
        secret::{InitialAccess, TokenDigest},
        timestamp::Timestamp,
    },
};

#[async_trait]
pub trait Clients {
    /// Adds a client. `Conflict("clients_pkey")` when the id is taken.
    async fn add_client(&mut self, client: &Client) -> Result<(), StoreError>;
    async fn client(&mut self, id: &ClientId) -> Result<Option<Client>, StoreError>;
    /// Writes what may change of a client that was last changed at `seen`; `false` when it is gone or was
    /// changed since.
    async fn update_client(&mut self, client: &Client, seen: Timestamp)
    -> Result<bool, StoreError>;
    /// Deletes a client with all that was granted to it; the grants with their sessions, or `None`
    /// when there is no such client.
    async fn delete_client(
        &mut self,
        id: &ClientId,
    ) -> Result<Option<Vec<(SessionId, GrantId)>>, StoreError>;
    /// Up to `limit` clients in order of id, behind `after`, whose id or name contains `q`. The
    /// session API's own client isn't one of them.
    async fn clients_page(
        &mut self,
        after: Option<&ClientId>,
        limit: u32,
        q: Option<&str>,
    ) -> Result<Vec<Client>, StoreError>;
    /// How many clients registered themselves.
    async fn count_dynamic_clients(&mut self) -> Result<u64, StoreError>;
    /// Whether a client has a redirect URI of this origin.
    async fn is_client_origin(&mut self, origin: &str) -> Result<bool, StoreError>;
    async fn add_initial_access(&mut self, token: &InitialAccessToken) -> Result<(), StoreError>;
    /// Whether a token can be used, without using it.
    async fn is_initial_access(
        &mut self,
        token: &TokenDigest<InitialAccess>,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Uses a token once; `false` when it is unknown, used up or expired.
    async fn use_initial_access(
        &mut self,
        token: &TokenDigest<InitialAccess>,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
    async fn initial_access(
        &mut self,
        id: InitialAccessTokenId,
    ) -> Result<Option<InitialAccessToken>, StoreError>;
    /// Up to `limit` tokens behind `after`, the latest first.
    async fn initial_access_page(
        &mut self,
        after: Option<InitialAccessTokenId>,
        limit: u32,
    ) -> Result<Vec<InitialAccessToken>, StoreError>;
    /// `false` when there is no such token.
    async fn delete_initial_access(&mut self, id: InitialAccessTokenId)
    -> Result<bool, StoreError>;
}
