//! Durations as people write them: `500ms`, `30s`, `5m`, `12h`, `1d`.

use super::problem::{InvalidValue, quote};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Units and their length in milliseconds, longest first.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Parses a whole number and a unit.
pub(super) fn parse(text: &str) -> Result<Duration, InvalidValue> {
    let refused = || {
        InvalidValue::new(format!("{} is not a duration", quote(text)))
            .hint("write a whole number and a unit: \"500ms\", \"30s\", \"5m\", \"12h\", \"1d\"")
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(refused)?;
    let millis = UNITS.iter().find(|it| it.0 == unit).map(|it| it.1).ok_or_else(refused)?;
    let number: u64 = number.parse().map_err(|_| refused())?;
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(refused)
}

/// Parses a duration and checks its range.
pub(super) fn parse_within(
    text: &str,
    range: &RangeInclusive<Duration>,
) -> Result<Duration, InvalidValue> {
    let value = parse(text)?;
    if range.contains(&value) {
        return Ok(value);
    }
    let (least, most) = (spell(*range.start()), spell(*range.end()));
    Err(InvalidValue::new(format!("{} is out of range", quote(text)))
        .hint(format!("choose from \"{least}\" to \"{most}\"")))
}

/// The regular expression (ECMA-262) of the text that `parse` accepts.
pub(super) fn pattern() -> String {
    format!("^[0-9]+({})$", UNITS.map(|it| it.0).join("|"))
}

/// Formats a duration in its shortest form.
pub(super) fn spell(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let unit = UNITS.iter().find(|it| millis.is_multiple_of(it.1) && millis > 0);
    unit.map_or_else(
        || format!("{}s", duration.as_secs()),
        |(unit, length)| format!("{}{unit}", millis / length),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_is_a_length_of_time() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("12h", 43_200_000),
            ("1d", 86_400_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
            assert_eq!(spell(Duration::from_millis(millis)), text);
        }
        assert_eq!(spell(Duration::from_secs(90)), "90s");
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "30",
            "s",
            "-1s",
            "1.5h",
            "1 h",
            "1h30m",
            "1w",
            "+1s",
            "99999999999999999999s",
            "18446744073709551615d",
            "1ſ",
            "²s",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
