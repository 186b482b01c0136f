//! Links an account of Entra to a person who was added beforehand, and finds the people that an
//! account may be.
//!
//! Only the user principal name of a member links without an approval: it is unique in the tenant
//! and not chosen by the person. Addresses and sign-in names may belong to another person of the
//! same tenant, so they only lead to a request that an admin decides about
//! (`super::link_request`).

use super::database::{DatabaseRow, SqlValue, Transaction};
use super::error::Error;
use super::organization::Organization;
use super::person::{Person, SELECT_PERSON, of_row};
use super::store::Directory;
use crate::base::guid::Guid;
use crate::base::identity::Identity;
use crate::base::typed;
use crate::base::username::{Username, domain_of};

/// Maximum number of people that one address of an account may find.
const MAX_MATCHES_PER_ADDRESS: u32 = 10;

/// An account at its sign-in.
#[derive(Clone, Copy, Debug)]
pub(super) struct SigningAccount<'a> {
    /// The account, as Entra identifies it.
    pub(super) who: &'a Identity,
    /// The username that was typed on the sign-in page.
    pub(super) typed: Option<&'a Username>,
}

/// Why an account is not linked without an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitReason {
    /// The person's role may open the set-up page.
    Role,
    /// The token does not prove that the account is a member with that user principal name.
    NoUpn,
    /// The account is a guest of the tenant.
    Guest,
    /// Several people match.
    Ambiguous,
    /// The person was linked before.
    Former,
    /// A set-up link led to another tenant.
    Paused,
    /// Only the typed username matches, which is no address.
    Typed,
    /// Only another address than the user principal name matches.
    Address,
    /// The account only looks like the person.
    LooksAlike,
}

/// A person whom an account may be, by an exact value.
#[derive(Clone, Debug)]
pub(super) struct ExactMatch {
    pub(super) person: Person,
    by: Evidence,
}

/// What an exact match is based on, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Evidence {
    Upn,
    Address,
    Typed,
    Former,
}

/// Whether an account can be linked to one of its exact matches.
#[derive(Debug)]
pub(super) enum LinkVerdict {
    /// Linked without an approval.
    Link(Person),
    /// The account must wait for an approval.
    Wait(Person, WaitReason),
    /// No person matches.
    NoMatch,
}

impl WaitReason {
    /// All reasons.
    pub const ALL: [Self; 9] = [
        Self::Role,
        Self::NoUpn,
        Self::Guest,
        Self::Ambiguous,
        Self::Former,
        Self::Paused,
        Self::Typed,
        Self::Address,
        Self::LooksAlike,
    ];

    /// Returns the word that is stored, and that pages and the API use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::NoUpn => "no_upn",
            Self::Guest => "guest",
            Self::Ambiguous => "ambiguous",
            Self::Former => "former",
            Self::Paused => "paused",
            Self::Typed => "typed",
            Self::Address => "address",
            Self::LooksAlike => "alike",
        }
    }

    /// Returns the reason in words, for operators.
    pub fn words(self) -> &'static str {
        match self {
            Self::Role => "the person's role may open the set-up page",
            Self::NoUpn => {
                "the token does not prove a member's user principal name (optional claims upn and acct)"
            }
            Self::Guest => "the account is a guest of the tenant",
            Self::Ambiguous => "several people match",
            Self::Former => "the person was linked to an account before",
            Self::Paused => "a set-up link led to another tenant, so linking is paused",
            Self::Typed => "only the typed username matches",
            Self::Address => "only an address other than the user principal name matches",
            Self::LooksAlike => "the account only looks like the person",
        }
    }
}

impl Directory {
    /// Returns the people of the organization without a link whom the account may be, by an exact
    /// username or e-mail, or because the account was linked before.
    pub(super) async fn exact_matches(
        &self,
        changes: &mut Transaction,
        account: &SigningAccount<'_>,
        organization: &Organization,
    ) -> Result<Vec<ExactMatch>, Error> {
        let who = account.who;
        let own = organization.id.to_string();
        let mut found: Vec<ExactMatch> = Vec::new();
        let addresses = [
            (who.member_upn.as_deref(), Evidence::Upn),
            (who.preferred_username.as_deref(), Evidence::Address),
            (who.email.as_deref(), Evidence::Address),
        ];
        for (address, by) in addresses {
            let Some(address) = address else { continue };
            if !self.may_own_address(changes, &typed::stored_address(address), organization).await?
            {
                continue;
            }
            for text in spellings(address) {
                for column in ["username", "email"] {
                    let rows = self.unlinked(changes, column, &own, &text).await?;
                    add(&mut found, &rows, by)?;
                }
            }
        }
        // A typed address may be anybody's; a username that is no address has no other proof.
        if let Some(typed) = account.typed.filter(|it| !it.is_address()) {
            let rows = self.unlinked(changes, "username", &own, typed.as_str()).await?;
            add(&mut found, &rows, Evidence::Typed)?;
        }
        let sql = format!(
            "{SELECT_PERSON} WHERE p.organization = $1 AND p.former_tid = $2 AND p.former_oid = $3 AND p.oid IS NULL"
        );
        let values = vec![own.into(), who.tid.to_string().into(), who.oid.to_string().into()];
        add(&mut found, &changes.rows(sqlx::AssertSqlSafe(sql), values).await?, Evidence::Former)?;
        Ok(found)
    }

