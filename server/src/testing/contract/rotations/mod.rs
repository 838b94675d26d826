//! The contract of [`Rotations`]: [`decide`](crate::domain::refresh::decide), carried out
//! atomically.
//!
//! An adapter implements [`Fixture`] and names its maker in
//! [`rotations_contract!`](crate::rotations_contract), which makes a test of each item here.

mod invariants;
mod loss;
mod model;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

pub use self::{invariants::*, loss::*, model::*};
use super::super::{clock::TestClock, entropy::draw};
use crate::{
    application::ports::{Clock, Entropy, Rotation, RotationRequest, Rotations},
    domain::{
        client::ClientId,
        grant::Floor,
        id::GrantId,
        refresh::{Generation, Lifetimes, Presented, SecretDigest, Successor},
        tenant::TenantScope,
    },
    infrastructure::entropy::SystemEntropy,
};

/// A store under test.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// A tenant of this fixture's own.
    fn tenant(&self) -> &TenantScope;
    /// The clock that the instances live by.
    fn clock(&self) -> &TestClock;
    fn rotations(&self) -> Arc<dyn Rotations>;
    /// Another instance on the same store.
    fn second_instance(&self) -> Arc<dyn Rotations>;
    /// Makes a grant of `owner`'s, with all that its row refers to.
    async fn add_family(&self, family: GrantId, owner: &ClientId, floor: &Floor);
    /// The hot store, if it may lose what it was told; `None` when it is as durable as the floors.
    fn volatile(&self) -> Option<&dyn Volatile> {
        None
    }
}

/// A hot store that may lose writes.
#[async_trait]
pub trait Volatile: Send + Sync {
    /// Loses a family's record.
    async fn lose(&self, family: GrantId);
    /// Copies a family's record.
    async fn save(&self, family: GrantId) -> Vec<u8>;
    /// Brings a copy back, as a replica with old data does that takes over.
    async fn restore(&self, family: GrantId, saved: &[u8]);
}

/// Half seconds keep ends apart from the whole seconds that clocks are moved by.
const LIFETIMES: Lifetimes = Lifetimes {
    idle: Duration::from_millis(100_500),
    retry_window: Duration::from_millis(30_500),
};
const ABSOLUTE: Duration = Duration::from_millis(400_500);

/// A family and whoever holds its tokens.
struct Holder<'f> {
    fixture: &'f dyn Fixture,
    family: GrantId,
    owner: ClientId,
    floor: Floor,
    floor_is_fresh: bool,
    lifetimes: Lifetimes,
}

/// A refresh token as stores see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token {
    generation: Generation,
    digest: SecretDigest,
}

impl Token {
    fn random(generation: Generation) -> Self {
        Self {
            generation,
            digest: SecretDigest::from_bytes(draw(&SystemEntropy as &dyn Entropy)),
        }
    }

    /// A token that could follow this one.
    fn next(self) -> Self {
        Self::random(self.generation.next())
    }

    /// Stands for the token itself, sealed: what a retry gets.
    fn sealed(self) -> Vec<u8> {
        [b"sealed ".as_slice(), self.digest.as_bytes()].concat()
    }
}

impl<'f> Holder<'f> {
    async fn new(fixture: &'f dyn Fixture) -> (Self, Token) {
        Self::with_lifetimes(fixture, LIFETIMES).await
    }

    async fn with_lifetimes(fixture: &'f dyn Fixture, lifetimes: Lifetimes) -> (Self, Token) {
        let first = Token::random(Generation::FIRST);
        let now = fixture.clock().now();
        let family = GrantId::new(now, draw(&SystemEntropy as &dyn Entropy));
        let owner = ClientId::first_party();
        let absolute_end = now + ABSOLUTE;
        let floor = Floor {
            generation: first.generation,
            leaf: Some(first.digest),
            idle_end: (now + lifetimes.idle).min(absolute_end),
            absolute_end,
        };
        fixture.add_family(family, &owner, &floor).await;
        let holder = Self {
            fixture,
            family,
            owner,
            floor,
            floor_is_fresh: true,
            lifetimes,
        };
        (holder, first)
    }

    fn request(&self, token: Token, successor: Token) -> RotationRequest {
        RotationRequest {
            family: self.family,
            owner: self.owner.clone(),
            floor: self.floor.clone(),
            floor_is_fresh: self.floor_is_fresh,
            presented: Presented {
                client_id: self.owner.clone(),
                generation: token.generation,
                digest: token.digest,
            },
            successor: Successor {
                digest: successor.digest,
                sealed: successor.sealed(),
            },
            lifetimes: self.lifetimes,
            now: self.fixture.clock().now(),
            clock_offset: self.fixture.clock().offset_micros(),
        }
    }

    #[expect(clippy::expect_used, reason = "the store of a test answers")]
    async fn send(&self, request: &RotationRequest) -> Rotation {
        self.fixture
            .rotations()
            .rotate(self.fixture.tenant(), request)
            .await
            .expect("the store answers")
    }

    async fn present(&self, token: Token, successor: Token) -> Rotation {
        self.send(&self.request(token, successor)).await
    }

    /// Presents a token with some successor that nobody will use.
    async fn try_out(&self, token: Token) -> Rotation {
        self.present(token, token.next()).await
    }

    /// Rotates the live token.
    async fn rotate(&self, token: Token) -> Token {
        let successor = token.next();
        assert_eq!(self.present(token, successor).await, Rotation::Rotated);
        successor
    }

    fn advance(&self, seconds: u64) {
        self.fixture.clock().advance(Duration::from_secs(seconds));
    }
}

fn repeated(successor: Token) -> Rotation {
    Rotation::Repeated {
        sealed_successor: successor.sealed(),
    }
}

/// Makes a test of every item of the contract. `$fixture` is an async function without arguments
/// that gives a [`Fixture`](crate::testing::contract::rotations::Fixture).
#[macro_export]
macro_rules! rotations_contract {
    ($fixture:path) => {
        $crate::rotations_contract! { $fixture:
            one_of_fifty_wins_and_the_others_get_its_successor
            a_retry_gets_the_same_successor
            a_lost_reply_is_made_up_for
            the_parent_after_the_window_is_reuse
            the_window_does_not_slide
            without_a_window_the_parent_is_reuse
            the_grandparent_ends_the_family
            another_secret_of_the_live_generation_ends_the_family
            another_secret_of_the_parents_generation_ends_the_family
            dead_stays_dead
            the_idle_end_holds_and_use_moves_it
            the_absolute_end_holds_and_idle_never_passes_it
            an_expired_token_ends_nothing
            the_wrong_client_changes_nothing
            families_and_tenants_do_not_touch
            a_forgotten_family_is_forgotten_alone
            a_lost_record_logs_nobody_out
            after_a_loss_a_token_below_the_floor_is_reuse
            after_a_loss_another_secret_at_the_floor_is_reuse
            a_stale_floor_is_asked_for_anew
            a_record_behind_the_floor_tells_nothing
            a_token_ahead_of_the_record_is_honoured
            a_record_ahead_of_the_floor_is_believed
            reuse_without_a_record_is_remembered
            random_steps_do_what_the_model_says
        }
    };
    ($fixture:path: $($item:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $item() {
                let fixture = $fixture().await;
                $crate::testing::contract::rotations::$item(&fixture).await;
            }
        )*
    };
}
