//! `grant_type=authorization_code` (RFC 6749 §4.1.3, RFC 7636 §4.6).
//!
//! The code is looked at first and taken only by the client that it belongs to: a stranger who
//! presents it changes nothing. Whoever takes it a second time ends what the first one got (RFC
//! 9700 §4.5).

use super::{Exchange, Granted, UserGrant};
use crate::{
    application::{
        audit,
        error::StoreError,
        issue,
        oauth::{OAuthError, Refusal},
        ports::{Purpose, Taken, UseKey},
        refresh,
    },
    domain::{
        audit::{Actor, Event, EventKind},
        authorization::{CodeRecord, REPLAY_MEMORY, challenge_fits},
        claims::Audience,
        client::metadata::GrantType,
        domain_name::DomainName,
        grant::Grant,
        id::{GrantId, SessionId},
        refresh::Secret,
        scope::OFFLINE_ACCESS,
        session::Session,
        tenant::TenantScope,
        timestamp::Timestamp,
        user::{User, UserState},
    },
};

const fn invalid(reason: &'static str) -> Refusal {
    Refusal::InvalidGrant(reason)
}

pub(super) async fn redeem(exchange: &Exchange<'_>) -> Result<Granted, OAuthError> {
    let Exchange {
        app, tenant, now, ..
    } = *exchange;
    let key = UseKey::of(exchange.required("code")?);
    let purpose = Purpose::AuthorizationCode;
    if let Some(bytes) = app.single_use.peek(tenant, purpose, key, now).await? {
        let record = read(&bytes)?;
        if record.client_id != exchange.client().id.as_str() {
            return Err(invalid("issued to another client").into());
        }
    }
    let record = match app
        .single_use
        .take(tenant, purpose, key, now, REPLAY_MEMORY)
        .await?
    {
        Taken::First(bytes) => read(&bytes)?,
        Taken::Again(bytes) => {
            let record = read(&bytes)?;
            if record.client_id == exchange.client().id.as_str() {
                end_replayed(exchange, &record).await?;
            }
            return Err(invalid("used before").into());
        }
        Taken::Unknown => return Err(invalid("unknown or expired code").into()),
    };
    check(exchange, &record)?;
    let issuer = issuer(exchange, &record)?;
    let audience = exchange.audience(&issuer, &record.resources, &record.scope)?;
    let (session, user) = live_session(exchange, &record).await?;
    let (grant, refresh_token) = new_grant(exchange, &issuer, &record);
    let mut work = app.store.begin(tenant).await?;
    work.add_grant(&grant).await?;
    work.commit().await?;
    let marked = app
        .single_use
        .is_claimed(tenant, Purpose::RevokedToken, replay_key(&record), now)
        .await?;
    if marked {
        // A second presentation came between: it found no grant to end yet.
        end_replayed(exchange, &record).await?;
        return Err(invalid("used before").into());
    }
    let refresh_token = exchange
        .client()
        .may_use(GrantType::RefreshToken)
        .then(|| issue::tag_key(&exchange.keys).map(|key| refresh_token.encode(tenant.id(), key)))
        .transpose()?;
    Ok(Granted {
        issuer,
        scope: record.scope,
        audience,
        not_after: grant.absolute_end,
        user: Some(UserGrant {
            grant: grant.id,
            session,
            user,
            authenticated_at: grant.authenticated_at,
            claims: record.claims,
            nonce: record.nonce,
            refresh_token,
        }),
    })
}

fn read(bytes: &[u8]) -> Result<CodeRecord, OAuthError> {
    serde_json::from_slice(bytes).map_err(|_| {
        StoreError::Corrupt {
            table: "single_use",
            column: "value",
            row: "a code".to_owned(),
        }
        .into()
    })
}

/// The redemption must agree with the request that the code was made for.
fn check(exchange: &Exchange<'_>, record: &CodeRecord) -> Result<(), Refusal> {
    // OAuth 2.1 §4.1.3 needs it no more; a client that sends it must send the same.
    let redirect_uri = exchange.parameters.get("redirect_uri");
    if redirect_uri.is_some_and(|uri| uri != record.redirect_uri) {
        return Err(invalid("another redirect_uri"));
    }
    let verifier = exchange.parameters.get("code_verifier");
    if !challenge_fits(record.challenge.as_deref(), verifier) {
        return Err(invalid("code_verifier does not fit"));
    }
    // RFC 6749 §4.1.3 wants it back. Where the challenge ties code and redemption together, it adds
    // nothing.
    if redirect_uri.is_none() && record.challenge.is_none() {
        return Err(invalid("redirect_uri is missing"));
    }
    Ok(())
}

