//! How often one browser set out to sign in lately: a loop is told, not fed.

/// Rounds in a minute that are still no loop.
pub const MOST: u32 = 3;

/// Seconds in which rounds are counted.
pub const WINDOW: u64 = 60;

/// A count and when it began; travels sealed in the state and in a cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rounds {
    /// How many.
    pub count: u32,
    /// When the first began, seconds since 1970.
    pub since: u64,
}

impl Rounds {
    /// One round more; the count begins anew after a quiet minute.
    #[must_use]
    pub fn next(self, now: u64) -> Self {
        if now >= self.since.saturating_add(WINDOW) { Self { count: 1, since: now } } else { Self { count: self.count.saturating_add(1), since: self.since } }
    }

    /// Whether it goes round and round.
    pub fn is_loop(self) -> bool {
        self.count > MOST
    }

    /// As bytes to seal.
    pub fn write(self) -> [u8; 12] {
        let mut out = [0; 12];
        let (count, since) = out.split_at_mut(4);
        count.copy_from_slice(&self.count.to_be_bytes());
        since.copy_from_slice(&self.since.to_be_bytes());
        out
    }

    /// Reads what was sealed.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (count, since) = bytes.split_at_checked(4)?;
        Some(Self { count: u32::from_be_bytes(count.try_into().ok()?), since: u64::from_be_bytes(since.try_into().ok()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fourth_round_in_a_minute_is_a_loop() {
        let mut rounds = Rounds::default();
        for at in 0..3 {
            rounds = rounds.next(1000 + at);
            assert!(!rounds.is_loop());
        }
        assert!(rounds.next(1010).is_loop());
        assert!(!rounds.next(1060).is_loop());
        assert_eq!(Rounds::read(&rounds.write()), Some(rounds));
        assert_eq!(Rounds::read(b"x"), None);
    }
}
