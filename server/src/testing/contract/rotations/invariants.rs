//! What holds for every store, as long as it loses nothing.

use std::{sync::Arc, time::Duration};

use super::{Fixture, Holder, LIFETIMES, Token, repeated};
use crate::{
    application::ports::{Clock, Rotation},
    domain::{
        client::ClientId,
        refresh::{Lifetimes, Refusal},
    },
};

const EXPIRED: Rotation = Rotation::Refused(Refusal::Expired);
const DEAD: Rotation = Rotation::Refused(Refusal::Dead);

/// Fifty clients present one token at once, through two instances.
#[expect(clippy::expect_used, reason = "the store of a test answers")]
pub async fn one_of_fifty_wins_and_the_others_get_its_successor(fixture: &dyn Fixture) {
    let (holder, first) = Holder::new(fixture).await;
    let instances = [fixture.rotations(), fixture.second_instance()];
    let mut tasks = Vec::new();
    for n in 0..50 {
        let successor = first.next();
        let request = holder.request(first, successor);
        let (rotations, tenant) = (Arc::clone(&instances[n % 2]), fixture.tenant().clone());
        tasks.push(tokio::spawn(async move {
            let rotation = rotations.rotate(&tenant, &request).await;
            (successor, rotation.expect("the store answers"))
        }));
    }
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.expect("no task panics"));
    }
    let winners: Vec<_> = answers
        .iter()
        .filter(|(_, rotation)| *rotation == Rotation::Rotated)
        .map(|(successor, _)| *successor)
        .collect();
    let [winner] = winners[..] else {
        panic!("{} winners", winners.len());
    };
    let losers = answers
        .iter()
        .filter(|(_, rotation)| *rotation == repeated(winner))
        .count();
    assert_eq!(losers, 49, "{answers:?}");
    holder.rotate(winner).await;
}

pub async fn a_retry_gets_the_same_successor(fixture: &dyn Fixture) {
    let (holder, first) = Holder::new(fixture).await;
    let second = holder.rotate(first).await;
    for _ in 0..3 {
        assert_eq!(holder.try_out(first).await, repeated(second));
    }
    let third = holder.rotate(second).await;
    assert_eq!(holder.try_out(second).await, repeated(third));
}

/// The very same request arrives twice, because the answer to the first was lost.
pub async fn a_lost_reply_is_made_up_for(fixture: &dyn Fixture) {
    let (holder, first) = Holder::new(fixture).await;
    let second = first.next();
    let request = holder.request(first, second);
    assert_eq!(holder.send(&request).await, Rotation::Rotated);
    assert_eq!(holder.send(&request).await, repeated(second));
    holder.rotate(second).await;
}

pub async fn the_parent_after_the_window_is_reuse(fixture: &dyn Fixture) {
    let (holder, first) = Holder::new(fixture).await;
    let second = holder.rotate(first).await;
    holder.advance(30);
    assert_eq!(holder.try_out(first).await, repeated(second));
    holder.advance(1);
    assert_eq!(holder.try_out(first).await, Rotation::Reused);
    assert_eq!(holder.try_out(second).await, DEAD);
}

pub async fn the_window_does_not_slide(fixture: &dyn Fixture) {
    let (holder, first) = Holder::new(fixture).await;
    let second = holder.rotate(first).await;
    for _ in 0..3 {
        holder.advance(10);
        assert_eq!(holder.try_out(first).await, repeated(second));
    }
    holder.advance(10);
    assert_eq!(holder.try_out(first).await, Rotation::Reused);
}

pub async fn without_a_window_the_parent_is_reuse(fixture: &dyn Fixture) {
    let lifetimes = Lifetimes {
        retry_window: Duration::ZERO,
        ..LIFETIMES
    };
    let (holder, first) = Holder::with_lifetimes(fixture, lifetimes).await;
    holder.rotate(first).await;
    assert_eq!(holder.try_out(first).await, Rotation::Reused);
}

pub async fn the_grandparent_ends_the_family(fixture: &dyn Fixture) {
    let (holder, first) = Holder::new(fixture).await;
    let second = holder.rotate(first).await;
    let third = holder.rotate(second).await;
    assert_eq!(holder.try_out(first).await, Rotation::Reused);
    assert_eq!(holder.try_out(third).await, DEAD);
}

