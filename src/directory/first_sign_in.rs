//! Matches the account that signed in at Entra with a person: found, linked, or created.
//!
//! A person is found by tenant and object ID within the organization; otherwise a member's user
//! principal name links the account to a person who was added beforehand and never linked; an
//! account that may be such a person, but does not prove it, waits for an approval; otherwise a
//! person is created. The typed username never decides who somebody is: it only leads to a request.
//! Everything happens in one transaction, and the unique columns `(organization, tid, oid)` and
//! `username` decide between concurrent sign-ins.

use super::database::Transaction;
use super::error::Error;
use super::likeness::{Compared, Likeness};
use super::link_request::RequestStanding;
use super::linking::{LinkVerdict, SigningAccount, WaitReason};
use super::organization::{Organization, OrganizationState};
use super::person::{Person, SELECT_PERSON, of_row};
use super::store::Directory;
use crate::base::identity::Identity;
use crate::base::username::Username;
use crate::config::directory::FirstSignInRule;
use crate::entra::verified::VerifiedUser;

/// Maximum number of attempts if another process creates the same row first. Each time, one more
/// row can be found.
const MAX_FIRST_SIGN_IN_TRIES: u32 = 8;

/// How an account was matched with a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonMatch {
    /// The person has signed in before.
    Known,
    /// The person was added manually or by an import, and is linked now.
    Linked,
    /// The person is created now.
    Made,
}

/// Who an account is in the directory, or would become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountMatch {
    /// The person may sign in, and was matched in this way. People who were added beforehand and
    /// look like a person who is created are listed.
    Person(PersonMatch, Box<Person>, Vec<Person>),
    /// The account may be a person who was added beforehand, and waits for an approval.
    Waits(Box<Person>, WaitReason),
}

/// What the sign-in of an account leads to; nothing is changed yet.
#[derive(Debug)]
pub(super) enum SignInPlan {
    /// The account is this person's.
    Known(Person),
    /// The account is linked to this person.
    Link(Person),
    /// The account may be this person, and waits for an approval.
    Wait(Person, WaitReason),
    /// A person is created; these were added beforehand and look alike.
    Create(Vec<Person>),
}

/// A person who may sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmittedPerson {
    /// The person.
    pub person: Person,
    /// How the account was matched.
    pub person_match: PersonMatch,
    /// People who were added beforehand and never linked, and look like a person who is created
    /// now.
    pub alike: Vec<Person>,
}

/// Why a person may not sign in.
#[derive(Debug, thiserror::Error)]
pub enum MembershipRefusal {
    /// The token is from another tenant than the organization's, regardless of what was typed.
    #[error("the person's tenant is not the organization's")]
    OtherTenant,
    /// The organization is a draft, or switched off.
    #[error("the organization is not on")]
    OrganizationOff,
    /// A guest of the tenant, and the organization does not allow guests.
    #[error("guests of the tenant may not sign in")]
    Guest,
    /// The person is switched off.
    #[error("the person is switched off")]
    PersonOff,
    /// The account may be a person who was added beforehand, and waits for an approval.
    #[error("the account waits for an approval: {}", .0.words())]
    Waits(WaitReason),
    /// The same, but no request was opened: too many accounts wait for that person already.
    #[error("the account needs an approval, but too many wait for the same person: {}", .0.words())]
    QueueFull(WaitReason),
    /// An approval was denied.
    #[error("the approval of the account was denied")]
    Denied,
    /// The person is unknown, and the first sign-in does not create people.
    #[error("the person is unknown, and first_sign_in is refuse")]
    Unknown,
    /// The directory cannot be read or changed.
    #[error(transparent)]
    Directory(#[from] Error),
}

/// Checks whether an account may sign in to an organization at all, before it is matched with a
/// person.
pub(super) fn check_admissible(
    who: &Identity,
    organization: &Organization,
) -> Result<(), MembershipRefusal> {
    if organization.tenant != Some(who.tid) {
        return Err(MembershipRefusal::OtherTenant);
    }
    if who.guest && !organization.guests { Err(MembershipRefusal::Guest) } else { Ok(()) }
}

fn switched_on(person: Person) -> Result<Person, MembershipRefusal> {
    if person.on { Ok(person) } else { Err(MembershipRefusal::PersonOff) }
}

/// Whether a username was typed that is neither the account's own nor the company's code.
fn claims_another_name(account: &SigningAccount<'_>, organization: &Organization) -> bool {
    let Some(typed) = account.typed else { return false };
    let who = account.who;
    let own = [&who.member_upn, &who.preferred_username, &who.email];
    let is_own = own.into_iter().flatten().any(|it| Username::parse(it).as_ref() == Some(typed));
    !is_own && typed.as_str() != organization.code.as_str()
}

impl Directory {
    /// Returns the person who signed in to an organization; `typed` is the text of the sign-in page.
    ///
    /// # Errors
    /// Why the person may not sign in.
    pub async fn admit(
        &self,
        user: &VerifiedUser,
        organization: &Organization,
        typed: Option<&str>,
    ) -> Result<AdmittedPerson, MembershipRefusal> {
        self.admit_account(user.identity(), organization, typed).await
    }

