//! What an access token says (RFC 9068), and when it counts.

use serde::{Deserialize, Serialize};

use super::{tenant_scope::TenantScope, timestamp::Timestamp};

/// The `typ` header of access tokens (RFC 9068 §2.1). It keeps other JWTs of ours from being taken
/// for one.
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// The clocks of issuer and verifier may differ by this many seconds.
pub const LEEWAY_SECONDS: i64 = 30;

/// Who a token is for (RFC 7519 §4.1.3): one, or a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    /// Of these, in this order. A single one is no list.
    pub fn of(mut all: Vec<String>) -> Self {
        if all.len() == 1 {
            Self::One(all.remove(0))
        } else {
            Self::Many(all)
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(all) => all.as_slice(),
        }
        .iter()
        .map(String::as_str)
    }

    pub fn contains(&self, audience: &str) -> bool {
        self.iter().any(|one| one == audience)
    }
}

/// The claims of an access token. Every member without `Option` is required when one is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    pub iss: String,
    pub sub: String,
    pub aud: Audience,
    pub client_id: String,
    pub iat: i64,
    pub exp: i64,
    pub jti: String,
    /// Left out when nothing was granted (RFC 9068 §2.2.3).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// The session. This and the next three are there when a user signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// The names of the user's roles (RFC 9068 §2.2.3.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// What those roles permit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entitlements: Vec<String>,
    /// The tenant's slug.
    pub tenant: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
}

/// Why claims don't count now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsRefused {
    #[error("the token has expired")]
    Expired,
    #[error("the token was issued in the future")]
    NotYet,
    #[error("the token was issued by someone else or for someone else")]
    ForeignIssuer,
}

impl AccessClaims {
    /// Whether a token of `tenant` counts at `now` for the tenant itself (RFC 9068 §4).
    pub fn check(&self, tenant: &TenantScope, now: Timestamp) -> Result<(), ClaimsRefused> {
        let now = now.as_seconds();
        if !tenant.is_issuer(&self.iss) || !tenant.is_audience(&self.aud) {
            Err(ClaimsRefused::ForeignIssuer)
        } else if now >= self.exp {
            Err(ClaimsRefused::Expired)
        } else if self.iat > now + LEEWAY_SECONDS {
            Err(ClaimsRefused::NotYet)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> AccessClaims {
        AccessClaims {
            iss: "https://id.example/t/a".into(),
            sub: "u".into(),
            aud: Audience::One("https://id.example/t/a".into()),
            client_id: "c".into(),
            iat: 1_000,
            exp: 1_900,
            jti: "j".into(),
            scope: "openid".into(),
            sid: Some("s".into()),
            auth_time: Some(1_000),
            acr: Some("1".into()),
            amr: vec!["pwd".into()],
            roles: Vec::new(),
            entitlements: Vec::new(),
            tenant: "a".into(),
            name: None,
            email: None,
            email_verified: None,
            picture: None,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn tenant() -> TenantScope {
        crate::testing::tenant_at("https://id.example", "a")
    }

    #[test]
    fn a_token_counts_from_its_issue_to_its_end_and_no_longer() {
        for (seconds, expected) in [
            (969, Err(ClaimsRefused::NotYet)),
            (970, Ok(())),
            (1_899, Ok(())),
            (1_900, Err(ClaimsRefused::Expired)),
        ] {
            assert_eq!(
                claims().check(&tenant(), at(seconds)),
                expected,
                "{seconds}"
            );
        }
    }

    #[test]
    fn an_issuer_is_compared_byte_for_byte() {
        for issuer in [
            "https://id.example/t/a/",
            "https://id.example/t/b",
            "https://ID.example/t/a",
        ] {
            for claims in [
                AccessClaims {
                    iss: issuer.into(),
                    ..claims()
                },
                AccessClaims {
                    aud: Audience::One(issuer.into()),
                    ..claims()
                },
            ] {
                assert_eq!(
                    claims.check(&tenant(), at(1_000)),
                    Err(ClaimsRefused::ForeignIssuer),
                    "{issuer}"
                );
            }
        }
    }
}
