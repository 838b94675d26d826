//! One request of a browser to a page: who it is, what it holds, and how it is answered.

use std::sync::Arc;

use poem::{
    Body, Request, RequestBody, Response,
    http::{HeaderMap, HeaderValue, StatusCode, header},
};
use poem_openapi::{ApiExtractor, ExtractParamOptions};
use url::form_urlencoded;

use super::view::{FormParts, FormPostPage, Frame, MessagePage, Page, form_source};
use crate::{
    app::App,
    application::{
        error::{Error, StoreError, chain},
        interaction::{
            authorize::{Reply, Stopped},
            browser::{self, Accounts, BrowserId},
            sealed::Unsealable,
        },
        ports::TenantKeys,
    },
    domain::{
        authorization::{Parameters, ResponseMode, Untrusted},
        tenant::TenantScope,
        timestamp::Timestamp,
    },
    http::{
        cookies::{self, PageCookie},
        extract::{
            credentials::{Cookies, Origin},
            form::read_form,
            tenant::{TenantPath, app},
        },
    },
};

/// A browser at a tenant's pages.
pub struct Visit {
    pub app: Arc<App>,
    pub tenant: TenantScope,
    pub keys: Arc<TenantKeys>,
    pub now: Timestamp,
    pub browser: BrowserId,
    pub accounts: Accounts,
    /// The request's query and, after a POST, its form.
    pub query: Parameters,
    pub form: Parameters,
    /// The browser got its id just now.
    is_new: bool,
    /// The cookie that the browser sent, to see what changed.
    held: String,
    foreign: bool,
    headers: HeaderMap,
}

impl std::fmt::Debug for Visit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Visit")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

/// A page instead of what was asked for.
#[derive(Debug)]
pub enum Trouble {
    Untrusted(Untrusted),
    Unsealable(Unsealable),
    ForeignForm,
    InvalidRequest,
    InvalidLogout,
    UnregisteredLogoutUri,
    SignupClosed,
    InvitationRequired,
    InvitationInvalid,
    Failed(Error),
}

impl From<Stopped> for Trouble {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Untrusted(why) => Self::Untrusted(why),
            Stopped::Unsealable(why) => Self::Unsealable(why),
            Stopped::ForeignForm => Self::ForeignForm,
            Stopped::Failed(error) => Self::Failed(error),
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::SignupClosed => Self::SignupClosed,
            Error::InvitationRequired => Self::InvitationRequired,
            Error::InvitationInvalid => Self::InvitationInvalid,
            other => Self::Failed(other),
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl Trouble {
    /// Status, heading and text: fixed, and nothing of the request in them.
    fn words(&self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Untrusted(Untrusted::UnknownClient) => (
                400,
                "Unknown application",
                "The application that sent you here is not registered with this sign-in service (client_id). Go back and \
                 tell its makers.",
            ),
            Self::Untrusted(Untrusted::MissingRedirectUri) => (
                400,
                "Missing return address",
                "The application did not say where to return to (redirect_uri). Go back and tell its makers.",
            ),
            Self::Untrusted(Untrusted::RedirectUriMismatch) => (
                400,
                "Return address not registered",
                "The address that the application wants you to return to is not registered for it (redirect_uri). For \
                 your safety you stay here.",
            ),
            Self::Unsealable(Unsealable::Expired) => (
                400,
                "This page has expired",
                "Signing in took too long. Go back to the application and start again.",
            ),
            Self::Unsealable(Unsealable::AnotherBrowser) => (
                400,
                "This sign-in belongs to another browser",
                "Go back to the application in this browser and start again. Cookies must be allowed.",
            ),
            Self::Unsealable(Unsealable::Malformed) => (
                400,
                "This sign-in can not be continued",
                "The link is damaged or incomplete. Go back to the application and start again.",
            ),
            Self::ForeignForm => (
                403,
                "This form is out of date",
                "It was opened before you signed in or out, or by another site. Go back, reload the page and try again. \
                 Cookies must be allowed.",
            ),
            Self::InvalidRequest => (
                400,
                "Invalid request",
                "The request is malformed. Go back to the application and start again.",
            ),
            Self::InvalidLogout => (
                400,
                "Invalid sign-out request",
                "The request to sign you out is not valid. You are still signed in.",
            ),
            Self::UnregisteredLogoutUri => (
                400,
                "Return address not registered",
                "The address to return to after signing out is not registered for the application \
                 (post_logout_redirect_uri). You are still signed in.",
            ),
            Self::SignupClosed => (
                403,
                "Sign-up is closed",
                "New accounts are not created here. Ask whoever runs this service for one.",
            ),
            Self::InvitationRequired => (
                403,
                "Sign-up is by invitation",
                "Open the link of your invitation to create your account. If you have none, ask whoever runs this \
                 service for one.",
            ),
            Self::InvitationInvalid => (
                403,
                "This invitation can not be used",
                "It may have expired, been used or been replaced by a newer one. Ask whoever invited you for a new one; \
                 if you have an account already, sign in with it.",
            ),
            Self::Failed(
                Error::Overloaded { .. }
                | Error::Store(StoreError::Unavailable(_) | StoreError::Contended(_)),
            ) => (
                503,
                "Temporarily unavailable",
                "Something this service depends on does not answer. Try again in a moment.",
            ),
            Self::Failed(_) => (
                500,
                "Something went wrong here",
                "This is a fault of the service. Try again later.",
            ),
        }
    }
}

