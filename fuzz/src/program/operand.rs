//! The operand of one operation: its escapes, and the names that stand for values.

use std::collections::BTreeMap;

/// Maximum number of bytes that one input sends.
pub const MAX_SENT_BYTES: usize = 256 * 1024;

/// Values that an input can name: `host`, `cookie` (the name of the
/// session's cookie), `session`, `pending`, `state`, `sealed`, `pass`,
/// `assertion`.
pub type Names = BTreeMap<&'static str, String>;

/// Returns an operand with its escapes and names replaced.
pub fn expanded(operand: &[u8], names: &Names) -> Vec<u8> {
    let mut out = Vec::with_capacity(operand.len());
    let mut rest = operand;
    while let Some((byte, after)) = rest.split_first() {
        let (piece, after) = match *byte {
            b'\\' => escape(after),
            b'{' => name(after, names),
            byte => (vec![byte], after),
        };
        out.extend(piece);
        rest = after;
        if out.len() > MAX_SENT_BYTES {
            break;
        }
    }
    out
}

fn escape(after: &[u8]) -> (Vec<u8>, &[u8]) {
    match after {
        [b'r', rest @ ..] => (vec![b'\r'], rest),
        [b'n', rest @ ..] => (vec![b'\n'], rest),
        [b'\\', rest @ ..] => (vec![b'\\'], rest),
        [b'x', high, low, rest @ ..] => match std::str::from_utf8(&[*high, *low])
            .ok()
            .and_then(|it| u8::from_str_radix(it, 16).ok())
        {
            Some(byte) => (vec![byte], rest),
            None => (vec![b'\\'], after),
        },
        _ => (vec![b'\\'], after),
    }
}

fn name<'a>(after: &'a [u8], names: &Names) -> (Vec<u8>, &'a [u8]) {
    let end = after.iter().position(|it| *it == b'}');
    let text = end.and_then(|end| std::str::from_utf8(&after[..end]).ok());
    let known = text.and_then(|it| names.get(it).map(|it| it.clone().into_bytes()));
    let long =
        text.and_then(|it| it.parse::<usize>().ok()).map(|it| vec![b'a'; it.min(MAX_SENT_BYTES)]);
    match (known.or(long), end) {
        (Some(value), Some(end)) => (value, &after[end + 1..]),
        _ => (vec![b'{'], after),
    }
}
