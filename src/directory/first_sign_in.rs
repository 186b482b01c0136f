//! Matches the account that signed in at Entra with a person: found, linked, or created.
//!
//! A person is found by tenant and object ID within the organization; otherwise a member's user
//! principal name links the account to a person who was added beforehand and never linked; an
//! account that may be such a person, but does not prove it, waits for an approval; otherwise a
//! person is created. The typed username never decides who somebody is: it only leads to a request.
//! Everything happens in one transaction, and the unique columns `(organization, tid, oid)` and
//! `username` decide between concurrent sign-ins.

use super::database::{SqlValue, Transaction};
use super::error::Error;
use super::likeness::{Compared, Likeness};
use super::link_request::RequestStanding;
use super::linking::{LinkVerdict, SigningAccount, WaitReason};
use super::organization::{Organization, OrganizationState};
use super::person::{Person, RoleSource, SELECT_PERSON, of_row};
use super::store::Directory;
use crate::base::identity::Identity;
use crate::base::username::Username;
use crate::config::directory::FirstSignInRule;
use crate::entra::verified::VerifiedUser;

/// Maximum number of attempts if another process creates the same row first. Each time, one more
/// row can be found.
const MAX_FIRST_SIGN_IN_TRIES: u32 = 8;

/// Maximum length of a stored name, in characters.
const MAX_PERSON_NAME_CHARS: usize = 200;

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

