//! What goes wrong with an endpoint, and how often.

use std::sync::{Mutex, PoisonError};

/// A fault lasts until it is taken back.
pub const UNTIL_CLEARED: u64 = u64::MAX;

/// What the token endpoint does in place of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenFault {
    /// 429 with `Retry-After` in seconds, where given (AADSTS90055).
    TooMany(Option<u64>),
    /// That status with a page of HTML, as a gateway before Entra gives it.
    Html(u16),
    /// 200 and half of a JSON object.
    Garbage,
    /// No answer until the client gives up; nothing was redeemed.
    Hang,
    /// No answer until the client gives up, and the grant was redeemed.
    HangAfter,
    /// The connection ends without an answer; nothing was redeemed.
    CutBefore,
    /// The connection ends without an answer, and the grant was redeemed.
    CutAfter,
}

impl TokenFault {
    /// What the control API calls them.
    pub(super) const NAMES: [&'static str; 7] = ["too-many", "html", "garbage", "hang", "hang-after", "cut-before", "cut-after"];

    /// The fault of that name; the seconds are those of `Retry-After`, and of a page of HTML it is 503.
    pub(super) fn named(name: &str, seconds: Option<u64>) -> Option<Self> {
        match name {
            "too-many" => Some(Self::TooMany(seconds)),
            "html" => Some(Self::Html(503)),
            "garbage" => Some(Self::Garbage),
            "hang" => Some(Self::Hang),
            "hang-after" => Some(Self::HangAfter),
            "cut-before" => Some(Self::CutBefore),
            "cut-after" => Some(Self::CutAfter),
            _ => None,
        }
    }

    /// Whether the grant is redeemed all the same.
    pub(super) fn is_after(self) -> bool {
        matches!(self, Self::HangAfter | Self::CutAfter)
    }
}

/// What Graph does in place of an answer, or to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GraphFault {
    /// 503.
    Down,
    /// 429 with `Retry-After` in seconds, where given.
    TooMany(Option<u64>),
    /// The answer is held back for that many milliseconds.
    Slow(u64),
    /// 403, as where the permission is missing.
    Forbidden,
    /// 200 and half of a JSON object.
    Garbage,
    /// The link to the next page leads to another origin.
    ForeignLink,
    /// The link to the next page leads to the first one again.
    Endless,
}

impl GraphFault {
    /// What the control API calls them.
    pub(super) const NAMES: [&'static str; 7] = ["down", "too-many", "slow", "forbidden", "garbage", "foreign-link", "endless"];

    /// The fault of that name; the seconds are those of `Retry-After`, or of the wait.
    pub(super) fn named(name: &str, seconds: Option<u64>) -> Option<Self> {
        match name {
            "down" => Some(Self::Down),
            "too-many" => Some(Self::TooMany(seconds)),
            "slow" => Some(Self::Slow(seconds.unwrap_or(5).saturating_mul(1000))),
            "forbidden" => Some(Self::Forbidden),
            "garbage" => Some(Self::Garbage),
            "foreign-link" => Some(Self::ForeignLink),
            "endless" => Some(Self::Endless),
            _ => None,
        }
    }
}

/// A fault and for how many calls it still lasts.
pub(super) struct ActiveFault<T>(Mutex<Option<(T, u64)>>);

impl<T: Copy> ActiveFault<T> {
    /// Nothing is wrong.
    pub(super) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Sets the fault for that many calls.
    pub(super) fn set(&self, fault: T, calls: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (calls > 0).then_some((fault, calls));
    }

    /// Takes the fault back.
    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What is wrong with this call; it counts.
    pub(super) fn next(&self) -> Option<T> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (fault, calls) = (*state)?;
        *state = match calls {
            UNTIL_CLEARED => Some((fault, calls)),
            more => (more > 1).then_some((fault, more - 1)),
        };
        Some(fault)
    }
}
