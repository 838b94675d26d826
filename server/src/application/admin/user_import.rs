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
    application::{error::Error, ports::UnitOfWork},
    domain::{
        audit::{Event, EventKind},
        id::UserId,
        password::PasswordHash,
        timestamp::Timestamp,
        user::{ExternalId, User},
        user_members,
        violation::{Violation, Violations},
    },
};

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

/// A line, read as far as it can be without a store.
struct Line {
    external_id: ExternalId,
    members: Map<String, Value>,
    hash: Option<PasswordHash>,
}

/// Imports a batch in one unit of work. `lines` are the members of each, or why there are none.
pub async fn import(
    app: &App,
    admin: &Administration,
    lines: Vec<Result<Map<String, Value>, Violations>>,
    now: Timestamp,
) -> Result<Vec<Outcome>, Error> {
    let lines: Vec<_> = lines
        .into_iter()
        .map(|line| line.and_then(|members| read(app, members)))
        .collect();
    let ids: Vec<_> = lines
        .iter()
        .flatten()
        .map(|line| line.external_id.clone())
        .collect();
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
    let mut ended = Vec::new();
    for line in lines {
        let outcome = match line {
            Err(violations) => Outcome {
                external_id: None,
                result: Err(violations),
            },
            Ok(line) => {
                let id = line.external_id.as_str().to_owned();
                let before = known.get(&id).cloned();
                let written = write(app, admin, work.as_mut(), &line, before.clone(), now).await?;
                if let Ok((_, user, has_password)) = &written {
                    let disabled = before.is_some_and(|(old, _)| old.not_before != user.not_before);
                    ended.extend(disabled.then_some(user.id));
                    known.insert(id.clone(), (user.clone(), *has_password));
                }
                Outcome {
                    external_id: Some(id),
                    result: written.map(|(done, user, _)| (done, user.id)),
                }
            }
        };
        outcomes.push(outcome);
    }
    work.commit().await?;
    for user in ended {
        super::sign_ins::end_sessions_of(app, admin, &user.to_string(), now).await?;
    }
    note(app, admin, &outcomes, now);
    Ok(outcomes)
}

fn read(app: &App, mut members: Map<String, Value>) -> Result<Line, Violations> {
    let text = members.get("external_id").and_then(Value::as_str);
    let external_id = text
        .and_then(|text| ExternalId::parse(text).ok())
        .ok_or_else(|| {
            let detail = "must be the id by which the other system knows the user";
            Violations::one("/external_id", detail)
        })?;
    let hash = match members.remove("password_hash") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(users::read_hash(app, &text)?),
        Some(_) => return Err(Violations::one("/password_hash", "must be a string")),
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
            Ok(_) => Ok(Err(taken())),
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
            let detail = "was changed at the same moment; send the line again";
            return Ok(Err(Violations::one("", detail)));
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

/// One entry for a batch: a hundred thousand single ones would push others out of the log.
fn note(app: &App, admin: &Administration, outcomes: &[Outcome], now: Timestamp) {
    let of = |wanted: Done| -> Vec<String> {
        let ids = outcomes.iter().filter_map(|one| match &one.result {
            Ok((done, id)) if *done == wanted => Some(id.to_string()),
            _ => None,
        });
        ids.collect()
    };
    let (created, updated) = (of(Done::Created), of(Done::Updated));
    if created.is_empty() && updated.is_empty() {
        return;
    }
    let event = Event::new(EventKind::UserImported)
        .detail("created", created)
        .detail("updated", updated);
    admin.note(app, event, now);
}

/// The violations of a line, with pointers into it.
pub fn violations_of(outcome: &Outcome) -> &[Violation] {
    match &outcome.result {
        Ok(_) => &[],
        Err(violations) => violations.list(),
    }
}
