//! The sessions of people: found and ended by person, organization, or session at Entra.

use super::live::LiveSessions;
use super::person::{AmbiguousPerson, PersonKey, PersonName, PersonSelector};
use super::record::Session;
use crate::base::guid::Guid;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

impl LiveSessions {
    /// Ends the sessions that started in that session at Entra; returns their number.
    pub fn end_by_sid(&self, sid: &str) -> usize {
        self.end_each(self.index.by_sid(sid))
    }

    /// Ends all sessions of one person; returns their number.
    pub fn end_all_of(&self, person: PersonKey) -> usize {
        let mut found = self.index.by_object(person.oid);
        found.retain(|it| it.identity().tid == person.tid);
        self.end_each(found)
    }

    /// Returns the live sessions of a person in the directory, with the directory's ID.
    pub fn of_person(&self, person: Guid) -> Vec<Arc<Session>> {
        self.live(self.index.by_person(person))
    }

    /// Returns these organizations' live sessions. Scans all sessions: not for the request path.
    pub fn of_organizations(&self, organizations: &HashSet<Guid>) -> Vec<Arc<Session>> {
        let belongs = |it: &Arc<Session>| {
            it.identity().member.as_ref().is_some_and(|it| organizations.contains(&it.organization))
        };
        self.live(self.sessions.iter().map(|it| it.1).filter(belongs))
    }

    /// Ends an organization's sessions. Scans all sessions: not for the request path.
    pub fn end_all_of_organization(&self, organization: Guid) -> usize {
        self.end_each(self.of_organizations(&HashSet::from([organization])))
    }

    /// Ends a directory person's sessions that started no later than `begun_by`, or all if `None`;
    /// returns their number.
    pub fn end_all_of_person(&self, person: Guid, begun_by: Option<u64>) -> usize {
        let mut found = self.index.by_person(person);
        found.retain(|it| begun_by.is_none_or(|time| it.started_at() <= time));
        self.end_each(found)
    }

    fn live(&self, sessions: impl IntoIterator<Item = Arc<Session>>) -> Vec<Arc<Session>> {
        let now = self.clock.now();
        sessions.into_iter().filter(|it| self.is_live(it, now, false)).collect()
    }

    /// Returns the person with live sessions whom an operator selected. A name requires a scan of
    /// all sessions, because nothing else needs an index: not for the request path.
    ///
    /// # Errors
    /// `AmbiguousPerson` if several people match.
    pub fn select(&self, selector: &PersonSelector) -> Result<Option<PersonKey>, AmbiguousPerson> {
        let mut people = match &selector.user {
            PersonName::Object(oid) => self.people(self.index.by_object(*oid)),
            PersonName::Name(name) => {
                self.people(self.sessions.iter().map(|it| it.1).filter(|it| is_called(it, name)))
            }
        };
        people.retain(|it| selector.tenant.is_none_or(|tenant| it.tid == tenant));
        match people.as_slice() {
            [] => Ok(None),
            [person] => Ok(Some(*person)),
            _ => Err(AmbiguousPerson(people)),
        }
    }

    /// Returns the people with these live sessions, each once.
    fn people(&self, sessions: impl IntoIterator<Item = Arc<Session>>) -> Vec<PersonKey> {
        let person = |session: Arc<Session>| {
            let identity = session.identity();
            PersonKey { oid: identity.oid, tid: identity.tid }
        };
        self.live(sessions).into_iter().map(person).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Ends sessions; returns the number of live ones.
    pub(super) fn end_each(&self, sessions: Vec<Arc<Session>>) -> usize {
        let end = |session: &Arc<Session>| {
            let live = self.is_live(session, self.clock.now(), false);
            session.end.notify();
            self.record_end(session);
            self.sessions.invalidate(&session.key);
            live
        };
        sessions.iter().filter(|it| end(it)).count()
    }
}

fn is_called(session: &Session, name: &str) -> bool {
    session.identity().preferred_username.as_deref().is_some_and(|it| it.eq_ignore_ascii_case(name))
}
