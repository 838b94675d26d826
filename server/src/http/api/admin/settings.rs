//! A tenant's settings.

use std::{collections::BTreeMap, sync::Arc};

use poem::{http::header, web::Data};
use poem_openapi::{Object, OpenApi, types::Example};
use serde::Serialize;

use crate::{
    app::App,
    application::admin::{settings, tenants},
    domain::{
        branding::Accent,
        role::Role,
        tenant::{Policy, RegistrationPolicy, Tenant},
        user_claims::TokenClaims,
    },
    http::{
        api::Tag,
        extract::{
            administration::Administered, body::JsonBody, if_match::IfMatch,
            raw_members::RawMembers,
        },
        respond::{
            answer::{Answer, Refused, refusals},
            json::Nullable,
        },
    },
};

/// Operations on settings.
#[derive(Debug)]
pub struct SettingsApi;

refusals! {
    /// Refusals of reading settings.
    ReadSettingsRefusals {
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such tenant.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of a change.
    ChangeSettingsRefusals {
        400 => "The body is not valid; `errors` points at every member that is wrong.",
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such tenant.",
        412 => "The settings were changed since `If-Match`.",
        413 => "The body is too large.",
        415 => "The body is not JSON.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

#[OpenApi(tag = "Tag::Settings")]
impl SettingsApi {
    /// Read the settings
    ///
    /// All of them, those that were never changed with their defaults.
    #[oai(
        path = "/admin/v1/tenants/:tenant/settings",
        method = "get",
        operation_id = "get_settings"
    )]
    async fn get_settings(
        &self,
        /// The tenant's slug.
        tenant: Administered,
    ) -> Result<Answer<200, SettingsView>, Refused<ReadSettingsRefusals>> {
        Ok(answer(tenant.tenant().tenant()))
    }

    /// Change the settings
    ///
    /// A JSON merge patch (RFC 7396): members that are missing stay, null sets a member back to its
    /// default. Every instance follows within a second.
    #[oai(
        path = "/admin/v1/tenants/:tenant/settings",
        method = "patch",
        operation_id = "update_settings"
    )]
    async fn update_settings(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The `ETag` of the settings as they were read; without it the change is made whatever they are.
        #[oai(name = "If-Match")]
        seen: IfMatch,
        body: JsonBody<RawMembers<SettingsChange>>,
    ) -> Result<Answer<200, SettingsView>, Refused<ChangeSettingsRefusals>> {
        let seen = seen.0.as_deref();
        let changed = settings::patch(&app, &tenant.0, seen, &body.0.members, app.now()).await?;
        Ok(answer(&changed))
    }
}

fn answer(tenant: &Tenant) -> Answer<200, SettingsView> {
    Answer::new(SettingsView::from(&tenant.policy)).header(header::ETAG, &tenants::version(tenant))
}

