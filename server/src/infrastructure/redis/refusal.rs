//! Writes that Redis refuses although it is there.

use redis::RedisError;

use crate::infrastructure::refused_writes::Refusal;

/// Why a Redis that is there takes no writes. All three end without a change of ours: memory is
/// found, the disk has room, a replica is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WriteRefusal {
    #[error("Redis is full (maxmemory)")]
    Full,
    #[error("Redis can't save to its disk (MISCONF)")]
    Unsaved,
    #[error("Redis has too few replicas (min-replicas-to-write)")]
    TooFewReplicas,
}

impl WriteRefusal {
    /// What an error says of writes.
    pub(super) fn of(error: &RedisError) -> Option<Self> {
        match error.code()? {
            "OOM" => Some(Self::Full),
            "MISCONF" => Some(Self::Unsaved),
            "NOREPLICAS" => Some(Self::TooFewReplicas),
            _ => None,
        }
    }

    /// For `/readyz`, in front of since when.
    pub(super) fn in_short(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Unsaved => "unable to save to its disk",
            Self::TooFewReplicas => "without enough replicas",
        }
    }
}

impl Refusal for WriteRefusal {
    const ALL: &'static [Self] = &[Self::Full, Self::Unsaved, Self::TooFewReplicas];

    fn reason(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Unsaved => "unsaved",
            Self::TooFewReplicas => "too_few_replicas",
        }
    }
}
