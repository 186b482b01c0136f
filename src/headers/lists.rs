//! Groups and roles within the budget that a request can carry.

use crate::base::texts::Texts;
use std::collections::HashSet;

/// Bytes of a list of groups or roles, separators included.
const BUDGET: usize = 4 * 1024;

/// What of a list is told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told<'a> {
    /// Those that rules name first, then the others, each in Entra's order.
    pub(super) entries: Vec<&'a str>,
    /// Whether something was left out.
    pub(super) truncated: bool,
}

/// Chooses what is told of `all`.
pub(super) fn tell<'a>(all: &'a Texts, named: &HashSet<String>) -> Told<'a> {
    let is_named = |it: &&str| named.contains(*it);
    let ordered = all.iter().filter(is_named).chain(all.iter().filter(|it| !is_named(it)));
    let mut left = BUDGET;
    let mut told = Told { entries: Vec::new(), truncated: false };
    for entry in ordered {
        // An escaped byte takes three; a group's id has none.
        let cost = entry.bytes().map(|it| if it.is_ascii_graphic() { 1 } else { 3 }).sum::<usize>() + 1;
        match left.checked_sub(cost) {
            Some(rest) => {
                left = rest;
                told.entries.push(entry);
            }
            None => told.truncated = true,
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_rules_name_come_first_and_the_rest_until_it_is_full() {
        let all: Vec<_> = (0..300).map(|it| format!("00000000-0000-0000-0000-{it:012}")).collect();
        let named = HashSet::from([all[299].clone()]);
        let texts = all.iter().collect();
        let told = tell(&texts, &named);
        assert_eq!(told.entries[0], all[299]);
        assert_eq!(told.entries[1], all[0]);
        assert!(told.truncated);
        assert_eq!(told.entries.len(), BUDGET / 37);
        assert!(!tell(&all[..5].iter().collect(), &named).truncated);
    }
}
