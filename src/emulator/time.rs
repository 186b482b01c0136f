//! Dates in Entra's format.

pub(super) use crate::base::calendar::{date, utc as timestamp};
