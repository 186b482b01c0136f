//! Randomness from AWS-LC.

use crate::base::random::Random;

/// The source for production: AWS-LC's generator, seeded by the kernel.
pub fn system() -> Random {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the library")]
    Random::new(|out| {
        if aws_lc_rs::rand::fill(out).is_err() {
            // Without randomness nothing we promise holds: not one more answer.
            std::process::abort();
        }
    })
}