pub async fn another_secret_of_the_live_generation_ends_the_family(fixture: &dyn Fixture) {
    let (holder, first) = Holder::new(fixture).await;
    let second = holder.rotate(first).await;
    let forged = Token::random(second.generation);
    assert_eq!(holder.try_out(forged).await, Rotation::Reused);
    assert_eq!(holder.try_out(second).await, DEAD);
}

pub async fn another_secret_of_the_parents_generation_ends_the_family(fixture: &dyn Fixture) {
    let (holder, first) = Holder::new(fixture).await;
    let second = holder.rotate(first).await;
    let forged = Token::random(first.generation);
    assert_eq!(holder.try_out(forged).await, Rotation::Reused);
    assert_eq!(holder.try_out(second).await, DEAD);
}

pub async fn dead_stays_dead(fixture: &dyn Fixture) {
    let (holder, first) = Holder::new(fixture).await;
    let second = holder.rotate(first).await;
    let third = holder.rotate(second).await;
    assert_eq!(holder.try_out(first).await, Rotation::Reused);
    for token in [first, second, third, third.next()] {
        assert_eq!(holder.try_out(token).await, DEAD);
    }
    holder.advance(60);
    assert_eq!(holder.try_out(third).await, DEAD);
}

pub async fn the_idle_end_holds_and_use_moves_it(fixture: &dyn Fixture) {
    let (holder, first) = Holder::new(fixture).await;
    holder.advance(100);
    let second = holder.rotate(first).await;
    holder.advance(100);
    let third = holder.rotate(second).await;
    holder.advance(101);
    assert_eq!(holder.try_out(third).await, EXPIRED);
}

pub async fn the_absolute_end_holds_and_idle_never_passes_it(fixture: &dyn Fixture) {
    let (holder, mut token) = Holder::new(fixture).await;
    for _ in 0..5 {
        token = holder.rotate(token).await;
        holder.advance(80);
    }
    // 400 s have passed; the idle end would be at 420.5 s.
    let last = holder.rotate(token).await;
    holder.advance(1);
    assert_eq!(holder.try_out(last).await, EXPIRED);
}

/// Old tokens of an expired family are no attack: nothing is left to steal.
pub async fn an_expired_token_ends_nothing(fixture: &dyn Fixture) {
    let (holder, first) = Holder::new(fixture).await;
    let second = holder.rotate(first).await;
    holder.rotate(second).await;
    holder.advance(101);
    for _ in 0..2 {
        assert_eq!(holder.try_out(first).await, EXPIRED);
    }
}

#[expect(clippy::expect_used, reason = "the text is fixed and well-formed")]
pub async fn the_wrong_client_changes_nothing(fixture: &dyn Fixture) {
    let (holder, first) = Holder::new(fixture).await;
    let second = holder.rotate(first).await;
    for token in [first, second, Token::random(second.generation)] {
        let mut request = holder.request(token, token.next());
        request.presented.client_id = ClientId::parse("someone-else").expect("a client id");
        assert_eq!(
            holder.send(&request).await,
            Rotation::Refused(Refusal::WrongClient)
        );
    }
    assert_eq!(holder.try_out(first).await, repeated(second));
    holder.rotate(second).await;
}

pub async fn families_and_tenants_do_not_touch(fixture: &dyn Fixture) {
    let (victim, first) = Holder::new(fixture).await;
    let second = victim.rotate(first).await;
    let third = victim.rotate(second).await;
    let (other, other_first) = Holder::new(fixture).await;
    let other_second = other.rotate(other_first).await;

    assert_eq!(victim.try_out(first).await, Rotation::Reused);
    assert_eq!(victim.try_out(third).await, DEAD);
    other.rotate(other_second).await;
}

#[expect(clippy::expect_used, reason = "the store of a test answers")]
pub async fn a_forgotten_family_is_forgotten_alone(fixture: &dyn Fixture) {
    let (forgotten, first) = Holder::new(fixture).await;
    forgotten.rotate(first).await;
    let (kept, kept_first) = Holder::new(fixture).await;
    let kept_second = kept.rotate(kept_first).await;
    for families in [&[][..], &[forgotten.family], &[forgotten.family]] {
        fixture
            .rotations()
            .forget(fixture.tenant(), families)
            .await
            .expect("the store answers");
    }
    assert!(kept.floor.absolute_end > fixture.clock().now());
    assert_eq!(kept.try_out(kept_first).await, repeated(kept_second));
}
