//! Changes to organizations and people, and their descriptions for the history.

use super::error::Error;
use super::organization::{Organization, OrganizationState};
use super::organization_credential::OrganizationCredential;
use crate::base::calendar;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use crate::base::username::Username;
use crate::config::directory::FirstSignInRule;

/// Exact history text for signing a person out on every device: the processes that follow the
/// history end the person's sessions when they read it.
pub const SIGNED_OUT: &str = "signed out everywhere";

/// Parses the rule for people who are not known yet.
pub fn first_sign_in(text: &str) -> Option<FirstSignInRule> {
    [FirstSignInRule::Create, FirstSignInRule::Refuse]
        .into_iter()
        .find(|it| super::organization::first_sign_in_as_str(*it) == text)
}

/// Parses a domain that can be bound, and converts it to lower case.
pub fn domain(text: &str) -> Option<String> {
    crate::config::directory::domain_of(text)
}

/// A new organization.
#[derive(Debug, Default)]
pub struct NewOrganization {
    /// If `None`, a readable code is derived from the name.
    pub code: Option<CompanyCode>,
    /// Display name.
    pub name: String,
    /// Directory (tenant) ID.
    pub tenant: Option<Guid>,
    /// Application (client) ID.
    pub client_id: Option<Guid>,
    /// Credential for its sign-in.
    pub proof: Option<OrganizationCredential>,
    /// Expiry of the credential, in seconds since 1970, if the credential does not contain it.
    pub credential_ends: Option<u64>,
    /// Domains to bind, in lower case.
    pub domains: Vec<String>,
    /// If `None`, the setting in `[directory]` applies.
    pub default_role: Option<String>,
    /// If `None`, the setting in `[directory]` applies.
    pub first_sign_in: Option<FirstSignInRule>,
    /// Whether guests of its tenant are not allowed to sign in.
    pub no_guests: bool,
    /// Whether to turn it on immediately.
    pub on: bool,
}

/// Who requests a change to an organization, which decides what is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChangeOrigin {
    /// The operator, who may change everything.
    #[default]
    Operator,
    /// An admin of an organization that is on; contains the person's ID. The tenant and client ID
    /// cannot be changed, because people of another tenant could then sign in as anyone here. A
    /// change that can lock out people with a higher role requires the highest role that anyone has
    /// there.
    Admin(Guid),
    /// A visitor with the operator's link: another tenant or client ID turns the organization off
    /// until it is tested and turned on again.
    Invited,
}

/// Changes to an organization; `None` keeps a value.
#[derive(Debug, Default)]
pub struct OrganizationChange {
    /// Who requests the change.
    pub origin: ChangeOrigin,
    /// Display name.
    pub name: Option<String>,
    /// Directory (tenant) ID.
    pub tenant: Option<Guid>,
    /// Application (client) ID.
    pub client_id: Option<Guid>,
    /// New credential for its sign-in. If the organization is on, it stays pending beside the
    /// current one until someone has signed in with it.
    pub proof: Option<OrganizationCredential>,
    /// Expiry of the client secret, in seconds since 1970; of the new one, if the change contains
    /// one.
    pub credential_ends: Option<u64>,
    /// Discards the pending credential.
    pub withdraw_new: bool,
    /// Role of people who are created in this organization.
    pub default_role: Option<String>,
    /// Rule for people who are not known yet.
    pub first_sign_in: Option<FirstSignInRule>,
    /// Whether guests of its tenant may sign in.
    pub guests: Option<bool>,
    /// Whether its people may sign in.
    pub state: Option<OrganizationState>,
    /// Domains to bind, in lower case.
    pub bind: Vec<String>,
    /// Domains to unbind, in lower case.
    pub unbind: Vec<String>,
    /// Links people without an approval again.
    pub resume_linking: bool,
}

impl OrganizationChange {
    /// Whether the change leads to another app registration than the current one.
    pub fn moves(&self, before: &Organization) -> bool {
        let other = |it: Option<Guid>, now: Option<Guid>| it.is_some() && it != now;
        other(self.tenant, before.tenant) || other(self.client_id, before.client_id)
    }

    /// Whether a visitor with a link changes the app registration of an organization that is on:
    /// that turns it off, and the visit continues.
    pub(super) fn turns_off(&self, before: &Organization) -> bool {
        self.origin == ChangeOrigin::Invited
            && before.state == OrganizationState::On
            && self.moves(before)
    }

