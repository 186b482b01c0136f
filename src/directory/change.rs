//! What can be asked to change, and how a change is told.

use super::error::Error;
use super::organization::{Organization, OrganizationState};
use super::organization_credential::OrganizationCredential;
use crate::base::calendar;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use crate::base::username::Username;
use crate::config::directory::FirstSignInRule;

/// What the history says, word for word and with the person, when somebody is signed out of every device: whoever follows the history ends
/// that person's sessions by it.
pub const SIGNED_OUT: &str = "signed out everywhere";

/// What becomes of somebody who is not known yet, as it is written.
pub fn first_sign_in(text: &str) -> Option<FirstSignInRule> {
    [FirstSignInRule::Create, FirstSignInRule::Refuse].into_iter().find(|it| super::organization::first_sign_in_as_str(*it) == text)
}

/// A domain that can be bound, in lower case.
pub fn domain(text: &str) -> Option<String> {
    crate::config::directory::domain_of(text)
}

/// An organization that is about to be made.
#[derive(Debug, Default)]
pub struct NewOrganization {
    /// Without one, a readable one of the name.
    pub code: Option<CompanyCode>,
    /// As people know it.
    pub name: String,
    /// Directory (tenant) ID.
    pub tenant: Option<Guid>,
    /// Application (client) ID.
    pub client_id: Option<Guid>,
    /// By what its sign-in proves itself.
    pub proof: Option<OrganizationCredential>,
    /// When that ends, seconds since 1970, where it does not say so itself.
    pub credential_ends: Option<u64>,
    /// Domains to bind, in lower case.
    pub domains: Vec<String>,
    /// Nothing: as `[directory]` says.
    pub default_role: Option<String>,
    /// Nothing: as `[directory]` says.
    pub first_sign_in: Option<FirstSignInRule>,
    /// Whether guests of its tenant may not sign in.
    pub no_guests: bool,
    /// Turn it on at once.
    pub on: bool,
}

/// Who asks for a change of an organization, and so what is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChangeOrigin {
    /// The operator, who may do everything.
    #[default]
    Operator,
    /// An admin of an organization that is on, by the id of the person: its tenant and client ID stay, for whoever is somebody in another tenant
    /// would be anybody here, and what can lock out people of a higher role needs the highest role that somebody has there.
    Admin(Guid),
    /// Whoever came by the operator's link: another tenant or client ID turns the organization off, until it is tested and turned on again.
    Invited,
}

/// What is to change of an organization; nothing stays as it is.
#[derive(Debug, Default)]
pub struct OrganizationChange {
    /// Who asks.
    pub origin: ChangeOrigin,
    /// As people know it.
    pub name: Option<String>,
    /// Directory (tenant) ID.
    pub tenant: Option<Guid>,
    /// Application (client) ID.
    pub client_id: Option<Guid>,
    /// By what its sign-in proves itself from now on. Of an organization that is on it waits beside the one that works, until it has signed somebody in.
    pub proof: Option<OrganizationCredential>,
    /// When the client secret ends, seconds since 1970; of the new one, where there is a new one.
    pub credential_ends: Option<u64>,
    /// Forgets the new credential that waits.
    pub withdraw_new: bool,
    /// The role of whoever is created here.
    pub default_role: Option<String>,
    /// What becomes of somebody who is not known yet.
    pub first_sign_in: Option<FirstSignInRule>,
    /// Whether guests of its tenant may sign in.
    pub guests: Option<bool>,
    /// Whether its people may sign in.
    pub state: Option<OrganizationState>,
    /// Domains to bind, in lower case.
    pub bind: Vec<String>,
    /// Domains to let go, in lower case.
    pub unbind: Vec<String>,
}

impl OrganizationChange {
    /// Whether it leads to another app registration than that of the organization.
    pub fn moves(&self, before: &Organization) -> bool {
        let other = |it: Option<Guid>, now: Option<Guid>| it.is_some() && it != now;
        other(self.tenant, before.tenant) || other(self.client_id, before.client_id)
    }

    /// Whether it moves an organization that is on, by a link: that turns it off, and the visit goes on.
    pub(super) fn turns_off(&self, before: &Organization) -> bool {
        self.origin == ChangeOrigin::Invited && before.state == OrganizationState::On && self.moves(before)
    }

