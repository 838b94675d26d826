//! Every setting of a tenant: changed at one instance, it counts at the other within a second.

use std::{collections::BTreeSet, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};

use super::administrators::ask;
use crate::{
    harness::{Answer, Installation, OPERATOR_TOKEN, PASSWORD, Tenant, on_every_backend, unique},
    oidc::{
        browser::{Browser, End},
        rp::{Rp, Tokens, claims, tokens_of},
    },
};

on_every_backend!(every_setting_counts_on_the_other_instance_within_a_second);

/// These rule work in the background, not answers; the tests of keys and of the audit log see them count.
const IN_THE_BACKGROUND: [&str; 3] = [
    "access_token_alg",
    "audit_retention_days",
    "key_rotation_interval",
];

const RESOURCE: &str = "https://api.example/orders";
const ORIGIN: &str = "https://app.example";

/// Each change, and what is seen before and after it.
fn changes() -> Vec<(Value, Value, Value)> {
    vec![
        (json!({ "signup": "invitation" }), json!(201), json!(403)),
        (json!({ "signup": "open" }), json!(403), json!(201)),
        (
            json!({ "invitations_max_pending": 0 }),
            json!(201),
            json!(409),
        ),
        (json!({ "domains_max": 0 }), json!(201), json!(409)),
        (json!({ "password_min_length": 14 }), json!(201), json!(400)),
        (
            json!({ "password_refuse_common": false }),
            json!(400),
            json!(201),
        ),
        (json!({ "access_token_ttl": 600 }), json!(900), json!(600)),
        (json!({ "id_token_ttl": 60 }), json!(3600), json!(60)),
        (
            json!({ "refresh_idle_ttl": 3600 }),
            json!(604_800),
            json!(3600),
        ),
        (
            json!({ "refresh_absolute_ttl": 7200 }),
            json!(7_776_000),
            json!(7200),
        ),
        (json!({ "refresh_retry_window": 0 }), json!(200), json!(400)),
        (
            json!({ "session_idle_ttl": 300 }),
            json!("code"),
            json!("login_required"),
        ),
        (
            json!({ "session_absolute_ttl": 3600 }),
            json!(2_592_000),
            json!(3600),
        ),
        (
            json!({ "allowed_origins": [ORIGIN] }),
            json!(403),
            json!(200),
        ),
        (
            json!({ "resources": [RESOURCE] }),
            json!("invalid_target"),
            json!(null),
        ),
        (
            json!({ "jwks_max_age": 60 }),
            json!("public, max-age=300"),
            json!("public, max-age=60"),
        ),
        (
            json!({ "branding": { "accent": "#102030" } }),
            json!(false),
            json!(true),
        ),
        (
            json!({ "claims": { "access_token": ["name"], "id_token": ["email"] } }),
            json!([["email", "email_verified", "name"], []]),
            json!([["name"], ["email"]]),
        ),
        (json!({ "roles": { "clerk": {} } }), json!(400), json!(201)),
        (json!({ "registration": "open" }), json!(403), json!(201)),
        (
            json!({ "registration_scopes": ["orders"] }),
            json!("openid"),
            json!("openid orders"),
        ),
        (json!({ "require_pkce": false }), json!(true), json!(false)),
        (
            json!({ "registration_max_clients": 0 }),
            json!(201),
            json!(403),
        ),
    ]
}

