//! Folds what people type or paste as a username or company code: one function for lookups and for
//! the stored form.

use unicode_normalization::UnicodeNormalization as _;

/// Maximum length of a text that is folded, in bytes: NFKC makes a text at most eighteen times
/// longer.
const MAX_TYPED_BYTES: usize = 256;

/// Returns the text without invisible characters, surrounding space and punctuation that never ends
/// a name, with plain apostrophes and hyphens, in NFKC; `None` if it is too long.
///
/// In the domain of an address, nothing that merely looks alike is folded: `–` is no `-` there.
pub fn fold(text: &str) -> Option<String> {
    if text.len() > MAX_TYPED_BYTES {
        return None;
    }
    let visible: String = text.chars().filter(|it| !is_invisible(*it)).collect();
    let trimmed = visible
        .trim_matches(|it: char| it.is_whitespace() || is_direction(it))
        .trim_end_matches(is_trailing)
        .trim_end();
    let (local, domain) = match trimmed.rfind('@') {
        Some(at) => trimmed.split_at(at),
        None => (trimmed, ""),
    };
    let plain = local.chars().map(plain).collect::<String>();
    Some(plain.nfkc().map(self::plain).chain(domain.nfkc()).collect())
}

/// Characters without a width that come along when a text is copied.
fn is_invisible(it: char) -> bool {
    matches!(it, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// Controls of the writing direction. Inside a name they can make it look like another one, so they
/// are only trimmed.
fn is_direction(it: char) -> bool {
    matches!(it, '\u{202a}'..='\u{202c}' | '\u{2066}'..='\u{2069}')
}

/// Punctuation after a name in a sentence or a list, which no name contains.
fn is_trailing(it: char) -> bool {
    matches!(it, ',' | ';' | ':' | '?' | '…' | '、' | '。' | '，' | '；' | '：')
}

fn plain(it: char) -> char {
    match it {
        '’' | '‘' | '‛' | 'ʼ' | 'ʹ' | '′' | '＇' | '`' | '´' => '\'',
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | '﹣' | '－' => '-',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_typed_in_many_ways() {
        for (typed, folded) in [
            ("o’neil", "o'neil"),
            ("o´neil", "o'neil"),
            ("anna–maria", "anna-maria"),
            ("anna\u{2011}maria", "anna-maria"),
            ("ma\u{200b}ya\u{feff}", "maya"),
            ("\u{202a}maya\u{202c}", "maya"),
            ("ma\u{ad}ya,", "maya"),
            ("maya ; ", "maya"),
            ("ｍａｙａ＠contoso.example", "maya@contoso.example"),
            ("o’neil–x@contoso.example:", "o'neil-x@contoso.example"),
        ] {
            assert_eq!(fold(typed).unwrap(), folded, "{typed:?}");
        }
        assert_eq!(fold(&"a".repeat(MAX_TYPED_BYTES + 1)), None);
    }

    #[test]
    fn what_merely_looks_alike_stays_in_a_domain_and_direction_stays_inside() {
        assert_eq!(fold("a@con–toso.example").unwrap(), "a@con–toso.example");
        assert_eq!(fold("a@o’x.example").unwrap(), "a@o’x.example");
        assert_eq!(fold("a@c\u{43e}ntoso.example").unwrap(), "a@c\u{43e}ntoso.example");
        assert_eq!(fold("ma\u{202e}ya").unwrap(), "ma\u{202e}ya");
    }

    #[test]
    fn folding_again_changes_nothing() {
        proptest::proptest!(|(text in "\\PC{0,40}")| {
            if let Some(once) = fold(&text).and_then(|it| fold(&it)) {
                proptest::prop_assert_eq!(fold(&once), Some(once));
            }
        });
    }
}
