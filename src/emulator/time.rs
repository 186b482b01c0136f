//! Dates in Entra's spelling.

pub(super) use crate::base::calendar::{date, utc as timestamp};
