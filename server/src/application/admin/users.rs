//! Users, as administrators make, change and delete them.

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::administration::Administration;
use crate::{
    app::App,
    application::{
        error::{Error, StoreError},
        idempotency::Draft,
        logout::{self, SessionsEnded},
        page::{Page, size_of, with_one_more},
        ports::{UserFilter, UserPosition, UserWithHash},
        refresh::Ended,
    },
    domain::{
        audit::{Event, EventKind},
        email::EmailAddress,
        id::UserId,
        password::{Password, PasswordHash, PasswordRules},
        profile::Profile,
        tenant::TenantScope,
        timestamp::Timestamp,
        user::{AvatarUrl, DisplayName, ExternalId, User, UserState},
        user_members,
        violation::Violations,
    },
};

/// Makes a user, with or without a password.
pub async fn create(
    app: &App,
    admin: &Administration,
    members: &Map<String, Value>,
    now: Timestamp,
) -> Result<Draft<UserWithHash>, Error> {
    let tenant = admin.tenant();
    let mut members = members.clone();
    let secret = take_secret(app, tenant, &mut members).map_err(Error::Invalid)?;
    let user = user_members::created(&blank(app, now)?, &members, tenant.policy())
        .map_err(Error::Invalid)?;
    let hash = match secret {
        Some(Secret::Password(password)) => Some(app.passwords.hash(tenant.id(), password).await?),
        Some(Secret::Hash(hash)) => Some(hash),
        None => None,
    };
    let mut work = app.store.begin(tenant).await?;
    conflicts(work.add_user(&user, hash.as_ref()).await)?;
    let event = Event::new(EventKind::UserCreated)
        .target(user.id)
        .after(written(&user));
    Ok(Draft::new((user, hash), work, event))
}

/// What a new user may sign in with.
enum Secret {
    Password(Password),
    Hash(PasswordHash),
}

/// Takes the members that are secrets out of the others.
fn take_secret(
    app: &App,
    tenant: &TenantScope,
    members: &mut Map<String, Value>,
) -> Result<Option<Secret>, Violations> {
    let mut text = |name: &str| match members.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(Zeroizing::new(text))),
        Some(_) => Err(Violations::one(format!("/{name}"), "must be a string")),
    };
    match (text("password")?, text("password_hash")?) {
        (Some(_), Some(_)) => Err(Violations::one(
            "/password_hash",
            "can't be given together with password",
        )),
        (Some(password), None) => {
            let known = ["name", "email"].map(|name| members.get(name).and_then(Value::as_str));
            let known: Vec<_> = known.into_iter().flatten().collect();
            Password::choose(password, &PasswordRules::of(tenant, &known))
                .map(|password| Some(Secret::Password(password)))
                .map_err(|why| Violations::one("/password", why.to_string()))
        }
        (None, Some(hash)) => read_hash(app, &hash).map(|hash| Some(Secret::Hash(hash))),
        (None, None) => Ok(None),
    }
}

/// A hash that another system made.
pub(super) fn read_hash(app: &App, text: &str) -> Result<PasswordHash, Violations> {
    app.passwords
        .foreign(text)
        .map_err(|why| Violations::one("/password_hash", why.to_string()))
}

/// A user whose members are still to be read.
pub(super) fn blank(app: &App, now: Timestamp) -> Result<User, Error> {
    // Both are replaced: a user can't be made without an address, and the name follows it.
    let (name, email) = (
        DisplayName::parse("-"),
        EmailAddress::parse("-@example.invalid"),
    );
    let (Ok(name), Ok(email)) = (name, email) else {
        return Err(Error::NotFound);
    };
    Ok(User {
        id: UserId::new(now, app.id_entropy()),
        name,
        email,
        email_verified: false,
        avatar_url: None,
        profile: Profile::default(),
        state: UserState::Active,
        external_id: None,
        roles: Vec::new(),
        not_before: None,
        created_at: now,
        updated_at: now,
    })
}

fn conflicts<T>(result: Result<T, StoreError>) -> Result<T, Error> {
    result.map_err(|error| match error {
        StoreError::Conflict("users_tenant_id_email_key") => Error::EmailTaken,
        StoreError::Conflict("users_tenant_id_external_id_key") => Error::ExternalIdTaken,
        other => Error::Store(other),
    })
}