/// What a tenant decides for itself. Times are seconds unless their name says otherwise.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "Settings", example)]
pub struct SettingsView {
    /// How long an access token counts.
    access_token_ttl: u32,
    /// How access tokens are signed: `RS256`, `ES256`, `PS256` or `EdDSA`.
    access_token_alg: String,
    /// How long a signing key signs before the next one does, at least a day; 0: until it is rotated by hand.
    key_rotation_interval: u32,
    /// How long verifiers may keep the JWK Set. A new key is published for longer than that before it signs.
    jwks_max_age: u32,
    /// How long an ID token counts.
    id_token_ttl: u32,
    /// A refresh family that isn't used for this long ends.
    refresh_idle_ttl: u32,
    /// A refresh family ends this long after it began, whatever happens.
    refresh_absolute_ttl: u32,
    /// How long after a rotation the token before still gets the same successor.
    refresh_retry_window: u32,
    /// A sign-in on the hosted pages ends when its browser isn't seen for this long.
    session_idle_ttl: u32,
    /// A sign-in on the hosted pages ends this long after it began.
    session_absolute_ttl: u32,
    /// Origins besides our own whose pages may call the session API with its cookies and read the answers (CORS).
    /// Browsers send the cookies only from the same site, such as from app.example.com to id.example.com.
    allowed_origins: Vec<String>,
    /// Resource indicators (RFC 8707) that every client may ask tokens for.
    resources: Vec<String>,
    /// Who may sign up: `open` anyone, `invitation` whoever was invited, `closed` nobody: then invitations wait too.
    signup: String,
    /// How many invitations may wait to be accepted at a time.
    invitations_max_pending: u32,
    /// How many custom domains there may be, verified or not.
    domains_max: u32,
    /// How many characters a new password must have.
    password_min_length: u32,
    /// Whether new passwords that are easy to guess are refused: common ones, patterns, names of the user and the tenant.
    password_refuse_common: bool,
    /// Who may register clients: `off`, `initial_access_token` or `open`.
    registration: String,
    /// How many clients may register themselves while registration is open.
    registration_max_clients: u32,
    /// Scopes that clients may register for themselves, besides those of OpenID Connect.
    registration_scopes: Vec<String>,
    /// How long entries of the audit log are kept, in days.
    audit_retention_days: u32,
    /// Clients that register themselves must use PKCE, also when they have credentials.
    require_pkce: bool,
    branding: BrandingView,
    claims: TokenClaimsView,
    /// Roles by name, at most 100. Users hold them; tokens speak of them in `roles` and `entitlements`.
    roles: BTreeMap<String, RoleView>,
}

/// What a role gives.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "Role", skip_serializing_if_is_none)]
pub struct RoleView {
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// The only client whose tokens speak of the role; all clients' tokens when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// Names that the tenant's applications give a meaning. `tokenhouse:admin` and `tokenhouse:admin:read` let
    /// the user administer the tenant.
    permissions: Vec<String>,
}

impl From<&Role> for RoleView {
    fn from(role: &Role) -> Self {
        Self {
            description: role.description.clone(),
            client_id: role.client_id.as_ref().map(ToString::to_string),
            permissions: role.permissions.iter().cloned().map(String::from).collect(),
        }
    }
}

/// How the tenant's pages look.
#[derive(Debug, Default, Object, Serialize)]
#[oai(rename = "Branding", skip_serializing_if_is_none)]
pub struct BrandingView {
    /// An https address of a picture, 40 pixels high.
    #[serde(skip_serializing_if = "Option::is_none")]
    logo_url: Option<String>,
    /// The colour of buttons, such as `#2f5bd8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    accent: Option<String>,
}

/// What tokens say of users, besides who they are.
#[derive(Debug, Default, Object, Serialize)]
#[oai(rename = "TokenClaims", skip_serializing_if_is_none)]
pub struct TokenClaimsView {
    /// In access tokens of the session API and of first-party clients: some of `name`, `email`, `email_verified` and
    /// `picture`. Other clients' never say any of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<Vec<String>>,
    /// In ID tokens: standard claims (OIDC Core §5.1), each as far as the granted scopes cover it. Whatever is not here
    /// is at the user info endpoint, or asked for by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<Vec<String>>,
}

impl From<&TokenClaims> for TokenClaimsView {
    fn from(claims: &TokenClaims) -> Self {
        let (access, id) = (&claims.access_token, &claims.id_token);
        Self {
            access_token: Some(access.iter().map(|one| one.name().to_owned()).collect()),
            id_token: Some(id.iter().map(|one| one.as_str().to_owned()).collect()),
        }
    }
}

