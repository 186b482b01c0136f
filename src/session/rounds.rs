//! Counts how often a browser recently returned from a sign-in and started the next one, in order
//! to report a loop instead of continuing it.

/// Number of rounds within a minute that counts as a loop.
pub const MAX_ROUNDS: u32 = 3;

/// Maximum number of sign-ins that may start within a minute while none returns: a browser that
/// reopens its tabs starts one for each.
pub const MAX_STARTED_SIGN_INS: u32 = 20;

/// Time in which rounds are counted, in seconds.
pub const ROUNDS_WINDOW_SECONDS: u64 = 60;

/// The counters and their start time; sealed in the state and in a cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignInRounds {
    /// Number of sign-ins that returned from Entra.
    pub returned: u32,
    /// Number of sign-ins that started since one returned.
    pub started_at: u32,
    /// Start of the count, in seconds since 1970.
    pub since: u64,
    /// Origin of the last sign-in.
    pub origin: SignInOrigin,
}

/// Origin of a sign-in, as far as it can keep cookies from returning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignInOrigin {
    /// Started over http, although the public address uses https.
    pub http: bool,
    /// Started at another host than that of the public address.
    pub elsewhere: bool,
    /// The purpose of the sign-in.
    pub aim: SignInAim,
}

/// The purpose of a sign-in as stored in `state`: decides how it continues if it returns without
/// its cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignInAim {
    /// A session in this browser.
    #[default]
    Session,
    /// A test from the set-up page.
    Trial,
    /// An app on the device that started it.
    App,
}

impl SignInRounds {
    /// Counts a started sign-in; the count starts again after a minute.
    #[must_use]
    pub fn sets_out(self, now: u64, from: SignInOrigin) -> Self {
        let rounds = self.within_window(now);
        Self { started_at: rounds.started_at.saturating_add(1), origin: from, ..rounds }
    }

    /// Counts a sign-in that returned.
    #[must_use]
    pub fn count_return(self, now: u64) -> Self {
        let rounds = self.within_window(now);
        Self { returned: rounds.returned.saturating_add(1), started_at: 0, ..rounds }
    }

    /// Returns the higher of the two counts.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if (other.returned, other.started_at) > (self.returned, self.started_at) {
            other
        } else {
            self
        }
    }

    /// Whether the browser is in a loop.
    pub fn is_loop(self) -> bool {
        self.returned >= MAX_ROUNDS || self.started_at > MAX_STARTED_SIGN_INS
    }

    fn within_window(self, now: u64) -> Self {
        if now >= self.since.saturating_add(ROUNDS_WINDOW_SECONDS) {
            Self { since: now, ..Self::default() }
        } else {
            self
        }
    }

    /// Serializes the count before it is sealed.
    pub fn write(self) -> Vec<u8> {
        let aim = match self.origin.aim {
            SignInAim::Session => 0,
            SignInAim::Trial => 4,
            SignInAim::App => 8,
        };
        let flags = u8::from(self.origin.http) | u8::from(self.origin.elsewhere) << 1 | aim;
        [
            &self.returned.to_be_bytes()[..],
            &self.started_at.to_be_bytes(),
            &self.since.to_be_bytes(),
            &[flags],
        ]
        .concat()
    }

    /// Parses the unsealed bytes.
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
        Some(Self {
            returned: u32::from_be_bytes(*returned),
            started_at: u32::from_be_bytes(*begun),
            since: u64::from_be_bytes(*since),
            origin: from,
        })
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
        let later = SignInRounds::default().sets_out(1030, SignInOrigin::default());
        assert_eq!((one.or(later), later.or(one)), (one, later), "the first of two equal ones");
    }

    #[test]
    fn a_start_and_a_return_change_only_their_own_counts() {
        let elsewhere = SignInOrigin { http: false, elsewhere: true, aim: SignInAim::Trial };
        let over_http = SignInOrigin { http: true, elsewhere: false, aim: SignInAim::App };
        let before = SignInRounds { returned: 1, started_at: 4, since: 1000, origin: elsewhere };
        for (now, started, returned) in [
            (
                1059,
                SignInRounds { started_at: 5, origin: over_http, ..before },
                SignInRounds { returned: 2, started_at: 0, ..before },
            ),
            (
                1060,
                SignInRounds { returned: 0, started_at: 1, since: 1060, origin: over_http },
                SignInRounds { returned: 1, since: 1060, ..SignInRounds::default() },
            ),
        ] {
            assert_eq!(before.sets_out(now, over_http), started, "{now}");
            assert_eq!(before.count_return(now), returned, "{now}");
        }
    }

    #[test]
    fn every_origin_is_read_as_it_was_written() {
        for aim in [SignInAim::Session, SignInAim::Trial, SignInAim::App] {
            for (http, elsewhere) in [(false, false), (false, true), (true, false), (true, true)] {
                let origin = SignInOrigin { http, elsewhere, aim };
                let rounds = SignInRounds { returned: 1, started_at: 2, since: 3, origin };
                assert_eq!(SignInRounds::read(&rounds.write()), Some(rounds));
            }
        }
        let mut unknown = SignInRounds::default().write();
        *unknown.last_mut().unwrap() = 12;
        assert_eq!(SignInRounds::read(&unknown), None);
    }
}
