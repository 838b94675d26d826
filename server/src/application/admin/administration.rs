//! Who administers a tenant: the operator, or an administrator by an access token of that tenant.
//!
//! 1. The credential is looked at first. The operator's token opens every tenant; any other must be an
//!    access token that the tenant in the path made for itself. Another tenant's token is as good as none,
//!    and says nothing about whether the tenant in the path exists.
//! 2. The token must have the scope for what is asked ([`Need`]).
//! 3. The power behind the token is looked up now: a role that was taken away counts no more, whatever
//!    a token of minutes ago says.

use super::authenticate_operator;
use crate::{
    app::App,
    application::{
        access_token::{self, Behind},
        audit,
        error::{Error, NotSignedIn},
    },
    domain::{
        audit::{Actor, Entry, Event, Origin},
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

/// Proof that the caller may administer this tenant. The only maker is [`administer`].
#[derive(Clone, Debug)]
pub struct Administration {
    tenant: TenantScope,
    actor: Actor,
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

/// Lets the bearer administer the tenant with this slug, or says why not.
pub async fn administer(
    app: &App,
    bearer: Option<&str>,
    slug: &str,
    need: Need,
    now: Timestamp,
) -> Result<Administration, Error> {
    match authenticate_operator(app, bearer) {
        Ok(_operator) => Ok(Administration {
            tenant: find(app, slug).await?.ok_or(Error::NotFound)?,
            actor: Actor::Operator,
            origin: audit::origin(),
        }),
        Err(_) => by_access_token(app, bearer, slug, need, now).await,
    }
}

async fn find(app: &App, slug: &str) -> Result<Option<TenantScope>, Error> {
    let Ok(slug) = Slug::parse(slug) else {
        return Ok(None);
    };
    let tenant = app.tenants.by_slug(&slug).await?;
    Ok(tenant.map(|tenant| tenant.administer(&app.public_url)))
}

async fn by_access_token(
    app: &App,
    bearer: Option<&str>,
    slug: &str,
    need: Need,
    now: Timestamp,
) -> Result<Administration, Error> {
    let bearer = bearer.ok_or(Error::Unauthenticated(NotSignedIn::NoCredential))?;
    let foreign = || Error::Unauthenticated(NotSignedIn::Foreign);
    // A suspended tenant serves nobody, its administrators neither.
    let tenant = find(app, slug).await?.filter(TenantScope::serves);
    let tenant = tenant.ok_or_else(foreign)?;
    let keys = app.keyring.keys(&tenant).await?;
    let live = access_token::live(app, &tenant, &keys, bearer, now)
        .await?
        .filter(|live| tenant.is_audience(&live.claims.aud))
        .ok_or_else(foreign)?;
    let (held, actor) = match &live.behind {
        Behind::Grant(grant) => (
            Roles::of(&grant.user, tenant.policy()).admin(),
            Actor::User {
                user: grant.user.id,
                client: grant.client.id.clone(),
            },
        ),
        Behind::Client => {
            let client = client_of(app, &tenant, &live.claims).await?;
            let held = AdminScope::widest_of(&client.metadata.scope);
            (held, Actor::Client(client.id))
        }
    };
    // Nothing is less than anything.
    if said(&live.claims).min(held) < Some(need.scope()) {
        return Err(Error::InsufficientScope(need.scope().name()));
    }
    Ok(Administration {
        tenant,
        actor,
        origin: audit::origin(),
    })
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
