//! Invitations: made with a token that is told once, read, listed and taken back.

use serde_json::{Map, Value};

use super::{administration::Administration, users};
use crate::{
    app::App,
    application::{
        error::Error,
        idempotency::Draft,
        page::{Page, with_one_more},
        ports::{InvitationFilter, UnitOfWork},
    },
    domain::{
        audit::{Event, EventKind},
        id::InvitationId,
        invitation::{self, Ending, Invitation, NewInvitation},
        secret::{Invitation as InvitationToken, OpaqueToken},
        tenant::{SignupPolicy, TenantScope},
        timestamp::Timestamp,
    },
};

/// Of invitations of one address at the same moment each ends the one before; more tries than this are no accident.
const TRIES: u32 = 5;

/// Invites an address. The invitation before it, if there is one, counts no more: its link may be in the wrong hands,
/// and nobody has to guess which of two counts.
pub async fn create(
    app: &App,
    admin: &Administration,
    members: &Map<String, Value>,
    now: Timestamp,
) -> Result<Draft<(Invitation, OpaqueToken<InvitationToken>)>, Error> {
    let tenant = admin.tenant();
    let policy = tenant.policy();
    let new =
        invitation::read(&users::blank(app, now)?, members, policy).map_err(Error::Invalid)?;
    // Nobody could accept it.
    if policy.signup == SignupPolicy::Closed {
        return Err(Error::SignupClosed);
    }
    let token = OpaqueToken::<InvitationToken>::from_entropy(app.random());
    let NewInvitation {
        email,
        name,
        roles,
        lifetime,
    } = new;
    let made = Invitation {
        id: InvitationId::new(now, app.id_entropy()),
        email,
        name,
        roles,
        digest: token.digest(),
        expires_at: now + lifetime,
        ending: None,
        created_at: now,
    };
    let (work, replaced) = add(app, tenant, &made, now).await?;
    let roles: Vec<_> = made.roles.iter().map(ToString::to_string).collect();
    let created = Event::new(EventKind::InvitationCreated)
        .target(made.id)
        .detail("email", made.email.as_str())
        .detail("roles", roles);
    let by = made.id.to_string();
    let revoked = replaced.into_iter().map(|id| {
        Event::new(EventKind::InvitationRevoked)
            .target(id)
            .detail("replaced_by", by.clone())
    });
    Ok(Draft::new((made, token), work, created).after(revoked))
}

/// Writes an invitation in the place of older ones, which are told; nothing is committed.
async fn add(
    app: &App,
    tenant: &TenantScope,
    invitation: &Invitation,
    now: Timestamp,
) -> Result<(Box<dyn UnitOfWork>, Vec<InvitationId>), Error> {
    for _ in 0..TRIES {
        let mut work = app.store.begin(tenant).await?;
        if work.user_by_email(&invitation.email).await?.is_some() {
            return Err(Error::EmailTaken);
        }
        let replaced = work.revoke_invitations_of(&invitation.email, now).await?;
        // Of invitations at the very same time a few may pass: the number is a fence, not a law.
        let pending = work.count_pending_invitations(now).await?;
        if pending >= tenant.policy().invitations_max_pending.into() {
            return Err(Error::TooManyInvitations);
        }
        // Somebody else may have invited the address since it was looked for.
        if work.add_invitation(invitation).await? {
            return Ok((work, replaced));
        }
    }
    Err(Error::Stale)
}

/// One invitation.
pub async fn find(app: &App, tenant: &TenantScope, id: &str) -> Result<Invitation, Error> {
    let id = id.parse().map_err(|_| Error::NotFound)?;
    let found = app.store.view(tenant).await?.invitation(id).await?;
    found.ok_or(Error::NotFound)
}

/// A page of invitations, the latest first.
pub async fn page(
    app: &App,
    tenant: &TenantScope,
    filter: &InvitationFilter,
    after: Option<InvitationId>,
    limit: u32,
    now: Timestamp,
) -> Result<Page<Invitation, InvitationId>, Error> {
    let mut view = app.store.view(tenant).await?;
    let items = view
        .invitations_page(filter, after, with_one_more(limit), now)
        .await?;
    Ok(Page::of(items, limit, |one| one.id))
}

/// Takes an invitation back. One that counts no more anyway stays as it is; one that was accepted made a user, whom
/// this doesn't take back, so it is refused.
pub async fn revoke(
    app: &App,
    admin: &Administration,
    id: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let invitation = find(app, admin.tenant(), id).await?;
    let mut work = app.store.begin(admin.tenant()).await?;
    if !work.revoke_invitation(invitation.id, now).await? {
        let now_is = work.invitation(invitation.id).await?;
        let ending = now_is.ok_or(Error::NotFound)?.ending;
        return match ending {
            Some(Ending::Accepted { .. }) => Err(Error::InvitationAccepted),
            _ => Ok(()),
        };
    }
    work.commit().await?;
    let event = Event::new(EventKind::InvitationRevoked).target(invitation.id);
    admin.note(app, event, now);
    Ok(())
}
