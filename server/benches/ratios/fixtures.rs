//! A tenant with one user per connection, made through the public API, and what they send.

use std::io::Write as _;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::http::{call_json, expect_success, request};
use crate::load::{Outcome, Traffic};
use crate::product::Product;

const TENANT: &str = "bench";
const PASSWORD: &str = "a long enough passphrase for a bench";

/// Access tokens kept from a refresh row; more than a row of some seconds can use.
const HARVEST_LIMIT: usize = 200_000;

/// The tenant, ready to be measured.
pub(crate) struct Tenant {
    address: SocketAddr,
    host: String,
    /// The newest refresh token of each connection's family.
    pub(crate) refresh_tokens: Vec<String>,
}

impl Tenant {
    pub(crate) fn create(product: &Product, users: usize) -> Result<Self> {
        let address = product.address;
        let host = format!("localhost:{}", address.port());
        let bearer = format!("Authorization: Bearer {}", product.operator_token);
        let body = json!({ "slug": TENANT, "name": "Bench" }).to_string();
        let create = request("POST", "/admin/v1/tenants", &host, &[&bearer], Some(&body));
        call_json(address, &create).context("could not create the tenant")?;
        let mut tenant = Self {
            address,
            host,
            refresh_tokens: Vec::with_capacity(users),
        };
        for number in 0..users {
            let body = json!({
                "name": format!("User {number}"),
                "email": email(number),
                "password": PASSWORD,
            });
            tenant
                .post("auth/signup", &body)
                .context("could not sign up")?;
            let session = tenant.log_in(number)?;
            tenant
                .refresh_tokens
                .push(member(&session, "refresh_token")?);
        }
        Ok(tenant)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let path = format!("/t/{TENANT}/{path}");
        let body = body.to_string();
        let request = request("POST", &path, &self.host, &[], Some(&body));
        call_json(self.address, &request)
    }

    fn log_in(&self, user: usize) -> Result<Value> {
        self.post("auth/login", &login_body(user))
            .context("could not log in")
    }

    /// A token that is valid for the whole of a round.
    pub(crate) fn access_token(&self) -> Result<String> {
        member(&self.log_in(0)?, "access_token")
    }

    pub(crate) fn get(&self, path: &str) -> Fixed {
        Fixed {
            bytes: request("GET", &format!("/t/{TENANT}/{path}"), &self.host, &[], None),
        }
    }

    pub(crate) fn current_user(&self, access_token: &str) -> Fixed {
        let bearer = format!("Authorization: Bearer {access_token}");
        let path = format!("/t/{TENANT}/auth/current-user");
        Fixed {
            bytes: request("GET", &path, &self.host, &[&bearer], None),
        }
    }

    pub(crate) fn current_user_once_each(&self, access_tokens: Vec<String>) -> OnceEach {
        let head = format!(
            "GET /t/{TENANT}/auth/current-user HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer ",
            self.host
        );
        OnceEach {
            head,
            access_tokens,
        }
    }

    /// Takes the families along; [`Refresh::into_tokens`] gives them back.
    pub(crate) fn refresh(&mut self, harvest: bool) -> Refresh {
        let head = format!(
            "POST /t/{TENANT}/auth/refresh HTTP/1.1\r\nHost: {}\r\n\
             Content-Type: application/json\r\nContent-Length: ",
            self.host
        );
        let tokens = std::mem::take(&mut self.refresh_tokens);
        Refresh {
            head,
            tokens,
            harvested: harvest.then(Vec::new),
        }
    }

    pub(crate) fn logins(&self, users: usize, may_refuse: bool) -> Logins {
        let path = format!("/t/{TENANT}/auth/login");
        let requests = (0..users)
            .map(|user| {
                let body = login_body(user).to_string();
                request("POST", &path, &self.host, &[], Some(&body))
            })
            .collect();
        Logins {
            requests,
            may_refuse,
        }
    }
}

fn email(user: usize) -> String {
    format!("user{user}@bench.example")
}

