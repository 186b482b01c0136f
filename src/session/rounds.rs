//! How often one browser came back from a sign-in lately, only to set out again: a loop is told, not fed.

/// Rounds in a minute that are a loop.
pub const MAX_ROUNDS: u32 = 3;

/// Sign-ins that may set out in a minute while none comes back: a browser that opens its tabs of yesterday sends one for each.
pub const MAX_STARTED_SIGN_INS: u32 = 20;

/// Seconds in which rounds are counted.
pub const WINDOW_SECONDS: u64 = 60;

/// A count and when it began; travels sealed in the state and in a cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignInRounds {
    /// How many came back from Entra.
    pub returned: u32,
    /// How many set out since one came back.
    pub started_at: u32,
    /// When the first began, seconds since 1970.
    pub since: u64,
    /// How the last one set out.
    pub origin: SignInOrigin,
}

/// Where a sign-in set out from, as far as it keeps cookies from coming back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignInOrigin {
    /// By http, although the public address is https.
    pub http: bool,
    /// At another host than that of the public address.
    pub elsewhere: bool,
    /// What it is for.
    pub aim: SignInAim,
}

/// What a sign-in is for, as far as `state` says it: where it leads on if it comes back and its cookie does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignInAim {
    /// A session of this browser.
    #[default]
    Session,
    /// A trial of the set-up page.
    Trial,
    /// An app on the device that asked.
    App,
}

impl SignInRounds {
    /// One more sets out; the count begins anew after a minute.
    #[must_use]
    pub fn sets_out(self, now: u64, from: SignInOrigin) -> Self {
        let rounds = self.within_window(now);
        Self { started_at: rounds.started_at.saturating_add(1), origin: from, ..rounds }
    }

    /// One comes back.
    #[must_use]
    pub fn count_return(self, now: u64) -> Self {
        let rounds = self.within_window(now);
        Self { returned: rounds.returned.saturating_add(1), started_at: 0, ..rounds }
    }

    /// The one of both that counted more.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if (other.returned, other.started_at) > (self.returned, self.started_at) { other } else { self }
    }

    /// Whether it goes round and round.
    pub fn is_loop(self) -> bool {
        self.returned >= MAX_ROUNDS || self.started_at > MAX_STARTED_SIGN_INS
    }

    fn within_window(self, now: u64) -> Self {
        if now >= self.since.saturating_add(WINDOW_SECONDS) { Self { since: now, ..Self::default() } } else { self }
    }

    /// As bytes to seal.
    pub fn write(self) -> Vec<u8> {
        let aim = match self.origin.aim {
            SignInAim::Session => 0,
            SignInAim::Trial => 4,
            SignInAim::App => 8,
        };
        let flags = u8::from(self.origin.http) | u8::from(self.origin.elsewhere) << 1 | aim;
        [&self.returned.to_be_bytes()[..], &self.started_at.to_be_bytes(), &self.since.to_be_bytes(), &[flags]].concat()
    }

    /// Reads what was sealed.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (returned, rest) = bytes.split_first_chunk()?;
        let (begun, rest) = rest.split_first_chunk()?;
        let (since, flags) = rest.split_first_chunk()?;
        let [flags] = flags else { return None };
        let aim = match flags >> 2 {
            0 => SignInAim::Session,
            1 => SignInAim::Trial,
            2 => SignInAim::App,
            _ => return None,
        };
        let from = SignInOrigin { http: flags & 1 != 0, elsewhere: flags & 2 != 0, aim };
        Some(Self { returned: u32::from_be_bytes(*returned), started_at: u32::from_be_bytes(*begun), since: u64::from_be_bytes(*since), origin: from })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_that_come_back_in_a_minute_are_a_loop() {
        let from = SignInOrigin { http: true, elsewhere: false, aim: SignInAim::App };
        let mut rounds = SignInRounds::default();
        for at in 0..3 {
            rounds = rounds.sets_out(1000 + at, from);
            assert!(!rounds.is_loop());
            rounds = rounds.count_return(1000 + at);
        }
        assert!(rounds.is_loop() && rounds.sets_out(1010, from).is_loop());
        assert!(!rounds.sets_out(1060, from).is_loop());
        assert_eq!(SignInRounds::read(&rounds.write()), Some(rounds));
        assert_eq!(SignInRounds::read(b"x"), None);
        assert_eq!(SignInRounds::read(&[0; 18]), None);
    }

    #[test]
    fn tabs_that_open_at_once_are_none_until_there_are_too_many() {
        let mut rounds = SignInRounds::default();
        for _ in 0..MAX_STARTED_SIGN_INS {
            rounds = rounds.sets_out(1000, SignInOrigin::default());
        }
        assert!(!rounds.is_loop());
        assert!(rounds.sets_out(1000, SignInOrigin::default()).is_loop());
        assert!(!rounds.count_return(1000).is_loop());
    }

    #[test]
    fn of_two_counts_the_higher_is_taken() {
        let one = SignInRounds::default().sets_out(1000, SignInOrigin::default());
        let two = one.count_return(1000);
        assert_eq!((one.or(two), two.or(one), one.or(one)), (two, two, one));
    }
}
