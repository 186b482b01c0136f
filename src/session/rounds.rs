//! How often one browser came back from a sign-in lately, only to set out again: a loop is told, not fed.

/// Rounds in a minute that are a loop.
pub const MOST: u32 = 3;

/// Sign-ins that may set out in a minute while none comes back: a browser that opens its tabs of yesterday sends one for each.
pub const TABS: u32 = 20;

/// Seconds in which rounds are counted.
pub const WINDOW: u64 = 60;

/// A count and when it began; travels sealed in the state and in a cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rounds {
    /// How many came back from Entra.
    pub returned: u32,
    /// How many set out since one came back.
    pub begun: u32,
    /// When the first began, seconds since 1970.
    pub since: u64,
    /// How the last one set out.
    pub from: From,
}

/// Where a sign-in set out from, as far as it keeps cookies from coming back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct From {
    /// By http, although the public address is https.
    pub http: bool,
    /// At another host than that of the public address.
    pub elsewhere: bool,
    /// What it is for.
    pub aim: Aim,
}

/// What a sign-in is for: where it leads on if it comes back and its cookie does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aim {
    /// A session of this browser.
    #[default]
    Session,
    /// A trial of the set-up page.
    Trial,
    /// An app on the device that asked.
    App,
}

impl Rounds {
    /// One more sets out; the count begins anew after a minute.
    #[must_use]
    pub fn sets_out(self, now: u64, from: From) -> Self {
        let rounds = self.lately(now);
        Self { begun: rounds.begun.saturating_add(1), from, ..rounds }
    }

    /// One comes back.
    #[must_use]
    pub fn comes_back(self, now: u64) -> Self {
        let rounds = self.lately(now);
        Self { returned: rounds.returned.saturating_add(1), begun: 0, ..rounds }
    }

    /// The one of both that counted more.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if (other.returned, other.begun) > (self.returned, self.begun) { other } else { self }
    }

    /// Whether it goes round and round.
    pub fn is_loop(self) -> bool {
        self.returned >= MOST || self.begun > TABS
    }

    fn lately(self, now: u64) -> Self {
        if now >= self.since.saturating_add(WINDOW) { Self { since: now, ..Self::default() } } else { self }
    }

    /// As bytes to seal.
    pub fn write(self) -> Vec<u8> {
        let aim = match self.from.aim {
            Aim::Session => 0,
            Aim::Trial => 4,
            Aim::App => 8,
        };
        let flags = u8::from(self.from.http) | u8::from(self.from.elsewhere) << 1 | aim;
        [&self.returned.to_be_bytes()[..], &self.begun.to_be_bytes(), &self.since.to_be_bytes(), &[flags]].concat()
    }

    /// Reads what was sealed.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (returned, rest) = bytes.split_first_chunk()?;
        let (begun, rest) = rest.split_first_chunk()?;
        let (since, flags) = rest.split_first_chunk()?;
        let [flags] = flags else { return None };
        let aim = match flags >> 2 {
            0 => Aim::Session,
            1 => Aim::Trial,
            2 => Aim::App,
            _ => return None,
        };
        let from = From { http: flags & 1 != 0, elsewhere: flags & 2 != 0, aim };
        Some(Self { returned: u32::from_be_bytes(*returned), begun: u32::from_be_bytes(*begun), since: u64::from_be_bytes(*since), from })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_that_come_back_in_a_minute_are_a_loop() {
        let from = From { http: true, elsewhere: false, aim: Aim::App };
        let mut rounds = Rounds::default();
        for at in 0..3 {
            rounds = rounds.sets_out(1000 + at, from);
            assert!(!rounds.is_loop());
            rounds = rounds.comes_back(1000 + at);
        }
        assert!(rounds.is_loop() && rounds.sets_out(1010, from).is_loop());
        assert!(!rounds.sets_out(1060, from).is_loop());
        assert_eq!(Rounds::read(&rounds.write()), Some(rounds));
        assert_eq!(Rounds::read(b"x"), None);
        assert_eq!(Rounds::read(&[0; 18]), None);
    }

    #[test]
    fn tabs_that_open_at_once_are_none_until_there_are_too_many() {
        let mut rounds = Rounds::default();
        for _ in 0..TABS {
            rounds = rounds.sets_out(1000, From::default());
        }
        assert!(!rounds.is_loop());
        assert!(rounds.sets_out(1000, From::default()).is_loop());
        assert!(!rounds.comes_back(1000).is_loop());
    }

    #[test]
    fn of_two_counts_the_higher_is_taken() {
        let one = Rounds::default().sets_out(1000, From::default());
        let two = one.comes_back(1000);
        assert_eq!((one.or(two), two.or(one), one.or(one)), (two, two, one));
    }
}