    /// Queries one column at a time: a single query with OR would use neither index.
    async fn unlinked(
        &self,
        changes: &mut Transaction,
        column: &str,
        organization: &str,
        text: &str,
    ) -> Result<Vec<DatabaseRow>, Error> {
        let sql = format!(
            "{SELECT_PERSON} WHERE p.organization = $1 AND p.{column} = $2 AND p.oid IS NULL ORDER BY p.username LIMIT {MAX_MATCHES_PER_ADDRESS}"
        );
        changes.rows(sqlx::AssertSqlSafe(sql), vec![organization.into(), text.into()]).await
    }

    /// Decides whether the account is linked without an approval.
    pub(super) fn link_verdict(
        &self,
        found: Vec<ExactMatch>,
        who: &Identity,
        organization: &Organization,
    ) -> LinkVerdict {
        let by_upn: Vec<&ExactMatch> = found.iter().filter(|it| it.by == Evidence::Upn).collect();
        if let [one] = by_upn.as_slice() {
            let person = one.person.clone();
            return match self.obstacle(&person, organization) {
                None => LinkVerdict::Link(person),
                Some(why) => LinkVerdict::Wait(person, why),
            };
        }
        let several = found.len() > 1;
        let Some(first) = found.into_iter().min_by_key(|it| it.by) else {
            return LinkVerdict::NoMatch;
        };
        let why = match first.by {
            _ if several => WaitReason::Ambiguous,
            Evidence::Former => WaitReason::Former,
            _ if who.guest => WaitReason::Guest,
            Evidence::Typed => WaitReason::Typed,
            _ if who.member_upn.is_none() => WaitReason::NoUpn,
            _ => WaitReason::Address,
        };
        LinkVerdict::Wait(first.person, why)
    }

    /// Returns why a person is not linked without an approval, although the user principal name of
    /// a member matches.
    pub(super) fn obstacle(
        &self,
        person: &Person,
        organization: &Organization,
    ) -> Option<WaitReason> {
        if organization.linking_paused.is_some() {
            Some(WaitReason::Paused)
        } else if person.was_linked {
            // The name of an account that is gone may have been given to another one.
            Some(WaitReason::Former)
        } else if self.may_set_up(&person.role) || self.role(&person.role).is_err() {
            Some(WaitReason::Role)
        } else {
            None
        }
    }

    /// Links a person who is not linked, exactly as the person was read; `by` is the actor for the
    /// history.
    pub(super) async fn link(
        &self,
        changes: &mut Transaction,
        person: Person,
        account: (Guid, Guid),
        by: &str,
        how: &str,
    ) -> Result<Person, Error> {
        let (tid, oid) = account;
        let values = vec![
            person.id.to_string().into(),
            tid.to_string().into(),
            oid.to_string().into(),
            person.role.as_str().into(),
            if person.on { "on" } else { "off" }.into(),
        ];
        let sql = "UPDATE person SET tid = $2, oid = $3 WHERE id = $1 AND oid IS NULL AND role = $4 AND state = $5";
        if changes.run(sql, values).await? == 0 {
            return Err(Error::Conflict);
        }
        self.close_requests(changes, person.id, account).await?;
        self.close_possible_merges(changes, person.id).await?;
        let what = format!("{} linked {how}", person.username);
        self.audit(changes, by, Some(person.organization), Some(person.id), &what).await?;
        Ok(Person { linked: Some(account), was_linked: true, ..person })
    }

    async fn owner(
        &self,
        changes: &mut Transaction,
        domain: &str,
    ) -> Result<Option<String>, Error> {
        let row = changes
            .row(
                "SELECT organization FROM organization_domain WHERE domain = $1",
                vec![domain.into()],
            )
            .await?;
        row.map(|it| it.text("organization")).transpose()
    }

    /// Whether an address is outside the domains of all other organizations.
    pub(super) async fn may_own_address(
        &self,
        changes: &mut Transaction,
        address: &str,
        organization: &Organization,
    ) -> Result<bool, Error> {
        let Some(domain) = domain_of(address) else { return Ok(true) };
        Ok(self.owner(changes, domain).await?.is_none_or(|it| it == organization.id.to_string()))
    }
}

/// Returns the forms in which an address can be stored: as a username, and as an e-mail.
fn spellings(address: &str) -> Vec<String> {
    let mut all = vec![typed::stored_address(address)];
    all.extend(Username::parse(address).map(|it| it.to_string()));
    all.dedup();
    all
}

/// Adds people, each once, with the strongest evidence.
fn add(found: &mut Vec<ExactMatch>, rows: &[DatabaseRow], by: Evidence) -> Result<(), Error> {
    for row in rows {
        let person = of_row(row)?;
        match found.iter_mut().find(|it| it.person.id == person.id) {
            Some(known) => known.by = known.by.min(by),
            None => found.push(ExactMatch { person, by }),
        }
    }
    Ok(())
}

/// The two values of an account's key, for a query.
pub(super) fn account_values(organization: Guid, account: (Guid, Guid)) -> Vec<SqlValue> {
    [organization, account.0, account.1].map(|it| it.to_string().into()).to_vec()
}
