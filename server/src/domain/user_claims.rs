//! Claims about users (OIDC Core §5.1 and §5.4): what a scope or the `claims` parameter asks for.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{claims_request::ClaimsRequest, scope::Scopes, user::User};

/// Each scope and the claims that it asks for (OIDC Core §5.4).
const BY_SCOPE: &[(&str, &[&str])] = &[
    (
        "profile",
        &[
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
    ),
    ("email", &["email", "email_verified"]),
    ("address", &["address"]),
    ("phone", &["phone_number", "phone_number_verified"]),
];

/// The names of all claims about users.
pub fn names() -> impl Iterator<Item = &'static str> {
    BY_SCOPE
        .iter()
        .flat_map(|(_, claims)| claims.iter().copied())
}

/// Whether a scope asks for claims about users.
pub fn is_scope(scope: &str) -> bool {
    BY_SCOPE.iter().any(|(known, _)| *known == scope)
}

/// The scope that a claim belongs to.
pub fn scope_of(claim: &str) -> Option<&'static str> {
    BY_SCOPE
        .iter()
        .find(|(_, claims)| claims.contains(&claim))
        .map(|(scope, _)| *scope)
}

/// The scopes whose claims `request` names one by one: the user must allow those too.
pub fn implied_scopes(request: &ClaimsRequest) -> Scopes {
    let names = request.userinfo.keys().chain(request.id_token.keys());
    let scopes: Vec<_> = names.filter_map(|name| scope_of(name)).collect();
    Scopes::parse(&scopes.join(" ")).unwrap_or_default()
}

/// What the user info endpoint says, besides `sub`: the claims of the granted scopes and those that
/// were asked for by name.
pub fn for_userinfo(user: &User, scope: &Scopes, request: &ClaimsRequest) -> Map<String, Value> {
    of(user, |claim| {
        scope_of(claim).is_some_and(|of| scope.contains(of)) || request.userinfo.contains_key(claim)
    })
}

/// What an ID token says of the user: what was asked for by name, and of the granted scopes what the tenant
/// lets ID tokens carry. All the rest is the user info endpoint's (OIDC Core §5.4).
pub fn for_id_token(
    user: &User,
    scope: &Scopes,
    request: &ClaimsRequest,
    carried: &[UserClaim],
) -> Map<String, Value> {
    of(user, |claim| {
        let carried = carried.iter().any(|one| one.as_str() == claim);
        request.id_token.contains_key(claim)
            || (carried && scope_of(claim).is_some_and(|of| scope.contains(of)))
    })
}

/// What tokens say of users, besides who they are: a tenant's choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenClaims {
    /// In access tokens for the tenant's own clients. Those of other clients never say any of it.
    pub access_token: Vec<AccessTokenClaim>,
    /// In ID tokens, of what the granted scopes cover. Everybody finds it at the user info endpoint.
    pub id_token: Vec<UserClaim>,
}

impl Default for TokenClaims {
    fn default() -> Self {
        Self {
            access_token: AccessTokenClaim::ALL.to_vec(),
            id_token: Vec::new(),
        }
    }
}

/// A claim that access tokens may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessTokenClaim {
    Name,
    Email,
    EmailVerified,
    Picture,
}

impl AccessTokenClaim {
    pub const ALL: [Self; 4] = [Self::Name, Self::Email, Self::EmailVerified, Self::Picture];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Email => "email",
            Self::EmailVerified => "email_verified",
            Self::Picture => "picture",
        }
    }
}

/// The name of a claim about users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserClaim(String);

/// Why a text is no [`UserClaim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a standard claim about users (OIDC Core §5.1)")]
pub struct NotAUserClaim;

impl UserClaim {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for UserClaim {
    type Error = NotAUserClaim;

