//! What a browser holds: an id that forms and requests are bound to, and the tokens of the sessions
//! that were opened in it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    app::App,
    application::{
        error::Error,
        issue::{self, keyed_digest},
        login,
        ports::{SessionView, TenantKeys},
    },
    domain::{
        id::SessionId,
        secret::{BrowserSession, OpaqueToken, TokenDigest, TokenKind},
        session::Session,
        tenant::TenantScope,
        timestamp::Timestamp,
        user::{User, UserState},
    },
};

/// At most so many accounts are remembered in one browser.
const MAX_ACCOUNTS: usize = 5;
/// How old the note of a browser's last visit may be before it is written anew.
const SEEN_GRANULARITY_SECONDS: u64 = 60;

/// A random id that a browser gets with its first page. It proves nothing about a user; it ties
/// forms to the browser that they were shown to.
pub struct BrowserId(Zeroizing<String>);

impl BrowserId {
    pub fn new(app: &App) -> Self {
        Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(app.random::<24>())))
    }

    /// What a cookie carries, if it looks like one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let base64url = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (text.len() == 32 && text.bytes().all(base64url))
            .then(|| Self(Zeroizing::new(text.to_owned())))
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What a sealed request keeps of it.
    pub fn binding(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.0.as_bytes()))
    }

    pub fn is_bound_as(&self, binding: &str) -> bool {
        self.binding().as_bytes().ct_eq(binding.as_bytes()).into()
    }

    /// The token that every form of this browser carries, while `session` is its current one: a
    /// form from before a sign-in or from another browser doesn't count.
    pub fn form_token(&self, keys: &TenantKeys, session: Option<SessionId>) -> String {
        let key = keys.derive("tokenhouse/form-token/1");
        let session = session.map_or([0; 16], |id| *id.as_uuid().as_bytes());
        URL_SAFE_NO_PAD.encode(keyed_digest(&key, &[self.0.as_bytes(), &session]))
    }

    /// Whether a posted form is one of this browser's.
    pub fn sent(&self, keys: &TenantKeys, session: Option<SessionId>, token: &str) -> bool {
        let expected = self.form_token(keys, session);
        expected.as_bytes().ct_eq(token.as_bytes()).into()
    }
}

impl std::fmt::Debug for BrowserId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BrowserId([redacted])")
    }
}

/// A live session and the token by which the browser holds it.
pub struct Account {
    pub view: SessionView,
    token: Zeroizing<String>,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Account")
            .field(&self.view.session.id)
            .finish()
    }
}

/// The accounts that are signed in in a browser, the current one first.
#[derive(Debug, Default)]
pub struct Accounts(Vec<Account>);

impl Accounts {
    pub fn list(&self) -> &[Account] {
        &self.0
    }

    pub fn current(&self) -> Option<&SessionView> {
        self.0.first().map(|account| &account.view)
    }

    pub fn current_id(&self) -> Option<SessionId> {
        self.current().map(|view| view.session.id)
    }

    pub fn find(&self, id: SessionId) -> Option<&SessionView> {
        let mut views = self.0.iter().map(|account| &account.view);
        views.find(|view| view.session.id == id)
    }

    /// Makes an account the current one.
    pub fn select(&mut self, id: SessionId) {
        if let Some(n) = self.0.iter().position(|a| a.view.session.id == id) {
            let account = self.0.remove(n);
            self.0.insert(0, account);
        }
    }

    /// Forgets an account, because its session ended.
    pub fn remove(&mut self, id: SessionId) {
        self.0.retain(|account| account.view.session.id != id);
    }

    /// What the browser's cookie carries: the tokens, the current one first.
    pub fn cookie(&self) -> Zeroizing<String> {
        let tokens: Vec<_> = self
            .0
            .iter()
            .map(|account| account.token.as_str())
            .collect();
        Zeroizing::new(tokens.join("."))
    }
}

