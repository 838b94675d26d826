//! Consent: what a user allowed a client, remembered so that it is asked once.

use super::{
    client::ClientId,
    id::{ConsentId, UserId},
    scope::Scopes,
    timestamp::Timestamp,
};

/// What a user allowed a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    pub id: ConsentId,
    pub user_id: UserId,
    pub client_id: ClientId,
    pub scope: Scopes,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}
