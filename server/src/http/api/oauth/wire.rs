//! What OAuth clients send and get. Forms are shown here and read as parameters: an empty value is
//! an absent one, and names that aren't here are ignored.

use poem_openapi::{Object, types::Example};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    application::token::TokenResponse, http::api::session::profile_wire::PostalAddressView,
};

/// The form of the token endpoint.
#[derive(Debug, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(super) struct TokenForm {
    /// `authorization_code`, `refresh_token` or `client_credentials`.
    grant_type: String,
    /// The code, for `authorization_code`.
    code: Option<String>,
    /// The redirect URI of the authorization request.
    #[oai(validator(max_length = 2048))]
    redirect_uri: Option<String>,
    /// What the code challenge was made from (RFC 7636).
    #[oai(validator(min_length = 43, max_length = 128))]
    code_verifier: Option<String>,
    /// The token, for `refresh_token`.
    refresh_token: Option<String>,
    /// Less than what was granted; or what a client asks for itself.
    scope: Option<String>,
    /// Which of the granted resources the token is for (RFC 8707). May come several times.
    resource: Option<Vec<String>>,
    /// The client, when it doesn't authenticate by header.
    client_id: Option<String>,
    /// `client_secret_post`.
    client_secret: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`, for `private_key_jwt`.
    client_assertion_type: Option<String>,
    /// A JWT that the client signed (RFC 7523).
    client_assertion: Option<String>,
}

impl Example for TokenForm {
    fn example() -> Self {
        let text = |text: &str| Some(text.to_owned());
        Self {
            grant_type: "authorization_code".to_owned(),
            code: text("thc_pT1Vf3o0m4l2qXWc0u7Yk9aZr5sB8dEeJhGgLnQiKtM"),
            redirect_uri: text("https://app.example.com/callback"),
            code_verifier: text("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            refresh_token: None,
            scope: None,
            resource: None,
            client_id: text("demo-spa"),
            client_secret: None,
            client_assertion_type: None,
            client_assertion: None,
        }
    }
}

/// The form of revocation.
#[derive(Debug, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(super) struct RevocationForm {
    /// A refresh token or an access token.
    token: String,
    /// `refresh_token` or `access_token`; not needed, and never believed.
    token_type_hint: Option<String>,
    /// The client, when it doesn't authenticate by header.
    client_id: Option<String>,
    /// `client_secret_post`.
    client_secret: Option<String>,
}

impl Example for RevocationForm {
    fn example() -> Self {
        Self {
            token: "thr_…".to_owned(),
            token_type_hint: Some("refresh_token".to_owned()),
            client_id: None,
            client_secret: None,
        }
    }
}

/// The form of introspection.
#[derive(Debug, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(super) struct IntrospectionForm {
    /// An access token or a refresh token.
    token: String,
    /// Not needed, and never believed.
    token_type_hint: Option<String>,
    /// The client, when it doesn't authenticate by header.
    client_id: Option<String>,
    /// `client_secret_post`.
    client_secret: Option<String>,
}

impl Example for IntrospectionForm {
    fn example() -> Self {
        Self {
            token: "eyJ0eXAiOiJhdCtqd3QiLC…".to_owned(),
            token_type_hint: None,
            client_id: None,
            client_secret: None,
        }
    }
}

/// The form of user info.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub(super) struct UserInfoForm {
    /// The access token, when it isn't in the `Authorization` header.
    access_token: Option<String>,
}

/// Tokens (RFC 6749 §5.1).
#[derive(Debug, Object, Serialize)]
#[oai(rename = "TokenResponse", example, skip_serializing_if_is_none)]
pub(super) struct TokenView {
    /// A JWT (RFC 9068).
    access_token: String,
    /// `Bearer`.
    token_type: String,
    /// For how many seconds the access token counts.
    expires_in: i32,
    /// What was granted, if anything; may be less than what was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// Rotates: keep the one that came last.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// Who signed in, when `openid` was granted (OIDC Core §2).
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

impl From<TokenResponse> for TokenView {
    fn from(tokens: TokenResponse) -> Self {
        Self {
            access_token: tokens.access_token.as_str().to_owned(),
            token_type: "Bearer".to_owned(),
            expires_in: i32::try_from(tokens.expires_in.as_secs()).unwrap_or(i32::MAX),
            scope: (!tokens.scope.is_empty()).then(|| tokens.scope.to_string()),
            refresh_token: tokens.refresh_token.map(|token| token.as_str().to_owned()),
            id_token: tokens.id_token.map(|token| token.as_str().to_owned()),
        }
    }
}

impl Example for TokenView {
    fn example() -> Self {
        Self {
            access_token: "eyJ0eXAiOiJhdCtqd3QiLC…".to_owned(),
            token_type: "Bearer".to_owned(),
            expires_in: 900,
            scope: Some("openid profile email".to_owned()),
            refresh_token: Some("thr_…".to_owned()),
            id_token: Some("eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiI…".to_owned()),
        }
    }
}

/// What a token is worth (RFC 7662 §2.2). An inactive one has `active` alone.
#[derive(Debug, Default, Object, Serialize)]
#[oai(rename = "Introspection", example, skip_serializing_if_is_none)]
pub(super) struct IntrospectionView {
    /// Whether the token counts now.
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// `Bearer`, or `refresh_token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<String>,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    /// Whom the token is for. Always a list, also of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    /// The session, when a user signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    /// When the user signed in, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amr: Option<Vec<String>>,
    /// The tenant's slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
}

