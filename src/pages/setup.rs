//! The content of an organization's set-up pages.

use super::admin::{AdminPage, AdminTab};
use super::domains::DomainSummary;
use super::link::link;
use super::status_card::StatusCard;
use minijinja::context;
use minijinja::value::Value;

/// A set-up page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetUpPage {
    /// The steps until the connection is turned on.
    Steps(Box<SetUpSteps>),
    /// The button that redeems a set-up link.
    Invitation(InvitationPage),
    /// A page with only a message.
    Message(MessagePage),
    /// The result of a test sign-in.
    Trial(Box<TrialPage>),
    /// The information sheet for staff.
    Sheet(StaffSheet),
}

/// The app and the organization that a page belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetUpHeader {
    /// The host name of the app.
    pub app: String,
    /// The organization's name.
    pub organization: String,
    /// The path of the set-up page, which is also the prefix of the other paths.
    pub home: String,
}

/// The steps until the connection is turned on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetUpSteps {
    /// The app and the organization.
    pub head: SetUpHeader,
    /// Whether the admin opened the page with a set-up link.
    pub by_link: bool,
    /// Whether the organization is defined in the configuration, so that it can be changed only
    /// there.
    pub in_file: bool,
    /// The redirect URI to register at Entra.
    pub redirect_uri: String,
    /// The values in the fields.
    pub typed: TypedFields,
    /// The errors in these values.
    pub wrong: FieldErrors,
    /// Whether the IDs are swapped, and the visitor may swap them.
    pub may_swap: bool,
    /// Whether the secret of a form that was refused is kept for this visit.
    pub is_secret_kept: bool,
    /// The state of an organization that is on.
    pub status: Option<StatusCard>,
    /// Whether a client secret is saved.
    pub has_secret: bool,
    /// Whether a new secret is pending beside it.
    pub waits: bool,
    /// Whether this session may change it.
    pub may_change_secret: bool,
    /// Whether the reader may turn the organization off: no one in it has a higher role.
    pub may_turn_off: bool,
    /// The address at which to sign in again to get this permission.
    pub fresh: String,
    /// The tenant as Entra's discovery describes it.
    pub discovered: Option<DiscoveredTenant>,
    /// The key of the reason that discovery failed, and Entra's error code.
    pub undiscovered: Option<(&'static str, Option<String>)>,
    /// Whether the connection is complete.
    pub complete: bool,
    /// The time of a successful test sign-in with exactly this connection, in UTC.
    pub tested: Option<String>,
    /// The state: `draft`, `on` or `off`.
    pub state: &'static str,
    /// The e-mail domains.
    pub domains: DomainSummary,
    /// The company code.
    pub code: String,
    /// The link with which its people sign in.
    pub start: String,
    /// The action that has just succeeded.
    pub done: Option<&'static str>,
    /// The reason that an action was rejected.
    pub refused: Option<&'static str>,
}

/// The values in the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypedFields {
    /// The tenant ID.
    pub tenant: String,
    /// The client ID.
    pub client_id: String,
    /// The expiry date of the secret.
    pub ends: String,
    /// Whether a secret was submitted; it is never shown again.
    pub secret: bool,
}

/// The key of an error for each invalid field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors {
    /// The error in the tenant ID.
    pub tenant: Option<&'static str>,
    /// The error in the client ID.
    pub client_id: Option<&'static str>,
    /// The error in the client secret.
    pub client_secret: Option<&'static str>,
    /// The error in the expiry date of the secret.
    pub ends: Option<&'static str>,
}

/// A tenant as Entra's discovery describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveredTenant {
    /// The tenant ID.
    pub tenant: Option<String>,
    /// The Microsoft cloud of the tenant.
    pub cloud: Option<String>,
    /// The region of the tenant, as Entra abbreviates it.
    pub region: Option<String>,
    /// The issuer of its tokens.
    pub issuer: String,
}

/// The button that redeems a set-up link.
#[derive(Clone, PartialEq, Eq)]
pub struct InvitationPage {
    /// The host name of the app.
    pub app: String,
    /// The path of the set-up page.
    pub home: String,
    /// The token in the link.
    pub token: String,
}

/// A page with only a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessagePage {
    /// The host name of the app.
    pub app: String,
    /// The path of the set-up page.
    pub home: String,
    /// The key of the message.
    pub what: &'static str,
}

/// The result of a test sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialPage {
    /// The app and the organization.
    pub head: SetUpHeader,
    /// The claims that matter: a key and a value.
    pub claims: Vec<(&'static str, String)>,
    /// The person that the sign-in matches, or the key of the reason that it matches no one who may
    /// enter.
    pub met: Option<Result<TrialPerson, &'static str>>,
    /// The reason that the sign-in failed.
    pub failed: Option<TrialFailure>,
    /// The role that the visitor may take with this account.
    pub offer: Option<FirstAdminView>,
}

/// The account that may become the first admin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstAdminView {
    /// The role.
    pub role: String,
    /// The account's user principal name or display name.
    pub name: String,
    /// The account's object ID.
    pub oid: String,
    /// The account's tenant.
    pub tenant: String,
}

