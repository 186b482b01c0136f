//! A list of strings in one allocation, because thousands of sessions hold several.

use serde::{Serialize, Serializer};
use std::fmt;

/// An immutable sequence of strings.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StringList {
    all: Box<str>,
    ends: Box<[u32]>,
}

impl StringList {
    /// Number of strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Iterates over the strings in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> + Clone {
        let mut begin = 0;
        self.ends.iter().filter_map(move |end| {
            let end = usize::try_from(*end).ok()?;
            let text = self.all.get(begin..end);
            begin = end;
            text
        })
    }

    /// Whether the list contains exactly `text`.
    pub fn contains(&self, text: &str) -> bool {
        self.iter().any(|it| it == text)
    }
}

/// Keeps strings up to 4 GiB in total, far more than any token holds.
impl<T: AsRef<str>> FromIterator<T> for StringList {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let (mut all, mut ends) = (String::new(), Vec::new());
        for text in texts {
            let Ok(end) = u32::try_from(all.len() + text.as_ref().len()) else { break };
            all.push_str(text.as_ref());
            ends.push(end);
        }
        Self { all: all.into(), ends: ends.into() }
    }
}

impl Serialize for StringList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl fmt::Debug for StringList {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_in_comes_out_in_order() {
        let texts: StringList = ["Admin", "", "Zoë"].into_iter().collect();
        assert_eq!(texts.iter().collect::<Vec<_>>(), ["Admin", "", "Zoë"]);
        assert_eq!(
            (texts.len(), texts.is_empty(), StringList::default().is_empty()),
            (3, false, true)
        );
        assert!(texts.contains("Admin") && !texts.contains("admin"));
        assert_eq!(serde_json::to_string(&texts).unwrap(), r#"["Admin","","Zoë"]"#);
    }
}
