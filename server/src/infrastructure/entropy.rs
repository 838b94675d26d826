//! The randomness of the machine.

use aws_lc_rs::rand;

use crate::application::ports::Entropy;

/// The generator of the crypto library, seeded by the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(
        clippy::expect_used,
        reason = "without randomness every key would be guessable; the library aborts before it \
                  returns an error"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        rand::fill(bytes).expect("the system gives randomness");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        let (mut one, mut other) = ([0; 32], [0; 32]);
        SystemEntropy.fill(&mut one);
        SystemEntropy.fill(&mut other);
        assert_ne!(one, other);
        assert_ne!(one, [0; 32]);
    }
}
