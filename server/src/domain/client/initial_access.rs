//! Initial access tokens (RFC 7591 §3): who has one may register clients.

use crate::domain::{
    id::InitialAccessTokenId,
    secret::{InitialAccess, TokenDigest},
    timestamp::Timestamp,
};

/// A token that allows to register clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialAccessToken {
    pub id: InitialAccessTokenId,
    pub digest: TokenDigest<InitialAccess>,
    /// Any number when absent.
    pub remaining_uses: Option<u32>,
    pub expires_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// Whether a token still registers clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialAccessState {
    Active,
    /// It registered as many clients as it may.
    UsedUp,
    Expired,
}

impl InitialAccessToken {
    pub fn state(&self, now: Timestamp) -> InitialAccessState {
        if self.expires_at.is_some_and(|end| end <= now) {
            InitialAccessState::Expired
        } else if self.remaining_uses == Some(0) {
            InitialAccessState::UsedUp
        } else {
            InitialAccessState::Active
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_counts_until_it_is_used_up_or_its_time_is_over() {
        let now = Timestamp::from_micros(1_000);
        let state = |remaining_uses, expires_at: Option<i64>| {
            let token = InitialAccessToken {
                id: InitialAccessTokenId::new(now, [0; 10]),
                digest: TokenDigest::of("thi_"),
                remaining_uses,
                expires_at: expires_at.map(Timestamp::from_micros),
                created_at: now,
            };
            token.state(now)
        };
        assert_eq!(state(None, None), InitialAccessState::Active);
        assert_eq!(state(Some(1), Some(1_001)), InitialAccessState::Active);
        assert_eq!(state(Some(0), Some(1_001)), InitialAccessState::UsedUp);
        assert_eq!(state(Some(1), Some(1_000)), InitialAccessState::Expired);
    }
}