    /// Whether it can end the access of people who are signed in, or keep people of the organization from signing in again. A new credential
    /// that waits beside the one that works, and its day of expiry, do not. The name does: people who read another one on our pages would not sign in there. A member that is added here has to be
    /// judged.
    pub(super) fn can_lock_out(&self, replaces_credential: bool) -> bool {
        let Self { origin: _, name, tenant, client_id, proof, credential_ends: _, withdraw_new: _, default_role, first_sign_in, guests, state, bind, unbind } =
            self;
        let moved = tenant.is_some() || client_id.is_some() || !bind.is_empty() || !unbind.is_empty();
        let who = default_role.is_some() || first_sign_in.is_some() || guests.is_some() || name.is_some();
        moved || who || proof.is_some() && replaces_credential || state.is_some_and(|it| it != OrganizationState::On)
    }

    /// Refuses what whoever asks may not do to the organization as its row is now.
    pub(super) fn allowed(&self, before: &Organization) -> Result<(), Error> {
        match self.origin {
            // It was on when the admin came: somebody turned it off meanwhile.
            ChangeOrigin::Admin(_) if before.state != OrganizationState::On => Err(Error::Twice),
            ChangeOrigin::Admin(_) if self.moves(before) => Err(Error::StaysWhileOn(before.code.clone())),
            _ => Ok(()),
        }
    }

    /// What changes, in words for the history; never the credential. `waits` is where a new one has to prove itself first.
    pub(super) fn description(&self, waits: bool) -> String {
        let mut out = Vec::new();
        let mut say = |what: &str, value: Option<String>| out.extend(value.map(|it| format!("{what} {it}")));
        say("name", self.name.clone());
        say("tenant", self.tenant.map(|it| it.to_string()));
        say("client id", self.client_id.map(|it| it.to_string()));
        let placed = if waits { "waits beside the other until it has signed somebody in" } else { "set" };
        if let Some(it) = &self.proof {
            say(&format!("new {}", it.kind().words()), Some(placed.to_owned()));
        }
        say("new credential", self.withdraw_new.then(|| "taken back".to_owned()));
        say("client secret expires", self.credential_ends.map(calendar::utc_day));
        say("default role", self.default_role.clone());
        say("first sign-in", self.first_sign_in.map(|it| super::organization::first_sign_in_as_str(it).to_owned()));
        say("guests", self.guests.map(|it| if it { "on" } else { "off" }.to_owned()));
        say("state", self.state.map(|it| it.as_str().to_owned()));
        self.bind.iter().for_each(|it| say("bound", Some(it.clone())));
        self.unbind.iter().for_each(|it| say("let go", Some(it.clone())));
        out.join(", ")
    }
}

/// A person who is about to be made by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPerson {
    /// What the person types.
    pub username: Username,
    /// Display name.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Nothing: the organization's default.
    pub role: Option<String>,
}

/// What is to change of a person; nothing stays as it is.
#[derive(Debug, Default)]
pub struct PersonChange {
    /// What the person types.
    pub username: Option<Username>,
    /// Display name.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Set by hand; stays whatever Entra says.
    pub role: Option<String>,
    /// Lets `[directory] role_map` decide again.
    pub role_by_entra: bool,
    /// Whether the person may sign in.
    pub on: Option<bool>,
    /// Forgets who it is at Entra, for a person whose account there was made anew.
    pub unlink: bool,
}

impl PersonChange {
    /// What changes, in words for the history.
    pub(super) fn description(&self) -> String {
        let mut out = Vec::new();
        let mut say = |what: &str, value: Option<String>| out.extend(value.map(|it| format!("{what} {it}")));
        say("username", self.username.as_ref().map(Username::to_string));
        say("name", self.name.clone());
        say("email", self.email.clone());
        say("role", self.role.clone());
        say("role", self.role_by_entra.then(|| "by Entra".to_owned()));
        say("state", self.on.map(|it| if it { "on" } else { "off" }.to_owned()));
        say("link", self.unlink.then(|| "forgotten".to_owned()));
        out.join(", ")
    }
}
