//! The content of pages.

use super::admin::{HistoryPage, PeoplePage, PersonPage, SignInsPage};
use super::credential::CredentialPage;
use super::deletion::DeletionPage;
use super::domains::DomainsPage;
use super::link::{attribute, link};
use super::phrases::NoticePhrases;
use super::removal::RemovalPage;
use super::requests::RequestsPage;
use super::script;
use super::setup::SetUpPage;
use crate::base::redirect_uri::AppReturnUrl;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

/// A page, ready to be rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// A result that the person did not expect.
    Notice(Notice),
    /// The sign-in page with its single button.
    SignIn(SignInPage),
    /// Asks for a username or a company code to sign in with.
    Identify(IdentifyPage),
    /// A page for the set-up of an organization.
    SetUp(Box<SetUpPage>),
    /// The person has been signed out.
    SignedOut {
        /// The address at which to sign in again.
        sign_in: String,
    },
    /// The person has been signed out here, and maybe not at Entra.
    SignedOutHere {
        /// The address at Entra at which to sign out there.
        at_entra: String,
        /// Whether it is not known at which company's Entra the person signed in.
        is_company_unknown: bool,
    },
    /// Asks for confirmation before signing out, because another site sent the person here.
    ConfirmSignOut {
        /// The target of the form.
        action: String,
        /// The return address for people who stay signed in.
        rd: String,
    },
    /// The people of an organization, for its admin.
    People(Box<PeoplePage>),
    /// One person of an organization.
    OnePerson(Box<PersonPage>),
    /// Asks for confirmation before a person is deleted or merged.
    Removal(Box<RemovalPage>),
    /// Asks for confirmation before an organization is deleted.
    Deletion(Box<DeletionPage>),
    /// What waits for a decision of an organization's admin.
    Requests(Box<RequestsPage>),
    /// The e-mail domains of an organization.
    Domains(Box<DomainsPage>),
    /// Recent sign-ins.
    SignIns(Box<SignInsPage>),
    /// The change history.
    History(Box<HistoryPage>),
    /// The page about the client secret.
    Credential(Box<CredentialPage>),
    /// Asks for confirmation before someone signs in to an app that any other app on the device can
    /// impersonate (RFC 8252 8.6).
    NativeConfirm(NativeConfirmPage),
    /// Returns to an app if the system does not do so by itself.
    NativeOpen(NativeOpenPage),
    /// Links to a sign-in from a frame, in which there can be none. The only page that may be framed.
    Framed {
        /// The path on this site that starts the sign-in.
        start: String,
    },
    /// Takes the fragment of its own address along to a sign-in.
    Fragment {
        /// The path on this site that starts the sign-in; its `rd` receives the fragment.
        start: String,
    },
    /// Leads to an address that is too long for a redirect, or to a part of a link.
    Onward {
        /// A path on this site or on a listed host, or an address at Entra.
        to: String,
        /// Whether it is only a part of the link that the person opened: the rest was not kept.
        is_shortened: bool,
    },
}

/// States the problem, the party that can fix it, and the next steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The kind of the notice.
    pub kind: NoticeKind,
    /// The HTTP status of the page.
    pub status: u16,
    /// The problem in a few words.
    pub title: String,
    /// The problem in one or two sentences.
    pub what: String,
    /// The party that can act.
    pub whose: NoticeParty,
    /// The next steps, in order.
    pub next: Vec<String>,
    /// An action to continue with.
    pub action: Option<NoticeAction>,
    /// Further ways to continue.
    pub further: Vec<NoticeAction>,
    /// The return address of the mobile app or command line that asked for the sign-in.
    pub back: Option<AppReturn>,
    /// The fix that someone other than the reader makes, and its place.
    pub remedy: Option<Box<NoticeRemedy>>,
    /// Names and values for the people who investigate.
    pub details: Vec<(String, String)>,
    /// The reference for support; the log contains it as well.
    pub reference: String,
}

/// The sign-in page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInPage {
    /// The address that the button opens.
    pub start: String,
    /// The host name of the app that the person signs in to.
    pub app: String,
}

