//! What the set-up page of an organization says.

use super::admin::{AdminPage, AdminTab};
use super::link::link;
use minijinja::context;
use minijinja::value::Value;

/// A page of the set-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetUpPage {
    /// The steps up to turning on.
    Steps(Box<SetUpSteps>),
    /// The button that uses a link up.
    Invitation(InvitationPage),
    /// A page that only says something.
    Message(MessagePage),
    /// What a sign-in on trial brought.
    Trial(Box<TrialPage>),
    /// The sheet for staff.
    Sheet(StaffSheet),
}

/// Where one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetUpHeader {
    /// The host name of the app.
    pub app: String,
    /// The organization's name.
    pub organization: String,
    /// The path of the set-up page; the other paths begin so.
    pub home: String,
}

/// The steps up to turning on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetUpSteps {
    /// Where one is.
    pub head: SetUpHeader,
    /// Whether one came by a link.
    pub by_link: bool,
    /// Whether it stands in the configuration, which alone changes it.
    pub in_file: bool,
    /// What is registered at Entra.
    pub redirect_uri: String,
    /// What stands in the fields.
    pub typed: TypedFields,
    /// What is wrong with it.
    pub wrong: FieldErrors,
    /// Whether there is a client secret.
    pub has_secret: bool,
    /// Whether a new one waits beside it.
    pub waits: bool,
    /// Whether this visit may change it.
    pub may_change_secret: bool,
    /// Whether whoever comes may turn it off: nobody there has a higher role.
    pub may_turn_off: bool,
    /// Where one signs in anew to be allowed to.
    pub fresh: String,
    /// What Entra told of the tenant.
    pub discovered: Option<DiscoveredTenant>,
    /// A word why it told nothing, and its code.
    pub undiscovered: Option<(&'static str, Option<String>)>,
    /// Whether the connection is complete.
    pub complete: bool,
    /// When a sign-in with this very connection did well, in UTC.
    pub tested: Option<String>,
    /// `draft`, `on` or `off`.
    pub state: &'static str,
    /// The company code.
    pub code: String,
    /// The link by which its people sign in.
    pub start: String,
    /// What was done just now.
    pub done: Option<&'static str>,
    /// Why something was not done.
    pub refused: Option<&'static str>,
}

/// What stands in the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypedFields {
    /// Tenant ID.
    pub tenant: String,
    /// Client ID.
    pub client_id: String,
    /// The day on which the secret ends.
    pub ends: String,
    /// Whether a secret was typed, which is never shown again.
    pub secret: bool,
}

/// A word for each field that cannot be right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors {
    /// Tenant ID.
    pub tenant: Option<&'static str>,
    /// Client ID.
    pub client_id: Option<&'static str>,
    /// Client secret.
    pub client_secret: Option<&'static str>,
    /// The day on which the secret ends.
    pub ends: Option<&'static str>,
}

/// What Entra's discovery told of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveredTenant {
    /// Its id.
    pub tenant: Option<String>,
    /// The cloud.
    pub cloud: Option<String>,
    /// Where in the world it is, as Entra abbreviates it.
    pub region: Option<String>,
    /// Who issues its tokens.
    pub issuer: String,
}

/// The button that uses a link up.
#[derive(Clone, PartialEq, Eq)]
pub struct InvitationPage {
    /// The host name of the app.
    pub app: String,
    /// The path of the set-up page.
    pub home: String,
    /// What the link carries.
    pub token: String,
}

/// A page that only says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessagePage {
    /// The host name of the app.
    pub app: String,
    /// The path of the set-up page.
    pub home: String,
    /// The word for it.
    pub what: &'static str,
}

/// What a sign-in on trial brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialPage {
    /// Where one is.
    pub head: SetUpHeader,
    /// The claims that count: a word and a value.
    pub claims: Vec<(&'static str, String)>,
    /// Who it would be, or a word why nobody who may come in.
    pub met: Option<Result<TrialPerson, &'static str>>,
    /// Why there was no sign-in.
    pub failed: Option<TrialFailure>,
}

/// Who somebody would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialPerson {
    /// A word how.
    pub how: &'static str,
    /// The username.
    pub username: String,
    /// The role.
    pub role: String,
}

