//! Everything that a tenant's users, clients and administrators can hold in their hands.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    admin::administrators::{admin_token, ask},
    harness::{OPERATOR_TOKEN, PASSWORD, Tenant, until},
    oidc::{browser::Browser, rp::Rp},
};

/// What an artefact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    UserId,
    Email,
    ExternalId,
    ClientId,
    RegisteredClientId,
    SecretId,
    Domain,
    SessionId,
    GrantId,
    ConsentId,
    KeyId,
    EventId,
    InvitationId,
    InvitationToken,
    /// A position in a list, by the operation that gave it.
    Cursor,
    /// A state of an object, by the operation that changes it.
    ETag,
    AdminToken,
    UserToken,
    AccessCookie,
    RefreshCookie,
    RefreshToken,
    ClientCredentials,
    ClientAccessToken,
    ClientRefreshToken,
    Code,
    IdToken,
    InitialToken,
    InitialTokenId,
    RegistrationToken,
    /// The sessions of a browser at the hosted pages.
    BrowserCookies,
}

/// What one tenant handed out.
pub(super) struct Artefacts {
    pub(super) tenant: Tenant,
    values: BTreeMap<What, String>,
    pub(super) cursors: BTreeMap<String, String>,
    pub(super) etags: BTreeMap<String, String>,
    pub(super) rp: Rp,
}

impl Artefacts {
    pub(super) fn get(&self, what: What, operation: &str) -> String {
        match what {
            What::Cursor => self.cursors[operation].clone(),
            What::ETag => self.etags[operation].clone(),
            other => self.values[&other].clone(),
        }
    }

    /// What must never be seen elsewhere.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.values.values().map(String::as_str)
    }

    pub(super) async fn of(tenant: &Tenant) -> Self {
        let settings = json!({ "registration": "initial_access_token" });
        let answer = operator(tenant, Method::PATCH, "/settings", Some(settings)).await;
        assert_eq!(answer["registration"], "initial_access_token");
        let rp = Rp::new(
            tenant,
            json!({ "first_party": false, "introspection": "tenant" }),
        )
        .await;
        let (_, admin) = admin_token(tenant, "tokenhouse:admin").await;
        let user = json!({
            "name": "Grace",
            "email": format!("grace@{}.example", tenant.slug),
            "external_id": format!("external-{}", tenant.slug),
            "password": PASSWORD,
        });
        let email = user["email"].as_str().unwrap().to_owned();
        let mut values = BTreeMap::new();
        invitations(tenant, &email, &mut values).await;
        operator(tenant, Method::POST, "/users", Some(user.clone())).await;
        tenant.user().await;

        values.insert(What::Email, email.clone());
        values.insert(What::ExternalId, text(&user["external_id"]));
        values.insert(What::ClientId, rp.id.clone());
        values.insert(What::AdminToken, admin);
        values.insert(What::ClientCredentials, rp.secret.clone().unwrap());
        let session = tenant.login(&email).await;
        values.insert(What::UserToken, session.access_token);
        values.insert(What::RefreshToken, session.refresh_token);
        cookies(tenant, &email, &mut values).await;
        sign_in(&rp, &email, &mut values).await;
        // A second one of everything, so that lists have a next page.
        let another = Rp::new(tenant, json!({ "first_party": false })).await;
        another.tokens(&mut Browser::new(tenant), &email, &[]).await;
        registration(tenant, &mut values).await;
        operator(tenant, Method::POST, "/keys", Some(json!({}))).await;
        for name in ["login", "pages"] {
            let body = json!({ "domain": format!("{name}.{}.example", tenant.slug) });
            operator(tenant, Method::POST, "/domains", Some(body)).await;
        }
        let mut artefacts = Self {
            tenant: tenant.clone(),
            values,
            cursors: BTreeMap::new(),
            etags: BTreeMap::new(),
            rp,
        };
        artefacts.read_ids().await;
        artefacts.read_etags().await;
        artefacts
    }

    /// A code that was just made.
    pub(super) async fn renew_code(&mut self) {
        let email = self.values[&What::Email].clone();
        let mut browser = Browser::new(&self.tenant);
        let callback = self.rp.code(&mut browser, &email, &[]).await;
        let code = callback.get("code").to_owned();
        self.values.insert(What::Code, code);
    }

    async fn read_ids(&mut self) {
        let client = self.values[&What::ClientId].clone();
        let email = self.values[&What::Email].clone();
        let lists = [
            (
                What::UserId,
                "list_users",
                format!("/users?email={email}"),
                "user_id",
            ),
            (
                What::SecretId,
                "",
                format!("/clients/{client}/secrets"),
                "id",
            ),
            (
                What::SessionId,
                "list_sessions",
                "/sessions".to_owned(),
                "session_id",
            ),
            (
                What::GrantId,
                "list_grants",
                format!("/grants?client_id={client}"),
                "grant_id",
            ),
            (
                What::ConsentId,
                "list_tenant_consents",
                format!("/consents?client_id={client}"),
                "consent_id",
            ),
            (
                What::KeyId,
                "list_signing_keys",
                "/keys?state=active".to_owned(),
                "kid",
            ),
            (
                What::EventId,
                "list_audit_events",
                "/audit-events".to_owned(),
                "id",
            ),
            (
                What::Domain,
                "list_domains",
                "/domains".to_owned(),
                "domain",
            ),
            (
                What::InvitationId,
                "list_invitations",
                format!("/invitations?email={email}"),
                "invitation_id",
            ),
            (
                What::InitialTokenId,
                "list_registration_tokens",
                "/registration-tokens".to_owned(),
                "id",
            ),
            (What::ClientId, "list_clients", String::new(), ""),
        ];
        for (what, operation, path, member) in lists {
            if !path.is_empty() {
                let first = until(&path, async || {
                    let page = operator(&self.tenant, Method::GET, &path, None).await;
                    page["items"].get(0).map(|item| text(&item[member]))
                })
                .await;
                self.values.insert(what, first);
            }
            if !operation.is_empty() {
                let noun = match what {
                    What::ClientId => "/clients",
                    _ => path.split('?').next().unwrap(),
                };
                let path = format!("{noun}?limit=1");
                let cursor = until(&path, async || {
                    let page = operator(&self.tenant, Method::GET, &path, None).await;
                    page["next_cursor"].as_str().map(str::to_owned)
                })
                .await;
                self.cursors.insert(operation.to_owned(), cursor);
            }
        }
    }

    async fn read_etags(&mut self) {
        let (client, user) = (&self.values[&What::ClientId], &self.values[&What::UserId]);
        let domain = &self.values[&What::Domain];
        for (operation, path) in [
            ("update_tenant", String::new()),
            ("update_settings", "/settings".to_owned()),
            ("update_client", format!("/clients/{client}")),
            ("update_user", format!("/users/{user}")),
            ("update_domain", format!("/domains/{domain}")),
        ] {
            let answer = ask(&self.tenant, 0, OPERATOR_TOKEN, Method::GET, &path, None).await;
            assert_ne!(answer.header("etag"), "", "{operation}");
            self.etags
                .insert(operation.to_owned(), answer.header("etag").to_owned());
        }
    }
}