/// A page of users.
pub async fn page(
    app: &App,
    tenant: &TenantScope,
    filter: &UserFilter,
    after: Option<&UserPosition>,
    limit: u32,
) -> Result<Page<(UserPosition, UserWithHash), UserPosition>, Error> {
    let mut view = app.store.view(tenant).await?;
    let items = view.users_page(filter, after, with_one_more(limit)).await?;
    let size = |(_, (user, _)): &(UserPosition, UserWithHash)| size_of(&written(user));
    Ok(Page::within(items, limit, size, |(position, _)| {
        position.clone()
    }))
}

/// One user.
pub async fn find(app: &App, tenant: &TenantScope, id: &str) -> Result<UserWithHash, Error> {
    let id = id.parse().map_err(|_| Error::NotFound)?;
    let found = app.store.view(tenant).await?.user_with_hash(id).await?;
    found.ok_or(Error::NotFound)
}

/// What tells one state of a user from another: its `ETag`.
pub fn version(user: &User) -> String {
    format!("\"{}\"", user.updated_at.as_micros())
}

/// Changes a user by a merge patch (RFC 7396), if it is still the one that the caller saw. Disabling ends
/// its sessions.
pub async fn patch(
    app: &App,
    admin: &Administration,
    id: &str,
    seen: Option<&str>,
    members: &Map<String, Value>,
    now: Timestamp,
) -> Result<UserWithHash, Error> {
    let tenant = admin.tenant();
    let (before, hash) = find(app, tenant, id).await?;
    if seen.is_some_and(|seen| seen != version(&before)) {
        return Err(Error::Stale);
    }
    let after =
        user_members::patched(&before, members, tenant.policy(), now).map_err(Error::Invalid)?;
    let unchanged = User {
        updated_at: before.updated_at,
        ..after.clone()
    };
    if unchanged == before {
        return Ok((before, hash));
    }
    let keys = app.keyring.keys(tenant).await?;
    let mut work = app.store.begin(tenant).await?;
    if !conflicts(work.update_user(&after, before.updated_at).await)? {
        return Err(Error::Stale);
    }
    let ended = if after.not_before == before.not_before {
        SessionsEnded::default()
    } else {
        logout::end_sessions_of(tenant, &keys, work.as_mut(), after.id, now).await?
    };
    work.commit().await?;
    let event = Event::new(EventKind::UserChanged)
        .target(after.id)
        .change(&written(&before), &written(&after));
    admin.note(app, event, now);
    ended.follow(app, tenant).await;
    Ok((after, hash))
}

/// A user as the audit log keeps it: nothing of its password.
pub(super) fn written(user: &User) -> Value {
    serde_json::json!({
        "email": user.email.as_str(),
        "email_verified": user.email_verified,
        "name": user.name.as_str(),
        "avatar_url": user.avatar_url.as_ref().map(AvatarUrl::as_str),
        "state": user.state.name(),
        "external_id": user.external_id.as_ref().map(ExternalId::as_str),
        "roles": user.roles,
        "profile": user.profile,
    })
}

/// Deletes a user with its sessions, grants and consents; no link that is still about brings it back.
pub async fn delete(
    app: &App,
    admin: &Administration,
    id: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let id: UserId = id.parse().map_err(|_| Error::NotFound)?;
    let mut work = app.store.begin(admin.tenant()).await?;
    let user = work.user(id).await?.ok_or(Error::NotFound)?;
    let ended = work.delete_user(id).await?.ok_or(Error::NotFound)?;
    let revoked = work.revoke_invitations_of(&user.email, now).await?;
    work.commit().await?;
    for invitation in revoked {
        let event = Event::new(EventKind::InvitationRevoked).target(invitation);
        admin.note(app, event, now);
    }
    let event = Event::new(EventKind::UserDeleted)
        .target(id)
        .before(written(&user));
    admin.note(app, event, now);
    Ended::of(ended).forget(app, admin.tenant()).await;
    Ok(())
}