impl From<Map<String, Value>> for IntrospectionView {
    fn from(members: Map<String, Value>) -> Self {
        let text = |name: &str| members.get(name)?.as_str().map(str::to_owned);
        let number = |name: &str| members.get(name)?.as_i64();
        // A claim may be a text where it could be a list.
        let texts = |name: &str| match members.get(name)? {
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(all) => {
                let texts = all.iter().filter_map(Value::as_str);
                Some(texts.map(str::to_owned).collect())
            }
            _ => None,
        };
        Self {
            active: members.get("active") == Some(&Value::Bool(true)),
            scope: text("scope"),
            client_id: text("client_id"),
            token_type: text("token_type"),
            exp: number("exp"),
            iat: number("iat"),
            sub: text("sub"),
            aud: texts("aud"),
            iss: text("iss"),
            jti: text("jti"),
            sid: text("sid"),
            auth_time: number("auth_time"),
            acr: text("acr"),
            amr: texts("amr"),
            tenant: text("tenant"),
        }
    }
}

impl Example for IntrospectionView {
    fn example() -> Self {
        let text = |text: &str| Some(text.to_owned());
        Self {
            active: true,
            scope: text("openid profile"),
            client_id: text("demo-web"),
            token_type: text("Bearer"),
            exp: Some(1_795_000_900),
            iat: Some(1_795_000_000),
            sub: text("01a1f6b2-5f00-7a3c-8d4e-0f1a2b3c4d5e"),
            aud: Some(vec!["https://id.example.com/t/acme".to_owned()]),
            iss: text("https://id.example.com/t/acme"),
            ..Self::default()
        }
    }
}

/// Claims about a user (OIDC Core §5.1); which ones depends on the scopes.
#[derive(Debug, Object)]
#[oai(rename = "UserInfoClaims", example, skip_serializing_if_is_none)]
pub(super) struct UserInfoClaims {
    /// The user, as this client knows it.
    sub: String,
    name: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
    middle_name: Option<String>,
    nickname: Option<String>,
    preferred_username: Option<String>,
    profile: Option<String>,
    picture: Option<String>,
    website: Option<String>,
    gender: Option<String>,
    /// `YYYY-MM-DD`, `0000-MM-DD` or `YYYY`.
    birthdate: Option<String>,
    zoneinfo: Option<String>,
    locale: Option<String>,
    /// Seconds since 1970.
    updated_at: Option<i64>,
    email: Option<String>,
    email_verified: Option<bool>,
    phone_number: Option<String>,
    phone_number_verified: Option<bool>,
    address: Option<PostalAddressView>,
}

impl Example for UserInfoClaims {
    fn example() -> Self {
        let text = |text: &str| Some(text.to_owned());
        Self {
            sub: "01a1f6b2-5f00-7a3c-8d4e-0f1a2b3c4d5e".to_owned(),
            name: text("Ada Lovelace"),
            given_name: None,
            family_name: None,
            middle_name: None,
            nickname: None,
            preferred_username: None,
            profile: None,
            picture: None,
            website: None,
            gender: None,
            birthdate: None,
            zoneinfo: None,
            locale: None,
            updated_at: Some(1_795_000_000),
            email: text("ada@example.com"),
            email_verified: Some(true),
            phone_number: None,
            phone_number_verified: None,
            address: None,
        }
    }
}
