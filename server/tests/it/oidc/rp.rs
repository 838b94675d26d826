//! A relying party: a client of a tenant, and what it does.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use reqwest::{Method, header};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::browser::{Browser, Callback, End};
use crate::harness::{Answer, Installation, PASSWORD, Tenant};

pub(crate) const REDIRECT_URI: &str = "https://rp.example/cb";
/// RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A client and its tenant.
#[derive(Clone, Debug)]
pub(crate) struct Rp {
    pub(crate) tenant: Tenant,
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
}

/// Tokens as an answer carried them.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access_token: String,
    pub(crate) refresh_token: Option<String>,
    pub(crate) id_token: Option<String>,
    pub(crate) body: Value,
}

impl Tokens {
    pub(crate) fn id_claims(&self) -> Value {
        claims(self.id_token.as_deref().unwrap())
    }

    pub(crate) fn refresh(&self) -> &str {
        self.refresh_token.as_deref().unwrap()
    }
}

/// The claims of a JWT, unverified.
pub(crate) fn claims(token: &str) -> Value {
    part(token, 1)
}

pub(crate) fn jwt_header(token: &str) -> Value {
    part(token, 0)
}

fn part(token: &str, n: usize) -> Value {
    let part = token.split('.').nth(n).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

pub(crate) fn query(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

impl Rp {
    /// A confidential client of the tenant, with these members besides the usual ones.
    pub(crate) async fn new(tenant: &Tenant, members: Value) -> Self {
        let mut body = json!({
            "client_name": "Relying Party",
            "redirect_uris": [REDIRECT_URI],
            "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
            "scope": "openid profile email address phone offline_access orders",
        });
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        let path = format!("/admin/v1/tenants/{}/clients", tenant.slug);
        let answer = tenant
            .client(0)
            .operator(Method::POST, &path, Some(body))
            .await;
        assert_eq!(answer.status.as_u16(), 201, "{answer:?}");
        Self {
            tenant: tenant.clone(),
            id: answer.body["client_id"].as_str().unwrap().to_owned(),
            secret: answer.body["client_secret"].as_str().map(str::to_owned),
        }
    }

    pub(crate) async fn public(tenant: &Tenant) -> Self {
        let members = json!({
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
        });
        Self::new(tenant, members).await
    }

    /// A tenant with one client, and another that needs no PKCE as the certification plans send
    /// none.
    pub(crate) async fn relaxed(installation: &Installation) -> Self {
        let tenant = installation.tenant().await;
        Self::new(&tenant, json!({ "require_pkce": false })).await
    }

    /// The address that a browser is sent to; each pair takes the place of the usual one, and an
    /// empty value removes it.
    pub(crate) fn authorize(&self, changes: &[(&str, &str)]) -> String {
        format!(
            "{}?{}",
            self.tenant.path("/oauth2/authorize"),
            query(&self.parameters(changes))
        )
    }

    pub(crate) fn parameters<'a>(
        &'a self,
        changes: &[(&'a str, &'a str)],
    ) -> Vec<(&'a str, &'a str)> {
        let mut pairs = vec![
            ("client_id", self.id.as_str()),
            ("redirect_uri", REDIRECT_URI),
            ("response_type", "code"),
            ("scope", "openid"),
            ("state", "the state"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in changes {
            pairs.retain(|(known, _)| known != name);
            if !value.is_empty() {
                pairs.push((name, value));
            }
        }
        pairs
    }

    /// Signs in where the browser is asked to, and allows what is asked.
    pub(crate) async fn walk(&self, browser: &mut Browser, mut end: End, email: &str) -> Callback {
        for _ in 0..5 {
            let page = match end {
                End::Callback(callback) => return callback,
                End::Page(page) => page,
            };
            end = if page.has_id("login-submit") {
                let members = [
                    ("username", email),
                    ("password", PASSWORD),
                    ("action", "login"),
                ];
                browser.submit(&page, &members).await
            } else if page.has_id("consent-allow") {
                browser.submit(&page, &[("decision", "allow")]).await
            } else {
                panic!("neither login nor consent: {page:?}");
            };
        }
        panic!("pages without end")
    }

    /// A code for a user who signs in and allows.
    pub(crate) async fn code(
        &self,
        browser: &mut Browser,
        email: &str,
        changes: &[(&str, &str)],
    ) -> Callback {
        let end = browser.open(&self.authorize(changes)).await;
        let callback = self.walk(browser, end, email).await;
        assert_ne!(callback.get("code"), "", "{callback:?}");
        callback
    }

    /// Posts to an endpoint of clients, authenticated as registered by default.
    pub(crate) async fn post(&self, n: usize, endpoint: &str, form: &[(&str, &str)]) -> Answer {
        let client = self.tenant.client(n);
        let path = self.tenant.path(&format!("/oauth2/{endpoint}"));
        let mut form = form.to_vec();
        let mut request = client.request(Method::POST, &path);
        match &self.secret {
            Some(secret) => {
                let pair = STANDARD.encode(format!("{}:{secret}", self.id));
                request = request.header(header::AUTHORIZATION, format!("Basic {pair}"));
            }
            None => form.push(("client_id", &self.id)),
        }
        client.send(request.form(&form)).await
    }

    /// Redeems a code, with the usual redirect URI and verifier unless changed.
    pub(crate) async fn redeem(&self, n: usize, code: &str, changes: &[(&str, &str)]) -> Answer {
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ];
        for (name, value) in changes {
            pairs.retain(|(known, _)| known != name);
            if !value.is_empty() {
                pairs.push((name, value));
            }
        }
        self.post(n, "token", &pairs).await
    }

    pub(crate) async fn tokens(
        &self,
        browser: &mut Browser,
        email: &str,
        changes: &[(&str, &str)],
    ) -> Tokens {
        let callback = self.code(browser, email, changes).await;
        // One that sent no challenge has no verifier either.
        let challenged = !changes.contains(&("code_challenge", ""));
        let verifier = if challenged { VERIFIER } else { "" };
        let answer = self
            .redeem(0, callback.get("code"), &[("code_verifier", verifier)])
            .await;
        tokens_of(&answer)
    }

    pub(crate) async fn refresh(&self, n: usize, token: &str, more: &[(&str, &str)]) -> Answer {
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        form.extend(more);
        self.post(n, "token", &form).await
    }

    pub(crate) async fn userinfo(&self, n: usize, access_token: &str) -> Answer {
        let path = self.tenant.path("/oauth2/userinfo");
        self.tenant
            .client(n)
            .bearer(Method::GET, &path, access_token)
            .await
    }

    pub(crate) async fn introspect(&self, n: usize, token: &str) -> Answer {
        self.post(n, "introspect", &[("token", token)]).await
    }
}

#[track_caller]
pub(crate) fn tokens_of(answer: &Answer) -> Tokens {
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.body["token_type"], "Bearer");
    assert!(answer.body["expires_in"].as_i64().unwrap() > 0);
    let text = |name: &str| answer.body[name].as_str().map(str::to_owned);
    Tokens {
        access_token: text("access_token").unwrap(),
        refresh_token: text("refresh_token"),
        id_token: text("id_token"),
        body: answer.body.clone(),
    }
}

/// Asserts an error in the dialect of RFC 6749 §5.2.
#[track_caller]
pub(crate) fn assert_oauth_error(answer: &Answer, status: u16, error: &str) {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(answer.body["error"], error, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    let description = answer.body["error_description"].as_str().unwrap();
    assert!(
        description
            .bytes()
            .all(|b| matches!(b, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e)),
        "{description}"
    );
    if status == 401 {
        assert_ne!(answer.header("www-authenticate"), "");
    }
}
