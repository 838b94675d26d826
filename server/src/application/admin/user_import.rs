//! Users from another system, many at a time.
//!
//! Each line is a user, and the id by which the other system knows it says which one: the same line again
//! changes nothing, so an import that broke off is simply sent once more. A line that is wrong fails alone.
//!
//! The password hash of a line counts for users that have none yet. Later lines don't touch it: meanwhile
//! the user may have chosen another password, or its hash was renewed when it signed in.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{administration::Administration, users};
use crate::{
    app::App,
    application::{
        error::{Error, StoreError},
        logout::{self, SessionsEnded},
        ports::UnitOfWork,
    },
    domain::{
        audit::{Event, EventKind},
        id::UserId,
        password::PasswordHash,
        timestamp::Timestamp,
        user::{ExternalId, User, UserState},
        user_members,
        violation::{Violation, Violations},
    },
};

/// How often a line is tried whose work the store broke off in favour of another's.
const TRIES: usize = 5;

/// What became of a line.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub external_id: Option<String>,
    pub result: Result<(Done, UserId), Violations>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    Created,
    Updated,
    Unchanged,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Imported {
    /// Of its lines, from the first one on.
    pub outcomes: Vec<Outcome>,
    /// Why there are fewer than there were lines.
    pub broken_off: Option<Error>,
}

/// A line, read as far as it can be without a store.
struct Line {
    external_id: ExternalId,
    members: Map<String, Value>,
    hash: Option<PasswordHash>,
}

/// A line that can't be read, and the id that it has all the same.
struct Unreadable {
    external_id: Option<String>,
    violations: Violations,
}

type ReadLine = Result<Line, Unreadable>;

/// Imports a batch in one unit of work. `lines` are the members of each, or why there are none. When another
/// change gets in its way, each line is written in a unit of its own: what is in the way of one is not in
/// the way of the others.
pub async fn import(
    app: &App,
    admin: &Administration,
    lines: Vec<Result<Map<String, Value>, Violations>>,
    now: Timestamp,
) -> Imported {
    let lines: Vec<ReadLine> = lines.into_iter().map(|line| read(app, line)).collect();
    match write_all(app, admin, &lines, now).await {
        Ok(outcomes) => Imported {
            outcomes,
            broken_off: None,
        },
        Err(Error::Store(StoreError::Conflict(_) | StoreError::Contended(_))) => {
            one_by_one(app, admin, &lines, now).await
        }
        Err(error) => Imported {
            outcomes: Vec::new(),
            broken_off: Some(error),
        },
    }
}

async fn one_by_one(
    app: &App,
    admin: &Administration,
    lines: &[ReadLine],
    now: Timestamp,
) -> Imported {
    let mut imported = Imported::default();
    for line in lines {
        match write_alone(app, admin, line, now).await {
            Ok(outcome) => imported.outcomes.extend(outcome),
            Err(error) => {
                imported.broken_off = Some(error);
                break;
            }
        }
    }
    imported
}

async fn write_alone(
    app: &App,
    admin: &Administration,
    line: &ReadLine,
    now: Timestamp,
) -> Result<Vec<Outcome>, Error> {
    let mut tries = 0;
    loop {
        tries += 1;
        let violations = match write_all(app, admin, std::slice::from_ref(line), now).await {
            Err(Error::Store(StoreError::Contended(_))) if tries < TRIES => continue,
            Err(Error::Store(StoreError::Contended(_))) => at_the_same_moment(),
            Err(Error::Store(StoreError::Conflict("users_tenant_id_email_key"))) => taken(),
            Err(Error::Store(StoreError::Conflict(_))) => at_the_same_moment(),
            written => return written,
        };
        return Ok(vec![Outcome {
            external_id: line
                .as_ref()
                .ok()
                .map(|line| line.external_id.as_str().to_owned()),
            result: Err(violations),
        }]);
    }
}

/// One unit of work. What follows from it is noted as soon as it is committed, and nothing behind that fails.
async fn write_all(
    app: &App,
    admin: &Administration,
    lines: &[ReadLine],
    now: Timestamp,
) -> Result<Vec<Outcome>, Error> {
    let ids: Vec<_> = lines
        .iter()
        .flatten()
        .map(|line| line.external_id.clone())
        .collect();
    let keys = app.keyring.keys(admin.tenant()).await?;
    let mut work = app.store.begin(admin.tenant()).await?;
    let mut known: HashMap<String, (User, bool)> = work
        .users_by_external_id(&ids)
        .await?
        .into_iter()
        .filter_map(|(user, hash)| {
            let id = user.external_id.as_ref()?.as_str().to_owned();
            Some((id, (user, hash.is_some())))
        })
        .collect();
    let mut outcomes = Vec::new();
    let mut ended: Vec<SessionsEnded> = Vec::new();
    let mut events = Events::default();
    for line in lines {
        let line = match line {
            Ok(line) => line,
            Err(unreadable) => {
                outcomes.push(Outcome {
                    external_id: unreadable.external_id.clone(),
                    result: Err(unreadable.violations.clone()),
                });
                continue;
            }
        };
        let id = line.external_id.as_str().to_owned();
        let before = known.get(&id).cloned();
        let written = write(app, admin, work.as_mut(), line, before.clone(), now).await?;
        if let Ok((done, user, has_password)) = &written {
            if before
                .as_ref()
                .is_some_and(|(old, _)| old.not_before != user.not_before)
            {
                let (tenant, work) = (admin.tenant(), work.as_mut());
                ended.push(logout::end_sessions_of(tenant, &keys, work, user.id, now).await?);
            }
            events.add(*done, before.as_ref(), (user, *has_password));
            known.insert(id.clone(), (user.clone(), *has_password));
        }
        outcomes.push(Outcome {
            external_id: Some(id),
            result: written.map(|(done, user, _)| (done, user.id)),
        });
    }
    work.commit().await?;
    events.note(app, admin, now);
    for ended in ended {
        ended.follow(app, admin.tenant()).await;
    }
    Ok(outcomes)
}

