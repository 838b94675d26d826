//! Things that are done once, however often they are asked for.
//!
//! There is no state "in progress". What a request makes and the answer that tells of it are committed in one
//! transaction, and the answer's primary key lets one of several retries through: the others are undone, find
//! the answer of the first, and give it again. A crash leaves both or neither. Refusals aren't remembered.
//!
//! A use case takes part by answering a [`Draft`]: everything is written, nothing is committed.

use std::{fmt, future::Future};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    admin::administration::Administration,
    error::{CryptoError, Error, StoreError},
    issue::keyed_digest,
    ports::{KeptAnswer, UnitOfWork},
};
use crate::{
    app::App,
    domain::{
        audit::{Actor, Event},
        id::TenantId,
        idempotency::{Fingerprint, KeyedRequest, REMEMBERED_FOR},
        secret::Key256,
        tenant::TenantScope,
        timestamp::Timestamp,
    },
};

const LABEL: &[u8] = b"tokenhouse/idempotency/1";

/// An answer as it goes out, byte for byte.
#[derive(Clone, Serialize, Deserialize)]
pub struct Answered {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl fmt::Debug for Answered {
    /// The body may hold a secret that is told once.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answered")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// An answer, and whether it was given before.
#[derive(Debug)]
pub struct Told {
    pub answer: Answered,
    pub replayed: bool,
}

/// Something that is made but for the commit.
pub struct Draft<T> {
    made: T,
    work: Box<dyn UnitOfWork>,
    events: Vec<Event>,
}

impl<T: fmt::Debug> fmt::Debug for Draft<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("made", &self.made)
            .finish_non_exhaustive()
    }
}

impl<T> Draft<T> {
    /// `event` is noted once it is committed.
    pub fn new(made: T, work: Box<dyn UnitOfWork>, event: Event) -> Self {
        let events = vec![event];
        Self { made, work, events }
    }

    /// What happened on the way there, to be noted before what was noted so far.
    pub fn after(mut self, events: impl IntoIterator<Item = Event>) -> Self {
        self.events.splice(0..0, events);
        self
    }

    async fn commit(
        mut self,
        app: &App,
        admin: &Administration,
        kept: Option<&KeptAnswer>,
        now: Timestamp,
    ) -> Result<(), Error> {
        if let Some(answer) = kept {
            self.work.keep_answer(answer).await?;
        }
        self.work.commit().await?;
        for event in self.events {
            admin.note(app, event, now);
        }
        Ok(())
    }
}

/// Does what is drafted once for every key, and gives the same answer again to whoever sends the request
/// again. Without a key it is simply done.
pub async fn once<T>(
    app: &App,
    admin: &Administration,
    request: Option<&KeyedRequest>,
    draft: impl Future<Output = Result<Draft<T>, Error>>,
    render: impl FnOnce(&T) -> Answered,
    now: Timestamp,
) -> Result<Told, Error> {
    let memory = Memory::open(app, admin, request, now).await?;
    if let Some(told) = memory.recall().await? {
        return Ok(told);
    }
    let done = async {
        let draft = draft.await?;
        let answer = render(&draft.made);
        let kept = memory.keep(&answer)?;
        draft.commit(app, admin, kept.as_ref(), now).await?;
        Ok(answer)
    };
    let done = done.await;
    memory.settle(done).await
}

/// What is remembered of one request in its tenant. For use cases that have no [`Draft`] to give: they ask it
/// first ([`recall`](Self::recall)), write what it makes of the answer ([`keep`](Self::keep)) with what they do,
/// and let it have the last word ([`settle`](Self::settle)).
pub struct Memory<'a> {
    app: &'a App,
    tenant: &'a TenantScope,
    place: Option<Place>,
    now: Timestamp,
}

impl fmt::Debug for Memory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl<'a> Memory<'a> {
    /// Without a key it remembers nothing.
    pub async fn open(
        app: &'a App,
        admin: &'a Administration,
        request: Option<&KeyedRequest>,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let tenant = admin.tenant();
        let place = match request {
            None => None,
            Some(request) => {
                let keys = app.keyring.keys(tenant).await?;
                Some(Place::of(&keys.derivation, &caller(admin.actor()), request))
            }
        };
        Ok(Self::at(app, tenant, place, now))
    }

    /// Of the making of a tenant, in the tenant that was made.
    pub(super) fn at(
        app: &'a App,
        tenant: &'a TenantScope,
        place: Option<Place>,
        now: Timestamp,
    ) -> Self {
        Self {
            app,
            tenant,
            place,
            now,
        }
    }

    /// The answer that was given to the same request. [`Error::IdempotencyKeyReused`] when another one had
    /// this key.
    pub async fn recall(&self) -> Result<Option<Told>, Error> {
        let Some(place) = &self.place else {
            return Ok(None);
        };
        let mut view = self.app.store.view(self.tenant).await?;
        match view.kept_answer(&place.id, self.now).await? {
            None => Ok(None),
            Some(sealed) => {
                let answer = place.open(self.app, self.tenant.id(), &sealed)?;
                tracing::info!("an answer is given again");
                Ok(Some(Told {
                    answer,
                    replayed: true,
                }))
            }
        }
    }

