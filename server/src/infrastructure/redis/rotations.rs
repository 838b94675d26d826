//! Rotations in Redis: [`decide`](crate::domain::refresh::decide) as one script on one key.

use std::{fmt, sync::Arc, time::Duration};

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

const SCRIPT: &str = include_str!("rotate.lua");
/// The last integer up to which a double, Lua's only number, counts in ones.
const MAX_EXACT: i64 = 1 << 53;
/// How many keys one UNLINK names.
const BATCH: usize = 500;

/// The hot records of refresh families in Redis. Their floors reach SQL a moment later.
pub struct RedisRotations {
    connection: RedisConnection,
    script_hash: String,
    floors: Arc<FloorWriter>,
}

impl fmt::Debug for RedisRotations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisRotations").finish_non_exhaustive()
    }
}

impl RedisRotations {
    /// The script is sent when Redis turns out not to have it.
    pub fn new(connection: RedisConnection, floors: Arc<FloorWriter>) -> Self {
        Self {
            connection,
            script_hash: Script::new(SCRIPT).get_hash().to_owned(),
            floors,
        }
    }

    /// As after a restart of Redis: it doesn't know the script by this hash.
    #[cfg(test)]
    pub(super) fn with_unknown_script(
        connection: RedisConnection,
        floors: Arc<FloorWriter>,
    ) -> Self {
        Self {
            connection,
            script_hash: "0".repeat(40),
            floors,
        }
    }

    async fn run(&self, key: &TenantKey, request: &RotationRequest) -> Result<Value, RedisError> {
        let cached = command("EVALSHA", &self.script_hash, key, request);
        match self.call(&cached, request).await {
            // Redis restarted or a replica took over.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.call(&command("EVAL", SCRIPT, key, request), request)
                    .await
            }
            result => result,
        }
    }

    async fn call(&self, command: &Cmd, request: &RotationRequest) -> Result<Value, RedisError> {
        if request.lifetimes.retry_window.is_zero() {
            // Without a window the second call would take the first for theft.
            self.connection.call(command).await
        } else {
            self.connection.call_again_if_dropped(command).await
        }
    }
}

#[async_trait]
impl Rotations for RedisRotations {
    async fn rotate(
        &self,
        tenant: &TenantScope,
        request: &RotationRequest,
    ) -> Result<Rotation, StoreError> {
        // The first check of `decide`. It needs no record.
        if request.presented.client_id != request.owner {
            return Ok(Rotation::Refused(Refusal::WrongClient));
        }
        self.connection
            .ensure_fit()
            .await
            .map_err(|unfit| StoreError::Unavailable(Box::new(unfit)))?;
        let key = TenantKey::family(tenant, request.family);
        let reply = self.run(&key, request).await.map_err(unavailable)?;
        let (rotation, idle_end) = read(reply).ok_or_else(|| StoreError::Corrupt {
            table: "refresh families",
            column: "reply",
            row: request.family.to_string(),
        })?;
        if let Some(idle_end) = idle_end {
            let floor = RaisedFloor {
                family: request.family,
                generation: request.presented.generation.next(),
                idle_end,
            };
            self.floors.push(tenant.id(), floor);
        }
        Ok(rotation)
    }

    /// The caller's commit is: what Redis knows may be lost.
    fn revokes(&self) -> bool {
        false
    }

    async fn forget(&self, tenant: &TenantScope, families: &[GrantId]) -> Result<(), StoreError> {
        for batch in families.chunks(BATCH) {
            let mut unlink = redis::cmd("UNLINK");
            for family in batch {
                unlink.arg(TenantKey::family(tenant, *family));
            }
            self.connection
                .call_again_if_dropped(&unlink)
                .await
                .map_err(unavailable)?;
        }
        Ok(())
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
    let mut command = Cmd::with_capacity(16, 512);
    command.arg(name).arg(script).arg(1).arg(key);
    command
        .arg(presented.generation.0)
        .arg(presented.digest.as_bytes().as_slice())
        .arg(successor.digest.as_bytes().as_slice())
        .arg(successor.sealed.as_slice())
        .arg(exact(micros(lifetimes.idle)))
        .arg(exact(micros(lifetimes.retry_window)))
        .arg(floor.generation.0)
        .arg(floor.leaf.as_ref().map_or(&[][..], |leaf| leaf.as_bytes()))
        .arg(exact(floor.idle_end.as_micros()))
        .arg(exact(floor.absolute_end.as_micros()))
        .arg(u8::from(request.floor_is_fresh))
        .arg(request.clock_offset);
    command
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn exact(number: i64) -> i64 {
    number.clamp(-MAX_EXACT, MAX_EXACT)
}

/// Reads the script's answer; with a rotation comes the new idle end.
fn read(reply: Value) -> Option<(Rotation, Option<Timestamp>)> {
    let Value::Array(reply) = reply else {
        return None;
    };
    let mut reply = reply.into_iter();
    let Value::Int(code) = reply.next()? else {
        return None;
    };
    match (code, reply.next()) {
        (0, Some(Value::Int(idle_end))) => {
            Some((Rotation::Rotated, Some(Timestamp::from_micros(idle_end))))
        }
        (1, Some(Value::BulkString(sealed_successor))) => {
            Some((Rotation::Repeated { sealed_successor }, None))
        }
        (2, None) => Some((Rotation::Reused, None)),
        (3, None) => Some((Rotation::Refused(Refusal::Expired), None)),
        (4, None) => Some((Rotation::Refused(Refusal::Dead), None)),
        (5, None) => Some((Rotation::Reload, None)),
        _ => None,
    }
}