fn read(app: &App, line: Result<Map<String, Value>, Violations>) -> ReadLine {
    let mut members = line.map_err(|violations| Unreadable {
        external_id: None,
        violations,
    })?;
    let wrong_id = |detail: &str| Unreadable {
        external_id: None,
        violations: Violations::one("/external_id", detail),
    };
    let external_id = match members.get("external_id") {
        None | Some(Value::Null) => {
            let detail = "must be the id by which the other system knows the user";
            return Err(wrong_id(detail));
        }
        Some(Value::String(text)) => {
            ExternalId::parse(text).map_err(|why| wrong_id(&why.to_string()))?
        }
        Some(_) => return Err(wrong_id("must be a string")),
    };
    let wrong_hash = |violations| Unreadable {
        external_id: Some(external_id.as_str().to_owned()),
        violations,
    };
    let hash = match members.remove("password_hash") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(users::read_hash(app, &text).map_err(wrong_hash)?),
        Some(_) => {
            let broken = Violations::one("/password_hash", "must be a string");
            return Err(wrong_hash(broken));
        }
    };
    Ok(Line {
        external_id,
        members,
        hash,
    })
}

type Written = Result<(Done, User, bool), Violations>;

/// Writes one line. What is taken by another user fails the line alone.
async fn write(
    app: &App,
    admin: &Administration,
    work: &mut dyn UnitOfWork,
    line: &Line,
    before: Option<(User, bool)>,
    now: Timestamp,
) -> Result<Written, Error> {
    let policy = admin.tenant().policy();
    let Some((before, has_password)) = before else {
        let blank = users::blank(app, now)?;
        return match user_members::created(&blank, &line.members, policy) {
            Err(violations) => Ok(Err(violations)),
            Ok(user) if work.add_user_if_free(&user, line.hash.as_ref()).await? => {
                Ok(Ok((Done::Created, user, line.hash.is_some())))
            }
            Ok(user) => Ok(Err(match work.user_by_email(&user.email).await? {
                Some(_) => taken(),
                // Somebody else made a user with this external id.
                None => at_the_same_moment(),
            })),
        };
    };
    let after = match user_members::patched(&before, &line.members, policy, now) {
        Err(violations) => return Ok(Err(violations)),
        Ok(after) => after,
    };
    let mut done = Done::Unchanged;
    let same = User {
        updated_at: before.updated_at,
        ..after.clone()
    } == before;
    if !same {
        // Asked first: a conflict would undo the other lines of the batch.
        let owner = work.user_by_email(&after.email).await?;
        if owner.is_some_and(|(user, _)| user.id != before.id) {
            return Ok(Err(taken()));
        }
        if !work.update_user(&after, before.updated_at).await? {
            return Ok(Err(at_the_same_moment()));
        }
        done = Done::Updated;
    }
    let mut has = has_password;
    if let Some(hash) = line.hash.as_ref().filter(|_| !has_password) {
        has = work.replace_password(before.id, None, hash).await?;
        done = Done::Updated;
    }
    let user = if same { before } else { after };
    Ok(Ok((done, user, has)))
}

fn taken() -> Violations {
    Violations::one("/email", "belongs to another user of the tenant")
}

fn at_the_same_moment() -> Violations {
    Violations::one("", "was changed at the same moment; send the line again")
}

/// What is noted of a batch. Users that were made are listed in one entry, for a hundred thousand single ones
/// would hide all others; those that were changed, and those that got power or none at all, have one each.
#[derive(Default)]
struct Events {
    created: Vec<String>,
    single: Vec<Event>,
}

impl Events {
    fn add(&mut self, done: Done, before: Option<&(User, bool)>, (user, has): (&User, bool)) {
        let event = Event::new(EventKind::UserImported).target(user.id);
        match (done, before) {
            (Done::Unchanged, _) => {}
            (Done::Updated, Some((before, had))) => {
                let with = |user: &User, has_password: bool| {
                    let mut members = users::written(user);
                    members["has_password"] = has_password.into();
                    members
                };
                let event = event.change(&with(before, *had), &with(user, has));
                self.single.push(event);
            }
            _ if user.roles.is_empty() && user.state == UserState::Active => {
                self.created.push(user.id.to_string());
            }
            _ => self.single.push(event.after(users::written(user))),
        }
    }

    fn note(self, app: &App, admin: &Administration, now: Timestamp) {
        if !self.created.is_empty() {
            let event = Event::new(EventKind::UserImported).detail("created", self.created);
            admin.note(app, event, now);
        }
        for event in self.single {
            admin.note(app, event, now);
        }
    }
}

/// The violations of a line, with pointers into it.
pub fn violations_of(outcome: &Outcome) -> &[Violation] {
    match &outcome.result {
        Ok(_) => &[],
        Err(violations) => violations.list(),
    }
}