    /// What to write in the transaction that does it.
    pub fn keep(&self, answer: &Answered) -> Result<Option<KeptAnswer>, Error> {
        let place = self.place.as_ref();
        place
            .map(|place| place.seal(self.app, self.tenant.id(), answer, self.now))
            .transpose()
    }

    /// The answer to what was done; or, when it could not be done, the one of a retry that was faster: whatever
    /// stood in the way may be what that one did.
    pub async fn settle(&self, done: Result<Answered, Error>) -> Result<Told, Error> {
        let error = match done {
            Ok(answer) => {
                return Ok(Told {
                    answer,
                    replayed: false,
                });
            }
            Err(error) => error,
        };
        match self.recall().await {
            Ok(Some(told)) => Ok(told),
            Err(Error::IdempotencyKeyReused) => Err(Error::IdempotencyKeyReused),
            _ => Err(error),
        }
    }
}

/// Who sends it: a key of one administrator is nobody else's.
fn caller(actor: &Actor) -> String {
    match actor {
        Actor::Operator => "operator".to_owned(),
        Actor::User { user, .. } => format!("user {user}"),
        Actor::Client(client) => format!("client {client}"),
        Actor::Anonymous => "anonymous".to_owned(),
        Actor::System => "system".to_owned(),
    }
}

/// What finds the tenant that the operator's request made. There is no key of the tenant's to digest with yet;
/// and there is nothing to guess: no answer opens with it.
pub(super) fn creation_digest(request: &KeyedRequest) -> [u8; 32] {
    let (operation, key) = (
        request.operation.as_bytes(),
        request.key.expose().as_bytes(),
    );
    *Fingerprint::of(&[LABEL, b"creation", operation, key]).as_bytes()
}

/// Where an answer is kept, and what opens it. Both come from the tenant's data key and the caller's key
/// together: what the store holds says neither which keys there were nor what was answered.
pub(super) struct Place {
    id: String,
    key: Key256,
    fingerprint: [u8; 32],
}

/// What is sealed. The fingerprint is inside: outside, a guess of a password in the request could be checked.
#[derive(Serialize, Deserialize)]
struct Remembered {
    fingerprint: [u8; 32],
    answer: Answered,
}

impl Place {
    /// Of the operator's request to make a tenant, which gets this key to derive from.
    pub(super) fn of_operator(derivation: &Key256, request: &KeyedRequest) -> Self {
        Self::of(derivation, &caller(&Actor::Operator), request)
    }

    fn of(derivation: &Key256, caller: &str, request: &KeyedRequest) -> Self {
        let digest = |what: &[u8]| {
            let (operation, key) = (
                request.operation.as_bytes(),
                request.key.expose().as_bytes(),
            );
            keyed_digest(
                derivation,
                &[LABEL, what, caller.as_bytes(), operation, key],
            )
        };
        Self {
            id: URL_SAFE_NO_PAD.encode(digest(b"row")),
            key: Key256::from_bytes(digest(b"answer")),
            fingerprint: *request.fingerprint.as_bytes(),
        }
    }

    pub(super) fn seal(
        &self,
        app: &App,
        tenant: TenantId,
        answer: &Answered,
        now: Timestamp,
    ) -> Result<KeptAnswer, Error> {
        let remembered = Remembered {
            fingerprint: self.fingerprint,
            answer: answer.clone(),
        };
        let plaintext = serde_json::to_vec(&remembered)
            .map(Zeroizing::new)
            .map_err(|_| CryptoError::Failed("writing an answer"))?;
        let context = self.context(tenant);
        let sealed = app
            .aead
            .seal(&self.key, app.random(), &context, &plaintext)?;
        Ok(KeptAnswer {
            id: self.id.clone(),
            sealed,
            kept_at: now,
            ends_at: now + REMEMBERED_FOR,
        })
    }

    fn open(&self, app: &App, tenant: TenantId, sealed: &[u8]) -> Result<Answered, Error> {
        let opened = app
            .aead
            .open(&self.key, &self.context(tenant), sealed)
            .map(Zeroizing::new)?;
        let remembered: Remembered =
            serde_json::from_slice(&opened).map_err(|_| StoreError::Corrupt {
                table: "idempotency_keys",
                column: "answer_sealed",
                row: self.id.clone(),
            })?;
        if remembered.fingerprint != self.fingerprint {
            return Err(Error::IdempotencyKeyReused);
        }
        Ok(remembered.answer)
    }

    /// Tenant, table, row and column, of fixed lengths but for the last: it opens there alone.
    fn context(&self, tenant: TenantId) -> Vec<u8> {
        let tenant = tenant.as_uuid();
        [
            LABEL,
            tenant.as_bytes(),
            b"idempotency_keys.answer_sealed.",
            self.id.as_bytes(),
        ]
        .concat()
    }
}
