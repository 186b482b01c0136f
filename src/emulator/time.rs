//! Dates in Entra's spelling.

/// A day of the calendar, UTC.
pub(super) struct Date {
    /// The year.
    pub(super) year: i32,
    /// 1 to 12.
    pub(super) month: u64,
    /// 1 to 31.
    pub(super) day: u64,
}

/// The day of a time in seconds since 1970, by the civil-from-days rule of the proleptic Gregorian calendar.
pub(super) fn date(seconds: u64) -> Date {
    let days = seconds / 86_400 + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    Date { year: i32::try_from(year).unwrap_or(i32::MAX), month, day }
}

/// `YYYY-MM-DD HH:MM:SSZ`, as in Entra's error bodies.
pub(super) fn timestamp(seconds: u64) -> String {
    let Date { year, month, day } = date(seconds);
    let of_day = seconds % 86_400;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_as_entra_does() {
        assert_eq!(timestamp(0), "1970-01-01 00:00:00Z");
        assert_eq!(timestamp(1_767_950_100), "2026-01-09 09:15:00Z");
        assert_eq!(timestamp(1_709_164_799), "2024-02-28 23:59:59Z");
        assert_eq!(timestamp(1_709_164_800), "2024-02-29 00:00:00Z");
    }
}
