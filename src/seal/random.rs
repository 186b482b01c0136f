//! Randomness from AWS-LC.

use crate::base::random::RandomSource;

/// The production source: AWS-LC's generator, seeded by the kernel.
pub fn system() -> RandomSource {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the library")]
    RandomSource::new(|out| {
        if aws_lc_rs::rand::fill(out).is_err() {
            // Without randomness no security guarantee holds, so the process stops at once.
            std::process::abort();
        }
    })
}
