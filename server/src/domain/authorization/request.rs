use serde::{Deserialize, Serialize};

use super::parameters::Parameters;
use crate::domain::{
    claims_request::ClaimsRequest,
    client::{
        Client,
        metadata::{GrantType, ResponseType},
    },
    scope::{OFFLINE_ACCESS, OPENID, Scopes},
    timestamp::Timestamp,
    user_claims,
};

/// How the answer travels (OAuth 2.0 Multiple Response Types §2.1, OAuth 2.0 Form Post §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    Query,
    FormPost,
}

/// Where an answer may go: only a client's registered redirect URI ever gets into one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnAddress {
    pub redirect_uri: String,
    pub mode: ResponseMode,
    /// Echoed byte for byte.
    pub state: Option<String>,
}

/// Why there is nobody to answer to: a page says so, and nothing is redirected (RFC 9700 §4.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untrusted {
    /// No `client_id`, more than one, or one that nobody has.
    UnknownClient,
    MissingRedirectUri,
    RedirectUriMismatch,
}

/// What the answer says when it is no (RFC 6749 §4.1.2.1, OIDC Core §3.1.2.6, RFC 8707 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    InvalidRequest,
    UnauthorizedClient,
    AccessDenied,
    UnsupportedResponseType,
    InvalidScope,
    InvalidTarget,
    ServerError,
    TemporarilyUnavailable,
    LoginRequired,
    AccountSelectionRequired,
    ConsentRequired,
    RequestNotSupported,
    RequestUriNotSupported,
    RegistrationNotSupported,
    UnmetAuthenticationRequirements,
}

impl ErrorCode {
    /// The value of `error`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::AccessDenied => "access_denied",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::LoginRequired => "login_required",
            Self::AccountSelectionRequired => "account_selection_required",
            Self::ConsentRequired => "consent_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
        }
    }
}

/// A no that the client gets to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    pub code: ErrorCode,
    /// From a fixed list: nothing of the request is repeated.
    pub description: &'static str,
}

impl Refused {
    pub const fn new(code: ErrorCode, description: &'static str) -> Self {
        Self { code, description }
    }
}

const fn invalid(description: &'static str) -> Refused {
    Refused::new(ErrorCode::InvalidRequest, description)
}

/// One value of `prompt` (OIDC Core §3.1.2.1; `create`: Initiating User Registration 1.0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    None,
    Login,
    Consent,
    SelectAccount,
    Create,
}

impl Prompt {
    pub const ALL: [Self; 5] = [
        Self::None,
        Self::Login,
        Self::Consent,
        Self::SelectAccount,
        Self::Create,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Login => "login",
            Self::Consent => "consent",
            Self::SelectAccount => "select_account",
            Self::Create => "create",
        }
    }
}

/// A request whose every parameter was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    pub client_id: String,
    pub address: ReturnAddress,
    /// Only scopes that the client registered.
    pub scope: Scopes,
    pub nonce: Option<String>,
    pub challenge: Option<String>,
    pub prompt: Vec<Prompt>,
    /// Seconds.
    pub max_age: Option<u32>,
    /// `auth_time` must be in the ID token.
    pub wants_auth_time: bool,
    pub login_hint: Option<String>,
    /// The `sub` that must sign in, from `id_token_hint` or a `sub` claim that was asked for.
    pub subject: Option<String>,
    pub claims: ClaimsRequest,
    pub resources: Vec<String>,
    /// When the request came: a sign-in after it is a fresh one. In microseconds.
    pub started_at: i64,
    /// The session that the user chose in the account chooser.
    pub selected: Option<uuid::Uuid>,
}

/// Where the answer to these parameters may go, if anywhere.
pub fn return_address(
    client: &Client,
    parameters: &Parameters,
) -> Result<ReturnAddress, Untrusted> {
    if parameters.is_repeated("redirect_uri") {
        return Err(Untrusted::RedirectUriMismatch);
    }
    let presented = parameters
        .get("redirect_uri")
        .ok_or(Untrusted::MissingRedirectUri)?;
    if client.metadata.redirect_uri(presented).is_none() {
        return Err(Untrusted::RedirectUriMismatch);
    }
    let mode = match parameters.get("response_mode") {
        Some("form_post") => ResponseMode::FormPost,
        _ => ResponseMode::Query,
    };
    let state = parameters
        .owned("state")
        .filter(|_| !parameters.is_repeated("state"));
    Ok(ReturnAddress {
        // The presented one: its loopback port may differ from the registered one's.
        redirect_uri: presented.to_owned(),
        mode,
        state,
    })
}

