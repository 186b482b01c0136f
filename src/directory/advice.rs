//! Tells an operator what is needed until a person who was added beforehand can sign in.

use super::error::Error;
use super::linking::WaitReason;
use super::organization::Organization;
use super::person::Person;
use super::store::Directory;
use crate::base::guid::Guid;
use crate::base::username::Username;

/// What an operator should know about a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonAdvice {
    /// The first sign-in waits for an approval, for this reason.
    Waits(WaitReason),
    /// Neither the username nor the e-mail is an address, so only the typed username leads to a
    /// request.
    NoAddress,
    /// No sign-in of the company has shown the claims yet that link people.
    NoUpnSeen,
    /// These people may be the same person: username, whether switched on, and whether linked.
    Twins(Vec<(Username, bool, bool)>),
}

impl PersonAdvice {
    /// Returns the advice for the operator, about the person with this username.
    pub fn words(&self, username: &Username) -> String {
        match self {
            Self::Waits(WaitReason::Role) => format!(
                "the role of {username} may open the set-up page, so the first sign-in waits for an approval (entrada person requests); \
                 or link the account now with entrada person set {username} --link OBJECT_ID"
            ),
            Self::Waits(why) => {
                format!("the next sign-in of {username} waits for an approval: {}", why.words())
            }
            Self::NoAddress => format!(
                "neither the username {username} nor an e-mail is an address: the first sign-in waits for an approval if {username} is typed, \
                 and otherwise creates another person"
            ),
            Self::NoUpnSeen => {
                "no sign-in of the company has shown the optional claims upn and acct of the ID token yet; \
                 without them, the first sign-in waits for an approval"
                    .to_owned()
            }
            Self::Twins(all) => {
                let one = |(twin, on, linked): &(Username, bool, bool)| {
                    let on = if *on { "on" } else { "off" };
                    let linked = if *linked { "signs in with an account" } else { "has no account" };
                    format!("{twin} ({on}, {linked})")
                };
                let all: Vec<String> = all.iter().map(one).collect();
                format!(
                    "{username} may be the same person as {}; if so, entrada person merge joins two people",
                    all.join(", ")
                )
            }
        }
    }
}

impl Directory {
    /// Returns what an operator should know after a change to a person: what the first sign-in
    /// needs, and who may be the same person.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn advice(&self, person: &Person) -> Result<Vec<PersonAdvice>, Error> {
        let mut all = Vec::new();
        if person.linked.is_none() && person.on {
            let organization = self.organization_by_id(person.organization).await?;
            all.extend(organization.and_then(|it| self.first_sign_in_advice(person, &it)));
        }
        let twins = self.twins(person).await?;
        if !twins.is_empty() {
            let twin = |it: Person| (it.username, it.on, it.linked.is_some());
            all.push(PersonAdvice::Twins(twins.into_iter().map(twin).collect()));
        }
        Ok(all)
    }

    /// Returns what the first sign-in of a person without a link needs, if anything.
    pub(super) fn first_sign_in_advice(
        &self,
        person: &Person,
        organization: &Organization,
    ) -> Option<PersonAdvice> {
        let is_address = person.username.is_address() || person.email.is_some();
        match self.obstacle(person, organization) {
            Some(why) => Some(PersonAdvice::Waits(why)),
            None if !is_address => Some(PersonAdvice::NoAddress),
            None if organization.upn_seen.is_none() => Some(PersonAdvice::NoUpnSeen),
            None => None,
        }
    }

    /// Notes that a token of the organization's registration had the claims that link people.
    ///
    /// # Errors
    /// The database cannot be changed.
    pub async fn note_upn(&self, organization: Guid) -> Result<(), Error> {
        let mut changes = self.database.begin_transaction().await?;
        let values = vec![organization.to_string().into(), self.clock.now().into()];
        let sql = "UPDATE organization SET upn_seen = $2 WHERE id = $1 AND upn_seen IS NULL";
        changes.run(sql, values).await?;
        changes.commit().await
    }
}
