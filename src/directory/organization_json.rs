//! JSON of organizations, people and changes, identical in commands and on the admin listener.
//! Contains the status of a credential, never the credential.

use super::advice::PersonAdvice;
use super::domain::OrganizationDomain;
use super::domain_claim::record_name;
use super::error::Error;
use super::history::HistoryEntry;
use super::link_request::{LinkRequest, RequestState};
use super::merge::PossibleMerge;
use super::organization::{
    ConnectionCredential, EntraConnection, Organization, OrganizationSource, first_sign_in_as_str,
};
use super::organization_credential::CredentialKind;
use super::person::Person;
use super::store::Directory;
use crate::base::calendar::days_until;
use crate::base::guid::Guid;
use crate::base::username::Username;
use serde_json::{Value, json};

/// Status of an organization's credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialStatus {
    /// Description in words.
    pub words: &'static str,
    /// Kind of the current credential; `None` if there is none, none that can be opened, or one in
    /// the configuration.
    pub kind: Option<CredentialKind>,
    /// Kind of the pending credential.
    pub waiting: Option<CredentialKind>,
}

impl Directory {
    /// Returns the status of an organization's credential.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn credential_of(
        &self,
        organization: &Organization,
    ) -> Result<CredentialStatus, Error> {
        let nothing = |words| CredentialStatus { words, kind: None, waiting: None };
        if organization.source == OrganizationSource::File {
            return Ok(nothing("in the configuration"));
        }
        let by = match self.connection(organization).await {
            Err(Error::Unopened(_)) => return Ok(nothing("opened by no secret")),
            Err(other) => return Err(other),
            Ok(by) => by,
        };
        let Some(EntraConnection { by: ConnectionCredential::Sealed(proof), new, .. }) = by else {
            return Ok(nothing(if organization.has_credential { "sealed" } else { "none" }));
        };
        let (kind, waiting) = (proof.kind(), new.map(|it| it.proof.kind()));
        let words = match (kind, organization.pending_credential.is_some()) {
            (_, true) if waiting.is_none() => {
                "sealed, new one waiting, which is opened by no secret"
            }
            (CredentialKind::Certificate, false) => "certificate, sealed",
            (CredentialKind::Certificate, true) => "certificate, sealed, new one waiting",
            (CredentialKind::Federated, false) => "federated",
            (CredentialKind::Federated, true) => "federated, new one waiting",
            (CredentialKind::ClientSecret, false) => "sealed",
            (CredentialKind::ClientSecret, true) => "sealed, new one waiting",
        };
        Ok(CredentialStatus { words, kind: Some(kind), waiting })
    }

    /// Returns an organization with its domains, its former codes and the number of its people.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn organization_json(&self, organization: &Organization) -> Result<Value, Error> {
        let mut all =
            self.organization_summary(organization, self.credential_of(organization).await?);
        if let Some(all) = all.as_object_mut() {
            let former = self.former_codes(organization.id).await?;
            all.insert("domains".to_owned(), json!(self.domains(organization.id).await?));
            let proofs = self.domains_json(organization.id).await?;
            all.insert("domain_proofs".to_owned(), proofs);
            all.insert(
                "former_codes".to_owned(),
                former.iter().map(|it| json!({ "code": it.0, "ends": it.1 })).collect(),
            );
            all.insert("people".to_owned(), json!(self.count(organization.id).await?));
        }
        Ok(all)
    }

    /// Returns the domains of an organization with how each one is known; a claimed one has the TXT
    /// record that proves it.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn domains_json(&self, organization: Guid) -> Result<Value, Error> {
        let record = self.domain_record(organization).await?;
        let all = self.domain_list(organization).await?;
        let one = |it: &OrganizationDomain| {
            let pending = !it.standing.is_known();
            let record = pending.then(
                || json!({ "name": record_name(&it.domain), "type": "TXT", "value": record }),
            );
            json!({
                "domain": it.domain,
                "by": it.standing.as_str(),
                "since": it.since,
                "ends": it.ends,
                "record": record,
            })
        };
        Ok(all.iter().map(one).collect())
    }

    /// Returns an organization in the form for lists; `credential` is the status of its credential.
    pub fn organization_summary(
        &self,
        organization: &Organization,
        credential: CredentialStatus,
    ) -> Value {
        let days = organization.credential_ends.map(|it| days_until(it, self.clock.now()));
        summary(organization, credential, days)
    }
}

