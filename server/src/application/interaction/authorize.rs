//! The authorization endpoint (RFC 6749 §3.1, OIDC Core §3.1.2).

use url::form_urlencoded;

use super::{
    browser::{Accounts, BrowserId},
    sealed,
};
use crate::{
    app::App,
    application::{
        error::Error,
        id_token, issue,
        ports::{Purpose, TenantKeys, UseKey},
    },
    domain::{
        authorization::{
            AuthorizationRequest, CODE_LIFETIME, Candidate, CodeRecord, ErrorCode, Parameters,
            Refused, ResponseMode, ReturnAddress, Step, Untrusted, next_step, return_address,
        },
        client::{Client, ClientId},
        id::{GrantId, SessionId},
        role::Roles,
        scope::Scopes,
        secret::{AuthorizationCode, OpaqueToken},
        tenant::TenantScope,
        timestamp::Timestamp,
    },
};

/// An answer for the client, on its way through the browser.
pub struct Reply {
    pub redirect_uri: String,
    pub mode: ResponseMode,
    /// Names and values, in order.
    pub parameters: Vec<(&'static str, String)>,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply")
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}

impl Reply {
    fn new(
        tenant: &TenantScope,
        address: &ReturnAddress,
        mut parameters: Vec<(&'static str, String)>,
    ) -> Self {
        if let Some(state) = &address.state {
            parameters.push(("state", state.clone()));
        }
        // RFC 9207: the client learns who answered, in success and error alike.
        parameters.push(("iss", tenant.issuer().as_str().to_owned()));
        Self {
            redirect_uri: address.redirect_uri.clone(),
            mode: address.mode,
            parameters,
        }
    }

    /// A no.
    pub fn refusal(tenant: &TenantScope, address: &ReturnAddress, refused: Refused) -> Self {
        tracing::info!(error = refused.code.name(), "authorization refused");
        let parameters = vec![
            ("error", refused.code.name().to_owned()),
            ("error_description", refused.description.to_owned()),
        ];
        Self::new(tenant, address, parameters)
    }

    /// The address with the parameters in its query; a registered query stays (RFC 6749 §3.1.2).
    pub fn location(&self) -> String {
        let query: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.parameters)
            .finish();
        let joint = if self.redirect_uri.contains('?') {
            '&'
        } else {
            '?'
        };
        format!("{}{joint}{query}", self.redirect_uri)
    }
}

/// What the browser is shown or sent next.
#[derive(Debug)]
pub enum Next {
    /// Back to the client.
    Reply(Reply),
    Login(Waiting),
    Signup(Waiting),
    SelectAccount(Waiting),
    /// What the session's user is asked to allow.
    Consent {
        waiting: Waiting,
        session: SessionId,
    },
}

/// A request that waits for a person.
#[derive(Debug)]
pub struct Waiting {
    pub request: AuthorizationRequest,
    pub client: Client,
}

/// Why a request leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// A page says so.
    #[error("the request can't be answered: {0:?}")]
    Untrusted(Untrusted),
    /// The sealed request is not this browser's, or too old.
    #[error("the request can't be gone on with: {0:?}")]
    Unsealable(sealed::Unsealable),
    /// A form that is not this browser's.
    #[error("the form is not this browser's")]
    ForeignForm,
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<crate::application::error::StoreError> for Stopped {
    fn from(error: crate::application::error::StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// A request as it was read, or the answer that it gets at once.
#[derive(Debug)]
pub enum Read {
    Request(Box<Waiting>),
    Reply(Reply),
}

/// Reads a request: first who asks and where the answer goes, and only then anything else.
pub async fn read(
    app: &App,
    tenant: &TenantScope,
    parameters: &Parameters,
    now: Timestamp,
) -> Result<Read, Stopped> {
    let client = trusted_client(app, tenant, parameters).await?;
    let address = return_address(&client, parameters).map_err(Stopped::Untrusted)?;
    let refuse = |refused| Read::Reply(Reply::refusal(tenant, &address, refused));
    // The key that will sign the ID token is made while a person is still to come, and another
    // instance's is known here before a hint is looked at.
    let algorithm = client.metadata.id_token_signed_response_alg;
    let keys = app.keyring.keys_with(tenant, algorithm).await?;
    let hinted = match parameters.get("id_token_hint") {
        None => None,
        Some(hint) => match id_token::read_hint(tenant, &keys, hint) {
            // A hint made for another client names a `sub` of that client.
            Some(hint) if hint.client == client.id => Some(hint.subject),
            _ => {
                return Ok(refuse(Refused::new(
                    ErrorCode::InvalidRequest,
                    "id_token_hint is no ID token of this client.",
                )));
            }
        },
    };
    let resources = &tenant.policy().resources;
    let checked =
        AuthorizationRequest::check(&client, address.clone(), parameters, resources, hinted, now);
    match checked {
        Ok(request) => Ok(Read::Request(Box::new(Waiting { request, client }))),
        Err(refused) => Ok(refuse(refused)),
    }
}

async fn trusted_client(
    app: &App,
    tenant: &TenantScope,
    parameters: &Parameters,
) -> Result<Client, Stopped> {
    let unknown = || Stopped::Untrusted(Untrusted::UnknownClient);
    if parameters.is_repeated("client_id") {
        return Err(unknown());
    }
    let id = parameters.get("client_id").ok_or_else(unknown)?;
    let id = ClientId::parse(id).map_err(|_| unknown())?;
    client(app, tenant, &id).await
}

async fn client(app: &App, tenant: &TenantScope, id: &ClientId) -> Result<Client, Stopped> {
    let found = app.store.view(tenant).await?.client(id).await?;
    found.ok_or(Stopped::Untrusted(Untrusted::UnknownClient))
}

/// Opens a request that came back from a page. The client is read anew: it may have changed, and
/// what it no longer registered is not answered to.
pub async fn reopen(
    app: &App,
    tenant: &TenantScope,
    keys: &TenantKeys,
    sealed: &str,
    browser: Option<&BrowserId>,
    now: Timestamp,
) -> Result<Waiting, Stopped> {
    let request = sealed::open(app, keys, sealed, browser, now).map_err(Stopped::Unsealable)?;
    let id = ClientId::parse(&request.client_id)
        .map_err(|_| Stopped::Untrusted(Untrusted::UnknownClient))?;
    let client = client(app, tenant, &id).await?;
    if client
        .metadata
        .redirect_uri(&request.address.redirect_uri)
        .is_none()
    {
        return Err(Stopped::Untrusted(Untrusted::RedirectUriMismatch));
    }
    Ok(Waiting { request, client })
}

/// Goes on with a request: the next page, or the answer.
pub async fn advance(
    app: &App,
    tenant: &TenantScope,
    keys: &TenantKeys,
    waiting: Waiting,
    accounts: &Accounts,
    now: Timestamp,
) -> Result<Next, Stopped> {
    let mut known: Vec<(SessionId, String, Timestamp, Scopes)> = Vec::new();
    for account in accounts.list() {
        let user = &account.view.user;
        let consented = if waiting.client.first_party {
            Scopes::default()
        } else {
            app.store
                .view(tenant)
                .await?
                .consent(user.id, &waiting.client.id)
                .await?
                .map_or_else(Scopes::default, |consent| consent.scope)
        };
        known.push((
            account.view.session.id,
            issue::subject(keys, &waiting.client, user.id),
            account.view.session.authenticated_at,
            consented,
        ));
    }
    let candidates: Vec<_> = known
        .iter()
        .map(
            |(session, subject, authenticated_at, consented)| Candidate {
                session: *session,
                subject,
                authenticated_at: *authenticated_at,
                consented,
            },
        )
        .collect();
    let step = next_step(&waiting.request, &waiting.client, &candidates, now);
    Ok(match step {
        Step::Login(_) => Next::Login(waiting),
        Step::Signup => Next::Signup(waiting),
        Step::SelectAccount => Next::SelectAccount(waiting),
        Step::Consent(session) => Next::Consent { waiting, session },
        Step::Refuse(refused) => {
            Next::Reply(Reply::refusal(tenant, &waiting.request.address, refused))
        }
        Step::Grant(session) => {
            Next::Reply(grant(app, tenant, &waiting, accounts, session, now).await?)
        }
    })
}

/// Makes the code for a session of this browser.
pub async fn grant(
    app: &App,
    tenant: &TenantScope,
    waiting: &Waiting,
    accounts: &Accounts,
    session: SessionId,
    now: Timestamp,
) -> Result<Reply, Stopped> {
    let request = &waiting.request;
    let view = accounts.find(session).ok_or(Stopped::ForeignForm)?;
    if let Some(refused) = unmet_acr(request) {
        return Ok(Reply::refusal(tenant, &request.address, refused));
    }
    let code = OpaqueToken::<AuthorizationCode>::from_entropy(app.random());
    let record = CodeRecord {
        grant: GrantId::new(now, app.id_entropy()).as_uuid(),
        client_id: request.client_id.clone(),
        redirect_uri: request.address.redirect_uri.clone(),
        challenge: request.challenge.clone(),
        issuer_domain: tenant.issuer_domain().map(ToString::to_string),
        session: view.session.id.as_uuid(),
        user: view.user.id.as_uuid(),
        // RFC 6749 §3.3: the answer says what was granted. Nobody hands on power that it doesn't have.
        scope: Roles::of(&view.user, tenant.policy()).grantable(&request.scope),
        nonce: request.nonce.clone(),
        resources: request.resources.clone(),
        claims: request.claims.clone(),
        authenticated_at: view.session.authenticated_at.as_micros(),
        wants_auth_time: request.wants_auth_time,
    };
    let bytes = serde_json::to_vec(&record).map_err(|_| {
        Error::from(crate::application::error::CryptoError::Failed(
            "writing a code",
        ))
    })?;
    app.single_use
        .keep(
            tenant,
            Purpose::AuthorizationCode,
            UseKey::of(code.expose()),
            &bytes,
            now + CODE_LIFETIME,
            now,
        )
        .await?;
    tracing::info!(
        client.id = %request.client_id,
        user.id = %view.user.id,
        session.id = %view.session.id,
        "authorization code issued"
    );
    let parameters = vec![("code", code.expose().to_owned())];
    Ok(Reply::new(tenant, &request.address, parameters))
}

/// An `acr` that is essential and that no sign-in here can reach (OIDC Core §5.5.1.1).
fn unmet_acr(request: &AuthorizationRequest) -> Option<Refused> {
    let asked = request.claims.id_token.get("acr")?.as_ref()?;
    (asked.essential && !asked.admits(issue::PASSWORD_ACR)).then_some(Refused::new(
        ErrorCode::UnmetAuthenticationRequirements,
        "No sign-in here reaches the acr that is asked for.",
    ))
}
