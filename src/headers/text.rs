//! Encodes text for use in a header.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// Encodes everything except visible ASCII and the space. `%` is encoded too, so that the encoding
/// can be reversed.
const ENCODED_IN_VALUE: &AsciiSet = &CONTROLS.add(b'%');

/// In a list, the comma separates the entries.
const ENCODED_IN_ENTRY: &AsciiSet = &ENCODED_IN_VALUE.add(b',');

/// Appends a single value. Characters other than visible ASCII and the space become percent-encoded
/// UTF-8.
pub(super) fn push_value(out: &mut String, text: &str) {
    out.extend(utf8_percent_encode(text.trim(), ENCODED_IN_VALUE));
}

/// Appends an entry of a comma-separated list.
pub(super) fn push_entry(out: &mut String, text: &str) {
    out.extend(utf8_percent_encode(text.trim(), ENCODED_IN_ENTRY));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_ascii_comes_out_and_it_can_be_undone() {
        for text in ["Maya Okafor", "Zoë Ñandú", "100 %", "a\r\nX: y", "\u{0}", "名前"] {
            let mut out = String::new();
            push_value(&mut out, text);
            assert!(out.bytes().all(|it| (0x20..=0x7e).contains(&it)), "{out}");
            assert_eq!(percent_encoding::percent_decode_str(&out).decode_utf8().unwrap(), text);
        }
        let mut out = String::new();
        push_entry(&mut out, "a,b");
        assert_eq!(out, "a%2Cb");
    }
}