fn summary(organization: &Organization, credential: CredentialStatus, days: Option<i64>) -> Value {
    let kind = credential.waiting.map(CredentialKind::as_str);
    json!({
        "id": organization.id.to_string(),
        "code": organization.code.as_str(),
        "name": organization.name,
        "state": organization.state.as_str(),
        "identity_provider": organization.provider.as_str(),
        "tenant": organization.tenant.map(|it| it.to_string()),
        "client_id": organization.client_id.map(|it| it.to_string()),
        "credential": credential.words,
        "credential_ends": organization.credential_ends,
        "credential_days": days,
        "credential_waiting": organization.pending_credential.as_ref().map(|it| json!({ "kind": kind, "since": it.since, "by": it.by, "ends": it.ends, "refused": it.refused })),
        "default_role": organization.default_role,
        "first_sign_in": organization.first_sign_in.map(first_sign_in_as_str),
        "guests": organization.guests,
        "linking_paused": organization.linking_paused,
        "upn_seen": organization.upn_seen,
        "source": organization.source.as_str(),
        "created": organization.created,
        "changed": organization.changed,
        "changed_by": organization.changed_by,
    })
}

/// Returns a person.
pub fn person(person: &Person) -> Value {
    json!({
        "id": person.id.to_string(),
        "username": person.username.as_str(),
        "name": person.name,
        "email": person.email,
        "organization": person.code.as_str(),
        "role": person.role,
        "role_source": person.role_source.as_str(),
        "state": if person.on { "on" } else { "off" },
        "tid": person.linked.map(|it| it.0.to_string()),
        "oid": person.linked.map(|it| it.1.to_string()),
        "created": person.created,
        "last_sign_in": person.last_sign_in,
    })
}

/// Returns a person with what an operator should know about them.
pub fn person_with_advice(person: &Person, advice: &[PersonAdvice]) -> Value {
    let mut all = self::person(person);
    if let Some(all) = all.as_object_mut() {
        let words = advice.iter().map(|it| it.words(&person.username));
        all.insert("warnings".to_owned(), words.collect());
    }
    all
}

/// Returns a request for an approval.
pub fn link_request(request: &LinkRequest) -> Value {
    let undo_until = match request.state {
        RequestState::Approved(until) => Some(until),
        RequestState::Waiting | RequestState::Denied => None,
    };
    json!({
        "id": request.id.to_string(),
        "username": request.person.username.as_str(),
        "person": request.person.id.to_string(),
        "role": request.person.role,
        "last_sign_in": request.person.last_sign_in,
        "tid": request.account.0.to_string(),
        "oid": request.account.1.to_string(),
        "state": request.state.as_str(),
        "undo_until": undo_until,
        "at": request.at,
        "reason": request.reason.as_str(),
        "name": request.name,
        "upn": request.upn,
        "email": request.email,
        "guest": request.guest,
        "typed": request.typed,
        "mark": request.mark(),
    })
}

/// Returns two people who may be the same person.
pub fn possible_merge(it: &PossibleMerge) -> Value {
    json!({ "added": person(&it.added), "created": person(&it.created), "mark": it.mark() })
}

/// Returns an entry of the history.
pub fn change(entry: &HistoryEntry) -> Value {
    let person = entry.person.map(|it| it.to_string());
    let by_username = entry.by_username.as_ref().map(Username::as_str);
    json!({ "id": entry.id.to_string(), "at": entry.at, "by": entry.by, "by_username": by_username, "person": person, "username": entry.username.as_ref().map(Username::as_str), "what": entry.what })
}
