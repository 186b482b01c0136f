//! The parts of HPACK (RFC 7541) that the checks need: encodes literals, and decodes the fields of
//! a response with names and values as they were coded. Huffman codes are compared, not decoded.

use std::collections::VecDeque;

/// The index of `set-cookie` in the static table.
const SET_COOKIE: usize = 55;
/// Number of entries in the static table.
const STATIC: usize = 61;

/// Encodes a field that is neither indexed nor Huffman-coded (section 6.2.2).
pub fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[0][..], &integer(name.len()), name, &integer(value.len()), value].concat()
}

#[allow(clippy::cast_possible_truncation, reason = "each value is below 128")]
/// Encodes an integer with a prefix of 7 bits (section 5.1).
fn integer(value: usize) -> Vec<u8> {
    if value < 127 {
        return vec![value as u8];
    }
    let (mut out, mut rest) = (vec![127], value - 127);
    while rest >= 128 {
        out.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    out.push(rest as u8);
    out
}

/// The properties of a header block that the checks need.
#[derive(Debug, Default)]
pub struct Block {
    /// The value of `:status`, if present.
    pub status: Option<u16>,
    /// Number of `set-cookie` fields.
    pub cookies: usize,
    /// Whether the echo app's marker is present.
    pub of_app: bool,
    /// Number of bytes in the names and values as coded.
    pub bytes: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Indexed(usize),
    Coded(Vec<u8>),
}

/// Decodes the blocks of one connection; it keeps the dynamic table.
#[derive(Default)]
pub struct Reader {
    table: VecDeque<(Name, Vec<u8>)>,
}

impl Reader {
    /// Decodes a block; returns `None` if it is malformed.
    pub fn read(&mut self, block: &[u8], marker: &[u8]) -> Option<Block> {
        let (mut out, mut rest) = (Block { bytes: block.len(), ..Block::default() }, block);
        while let Some(first) = rest.first().copied() {
            let (name, value) = match first {
                128.. => self.indexed(number(&mut rest, 7)?)?,
                32..64 => {
                    // A size update (section 6.3); entries that are kept too long are never
                    // referenced.
                    number(&mut rest, 5)?;
                    continue;
                }
                _ => {
                    let index = number(&mut rest, if first >= 64 { 6 } else { 4 })?;
                    let name = if index == 0 {
                        Name::Coded(string(&mut rest)?)
                    } else {
                        self.indexed(index)?.0
                    };
                    let value = string(&mut rest)?;
                    if first >= 64 {
                        self.table.push_front((name.clone(), value.clone()));
                    }
                    (name, value)
                }
            };
            match name {
                Name::Indexed(8..=14) => out.status = status(&value),
                Name::Indexed(SET_COOKIE) => out.cookies += 1,
                Name::Coded(name) if name == marker => out.of_app = true,
                _ => {}
            }
        }
        Some(out)
    }

    fn indexed(&self, index: usize) -> Option<(Name, Vec<u8>)> {
        const STATUSES: [&str; 7] = ["200", "204", "206", "304", "400", "404", "500"];
        match index {
            1..=STATIC => {
                let value = index
                    .checked_sub(8)
                    .and_then(|it| STATUSES.get(it))
                    .copied()
                    .unwrap_or_default();
                Some((Name::Indexed(index), value.as_bytes().to_vec()))
            }
            _ => self.table.get(index.checked_sub(STATIC + 1)?).cloned(),
        }
    }
}

fn number(rest: &mut &[u8], bits: u32) -> Option<usize> {
    let (first, after) = rest.split_first()?;
    let most = (1usize << bits) - 1;
    let mut value = usize::from(*first) & most;
    *rest = after;
    if value < most {
        return Some(value);
    }
    for shift in (0..28).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value += usize::from(byte & 127) << shift;
        if byte & 128 == 0 {
            return Some(value);
        }
    }
    None
}

fn string(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let length = number(rest, 7)?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(text.to_vec())
}

/// Decodes a status, as text or in Huffman code: `0` to `2` have five bits, the other digits six
/// (RFC 7541 appendix B).
fn status(value: &[u8]) -> Option<u16> {
    if let Ok(plain) = std::str::from_utf8(value).unwrap_or_default().parse() {
        return Some(plain);
    }
    let bits = value.iter().fold(0u64, |all, it| (all << 8) | u64::from(*it));
    let (mut left, mut out) = (value.len() * 8, 0);
    for _ in 0..3 {
        let five = (bits >> left.checked_sub(5)?) & 31;
        let (digit, used) = if five < 3 {
            (five, 5)
        } else {
            (((bits >> left.checked_sub(6)?) & 63).checked_sub(22)?, 6)
        };
        left -= used;
        out = out * 10 + u16::try_from(digit).ok()?;
    }
    Some(out)
}
