//! Rotations in Redis: [`decide`](crate::domain::refresh::decide) as one script on one key.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use redis::{Cmd, ErrorKind, RedisError, Script, ServerErrorKind, Value};

use super::{
    floor_writer::FloorWriter,
    seat::{Redis, Seat},
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
/// How many keys are unlinked at a time.
const AT_ONCE: usize = 100;

/// The hot records of refresh families in Redis. Their floors reach SQL a moment later.
pub struct RedisRotations {
    redis: Redis,
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
    pub fn new(redis: impl Into<Redis>, floors: Arc<FloorWriter>) -> Self {
        Self {
            redis: redis.into(),
            script_hash: Script::new(SCRIPT).get_hash().to_owned(),
            floors,
        }
    }

    /// As after a restart of Redis: it doesn't know the script by this hash.
    #[cfg(test)]
    pub(super) fn with_unknown_script(redis: impl Into<Redis>, floors: Arc<FloorWriter>) -> Self {
        Self {
            redis: redis.into(),
            script_hash: "0".repeat(40),
            floors,
        }
    }

    async fn run(&self, key: &TenantKey, request: &RotationRequest) -> Result<Value, StoreError> {
        let mut way = self.redis.way_to(key).await?;
        loop {
            way.seat.ensure_fit().await?;
            match self.run_at(&way.seat, key, request).await {
                Ok(reply) => return Ok(reply),
                Err(error) => way = way.go_on(error).await?,
            }
        }
    }

    async fn run_at(
        &self,
        seat: &Seat,
        key: &TenantKey,
        request: &RotationRequest,
    ) -> Result<Value, RedisError> {
        let cached = command("EVALSHA", &self.script_hash, key, request);
        match call(seat, &cached, request).await {
            // Redis restarted or a replica took over.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                call(seat, &command("EVAL", SCRIPT, key, request), request).await
            }
            result => result,
        }
    }

    /// One key: in a Cluster the others may be elsewhere.
    async fn unlink(&self, key: TenantKey) -> Result<(), StoreError> {
        let mut unlink = redis::cmd("UNLINK");
        unlink.arg(&key);
        let mut way = self.redis.way_to(&key).await?;
        loop {
            match way.seat.call_again_if_dropped(&unlink).await {
                Ok(_) => return Ok(()),
                Err(error) => way = way.go_on(error).await?,
            }
        }
    }
}

async fn call(seat: &Seat, command: &Cmd, request: &RotationRequest) -> Result<Value, RedisError> {
    if request.lifetimes.retry_window.is_zero() {
        // Without a window the second call would take the first for theft.
        seat.call(command).await
    } else {
        seat.call_again_if_dropped(command).await
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
        let key = TenantKey::family(tenant, request.family);
        let reply = self.run(&key, request).await?;
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
        let keys = families.iter();
        let keys: Vec<_> = keys
            .map(|family| TenantKey::family(tenant, *family))
            .collect();
        // They travel together all the same: the connection is multiplexed.
        let unlinked = stream::iter(keys)
            .map(|key| self.unlink(key))
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        // A node that is away keeps nothing from being forgotten by the others.
        unlinked.into_iter().collect()
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
