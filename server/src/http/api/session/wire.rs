//! What the session API reads and writes.

use poem_openapi::{Enum, Object, Union, types::Example};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    application::{
        login::{Login, SignedIn},
        signup::Signup,
    },
    domain::{client::Client, consent::Consent, timestamp::Timestamp, user::User},
    http::{
        extract::body::{FromMembers, Members},
        respond::json::{DateTime, Nullable},
    },
};

/// Who wants to become a user.
#[derive(Debug, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct SignupBody {
    /// How the user wants to be called.
    #[oai(validator(min_length = 1, max_length = 200))]
    name: String,
    /// The address that the user will log in with.
    #[oai(validator(max_length = 254))]
    email: String,
    /// At least 8 and at most 1024 bytes of UTF-8, taken exactly as sent.
    #[oai(validator(min_length = 1, max_length = 1024))]
    password: String,
    /// An http or https address of a picture.
    #[oai(validator(max_length = 2048))]
    avatar_url: Option<Nullable<String>>,
    /// The token of an invitation for this very address. Needed where the tenant's sign-up is for the invited.
    #[oai(validator(max_length = 200))]
    invitation: Option<Nullable<String>>,
}

impl Example for SignupBody {
    fn example() -> Self {
        Self {
            name: "Ada Lovelace".to_owned(),
            email: "ada@example.com".to_owned(),
            password: "correct horse battery staple".to_owned(),
            avatar_url: None,
            invitation: None,
        }
    }
}

impl FromMembers for SignupBody {
    fn from_members(members: &mut Members) -> Option<Self> {
        let (name, email, password) = (
            members.text("name"),
            members.text("email"),
            members.text("password"),
        );
        let avatar_url = members
            .optional_text("avatar_url")
            .map(|url| Nullable(Some(url)));
        let invitation = members
            .optional_text("invitation")
            .map(|token| Nullable(Some(token)));
        Some(Self {
            name: name?,
            email: email?,
            password: password?,
            avatar_url,
            invitation,
        })
    }
}

impl From<SignupBody> for Signup {
    fn from(body: SignupBody) -> Self {
        Self {
            name: body.name,
            email: body.email,
            password: Zeroizing::new(body.password),
            avatar_url: body.avatar_url.and_then(|url| url.0),
            invitation: body
                .invitation
                .and_then(|token| token.0)
                .map(Zeroizing::new),
        }
    }
}

/// How tokens get to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum Delivery {
    /// As HttpOnly cookies: for browsers.
    Cookie,
    /// In the body: for apps and scripts.
    Body,
}

/// Who wants to log in.
#[derive(Debug, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct LoginBody {
    /// The address that the user signed up with.
    #[oai(validator(max_length = 1024))]
    email: String,
    /// The user's password.
    #[oai(validator(max_length = 1024))]
    password: String,
    /// How the tokens are to be delivered; `cookie` when absent.
    delivery: Option<Delivery>,
}

impl LoginBody {
    pub(super) fn delivery(&self) -> Delivery {
        self.delivery.unwrap_or(Delivery::Cookie)
    }
}

impl Example for LoginBody {
    fn example() -> Self {
        Self {
            email: "ada@example.com".to_owned(),
            password: "correct horse battery staple".to_owned(),
            delivery: Some(Delivery::Body),
        }
    }
}

impl FromMembers for LoginBody {
    fn from_members(members: &mut Members) -> Option<Self> {
        let (email, password) = (members.text("email"), members.text("password"));
        let delivery = members.choice(
            "delivery",
            &[("cookie", Delivery::Cookie), ("body", Delivery::Body)],
        );
        Some(Self {
            email: email?,
            password: password?,
            delivery,
        })
    }
}

impl From<LoginBody> for Login {
    fn from(body: LoginBody) -> Self {
        Self {
            email: body.email,
            password: Zeroizing::new(body.password),
        }
    }
}

/// The refresh token, when it does not come in the cookie.
#[derive(Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct RefreshTokenBody {
    /// The newest refresh token of the session.
    #[oai(validator(max_length = 1024))]
    refresh_token: Option<Nullable<String>>,
}

impl RefreshTokenBody {
    /// The token, if one was sent.
    pub(super) fn into_token(self) -> Option<Zeroizing<String>> {
        self.refresh_token
            .and_then(|token| token.0)
            .map(Zeroizing::new)
    }
}

impl std::fmt::Debug for RefreshTokenBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RefreshTokenBody([redacted])")
    }
}

impl Example for RefreshTokenBody {
    fn example() -> Self {
        Self {
            refresh_token: Some(Nullable(Some("thr_AQEBmrKd…".to_owned()))),
        }
    }
}

impl FromMembers for RefreshTokenBody {
    fn from_members(members: &mut Members) -> Option<Self> {
        let refresh_token = members
            .optional_text("refresh_token")
            .map(|token| Nullable(Some(token)));
        Some(Self { refresh_token })
    }
}

/// A user, as everyone may see it who is that user.
#[derive(Clone, Debug, Object, Serialize)]
#[oai(example)]
pub struct UserInfo {
    /// The id: the `sub` of the user's tokens.
    user_id: uuid::Uuid,
    /// How the user wants to be called.
    name: String,
    /// The address in canonical form.
    email: String,
    /// Whether the user has proved to read mail sent there.
    email_verified: bool,
    /// An http or https address of a picture.
    avatar_url: Nullable<String>,
    /// When the user signed up, in UTC (RFC 3339).
    created_at: DateTime,
    /// When the user was changed last, in UTC (RFC 3339).
    updated_at: DateTime,
}