    pub(super) async fn admit_account(
        &self,
        who: &Identity,
        organization: &Organization,
        typed: Option<&str>,
    ) -> Result<AdmittedPerson, MembershipRefusal> {
        // Reads the current state: the organization may have been switched off while the person was
        // at Entra.
        let organization = self
            .organization_by_id(organization.id)
            .await?
            .ok_or(MembershipRefusal::OrganizationOff)?;
        if organization.state != OrganizationState::On {
            return Err(if organization.tenant == Some(who.tid) {
                MembershipRefusal::OrganizationOff
            } else {
                MembershipRefusal::OtherTenant
            });
        }
        check_admissible(who, &organization)?;
        let typed = typed.and_then(Username::parse);
        let account = SigningAccount { who, typed: typed.as_ref() };
        for _ in 0..MAX_FIRST_SIGN_IN_TRIES {
            match self.try_to_admit(&account, &organization).await {
                Ok(Some(person)) => return Ok(person),
                // Another process was first: search again.
                Ok(None) | Err(MembershipRefusal::Directory(Error::Conflict)) => {}
                Err(refused) => return Err(refused),
            }
        }
        Err(Error::Conflict.into())
    }

    /// Returns `None` if another process created the row in the meantime.
    async fn try_to_admit(
        &self,
        account: &SigningAccount<'_>,
        organization: &Organization,
    ) -> Result<Option<AdmittedPerson>, MembershipRefusal> {
        let mut changes = self.database.begin_transaction().await?;
        match self.match_account(&mut changes, account, organization).await? {
            None => Ok(None),
            Some(AccountMatch::Person(person_match, person, alike)) => {
                self.note_possible_merges(&mut changes, &person, &alike).await?;
                changes.commit().await?;
                Ok(Some(AdmittedPerson { person: *person, person_match, alike }))
            }
            Some(AccountMatch::Waits(person, why)) => {
                let is_listed = self.open_request(&mut changes, account, &person, why).await?;
                changes.commit().await?;
                Err(if is_listed {
                    MembershipRefusal::Waits(why)
                } else {
                    MembershipRefusal::QueueFull(why)
                })
            }
        }
    }

    /// Matches the account with a person, in a transaction that is not committed yet. `None` if
    /// another process changed a row in the meantime.
    async fn match_account(
        &self,
        changes: &mut Transaction,
        account: &SigningAccount<'_>,
        organization: &Organization,
    ) -> Result<Option<AccountMatch>, MembershipRefusal> {
        let who = account.who;
        if let Some(person) = self.linked(changes, who, organization).await? {
            let person = switched_on(person)?;
            let person = self.renew(changes, person, who, organization).await?;
            return Ok(Some(AccountMatch::Person(PersonMatch::Known, person.into(), Vec::new())));
        }
        // Two first sign-ins and a change of the tenant or of a role happen one after the other.
        let organization = &self.locked(changes, organization.id).await?;
        let plan = self.sign_in_plan(changes, account, organization).await?;
        if who.member_upn.is_some() && organization.upn_seen.is_none() {
            self.note_upn(changes, organization.id).await?;
        }
        let (how, person, alike) = match plan {
            SignInPlan::Known(person) => (PersonMatch::Known, person, Vec::new()),
            SignInPlan::Link(person) => {
                let account = (who.tid, who.oid);
                let by = "first sign-in";
                let person = self.link(changes, person, account, by, "by its UPN").await?;
                (PersonMatch::Linked, person, Vec::new())
            }
            SignInPlan::Wait(person, why) => {
                return Ok(Some(AccountMatch::Waits(person.into(), why)));
            }
            SignInPlan::Create(alike) => {
                let Some(person) = self.make(changes, who, organization).await? else {
                    return Ok(None);
                };
                (PersonMatch::Made, person, alike)
            }
        };
        let person = self.renew(changes, person, who, organization).await?;
        Ok(Some(AccountMatch::Person(how, person.into(), alike)))
    }

