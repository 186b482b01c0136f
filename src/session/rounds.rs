//! Counts how often a browser recently returned from a sign-in and started the next one, in order
//! to report a loop instead of continuing it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Number of rounds within a minute that counts as a loop.
pub const MAX_ROUNDS: u32 = 3;

/// Maximum number of sign-ins for the same page that may start within a minute while none returns:
/// a browser that reopens its tabs starts one for each.
pub const MAX_STARTED_SIGN_INS: u32 = 40;

/// Time in which rounds are counted, in seconds.
pub const ROUNDS_WINDOW_SECONDS: u64 = 60;

/// The counters and their start time; sealed in the state and in a cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignInRounds {
    /// Number of sign-ins that returned from Entra.
    pub returned: u32,
    /// Number of sign-ins that started since one returned.
    pub started: u32,
    /// Start of the count, in seconds since 1970.
    pub since: u64,
    /// Digest of the page of the last sign-in that started: other tabs are for other pages.
    pub page: u32,
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
}

impl SignInRounds {
    /// Counts a started sign-in for a page; the count starts again after a minute, and for another
    /// page.
    #[must_use]
    pub fn count_start(self, now: u64, from: SignInOrigin, page: u32) -> Self {
        let rounds = self.within_window(now);
        let before = if rounds.page == page { rounds.started } else { 0 };
        Self { started: before.saturating_add(1), origin: from, page, ..rounds }
    }

    /// Counts a sign-in that returned.
    #[must_use]
    pub fn count_return(self, now: u64) -> Self {
        let rounds = self.within_window(now);
        Self { returned: rounds.returned.saturating_add(1), started: 0, ..rounds }
    }

    /// Returns the higher of the two counts.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if (other.returned, other.started) > (self.returned, self.started) { other } else { self }
    }

    /// Whether the browser is in a loop.
    pub fn is_loop(self) -> bool {
        self.returned >= MAX_ROUNDS || self.started > MAX_STARTED_SIGN_INS
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
        let flags = u8::from(self.origin.http) | u8::from(self.origin.elsewhere) << 1;
        [
            &self.returned.to_be_bytes()[..],
            &self.started.to_be_bytes(),
            &self.since.to_be_bytes(),
            &self.page.to_be_bytes(),
            &[flags],
        ]
        .concat()
    }

    /// Parses the unsealed bytes.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (returned, rest) = bytes.split_first_chunk()?;
        let (started, rest) = rest.split_first_chunk()?;
        let (since, rest) = rest.split_first_chunk()?;
        let (page, flags) = rest.split_first_chunk()?;
        let [flags @ 0..=3] = flags else { return None };
        let from = SignInOrigin { http: flags & 1 != 0, elsewhere: flags & 2 != 0 };
        Some(Self {
            returned: u32::from_be_bytes(*returned),
            started: u32::from_be_bytes(*started),
            since: u64::from_be_bytes(*since),
            page: u32::from_be_bytes(*page),
            origin: from,
        })
    }
}

/// As text within the JSON of a sign-in under way, where every character counts.
impl Serialize for SignInRounds {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&URL_SAFE_NO_PAD.encode(self.write()))
    }
}

impl<'de> Deserialize<'de> for SignInRounds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let read = URL_SAFE_NO_PAD.decode(text).ok().and_then(|it| Self::read(&it));
        read.ok_or_else(|| serde::de::Error::custom("not a count of rounds"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_that_come_back_in_a_minute_are_a_loop() {
        let from = SignInOrigin { http: true, elsewhere: false };
        let mut rounds = SignInRounds::default();
        for at in 0..3 {
            rounds = rounds.count_start(1000 + at, from, 7);
            assert!(!rounds.is_loop());
            rounds = rounds.count_return(1000 + at);
        }
        assert!(rounds.is_loop() && rounds.count_start(1010, from, 8).is_loop());
        assert!(!rounds.count_start(1060, from, 7).is_loop());
        assert_eq!(SignInRounds::read(&rounds.write()), Some(rounds));
        assert_eq!(SignInRounds::read(b"x"), None);
        assert_eq!(SignInRounds::read(&[0; 22]), None);
    }

    #[test]
    fn tabs_that_open_at_once_are_none_until_there_are_too_many() {
        let mut rounds = SignInRounds::default();
        for _ in 0..MAX_STARTED_SIGN_INS {
            rounds = rounds.count_start(1000, SignInOrigin::default(), 7);
        }
        assert!(!rounds.is_loop());
        assert!(rounds.count_start(1000, SignInOrigin::default(), 7).is_loop());
        assert!(!rounds.count_return(1000).is_loop());
        // Each tab for a page of its own, however many there are.
        for page in 0..1000 {
            rounds = rounds.count_start(1000, SignInOrigin::default(), page);
            assert!(!rounds.is_loop(), "{page}");
        }
    }

    #[test]
    fn of_two_counts_the_higher_is_taken() {
        let one = SignInRounds::default().count_start(1000, SignInOrigin::default(), 7);
        let two = one.count_return(1000);
        assert_eq!((one.or(two), two.or(one), one.or(one)), (two, two, one));
        let later = SignInRounds::default().count_start(1030, SignInOrigin::default(), 7);
        assert_eq!((one.or(later), later.or(one)), (one, later), "the first of two equal ones");
    }

    #[test]
    fn a_start_and_a_return_change_only_their_own_counts() {
        let elsewhere = SignInOrigin { http: false, elsewhere: true };
        let over_http = SignInOrigin { http: true, elsewhere: false };
        let before =
            SignInRounds { returned: 1, started: 4, since: 1000, page: 7, origin: elsewhere };
        for (now, started, returned) in [
            (
                1059,
                SignInRounds { started: 5, origin: over_http, ..before },
                SignInRounds { returned: 2, started: 0, ..before },
            ),
            (
                1060,
                SignInRounds { returned: 0, started: 1, since: 1060, page: 7, origin: over_http },
                SignInRounds { returned: 1, since: 1060, ..SignInRounds::default() },
            ),
        ] {
            assert_eq!(before.count_start(now, over_http, 7), started, "{now}");
            assert_eq!(before.count_return(now), returned, "{now}");
        }
    }

    #[test]
    fn every_origin_is_read_as_it_was_written() {
        for (http, elsewhere) in [(false, false), (false, true), (true, false), (true, true)] {
            let origin = SignInOrigin { http, elsewhere };
            let rounds = SignInRounds { returned: 1, started: 2, since: 3, page: 4, origin };
            assert_eq!(SignInRounds::read(&rounds.write()), Some(rounds));
            let json = serde_json::to_string(&rounds).unwrap();
            assert_eq!(serde_json::from_str::<SignInRounds>(&json).unwrap(), rounds);
        }
        let mut unknown = SignInRounds::default().write();
        *unknown.last_mut().unwrap() = 4;
        assert_eq!(SignInRounds::read(&unknown), None);
    }
}
