//! Who administers a tenant: the operator, or an administrator by an access token of that tenant.
//!
//! 1. The credential is looked at first. The operator's token opens every tenant; any other must be an
//!    access token that the tenant in the path made for itself. Another tenant's token is as good as none,
//!    and says nothing about whether the tenant in the path exists.
//! 2. The token must have the scope for what is asked ([`Need`]).
//! 3. The power behind the token is looked up now: a role that was taken away counts no more, whatever
//!    a token of minutes ago says.

use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

use super::authenticate_operator;
use crate::{
    app::App,
    application::{
        access_token::{self, Behind},
        audit,
        error::{Error, NotSignedIn},
        ports::Freshness,
    },
    domain::{
        audit::{Actor, Entry, Event, EventKind, Origin},
        claims::AccessClaims,
        client::{Client, ClientId},
        role::{AdminScope, Roles},
        scope::Scopes,
        tenant::{Slug, TenantScope},
        timestamp::Timestamp,
    },
};

/// What a request is going to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Read,
    Write,
}

impl Need {
    /// The scope that is asked for; the wider one always does.
    const fn scope(self) -> AdminScope {
        match self {
            Self::Read => AdminScope::Read,
            Self::Write => AdminScope::Write,
        }
    }
}

/// Proof that the caller may administer this tenant, as of now. The only maker is [`administer`].
#[derive(Clone, Debug)]
pub struct Administration {
    tenant: TenantScope,
    actor: Actor,
    need: Need,
    bearer: Bearer,
    /// The request, also for what goes on while its answer is sent.
    origin: Origin,
}

impl Administration {
    /// The tenant; it may be suspended.
    pub fn tenant(&self) -> &TenantScope {
        &self.tenant
    }

    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Whether the caller runs the whole installation.
    pub fn is_operator(&self) -> bool {
        matches!(self.actor, Actor::Operator)
    }

    /// Notes what the caller did.
    pub fn note(&self, app: &App, event: Event, now: Timestamp) {
        let entry = Entry {
            origin: self.origin.clone(),
            ..audit::entry(self.actor.clone(), event, app.id_entropy(), now)
        };
        app.audit.record(&self.tenant, entry);
    }
}

/// What the caller sent, to be looked at once more. Nothing of it prints.
#[derive(Clone)]
struct Bearer(Arc<Zeroizing<String>>);

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer([redacted])")
    }
}

/// Lets the bearer administer the tenant with this slug, or says why not.
pub async fn administer(
    app: &App,
    bearer: Option<&str>,
    slug: &str,
    need: Need,
    now: Timestamp,
) -> Result<Administration, Error> {
    let (tenant, actor) = match authenticate_operator(app, bearer) {
        Ok(_operator) => {
            let tenant = find(app, slug).await?.ok_or(Error::NotFound)?;
            (tenant, Actor::Operator)
        }
        Err(_) => by_access_token(app, bearer, slug, need, now).await?,
    };
    let bearer = Zeroizing::new(bearer.unwrap_or_default().to_owned());
    Ok(Administration {
        tenant,
        actor,
        need,
        bearer: Bearer(Arc::new(bearer)),
        origin: audit::origin(),
    })
}

/// Asks once more whether the caller may, for work that goes on for long: with the tenant, its settings and
/// the caller's power as they are now.
pub async fn renew(
    app: &App,
    admin: &Administration,
    now: Timestamp,
) -> Result<Administration, Error> {
    let slug = admin.tenant.slug().as_str();
    let renewed = administer(app, Some(&admin.bearer.0), slug, admin.need, now).await?;
    // Another tenant may have taken the name.
    if renewed.tenant.id() != admin.tenant.id() {
        return Err(Error::NotFound);
    }
    Ok(Administration {
        origin: admin.origin.clone(),
        ..renewed
    })
}