    /// Decides what the sign-in of an account leads to; reads only.
    pub(super) async fn sign_in_plan(
        &self,
        rows: &mut Transaction,
        account: &SigningAccount<'_>,
        organization: &Organization,
    ) -> Result<SignInPlan, MembershipRefusal> {
        let who = account.who;
        check_admissible(who, organization)?;
        // Another request of the same account may have been first.
        if let Some(person) = self.linked(rows, who, organization).await? {
            return Ok(SignInPlan::Known(switched_on(person)?));
        }
        if self.is_erased_and_refused(rows, organization.id, (who.tid, who.oid)).await? {
            return Err(MembershipRefusal::PersonOff);
        }
        let found = self.exact_matches(rows, account, organization).await?;
        let standing = self.request_standing(rows, organization.id, (who.tid, who.oid)).await?;
        let verdict = if standing.separate {
            LinkVerdict::NoMatch
        } else {
            self.link_verdict(found, who, organization)
        };
        match verdict {
            LinkVerdict::Link(person) if !standing.denied.contains(&person.id) => {
                Ok(SignInPlan::Link(switched_on(person)?))
            }
            _ if !standing.denied.is_empty() => Err(MembershipRefusal::Denied),
            LinkVerdict::Wait(person, why) => Ok(SignInPlan::Wait(person, why)),
            LinkVerdict::Link(_) | LinkVerdict::NoMatch => {
                self.plan_without_match(rows, account, organization, &standing).await
            }
        }
    }

    /// Decides about an account that matches no person by an exact value.
    async fn plan_without_match(
        &self,
        rows: &mut Transaction,
        account: &SigningAccount<'_>,
        organization: &Organization,
        standing: &RequestStanding,
    ) -> Result<SignInPlan, MembershipRefusal> {
        let who = account.who;
        let creates = organization.first_sign_in.unwrap_or(self.config.first_sign_in)
            == FirstSignInRule::Create;
        if standing.separate {
            return Ok(SignInPlan::Create(Vec::new()));
        }
        if standing.waits {
            // What was typed the first time may be missing now.
            let found = self.waiting_for(rows, organization.id, (who.tid, who.oid)).await?;
            let (person, why) = found.ok_or(Error::Conflict)?;
            return Ok(SignInPlan::Wait(person, why));
        }
        let forms = Likeness::of_account(who);
        let alike = self.alike(rows, organization.id, &forms, Compared::Unlinked).await?;
        // A person who is switched off does not come back as another one.
        if let Some(first) = alike.iter().find(|it| !creates || !it.on) {
            Ok(SignInPlan::Wait(first.clone(), WaitReason::LooksAlike))
        } else if creates {
            Ok(SignInPlan::Create(alike))
        } else if claims_another_name(account, organization) {
            // Waiting accounts get the same answer, so that it does not reveal who was added.
            Err(MembershipRefusal::Waits(WaitReason::Typed))
        } else {
            Err(MembershipRefusal::Unknown)
        }
    }

    pub(super) async fn linked(
        &self,
        changes: &mut Transaction,
        who: &Identity,
        organization: &Organization,
    ) -> Result<Option<Person>, Error> {
        let sql =
            format!("{SELECT_PERSON} WHERE p.organization = $1 AND p.tid = $2 AND p.oid = $3");
        let values = vec![
            organization.id.to_string().into(),
            who.tid.to_string().into(),
            who.oid.to_string().into(),
        ];
        changes.row(sqlx::AssertSqlSafe(sql), values).await?.map(|it| of_row(&it)).transpose()
    }
}
