//! The decision about a presented token. It is made here once; the Redis script and the SQL
//! statement are its atomic images, and one contract suite holds all of them to it.

use std::time::Duration;

use super::token::{Generation, SecretDigest};
use crate::domain::{client::ClientId, grant::Floor, timestamp::Timestamp};

/// The hot record of a family: one, however often it was rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    pub client_id: ClientId,
    /// The generation of the live token.
    pub generation: Generation,
    /// The live token's secret.
    pub leaf: SecretDigest,
    /// What the last rotation left behind; none before the first.
    pub last_rotation: Option<LastRotation>,
    pub idle_end: Timestamp,
    pub absolute_end: Timestamp,
    /// Reuse was seen: nothing of this family counts again.
    pub dead: bool,
}

/// What the parent of the live token needs to be answered once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRotation {
    pub parent: SecretDigest,
    pub rotated_at: Timestamp,
    /// The live token's secret, sealed under a key that only the parent's secret gives.
    pub sealed_successor: Vec<u8>,
}

/// A token whose tag was checked, as the stores see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    pub client_id: ClientId,
    pub generation: Generation,
    pub digest: SecretDigest,
}

/// The token that would follow; drawn before the store is asked, so that one call is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Successor {
    pub digest: SecretDigest,
    pub sealed: Vec<u8>,
}

/// How long things last: tenant policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    pub idle: Duration,
    pub retry_window: Duration,
}

/// Why a token is refused without any effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Issued to another client.
    WrongClient,
    /// The idle or the absolute end has passed.
    Expired,
    /// The family had ended before.
    Dead,
}

/// What is to be done about a presented token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Make the successor the live token.
    Rotate,
    /// Answer with the same successor again.
    Repeat { sealed_successor: Vec<u8> },
    /// End the family.
    Reuse,
    /// Change nothing.
    Refuse(Refusal),
    /// The hot record is missing or behind, and the floor may be out of date: read it anew.
    Reload,
}

/// Decides about `presented`.
///
/// `family` is the hot record, if there is one. `floor` is the durable bound; `floor_is_fresh`
/// says whether it was just read. A record that is missing or behind (Redis lost writes) does not
/// log anyone out: a token at or above the floor is honoured and the record built anew from it.
pub fn decide(
    family: Option<&Family>,
    floor: &Floor,
    floor_is_fresh: bool,
    owner: &ClientId,
    presented: &Presented,
    retry_window: Duration,
    now: Timestamp,
) -> Verdict {
    if presented.client_id != *owner {
        return Verdict::Refuse(Refusal::WrongClient);
    }
    if family.is_some_and(|family| family.dead) {
        return Verdict::Refuse(Refusal::Dead);
    }
    // A record from before the floor was written tells nothing: an old file of Redis came back.
    let current = family.filter(|family| {
        family.generation >= floor.generation && family.generation >= presented.generation
    });
    match current {
        Some(family) => decide_by_record(family, presented, retry_window, now),
        None if !floor_is_fresh => Verdict::Reload,
        None => decide_by_floor(floor, presented, now),
    }
}

fn decide_by_record(
    family: &Family,
    presented: &Presented,
    retry_window: Duration,
    now: Timestamp,
) -> Verdict {
    if now >= family.idle_end || now >= family.absolute_end {
        return Verdict::Refuse(Refusal::Expired);
    }
    if presented.generation == family.generation {
        return if presented.digest == family.leaf {
            Verdict::Rotate
        } else {
            Verdict::Reuse
        };
    }
    match &family.last_rotation {
        Some(last)
            if presented.generation.next() == family.generation
                && presented.digest == last.parent
                // Counted from the rotation, so that retries don't move the end.
                && now < last.rotated_at + retry_window =>
        {
            Verdict::Repeat {
                sealed_successor: last.sealed_successor.clone(),
            }
        }
        _ => Verdict::Reuse,
    }
}

fn decide_by_floor(floor: &Floor, presented: &Presented, now: Timestamp) -> Verdict {
    if now >= floor.idle_end || now >= floor.absolute_end {
        return Verdict::Refuse(Refusal::Expired);
    }
    let another_secret = presented.generation == floor.generation
        && floor.leaf.is_some_and(|leaf| leaf != presented.digest);
    if presented.generation < floor.generation || another_secret {
        Verdict::Reuse
    } else {
        Verdict::Rotate
    }
}

/// The record after `presented` was rotated to `successor` at `now`.
pub fn rotated(
    presented: &Presented,
    successor: &Successor,
    idle: Duration,
    absolute_end: Timestamp,
    now: Timestamp,
) -> Family {
    Family {
        client_id: presented.client_id.clone(),
        generation: presented.generation.next(),
        leaf: successor.digest,
        last_rotation: Some(LastRotation {
            parent: presented.digest,
            rotated_at: now,
            sealed_successor: successor.sealed.clone(),
        }),
        idle_end: (now + idle).min(absolute_end),
        absolute_end,
        dead: false,
    }
}
