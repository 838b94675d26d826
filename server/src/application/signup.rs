//! Sign-up: a user of a tenant is made.
//!
//! Who may is the tenant's policy, which counts here and not on the pages that lead here. An invitation opens a tenant
//! whose sign-up is for the invited; it is used up in the very transaction that makes the user.

use zeroize::Zeroizing;

use super::{
    audit,
    error::{Error, StoreError},
};
use crate::{
    app::App,
    domain::{
        audit::{Actor, Event, EventKind},
        email::EmailAddress,
        id::UserId,
        invitation::{Invitation, InvitationState},
        password::{Password, PasswordRules},
        profile::Profile,
        secret::TokenDigest,
        tenant::{SignupPolicy, TenantScope},
        timestamp::Timestamp,
        user::{AvatarUrl, DisplayName, User, UserState},
        violation::{Violation, Violations},
    },
};

/// Whether somebody may sign up now, with this invitation or with none; the invitation, if it counts.
pub async fn admit(
    app: &App,
    tenant: &TenantScope,
    invitation: Option<&Zeroizing<String>>,
    now: Timestamp,
) -> Result<Option<Invitation>, Error> {
    match (tenant.policy().signup, invitation) {
        (SignupPolicy::Closed, _) => Err(Error::SignupClosed),
        (SignupPolicy::Invitation, None) => Err(Error::InvitationRequired),
        (SignupPolicy::Open, None) => Ok(None),
        // One that doesn't count is refused also where none is needed: whoever sends it expects its roles.
        (SignupPolicy::Open | SignupPolicy::Invitation, Some(token)) => {
            let digest = TokenDigest::of(token);
            let mut view = app.store.view(tenant).await?;
            let found = view.invitation_by_token(&digest).await?;
            let pending = found.filter(|one| one.state(now) == InvitationState::Pending);
            pending.map(Some).ok_or_else(|| refused("not pending"))
        }
    }
}

/// The log learns why, and the caller doesn't.
fn refused(reason: &'static str) -> Error {
    tracing::info!(reason, "an invitation was refused");
    Error::InvitationInvalid
}

/// What someone who signs up says.
pub struct Signup {
    pub name: String,
    pub email: String,
    pub password: Zeroizing<String>,
    pub avatar_url: Option<String>,
    /// The token of an invitation.
    pub invitation: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for Signup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signup")
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

/// The same after every rule was checked.
struct Checked {
    name: DisplayName,
    email: EmailAddress,
    password: Password,
    avatar_url: Option<AvatarUrl>,
}

/// Makes a user.
///
/// The address is looked up before the password is hashed, to spare the work; that it is free is
/// decided by the unique constraint alone.
pub async fn signup(
    app: &App,
    tenant: &TenantScope,
    command: Signup,
    now: Timestamp,
) -> Result<User, Error> {
    let invitation = admit(app, tenant, command.invitation.as_ref(), now).await?;
    let Checked {
        name,
        email,
        password,
        avatar_url,
    } = check(tenant, command).map_err(Error::Invalid)?;
    // A link that was handed on makes nobody else a user.
    if invitation.as_ref().is_some_and(|one| one.email != email) {
        return Err(refused("another address"));
    }
    let taken = app
        .store
        .view(tenant)
        .await?
        .user_by_email(&email)
        .await?
        .is_some();
    if taken {
        return Err(Error::EmailTaken);
    }
    let hash = app.passwords.hash(tenant.id(), password).await?;
    let user = User {
        id: UserId::new(now, app.id_entropy()),
        name,
        email,
        email_verified: false,
        avatar_url,
        profile: Profile::default(),
        state: UserState::Active,
        external_id: None,
        roles: invitation
            .as_ref()
            .map_or_else(Vec::new, |one| one.roles.clone()),
        not_before: None,
        created_at: now,
        updated_at: now,
    };
    let mut work = app.store.begin(tenant).await?;
    if let Some(invitation) = &invitation
        && !work.accept_invitation(invitation.id, user.id, now).await?
    {
        return Err(refused("accepted, revoked or expired a moment ago"));
    }
    match work.add_user(&user, Some(&hash)).await {
        Err(StoreError::Conflict("users_tenant_id_email_key")) => return Err(Error::EmailTaken),
        other => other?,
    }
    work.commit().await?;
    tracing::info!(user.id = %user.id, "signed up");
    let event = Event::new(EventKind::UserSignedUp).target(user.id);
    audit::note(app, tenant, Actor::first_party(user.id), event, now);
    if let Some(invitation) = invitation {
        let event = Event::new(EventKind::InvitationAccepted)
            .target(invitation.id)
            .detail("user_id", user.id.to_string());
        audit::note(app, tenant, Actor::first_party(user.id), event, now);
    }
    Ok(user)
}

/// Checks all members, so that the answer names every mistake at once.
fn check(tenant: &TenantScope, command: Signup) -> Result<Checked, Violations> {
    let mut violations = Vec::new();
    let mut note = |pointer: &str, detail: String| {
        violations.push(Violation {
            pointer: pointer.to_owned(),
            detail,
        });
    };
    let name = DisplayName::parse(&command.name)
        .map_err(|e| note("/name", e.to_string()))
        .ok();
    let email = EmailAddress::parse(&command.email)
        .map_err(|e| note("/email", e.to_string()))
        .ok();
    let rules = PasswordRules::of(tenant, &[&command.name, &command.email]);
    let password = Password::choose(command.password, &rules)
        .map_err(|e| note("/password", e.to_string()))
        .ok();
    let avatar_url = match command
        .avatar_url
        .as_deref()
        .map(AvatarUrl::parse)
        .transpose()
    {
        Ok(url) => url,
        Err(e) => {
            note("/avatar_url", e.to_string());
            None
        }
    };
    match (name, email, password, Violations::from_list(violations)) {
        (Some(name), Some(email), Some(password), None) => Ok(Checked {
            name,
            email,
            password,
            avatar_url,
        }),
        (_, _, _, violations) => {
            Err(violations.unwrap_or_else(|| Violations::one("", "is not valid")))
        }
    }
}