impl Visit {
    /// Reads who comes, and answers with what `handle` says.
    pub async fn at(
        request: &Request,
        body: Body,
        handle: impl AsyncFnOnce(&mut Self) -> Result<Response, Trouble>,
    ) -> poem::Result<Response> {
        let tenant = TenantPath::from_request(
            request,
            &mut RequestBody::default(),
            ExtractParamOptions::default(),
        )
        .await?
        .0;
        let mut body = RequestBody::new(body);
        let mut visit = match Self::begin(request, &mut body, &tenant).await {
            Ok(visit) => visit,
            Err(trouble) => return Ok(explain(&tenant, &trouble)),
        };
        let mut response = match handle(&mut visit).await {
            Ok(response) => response,
            Err(trouble) => explain(&tenant, &trouble),
        };
        visit.set_cookies(&mut response);
        Ok(response)
    }

    async fn begin(
        request: &Request,
        body: &mut RequestBody,
        tenant: &TenantScope,
    ) -> Result<Self, Trouble> {
        let app = Arc::clone(app(request).map_err(|_| Trouble::InvalidRequest)?);
        let now = app.now();
        let keys = app.keyring.keys(tenant).await?;
        let query = request.uri().query().unwrap_or_default();
        let query = Parameters::parse(query.as_bytes()).ok_or(Trouble::InvalidRequest)?;
        let form = read_form(request, body)
            .await
            .map_err(|_| Trouble::InvalidRequest)?;
        let cookies = Cookies::of(request);
        let known = cookies
            .page(tenant, PageCookie::Browser)
            .and_then(|text| BrowserId::parse(&text));
        let held = cookies
            .page(tenant, PageCookie::Accounts)
            .map_or_else(String::new, |text| text.as_str().to_owned());
        let accounts = browser::accounts(&app, tenant, Some(&held), now).await?;
        Ok(Self {
            is_new: known.is_none(),
            browser: known.unwrap_or_else(|| BrowserId::new(&app)),
            foreign: Origin::of(request).sent_foreign_form(tenant),
            tenant: tenant.clone(),
            headers: HeaderMap::new(),
            app,
            keys,
            now,
            accounts,
            query,
            form,
            held,
        })
    }

    /// The parameters of an endpoint that takes both methods.
    pub fn parameters(&self, is_post: bool) -> &Parameters {
        if is_post { &self.form } else { &self.query }
    }

    /// Refuses a form that this browser wasn't shown.
    pub fn check_form(&self) -> Result<(), Trouble> {
        let token = self.form.get("csrf").unwrap_or_default();
        let session = self.accounts.current_id();
        if self.foreign || self.is_new || !self.browser.sent(&self.keys, session, token) {
            return Err(Trouble::ForeignForm);
        }
        Ok(())
    }

    /// What a form of this browser carries.
    pub fn form_parts(&self, path: &str, request: Option<String>) -> FormParts {
        FormParts {
            action: format!("{}{path}", cookies::path_of(&self.tenant)),
            token: self
                .browser
                .form_token(&self.keys, self.accounts.current_id()),
            request,
        }
    }

    pub fn frame(&self) -> Frame {
        Frame::of(&self.tenant)
    }

    /// An address of this tenant, with the sealed request that waits.
    pub fn address(&self, path: &str, request: Option<&str>) -> String {
        let query = request.map_or_else(String::new, |request| format!("?request={request}"));
        format!("{}{path}{query}", self.tenant.base())
    }

    /// The answer to the client: a redirect, or a form that posts itself.
    pub fn send(&self, reply: &Reply) -> Response {
        match reply.mode {
            ResponseMode::Query => see_other(&reply.location()),
            ResponseMode::FormPost => {
                let source = form_source(&reply.redirect_uri);
                let fields = reply.parameters.clone();
                FormPostPage::new(self.frame(), reply.redirect_uri.clone(), fields)
                    .respond(StatusCode::OK, source.as_deref())
            }
        }
    }

    fn set_cookies(&self, response: &mut Response) {
        let headers = response.headers_mut();
        headers.extend(self.headers.clone());
        if self.is_new {
            let (name, value) = PageCookie::Browser.set(&self.tenant, self.browser.expose());
            headers.append(name, value);
        }
        let holds = self.accounts.cookie();
        if holds.as_str() != self.held {
            let (name, value) = PageCookie::Accounts.set(&self.tenant, &holds);
            headers.append(name, value);
        }
    }
}

/// 303: a browser follows with GET, so no form and no password travels on (RFC 9700 §4.12).
pub fn see_other(location: &str) -> Response {
    let mut response = Response::builder().status(StatusCode::SEE_OTHER).finish();
    match HeaderValue::from_str(location) {
        Ok(location) => {
            response.headers_mut().insert(header::LOCATION, location);
        }
        // Redirect URIs are ASCII by rule, and everything added to them is encoded.
        Err(_) => response.set_status(StatusCode::INTERNAL_SERVER_ERROR),
    }
    response
}

/// The page about a trouble.
fn explain(tenant: &TenantScope, trouble: &Trouble) -> Response {
    let (status, heading, text) = trouble.words();
    match trouble {
        // One of many, of a store whose trouble is told once and shown by readiness.
        Trouble::Failed(error) if status == StatusCode::SERVICE_UNAVAILABLE => {
            tracing::warn!(error = chain(error), "a page failed");
        }
        Trouble::Failed(error) => tracing::error!(error = chain(error), "a page failed"),
        _ => tracing::info!(?trouble, "a page refused"),
    }
    let page = MessagePage {
        frame: Frame::of(tenant),
        heading,
        text,
        link: None,
        request_id: None,
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = page.respond(status, None);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// A query of these parameters.
pub fn encoded<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}