/// Why there was no sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialFailure {
    /// Entra's code, such as `AADSTS7000215`.
    pub code: Option<String>,
    /// What happened, in a few words.
    pub title: String,
    /// What happened, in a sentence or two.
    pub what: String,
    /// What to do.
    pub next: Vec<String>,
    /// What an admin does about it.
    pub fix: Option<String>,
    /// The menus that lead there.
    pub place: Option<String>,
    /// Names and values for whoever looks into it.
    pub details: Vec<(String, String)>,
    /// What to give to support.
    pub reference: String,
}

/// The sheet for staff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaffSheet {
    /// Where one is.
    pub head: SetUpHeader,
    /// The address of the app.
    pub address: String,
    /// The company code.
    pub code: String,
}

impl SetUpPage {
    /// The file name of the template.
    pub(super) fn template(&self) -> &'static str {
        match self {
            Self::Steps(_) => "setup_steps.html",
            Self::Invitation(_) => "setup_invitation.html",
            Self::Message(_) => "setup_told.html",
            Self::Trial(_) => "setup_trial.html",
            Self::Sheet(_) => "setup_sheet.html",
        }
    }

    /// Whether it is the page of the steps, a form of which goes on to Entra.
    pub(super) fn is_steps(&self) -> bool {
        matches!(self, Self::Steps(_))
    }

    /// What the template may name.
    pub(super) fn context(&self) -> Value {
        match self {
            Self::Steps(it) => it.context(),
            Self::Invitation(it) => context! { app => it.app.as_str(), home => link(&it.home), token => it.token.as_str() },
            Self::Message(it) => context! { app => it.app.as_str(), home => link(&it.home), what => it.what },
            Self::Trial(it) => it.context(),
            Self::Sheet(it) => context! { address => it.address.as_str(), code => it.code.as_str(), ..it.head.context() },
        }
    }
}

impl SetUpHeader {
    fn context(&self) -> Value {
        context! { app => self.app.as_str(), organization => self.organization.as_str(), home => link(&self.home) }
    }
}

impl SetUpSteps {
    fn context(&self) -> Value {
        let TypedFields { tenant, client_id, ends, secret } = &self.typed;
        let wrong = &self.wrong;
        let desk = AdminPage { organization: self.head.organization.clone(), base: self.head.home.clone() };
        let discovered = self.discovered.as_ref().map(|it| {
            context! { tenant => it.tenant.as_deref(), cloud => it.cloud.as_deref(), region => it.region.as_deref(), issuer => it.issuer.as_str() }
        });
        context! {
            by_link => self.by_link,
            in_file => self.in_file,
            redirect_uri => self.redirect_uri.as_str(),
            tenant => tenant.as_str(),
            client_id => client_id.as_str(),
            ends => ends.as_str(),
            secret_lost => *secret,
            wrong => context! { tenant => wrong.tenant, client_id => wrong.client_id, client_secret => wrong.client_secret, ends => wrong.ends },
            has_secret => self.has_secret,
            waits => self.waits,
            may_change_secret => self.may_change_secret,
            may_turn_off => self.may_turn_off,
            fresh => link(&self.fresh),
            discovered,
            undiscovered => self.undiscovered.as_ref().map(|(word, code)| context! { word => *word, code => code.as_deref() }),
            complete => self.complete,
            tested => self.tested.as_deref(),
            state => self.state,
            code => self.code.as_str(),
            start => self.start.as_str(),
            done => self.done,
            refused => self.refused,
            desk => desk.context(AdminTab::Setup),
            ..self.head.context()
        }
    }
}

impl TrialPage {
    fn context(&self) -> Value {
        let claims: Vec<_> = self.claims.iter().map(|(word, value)| context! { word => *word, value => value.as_str() }).collect();
        let met = match &self.met {
            Some(Ok(it)) => Some(context! { how => it.how, username => it.username.as_str(), role => it.role.as_str() }),
            _ => None,
        };
        let not_met = match &self.met {
            Some(Err(word)) => Some(*word),
            _ => None,
        };
        let failed = self.failed.as_ref().map(TrialFailure::context);
        context! { claims, met, not_met, failed, ..self.head.context() }
    }
}

impl TrialFailure {
    fn context(&self) -> Value {
        let details: Vec<_> = self.details.iter().map(|(name, value)| context! { name => name.as_str(), value => value.as_str() }).collect();
        context! {
            code => self.code.as_deref(),
            title => self.title.as_str(),
            what => self.what.as_str(),
            next => self.next.clone(),
            fix => self.fix.as_deref(),
            place => self.place.as_deref(),
            details,
            reference => self.reference.as_str(),
        }
    }
}

impl std::fmt::Debug for InvitationPage {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Invitation")
    }
}