#[track_caller]
fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value}"))
        .to_owned()
}

async fn operator(tenant: &Tenant, method: Method, rest: &str, body: Option<Value>) -> Value {
    let answer = ask(tenant, 0, OPERATOR_TOKEN, method, rest, body).await;
    assert!(answer.status.is_success(), "{rest}: {answer:?}");
    answer.body
}

/// Whom the invitation is for that nobody has accepted.
pub(super) fn invited(tenant: &Tenant) -> String {
    format!("invited@{}.example", tenant.slug)
}

/// One for an address that gets an account in another way, and one that waits.
async fn invitations(tenant: &Tenant, email: &str, values: &mut BTreeMap<What, String>) {
    for email in [email.to_owned(), invited(tenant)] {
        let body = Some(json!({ "email": email }));
        let made = operator(tenant, Method::POST, "/invitations", body).await;
        values.insert(What::InvitationToken, text(&made["token"]));
    }
}

async fn cookies(tenant: &Tenant, email: &str, values: &mut BTreeMap<What, String>) {
    let body = json!({ "email": email, "password": PASSWORD });
    let answer = tenant
        .client(0)
        .post(&tenant.path("/auth/login"), body)
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    for cookie in answer.headers.get_all("set-cookie") {
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        let what = match pair.split_once('=').unwrap().0 {
            "tokenhouse_access" => What::AccessCookie,
            "tokenhouse_refresh" => What::RefreshCookie,
            other => panic!("{other} is no cookie that is known here"),
        };
        values.insert(what, pair.to_owned());
    }
}

async fn sign_in(rp: &Rp, email: &str, values: &mut BTreeMap<What, String>) {
    let mut browser = Browser::new(&rp.tenant);
    let scope = [("scope", "openid offline_access")];
    let tokens = rp.tokens(&mut browser, email, &scope).await;
    values.insert(What::ClientAccessToken, tokens.access_token.clone());
    values.insert(What::ClientRefreshToken, tokens.refresh().to_owned());
    values.insert(What::IdToken, tokens.id_token.unwrap());
    values.insert(What::BrowserCookies, browser.cookies());
    let callback = rp.code(&mut browser, email, &[]).await;
    values.insert(What::Code, callback.get("code").to_owned());
}

/// A client that registered itself, and a token that lets another one do so.
async fn registration(tenant: &Tenant, values: &mut BTreeMap<What, String>) {
    for what in [What::RegistrationToken, What::InitialToken] {
        let made = operator(
            tenant,
            Method::POST,
            "/registration-tokens",
            Some(json!({})),
        )
        .await;
        let token = text(&made["token"]);
        if what == What::InitialToken {
            values.insert(what, token);
            continue;
        }
        let client = tenant.client(0);
        let request = client
            .request(Method::POST, &tenant.path("/oauth2/register"))
            .bearer_auth(token)
            .json(&json!({ "redirect_uris": ["https://rp.example/cb"] }));
        let answer = client.send(request).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        values.insert(What::RegisteredClientId, text(&answer.body["client_id"]));
        let credential = format!(
            "{} {}",
            text(&answer.body["client_id"]),
            text(&answer.body["registration_access_token"])
        );
        values.insert(what, credential);
    }
}