/// The person that a test sign-in matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialPerson {
    /// The key of the way in which it matches.
    pub how: &'static str,
    /// The username.
    pub username: String,
    /// The person's role.
    pub role: String,
    /// The key of the reason why the account would wait for an approval.
    pub waits: Option<&'static str>,
    /// The usernames of people who were added beforehand and look like a new person.
    pub alike: Vec<String>,
}

/// The reason that a test sign-in failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialFailure {
    /// Entra's code, such as `AADSTS7000215`.
    pub code: Option<String>,
    /// The problem in a few words.
    pub title: String,
    /// The problem in one or two sentences.
    pub what: String,
    /// The next steps.
    pub next: Vec<String>,
    /// The fix that an admin makes.
    pub fix: Option<String>,
    /// The menu path to the setting.
    pub place: Option<String>,
    /// Names and values for the people who investigate.
    pub details: Vec<(String, String)>,
    /// The reference for support.
    pub reference: String,
    /// The tenant ID and the client ID, if they are swapped and the visitor may swap them.
    pub swapped: Option<(String, String)>,
}

/// The information sheet for staff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaffSheet {
    /// The app and the organization.
    pub head: SetUpHeader,
    /// The address of the app.
    pub address: String,
    /// The e-mail domains.
    pub domains: DomainSummary,
    /// The company code.
    pub code: String,
}

impl SetUpPage {
    /// Returns the file name of the template.
    pub(super) fn template(&self) -> &'static str {
        match self {
            Self::Steps(_) => "setup_steps.html",
            Self::Invitation(_) => "setup_invitation.html",
            Self::Message(_) => "setup_message.html",
            Self::Trial(_) => "setup_trial.html",
            Self::Sheet(_) => "setup_sheet.html",
        }
    }

    /// Returns whether this is the page with the steps; one of its forms continues at Entra.
    pub(super) fn is_steps(&self) -> bool {
        matches!(self, Self::Steps(_))
    }

    /// Returns the values that the template can use.
    pub(super) fn context(&self) -> Value {
        match self {
            Self::Steps(it) => it.context(),
            Self::Invitation(it) => {
                context! { app => it.app.as_str(), home => link(&it.home), token => it.token.as_str() }
            }
            Self::Message(it) => {
                context! { app => it.app.as_str(), home => link(&it.home), what => it.what }
            }
            Self::Trial(it) => it.context(),
            Self::Sheet(it) => {
                context! { address => it.address.as_str(), domains => it.domains.known(), code => it.code.as_str(), ..it.head.context() }
            }
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
        let admin = AdminPage {
            organization: self.head.organization.clone(),
            base: self.head.home.clone(),
        };
        let discovered = self.discovered.as_ref().map(|it| {
            context! { tenant => it.tenant.as_deref(), cloud => it.cloud.as_deref(), region => it.region.as_deref(), issuer => it.issuer.as_str() }
        });
        context! {
            by_link => self.by_link,
            in_file => self.in_file,
            redirect_uri => self.redirect_uri.as_str(),
            redirect_start => start_of(&self.redirect_uri),
            tenant => tenant.as_str(),
            client_id => client_id.as_str(),
            ends => ends.as_str(),
            secret_lost => *secret && !self.is_secret_kept,
            secret_kept => self.is_secret_kept,
            may_swap => self.may_swap,
            status => self.status.as_ref().map(StatusCard::context),
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
            domains => self.domains.context(),
            code => self.code.as_str(),
            start => self.start.as_str(),
            done => self.done,
            refused => self.refused,
            admin => admin.context(AdminTab::Setup),
            ..self.head.context()
        }
    }
}

/// Returns an address up to its path, for a picture of a field that is too narrow for all of it.
fn start_of(address: &str) -> String {
    let parts: Vec<_> = address.splitn(4, '/').take(3).collect();
    format!("{}/…", parts.join("/"))
}

impl TrialPage {
    fn context(&self) -> Value {
        let claims: Vec<_> = self
            .claims
            .iter()
            .map(|(word, value)| context! { word => *word, value => value.as_str() })
            .collect();
        let met = match &self.met {
            Some(Ok(it)) => Some(
                context! { how => it.how, username => it.username.as_str(), role => it.role.as_str(), waits => it.waits, alike => it.alike.join(", ") },
            ),
            _ => None,
        };
        let not_met = match &self.met {
            Some(Err(word)) => Some(*word),
            _ => None,
        };
        let failed = self.failed.as_ref().map(TrialFailure::context);
        let offer = self.offer.as_ref().map(|it| {
            context! { role => it.role.as_str(), name => it.name.as_str(), oid => it.oid.as_str(), tenant => it.tenant.as_str() }
        });
        context! { claims, met, not_met, failed, offer, ..self.head.context() }
    }
}

impl TrialFailure {
    fn context(&self) -> Value {
        let details: Vec<_> = self
            .details
            .iter()
            .map(|(name, value)| context! { name => name.as_str(), value => value.as_str() })
            .collect();
        context! {
            code => self.code.as_deref(),
            title => self.title.as_str(),
            what => self.what.as_str(),
            next => self.next.clone(),
            fix => self.fix.as_deref(),
            place => self.place.as_deref(),
            details,
            reference => self.reference.as_str(),
            swapped => self.swapped.as_ref().map(|it| context! { tenant => it.0.as_str(), client_id => it.1.as_str() }),
        }
    }
}

impl std::fmt::Debug for InvitationPage {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Invitation")
    }
}
