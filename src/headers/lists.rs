//! Limits lists of groups and roles to a size that a request can carry.

use crate::base::string_list::StringList;
use std::collections::HashSet;

/// Maximum length of a list of groups or roles, in bytes, including separators.
const MAX_LIST_BYTES: usize = 4 * 1024;

/// The part of a list that is sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SelectedEntries<'a> {
    /// The entries that rules name come first, then the others, each in Entra's order.
    pub(super) entries: Vec<&'a str>,
    /// Whether entries were left out.
    pub(super) truncated: bool,
}

/// The parts of a person's lists that are sent.
#[derive(Debug)]
pub(super) struct SelectedLists<'a> {
    pub(super) groups: SelectedEntries<'a>,
    pub(super) roles: SelectedEntries<'a>,
}

/// Selects the entries of `all` that are sent.
pub(super) fn select<'a>(all: &'a StringList, named: &HashSet<String>) -> SelectedEntries<'a> {
    let is_named = |it: &&str| named.contains(*it);
    let ordered = all.iter().filter(is_named).chain(all.iter().filter(|it| !is_named(it)));
    let mut left = MAX_LIST_BYTES;
    let mut selected = SelectedEntries { entries: Vec::new(), truncated: false };
    for entry in ordered {
        // A percent-encoded byte takes three. Group IDs have none.
        let cost =
            entry.bytes().map(|it| if it.is_ascii_graphic() { 1 } else { 3 }).sum::<usize>() + 1;
        match left.checked_sub(cost) {
            Some(rest) => {
                left = rest;
                selected.entries.push(entry);
            }
            None => selected.truncated = true,
        }
    }
    selected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_rules_name_come_first_and_the_rest_until_it_is_full() {
        let all: Vec<_> = (0..300).map(|it| format!("00000000-0000-0000-0000-{it:012}")).collect();
        let named = HashSet::from([all[299].clone()]);
        let texts = all.iter().collect();
        let selected = select(&texts, &named);
        assert_eq!(selected.entries[0], all[299]);
        assert_eq!(selected.entries[1], all[0]);
        assert!(selected.truncated);
        assert_eq!(selected.entries.len(), MAX_LIST_BYTES / 37);
        assert!(!select(&all[..5].iter().collect(), &named).truncated);
    }
}
