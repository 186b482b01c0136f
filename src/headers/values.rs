//! The values of one person's plain headers.

use super::lists::SelectedEntries;
use super::names::HeaderNames;
use super::text::{push_entry, push_value};
use crate::base::identity::Identity;
use bytes::Bytes;
use http::HeaderValue;

/// Puts all values into one buffer: a session needs one allocation, not eleven.
pub(super) fn plain_values(
    names: &HeaderNames,
    user: &str,
    who: &Identity,
    groups: &SelectedEntries<'_>,
    roles: &SelectedEntries<'_>,
) -> Vec<Option<HeaderValue>> {
    let truncated = groups.truncated || roles.truncated;
    let mut out = HeaderBuffer::default();
    out.add(Some(user));
    out.add(who.preferred_username.as_deref());
    out.add(who.email.as_deref());
    out.add(who.name.as_deref());
    out.add_list(&groups.entries);
    out.add_list(&roles.entries);
    out.add(Some(&who.tid.to_string()));
    out.add(truncated.then_some("true"));
    let member = who.member.as_deref();
    out.add(member.map(|it| it.person.to_string()).as_deref());
    out.add(member.map(|it| &*it.role));
    out.add(member.map(|it| &*it.code));
    for (_, claim) in &names.custom {
        out.add(custom(who, claim));
    }
    out.into_values()
}

fn custom<'a>(who: &'a Identity, claim: &str) -> Option<&'a str> {
    who.custom.iter().find(|it| it.0 == claim).map(|it| it.1.as_str())
}

/// Consecutive texts, and the end of each.
#[derive(Default)]
struct HeaderBuffer {
    text: String,
    ends: Vec<usize>,
}

impl HeaderBuffer {
    fn add(&mut self, text: Option<&str>) {
        push_value(&mut self.text, text.unwrap_or_default());
        self.ends.push(self.text.len());
    }

    fn add_list(&mut self, entries: &[&str]) {
        for (at, entry) in entries.iter().enumerate() {
            if at > 0 {
                self.text.push(',');
            }
            push_entry(&mut self.text, entry);
        }
        self.ends.push(self.text.len());
    }

    fn into_values(self) -> Vec<Option<HeaderValue>> {
        let all = Bytes::from(self.text.into_bytes());
        let mut begin = 0;
        let mut values = Vec::with_capacity(self.ends.len());
        for end in self.ends {
            let value = (end > begin).then(|| all.slice(begin..end));
            values.push(value.and_then(|it| HeaderValue::from_maybe_shared(it).ok()));
            begin = end;
        }
        values
    }
}
