//! Typed identifiers: UUIDv7 inside, so they sort by creation time and a `UserId` is never taken
//! for a `SessionId`.

use std::{fmt, str::FromStr};

use uuid::Uuid;

use super::timestamp::Timestamp;

/// Randomness for one UUIDv7: the 74 random bits are taken from these ten bytes.
pub type IdEntropy = [u8; 10];

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh id for something made at `now`.
            pub fn new(now: Timestamp, entropy: IdEntropy) -> Self {
                let millis = u64::try_from(now.as_millis()).unwrap_or_default();
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &entropy).into_uuid())
            }

            /// The smallest id of something made at `at`.
            pub fn first_at(at: Timestamp) -> Self {
                Self::new(at, [0; 10])
            }

            /// The id a store or a token carries.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The bare UUID, for stores.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id_type!(
    /// A tenant; on the wire it is addressed by its slug.
    TenantId
);
id_type!(
    /// A user of one tenant: the `sub` of its tokens.
    UserId
);
id_type!(
    /// Leave to become a user.
    InvitationId
);
id_type!(
    /// One sign-in of a user; the `sid` of its tokens.
    SessionId
);
id_type!(
    /// A grant, and with it a refresh family: all rotations of the grant share it.
    GrantId
);
id_type!(
    /// A remembered consent.
    ConsentId
);
id_type!(
    /// A token that allows to register clients.
    InitialAccessTokenId
);
id_type!(
    /// An entry of the audit log.
    AuditEntryId
);

/// The `jti` of an access token. It names the token's grant, so that the end of the grant is the
/// end of the token wherever a resource server asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenId {
    /// None for tokens that a client got for itself.
    pub grant: Option<GrantId>,
    entropy: IdEntropy,
}

impl TokenId {
    pub const fn new(grant: Option<GrantId>, entropy: IdEntropy) -> Self {
        Self { grant, entropy }
    }

    /// The grant that a `jti` of ours names.
    pub fn grant_of(jti: &str) -> Option<GrantId> {
        let (grant, _) = jti.split_once('.')?;
        grant.parse().ok()
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(grant) = self.grant {
            write!(f, "{}.", grant.as_uuid().simple())?;
        }
        self.entropy
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_id_names_its_grant() {
        let grant = GrantId::new(Timestamp::from_micros(1_000_000), [1; 10]);
        let id = TokenId::new(Some(grant), [2; 10]).to_string();
        assert_eq!(TokenId::grant_of(&id), Some(grant));
        assert_eq!(
            TokenId::grant_of(&TokenId::new(None, [2; 10]).to_string()),
            None
        );
    }

    #[test]
    fn ids_sort_by_the_time_they_were_made_at() {
        let earlier = UserId::new(Timestamp::from_micros(1_000_000), [0xff; 10]);
        let later = UserId::new(Timestamp::from_micros(2_000_000), [0; 10]);
        assert!(earlier < later);
        assert_eq!(earlier.as_uuid().get_version_num(), 7);
        assert_eq!(
            earlier
                .to_string()
                .parse::<UserId>()
                .expect("its own text parses"),
            earlier
        );
    }
}
