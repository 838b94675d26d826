//! The secrets of a client: several at a time, so that a new one can be rolled out before the old one
//! goes.

use uuid::Uuid;

use crate::domain::{
    secret::{ClientSecret, TokenDigest},
    timestamp::Timestamp,
};

/// More would be no rotation any more.
pub const MAX_SECRETS: usize = 5;

/// What is kept of one secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSecret {
    pub id: Uuid,
    pub digest: TokenDigest<ClientSecret>,
    pub created_at: Timestamp,
    /// Never, when absent.
    pub expires_at: Option<Timestamp>,
}

impl StoredSecret {
    fn counts(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// All secrets of a client, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientSecrets(Vec<StoredSecret>);

/// There are [`MAX_SECRETS`] already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client has {MAX_SECRETS} secrets already")]
pub struct TooManySecrets;

impl ClientSecrets {
    pub fn of(secrets: Vec<StoredSecret>) -> Self {
        Self(secrets)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, for stores.
    pub fn all(&self) -> impl Iterator<Item = &StoredSecret> {
        self.0.iter()
    }

    /// Those that count now.
    pub fn counting(&self, now: Timestamp) -> impl Iterator<Item = &StoredSecret> {
        self.0.iter().filter(move |secret| secret.counts(now))
    }

    /// Whether the presented secret is one of them. All are compared, so that the time says nothing about
    /// which one came near.
    pub fn know(&self, presented: &TokenDigest<ClientSecret>, now: Timestamp) -> bool {
        self.counting(now)
            .fold(false, |known, secret| known | (secret.digest == *presented))
    }

    /// With one more. Those that counted until now end after `others_end`, if they would last longer;
    /// ended ones are forgotten.
    pub fn with(
        &self,
        fresh: StoredSecret,
        others_end: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self, TooManySecrets> {
        let mut secrets: Vec<_> = self.counting(now).cloned().collect();
        if secrets.len() >= MAX_SECRETS {
            return Err(TooManySecrets);
        }
        if let Some(end) = others_end {
            for secret in &mut secrets {
                secret.expires_at = Some(secret.expires_at.map_or(end, |old| old.min(end)));
            }
        }
        secrets.push(fresh);
        Ok(Self(secrets))
    }

    /// Without one; none when it isn't there.
    pub fn without(&self, id: Uuid, now: Timestamp) -> Option<Self> {
        self.counting(now).find(|secret| secret.id == id)?;
        let rest = self.counting(now).filter(|secret| secret.id != id);
        Some(Self(rest.cloned().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn secret(n: u128, text: &str) -> StoredSecret {
        StoredSecret {
            id: Uuid::from_u128(n),
            digest: TokenDigest::of(text),
            created_at: at(0),
            expires_at: None,
        }
    }

    #[test]
    fn old_and_new_count_together_until_the_old_one_ends() {
        let secrets = ClientSecrets::of(vec![secret(1, "old")])
            .with(secret(2, "new"), Some(at(60)), at(10))
            .expect("room");
        let knows = |text: &str, now| secrets.know(&TokenDigest::of(text), at(now));
        assert!(knows("old", 59) && knows("new", 59));
        assert!(!knows("old", 60) && knows("new", 60));
        assert!(!knows("other", 10));
    }

    #[test]
    fn an_end_that_is_set_is_never_put_off() {
        let mut old = secret(1, "old");
        old.expires_at = Some(at(20));
        let secrets = ClientSecrets::of(vec![old]).with(secret(2, "new"), Some(at(60)), at(10));
        let secrets = secrets.expect("room");
        assert!(!secrets.know(&TokenDigest::of("old"), at(20)));
    }

    #[test]
    fn there_is_room_for_five_that_count() {
        let mut all = ClientSecrets::default();
        for n in 0..5 {
            all = all.with(secret(n, "x"), None, at(0)).expect("room");
        }
        assert_eq!(all.with(secret(9, "x"), None, at(0)), Err(TooManySecrets));
        let fewer = all
            .without(Uuid::from_u128(3), at(0))
            .expect("it was there");
        assert!(fewer.with(secret(9, "x"), None, at(0)).is_ok());
        assert_eq!(all.without(Uuid::from_u128(9), at(0)), None);
    }
}