impl From<&User> for UserInfo {
    fn from(user: &User) -> Self {
        Self {
            user_id: user.id.as_uuid(),
            name: user.name.as_str().to_owned(),
            email: user.email.as_str().to_owned(),
            email_verified: user.email_verified,
            avatar_url: Nullable(user.avatar_url.as_ref().map(|url| url.as_str().to_owned())),
            created_at: DateTime(user.created_at),
            updated_at: DateTime(user.updated_at),
        }
    }
}

impl Example for UserInfo {
    fn example() -> Self {
        let at = DateTime(Timestamp::from_micros(1_795_000_000_000_000));
        Self {
            user_id: uuid::uuid!("01a1f6b2-5f00-7a3c-8d4e-0f1a2b3c4d5e"),
            name: "Ada Lovelace".to_owned(),
            email: "ada@example.com".to_owned(),
            email_verified: false,
            avatar_url: Nullable(None),
            created_at: at,
            updated_at: at,
        }
    }
}

/// A session, delivered the way that was asked for; `delivery` tells which.
#[derive(Debug, Union, Serialize)]
#[oai(
    discriminator_name = "delivery",
    one_of = true,
    rename_all = "snake_case"
)]
#[serde(tag = "delivery", rename_all = "snake_case")]
pub enum SignedInView {
    Cookie(CookieSession),
    Body(TokenSession),
}

impl SignedInView {
    /// The answer to a login or a refresh.
    pub(super) fn of(signed_in: &SignedIn, delivery: Delivery) -> Self {
        let SignedIn { user, tokens } = signed_in;
        let user = UserInfo::from(user);
        let expires_in = i32::try_from(tokens.access_token_ttl.as_secs()).unwrap_or(i32::MAX);
        match delivery {
            Delivery::Cookie => Self::Cookie(CookieSession { user, expires_in }),
            Delivery::Body => Self::Body(TokenSession {
                user,
                expires_in,
                access_token: tokens.access_token.to_string(),
                token_type: TokenType::Bearer,
                refresh_token: tokens.refresh_token.to_string(),
            }),
        }
    }
}

/// A session whose tokens are in HttpOnly cookies.
#[derive(Debug, Object, Serialize)]
#[oai(example)]
pub struct CookieSession {
    /// Who signed in.
    user: UserInfo,
    /// For how many seconds the access token counts.
    expires_in: i32,
}

/// The type of an access token (RFC 6749 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize)]
pub enum TokenType {
    /// RFC 6750.
    Bearer,
}

/// A session whose tokens are in the body.
#[derive(Object, Serialize)]
#[oai(example)]
pub struct TokenSession {
    /// Who signed in.
    user: UserInfo,
    /// For how many seconds the access token counts.
    expires_in: i32,
    /// A JWT (RFC 9068) that anyone can verify with the tenant's published keys.
    access_token: String,
    token_type: TokenType,
    /// Keep it secret and replace it at every refresh.
    refresh_token: String,
}

impl std::fmt::Debug for TokenSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenSession([redacted])")
    }
}

impl Example for CookieSession {
    fn example() -> Self {
        Self {
            user: UserInfo::example(),
            expires_in: 900,
        }
    }
}

impl Example for TokenSession {
    fn example() -> Self {
        Self {
            user: UserInfo::example(),
            expires_in: 900,
            access_token: "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFUzI1NiIs…".to_owned(),
            token_type: TokenType::Bearer,
            refresh_token: "thr_AQEBmrKd…".to_owned(),
        }
    }
}

/// What a user allowed an application.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "Consent", example)]
pub struct ConsentView {
    client_id: String,
    client_name: String,
    /// With spaces between.
    scope: String,
    created_at: DateTime,
    updated_at: DateTime,
}

impl From<&(Consent, Client)> for ConsentView {
    fn from((consent, client): &(Consent, Client)) -> Self {
        Self {
            client_id: client.id.to_string(),
            client_name: client.metadata.client_name.clone(),
            scope: consent.scope.to_string(),
            created_at: DateTime(consent.created_at),
            updated_at: DateTime(consent.updated_at),
        }
    }
}

impl Example for ConsentView {
    fn example() -> Self {
        let at = DateTime(Timestamp::from_micros(1_795_000_000_000_000));
        Self {
            client_id: "demo-web".to_owned(),
            client_name: "Demo web application".to_owned(),
            scope: "openid profile email".to_owned(),
            created_at: at,
            updated_at: at,
        }
    }
}

/// All consents of a user, at most 200.
#[derive(Debug, Object, Serialize)]
#[oai(example)]
pub struct ConsentList {
    pub items: Vec<ConsentView>,
}

impl Example for ConsentList {
    fn example() -> Self {
        Self {
            items: vec![ConsentView::example()],
        }
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::ToJSON;

    use super::*;

    /// What is sent is what the document's own types would send.
    #[test]
    fn answers_are_written_as_they_are_documented() {
        let written = |value: &SignedInView| serde_json::to_value(value).ok();
        for view in [
            SignedInView::Cookie(CookieSession::example()),
            SignedInView::Body(TokenSession::example()),
        ] {
            assert_eq!(written(&view), view.to_json());
        }
        let user = UserInfo::example();
        assert_eq!(serde_json::to_value(&user).ok(), user.to_json());
    }
}