    fn try_from(text: String) -> Result<Self, NotAUserClaim> {
        if scope_of(&text).is_some() {
            Ok(Self(text))
        } else {
            Err(NotAUserClaim)
        }
    }
}

impl From<UserClaim> for String {
    fn from(claim: UserClaim) -> Self {
        claim.0
    }
}

/// The known claims that are `wanted`.
fn of(user: &User, wanted: impl Fn(&str) -> bool) -> Map<String, Value> {
    let profile = &user.profile;
    let text = |value: &Option<String>| value.clone().map(Value::String);
    let phone_verified = profile
        .phone_number
        .as_ref()
        .map(|_| Value::Bool(profile.phone_number_verified));
    let address = profile
        .address
        .as_ref()
        .and_then(|address| serde_json::to_value(address).ok());
    let all = [
        ("name", Some(json!(user.name.as_str()))),
        ("given_name", text(&profile.given_name)),
        ("family_name", text(&profile.family_name)),
        ("middle_name", text(&profile.middle_name)),
        ("nickname", text(&profile.nickname)),
        ("preferred_username", text(&profile.preferred_username)),
        ("profile", text(&profile.profile)),
        (
            "picture",
            user.avatar_url.as_ref().map(|url| json!(url.as_str())),
        ),
        ("website", text(&profile.website)),
        ("gender", text(&profile.gender)),
        ("birthdate", text(&profile.birthdate)),
        ("zoneinfo", text(&profile.zoneinfo)),
        ("locale", text(&profile.locale)),
        ("updated_at", Some(json!(user.updated_at.as_seconds()))),
        ("email", Some(json!(user.email.as_str()))),
        ("email_verified", Some(json!(user.email_verified))),
        ("address", address),
        ("phone_number", text(&profile.phone_number)),
        ("phone_number_verified", phone_verified),
    ];
    all.into_iter()
        .filter(|(name, _)| wanted(name))
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        profile::{Address, Profile},
        user::tests_support::user,
    };

    fn ada() -> User {
        User {
            email_verified: true,
            profile: Profile {
                given_name: Some("Ada".into()),
                address: Some(Address {
                    country: Some("GB".into()),
                    ..Address::default()
                }),
                ..Profile::default()
            },
            ..user()
        }
    }

    fn names_of(scope: &str, claims: &str) -> Vec<String> {
        let scope = Scopes::parse(scope).expect("scopes");
        let request = ClaimsRequest::parse(claims).expect("a request");
        for_userinfo(&ada(), &scope, &request)
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    }

    #[test]
    fn a_scope_gives_its_claims_and_no_others() {
        assert!(names_of("openid", "{}").is_empty());
        assert_eq!(names_of("openid email", "{}"), ["email", "email_verified"]);
        assert_eq!(
            names_of("profile", "{}"),
            ["given_name", "name", "updated_at"]
        );
        assert_eq!(names_of("address phone", "{}"), ["address"]);
    }

    #[test]
    fn a_claim_that_is_asked_for_by_name_is_where_it_was_asked_for() {
        let text = r#"{"userinfo":{"name":{"essential":true}},"id_token":{"email":null}}"#;
        assert_eq!(names_of("openid", text), ["name"]);
        let request = ClaimsRequest::parse(text).expect("a request");
        assert_eq!(
            id_token_names("openid", &request, &["name"]),
            ["email"],
            "no scope covers the name"
        );
        assert_eq!(implied_scopes(&request).to_string(), "profile email");
    }

    fn id_token_names(scope: &str, request: &ClaimsRequest, carried: &[&str]) -> Vec<String> {
        let scope = Scopes::parse(scope).expect("scopes");
        let carried: Result<Vec<_>, _> = carried
            .iter()
            .map(|name| UserClaim::try_from((*name).to_owned()))
            .collect();
        let claims = for_id_token(&ada(), &scope, request, &carried.expect("claims"));
        claims.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn an_id_token_carries_what_the_tenant_chose_within_the_granted_scopes() {
        let none = ClaimsRequest::default();
        for (scope, carried, expected) in [
            ("openid profile email", &[][..], &[][..]),
            (
                "openid profile email",
                &["email", "name"],
                &["email", "name"],
            ),
            ("openid email", &["email", "name"], &["email"]),
            // There is none to tell.
            ("openid phone", &["phone_number"], &[]),
        ] {
            assert_eq!(
                id_token_names(scope, &none, carried),
                expected,
                "{scope} {carried:?}"
            );
        }
        assert!(UserClaim::try_from("sub".to_owned()).is_err());
    }

    #[test]
    fn claims_have_the_types_of_the_specification() {
        let all = Scopes::from_names(&["profile", "email", "address"]);
        let claims = for_userinfo(&ada(), &all, &ClaimsRequest::default());
        assert!(claims["updated_at"].is_number());
        assert!(claims["email_verified"].is_boolean());
        assert_eq!(claims["address"], json!({ "country": "GB" }));
    }
}
