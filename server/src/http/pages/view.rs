//! The pages as values, and how one becomes a response.

use askama::Template;
use base64::{Engine, engine::general_purpose::STANDARD};
use poem::{
    Response,
    http::{StatusCode, header},
};
use sha2::{Digest, Sha256};
use url::Url;
use zeroize::Zeroizing;

use crate::domain::{branding::Accent, client::Client, tenant::TenantScope};

const STYLESHEET: &str = include_str!("../../../assets/pages.css");
/// The only script of any page. A browser without scripts shows its button instead.
const SUBMIT: &str = "document.forms[0].submit()";

/// What all pages have around their content.
pub struct Frame {
    brand: Brand,
    style: String,
}

struct Brand {
    name: String,
    logo_url: Option<String>,
}

impl Brand {
    fn initial(&self) -> String {
        initial(&self.name)
    }
}

impl Frame {
    /// The frame of a tenant's pages.
    pub fn of(tenant: &TenantScope) -> Self {
        let branding = &tenant.policy().branding;
        let accent = branding.accent.map_or_else(String::new, |accent: Accent| {
            format!(
                ":root{{--accent:{};--on-accent:{}}}",
                accent.css(),
                accent.text_css()
            )
        });
        Self {
            brand: Brand {
                name: tenant.name().to_owned(),
                logo_url: branding.logo_url.as_ref().and_then(web_address),
            },
            style: format!("{STYLESHEET}{accent}"),
        }
    }
}

/// The client that a page is shown for.
pub struct ClientCard {
    name: String,
    logo_uri: Option<String>,
    client_uri: Option<String>,
    policy_uri: Option<String>,
    tos_uri: Option<String>,
    dynamically_registered: bool,
}

impl From<&Client> for ClientCard {
    fn from(client: &Client) -> Self {
        let metadata = &client.metadata;
        let address = |url: &Option<Url>| url.as_ref().and_then(web_address);
        Self {
            name: if metadata.client_name.is_empty() {
                client.id.to_string()
            } else {
                metadata.client_name.clone()
            },
            logo_uri: address(&metadata.logo_uri),
            client_uri: address(&metadata.client_uri),
            policy_uri: address(&metadata.policy_uri),
            tos_uri: address(&metadata.tos_uri),
            dynamically_registered: client.is_dynamic(),
        }
    }
}

impl ClientCard {
    fn initial(&self) -> String {
        initial(&self.name)
    }
}

fn initial(name: &str) -> String {
    name.trim()
        .chars()
        .next()
        .map_or_else(|| "?".to_owned(), |c| c.to_uppercase().collect())
}

/// What may be a link or an image: web addresses, and nothing that a browser would run.
fn web_address(url: &Url) -> Option<String> {
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let allowed = url.scheme() == "https" || (url.scheme() == "http" && loopback);
    allowed.then(|| url.as_str().to_owned())
}

/// What every form carries.
pub struct FormParts {
    /// Where it is posted to: a path.
    pub action: String,
    /// Ties it to the browser.
    pub token: String,
    /// The sealed request that waits.
    pub request: Option<String>,
}

#[derive(Template)]
#[template(path = "login.html")]
pub struct LoginPage {
    pub frame: Frame,
    pub client: Option<ClientCard>,
    pub form: FormParts,
    pub username: String,
    /// Signed in already, and asked once more.
    pub again: bool,
    pub problem: Option<&'static str>,
    pub signup_url: Option<String>,
}

#[derive(Template)]
#[template(path = "signup.html")]
pub struct SignupPage {
    pub frame: Frame,
    pub client: Option<ClientCard>,
    pub form: FormParts,
    /// The token of the invitation that the form accepts: then the address is not the user's to choose.
    pub invitation: Option<Zeroizing<String>>,
    pub name: String,
    pub username: String,
    pub problem: Option<&'static str>,
    pub name_problem: Option<String>,
    pub username_problem: Option<String>,
    pub password_problem: Option<String>,
    pub password_min_length: u32,
    pub login_url: String,
}

#[derive(Template)]
#[template(path = "consent.html")]
pub struct ConsentPage {
    pub frame: Frame,
    pub client: ClientCard,
    pub form: FormParts,
    pub user_email: String,
    pub switch_url: String,
    pub scopes: Vec<String>,
    pub resources: Vec<String>,
    /// Where the user goes next, as people read it.
    pub target: String,
}

/// One account of the chooser.
pub struct AccountLine {
    pub id: String,
    pub name: String,
    pub email: String,
    pub initial: String,
}

impl AccountLine {
    pub fn new(id: String, name: &str, email: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            email: email.to_owned(),
            initial: initial(name),
        }
    }
}

#[derive(Template)]
#[template(path = "accounts.html")]
pub struct AccountsPage {
    pub frame: Frame,
    pub client: Option<ClientCard>,
    pub form: FormParts,
    pub accounts: Vec<AccountLine>,
}

#[derive(Template)]
#[template(path = "logout.html")]
pub struct LogoutPage {
    pub frame: Frame,
    pub form: FormParts,
    pub user_email: Option<String>,
}

/// Something to read, with at most one way on.
#[derive(Template)]
#[template(path = "message.html")]
pub struct MessagePage {
    pub frame: Frame,
    pub heading: &'static str,
    pub text: &'static str,
    pub link: Option<(String, String)>,
    pub request_id: Option<String>,
}