/// The session that the code was made in, as long as it lives.
async fn live_session(
    exchange: &Exchange<'_>,
    record: &CodeRecord,
) -> Result<(Session, User), OAuthError> {
    let id = SessionId::from_uuid(record.session);
    let mut view = exchange.app.store.view(exchange.tenant).await?;
    let found = view.session(id).await?.ok_or(invalid("no such session"))?;
    drop(view);
    let mark = [
        exchange.tenant.not_before(),
        found.user.not_before,
        exchange.client().not_before,
    ];
    let superseded = mark
        .into_iter()
        .flatten()
        .any(|mark| Timestamp::from_micros(record.authenticated_at) < mark);
    let same_user = found.user.id.as_uuid() == record.user && found.user.state == UserState::Active;
    if found.session.ended_at.is_some() || superseded || !same_user {
        return Err(invalid("the session has ended").into());
    }
    Ok((found.session, found.user))
}

/// The tenant as the issuer that answered the authorization request.
fn issuer(exchange: &Exchange<'_>, record: &CodeRecord) -> Result<TenantScope, Refusal> {
    let domain = record.issuer_domain.as_deref().map(DomainName::stored);
    let domain = domain
        .transpose()
        .map_err(|_| invalid("of an unreadable domain"))?;
    let issuer = exchange.tenant.from_issuer(domain.as_ref());
    issuer.ok_or(invalid("of a domain that was removed"))
}

fn new_grant(
    exchange: &Exchange<'_>,
    issuer: &TenantScope,
    record: &CodeRecord,
) -> (Grant, crate::domain::refresh::RefreshToken) {
    let secret = Secret::from_entropy(exchange.app.random());
    let lifetimes = exchange.lifetimes();
    let absolute_end = exchange.now + lifetimes.refresh_absolute;
    let grant = Grant {
        id: GrantId::from_uuid(record.grant),
        session_id: SessionId::from_uuid(record.session),
        user_id: crate::domain::id::UserId::from_uuid(record.user),
        client_id: exchange.client().id.clone(),
        scope: record.scope.clone(),
        audience: Audience::of(record.resources.clone()),
        issuer_domain: issuer.issuer_domain().cloned(),
        offline: record.scope.contains(OFFLINE_ACCESS),
        authenticated_at: Timestamp::from_micros(record.authenticated_at),
        claims: record.claims.clone(),
        leaf: secret.digest(),
        idle_end: (exchange.now + lifetimes.refresh.idle).min(absolute_end),
        absolute_end,
        created_at: exchange.now,
    };
    let token = issue::first_token(grant.id, secret);
    (grant, token)
}

fn replay_key(record: &CodeRecord) -> UseKey {
    UseKey::of(&format!("replayed code of grant {}", record.grant))
}

/// Ends what the first presentation got. The mark comes first: a redemption that is just about to
/// write its grant sees it afterwards.
async fn end_replayed(exchange: &Exchange<'_>, record: &CodeRecord) -> Result<(), OAuthError> {
    let Exchange {
        app, tenant, now, ..
    } = *exchange;
    let purpose = Purpose::RevokedToken;
    app.single_use
        .claim(
            tenant,
            purpose,
            replay_key(record),
            now + REPLAY_MEMORY,
            now,
        )
        .await?;
    let grant = GrantId::from_uuid(record.grant);
    let ended = refresh::revoke(
        app,
        tenant,
        SessionId::from_uuid(record.session),
        grant,
        now,
    )
    .await?;
    tracing::warn!(
        event = "authorization_code_replay",
        client.id = %exchange.client().id,
        grant.id = %grant,
        "an authorization code was used twice: its grant has ended"
    );
    let event = Event::new(EventKind::CodeReplayed)
        .target(grant)
        .detail("user_id", record.user.to_string());
    let actor = Actor::Client(exchange.client().id.clone());
    audit::note(app, tenant, actor, event, now);
    ended.forget(app, tenant).await;
    Ok(())
}