fn login_body(user: usize) -> Value {
    json!({ "email": email(user), "password": PASSWORD, "delivery": "body" })
}

fn member(value: &Value, name: &str) -> Result<String> {
    let text = value[name].as_str();
    Ok(text
        .with_context(|| format!("the answer has no {name}"))?
        .to_owned())
}

/// The value of a string member that needs no unescaping, such as a token.
fn token_in<'a>(body: &'a [u8], name: &str) -> Result<&'a str> {
    let text = std::str::from_utf8(body).context("the answer is not UTF-8")?;
    let found = text
        .split_once(name)
        .and_then(|(_, rest)| rest.split_once('"'));
    Ok(found
        .with_context(|| format!("the answer has no {name}"))?
        .0)
}

/// The same request over and over.
pub(crate) struct Fixed {
    pub(crate) bytes: Vec<u8>,
}

impl Traffic for Fixed {
    fn request(&mut self, _connection: usize, buffer: &mut Vec<u8>) -> bool {
        buffer.extend_from_slice(&self.bytes);
        true
    }

    fn answer(&mut self, _connection: usize, status: u16, body: &[u8]) -> Result<Outcome> {
        expect_success(status, body)?;
        Ok(Outcome::Served)
    }
}

/// The current user, with a token that the server has not seen before.
pub(crate) struct OnceEach {
    head: String,
    access_tokens: Vec<String>,
}

impl Traffic for OnceEach {
    fn request(&mut self, _connection: usize, buffer: &mut Vec<u8>) -> bool {
        let Some(token) = self.access_tokens.pop() else {
            return false;
        };
        for part in [&self.head, &token, "\r\n\r\n"] {
            buffer.extend_from_slice(part.as_bytes());
        }
        true
    }

    fn answer(&mut self, _connection: usize, status: u16, body: &[u8]) -> Result<Outcome> {
        expect_success(status, body)?;
        Ok(Outcome::Served)
    }
}

/// A refresh-token family per connection, each always sending its newest token.
pub(crate) struct Refresh {
    head: String,
    tokens: Vec<String>,
    harvested: Option<Vec<String>>,
}

impl Refresh {
    /// The families' newest tokens, and the access tokens that came along.
    pub(crate) fn into_tokens(self) -> (Vec<String>, Vec<String>) {
        (self.tokens, self.harvested.unwrap_or_default())
    }
}

impl Traffic for Refresh {
    fn request(&mut self, connection: usize, buffer: &mut Vec<u8>) -> bool {
        let token = &self.tokens[connection];
        let length = r#"{"refresh_token":""}"#.len() + token.len();
        write!(
            buffer,
            "{}{length}\r\n\r\n{{\"refresh_token\":\"{token}\"}}",
            self.head
        )
        .is_ok()
    }

    fn answer(&mut self, connection: usize, status: u16, body: &[u8]) -> Result<Outcome> {
        expect_success(status, body)?;
        let newest = token_in(body, r#""refresh_token":""#)?;
        let kept = &mut self.tokens[connection];
        kept.clear();
        kept.push_str(newest);
        if let Some(harvested) = &mut self.harvested
            && harvested.len() < HARVEST_LIMIT
        {
            harvested.push(token_in(body, r#""access_token":""#)?.to_owned());
        }
        Ok(Outcome::Served)
    }
}

/// Logins, each connection as a user of its own.
pub(crate) struct Logins {
    requests: Vec<Vec<u8>>,
    /// Whether 429 and 503 are answers to live with: a flood is meant to be refused in part.
    may_refuse: bool,
}

impl Traffic for Logins {
    fn request(&mut self, connection: usize, buffer: &mut Vec<u8>) -> bool {
        buffer.extend_from_slice(&self.requests[connection]);
        true
    }

    fn answer(&mut self, _connection: usize, status: u16, body: &[u8]) -> Result<Outcome> {
        if self.may_refuse && matches!(status, 429 | 503) {
            return Ok(Outcome::Refused);
        }
        expect_success(status, body)?;
        Ok(Outcome::Served)
    }
}
