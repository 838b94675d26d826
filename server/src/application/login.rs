//! Login: a password opens a session and its first grant.
//!
//! 1. Look the user up by canonical address.
//! 2. Verify the password. An unknown user costs the same work and gets the same answer.
//! 3. In one unit of work: the session and its grant.
//! 4. Sign the access token and hand out the family's first refresh token.
//!
//! No transaction is open while a password is hashed.

use zeroize::Zeroizing;

use super::{
    audit,
    error::{Error, chain},
    issue::{self, AccessTokenRequest, Tokens},
    ports::Verdict,
};
use crate::{
    app::App,
    domain::{
        audit::{Actor, Event, EventKind},
        email::EmailAddress,
        id::UserId,
        password::{Password, PasswordHash},
        session::Session,
        sign_in_failure::SignInFailure,
        tenant::TenantScope,
        timestamp::Timestamp,
        user::{User, UserState},
    },
};

/// What someone who logs in says.
pub struct Login {
    pub email: String,
    pub password: Zeroizing<String>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login([redacted])")
    }
}

/// A user who is signed in, and what proves it.
#[derive(Debug)]
pub struct SignedIn {
    pub user: User,
    pub tokens: Tokens,
}

/// Signs a user in.
pub async fn login(
    app: &App,
    tenant: &TenantScope,
    command: Login,
    now: Timestamp,
) -> Result<SignedIn, Error> {
    // Fails before any hashing: the server's own trouble must not look like a wrong password.
    let keys = app.keyring.keys(tenant).await?;
    let Some(user) = authenticate(app, tenant, command, now).await? else {
        tracing::info!("login failed");
        return Err(Error::WrongCredentials);
    };
    let session = Session {
        id: issue::session_id(app, now),
        user_id: user.id,
        authenticated_at: now,
        amr: vec!["pwd".to_owned()],
        browser: None,
        seen_at: None,
        ended_at: None,
        created_at: now,
    };
    let (grant, refresh_token) = issue::new_grant(app, tenant, &session, now);
    let request = AccessTokenRequest {
        grant: grant.id,
        client: &grant.client_id,
        subject: &user.id.to_string(),
        scope: &grant.scope,
        audience: &grant.audience,
        session: &session,
        authenticated_at: session.authenticated_at,
        user: &user,
        with_profile: true,
        ttl: tenant.policy().access_token_ttl(),
    };
    let (access_token, access_token_ttl) =
        issue::access_token(app, tenant, &keys, request, grant.absolute_end, now)?;

    let mut work = app.store.begin(tenant).await?;
    work.add_session(&session).await?;
    work.add_grant(&grant).await?;
    work.commit().await?;
    tracing::info!(user.id = %user.id, session.id = %session.id, "logged in");
    note_sign_in(app, tenant, &session, now);
    Ok(SignedIn {
        tokens: Tokens {
            access_token,
            access_token_ttl,
            refresh_token: refresh_token.encode(tenant.id(), issue::tag_key(&keys)?),
            refresh_token_ttl: grant.absolute_end.since(now),
        },
        user,
    })
}

/// Notes a sign-in that happened.
pub fn note_sign_in(app: &App, tenant: &TenantScope, session: &Session, now: Timestamp) {
    let event = Event::new(EventKind::UserSignedIn)
        .target(session.user_id)
        .detail("session_id", session.id.to_string());
    audit::note(app, tenant, Actor::first_party(session.user_id), event, now);
}

/// The user whose password this is, if there is one. A failure is noted with its reason, which the caller of
/// the API never learns. What was typed is not: people type their password into the wrong field.
pub async fn authenticate(
    app: &App,
    tenant: &TenantScope,
    command: Login,
    now: Timestamp,
) -> Result<Option<User>, Error> {
    // What can be no password of anyone is refused without work; its length says nothing of users.
    let failed = |user: Option<UserId>, failure: SignInFailure| {
        let mut event = Event::new(EventKind::SignInFailed).detail("reason", failure.reason());
        event.target = user.map(|user| user.to_string());
        audit::note(app, tenant, Actor::Anonymous, event, now);
        Ok(None)
    };
    let Ok(password) = Password::present(command.password) else {
        return failed(None, SignInFailure::NotAPassword);
    };
    let found = match EmailAddress::parse(&command.email) {
        Ok(email) => app.store.view(tenant).await?.user_by_email(&email).await?,
        Err(_) => None,
    };
    let (user, hash) = found.map_or((None, None), |(user, hash)| (Some(user), hash));
    let verdict = app
        .passwords
        .verify(tenant.id(), password, hash.clone())
        .await?;
    // A disabled user gets the answer of a wrong password, after the same work.
    match (verdict, user) {
        (Verdict::Fits { renewed }, Some(user)) if user.state == UserState::Active => {
            if let Some(renewed) = renewed {
                renew_hash(app, tenant, &user, hash.as_ref(), &renewed).await;
            }
            Ok(Some(user))
        }
        (_, None) => failed(None, SignInFailure::UnknownAddress),
        (Verdict::Fits { .. }, Some(user)) => failed(Some(user.id), SignInFailure::Disabled),
        (_, Some(user)) => failed(Some(user.id), SignInFailure::WrongPassword),
    }
}

/// Keeps the password as it is hashed today. Only in the place of the very hash that was verified: the user
/// may have chosen another password meanwhile. If it fails, the next login does it.
async fn renew_hash(
    app: &App,
    tenant: &TenantScope,
    user: &User,
    old: Option<&PasswordHash>,
    renewed: &PasswordHash,
) {
    let write = async {
        let mut work = app.store.begin(tenant).await?;
        work.replace_password(user.id, old, renewed).await?;
        work.commit().await
    };
    if let Err(error) = write.await {
        tracing::warn!(user.id = %user.id, error = chain(&error), "a hash was not renewed");
    }
}
