//! What holds when a volatile store loses writes. Stores that are as durable as the floors pass
//! without a step.

use super::{Fixture, Holder, Token, repeated};
use crate::{
    application::ports::{Clock, Rotation},
    domain::{
        grant::Floor,
        refresh::{Generation, Refusal},
    },
};

const DEAD: Rotation = Rotation::Refused(Refusal::Dead);

/// The floor that the write-behind of `token`'s rotation leaves.
fn floor_at(holder: &Holder<'_>, token: Token) -> Floor {
    Floor {
        generation: token.generation,
        leaf: None,
        idle_end: holder.fixture.clock().now() + holder.lifetimes.idle,
        absolute_end: holder.floor.absolute_end,
    }
}

/// Everything is lost: whoever holds a token at or above the floor goes on, and the retry window
/// is there again.
pub async fn a_lost_record_logs_nobody_out(fixture: &dyn Fixture) {
    let Some(hot) = fixture.volatile() else {
        return;
    };
    let (holder, first) = Holder::new(fixture).await;
    hot.lose(holder.family).await;
    let second = holder.rotate(first).await;
    hot.lose(holder.family).await;
    let third = holder.rotate(second).await;
    assert_eq!(holder.try_out(second).await, repeated(third));
    holder.rotate(third).await;
}

pub async fn after_a_loss_a_token_below_the_floor_is_reuse(fixture: &dyn Fixture) {
    let Some(hot) = fixture.volatile() else {
        return;
    };
    let (mut holder, first) = Holder::new(fixture).await;
    let second = holder.rotate(first).await;
    holder.floor = floor_at(&holder, second);
    hot.lose(holder.family).await;
    assert_eq!(holder.try_out(first).await, Rotation::Reused);
    assert_eq!(holder.try_out(second).await, DEAD);
}

pub async fn after_a_loss_another_secret_at_the_floor_is_reuse(fixture: &dyn Fixture) {
    let Some(hot) = fixture.volatile() else {
        return;
    };
    let (holder, first) = Holder::new(fixture).await;
    hot.lose(holder.family).await;
    let forged = Token::random(Generation::FIRST);
    assert_eq!(holder.try_out(forged).await, Rotation::Reused);
    assert_eq!(holder.try_out(first).await, DEAD);
}

pub async fn a_stale_floor_is_asked_for_anew(fixture: &dyn Fixture) {
    let Some(hot) = fixture.volatile() else {
        return;
    };
    let (mut holder, first) = Holder::new(fixture).await;
    holder.floor_is_fresh = false;
    assert_eq!(holder.try_out(first).await, Rotation::Reload);
    holder.floor_is_fresh = true;
    let second = holder.rotate(first).await;
    holder.floor_is_fresh = false;
    let third = holder.rotate(second).await;
    hot.lose(holder.family).await;
    for token in [first, second, third] {
        assert_eq!(holder.try_out(token).await, Rotation::Reload);
    }
    holder.floor_is_fresh = true;
    holder.rotate(third).await;
}

/// An old file of Redis comes back. Its leaf was rotated long ago, and the floor says so.
pub async fn a_record_behind_the_floor_tells_nothing(fixture: &dyn Fixture) {
    let Some(hot) = fixture.volatile() else {
        return;
    };
    let (mut holder, first) = Holder::new(fixture).await;
    let second = holder.rotate(first).await;
    let old = hot.save(holder.family).await;
    let third = holder.rotate(second).await;
    holder.floor = floor_at(&holder, third);

    hot.restore(holder.family, &old).await;
    let fourth = holder.rotate(third).await;
    assert_eq!(holder.try_out(third).await, repeated(fourth));

    hot.restore(holder.family, &old).await;
    assert_eq!(holder.try_out(second).await, Rotation::Reused);
    assert_eq!(holder.try_out(fourth).await, DEAD);
}

/// The store lost the last rotation and the floor has not been raised: the client that was given
/// the token must not suffer.
pub async fn a_token_ahead_of_the_record_is_honoured(fixture: &dyn Fixture) {
    let Some(hot) = fixture.volatile() else {
        return;
    };
    let (mut holder, first) = Holder::new(fixture).await;
    let second = holder.rotate(first).await;
    let old = hot.save(holder.family).await;
    let third = holder.rotate(second).await;
    hot.restore(holder.family, &old).await;

    holder.floor_is_fresh = false;
    assert_eq!(holder.try_out(third).await, Rotation::Reload);
    holder.floor_is_fresh = true;
    let fourth = holder.rotate(third).await;
    assert_eq!(holder.try_out(second).await, Rotation::Reused);
    assert_eq!(holder.try_out(fourth).await, DEAD);
}

/// The floor lags behind by design; a cached one lags more.
pub async fn a_record_ahead_of_the_floor_is_believed(fixture: &dyn Fixture) {
    if fixture.volatile().is_none() {
        return;
    }
    let (mut holder, mut token) = Holder::new(fixture).await;
    token = holder.rotate(token).await;
    holder.floor_is_fresh = false;
    // Beyond the floor's own idle end.
    for _ in 0..3 {
        holder.advance(90);
        token = holder.rotate(token).await;
    }
}

pub async fn reuse_without_a_record_is_remembered(fixture: &dyn Fixture) {
    let Some(hot) = fixture.volatile() else {
        return;
    };
    let (mut holder, first) = Holder::new(fixture).await;
    let second = holder.rotate(first).await;
    let third = holder.rotate(second).await;
    holder.floor = floor_at(&holder, third);
    hot.lose(holder.family).await;
    assert_eq!(holder.try_out(first).await, Rotation::Reused);
    holder.floor_is_fresh = false;
    for token in [first, second, third, third.next()] {
        assert_eq!(holder.try_out(token).await, DEAD);
    }
}
