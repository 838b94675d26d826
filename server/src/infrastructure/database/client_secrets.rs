//! How a client's secrets are kept in its row: JSON, with the digests in hex.

use serde::{Deserialize, Serialize};

use crate::{
    application::error::StoreError,
    domain::{
        client::secrets::{ClientSecrets, StoredSecret},
        secret::TokenDigest,
        timestamp::Timestamp,
    },
};

#[derive(Serialize, Deserialize)]
struct Kept {
    id: uuid::Uuid,
    digest: String,
    created_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

pub(super) fn written(secrets: &ClientSecrets) -> Result<String, StoreError> {
    let kept: Vec<_> = secrets
        .all()
        .map(|secret| Kept {
            id: secret.id,
            digest: hex::encode(secret.digest.as_bytes()),
            created_at: secret.created_at.as_micros(),
            expires_at: secret.expires_at.map(Timestamp::as_micros),
        })
        .collect();
    serde_json::to_string(&kept).map_err(|error| StoreError::Unavailable(Box::new(error)))
}

/// None for a text that [`written`] didn't write.
pub(super) fn read(text: &str) -> Option<ClientSecrets> {
    let kept: Vec<Kept> = serde_json::from_str(text).ok()?;
    let secrets = kept.into_iter().map(|kept| {
        let mut digest = [0; 32];
        hex::decode_to_slice(&kept.digest, &mut digest).ok()?;
        Some(StoredSecret {
            id: kept.id,
            digest: TokenDigest::from_bytes(digest),
            created_at: Timestamp::from_micros(kept.created_at),
            expires_at: kept.expires_at.map(Timestamp::from_micros),
        })
    });
    secrets.collect::<Option<_>>().map(ClientSecrets::of)
}
