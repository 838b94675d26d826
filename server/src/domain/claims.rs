//! What an access token says (RFC 9068), and when it counts.

use serde::{Deserialize, Serialize};

use super::timestamp::Timestamp;

/// The `typ` header of access tokens (RFC 9068 §2.1). It keeps other JWTs of ours from being taken
/// for one.
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// The clocks of issuer and verifier may differ by this many seconds.
pub const LEEWAY_SECONDS: i64 = 30;

/// The claims of an access token. Every member without `Option` is required when one is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    pub iss: String,
    pub sub: String,
    pub aud: String,
    pub client_id: String,
    pub iat: i64,
    pub exp: i64,
    pub jti: String,
    pub scope: String,
    pub sid: String,
    pub auth_time: i64,
    pub acr: String,
    pub amr: Vec<String>,
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
    /// Whether this issuer's token counts at `now` (RFC 9068 §4).
    pub fn check(&self, issuer: &str, now: Timestamp) -> Result<(), ClaimsRefused> {
        let now = now.as_seconds();
        if self.iss != issuer || self.aud != issuer {
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
            aud: "https://id.example/t/a".into(),
            client_id: "c".into(),
            iat: 1_000,
            exp: 1_900,
            jti: "j".into(),
            scope: "openid".into(),
            sid: "s".into(),
            auth_time: 1_000,
            acr: "1".into(),
            amr: vec!["pwd".into()],
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

    #[test]
    fn a_token_counts_from_its_issue_to_its_end_and_no_longer() {
        let issuer = "https://id.example/t/a";
        for (seconds, expected) in [
            (969, Err(ClaimsRefused::NotYet)),
            (970, Ok(())),
            (1_899, Ok(())),
            (1_900, Err(ClaimsRefused::Expired)),
        ] {
            assert_eq!(claims().check(issuer, at(seconds)), expected, "{seconds}");
        }
    }

    #[test]
    fn an_issuer_is_compared_byte_for_byte() {
        for issuer in [
            "https://id.example/t/a/",
            "https://id.example/t/b",
            "https://ID.example/t/a",
        ] {
            assert_eq!(
                claims().check(issuer, at(1_000)),
                Err(ClaimsRefused::ForeignIssuer),
                "{issuer}"
            );
        }
    }
}
