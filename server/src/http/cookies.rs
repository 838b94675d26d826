//! The two session cookies. The names, paths and attributes are part of the contract.

use std::time::Duration;

use poem::http::{HeaderName, HeaderValue, header};

use crate::{application::issue::Tokens, domain::tenant::TenantScope};

/// A session cookie of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionCookie {
    /// Carries the access token; sent to all of the tenant's paths.
    Access,
    /// Carries the refresh token; sent to the session API alone, and never across sites.
    Refresh,
}

impl SessionCookie {
    /// The name: over https it has a prefix that browsers accept only with Secure (RFC 6265bis
    /// §4.1.3.1), so that nobody on the network can plant one.
    pub const fn name(self, https: bool) -> &'static str {
        match (self, https) {
            (Self::Access, false) => "tokenhouse_access",
            (Self::Access, true) => "__Secure-tokenhouse_access",
            (Self::Refresh, false) => "tokenhouse_refresh",
            (Self::Refresh, true) => "__Secure-tokenhouse_refresh",
        }
    }

    fn set(
        self,
        tenant: &TenantScope,
        value: &str,
        max_age: Duration,
    ) -> (HeaderName, HeaderValue) {
        let https = is_https(tenant);
        let base = path_of(tenant);
        let (path, same_site) = match self {
            Self::Access => (cookie_path(base), "Lax"),
            Self::Refresh => (format!("{base}/auth"), "Strict"),
        };
        let secure = if https { "; Secure" } else { "" };
        let text = format!(
            "{}={value}; Path={path}; Max-Age={}; HttpOnly; SameSite={same_site}{secure}",
            self.name(https),
            max_age.as_secs(),
        );
        let mut value =
            HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""));
        value.set_sensitive(true);
        (header::SET_COOKIE, value)
    }
}

/// A cookie of the hosted pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageCookie {
    /// The browser's id, which forms are bound to.
    Browser,
    /// The accounts that are signed in in the browser.
    Accounts,
}

impl PageCookie {
    pub const fn name(self, https: bool) -> &'static str {
        match (self, https) {
            (Self::Browser, false) => "tokenhouse_browser",
            (Self::Browser, true) => "__Secure-tokenhouse_browser",
            (Self::Accounts, false) => "tokenhouse_accounts",
            (Self::Accounts, true) => "__Secure-tokenhouse_accounts",
        }
    }

    /// Sets the cookie; an empty value removes it. Lax: an application's link must find the user
    /// signed in.
    pub fn set(self, tenant: &TenantScope, value: &str) -> (HeaderName, HeaderValue) {
        let https = is_https(tenant);
        let max_age = match self {
            _ if value.is_empty() => 0,
            Self::Browser => BROWSER_MAX_AGE,
            Self::Accounts => tenant.policy().session_absolute_ttl,
        };
        let secure = if https { "; Secure" } else { "" };
        let text = format!(
            "{}={value}; Path={}; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}",
            self.name(https),
            cookie_path(path_of(tenant)),
        );
        let mut value =
            HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""));
        value.set_sensitive(true);
        (header::SET_COOKIE, value)
    }
}

/// A year.
const BROWSER_MAX_AGE: u32 = 365 * 24 * 3600;

/// Both cookies of a sign-in.
pub fn set(tenant: &TenantScope, tokens: &Tokens) -> Vec<(HeaderName, HeaderValue)> {
    vec![
        SessionCookie::Access.set(tenant, &tokens.access_token, tokens.access_token_ttl),
        SessionCookie::Refresh.set(tenant, &tokens.refresh_token, tokens.refresh_token_ttl),
    ]
}

/// Removes both.
pub fn clear(tenant: &TenantScope) -> Vec<(HeaderName, HeaderValue)> {
    [SessionCookie::Access, SessionCookie::Refresh]
        .map(|cookie| cookie.set(tenant, "", Duration::ZERO))
        .to_vec()
}

/// Whether the tenant is served over https: decided by its address, never by the request.
pub fn is_https(tenant: &TenantScope) -> bool {
    tenant.base().starts_with("https://")
}

/// All of the host: it is the tenant's own.
fn cookie_path(base: String) -> String {
    if base.is_empty() {
        "/".to_owned()
    } else {
        base
    }
}

/// The path of the tenant's address, without scheme and host and without a slash at the end.
pub fn path_of(tenant: &TenantScope) -> String {
    url::Url::parse(tenant.base()).map_or_else(
        |_| format!("/t/{}", tenant.slug()),
        |url| url.path().trim_end_matches('/').to_owned(),
    )
}