/// Who an account is in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AccountMatch {
    /// The person may sign in. People who were added beforehand and look alike are listed.
    Person(PersonMatch, Box<Person>, Vec<Person>),
    /// The account may be a person who was added beforehand, and waits for an approval.
    Waits(Box<Person>, WaitReason),
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
                self.open_request(&mut changes, account, &person, why).await?;
                changes.commit().await?;
                Err(MembershipRefusal::Waits(why))
            }
        }
    }

    /// Matches the account with a person, in a transaction that is not committed yet. `None` if
    /// another process changed a row in the meantime.
    pub(super) async fn match_account(
        &self,
        changes: &mut Transaction,
        account: &SigningAccount<'_>,
        organization: &Organization,
    ) -> Result<Option<AccountMatch>, MembershipRefusal> {
        let who = account.who;
        if let Some(person) = self.linked(changes, who, organization).await? {
            return self.matched(changes, PersonMatch::Known, person, account, organization).await;
        }
        // Two first sign-ins and a change of the tenant or of a role happen one after the other.
        let organization = &self.locked(changes, organization.id).await?;
        check_admissible(who, organization)?;
        // Another request of the same account may have been first.
        if let Some(person) = self.linked(changes, who, organization).await? {
            return self.matched(changes, PersonMatch::Known, person, account, organization).await;
        }
        if self.is_erased_and_refused(changes, organization.id, (who.tid, who.oid)).await? {
            return Err(MembershipRefusal::PersonOff);
        }
        if who.member_upn.is_some() && organization.upn_seen.is_none() {
            let values = vec![organization.id.to_string().into(), self.clock.now().into()];
            changes.run("UPDATE organization SET upn_seen = $2 WHERE id = $1", values).await?;
        }
        let found = self.exact_matches(changes, account, organization).await?;
        let standing = self.request_standing(changes, organization.id, (who.tid, who.oid)).await?;
        let verdict = if standing.separate {
            LinkVerdict::NoMatch
        } else {
            self.link_verdict(found, who, organization)
        };
        match verdict {
            LinkVerdict::Link(person) if !standing.denied.contains(&person.id) => {
                if !person.on {
                    return Err(MembershipRefusal::PersonOff);
                }
                let person = self
                    .link(changes, person, (who.tid, who.oid), "first sign-in", "by its UPN")
                    .await?;
                self.matched(changes, PersonMatch::Linked, person, account, organization).await
            }
            _ if !standing.denied.is_empty() => Err(MembershipRefusal::Denied),
            LinkVerdict::Wait(person, why) => Ok(Some(AccountMatch::Waits(person.into(), why))),
            LinkVerdict::Link(_) | LinkVerdict::NoMatch => {
                self.unknown(changes, account, organization, &standing).await
            }
        }
    }

    /// Handles an account that is nobody by an exact value.
    async fn unknown(
        &self,
        changes: &mut Transaction,
        account: &SigningAccount<'_>,
        organization: &Organization,
        standing: &RequestStanding,
    ) -> Result<Option<AccountMatch>, MembershipRefusal> {
        let who = account.who;
        let creates = organization.first_sign_in.unwrap_or(self.config.first_sign_in)
            == FirstSignInRule::Create;
        let forms = Likeness::of_account(who, account.typed);
        let mut alike = self.alike(changes, organization.id, &forms, Compared::Unlinked).await?;
        if standing.separate {
            alike.clear();
        } else if standing.waits {
            // What was typed the first time may be missing now.
            let person = self.waiting_for(changes, organization.id, (who.tid, who.oid)).await?;
            let (person, why) = person.ok_or(Error::Conflict)?;
            return Ok(Some(AccountMatch::Waits(person.into(), why)));
        } else if let Some(first) = alike.iter().find(|it| !creates || !it.on) {
            // A person who is switched off does not come back as somebody else.
            return Ok(Some(AccountMatch::Waits(first.clone().into(), WaitReason::LooksAlike)));
        } else if !creates {
            // Waiting accounts get the same answer, so that it does not reveal who was added.
            return Err(if claims_another_name(account, organization) {
                MembershipRefusal::Waits(WaitReason::Typed)
            } else {
                MembershipRefusal::Unknown
            });
        }
        let Some(person) = self.make(changes, who, organization).await? else { return Ok(None) };
        let made = self.matched(changes, PersonMatch::Made, person, account, organization).await?;
        Ok(made.map(|it| match it {
            AccountMatch::Person(how, person, _) => AccountMatch::Person(how, person, alike),
            waits @ AccountMatch::Waits(..) => waits,
        }))
    }

    async fn matched(
        &self,
        changes: &mut Transaction,
        how: PersonMatch,
        person: Person,
        account: &SigningAccount<'_>,
        organization: &Organization,
    ) -> Result<Option<AccountMatch>, MembershipRefusal> {
        if !person.on {
            return Err(MembershipRefusal::PersonOff);
        }
        let person = self.renew(changes, person, account.who, organization).await?;
        Ok(Some(AccountMatch::Person(how, person.into(), Vec::new())))
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

    /// Updates a person with Entra's current data: names, the role, and the time.
    async fn renew(
        &self,
        changes: &mut Transaction,
        person: Person,
        who: &Identity,
        organization: &Organization,
    ) -> Result<Person, Error> {
        let (role, role_source) = self.role_now(&person, who, organization);
        let name: Option<String> = who.name.as_deref().map(|it| {
            it.chars().filter(|it| !it.is_control()).take(MAX_PERSON_NAME_CHARS).collect()
        });
        let mut email = who.email.as_deref().map(str::to_lowercase);
        if let Some(address) = &email
            && !self.may_own_address(changes, address, organization).await?
        {
            email = None;
        }
        let now = self.clock.now();
        let values: Vec<SqlValue> = vec![
            person.id.to_string().into(),
            name.clone().into(),
            email.clone().into(),
            role.as_str().into(),
            role_source.as_str().into(),
            now.into(),
        ];
        let sql = "UPDATE person SET name = COALESCE($2, name), email = COALESCE($3, email), role = $4, role_source = $5, last_sign_in = $6 WHERE id = $1";
        changes.run(sql, values).await?;
        if role != person.role {
            let what = format!("{}: role {} became {role}, by Entra", person.username, person.role);
            self.audit(changes, "sign-in", Some(organization.id), Some(person.id), &what).await?;
        }
        let last_sign_in = i64::try_from(now).ok();
        Ok(Person {
            name: name.or(person.name),
            email: email.or(person.email),
            role,
            role_source,
            last_sign_in,
            ..person
        })
    }

    /// A role that was set manually stays. If Entra provides several, the first one in
    /// `[directory] roles` applies.
    fn role_now(
        &self,
        person: &Person,
        who: &Identity,
        organization: &Organization,
    ) -> (String, RoleSource) {
        if person.role_source == RoleSource::Manual {
            return (person.role.clone(), RoleSource::Manual);
        }
        let holds = |role: &&String| {
            self.config
                .role_map
                .iter()
                .any(|(theirs, ours)| ours == *role && who.roles.contains(theirs))
        };
        match self.config.roles.iter().find(holds) {
            Some(role) => (role.clone(), RoleSource::Entra),
            None if person.role_source == RoleSource::Entra => {
                (organization.default_role.clone(), RoleSource::Default)
            }
            None => (person.role.clone(), person.role_source),
        }
    }
}
