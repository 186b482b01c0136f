//! Faults of an endpoint, and their number of calls.

use std::sync::{Mutex, PoisonError};

/// Number of calls for a fault that lasts until it is cleared.
pub const UNTIL_CLEARED: u64 = u64::MAX;

/// The behavior of the token endpoint instead of a normal response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenFault {
    /// 429 with `Retry-After` in seconds, if given (AADSTS90055).
    TooMany(Option<u64>),
    /// This status with an HTML page, as a gateway in front of Entra sends it.
    Html(u16),
    /// 200 and half of a JSON object.
    Garbage,
    /// No response until the client gives up; nothing was redeemed.
    Hang,
    /// No response until the client gives up, and the grant was redeemed.
    HangAfter,
    /// The connection ends without a response; nothing was redeemed.
    CutBefore,
    /// The connection ends without a response, and the grant was redeemed.
    CutAfter,
}

impl TokenFault {
    /// Names of the faults in the control API.
    pub(super) const NAMES: [&'static str; 7] =
        ["too-many", "html", "garbage", "hang", "hang-after", "cut-before", "cut-after"];

    /// Returns the fault with this name; `seconds` is for `Retry-After`. The status of an HTML page
    /// is 503.
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

    /// Returns whether the grant is redeemed despite the fault.
    pub(super) fn is_after(self) -> bool {
        matches!(self, Self::HangAfter | Self::CutAfter)
    }
}

/// The behavior of Graph instead of a normal response, or in addition to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GraphFault {
    /// The status 503.
    Down,
    /// 429 with `Retry-After` in seconds, if given.
    TooMany(Option<u64>),
    /// The response is delayed by this number of milliseconds.
    Slow(u64),
    /// 403, as if the permission were missing.
    Forbidden,
    /// 403 for another reason.
    AccessDenied,
    /// This status with a claims challenge.
    ProofRequired(u16),
    /// 200 and half of a JSON object.
    Garbage,
    /// The link to the next page leads to another origin.
    ForeignLink,
    /// The link to the next page leads back to the first page.
    Endless,
}

impl GraphFault {
    /// Names of the faults in the control API.
    pub(super) const NAMES: [&'static str; 9] = [
        "down",
        "too-many",
        "slow",
        "forbidden",
        "access-denied",
        "proof-required",
        "garbage",
        "foreign-link",
        "endless",
    ];

    /// Returns the fault with this name; `seconds` is for `Retry-After` or for the delay.
    pub(super) fn named(name: &str, seconds: Option<u64>) -> Option<Self> {
        match name {
            "down" => Some(Self::Down),
            "too-many" => Some(Self::TooMany(seconds)),
            "slow" => Some(Self::Slow(seconds.unwrap_or(5).saturating_mul(1000))),
            "access-denied" => Some(Self::AccessDenied),
            "proof-required" => Some(Self::ProofRequired(401)),
            "forbidden" => Some(Self::Forbidden),
            "garbage" => Some(Self::Garbage),
            "foreign-link" => Some(Self::ForeignLink),
            "endless" => Some(Self::Endless),
            _ => None,
        }
    }
}

/// A fault and the number of calls that it still affects.
pub(super) struct ActiveFault<T>(Mutex<Option<(T, u64)>>);

impl<T: Copy> ActiveFault<T> {
    /// Creates the state without a fault.
    pub(super) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Sets the fault for this number of calls.
    pub(super) fn set(&self, fault: T, calls: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            (calls > 0).then_some((fault, calls));
    }

    /// Clears the fault.
    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Returns the fault for this call, and counts the call.
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
