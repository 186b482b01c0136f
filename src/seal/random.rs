//! Randomness from AWS-LC.

use crate::base::random::RandomSource;

/// The source for production: AWS-LC's generator, seeded by the kernel.
pub fn system() -> RandomSource {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the library")]
    RandomSource::new(|out| {
        if aws_lc_rs::rand::fill(out).is_err() {
            // Without randomness nothing we promise holds: not one more answer.
            std::process::abort();
        }
    })
}
