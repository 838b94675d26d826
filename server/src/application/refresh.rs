//! Refresh: a refresh token is exchanged for its successor and a fresh access token.
//!
//! 1. The form and the tag: junk and foreign tokens end here, in microseconds and without I/O.
//! 2. The durable grant, at most a second old: revoked, ended or before a mark means refused.
//! 3. One atomic step in the hot store decides; the successor was drawn before, so that whoever
//!    retries after a lost answer gets the same one.
//! 4. Reuse ends the family: the revocation is committed here before the refusal is given, and noted by whoever
//!    committed it.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{
    audit,
    error::{CryptoError, Error, NotSignedIn, chain},
    issue::{self, AccessTokenRequest, Tokens},
    login::SignedIn,
    ports::{Freshness, Rotation, RotationRequest, TenantKeys},
};
use crate::{
    app::App,
    domain::{
        audit::{Actor, Event, EventKind},
        client::{ClientId, lifetimes::TokenLifetimes},
        grant::GrantView,
        id::{GrantId, SessionId},
        refresh::{Presented, RefreshToken, Refusal, Secret, Successor, UntrustedToken},
        secret::Key256,
        tenant::TenantScope,
        timestamp::Timestamp,
    },
};

/// Exchanges `token`, presented by `client`, for the session API.
pub async fn refresh(
    app: &App,
    tenant: &TenantScope,
    client: &ClientId,
    token: &str,
    now: Timestamp,
) -> Result<SignedIn, Error> {
    let keys = app.keyring.keys(tenant).await?;
    let token =
        trusted(tenant, &keys, token).ok_or(Error::Unauthenticated(NotSignedIn::Malformed))?;
    let Rotated { grant, token } = rotate(app, tenant, &keys, client, &token, now).await?;
    let issuer = tenant.from_issuer(grant.issuer_domain.as_ref());
    let issuer = issuer.ok_or(Error::Unauthenticated(NotSignedIn::Ended))?;
    let request = AccessTokenRequest {
        grant: grant.id,
        client: &grant.client.id,
        subject: &grant.user.id.to_string(),
        scope: &grant.scope,
        audience: &grant.audience,
        session: &grant.session,
        authenticated_at: grant.authenticated_at,
        user: &grant.user,
        with_profile: true,
        ttl: TokenLifetimes::of(tenant.policy(), &grant.client).access_token,
    };
    let not_after = grant.floor.absolute_end;
    let (access_token, access_token_ttl) =
        issue::access_token(app, &issuer, &keys, request, not_after, now)?;
    Ok(SignedIn {
        tokens: Tokens {
            access_token,
            access_token_ttl,
            refresh_token: token,
            refresh_token_ttl: not_after.since(now),
        },
        user: grant.user.clone(),
    })
}

/// A rotation that gave a successor.
pub struct Rotated {
    pub grant: Arc<GrantView>,
    /// The successor, as the client gets it.
    pub token: Zeroizing<String>,
}

impl std::fmt::Debug for Rotated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rotated")
            .field("grant", &self.grant.id)
            .finish_non_exhaustive()
    }
}

/// Rotates a token whose tag was checked.
pub async fn rotate(
    app: &App,
    tenant: &TenantScope,
    keys: &TenantKeys,
    client: &ClientId,
    token: &RefreshToken,
    now: Timestamp,
) -> Result<Rotated, Error> {
    let attempt = Attempt {
        app,
        tenant,
        client,
        token,
        now,
    };
    let secret = Secret::from_entropy(app.random());
    let (grant, rotation) = attempt.rotate(&secret).await?;
    let successor = match rotation {
        Rotation::Rotated => secret,
        Rotation::Repeated { sealed_successor } => open_successor(app, token, &sealed_successor)?,
        Rotation::Reused | Rotation::Refused(Refusal::Dead) => {
            attempt
                .end_family(&grant, rotation == Rotation::Reused)
                .await?;
            return Err(Error::Unauthenticated(NotSignedIn::Reused));
        }
        Rotation::Refused(Refusal::Expired) => {
            return Err(Error::Unauthenticated(NotSignedIn::Expired));
        }
        Rotation::Refused(Refusal::WrongClient) => {
            return Err(Error::Unauthenticated(NotSignedIn::Foreign));
        }
        // A fresh floor was given: the store has no reason to ask again.
        Rotation::Reload => return Err(Error::Unauthenticated(NotSignedIn::Ended)),
    };
    let successor = RefreshToken {
        family: token.family,
        generation: token.generation.next(),
        secret: successor,
    };
    Ok(Rotated {
        grant,
        token: successor.encode(tenant.id(), issue::tag_key(keys)?),
    })
}

