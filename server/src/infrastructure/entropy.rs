//! The system's randomness: the only place that draws it.

use aws_lc_rs::rand;

use crate::application::ports::Entropy;

/// Randomness fit for keys.
#[derive(Clone, Copy, Debug)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // Without randomness nothing this server makes is safe: ending the request (and, when it
        // stays so, every request) is the only honest answer.
        #[expect(clippy::expect_used, reason = "see above")]
        rand::fill(bytes).expect("the system has randomness");
    }
}
