//! Finds people by what an operator types, also if they are signed in only at other processes.

use super::super::super::person::{PersonKey, PersonName, PersonSelector};
use super::super::super::record::Session;
use super::super::unavailable::StoreUnavailable;
use super::keys::SecretKeys;
use super::redis_store::{Calls, RedisStore};
use crate::base::guid::Guid;
use redis::AsyncCommands as _;
use std::collections::{BTreeSet, HashMap};

/// Maximum number of people with one name that are read.
const MAX_NAMESAKES: usize = 100;

impl RedisStore {
    /// Adds the person of a session under the object ID and the sign-in name.
    pub(super) async fn write_names(
        &self,
        calls: &Calls<'_>,
        session: &Session,
        keys: &SecretKeys,
    ) -> Result<(), StoreUnavailable> {
        let who = session.identity.load_full();
        let person = PersonKey { oid: who.oid, tid: who.tid };
        let names =
            [Some(who.oid.to_string()), who.preferred_username.as_deref().map(str::to_owned)];
        let bytes = [*person.oid.bytes(), *person.tid.bytes()].concat();
        let lives = i64::try_from(self.lifetime).unwrap_or(i64::MAX);
        for name in names.into_iter().flatten() {
            let index = keys.of_name(&self.prefix, &name);
            let field = keys.person_digest(person);
            let Some(sealed) = self.secrets.load().changes.seal(&field, &bytes) else { continue };
            let _: usize = calls.run(async |link| link.hset(&index, &field, &sealed).await).await?;
            let _: bool = calls.run(async |link| link.expire(&index, lives).await).await?;
        }
        Ok(())
    }

    /// Returns the people with this name or object ID who signed in lately at any process.
    ///
    /// # Errors
    /// The server does not answer.
    pub(in crate::session::store) async fn find_people(
        &self,
        selector: &PersonSelector,
    ) -> Result<BTreeSet<PersonKey>, StoreUnavailable> {
        let name = match &selector.user {
            PersonName::Object(oid) => oid.to_string(),
            PersonName::Name(name) => name.to_string(),
        };
        let secrets = self.secrets.load_full();
        let mut people = BTreeSet::new();
        for keys in &secrets.keys {
            let index = keys.of_name(&self.prefix, &name);
            let found: HashMap<String, String> =
                self.call(async |link| link.hgetall(&index).await).await?;
            for (field, sealed) in found.into_iter().take(MAX_NAMESAKES) {
                let opened = secrets.changes.open(&field, &sealed);
                people.extend(opened.as_deref().and_then(person_of));
            }
        }
        people.retain(|it| selector.tenant.is_none_or(|tenant| it.tid == tenant));
        Ok(people)
    }
}

fn person_of(bytes: &[u8]) -> Option<PersonKey> {
    let (oid, tid) = bytes.split_first_chunk::<16>()?;
    Some(PersonKey { oid: Guid::of_bytes(*oid), tid: Guid::of_bytes(*tid.first_chunk::<16>()?) })
}
