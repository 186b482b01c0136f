//! What Entra's error codes mean, and who can mend it.

use serde::Deserialize;
use std::collections::HashMap;
use std::sync::LazyLock;

/// One code of Entra's list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The number after `AADSTS`.
    pub code: u32,
    /// Microsoft's name for it.
    pub name: &'static str,
    /// Who can mend it: `USER`, `TADM` (the tenant's admin), `OPER` (the app's owner), `DEV` (us), `MS`, `IDP` (a federated provider), or several with `/`.
    pub who: &'static str,
    /// What it means, in one phrase.
    pub meaning: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// What is known of a code.
pub fn find(code: u32) -> Option<&'static Entry> {
    TABLE.get(&code)
}

/// The texts are borrowed from the file, which therefore must hold no escapes; a test keeps it so.
static TABLE: LazyLock<HashMap<u32, Entry>> = LazyLock::new(|| read().unwrap_or_default());

fn read() -> Result<HashMap<u32, Entry>, serde_json::Error> {
    let entries: Vec<Entry> = serde_json::from_str(include_str!("aadsts.json"))?;
    Ok(entries.into_iter().map(|it| (it.code, it)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_whole() {
        let lines = include_str!("aadsts.json").lines().filter(|it| it.contains("\"code\"")).count();
        assert_eq!(read().unwrap().len(), lines);
        assert!(lines > 150);
    }

    #[test]
    fn a_code_is_found_by_its_number_and_an_unknown_one_is_not() {
        let entry = find(50_105).unwrap();
        assert_eq!((entry.code, entry.who), (50_105, "TADM"));
        assert!(find(7_000_215).unwrap().remedy.contains("Value"));
        assert!(find(0).is_none());
    }

    #[test]
    fn everyone_who_can_mend_something_is_one_of_the_known() {
        for entry in read().unwrap().values() {
            assert!(entry.who.split('/').all(|it| matches!(it, "USER" | "TADM" | "OPER" | "DEV" | "MS" | "IDP" | "-")), "{}", entry.who);
        }
    }
}
