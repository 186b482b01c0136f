//! Calendar dates in UTC.

/// Seconds in a day.
pub const SECONDS_PER_DAY: u64 = 86_400;

/// Days before its end from which a credential counts as expiring soon.
const EXPIRY_WARNING_DAYS: i64 = 30;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A calendar day in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// Year of the proleptic Gregorian calendar.
    pub year: i32,
    /// Month, 1 to 12.
    pub month: u64,
    /// Day of the month, 1 to 31.
    pub day: u64,
}

/// Converts seconds since 1970 to a day, with the civil-from-days algorithm for the proleptic
/// Gregorian calendar.
pub fn date(seconds: u64) -> Date {
    // Years begin in March here, so that the leap day comes last.
    let days = seconds / SECONDS_PER_DAY + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    Date { year: i32::try_from(year).unwrap_or(i32::MAX), month, day }
}

/// Whole days from `now` until `time`, rounded down; negative once `time` has passed. Both are in
/// seconds since 1970.
pub fn days_until(time: i64, now: u64) -> i64 {
    time.saturating_sub(i64::try_from(now).unwrap_or(i64::MAX)).div_euclid(86_400)
}

/// Days until a credential ends, if a warning is due: from 30 days before the end, and after it.
pub fn days_if_expiring(end: i64, now: u64) -> Option<i64> {
    Some(days_until(end, now)).filter(|days| *days <= EXPIRY_WARNING_DAYS)
}

/// Formats seconds since 1970 as Entra does: `2026-01-09 02:02:12Z`.
pub fn utc(seconds: u64) -> String {
    let Date { year, month, day } = date(seconds);
    let rest = seconds % SECONDS_PER_DAY;
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// Formats seconds since 1970 as a minute in UTC: `2026-01-09 02:02`.
pub fn utc_minute(seconds: u64) -> String {
    utc(seconds).chars().take(16).collect()
}

/// Formats seconds since 1970 as a day in UTC for a form field: `2026-01-09`.
pub fn utc_day(seconds: u64) -> String {
    utc(seconds).chars().take(10).collect()
}

/// Parses a day from a form field, `2026-01-09`, and returns its start in seconds since 1970.
pub fn day(text: &str) -> Option<u64> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let plain = parts.next().is_none()
        && (year.len(), month.len(), day.len()) == (4, 2, 2)
        && text.bytes().all(|it| it.is_ascii_digit() || it == b'-');
    let (year, month, day) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    let fits =
        (1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    let seconds = if plain && fits {
        days_before(year, month, day)?.checked_mul(SECONDS_PER_DAY)?
    } else {
        return None;
    };
    // The 31st of a month with thirty days would become the first of the next month.
    (date(seconds).day == day).then_some(seconds)
}

/// Days from 1970 to a calendar day.
fn days_before(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    (year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1)
        .checked_sub(719_468)
}

/// Parses a `Date` header in its preferred form (RFC 9110 section 5.6.7) and returns seconds since
/// 1970. Example: `Fri, 09 Jan 2026 02:02:12 GMT`.
pub fn http_date(text: &str) -> Option<u64> {
    let mut words = text.split(' ');
    let (_, day, month, year, time, zone) =
        (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    let (day, year): (u64, u64) = (day.parse().ok()?, year.parse().ok()?);
    let month =
        MONTHS.iter().position(|it| *it == month).and_then(|it| u64::try_from(it).ok())? + 1;
    let mut parts = time.split(':').map(str::parse::<u64>);
    let (hour, minute, second) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let fits = (1..=31).contains(&day)
        && (1970..10_000).contains(&year)
        && hour < 24
        && minute < 60
        && second <= 60;
    if zone != "GMT" || words.next().is_some() || parts.next().is_some() || !fits {
        return None;
    }
    Some(days_before(year, month, day)? * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, text, header) in [
            (0, "1970-01-01 00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "1994-11-06 08:49:37Z", "Sun, 06 Nov 1994 08:49:37 GMT"),
            (1_767_950_100, "2026-01-09 09:15:00Z", "Fri, 09 Jan 2026 09:15:00 GMT"),
            (1_709_164_799, "2024-02-28 23:59:59Z", "Wed, 28 Feb 2024 23:59:59 GMT"),
            (1_709_164_800, "2024-02-29 00:00:00Z", "Thu, 29 Feb 2024 00:00:00 GMT"),
        ] {
            assert_eq!(utc(seconds), text);
            assert_eq!(http_date(header), Some(seconds));
        }
    }

    #[test]
    fn a_day_of_a_form_is_one_of_the_calendar() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2024-02-29", 1_709_164_800),
            ("2026-01-09", 1_767_916_800),
            ("9999-12-31", 253_402_214_400),
        ] {
            assert_eq!(day(text), Some(seconds));
        }
        for text in [
            "",
            "2026-1-9",
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-01-00",
            "2026-01-32",
            "1969-12-31",
            "0000-01-01",
            "2026-01-09-",
            "+026-01-01",
        ] {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "now",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Fri, 09 Jan 2026 02:02:12 CET",
            "Fri, 99 Jan 2026 02:02:12 GMT",
            "Fri, 09 Jan 2026 02:02 GMT",
        ] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }
}