/// Ends a grant: the SQL commit is the revocation, caches and hot records follow it.
pub async fn revoke(
    app: &App,
    tenant: &TenantScope,
    session: SessionId,
    grant: GrantId,
    now: Timestamp,
) -> Result<Ended, Error> {
    let mut work = app.store.begin(tenant).await?;
    work.revoke_grant(grant, now).await?;
    work.commit().await?;
    Ok(Ended::of([(session, grant)]))
}

/// What ended in the store just now. First the end is noted, then this is [forgotten](Self::forget): a
/// request that doesn't come that far has left its entry in the audit log all the same.
#[derive(Debug, Default)]
#[must_use = "what is kept of it here counts for another second"]
pub struct Ended {
    pub sessions: Vec<SessionId>,
    pub grants: Vec<GrantId>,
}

impl Ended {
    pub fn of(pairs: impl IntoIterator<Item = (SessionId, GrantId)>) -> Self {
        let (sessions, grants) = pairs.into_iter().unzip();
        Self { sessions, grants }
    }

    /// Drops what caches and the hot store keep of it.
    pub async fn forget(self, app: &App, tenant: &TenantScope) {
        app.views.forget(tenant, &self.sessions, &self.grants).await;
        if let Err(error) = app.rotations.forget(tenant, &self.grants).await {
            // The commit before decides; a record left behind only costs memory until its end.
            tracing::warn!(
                session.id = ?self.sessions.first(),
                grants = self.grants.len(),
                error = chain(&error),
                "hot records remain"
            );
        }
    }
}

/// The token, if this tenant minted it.
pub fn trusted(tenant: &TenantScope, keys: &TenantKeys, text: &str) -> Option<RefreshToken> {
    let token = UntrustedToken::parse(text).ok()?;
    let key = keys
        .tag_keys
        .iter()
        .find(|key| key.id == token.tag_key_id())?;
    token.verify(tenant.id(), key).ok()
}

/// One presentation of one token.
struct Attempt<'a> {
    app: &'a App,
    tenant: &'a TenantScope,
    client: &'a ClientId,
    token: &'a RefreshToken,
    now: Timestamp,
}

