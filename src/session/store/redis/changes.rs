//! The stream of changes, from which every process learns that sessions have ended elsewhere.

use super::super::super::person::PersonKey;
use super::super::super::session_key::SessionKey;
use super::link::RedisLink;
use crate::base::guid::Guid;
use crate::seal::envelope::Envelope;
use redis::streams::{StreamReadOptions, StreamReadReply};
use redis::{AsyncCommands as _, RedisResult};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Approximate maximum number of changes in the stream. A process that missed more looks all of its
/// sessions up.
pub(super) const MAX_CHANGES: usize = 10_000;
/// Maximum number of changes that are read at a time.
const PAGE: usize = 1000;
/// The name under which changes are sealed.
const CHANGE_NAME: &str = "change";
const FIELD: &str = "c";
/// Before the first change.
pub(super) const BEGINNING: &str = "0-0";

/// What ended.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum Change {
    /// A session.
    Session([u8; 32]),
    /// The sessions of an account that began until then, in seconds since 1970.
    Person { oid: [u8; 16], tid: [u8; 16], at: u64 },
    /// The sessions that began in a session at Entra until then, in seconds since 1970.
    Sid { sid: String, at: u64 },
    /// Sessions of an account, by the names of their places.
    Places { oid: [u8; 16], places: Vec<String> },
}

impl Change {
    pub(super) fn session(key: SessionKey) -> Self {
        Self::Session(key)
    }

    pub(super) fn person(person: PersonKey, at: u64) -> Self {
        Self::Person { oid: *person.oid.bytes(), tid: *person.tid.bytes(), at }
    }

    pub(super) fn places(oid: Guid, places: Vec<String>) -> Self {
        Self::Places { oid: *oid.bytes(), places }
    }

    /// Returns until when a session must have begun to be meant, in seconds since 1970.
    pub(super) fn at(&self) -> Option<u64> {
        match self {
            Self::Person { at, .. } | Self::Sid { at, .. } => Some(*at),
            Self::Session(_) | Self::Places { .. } => None,
        }
    }

    fn seal(&self, envelope: &Envelope) -> Option<String> {
        envelope.seal(CHANGE_NAME, &postcard::to_stdvec(self).ok()?)
    }

    fn open(envelope: &Envelope, sealed: &str) -> Option<Self> {
        let opened = envelope.open(CHANGE_NAME, sealed)?;
        let (change, rest) = postcard::take_from_bytes(&opened).ok()?;
        rest.is_empty().then_some(change)
    }
}

/// Adds a change to the stream.
pub(super) async fn add(
    link: &mut RedisLink,
    stream: &str,
    envelope: &Envelope,
    change: &Change,
) -> RedisResult<()> {
    let Some(sealed) = change.seal(envelope) else { return Ok(()) };
    let mut command = redis::cmd("XADD");
    command.arg(stream).arg("MAXLEN").arg("~").arg(MAX_CHANGES).arg("*").arg(FIELD).arg(sealed);
    command.query_async(link).await
}

/// A part of the stream.
pub(super) struct ChangePage {
    pub(super) changes: Vec<Change>,
    /// The ID of the last change.
    pub(super) last: Option<String>,
    /// Whether there may be more at once.
    pub(super) is_full: bool,
}

/// Reads changes after `last`; waits for `wait` if there is none yet.
pub(super) async fn read(
    link: &mut RedisLink,
    stream: &str,
    envelope: &Envelope,
    last: &str,
    wait: Option<Duration>,
) -> RedisResult<ChangePage> {
    let mut options = StreamReadOptions::default().count(PAGE);
    if let Some(wait) = wait {
        options = options.block(usize::try_from(wait.as_millis()).unwrap_or(usize::MAX));
    }
    let reply: Option<StreamReadReply> = link.xread_options(&[stream], &[last], &options).await?;
    let entries = reply.into_iter().flat_map(|it| it.keys).flat_map(|it| it.ids);
    let mut page = ChangePage { changes: Vec::new(), last: None, is_full: false };
    let mut count = 0;
    for entry in entries {
        count += 1;
        let sealed: Option<String> = entry.get(FIELD);
        // What does not open is of another installation at the same prefix, or of secrets that are
        // no longer known: their sessions are not known here either.
        page.changes.extend(sealed.and_then(|it| Change::open(envelope, &it)));
        page.last = Some(entry.id);
    }
    page.is_full = count >= PAGE;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;
    use crate::seal::keyring::Keyring;

    fn envelope(secrets: &[&str]) -> Envelope {
        let secrets: Vec<_> = secrets.iter().map(|it| Secret::new(*it)).collect();
        let random = crate::seal::random::system();
        Envelope::new(&Keyring::new(&secrets, &random), "changes", &random)
    }

    #[test]
    fn a_change_is_sealed_and_opens_with_any_of_the_secrets() {
        let id = Guid::parse("00aa00aa-bb11-cc22-dd33-44ee44ee0001").unwrap();
        for change in [
            Change::session([7; 32]),
            Change::person(PersonKey { oid: id, tid: id }, 1000),
            Change::Sid { sid: "abc".to_owned(), at: 1000 },
            Change::places(id, vec!["one".to_owned()]),
        ] {
            let sealed = change.seal(&envelope(&["one"])).unwrap();
            assert_eq!(Change::open(&envelope(&["new", "one"]), &sealed), Some(change));
            assert_eq!(Change::open(&envelope(&["new"]), &sealed), None);
        }
        assert_eq!(Change::open(&envelope(&["one"]), "abc"), None);
    }
}