/// The sign-in page if there are organizations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentifyPage {
    /// The target of the form.
    pub action: String,
    /// The host name of the app that the person signs in to.
    pub app: String,
    /// The text in the field; empty at first.
    pub typed: String,
    /// Whether that text matches no username or company code.
    pub unknown: bool,
    /// The organization of the last sign-in on this device.
    pub last: Option<LastSignIn>,
}

/// The organization of the last sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSignIn {
    /// The company code, as the browser itself remembers it.
    pub code: String,
    /// The path on this site that starts its sign-in.
    pub href: String,
}

/// Asks whether the person wants to sign in to an app on their device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeConfirmPage {
    /// The target of the form; `choice` is `continue` or `cancel`.
    pub action: String,
    /// The name of the app.
    pub app: String,
    /// The host name of the site at which people sign in.
    pub site: String,
}

/// Returns to an app on the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeOpenPage {
    /// Whether the sign-in succeeded.
    pub good: bool,
    /// The return address.
    pub back: AppReturn,
}

/// The return address of an app that asked for a sign-in: always a registered one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppReturn {
    /// The name of the app.
    pub app: String,
    /// The address that receives the result of the sign-in.
    pub to: AppReturnUrl,
}

/// The kind of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// Entra or Entrada rejected a sign-in.
    SignInFailed,
    /// A form was submitted while signed out.
    SignInNeeded,
    /// The person is signed in, but not allowed.
    Forbidden,
    /// Entrada has no page at this address.
    NotFound,
    /// The request cannot be answered in the form in which it was sent.
    BadRequest,
    /// The app, Entra or Entrada is unavailable at the moment.
    Unavailable,
    /// The sign-in kept looping and was stopped.
    Loop,
}

/// The party that can act on a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeParty {
    /// The person who reads the page.
    You,
    /// The admin of the person's company.
    Admin,
    /// The people who run the app.
    AppOwner,
    /// Microsoft.
    Entra,
    /// The people who run the identity provider that Entra itself relies on.
    IdentityProvider,
    /// The operator of the sign-in service, which has a fault.
    SignInService,
    /// No action is needed: the problem is temporary.
    Nobody,
}

/// The fix that an admin or the app's owner makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NoticeRemedy {
    /// The party that the remedy is for.
    pub reader: NoticeParty,
    /// The fix, in a sentence.
    pub what: String,
    /// The menu path to the setting.
    pub place: String,
    /// A command that makes the fix or shows more.
    pub command: Option<String>,
}

/// A link shown as a button.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NoticeAction {
    /// The label of the button.
    pub label: String,
    /// The target: a path on this site, or an http or https address.
    pub href: String,
}

