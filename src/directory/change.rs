//! What can be asked to change, and how a change is told.

use super::organization::State;
use crate::base::code::Code;
use crate::base::guid::Guid;
use crate::base::secret::Secret;
use crate::base::username::Username;
use crate::config::directory::FirstSignIn;

/// What the history says, word for word and with the person, when somebody is signed out of every device: whoever follows the history ends
/// that person's sessions by it.
pub const SIGNED_OUT: &str = "signed out everywhere";

/// An organization that is about to be made.
#[derive(Debug, Default)]
pub struct NewOrganization {
    /// Without one, a readable one of the name.
    pub code: Option<Code>,
    /// As people know it.
    pub name: String,
    /// Directory (tenant) ID.
    pub tenant: Option<Guid>,
    /// Application (client) ID.
    pub client_id: Option<Guid>,
    /// The Value of a client secret.
    pub client_secret: Option<Secret>,
    /// Domains to bind, in lower case.
    pub domains: Vec<String>,
    /// Nothing: as `[directory]` says.
    pub default_role: Option<String>,
    /// Nothing: as `[directory]` says.
    pub first_sign_in: Option<FirstSignIn>,
    /// Whether guests of its tenant may not sign in.
    pub no_guests: bool,
    /// Turn it on at once.
    pub on: bool,
}

/// What is to change of an organization; nothing stays as it is.
#[derive(Debug, Default)]
pub struct OrganizationChange {
    /// As people know it.
    pub name: Option<String>,
    /// Directory (tenant) ID.
    pub tenant: Option<Guid>,
    /// Application (client) ID.
    pub client_id: Option<Guid>,
    /// The Value of a client secret. Of an organization that is on it waits beside the one that works, until it has signed somebody in.
    pub client_secret: Option<Secret>,
    /// When the client secret ends, seconds since 1970; of the new one, where there is a new one.
    pub credential_ends: Option<u64>,
    /// Forgets the client secret that waits.
    pub take_back: bool,
    /// The role of whoever is created here.
    pub default_role: Option<String>,
    /// What becomes of somebody who is not known yet.
    pub first_sign_in: Option<FirstSignIn>,
    /// Whether guests of its tenant may sign in.
    pub guests: Option<bool>,
    /// Whether its people may sign in.
    pub state: Option<State>,
    /// Domains to bind, in lower case.
    pub bind: Vec<String>,
    /// Domains to let go, in lower case.
    pub unbind: Vec<String>,
}

impl OrganizationChange {
    /// What changes, in words for the history; never the credential. `waits` is where a new one has to prove itself first.
    pub(super) fn told(&self, waits: bool) -> String {
        let mut out = Vec::new();
        let mut say = |what: &str, value: Option<String>| out.extend(value.map(|it| format!("{what} {it}")));
        say("name", self.name.clone());
        say("tenant", self.tenant.map(|it| it.to_string()));
        say("client id", self.client_id.map(|it| it.to_string()));
        let placed = if waits { "waits beside the other until it has signed somebody in" } else { "set" };
        say("new client secret", self.client_secret.as_ref().map(|_| placed.to_owned()));
        say("new client secret", self.take_back.then(|| "taken back".to_owned()));
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
    pub(super) fn told(&self) -> String {
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
