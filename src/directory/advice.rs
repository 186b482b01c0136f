//! Tells an operator what is needed until a person who was added beforehand can sign in.

use super::change::PersonChange;
use super::database::Transaction;
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
    /// The account may still be remembered as that of a person who was deleted and is refused.
    MayStayErased,
}

/// What was done to a person, which decides what an operator should know; the default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdviceOccasion {
    /// The person was added or switched off: a twin signs in as somebody else.
    names_twins: bool,
    /// An account was linked with its object ID.
    links: bool,
}

impl AdviceOccasion {
    /// The person was just added.
    pub const ADDED: Self = Self { names_twins: true, links: false };

    /// Returns the occasion of a change.
    pub fn of(change: &PersonChange) -> Self {
        Self { names_twins: change.on == Some(false), links: change.link.is_some() }
    }
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
            Self::MayStayErased => {
                "no secret in [session] secrets opens the key that finds the accounts of deleted people, so an earlier deletion of this account is not forgotten: \
                 without the link, the account is refused again; add the secret and link the account once more"
                    .to_owned()
            }
        }
    }
}

impl Directory {
    /// Returns what an operator should know about a person: what the first sign-in needs, and, where
    /// it matters, who may be the same person.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn advice(
        &self,
        person: &Person,
        occasion: AdviceOccasion,
    ) -> Result<Vec<PersonAdvice>, Error> {
        let mut all = Vec::new();
        if person.linked.is_none() && person.on {
            let organization = self.organization_by_id(person.organization).await?;
            all.extend(organization.and_then(|it| self.first_sign_in_advice(person, &it)));
        }
        if occasion.names_twins {
            let twin = |it: Person| (it.username, it.on, it.linked.is_some());
            let twins: Vec<_> = self.twins(person).await?.into_iter().map(twin).collect();
            all.extend(Some(twins).filter(|it| !it.is_empty()).map(PersonAdvice::Twins));
        }
        if occasion.links && self.may_stay_erased(person.organization).await? {
            all.push(PersonAdvice::MayStayErased);
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
    pub(super) async fn note_upn(
        &self,
        changes: &mut Transaction,
        organization: Guid,
    ) -> Result<(), Error> {
        let values = vec![organization.to_string().into(), self.clock.now().into()];
        let sql = "UPDATE organization SET upn_seen = $2 WHERE id = $1 AND upn_seen IS NULL";
        changes.run(sql, values).await.map(drop)
    }
}
