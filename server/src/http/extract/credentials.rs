//! Who calls: the bearer token of the `Authorization` header and the session cookies.
//!
//! A header that is present but bad is refused; the cookie is looked at only when there is no
//! header. (The framework's own "try one scheme, then the next" would fall back after any error.)

use poem::{
    Request, RequestBody, Result,
    http::{Method, header},
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};
use zeroize::Zeroizing;

use super::tenant::app;
use crate::{
    application::{
        admin::{self, OperatorCaller},
        error::{Error, NotSignedIn},
        oauth::Refusal,
    },
    domain::tenant::TenantScope,
    http::{
        cookies::{self, PageCookie, SessionCookie},
        respond::{oauth::OAuthProblem, problem::Problem},
    },
};

/// What the `Authorization` header holds.
enum Authorization<'a> {
    Absent,
    Bearer(&'a str),
    /// Another scheme, more than one header, or no header text at all.
    Unusable,
}

/// Reads the header (RFC 6750 §2.1; the scheme's case doesn't matter, RFC 9110 §11.1).
fn authorization(request: &Request) -> Authorization<'_> {
    let mut values = request.headers().get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Authorization::Absent;
    };
    let bearer = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
        .map(|(_, token)| token.trim());
    match (bearer, values.next()) {
        (Some(token), None) => Authorization::Bearer(token),
        _ => Authorization::Unusable,
    }
}

/// The bearer token; an unusable header is a token that is nobody's.
pub(super) fn bearer(request: &Request) -> Option<&str> {
    match authorization(request) {
        Authorization::Absent => None,
        Authorization::Bearer(token) => Some(token),
        Authorization::Unusable => Some(""),
    }
}

fn bearer_scheme(description: &'static str, format: Option<&'static str>) -> MetaSecurityScheme {
    MetaSecurityScheme {
        ty: "http",
        description: Some(description),
        name: None,
        key_in: None,
        scheme: Some("bearer"),
        bearer_format: format,
        flows: None,
        openid_connect_url: None,
    }
}

fn cookie_scheme(description: &'static str, name: &'static str) -> MetaSecurityScheme {
    MetaSecurityScheme {
        ty: "apiKey",
        description: Some(description),
        name: Some(name),
        key_in: Some("cookie"),
        scheme: None,
        bearer_format: None,
        flows: None,
        openid_connect_url: None,
    }
}

/// The operator, by one of the operator tokens.
#[derive(Clone, Copy, Debug)]
pub struct Operator(pub OperatorCaller);

impl<'a> ApiExtractor<'a> for Operator {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        registry.create_security_scheme(
            "OperatorToken",
            bearer_scheme(
                "A token of whoever runs the installation (`TOKENHOUSE_OPERATOR_TOKEN`).",
                None,
            ),
        );
    }

    fn security_schemes() -> Vec<&'static str> {
        vec!["OperatorToken"]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let caller =
            admin::authenticate_operator(app(request)?, bearer(request)).map_err(Problem::from)?;
        Ok(Self(caller))
    }
}

/// An access token from the `Authorization` header alone, for resources that follow RFC 6750.
pub struct BearerToken(pub Option<Zeroizing<String>>);

impl std::fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BearerToken([redacted])")
    }
}

impl<'a> ApiExtractor<'a> for BearerToken {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        AccessToken::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec!["AccessToken"]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        match authorization(request) {
            Authorization::Absent => Ok(Self(None)),
            Authorization::Bearer(token) => Ok(Self(Some(Zeroizing::new(token.to_owned())))),
            Authorization::Unusable => {
                Err(OAuthProblem::from(Refusal::InvalidToken("unusable header")).into())
            }
        }
    }
}

/// An access token: from the header, or from the cookie when there is no header. Whether it counts
/// is for the use case to say.
pub struct AccessToken {
    header: Option<Result<Zeroizing<String>, NotSignedIn>>,
    cookies: Cookies,
}

impl std::fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccessToken([redacted])")
    }
}

impl AccessToken {
    /// The token to judge.
    pub fn text(&self, tenant: &TenantScope) -> Result<Zeroizing<String>, Error> {
        match &self.header {
            Some(header) => header.clone().map_err(Error::Unauthenticated),
            None => self
                .cookies
                .get(tenant, SessionCookie::Access)
                .ok_or(Error::Unauthenticated(NotSignedIn::NoCredential)),
        }
    }
}

impl<'a> ApiExtractor<'a> for AccessToken {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        registry.create_security_scheme(
            "AccessToken",
            bearer_scheme(
                "An access token of the tenant (RFC 9068), as a login or a refresh gives it.",
                Some("JWT"),
            ),
        );
        registry.create_security_scheme(
            "AccessCookie",
            cookie_scheme(
                "The access token in a cookie, as a login with `delivery: \"cookie\"` sets it. Looked at only when \
                 there is no Authorization header. Over https its name is `__Secure-tokenhouse_access`.",
                SessionCookie::Access.name(false),
            ),
        );
    }

    fn security_schemes() -> Vec<&'static str> {
        vec!["AccessToken", "AccessCookie"]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let header = match authorization(request) {
            Authorization::Absent => None,
            Authorization::Bearer(token) => Some(Ok(Zeroizing::new(token.to_owned()))),
            Authorization::Unusable => Some(Err(NotSignedIn::Malformed)),
        };
        Ok(Self {
            header,
            cookies: Cookies::of(request),
        })
    }
}

