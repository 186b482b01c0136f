//! What machines are told of organizations, people and changes: the same by a command as by the admin listener. Never a credential, only how it is.

use super::error::Error;
use super::history::Change;
use super::organization::{Connection, Means, Organization, Source, days_until, first_sign_in_as_str};
use super::person::Person;
use super::proof::Kind;
use super::store::Directory;
use crate::base::username::Username;
use serde_json::{Value, json};

/// How an organization's credential stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// In words.
    pub words: &'static str,
    /// What works as far as is known; nothing where there is none, none that opens, or where the configuration keeps it.
    pub kind: Option<Kind>,
    /// What waits until it has signed somebody in.
    pub waiting: Option<Kind>,
}

impl Directory {
    /// How an organization's credential stands.
    ///
    /// # Errors
    /// Where the database cannot be asked.
    pub async fn credential_of(&self, it: &Organization) -> Result<Held, Error> {
        let nothing = |words| Held { words, kind: None, waiting: None };
        if it.source == Source::File {
            return Ok(nothing("in the configuration"));
        }
        let by = match self.connection(it).await {
            Err(Error::Unopened(_)) => return Ok(nothing("opened by no secret")),
            Err(other) => return Err(other),
            Ok(by) => by,
        };
        let Some(Connection { by: Means::Sealed(proof), new, .. }) = by else {
            return Ok(nothing(if it.has_credential { "sealed" } else { "none" }));
        };
        let (kind, waiting) = (proof.kind(), new.map(|it| it.proof.kind()));
        let words = match (kind, it.waiting.is_some()) {
            (_, true) if waiting.is_none() => "sealed, new one waiting, which is opened by no secret",
            (Kind::Certificate, false) => "certificate, sealed",
            (Kind::Certificate, true) => "certificate, sealed, new one waiting",
            (Kind::Federated, false) => "federated",
            (Kind::Federated, true) => "federated, new one waiting",
            (Kind::ClientSecret, false) => "sealed",
            (Kind::ClientSecret, true) => "sealed, new one waiting",
        };
        Ok(Held { words, kind: Some(kind), waiting })
    }

    /// An organization with its domains, its former codes and how many people it has.
    ///
    /// # Errors
    /// Where the database cannot be asked.
    pub async fn told(&self, it: &Organization) -> Result<Value, Error> {
        let mut all = self.told_briefly(it, self.credential_of(it).await?);
        if let Some(all) = all.as_object_mut() {
            let former = self.former_codes(it.id).await?;
            all.insert("domains".to_owned(), json!(self.domains(it.id).await?));
            all.insert("former_codes".to_owned(), former.iter().map(|it| json!({ "code": it.0, "ends": it.1 })).collect());
            all.insert("people".to_owned(), json!(self.count(it.id).await?));
        }
        Ok(all)
    }

    /// An organization as lists have it; `credential` is how that stands.
    pub fn told_briefly(&self, it: &Organization, credential: Held) -> Value {
        organization(it, credential, it.credential_ends.map(|it| days_until(it, self.clock.now())))
    }
}

fn organization(it: &Organization, credential: Held, days: Option<i64>) -> Value {
    let kind = credential.waiting.map(Kind::as_str);
    json!({
        "id": it.id.to_string(),
        "code": it.code.as_str(),
        "name": it.name,
        "state": it.state.as_str(),
        "identity_provider": it.provider.as_str(),
        "tenant": it.tenant.map(|it| it.to_string()),
        "client_id": it.client_id.map(|it| it.to_string()),
        "credential": credential.words,
        "credential_ends": it.credential_ends,
        "credential_days": days,
        "credential_waiting": it.waiting.as_ref().map(|it| json!({ "kind": kind, "since": it.since, "by": it.by, "ends": it.ends, "refused": it.refused })),
        "default_role": it.default_role,
        "first_sign_in": it.first_sign_in.map(first_sign_in_as_str),
        "guests": it.guests,
        "source": it.source.as_str(),
        "created": it.created,
        "changed": it.changed,
        "changed_by": it.changed_by,
    })
}

/// A person.
pub fn person(it: &Person) -> Value {
    json!({
        "id": it.id.to_string(),
        "username": it.username.as_str(),
        "name": it.name,
        "email": it.email,
        "organization": it.code.as_str(),
        "role": it.role,
        "role_source": it.role_source.as_str(),
        "state": if it.on { "on" } else { "off" },
        "tid": it.linked.map(|it| it.0.to_string()),
        "oid": it.linked.map(|it| it.1.to_string()),
        "created": it.created,
        "last_sign_in": it.last_sign_in,
    })
}

/// One change of the history.
pub fn change(it: &Change) -> Value {
    let person = it.person.map(|it| it.to_string());
    let by_username = it.by_username.as_ref().map(Username::as_str);
    json!({ "id": it.id.to_string(), "at": it.at, "by": it.by, "by_username": by_username, "person": person, "username": it.username.as_ref().map(Username::as_str), "what": it.what })
}