const MAX_STATE: usize = 4_096;
const MAX_NONCE: usize = 1_024;
const MAX_HINT: usize = 254;
const MAX_RESOURCES: usize = 20;

impl AuthorizationRequest {
    /// Checks the parameters of a client that is to be answered at `address`. `resources` are those
    /// that the tenant allows to every client; `hinted` is the `sub` of a verified `id_token_hint`.
    pub fn check(
        client: &Client,
        address: ReturnAddress,
        parameters: &Parameters,
        resources: &[String],
        hinted: Option<String>,
        now: Timestamp,
    ) -> Result<Self, Refused> {
        refuse_unsupported(parameters)?;
        check_response(client, parameters)?;
        let claims = allowed_claims(client, read_claims(parameters)?);
        let prompt = read_prompt(parameters)?;
        let max_age = read_max_age(parameters)?.or(client.metadata.default_max_age);
        Ok(Self {
            client_id: client.id.to_string(),
            scope: read_scope(client, parameters)?,
            nonce: bounded(parameters, "nonce", MAX_NONCE, "nonce is too long")?,
            challenge: read_challenge(client, parameters)?,
            wants_auth_time: max_age.is_some()
                || client.metadata.require_auth_time
                || claims.id_token.contains_key("auth_time"),
            login_hint: parameters
                .owned("login_hint")
                .filter(|hint| hint.len() <= MAX_HINT && !hint.chars().any(char::is_control)),
            subject: hinted.or_else(|| asked_subject(&claims)),
            resources: read_resources(client, parameters, resources)?,
            prompt,
            max_age,
            claims,
            address,
            started_at: now.as_micros(),
            selected: None,
        })
    }

    pub fn asks(&self, prompt: Prompt) -> bool {
        self.prompt.contains(&prompt)
    }

    /// What the user must allow: the scopes, and those of claims that are asked for one by one.
    pub fn needs(&self) -> Scopes {
        self.scope.union(&user_claims::implied_scopes(&self.claims))
    }

    /// Whether it is a request of OpenID Connect.
    pub fn is_openid(&self) -> bool {
        self.scope.contains(OPENID)
    }
}

fn refuse_unsupported(parameters: &Parameters) -> Result<(), Refused> {
    parameters
        .check_repetition()
        .map_err(|_| invalid("A parameter came more than once."))?;
    let state = parameters.get("state").unwrap_or_default();
    if state.len() > MAX_STATE {
        return Err(invalid("state is too long."));
    }
    for (name, code) in [
        ("request", ErrorCode::RequestNotSupported),
        ("request_uri", ErrorCode::RequestUriNotSupported),
        ("registration", ErrorCode::RegistrationNotSupported),
    ] {
        if parameters.get(name).is_some() {
            return Err(Refused::new(code, "Send the parameters themselves."));
        }
    }
    match parameters.get("response_mode") {
        None | Some("query" | "form_post") => Ok(()),
        Some(_) => Err(invalid("response_mode must be query or form_post.")),
    }
}

fn check_response(client: &Client, parameters: &Parameters) -> Result<(), Refused> {
    match parameters.get("response_type") {
        None => return Err(invalid("response_type is missing.")),
        Some("code") => {}
        Some(_) => {
            return Err(Refused::new(
                ErrorCode::UnsupportedResponseType,
                "response_type must be code.",
            ));
        }
    }
    let registered = client.may_use(GrantType::AuthorizationCode)
        && client.metadata.response_types.contains(&ResponseType::Code);
    if registered {
        Ok(())
    } else {
        Err(Refused::new(
            ErrorCode::UnauthorizedClient,
            "The client did not register for authorization codes.",
        ))
    }
}

