//! Rotation on Redis: one script, one key, one round trip.

use async_trait::async_trait;
use redis::{Cmd, ErrorKind, RedisError, Script, ServerErrorKind, Value};

use super::{
    connection::{RedisConnection, unavailable},
    floor_writer::FloorWriter,
    tenant_key::TenantKey,
};
use crate::{
    application::{
        error::StoreError,
        ports::{RaisedFloor, Rotation, RotationRequest, Rotations},
    },
    domain::{id::GrantId, refresh::Refusal, tenant::TenantScope, timestamp::Timestamp},
};

const SOURCE: &str = include_str!("rotate.lua");

/// Hot records in Redis; their floors are written behind to SQL.
#[derive(Clone, Debug)]
pub struct RedisRotations {
    connection: RedisConnection,
    floors: FloorWriter,
    digest: String,
}

impl RedisRotations {
    pub fn new(connection: RedisConnection, floors: FloorWriter) -> Self {
        Self {
            connection,
            floors,
            digest: Script::new(SOURCE).get_hash().to_owned(),
        }
    }

    /// Runs the script by its digest; a Redis that doesn't know it is given the source.
    async fn run(&self, key: &TenantKey, request: &RotationRequest) -> Result<Value, RedisError> {
        let by_digest = command("EVALSHA", &self.digest, key, request);
        match self.connection.send(&by_digest).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.connection
                    .send(&command("EVAL", SOURCE, key, request))
                    .await
            }
            answered => answered,
        }
    }
}

fn command(name: &str, script: &str, key: &TenantKey, request: &RotationRequest) -> Cmd {
    let RotationRequest {
        floor,
        presented,
        successor,
        lifetimes,
        ..
    } = request;
    let floor_leaf: &[u8] = floor.leaf.as_ref().map_or(&[], |leaf| leaf.as_bytes());
    let mut command = Cmd::with_capacity(16, 512);
    command
        .arg(name)
        .arg(script)
        .arg(1)
        .arg(key.as_str())
        .arg(presented.generation.0)
        .arg(presented.digest.as_bytes())
        .arg(successor.digest.as_bytes())
        .arg(successor.sealed.as_slice())
        .arg(floor.generation.0)
        .arg(floor_leaf)
        .arg(floor.idle_end.as_micros())
        .arg(floor.absolute_end.as_micros())
        .arg(if request.floor_is_fresh { "1" } else { "0" })
        .arg(u64::try_from(lifetimes.idle.as_micros()).unwrap_or(u64::MAX))
        .arg(u64::try_from(lifetimes.retry_window.as_micros()).unwrap_or(u64::MAX))
        .arg(request.clock_offset);
    command
}

/// The script's answer: the outcome and what belongs to it.
fn read(answer: Value) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let Value::Array(parts) = answer else {
        return None;
    };
    let mut parts = parts.into_iter().map(|part| match part {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    });
    Some((parts.next()??, parts.next().flatten()))
}

#[async_trait]
impl Rotations for RedisRotations {
    async fn rotate(
        &self,
        tenant: &TenantScope,
        request: &RotationRequest,
    ) -> Result<Rotation, StoreError> {
        if request.presented.client_id != request.owner {
            return Ok(Rotation::Refused(Refusal::WrongClient));
        }
        let key = TenantKey::family(tenant, request.family);
        let corrupt = || StoreError::Corrupt {
            table: "redis",
            column: "rt",
            row: request.family.to_string(),
        };
        let (outcome, detail) =
            read(self.run(&key, request).await.map_err(unavailable)?).ok_or_else(corrupt)?;
        match (outcome.as_slice(), detail) {
            (b"rotated", Some(idle_end)) => {
                let idle_end = std::str::from_utf8(&idle_end)
                    .ok()
                    .and_then(|text| text.parse().ok());
                let floor = RaisedFloor {
                    family: request.family,
                    generation: request.presented.generation.next(),
                    idle_end: Timestamp::from_micros(idle_end.ok_or_else(corrupt)?),
                };
                self.floors.raise(tenant.id(), floor);
                Ok(Rotation::Rotated)
            }
            (b"repeat", Some(sealed_successor)) => Ok(Rotation::Repeated { sealed_successor }),
            (b"reuse", _) => Ok(Rotation::Reused),
            (b"dead", _) => Ok(Rotation::Refused(Refusal::Dead)),
            (b"expired", _) => Ok(Rotation::Refused(Refusal::Expired)),
            (b"reload", _) => Ok(Rotation::Reload),
            _ => Err(corrupt()),
        }
    }

    async fn forget(&self, tenant: &TenantScope, families: &[GrantId]) -> Result<(), StoreError> {
        // One key a command: in a cluster they live in different slots.
        for family in families {
            let key = TenantKey::family(tenant, *family);
            self.connection
                .send(Cmd::new().arg("UNLINK").arg(key.as_str()))
                .await
                .map_err(unavailable)?;
        }
        Ok(())
    }
}
