//! The values of one person's plain headers.

use super::lists::SelectedEntries;
use super::names::{HEADERS_PER_SET, HeaderNames};
use super::text::{push_entry, push_value};
use crate::base::identity::Identity;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use std::ops::Range;

/// The plain headers of one person. All values, and the fields that the app receives, are in one
/// buffer: a session needs one allocation, not eleven.
#[derive(Debug)]
pub(super) struct PlainHeaders {
    /// The values of a set in its order, followed by the custom ones.
    pub(super) values: Box<[Option<HeaderValue>]>,
    /// The fields that the app receives, as they are written in HTTP/1.1 (RFC 9112 section 5).
    pub(super) block: Bytes,
}

impl PlainHeaders {
    pub(super) fn new(
        names: &HeaderNames,
        user: &str,
        who: &Identity,
        groups: &SelectedEntries<'_>,
        roles: &SelectedEntries<'_>,
    ) -> Self {
        let texts = texts(names, user, who, groups, roles);
        let (mut block, mut places) = (String::new(), vec![None; texts.len()]);
        let mut written: Vec<&HeaderName> = Vec::new();
        for (at, name) in names.sent() {
            let text = texts.get(at).map_or("", String::as_str);
            // Sets share the headers of the directory. Values are encoded; one that is not would
            // otherwise begin a field of its own.
            let is_value = !text.is_empty() && HeaderValue::from_str(text).is_ok();
            if !is_value || written.contains(&name) {
                continue;
            }
            written.push(name);
            block.push_str(name.as_str());
            block.push_str(": ");
            let start = block.len();
            block.push_str(text);
            if let Some(place) = places.get_mut(at) {
                *place = Some(start..block.len());
            }
            block.push_str("\r\n");
        }
        let sent = block.len();
        // Values that only responses to front proxies need.
        for (text, place) in texts.iter().zip(&mut places) {
            if place.is_none() && !text.is_empty() {
                *place = Some(block.len()..block.len() + text.len());
                block.push_str(text);
            }
        }
        let all = Bytes::from(block.into_bytes());
        let value =
            |place: Option<Range<usize>>| HeaderValue::from_maybe_shared(all.slice(place?)).ok();
        Self { values: places.into_iter().map(value).collect(), block: all.slice(..sent) }
    }
}

fn texts(
    names: &HeaderNames,
    user: &str,
    who: &Identity,
    groups: &SelectedEntries<'_>,
    roles: &SelectedEntries<'_>,
) -> Vec<String> {
    let value = |text: Option<&str>| {
        let mut out = String::new();
        push_value(&mut out, text.unwrap_or_default());
        out
    };
    let list = |entries: &[&str]| {
        let mut out = String::new();
        for (at, entry) in entries.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            push_entry(&mut out, entry);
        }
        out
    };
    let truncated = groups.truncated || roles.truncated;
    let member = who.member.as_deref();
    let set: [String; HEADERS_PER_SET] = [
        value(Some(user)),
        value(who.preferred_username.as_deref()),
        value(who.email.as_deref()),
        value(who.name.as_deref()),
        list(&groups.entries),
        list(&roles.entries),
        value(Some(&who.tid.to_string())),
        value(truncated.then_some("true")),
        value(member.map(|it| it.person.to_string()).as_deref()),
        value(member.map(|it| &*it.role)),
        value(member.map(|it| &*it.code)),
    ];
    let custom = names.custom.iter().map(|(_, claim)| value(custom(who, claim)));
    set.into_iter().chain(custom).collect()
}

fn custom<'a>(who: &'a Identity, claim: &str) -> Option<&'a str> {
    who.custom.iter().find(|it| it.0 == claim).map(|it| it.1.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::guid::Guid;
    use crate::config::headers::{AssertionConfig, HeaderSet, HeadersConfig};
    use std::time::Duration;

    fn headers(send: &[HeaderSet]) -> PlainHeaders {
        let assertion = AssertionConfig {
            name: HeaderName::from_static("x-entrada-assertion"),
            audience: "app".into(),
            lifetime: Duration::from_secs(60),
        };
        let custom = vec![(HeaderName::from_static("x-department"), "department".into())];
        let config = HeadersConfig { send: send.to_vec(), custom, assertion };
        let tenant = Guid::parse("aaaabbbb-0000-cccc-1111-dddd2222eeee").unwrap();
        let oid = Guid::parse("00aa00aa-bb11-cc22-dd33-44ee44ee44ee").unwrap();
        let who = Identity {
            name: Some("Zoë\r\nX-Admin: 1".into()),
            custom: vec![("department".into(), "R&D".into())].into(),
            ..Identity::new(oid, tenant)
        };
        let groups = SelectedEntries { entries: vec!["g1", "g2"], truncated: false };
        let names = HeaderNames::new(&config);
        PlainHeaders::new(&names, "maya", &who, &groups, &SelectedEntries::default())
    }

    #[test]
    fn the_block_has_each_field_that_is_sent_once_and_every_value_is_known() {
        for (send, prefixes) in [
            (&[][..], &[][..]),
            (&[HeaderSet::XForwarded], &["x-forwarded"]),
            (&[HeaderSet::XForwarded, HeaderSet::XAuthRequest], &["x-forwarded", "x-auth-request"]),
        ] {
            let headers = headers(send);
            let block = std::str::from_utf8(&headers.block).unwrap();
            let mut expected = String::new();
            for prefix in prefixes {
                expected += &format!(
                    "{prefix}-user: maya\r\n{prefix}-name: Zo%C3%AB%0D%0AX-Admin: 1\r\n\
                     {prefix}-groups: g1,g2\r\n\
                     {prefix}-tenant: aaaabbbb-0000-cccc-1111-dddd2222eeee\r\n"
                );
            }
            expected += "x-department: R&D\r\n";
            assert_eq!(block, expected);
            let values: Vec<_> = headers
                .values
                .iter()
                .map(|it| it.as_ref().map_or("", |it| it.to_str().unwrap()))
                .collect();
            assert_eq!(values.len(), HEADERS_PER_SET + 1);
            assert_eq!((values[0], values[2], values[4], values[11]), ("maya", "", "g1,g2", "R&D"));
        }
    }
}