async fn every_setting_counts_on_the_other_instance_within_a_second(installation: Installation) {
    let tenant = installation.tenant().await;
    let stage = Stage::of(&installation, &tenant).await;
    let mut changed = BTreeSet::new();
    for (patch, before, after) in changes() {
        let (name, _) = patch.as_object().unwrap().iter().next().unwrap();
        changed.insert(name.clone());
        // The other instance has just read what it may remember.
        assert_eq!(stage.seen(name).await, before, "before {patch}");
        let read = ask(&tenant, 0, OPERATOR_TOKEN, Method::GET, "/settings", None).await;
        let path = format!("/admin/v1/tenants/{}/settings", tenant.slug);
        let client = tenant.client(0);
        let request = client
            .request(Method::PATCH, &path)
            .bearer_auth(OPERATOR_TOKEN);
        let request = request.header("if-match", read.header("etag")).json(&patch);
        let again = request.try_clone().unwrap();
        let answer = client.send(request).await;
        assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
        client.send(again).await.assert_problem(412, "stale-update");
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        assert_eq!(stage.seen(name).await, after, "after {patch}");
    }
    let settings = ask(&tenant, 1, OPERATOR_TOKEN, Method::GET, "/settings", None).await;
    changed.extend(IN_THE_BACKGROUND.map(str::to_owned));
    let known: BTreeSet<_> = settings.body.as_object().unwrap().keys().cloned().collect();
    assert_eq!(changed, known, "each setting is changed and seen here");
}

/// The tenant at the instance that is not told of changes.
struct Stage<'a> {
    installation: &'a Installation,
    tenant: Tenant,
    rp: Rp,
    email: String,
}

impl<'a> Stage<'a> {
    async fn of(installation: &'a Installation, tenant: &Tenant) -> Self {
        let there = Tenant::at(
            &tenant.slug,
            &tenant.public_url,
            installation.instances[1].public_address,
        );
        Self {
            installation,
            email: there.user().await,
            rp: Rp::new(&there, json!({ "first_party": true })).await,
            tenant: there,
        }
    }

    /// What of a setting can be seen from outside.
    async fn seen(&self, setting: &str) -> Value {
        match setting {
            "signup" => self.sign_up(PASSWORD).await,
            "invitations_max_pending" => {
                let body = json!({ "email": format!("{}@example.com", unique("i")) });
                status(&self.admin("/invitations", body).await)
            }
            "domains_max" => {
                let body = json!({ "domain": format!("login.{}.example", unique("d")) });
                status(&self.admin("/domains", body).await)
            }
            "password_min_length" => self.sign_up("kT7!vq2Zx#").await,
            "password_refuse_common" => self.sign_up("passwordpassword").await,
            "access_token_ttl" => json!(lifetime(&claims(&self.login().await))),
            "id_token_ttl" => json!(lifetime(&self.tokens().await.id_claims())),
            "refresh_idle_ttl" => {
                let tokens = self.tokens().await;
                let told = self.rp.introspect(0, tokens.refresh()).await;
                json!(lifetime(&told.body))
            }
            "refresh_absolute_ttl" => self.refresh_cookie_age().await,
            "refresh_retry_window" => {
                let tokens = self.tokens().await;
                self.rp.refresh(0, tokens.refresh(), &[]).await;
                status(&self.rp.refresh(0, tokens.refresh(), &[]).await)
            }
            "session_idle_ttl" => self.returns_after(Duration::from_secs(400)).await,
            "session_absolute_ttl" => self.accounts_cookie_age().await,
            "allowed_origins" => status(&self.login_from(ORIGIN).await),
            "resources" => {
                let form = [("grant_type", "client_credentials"), ("resource", RESOURCE)];
                self.rp.post(0, "token", &form).await.body["error"].clone()
            }
            "jwks_max_age" => {
                let keys = self
                    .tenant
                    .client(0)
                    .get(&self.tenant.path("/oauth2/jwks"))
                    .await;
                json!(keys.header("cache-control"))
            }
            "branding" => {
                let page = self.tenant.client(0).get(&self.tenant.path("/login")).await;
                json!(page.text.contains("#102030"))
            }
            "claims" => {
                let names = |claims: &Value| {
                    let all = ["email", "email_verified", "name", "picture"];
                    let said = all.into_iter().filter(|name| claims.get(name).is_some());
                    said.collect::<Vec<_>>()
                };
                let tokens = self.tokens().await;
                json!([
                    names(&claims(&tokens.access_token)),
                    names(&tokens.id_claims())
                ])
            }
            "roles" => {
                let email = format!("{}@example.com", unique("r"));
                let body = json!({ "email": email, "roles": ["clerk"] });
                status(&self.admin("/users", body).await)
            }
            "registration" | "registration_max_clients" => status(&self.register().await),
            "registration_scopes" => self.register().await.body["scope"].clone(),
            "require_pkce" => self.register().await.body["require_pkce"].clone(),
            other => panic!("say here how {other} is seen"),
        }
    }