    /// Whether the change can end the access of people who are signed in, or keep people of the
    /// organization from signing in again. A pending credential and its expiry date cannot. The
    /// name can: people who see another name on the pages would not sign in there. New fields of
    /// this struct must be classified here.
    pub(super) fn can_lock_out(&self, replaces_credential: bool) -> bool {
        let Self {
            origin: _,
            name,
            tenant,
            client_id,
            proof,
            credential_ends: _,
            withdraw_new: _,
            default_role,
            first_sign_in,
            guests,
            state,
            bind,
            unbind,
            resume_linking,
        } = self;
        let moved =
            tenant.is_some() || client_id.is_some() || !bind.is_empty() || !unbind.is_empty();
        let who =
            default_role.is_some() || first_sign_in.is_some() || guests.is_some() || name.is_some();
        moved
            || who
            || *resume_linking
            || proof.is_some() && replaces_credential
            || state.is_some_and(|it| it != OrganizationState::On)
    }

    /// Refuses changes that the requester may not make to the organization in its current state.
    pub(super) fn allowed(&self, before: &Organization) -> Result<(), Error> {
        match self.origin {
            // It was on when the admin opened the page, and was turned off in the meantime.
            ChangeOrigin::Admin(_) if before.state != OrganizationState::On => Err(Error::Conflict),
            ChangeOrigin::Admin(_) if self.moves(before) => {
                Err(Error::StaysWhileOn(before.code.clone()))
            }
            // The link led to the other tenant.
            ChangeOrigin::Invited if self.resume_linking => {
                Err(Error::NeedsHighestRole(before.code.clone()))
            }
            _ => Ok(()),
        }
    }

    /// Describes the change in words for the history; never contains the credential. `waits` means
    /// that a new credential is pending.
    pub(super) fn description(&self, waits: bool) -> String {
        let mut out = Vec::new();
        let mut say =
            |what: &str, value: Option<String>| out.extend(value.map(|it| format!("{what} {it}")));
        say("name", self.name.clone());
        say("tenant", self.tenant.map(|it| it.to_string()));
        say("client id", self.client_id.map(|it| it.to_string()));
        let placed = if waits { "pending until someone has signed in with it" } else { "set" };
        if let Some(it) = &self.proof {
            say(&format!("new {}", it.kind().words()), Some(placed.to_owned()));
        }
        say("new credential", self.withdraw_new.then(|| "withdrawn".to_owned()));
        say("client secret expires", self.credential_ends.map(calendar::utc_day));
        say("default role", self.default_role.clone());
        say(
            "first sign-in",
            self.first_sign_in.map(|it| super::organization::first_sign_in_as_str(it).to_owned()),
        );
        say("guests", self.guests.map(|it| if it { "on" } else { "off" }.to_owned()));
        say("state", self.state.map(|it| it.as_str().to_owned()));
        self.bind.iter().for_each(|it| say("bound", Some(it.clone())));
        say("linking", self.resume_linking.then(|| "resumed".to_owned()));
        self.unbind.iter().for_each(|it| say("unbound", Some(it.clone())));
        out.join(", ")
    }
}

/// A person who is added manually.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPerson {
    /// Identifier that the person types to sign in.
    pub username: Username,
    /// Display name.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// If `None`, the organization's default.
    pub role: Option<String>,
}

/// Changes to a person; `None` keeps a value.
#[derive(Debug, Default)]
pub struct PersonChange {
    /// Identifier that the person types to sign in.
    pub username: Option<Username>,
    /// Display name.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Set manually; stays regardless of Entra.
    pub role: Option<String>,
    /// Lets `[directory] role_map` assign the role again.
    pub role_by_entra: bool,
    /// Whether the person may sign in.
    pub on: Option<bool>,
    /// Removes the link to the account at Entra, for a person whose account there was created
    /// again.
    pub unlink: bool,
    /// Links the account of the organization's tenant with this object ID, which the operator
    /// knows.
    pub link: Option<Guid>,
}

impl PersonChange {
    /// Describes the change in words for the history.
    pub(super) fn description(&self) -> String {
        let mut out = Vec::new();
        let mut say =
            |what: &str, value: Option<String>| out.extend(value.map(|it| format!("{what} {it}")));
        say("username", self.username.as_ref().map(Username::to_string));
        say("name", self.name.clone());
        say("email", self.email.clone());
        say("role", self.role.clone());
        say("role", self.role_by_entra.then(|| "from Entra".to_owned()));
        say("state", self.on.map(|it| if it { "on" } else { "off" }.to_owned()));
        say("link", self.unlink.then(|| "removed".to_owned()));
        say("linked to the account", self.link.map(|it| it.to_string()));
        out.join(", ")
    }
}