impl Attempt<'_> {
    /// Asks the hot store; a second time with a freshly read floor when it wants one.
    async fn rotate(&self, secret: &Secret) -> Result<(Arc<GrantView>, Rotation), Error> {
        let sealed = seal_successor(self.app, self.token, secret)?;
        let successor = Successor {
            digest: secret.digest(),
            sealed,
        };
        let mut freshness = Freshness::Recent;
        loop {
            let grant = self.live_grant(freshness).await?;
            let request = RotationRequest {
                family: grant.id,
                owner: grant.client.id.clone(),
                floor: grant.floor.clone(),
                floor_is_fresh: freshness == Freshness::Now,
                presented: Presented {
                    client_id: self.client.clone(),
                    generation: self.token.generation,
                    digest: self.token.secret.digest(),
                },
                successor: successor.clone(),
                lifetimes: TokenLifetimes::of(self.tenant.policy(), &grant.client).refresh,
                now: self.now,
                clock_offset: self.app.clock.offset_micros(),
            };
            match self.app.rotations.rotate(self.tenant, &request).await? {
                Rotation::Reload if freshness == Freshness::Recent => freshness = Freshness::Now,
                rotation => return Ok((grant, rotation)),
            }
        }
    }

    async fn live_grant(&self, freshness: Freshness) -> Result<Arc<GrantView>, Error> {
        let grant = self
            .app
            .views
            .grant(self.tenant, self.token.family, freshness)
            .await?;
        match grant {
            Some(grant) if grant.ended(self.tenant).is_none() => Ok(grant),
            _ => Err(Error::Unauthenticated(NotSignedIn::Ended)),
        }
    }

    /// Commits the end of a family whose token was used twice. It is asked again whenever a dead
    /// hot record is met, so a commit that failed the first time is made up for: whoever is the one to revoke the
    /// grant raises the alarm.
    async fn end_family(&self, grant: &GrantView, first_seen: bool) -> Result<(), Error> {
        let already_revoked = first_seen && self.app.rotations.revokes();
        if already_revoked {
            self.raise_alarm(grant);
        }
        let mut work = self.app.store.begin(self.tenant).await?;
        let (families, revoked) = if grant.client.id == ClientId::first_party() {
            // The session API's session has this one family: what can't be refreshed is over.
            let grants = work.end_session(grant.session.id, self.now).await?;
            (grants.all, grants.revoked > 0)
        } else {
            let revoked = work.revoke_grant(grant.id, self.now).await?;
            (vec![grant.id], revoked)
        };
        work.commit().await?;
        if revoked && !already_revoked {
            self.raise_alarm(grant);
        }
        self.app
            .views
            .forget(self.tenant, &[grant.session.id], &families)
            .await;
        Ok(())
    }

    /// Says once that a family has ended because a token of it was used twice.
    fn raise_alarm(&self, grant: &GrantView) {
        tracing::warn!(
            event = "refresh_token_reuse",
            family.id = %grant.id,
            user.id = %grant.user.id,
            session.id = %grant.session.id,
            generation = self.token.generation.0,
            "a refresh token was used twice: its family has ended"
        );
        let event = Event::new(EventKind::RefreshReused)
            .target(grant.id)
            .detail("user_id", grant.user.id.to_string())
            .detail("client_id", grant.client.id.as_str())
            .detail("session_id", grant.session.id.to_string());
        audit::note(self.app, self.tenant, Actor::Anonymous, event, self.now);
    }
}

/// The key that only the holder of the presented token can give: a dump of the store opens nothing.
fn successor_key(token: &RefreshToken) -> Result<(Key256, [u8; 20]), CryptoError> {
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::Sha256;

    let mut context = [0; 20];
    context[..16].copy_from_slice(token.family.as_uuid().as_bytes());
    context[16..].copy_from_slice(&token.generation.0.to_be_bytes());
    // The secret is 256 uniform bits: HKDF's expand step alone is enough (RFC 5869 §3.3).
    let mut mac = Hmac::<Sha256>::new_from_slice(token.secret.expose())
        .map_err(|_| CryptoError::Failed("deriving a successor key"))?;
    mac.update(b"tokenhouse successor");
    mac.update(&context);
    mac.update(&[1]);
    Ok((
        Key256::from_bytes(mac.finalize().into_bytes().into()),
        context,
    ))
}

fn seal_successor(
    app: &App,
    token: &RefreshToken,
    successor: &Secret,
) -> Result<Vec<u8>, CryptoError> {
    let (key, context) = successor_key(token)?;
    app.aead
        .seal(&key, app.random(), &context, successor.expose())
}

fn open_successor(app: &App, token: &RefreshToken, sealed: &[u8]) -> Result<Secret, CryptoError> {
    let (key, context) = successor_key(token)?;
    let opened = Zeroizing::new(app.aead.open(&key, &context, sealed)?);
    <[u8; 32]>::try_from(opened.as_slice())
        .map(Secret::from_entropy)
        .map_err(|_| CryptoError::Unsealable("successor"))
}