impl From<&Policy> for SettingsView {
    fn from(policy: &Policy) -> Self {
        Self {
            access_token_ttl: policy.access_token_ttl,
            access_token_alg: policy.access_token_alg.name().to_owned(),
            key_rotation_interval: policy.key_rotation_interval,
            jwks_max_age: policy.jwks_max_age,
            id_token_ttl: policy.id_token_ttl,
            refresh_idle_ttl: policy.refresh_idle_ttl,
            refresh_absolute_ttl: policy.refresh_absolute_ttl,
            refresh_retry_window: policy.refresh_retry_window,
            session_idle_ttl: policy.session_idle_ttl,
            session_absolute_ttl: policy.session_absolute_ttl,
            allowed_origins: policy.allowed_origins.clone(),
            resources: policy.resources.clone(),
            signup: policy.signup.name().to_owned(),
            invitations_max_pending: policy.invitations_max_pending,
            domains_max: policy.domains_max,
            password_min_length: policy.password_min_length,
            password_refuse_common: policy.password_refuse_common,
            registration: match policy.registration {
                RegistrationPolicy::Off => "off",
                RegistrationPolicy::InitialAccessToken => "initial_access_token",
                RegistrationPolicy::Open => "open",
            }
            .to_owned(),
            registration_max_clients: policy.registration_max_clients,
            registration_scopes: policy.registration_scopes.clone(),
            audit_retention_days: policy.audit_retention_days,
            require_pkce: policy.require_pkce,
            branding: BrandingView {
                logo_url: policy
                    .branding
                    .logo_url
                    .as_ref()
                    .map(|url| url.as_str().to_owned()),
                accent: policy.branding.accent.map(Accent::css),
            },
            claims: TokenClaimsView::from(&policy.claims),
            roles: policy
                .roles
                .iter()
                .map(|(name, role)| (name.to_string(), RoleView::from(role)))
                .collect(),
        }
    }
}

impl Example for SettingsView {
    fn example() -> Self {
        Self::from(&Policy::default())
    }
}

/// A change of settings: only the members that change. Null sets one back to its default.
#[derive(Debug, Default, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct SettingsChange {
    access_token_ttl: Option<Nullable<u32>>,
    access_token_alg: Option<Nullable<String>>,
    key_rotation_interval: Option<Nullable<u32>>,
    jwks_max_age: Option<Nullable<u32>>,
    id_token_ttl: Option<Nullable<u32>>,
    refresh_idle_ttl: Option<Nullable<u32>>,
    refresh_absolute_ttl: Option<Nullable<u32>>,
    refresh_retry_window: Option<Nullable<u32>>,
    session_idle_ttl: Option<Nullable<u32>>,
    session_absolute_ttl: Option<Nullable<u32>>,
    allowed_origins: Option<Nullable<Vec<String>>>,
    resources: Option<Nullable<Vec<String>>>,
    signup: Option<Nullable<String>>,
    invitations_max_pending: Option<Nullable<u32>>,
    domains_max: Option<Nullable<u32>>,
    password_min_length: Option<Nullable<u32>>,
    password_refuse_common: Option<Nullable<bool>>,
    registration: Option<Nullable<String>>,
    registration_max_clients: Option<Nullable<u32>>,
    registration_scopes: Option<Nullable<Vec<String>>>,
    audit_retention_days: Option<Nullable<u32>>,
    require_pkce: Option<Nullable<bool>>,
    branding: Option<Nullable<BrandingView>>,
    claims: Option<Nullable<TokenClaimsView>>,
    roles: Option<Nullable<BTreeMap<String, RoleView>>>,
}

impl Example for SettingsChange {
    fn example() -> Self {
        Self {
            access_token_ttl: Some(Nullable(Some(600))),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::ToJSON;

    use super::*;

    /// A setting that is stored and not shown could never be seen again.
    #[test]
    fn every_setting_is_shown_under_its_own_name() {
        let shown = SettingsView::example();
        let stored = serde_json::to_value(Policy::default()).expect("JSON");
        assert_eq!(serde_json::to_value(&shown).ok(), Some(stored));
        assert_eq!(serde_json::to_value(&shown).ok(), shown.to_json());
    }
}
