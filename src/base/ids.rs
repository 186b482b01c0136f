//! Request IDs: unique and cheap to create.

use super::random::RandomSource;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::atomic::{AtomicU64, Ordering};

/// Length of a request ID, in characters.
pub const REQUEST_ID_CHARS: usize = 16;

/// Creates request IDs from a part that is unique to the process and a scrambled counter. They are
/// names, not secrets: guessing one reveals nothing, so they are not random.
#[derive(Debug)]
pub struct RequestIds {
    process: [u8; 4],
    count: AtomicU64,
}

impl RequestIds {
    /// Creates a generator with a random process part and a random start of the counter.
    pub fn new(random: &RandomSource) -> Self {
        Self { process: random.bytes(), count: AtomicU64::new(u64::from_be_bytes(random.bytes())) }
    }

    /// Returns the next ID, in base64url.
    pub fn next(&self) -> [u8; REQUEST_ID_CHARS] {
        let mut bytes = [0; 12];
        let scattered = scatter(self.count.fetch_add(1, Ordering::Relaxed)).to_be_bytes();
        for (to, from) in bytes.iter_mut().zip(self.process.into_iter().chain(scattered)) {
            *to = from;
        }
        let mut text = [b'0'; REQUEST_ID_CHARS];
        // Twelve bytes are sixteen characters, so the result always fits.
        let _ = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
        text
    }
}

/// A one-to-one mapping on 64 bits (the finalizer of `SplitMix64`), so that two counts never collide.
fn scatter(count: u64) -> u64 {
    let mut out = count;
    out = (out ^ (out >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    out = (out ^ (out >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    out ^ (out >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_are_the_same_and_all_are_text() {
        let ids = RequestIds::new(&RandomSource::new(|out| out.fill(0xff)));
        let all: HashSet<_> = (0..10_000).map(|_| ids.next()).collect();
        assert_eq!(all.len(), 10_000);
        assert!(
            all.iter().flatten().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'))
        );
    }
}