/// The session cookies of a request and where it came from.
pub struct SessionCookies {
    bearer: Option<Zeroizing<String>>,
    cookies: Cookies,
    origin: Origin,
}

impl std::fmt::Debug for SessionCookies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionCookies([redacted])")
    }
}

impl SessionCookies {
    /// The refresh cookie, if the request may use it.
    pub fn refresh_token(&self, tenant: &TenantScope) -> Result<Option<Zeroizing<String>>, Error> {
        self.guarded(tenant, SessionCookie::Refresh)
    }

    /// The bearer token, or else the access cookie if the request may use it.
    pub fn access_token(&self, tenant: &TenantScope) -> Result<Option<Zeroizing<String>>, Error> {
        match &self.bearer {
            Some(token) => Ok(Some(token.clone())),
            None => self.guarded(tenant, SessionCookie::Access),
        }
    }

    fn guarded(
        &self,
        tenant: &TenantScope,
        cookie: SessionCookie,
    ) -> Result<Option<Zeroizing<String>>, Error> {
        let value = self.cookies.get(tenant, cookie);
        if value.is_some() {
            self.origin.check(tenant)?;
        }
        Ok(value)
    }
}

impl<'a> ApiExtractor<'a> for SessionCookies {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        registry.create_security_scheme(
            "RefreshCookie",
            cookie_scheme(
                "The refresh token in a cookie, as a login with `delivery: \"cookie\"` sets it. Only requests of the \
                 server's own or an allowed origin may use it. Over https its name is `__Secure-tokenhouse_refresh`.",
                SessionCookie::Refresh.name(false),
            ),
        );
    }

    fn security_schemes() -> Vec<&'static str> {
        vec!["RefreshCookie"]
    }

    /// The token may come in the body instead.
    fn has_security_fallback() -> bool {
        true
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let bearer = match authorization(request) {
            Authorization::Bearer(token) => Some(Zeroizing::new(token.to_owned())),
            Authorization::Absent | Authorization::Unusable => None,
        };
        Ok(Self {
            bearer,
            cookies: Cookies::of(request),
            origin: Origin::of(request),
        })
    }
}

/// The request's `Cookie` headers, unread.
pub struct Cookies(Vec<Zeroizing<String>>);

impl std::fmt::Debug for Cookies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cookies([redacted])")
    }
}

impl Cookies {
    pub fn of(request: &Request) -> Self {
        let texts = request
            .headers()
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok());
        Self(texts.map(|text| Zeroizing::new(text.to_owned())).collect())
    }

    /// The first cookie of that name: browsers send the one with the longest path first.
    fn get(&self, tenant: &TenantScope, cookie: SessionCookie) -> Option<Zeroizing<String>> {
        self.named(cookie.name(cookies::is_https(tenant)))
    }

    /// A cookie of the hosted pages.
    pub fn page(&self, tenant: &TenantScope, cookie: PageCookie) -> Option<Zeroizing<String>> {
        self.named(cookie.name(cookies::is_https(tenant)))
    }

    fn named(&self, name: &str) -> Option<Zeroizing<String>> {
        self.0
            .iter()
            .flat_map(|text| text.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, value)| *key == name && !value.is_empty())
            .map(|(_, value)| Zeroizing::new(value.to_owned()))
    }
}

/// Where a request came from, as browsers say it and pages can't forge it.
#[derive(Debug)]
pub struct Origin {
    safe_method: bool,
    origin: Option<String>,
    fetch_site: Option<String>,
}

impl Origin {
    pub fn of(request: &Request) -> Self {
        let text = |name: &str| request.header(name).map(str::to_owned);
        Self {
            safe_method: matches!(
                *request.method(),
                Method::GET | Method::HEAD | Method::OPTIONS
            ),
            origin: text("origin"),
            fetch_site: text("sec-fetch-site"),
        }
    }

    /// Refuses a page of another origin: for answers that set cookies.
    pub fn check(&self, tenant: &TenantScope) -> Result<(), Error> {
        if self.may_use_cookies(tenant) {
            Ok(())
        } else {
            Err(Error::ForeignOrigin)
        }
    }

    /// Whether another site's page sent a form of ours. Our pages say `no-referrer`, and then browsers
    /// send `Origin: null` with their forms: `Sec-Fetch-Site` decides in that case. Where there is
    /// neither, the token in the form is what protects.
    pub fn sent_foreign_form(&self, tenant: &TenantScope) -> bool {
        match (self.origin.as_deref(), self.fetch_site.as_deref()) {
            (Some("null") | None, Some(site)) => !matches!(site, "same-origin" | "none"),
            (Some("null") | None, None) => false,
            (Some(_), _) => !self.may_use_cookies(tenant),
        }
    }

    /// `Origin` decides when it is there. Without it `Sec-Fetch-Site` does; with neither it is no
    /// browser, and no page rides on its cookies.
    fn may_use_cookies(&self, tenant: &TenantScope) -> bool {
        if self.safe_method {
            return true;
        }
        match (&self.origin, &self.fetch_site) {
            (Some(origin), _) => {
                let own =
                    url::Url::parse(tenant.base()).map(|url| url.origin().ascii_serialization());
                own.as_ref() == Ok(origin) || tenant.policy().allowed_origins.contains(origin)
            }
            (None, Some(site)) => matches!(site.as_str(), "same-origin" | "none"),
            (None, None) => true,
        }
    }
}

impl<'a> poem::FromRequest<'a> for Origin {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> Result<Self> {
        Ok(Self::of(request))
    }
}