/// Scopes that the client didn't register are left out (OIDC Core §3.1.2.1: unknown ones are
/// ignored); asking for nothing else is an error, not a token without power.
fn read_scope(client: &Client, parameters: &Parameters) -> Result<Scopes, Refused> {
    let refused = |description| Refused::new(ErrorCode::InvalidScope, description);
    let Some(text) = parameters.get("scope") else {
        return Ok(Scopes::default());
    };
    let asked = Scopes::parse(text).map_err(|_| refused("scope is malformed."))?;
    let refreshes = client.may_use(GrantType::RefreshToken);
    let scope = asked
        .within(&client.metadata.scope)
        .filtered(|scope| scope != OFFLINE_ACCESS || refreshes);
    if scope.is_empty() && !asked.is_empty() {
        return Err(refused("The client registered none of these scopes."));
    }
    Ok(scope)
}

/// S256 or nothing (RFC 7636 §4.3): a missing method would mean `plain`.
fn read_challenge(client: &Client, parameters: &Parameters) -> Result<Option<String>, Refused> {
    let base64url = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    match (
        parameters.get("code_challenge"),
        parameters.get("code_challenge_method"),
    ) {
        (Some(challenge), Some("S256")) => {
            // A SHA-256 in base64url has 43 characters.
            if challenge.len() == 43 && challenge.bytes().all(base64url) {
                Ok(Some(challenge.to_owned()))
            } else {
                Err(invalid("code_challenge is malformed."))
            }
        }
        (Some(_), _) | (None, Some(_)) => Err(invalid(
            "code_challenge_method must be S256, with a code_challenge.",
        )),
        (None, None) if client.metadata.require_pkce || !client.is_confidential() => Err(invalid(
            "code_challenge is missing: this client must use PKCE.",
        )),
        (None, None) => Ok(None),
    }
}

fn read_prompt(parameters: &Parameters) -> Result<Vec<Prompt>, Refused> {
    let text = parameters.get("prompt").unwrap_or_default();
    let mut prompts = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let known = Prompt::ALL.into_iter().find(|prompt| prompt.name() == word);
        prompts.push(known.ok_or(invalid("prompt has an unknown value."))?);
    }
    if prompts.contains(&Prompt::None) && prompts.len() > 1 {
        return Err(invalid("prompt=none stands alone."));
    }
    Ok(prompts)
}

fn read_max_age(parameters: &Parameters) -> Result<Option<u32>, Refused> {
    parameters
        .get("max_age")
        .map(|text| {
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            text.parse()
                .ok()
                .filter(|_| digits)
                .ok_or(invalid("max_age must be a number of seconds."))
        })
        .transpose()
}

fn read_claims(parameters: &Parameters) -> Result<ClaimsRequest, Refused> {
    parameters
        .get("claims")
        .map_or(Ok(ClaimsRequest::default()), |text| {
            ClaimsRequest::parse(text).map_err(|_| invalid("claims is malformed."))
        })
}

/// Claims of scopes that the client didn't register are left out, like the scopes.
fn allowed_claims(client: &Client, mut claims: ClaimsRequest) -> ClaimsRequest {
    let registered = |name: &String| {
        user_claims::scope_of(name).is_none_or(|scope| client.metadata.scope.contains(scope))
    };
    claims.userinfo.retain(|name, _| registered(name));
    claims.id_token.retain(|name, _| registered(name));
    claims
}

/// A `sub` with a value works like a hint (OIDC Core §5.5.1).
fn asked_subject(claims: &ClaimsRequest) -> Option<String> {
    let request = claims.id_token.get("sub")?.as_ref()?;
    Some(request.value.as_ref()?.as_str()?.to_owned())
}

fn read_resources(
    client: &Client,
    parameters: &Parameters,
    allowed: &[String],
) -> Result<Vec<String>, Refused> {
    let mut resources: Vec<String> = Vec::new();
    for resource in parameters.all("resource") {
        let known = client.metadata.resources.iter().any(|one| one == resource)
            || allowed.iter().any(|one| one == resource);
        if !known || resources.len() >= MAX_RESOURCES {
            return Err(Refused::new(
                ErrorCode::InvalidTarget,
                "The client may not ask for tokens for this resource.",
            ));
        }
        if !resources.iter().any(|one| one == resource) {
            resources.push(resource.to_owned());
        }
    }
    Ok(resources)
}

fn bounded(
    parameters: &Parameters,
    name: &str,
    limit: usize,
    description: &'static str,
) -> Result<Option<String>, Refused> {
    match parameters.get(name) {
        Some(text) if text.len() > limit => Err(invalid(description)),
        text => Ok(text.map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests;
