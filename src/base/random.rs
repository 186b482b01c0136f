//! Randomness, passed in as a parameter.

use std::fmt;
use std::sync::Arc;

type FillFn = dyn Fn(&mut [u8]) + Send + Sync;

/// A source of unpredictable bytes; `seal::random` has the production source.
#[derive(Clone)]
pub struct RandomSource(Arc<FillFn>);

impl RandomSource {
    /// Creates a source that fills buffers with `fill`.
    pub fn new(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(fill))
    }

    /// Returns `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        (self.0)(&mut out);
        out
    }

    /// Returns `N` random bytes in base64url without padding.
    pub fn text<const N: usize>(&self) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(self.bytes::<N>())
    }
}

impl fmt::Debug for RandomSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Random")
    }
}