#[derive(Template)]
#[template(path = "form_post.html")]
pub struct FormPostPage {
    pub frame: Frame,
    pub action: String,
    pub fields: Vec<(&'static str, String)>,
    pub script: &'static str,
}

impl FormPostPage {
    pub fn new(frame: Frame, action: String, fields: Vec<(&'static str, String)>) -> Self {
        Self {
            frame,
            action,
            fields,
            script: SUBMIT,
        }
    }
}

/// A page on its way out.
pub trait Page: Template {
    fn frame(&self) -> &Frame;

    /// Whether the page shows images from elsewhere.
    fn has_images(&self) -> bool {
        self.frame().brand.logo_url.is_some()
    }

    fn has_script(&self) -> bool {
        false
    }

    /// The response. `form_target` is where the page's form may lead besides here: browsers hold
    /// `form-action` against every redirect that follows a form.
    fn respond(&self, status: StatusCode, form_target: Option<&str>) -> Response {
        let body = match self.render() {
            Ok(body) => body,
            Err(error) => {
                tracing::error!(%error, "a page can't be written");
                return Response::builder()
                    .status(StatusCode::INTERNAL_SERVER_ERROR)
                    .finish();
            }
        };
        let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
        let mut policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
            hash(&self.frame().style)
        );
        if let Some(target) = form_target {
            policy.push(' ');
            policy.push_str(target);
        }
        if self.has_images() {
            policy.push_str("; img-src https: http://localhost:* http://127.0.0.1:*");
        }
        if self.has_script() {
            policy.push_str(&format!("; script-src 'sha256-{}'", hash(SUBMIT)));
        }
        Response::builder()
            .status(status)
            .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
            .header(header::CACHE_CONTROL, "no-store")
            .header(header::CONTENT_SECURITY_POLICY, policy)
            .header(header::X_FRAME_OPTIONS, "DENY")
            .body(body)
    }
}

macro_rules! pages {
    ($($page:ident),*) => {$(
        impl Page for $page {
            fn frame(&self) -> &Frame {
                &self.frame
            }
        }
    )*};
}

/// Pages that show what a client registered.
macro_rules! pages_with_client {
    ($($page:ident),*) => {$(
        impl Page for $page {
            fn frame(&self) -> &Frame {
                &self.frame
            }

            fn has_images(&self) -> bool {
                let client = self.client.as_ref();
                self.frame.brand.logo_url.is_some()
                    || client.is_some_and(|client| client.logo_uri.is_some())
            }
        }
    )*};
}

pages!(LogoutPage, MessagePage);
pages_with_client!(LoginPage, SignupPage, AccountsPage);

impl Page for ConsentPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn has_images(&self) -> bool {
        self.frame.brand.logo_url.is_some() || self.client.logo_uri.is_some()
    }
}

impl Page for FormPostPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn has_script(&self) -> bool {
        true
    }
}

/// The source that stands for a redirect URI in `form-action`: its origin, or its scheme.
pub fn form_source(redirect_uri: &str) -> Option<String> {
    let url = Url::parse(redirect_uri).ok()?;
    let source = match url.scheme() {
        "https" | "http" => url.origin().ascii_serialization(),
        scheme => format!("{scheme}:"),
    };
    let safe = |b: u8| b.is_ascii_alphanumeric() || b":/.-[]+_".contains(&b);
    source.bytes().all(safe).then_some(source)
}

/// Where a redirect URI leads, as people read it.
pub fn readable_target(redirect_uri: &str) -> String {
    Url::parse(redirect_uri)
        .ok()
        .and_then(|url| match url.scheme() {
            "https" => url.host_str().map(str::to_owned),
            "http" => Some(format!(
                "an application on this device ({})",
                url.host_str().unwrap_or_default()
            )),
            scheme => Some(format!("an app on this device ({scheme})")),
        })
        .unwrap_or_default()
}

/// What a scope allows, as a sentence.
pub fn describe_scope(scope: &str) -> String {
    match scope {
        "openid" => "Know who you are when you sign in".to_owned(),
        "profile" => "See your profile: name, picture and the like".to_owned(),
        "email" => "See your email address".to_owned(),
        "address" => "See your postal address".to_owned(),
        "phone" => "See your phone number".to_owned(),
        "offline_access" => "Keep access when you are not using it".to_owned(),
        "tokenhouse:admin" => {
            "Administer users, clients and settings for you, as far as you may yourself".to_owned()
        }
        "tokenhouse:admin:read" => {
            "See all users, clients and settings for you, as far as you may yourself".to_owned()
        }
        other => format!("Use \u{201c}{other}\u{201d}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_source_is_an_origin_or_a_scheme() {
        for (uri, expected) in [
            ("https://rp.example/cb?x=1", Some("https://rp.example")),
            ("http://127.0.0.1:3000/cb", Some("http://127.0.0.1:3000")),
            ("http://[::1]:3000/cb", Some("http://[::1]:3000")),
            ("com.example.app:/cb", Some("com.example.app:")),
            ("not a uri", None),
        ] {
            assert_eq!(form_source(uri).as_deref(), expected, "{uri}");
        }
    }

    #[test]
    fn only_web_addresses_become_links() {
        for (url, allowed) in [
            ("https://rp.example/", true),
            ("http://localhost:3000/", true),
            ("http://rp.example/", false),
            ("javascript:alert(1)", false),
            ("data:text/html,x", false),
        ] {
            let url = Url::parse(url).expect("a URL");
            assert_eq!(web_address(&url).is_some(), allowed, "{url}");
        }
    }
}