/// Finds the sessions behind a cookie. What has ended, expired or is unknown isn't there.
pub async fn accounts(
    app: &App,
    tenant: &TenantScope,
    cookie: Option<&str>,
    now: Timestamp,
) -> Result<Accounts, Error> {
    let tokens = cookie
        .unwrap_or_default()
        .split('.')
        .filter(|token| token.starts_with(BrowserSession::PREFIX))
        .take(MAX_ACCOUNTS);
    let mut accounts = Vec::new();
    for token in tokens {
        let digest = digest(tenant, token);
        let view = app
            .store
            .view(tenant)
            .await?
            .session_of_browser(&digest)
            .await?;
        if let Some(view) = view.filter(|view| lives(tenant, view, now)) {
            touch(app, tenant, &view.session, now).await?;
            accounts.push(Account {
                view,
                token: Zeroizing::new(token.to_owned()),
            });
        }
    }
    Ok(Accounts(accounts))
}

/// What is kept of a session's token. Of one that a custom domain gave out the domain is a part: whoever gets
/// the host after us is sent its cookies, and they open nothing anywhere else.
fn digest(tenant: &TenantScope, token: &str) -> TokenDigest<BrowserSession> {
    match tenant.is_at_domain() {
        true => TokenDigest::of(&format!("{} {token}", tenant.base())),
        false => TokenDigest::of(token),
    }
}

/// Whether a session of the hosted pages counts now.
fn lives(tenant: &TenantScope, view: &SessionView, now: Timestamp) -> bool {
    let policy = tenant.policy();
    let seconds = |n: u32| std::time::Duration::from_secs(n.into());
    let session = &view.session;
    let seen = session.seen_at.unwrap_or(session.created_at);
    let superseded = tenant
        .not_before()
        .max(view.user.not_before)
        .is_some_and(|mark| session.authenticated_at < mark);
    session.ended_at.is_none()
        && view.user.state == UserState::Active
        && !superseded
        && now < seen + seconds(policy.session_idle_ttl)
        && now < session.created_at + seconds(policy.session_absolute_ttl)
}

/// Notes the visit, at most once a minute.
async fn touch(
    app: &App,
    tenant: &TenantScope,
    session: &Session,
    now: Timestamp,
) -> Result<(), Error> {
    let seen = session.seen_at.unwrap_or(session.created_at);
    if now.since(seen).as_secs() < SEEN_GRANULARITY_SECONDS {
        return Ok(());
    }
    let mut work = app.store.begin(tenant).await?;
    work.touch_session(session.id, now).await?;
    Ok(work.commit().await?)
}

/// Signs a user in in this browser: a new token in any case, and a session that goes on when it is
/// the same user's (its `sid` stays, so that one logout still reaches every client).
pub async fn sign_in(
    app: &App,
    tenant: &TenantScope,
    accounts: &mut Accounts,
    user: User,
    now: Timestamp,
) -> Result<SessionId, Error> {
    let token = OpaqueToken::<BrowserSession>::from_entropy(app.random());
    let before = accounts
        .0
        .iter()
        .position(|account| account.view.user.id == user.id)
        .map(|n| accounts.0.remove(n));
    let mut work = app.store.begin(tenant).await?;
    let session = Session {
        id: before
            .as_ref()
            .map_or_else(|| issue::session_id(app, now), |a| a.view.session.id),
        user_id: user.id,
        authenticated_at: now,
        amr: vec!["pwd".to_owned()],
        browser: Some(digest(tenant, token.expose())),
        seen_at: Some(now),
        ended_at: None,
        created_at: before
            .as_ref()
            .map_or(now, |account| account.view.session.created_at),
    };
    if before.is_some() {
        work.renew_session(&session).await?;
    } else {
        work.add_session(&session).await?;
    }
    work.commit().await?;
    app.views.forget(tenant, &[session.id], &[]).await;
    tracing::info!(user.id = %user.id, session.id = %session.id, "signed in on a page");
    login::note_sign_in(app, tenant, &session, now);
    let id = session.id;
    accounts.0.insert(
        0,
        Account {
            view: SessionView { session, user },
            token: Zeroizing::new(token.expose().to_owned()),
        },
    );
    accounts.0.truncate(MAX_ACCOUNTS);
    Ok(id)
}
