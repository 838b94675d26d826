//! Random steps, compared with the pure decision.

use std::time::{Duration, Instant};

use super::{Fixture, Holder, Token};
use crate::{
    application::ports::Rotation,
    domain::{
        client::ClientId,
        grant::Floor,
        refresh::{Family, Presented, Successor, Verdict, decide, rotated},
        timestamp::Timestamp,
    },
    testing::entropy::SeededEntropy,
};

const WALKS: u64 = 200;
const STEPS: usize = 40;
/// The store's clock goes on while a walk is under way. Ends lie half a second off the seconds that
/// the walk moves its clock by, so a slower walk proves nothing.
const LONGEST_WALK: Duration = Duration::from_millis(400);

/// A few thousand random steps over fresh families, each answered as the model answers.
pub async fn random_steps_do_what_the_model_says(fixture: &dyn Fixture) {
    let mut compared = 0;
    for seed in 0..WALKS {
        compared += Walk::start(fixture, seed).await.run().await;
    }
    // On a machine that stalls all the time, most walks are cut short.
    assert!(compared > 300, "only {compared} steps were compared");
}

struct Walk<'f> {
    holder: Holder<'f>,
    random: SeededEntropy,
    seed: u64,
    /// What the hot store should hold.
    model: Option<Family>,
    /// Every token that was ever handed out.
    minted: Vec<Token>,
    /// Floors that a write-behind could have left.
    floors: Vec<Floor>,
    saved: Option<(Vec<u8>, Family)>,
    started: Instant,
}

impl<'f> Walk<'f> {
    async fn start(fixture: &'f dyn Fixture, seed: u64) -> Self {
        let started = Instant::now();
        let (holder, first) = Holder::new(fixture).await;
        // A durable store holds a record from the beginning.
        let model = fixture.volatile().is_none().then(|| Family {
            client_id: holder.owner.clone(),
            generation: first.generation,
            leaf: first.digest,
            last_rotation: None,
            idle_end: holder.floor.idle_end,
            absolute_end: holder.floor.absolute_end,
            dead: false,
        });
        Self {
            holder,
            random: SeededEntropy::new(seed),
            seed,
            model,
            minted: vec![first],
            floors: Vec::new(),
            saved: None,
            started,
        }
    }

    /// Walks; how many answers were compared.
    async fn run(mut self) -> usize {
        let mut compared = 0;
        for step in 0..STEPS {
            match self.random.below(10) {
                0 => self
                    .holder
                    .advance([1, 7, 29, 31, 70][self.random.below(5)]),
                1..=3 => self.disturb().await,
                _ => match self.present(step).await {
                    Some(()) => compared += 1,
                    None => break,
                },
            }
        }
        compared
    }

    /// Presents some token; `None` when the walk has become too slow to tell.
    async fn present(&mut self, step: usize) -> Option<()> {
        let token = self.any_token();
        let successor = token.next();
        self.holder.floor_is_fresh = self.random.below(2) == 0;
        let mut request = self.holder.request(token, successor);
        if self.random.below(20) == 0 {
            request.presented.client_id = ClientId::parse("someone-else").ok()?;
        }
        let expected = decide(
            self.model.as_ref(),
            &request.floor,
            request.floor_is_fresh,
            &request.owner,
            &request.presented,
            request.lifetimes.retry_window,
            request.now,
        );
        let answer = self.holder.send(&request).await;
        if self.started.elapsed() > LONGEST_WALK {
            return None;
        }
        let described = format!(
            "seed {}, step {step}: {request:?} on {:?}",
            self.seed, self.model
        );
        match &expected {
            Verdict::Rotate => {
                self.minted.push(successor);
                self.rotated(&request.presented, &request.successor, request.now);
            }
            Verdict::Reuse => self.ended(&request.presented),
            Verdict::Repeat { .. } | Verdict::Refuse(_) | Verdict::Reload => {}
        }
        assert_eq!(answer, rotation(expected), "{described}");
        Some(())
    }

    /// Mostly one of the last; now and then any, or one that nobody minted.
    fn any_token(&self) -> Token {
        let count = self.minted.len();
        let last = self.minted[count - 1];
        match self.random.below(40) {
            0 => Token::random(last.generation),
            1 | 2 => self.minted[self.random.below(count)],
            3..=10 => self.minted[count - 1 - self.random.below(count.min(2))],
            _ => last,
        }
    }

    fn rotated(&mut self, presented: &Presented, successor: &Successor, now: Timestamp) {
        let idle = self.holder.lifetimes.idle;
        let after = rotated(
            presented,
            successor,
            idle,
            self.holder.floor.absolute_end,
            now,
        );
        self.floors.push(Floor {
            generation: after.generation,
            leaf: None,
            idle_end: after.idle_end,
            absolute_end: after.absolute_end,
        });
        self.model = Some(after);
    }

    fn ended(&mut self, presented: &Presented) {
        let floor = &self.holder.floor;
        self.model
            .get_or_insert_with(|| Family {
                client_id: presented.client_id.clone(),
                generation: presented.generation,
                leaf: presented.digest,
                last_rotation: None,
                idle_end: floor.idle_end,
                absolute_end: floor.absolute_end,
                dead: true,
            })
            .dead = true;
    }

    /// Something happens to a volatile store or to the floor.
    async fn disturb(&mut self) {
        let Some(hot) = self.holder.fixture.volatile() else {
            return;
        };
        let family = self.holder.family;
        match (self.random.below(4), &self.model, &self.saved) {
            (0, _, _) => {
                hot.lose(family).await;
                self.model = None;
            }
            (1, Some(model), _) => self.saved = Some((hot.save(family).await, model.clone())),
            (2, _, Some((bytes, model))) => {
                hot.restore(family, bytes).await;
                self.model = Some(model.clone());
            }
            (_, _, _) => {
                if let Some(floor) = self.floors.last()
                    && floor.generation > self.holder.floor.generation
                {
                    self.holder.floor = floor.clone();
                }
            }
        }
    }
}

fn rotation(verdict: Verdict) -> Rotation {
    match verdict {
        Verdict::Rotate => Rotation::Rotated,
        Verdict::Repeat { sealed_successor } => Rotation::Repeated { sealed_successor },
        Verdict::Reuse => Rotation::Reused,
        Verdict::Refuse(refusal) => Rotation::Refused(refusal),
        Verdict::Reload => Rotation::Reload,
    }
}