impl Page {
    /// Returns the file name of the template.
    pub(super) fn template(&self) -> &'static str {
        match self {
            Self::Notice(_) => "notice.html",
            Self::SignIn(_) => "sign_in.html",
            Self::Identify(_) => "identify.html",
            Self::SetUp(it) => it.template(),
            Self::SignedOut { .. } => "signed_out.html",
            Self::SignedOutHere { .. } => "signed_out_here.html",
            Self::ConfirmSignOut { .. } => "confirm_sign_out.html",
            Self::People(_) => "setup_people.html",
            Self::OnePerson(_) => "setup_person.html",
            Self::Removal(_) => "setup_removal.html",
            Self::Deletion(_) => "setup_deletion.html",
            Self::Requests(_) => "setup_requests.html",
            Self::Domains(_) => "setup_domains.html",
            Self::SignIns(_) => "setup_sign_ins.html",
            Self::History(_) => "setup_history.html",
            Self::Credential(_) => "setup_credential.html",
            Self::NativeConfirm(_) => "native_confirm.html",
            Self::NativeOpen(_) => "native_open.html",
            Self::Framed { .. } => "framed.html",
            Self::Fragment { .. } => "fragment.html",
            Self::Onward { .. } => "onward.html",
        }
    }

    /// Returns the values that the template can use.
    pub(super) fn context(&self, phrases: &NoticePhrases) -> Value {
        match self {
            Self::Notice(it) => it.context(phrases),
            Self::SignIn(it) => context! { start => link(&it.start), app => it.app.as_str() },
            Self::Identify(it) => it.context(),
            Self::SetUp(it) => it.context(),
            Self::SignedOut { sign_in } => context! { sign_in => link(sign_in) },
            Self::SignedOutHere { at_entra, is_company_unknown } => {
                context! { at_entra => link(at_entra), is_company_unknown => *is_company_unknown }
            }
            Self::ConfirmSignOut { action, rd } => {
                context! { action => link(action), rd => link(rd) }
            }
            Self::People(it) => it.context(),
            Self::OnePerson(it) => it.context(),
            Self::Removal(it) => it.context(),
            Self::Deletion(it) => it.context(),
            Self::Requests(it) => it.context(),
            Self::Domains(it) => it.context(),
            Self::SignIns(it) => it.context(),
            Self::History(it) => it.context(),
            Self::Credential(it) => it.context(),
            Self::NativeConfirm(it) => {
                context! { action => link(&it.action), app => it.app.as_str(), site => it.site.as_str() }
            }
            Self::Framed { start } => context! { start => link(start).map(attribute) },
            Self::Fragment { start } => {
                context! { start => link(start).map(attribute), fragment_script => script::fragment() }
            }
            Self::Onward { to, is_shortened } => {
                context! { to => link(to).map(attribute), is_shortened => *is_shortened }
            }
            Self::NativeOpen(it) => {
                context! { good => it.good, app => it.back.app.as_str(), href => it.back.to.as_str() }
            }
        }
    }
}

impl IdentifyPage {
    fn context(&self) -> Value {
        let last = self
            .last
            .as_ref()
            .and_then(|it| Some(context! { code => it.code.as_str(), href => link(&it.href)? }));
        let typed = self.typed.as_str();
        context! { action => link(&self.action), app => self.app.as_str(), unknown => self.unknown, typed, last }
    }
}

impl NoticeAction {
    fn context(&self) -> Option<Value> {
        Some(context! { label => self.label.as_str(), href => link(&self.href)? })
    }
}

impl Notice {
    fn context(&self, phrases: &NoticePhrases) -> Value {
        let action = self.action.as_ref().and_then(NoticeAction::context);
        let further: Vec<_> = self.further.iter().filter_map(NoticeAction::context).collect();
        let back = self
            .back
            .as_ref()
            .map(|it| context! { app => it.app.as_str(), href => it.to.as_str() });
        let details: Vec<_> = self
            .details
            .iter()
            .map(|(name, value)| context! { name => name.as_str(), value => value.as_str() })
            .collect();
        context! {
            kind => Serde(self.kind),
            status => self.status,
            title => self.title.as_str(),
            what => self.what.as_str(),
            whose => Serde(self.whose),
            who => self.whose.words(phrases),
            next => self.next.clone(),
            remedy => self.remedy.as_deref().map(NoticeRemedy::context),
            action,
            further,
            back,
            details,
            reference => self.reference.as_str(),
        }
    }
}

impl NoticeRemedy {
    fn context(&self) -> Value {
        context! {
            reader => Serde(self.reader),
            what => self.what.as_str(),
            place => self.place.as_str(),
            command => self.command.as_deref(),
        }
    }
}

impl NoticeParty {
    /// Returns the name that programs and templates read.
    pub fn name(self) -> &'static str {
        match self {
            Self::You => "you",
            Self::Admin => "admin",
            Self::AppOwner => "app-owner",
            Self::Entra => "entra",
            Self::IdentityProvider => "identity-provider",
            Self::SignInService => "sign-in-service",
            Self::Nobody => "nobody",
        }
    }

    fn words(self, phrases: &NoticePhrases) -> &str {
        let who = &phrases.who;
        match self {
            Self::You => &who.you,
            Self::Admin => &who.admin,
            Self::AppOwner => &who.app_owner,
            Self::Entra => &who.entra,
            Self::IdentityProvider => &who.identity_provider,
            Self::SignInService => &who.sign_in_service,
            Self::Nobody => &who.nobody,
        }
    }
}
