//! A GUID as Entra writes it: tenant IDs, object IDs, client IDs.

use std::fmt;

/// A GUID, compared by value, so case does not matter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Guid([u8; 16]);

impl Guid {
    /// The nil GUID, which identifies nothing (RFC 9562 section 5.9).
    pub const NIL: Self = Self([0; 16]);

    /// The tenant of all personal Microsoft accounts (`learn:/id-token-claims-reference`, `tid`).
    pub const PERSONAL: Self = Self([
        0x91, 0x88, 0x04, 0x0d, 0x6c, 0x67, 0x4c, 0x5b, 0xb1, 0x12, 0x36, 0xa3, 0x04, 0xb6, 0x6d,
        0xad,
    ]);

    /// Parses `aaaabbbb-0000-cccc-1111-dddd2222eeee` in either case; braces and other forms are
    /// rejected.
    pub fn parse(text: &str) -> Option<Self> {
        const DASHES: [usize; 4] = [8, 13, 18, 23];
        let bytes = text.as_bytes();
        if bytes.len() != 36 {
            return None;
        }
        let mut nibbles = [0u8; 32];
        let mut slots = nibbles.iter_mut();
        for (at, byte) in bytes.iter().enumerate() {
            if DASHES.contains(&at) {
                if *byte != b'-' {
                    return None;
                }
                continue;
            }
            let value = char::from(*byte).to_digit(16)?;
            *slots.next()? = u8::try_from(value).ok()?;
        }
        let mut out = [0u8; 16];
        for (byte, pair) in out.iter_mut().zip(nibbles.chunks_exact(2)) {
            if let [high, low] = pair {
                *byte = high << 4 | low;
            }
        }
        Some(Self(out))
    }

    /// Creates a GUID from sixteen bytes in written order.
    pub fn of_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Creates a GUID from random bytes; the version bits are set as RFC 9562 requires for random
    /// GUIDs.
    pub fn from_random(mut bytes: [u8; 16]) -> Self {
        let [.., seven, eight, _, _, _, _, _, _, _, _] = &mut bytes;
        let _ = eight;
        *seven = (*seven & 0x0f) | 0x40;
        let [_, _, _, _, _, _, _, _, variant, ..] = &mut bytes;
        *variant = (*variant & 0x3f) | 0x80;
        Self(bytes)
    }

    /// Creates a GUID that sorts by creation time, in milliseconds since 1970, and by `count`
    /// within one millisecond (RFC 9562 sections 5.7 and 6.2).
    pub fn from_time(millis: u64, count: u16, mut bytes: [u8; 16]) -> Self {
        let ([_, _, time @ ..], [high, low]) = (millis.to_be_bytes(), count.to_be_bytes());
        for (to, from) in bytes.iter_mut().zip(time.into_iter().chain([(high & 0x0f) | 0x70, low]))
        {
            *to = from;
        }
        let [_, _, _, _, _, _, _, _, variant, ..] = &mut bytes;
        *variant = (*variant & 0x3f) | 0x80;
        Self(bytes)
    }

    /// The sixteen bytes in written order.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                out.write_str("-")?;
            }
            write!(out, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_either_case_and_writes_lower() {
        let guid = Guid::parse("AAAABBBB-0000-cccc-1111-dddd2222eeee").unwrap();
        assert_eq!(guid.to_string(), "aaaabbbb-0000-cccc-1111-dddd2222eeee");
        assert_eq!(Guid::PERSONAL.to_string(), "9188040d-6c67-4c5b-b112-36a304b66dad");
    }

    #[test]
    fn refuses_every_other_spelling() {
        for text in [
            "",
            "{aaaabbbb-0000-cccc-1111-dddd2222eeee}",
            "aaaabbbb0000cccc1111dddd2222eeee",
            "aaaabbbb-0000-cccc-1111-dddd2222eeeg",
            "aaaabbbb-0000-cccc-1111-dddd2222eeee ",
        ] {
            assert!(Guid::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn one_of_a_time_carries_version_seven_and_sorts_by_it() {
        let guid = Guid::from_time(0x0123_4567_89ab, 0xf234, [0xff; 16]);
        assert_eq!(guid.to_string(), "01234567-89ab-7234-bfff-ffffffffffff");
        let made = [(1, 0, 9), (1, 1, 0), (2, 0, 5), (300, 0, 0)]
            .map(|(millis, count, rest)| Guid::from_time(millis, count, [rest; 16]).to_string());
        assert!(made.is_sorted(), "{made:?}");
    }

    #[test]
    fn a_random_one_carries_version_four() {
        let guid = Guid::from_random([0xff; 16]);
        assert_eq!(guid.to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
