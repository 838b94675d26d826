//! How long to wait for what is missing: longer each time, up to a bound, and never in step with
//! other instances.

use std::time::Duration;

use crate::application::ports::Entropy;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// A row of waits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// How long to wait before the next attempt.
    pub fn next(&mut self, entropy: &dyn Entropy) -> Duration {
        let mut drawn = [0; 4];
        entropy.fill(&mut drawn);
        let wait = wait(self.attempts, u32::from_le_bytes(drawn));
        self.attempts = self.attempts.saturating_add(1);
        wait
    }
}

/// Between half of the bound and the bound, which doubles with each attempt.
fn wait(attempts: u32, drawn: u32) -> Duration {
    let bound = FIRST
        .saturating_mul(2_u32.saturating_pow(attempts))
        .min(LONGEST);
    bound / 2 + (bound / 2).mul_f64(f64::from(drawn) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_bound_and_no_further() {
        for (attempts, least, most) in [
            (0, 50, 100),
            (1, 100, 200),
            (6, 2_500, 5_000),
            (u32::MAX, 2_500, 5_000),
        ] {
            assert_eq!(
                wait(attempts, 0),
                Duration::from_millis(least),
                "{attempts}"
            );
            assert_eq!(
                wait(attempts, u32::MAX),
                Duration::from_millis(most),
                "{attempts}"
            );
        }
    }
}