async fn find(app: &App, slug: &str) -> Result<Option<TenantScope>, Error> {
    let Ok(slug) = Slug::parse(slug) else {
        return Ok(None);
    };
    // As it is now: another instance may just have changed what this request builds on.
    let tenant = app.tenants.by_slug_now(&slug).await?;
    Ok(tenant.map(|tenant| tenant.administer(&app.public_url)))
}

async fn by_access_token(
    app: &App,
    bearer: Option<&str>,
    slug: &str,
    need: Need,
    now: Timestamp,
) -> Result<(TenantScope, Actor), Error> {
    let foreign = || Error::Unauthenticated(NotSignedIn::Foreign);
    let Some(tenant) = find(app, slug).await? else {
        let nothing = Error::Unauthenticated(NotSignedIn::NoCredential);
        return Err(bearer.map_or(nothing, |_| foreign()));
    };
    let refused = match bearer {
        None => Error::Unauthenticated(NotSignedIn::NoCredential),
        // A suspended tenant serves nobody, its administrators neither.
        Some(_) if !tenant.serves() => foreign(),
        Some(bearer) => match by_token_of(app, &tenant, bearer, need, now).await {
            Ok((actor, true)) => return Ok((tenant, actor)),
            Ok((actor, false)) => {
                let error = Error::InsufficientScope(need.scope().name());
                note_refusal(app, &tenant, actor, &error, now);
                return Err(error);
            }
            Err(error) => error,
        },
    };
    note_refusal(app, &tenant, Actor::Anonymous, &refused, now);
    Err(refused)
}

/// Notes that somebody was refused; not that the server could not find out whether to.
fn note_refusal(app: &App, tenant: &TenantScope, actor: Actor, error: &Error, now: Timestamp) {
    if matches!(
        error,
        Error::Unauthenticated(_) | Error::InsufficientScope(_)
    ) {
        let event = Event::new(EventKind::AdminRefused).detail("reason", error.to_string());
        audit::note_often(app, tenant, actor, event, now);
    }
}

/// Whose token it is, and whether there is enough power behind it.
async fn by_token_of(
    app: &App,
    tenant: &TenantScope,
    bearer: &str,
    need: Need,
    now: Timestamp,
) -> Result<(Actor, bool), Error> {
    let foreign = || Error::Unauthenticated(NotSignedIn::Foreign);
    let keys = app.keyring.keys(tenant).await?;
    // Of a moment ago it would not do: who lost its power could give it back to itself.
    let live = access_token::live(app, tenant, &keys, bearer, Freshness::Now, now)
        .await?
        .filter(|live| tenant.is_audience(&live.claims.aud))
        .ok_or_else(foreign)?;
    let (held, actor) = match &live.behind {
        Behind::Grant(grant) => (
            // Nothing is less than anything: what the user lost or the client may no longer ask for.
            Roles::of(&grant.user, tenant.policy())
                .admin()
                .min(AdminScope::widest_of(&grant.client.metadata.scope)),
            Actor::User {
                user: grant.user.id,
                client: grant.client.id.clone(),
            },
        ),
        Behind::Client => {
            let client = client_of(app, tenant, &live.claims).await?;
            // One that could get no token now has no power by one of a moment ago.
            let held = client
                .acts_for_itself(now)
                .then(|| AdminScope::widest_of(&client.metadata.scope));
            (held.flatten(), Actor::Client(client.id))
        }
    };
    // Nothing is less than anything.
    let enough = said(&live.claims).min(held) >= Some(need.scope());
    Ok((actor, enough))
}

/// What the token itself says it may.
fn said(claims: &AccessClaims) -> Option<AdminScope> {
    AdminScope::widest_of(&Scopes::parse(&claims.scope).unwrap_or_default())
}

async fn client_of(
    app: &App,
    tenant: &TenantScope,
    claims: &AccessClaims,
) -> Result<Client, Error> {
    let ended = || Error::Unauthenticated(NotSignedIn::Ended);
    let id = ClientId::parse(&claims.client_id).map_err(|_| ended())?;
    let client = app.store.view(tenant).await?.client(&id).await?;
    client.ok_or_else(ended)
}
