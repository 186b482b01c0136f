//! Chance that can be repeated.

/// A sequence of numbers that its seed determines (splitmix64).
pub struct Chance(u64);

impl Chance {
    /// Begins with the number in `STORY_SEED`, otherwise with that one; prints which.
    pub fn begin(usual: u64) -> Self {
        let seed = std::env::var("STORY_SEED").map_or(usual, |it| it.parse().unwrap());
        println!("STORY_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Begins another sequence.
    pub fn another(&mut self) -> Self {
        Self(self.next())
    }

    /// Returns a number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    /// Returns one of them.
    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Brings them into another order.
    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            all.swap(last, self.below(last + 1));
        }
    }
}
