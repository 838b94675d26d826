//! How long what a client gets counts: the tenant's policy, unless an administrator said otherwise for the client.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Client;
use crate::domain::{refresh::Lifetimes, tenant::Policy};

/// What differs from the tenant's policy, in seconds. The members are those of the policy, within the same bounds:
/// no token may outlive the key that signed it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientLifetimes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token_ttl: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_ttl: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_idle_ttl: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_absolute_ttl: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_retry_window: Option<u32>,
}

/// The lifetimes in force for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenLifetimes {
    pub access_token: Duration,
    pub id_token: Duration,
    /// How long a family lives after the sign-in, whatever happens.
    pub refresh_absolute: Duration,
    pub refresh: Lifetimes,
}

impl TokenLifetimes {
    /// Those of `client` under `policy`.
    pub fn of(policy: &Policy, client: &Client) -> Self {
        Self::new(policy, &client.metadata.lifetimes)
    }

    /// Those of the session API.
    pub fn first_party(policy: &Policy) -> Self {
        Self::new(policy, &ClientLifetimes::default())
    }

    fn new(policy: &Policy, own: &ClientLifetimes) -> Self {
        let seconds = |own: Option<u32>, common: Duration| {
            own.map_or(common, |seconds| Duration::from_secs(seconds.into()))
        };
        Self {
            access_token: seconds(own.access_token_ttl, policy.access_token_ttl()),
            id_token: seconds(own.id_token_ttl, policy.id_token_ttl()),
            refresh_absolute: seconds(own.refresh_absolute_ttl, policy.refresh_absolute_ttl()),
            refresh: Lifetimes {
                idle: seconds(own.refresh_idle_ttl, policy.refresh_idle_ttl()),
                retry_window: seconds(own.refresh_retry_window, policy.refresh_retry_window())
                    .min(MAX_RETRY_WINDOW),
            },
        }
    }
}

/// Whatever is stored: within it a stolen parent works.
const MAX_RETRY_WINDOW: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::timestamp::Timestamp;

    #[test]
    fn what_the_client_does_not_say_is_the_tenants() {
        let policy = Policy {
            access_token_ttl: 600,
            ..Policy::default()
        };
        let mut client = Client::first_party("Acme", Timestamp::from_micros(0));
        let common = TokenLifetimes::first_party(&policy);
        assert_eq!(TokenLifetimes::of(&policy, &client), common);
        assert_eq!(common.access_token, Duration::from_secs(600));
        client.metadata.lifetimes = ClientLifetimes {
            id_token_ttl: Some(60),
            refresh_retry_window: Some(9_999),
            ..ClientLifetimes::default()
        };
        let own = TokenLifetimes::of(&policy, &client);
        let expected = TokenLifetimes {
            id_token: Duration::from_secs(60),
            refresh: Lifetimes {
                retry_window: Duration::from_secs(300),
                ..common.refresh
            },
            ..common
        };
        assert_eq!(own, expected);
    }
}