    async fn sign_up(&self, password: &str) -> Value {
        let email = format!("{}@example.com", unique("s"));
        let body = json!({ "name": "Zoe", "email": email, "password": password });
        let client = self.tenant.client(0);
        status(&client.post(&self.tenant.path("/auth/signup"), body).await)
    }

    async fn admin(&self, path: &str, body: Value) -> Answer {
        ask(
            &self.tenant,
            0,
            OPERATOR_TOKEN,
            Method::POST,
            path,
            Some(body),
        )
        .await
    }

    async fn login(&self) -> String {
        self.tenant.login(&self.email).await.access_token
    }

    async fn login_from(&self, origin: &str) -> Answer {
        let client = self.tenant.client(0);
        let request = client.request(Method::POST, &self.tenant.path("/auth/login"));
        let body = json!({ "email": self.email, "password": PASSWORD });
        client
            .send(request.header("origin", origin).json(&body))
            .await
    }

    async fn refresh_cookie_age(&self) -> Value {
        let answer = self.login_from(&self.tenant.public_url).await;
        age(&answer, "tokenhouse_refresh")
    }

    async fn tokens(&self) -> Tokens {
        let mut browser = Browser::new(&self.tenant);
        let changes = [("scope", "openid profile email")];
        let callback = self.rp.code(&mut browser, &self.email, &changes).await;
        tokens_of(&self.rp.redeem(0, callback.get("code"), &[]).await)
    }

    /// A browser that signed in and comes back later without being asked.
    async fn returns_after(&self, pause: Duration) -> Value {
        let mut browser = Browser::new(&self.tenant);
        self.rp.code(&mut browser, &self.email, &[]).await;
        self.installation.clock.advance(pause);
        let end = browser
            .open(&self.rp.authorize(&[("prompt", "none")]))
            .await;
        let callback = end.callback();
        match callback.get("code") {
            "" => json!(callback.get("error")),
            _ => json!("code"),
        }
    }

    async fn accounts_cookie_age(&self) -> Value {
        let mut browser = Browser::new(&self.tenant);
        let page = match browser.open(&self.tenant.path("/login")).await {
            End::Page(page) => page,
            End::Callback(callback) => panic!("{callback:?}"),
        };
        let mut form = page.hidden();
        for (name, value) in [
            ("username", self.email.as_str()),
            ("password", PASSWORD),
            ("action", "login"),
        ] {
            form.push((name.to_owned(), value.to_owned()));
        }
        let path = self.tenant.path("/login");
        let answer = browser.send(Method::POST, &path, Some(&form), &[]).await;
        age(&answer, "tokenhouse_accounts")
    }

    async fn register(&self) -> Answer {
        let body = json!({ "redirect_uris": ["https://rp.example/cb"], "scope": "openid orders" });
        let client = self.tenant.client(0);
        client
            .post(&self.tenant.path("/oauth2/register"), body)
            .await
    }
}

fn status(answer: &Answer) -> Value {
    json!(answer.status.as_u16())
}

fn lifetime(claims: &Value) -> i64 {
    claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()
}

/// How long a browser keeps a cookie.
fn age(answer: &Answer, name: &str) -> Value {
    let cookies = answer.headers.get_all("set-cookie").iter();
    let mut cookies = cookies.map(|value| value.to_str().unwrap());
    let cookie = cookies.find(|cookie| cookie.starts_with(name));
    let cookie = cookie.unwrap_or_else(|| panic!("no {name}: {answer:?}"));
    let (_, age) = cookie.split_once("Max-Age=").unwrap();
    json!(age.split(';').next().unwrap().parse::<i64>().unwrap())
}
