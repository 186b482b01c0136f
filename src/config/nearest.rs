//! Suggests the known word that was probably meant.

/// Words longer than this, in bytes, get no suggestion.
const MAX_WORD_BYTES: usize = 40;

/// The known word with the fewest different letters, if few enough differ.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_WORD_BYTES {
        return None;
    }
    let near =
        |it: &(usize, &str)| it.0 <= (word.chars().count().max(it.1.chars().count()) / 3).max(1);
    known
        .into_iter()
        .map(|it| (distance(word, it), it))
        .filter(near)
        .min_by_key(|it| it.0)
        .map(|it| it.1)
}

/// Levenshtein distance: letters added, removed or changed.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut diagonal = at;
        let mut left = at + 1;
        let mut slots = row.iter_mut();
        if let Some(first) = slots.next() {
            *first = left;
        }
        for (slot, theirs) in slots.zip(other.chars()) {
            let changed = diagonal + usize::from(letter != theirs);
            diagonal = *slot;
            left = changed.min(diagonal + 1).min(left + 1);
            *slot = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_letters() {
        for (one, other, count) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "ab", 2),
            ("kitten", "sitting", 3),
            ("tennant", "tenant", 1),
            ("abc", "abc", 0),
        ] {
            assert_eq!(distance(one, other), count, "{one} {other}");
        }
    }

    #[test]
    fn a_word_far_from_all_is_near_to_none() {
        assert_eq!(nearest("publik_url", ["listen", "public_url"]), Some("public_url"));
        assert_eq!(nearest("zzz", ["listen", "public_url"]), None);
        assert_eq!(nearest(&"a".repeat(100_000), ["listen"]), None);
    }
}
