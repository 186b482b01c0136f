//! Reduces a long random number to a P-256 private key.

/// Order of P-256 minus one (SEC 2 section 2.4.2), as big-endian words.
const ORDER_LESS_ONE: [u64; 4] =
    [0xffff_ffff_0000_0000, 0xffff_ffff_ffff_ffff, 0xbce6_faad_a717_9e84, 0xf3b9_cac2_fc63_2550];

/// Computes `(c mod (n - 1)) + 1`, which is in `1..n` with negligible bias (FIPS 186-5 section
/// A.2.1: 64 bits more than the order).
///
/// It does not run in constant time: it runs once at start, when no one can measure it.
pub(super) fn to_private_key(long: &[u8; 48]) -> [u8; 32] {
    let mut rest = [0u64; 4];
    for byte in long {
        for bit in (0..8).rev() {
            rest = double_and_add(rest, u64::from(byte >> bit & 1));
        }
    }
    // Adding one never overflows: the remainder is below the order minus one.
    let (rest, _) = add(rest, [0, 0, 0, 1]);
    let mut out = [0; 32];
    for (bytes, word) in out.chunks_exact_mut(8).zip(rest) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    out
}

fn double_and_add(value: [u64; 4], bit: u64) -> [u64; 4] {
    let (doubled, over) = add(value, value);
    let (sum, _) = add(doubled, [0, 0, 0, bit]);
    let (less, under) = subtract(sum, ORDER_LESS_ONE);
    if over || !under { less } else { sum }
}

fn add(left: [u64; 4], right: [u64; 4]) -> ([u64; 4], bool) {
    let mut out = [0; 4];
    let mut carry = false;
    for ((out, left), right) in out.iter_mut().zip(left).zip(right).rev() {
        let (sum, one) = left.overflowing_add(right);
        let (sum, two) = sum.overflowing_add(u64::from(carry));
        *out = sum;
        carry = one || two;
    }
    (out, carry)
}

fn subtract(left: [u64; 4], right: [u64; 4]) -> ([u64; 4], bool) {
    let mut out = [0; 4];
    let mut borrow = false;
    for ((out, left), right) in out.iter_mut().zip(left).zip(right).rev() {
        let (rest, one) = left.overflowing_sub(right);
        let (rest, two) = rest.overflowing_sub(u64::from(borrow));
        *out = rest;
        borrow = one || two;
    }
    (out, borrow)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(hex: &str) -> [u8; 48] {
        let bytes: Vec<u8> = (0..96)
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect();
        bytes.try_into().unwrap()
    }

    fn written(key: [u8; 32]) -> String {
        key.iter().map(|it| format!("{it:02x}")).collect()
    }

    #[test]
    fn agrees_with_arithmetic_done_elsewhere() {
        // python3: n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551; hex((c %
        // (n - 1)) + 1)
        assert_eq!(written(to_private_key(&[0; 48])), format!("{:064x}", 1));
        let order_less_one = "00000000000000000000000000000000ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550";
        assert_eq!(written(to_private_key(&of(order_less_one))), format!("{:064x}", 1));
        assert_eq!(written(to_private_key(&[0xff; 48])), MAX_REDUCED);
    }

    const MAX_REDUCED: &str = "431905529c0166ce652e96b7ccca0a9a679b73e29ad16947f01cf012fc632550";
}
