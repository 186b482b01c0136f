//! Folds what people type or paste as a username, an address or a company code: one function for
//! lookups and for the stored form.
//!
//! A change here changes stored forms: raise `FOLD_VERSION`, and the directory rewrites them.

use unicode_normalization::UnicodeNormalization as _;

/// Version of the stored forms. The directory rewrites those of an earlier version.
pub const FOLD_VERSION: u32 = 2;

/// Maximum length of a text that is folded, and of the folded text, in bytes: NFKC makes a text at
/// most eighteen times longer.
const MAX_TYPED_BYTES: usize = 256;

/// Maximum number of passes. One can make room for the next: NFKC turns some characters into a space
/// and another one.
const MAX_FOLD_PASSES: usize = 8;

/// Returns the text without invisible characters, surrounding space and trailing punctuation, with
/// plain apostrophes and hyphens, in NFKC. Folding again changes nothing. `None` if the text is too
/// long.
///
/// In the domain of an address, nothing that merely looks alike is folded: `–` is no `-` there.
pub fn fold(text: &str) -> Option<String> {
    let mut folded = fold_once(text)?;
    for _ in 0..MAX_FOLD_PASSES {
        let next = fold_once(&folded)?;
        if next == folded {
            return Some(folded);
        }
        folded = next;
    }
    None
}

/// Returns the stored form of an e-mail address: folded, in lower case. One that is too long to be
/// folded, and can be nobody's, is only changed to lower case.
pub fn stored_address(text: &str) -> String {
    let folded = || fold(&fold(text)?.to_lowercase());
    folded().unwrap_or_else(|| text.to_lowercase())
}

fn fold_once(text: &str) -> Option<String> {
    if text.len() > MAX_TYPED_BYTES {
        return None;
    }
    let visible: String = text.chars().filter(|it| !is_invisible(*it)).map(at_sign).collect();
    let is_around = |it: char| it.is_whitespace() || is_direction(it);
    let trimmed = visible
        .trim_start_matches(is_around)
        .trim_end_matches(|it: char| is_around(it) || is_trailing(it));
    let (local, domain) = match trimmed.rfind('@') {
        Some(at) => trimmed.split_at(at),
        None => (trimmed, ""),
    };
    let plain = local.chars().map(plain).collect::<String>();
    Some(plain.nfkc().map(self::plain).chain(domain.nfkc()).collect())
}

/// Characters without a width that come along when a text is copied.
fn is_invisible(it: char) -> bool {
    matches!(it, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}')
        || matches!(it, '\u{2060}'..='\u{2064}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// Controls of the writing direction. Inside a name they can make it look like another one, so they
/// are only trimmed, and an override from right to left not even that.
fn is_direction(it: char) -> bool {
    matches!(it, '\u{202a}'..='\u{202d}' | '\u{2066}'..='\u{2069}')
}

/// Punctuation after a name in a sentence or a list.
fn is_trailing(it: char) -> bool {
    matches!(it, '.' | ',' | ';' | ':' | '!' | '?' | '…' | '、' | '。' | '｡')
        || matches!(it, '．' | '，' | '；' | '：' | '！' | '？')
}

/// The full-width and the small form of `@` begin a domain too, so they are folded before it is
/// found.
fn at_sign(it: char) -> char {
    if matches!(it, '＠' | '﹫') { '@' } else { it }
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
            ("maya.", "maya"),
            ("maya!?", "maya"),
            ("maya．", "maya"),
            ("maya…", "maya"),
            ("maya@contoso.example.", "maya@contoso.example"),
            ("\u{202d}maya\u{202c}", "maya"),
            ("o’neil–x﹫contoso.example", "o'neil-x@contoso.example"),
            // Only at the end.
            ("m.a!ya", "m.a!ya"),
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
        // Without the override it would be read as another name.
        assert_eq!(fold("\u{202e}ayam").unwrap(), "\u{202e}ayam");
        // Whichever way the `@` is written. The domain's dash was folded as if it were the name's.
        for at in ["@", "＠", "﹫"] {
            assert_eq!(fold(&format!("a–b{at}c–d")).unwrap(), "a-b@c–d");
        }
    }

    /// Full-width and small forms, dashes, apostrophes, punctuation and invisible characters, as
    /// well as any others.
    const ANY: &str =
        "(\\PC|[@＠﹫.．!！,，。…'’´`–‑－﹣ \u{200b}\u{ad}\u{202a}a\u{301}\u{3a9}]){0,40}";

    #[test]
    fn folding_again_changes_nothing() {
        proptest::proptest!(|(text in ANY)| {
            if let Some(once) = fold(&text) {
                proptest::prop_assert_eq!(fold(&once), Some(once));
            }
            let stored = stored_address(&text);
            proptest::prop_assert_eq!(stored_address(&stored), stored);
        });
        // A text that becomes too long is none, instead of being folded differently again.
        assert_eq!(fold(&"\u{fdfa}".repeat(60)), None);
    }

    #[test]
    fn an_address_is_stored_as_it_is_looked_up() {
        for (written, stored) in [
            (" Maya@Contoso.Example, ", "maya@contoso.example"),
            ("O’Neil＠contoso.example", "o'neil@contoso.example"),
            ("maya@CON–toso.example", "maya@con–toso.example"),
        ] {
            assert_eq!(stored_address(written), stored, "{written}");
        }
    }
}
