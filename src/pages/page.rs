//! What a page says.

use super::admin::{CredentialPage, HistoryPage, PeoplePage, PersonPage, SignInsPage};
use super::link::link;
use super::phrases::NoticePhrases;
use super::setup::SetUpPage;
use crate::base::redirect_uri::AppReturnUrl;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

/// A page, ready to be rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// Something that is not as the person expected.
    Notice(Notice),
    /// The sign-in page with its one button.
    SignIn(SignInPage),
    /// Asks by what somebody signs in: a username or a company code.
    Identify(IdentifyPage),
    /// A page of the set-up of an organization.
    SetUp(Box<SetUpPage>),
    /// Whoever was signed in is not any more.
    SignedOut {
        /// Where to sign in again.
        sign_in: String,
    },
    /// Asks before signing out, since another site sent the person here.
    ConfirmSignOut {
        /// Where the form goes.
        action: String,
        /// The way back, for those who stay.
        rd: String,
    },
    /// The people of an organization, for its admin.
    People(Box<PeoplePage>),
    /// One of them.
    OnePerson(Box<PersonPage>),
    /// Who signed in lately.
    SignIns(Box<SignInsPage>),
    /// What was changed.
    History(Box<HistoryPage>),
    /// The client secret.
    Credential(Box<CredentialPage>),
    /// Asks before somebody signs in to an app that any other on the device can pass for (RFC 8252 8.6).
    NativeConfirm(NativeConfirmPage),
    /// Leads back to an app, where the system does not by itself.
    NativeOpen(NativeOpenPage),
}

/// What happened, whose move it is, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What sort of thing happened.
    pub kind: NoticeKind,
    /// The HTTP status that the page is sent with.
    pub status: u16,
    /// What happened, in a few words.
    pub title: String,
    /// What happened, in a sentence or two.
    pub what: String,
    /// Whose move it is.
    pub whose: NoticeParty,
    /// What to do, step by step.
    pub next: Vec<String>,
    /// A way on.
    pub action: Option<NoticeAction>,
    /// The way back to the app of a phone or a command line that asked for it.
    pub back: Option<AppReturn>,
    /// What somebody else than the reader does about it, and where.
    pub remedy: Option<Box<NoticeRemedy>>,
    /// Names and values for whoever looks into it.
    pub details: Vec<(String, String)>,
    /// What to give to support; it stands in the log as well.
    pub reference: String,
}

/// The sign-in page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInPage {
    /// Where the button leads.
    pub start: String,
    /// What the person signs in to: the host name of the app.
    pub app: String,
}

/// The sign-in page where there are organizations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentifyPage {
    /// Where the form goes.
    pub action: String,
    /// What the person signs in to: the host name of the app.
    pub app: String,
    /// What was typed, where nobody signs in by it.
    pub unknown: Option<String>,
    /// The organization of this device's last sign-in.
    pub last: Option<LastSignIn>,
}

/// Where somebody signed in last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSignIn {
    /// The company code, as the browser itself remembers it.
    pub code: String,
    /// The way there: a path of ours.
    pub href: String,
}

/// Asks whether somebody wants to sign in to an app on their device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeConfirmPage {
    /// Where the form goes: `choice` is `continue` or `cancel`.
    pub action: String,
    /// What the app is called.
    pub app: String,
    /// What people sign in at: the host name.
    pub site: String,
}

/// Leads back to an app on the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeOpenPage {
    /// Whether somebody was signed in.
    pub good: bool,
    /// Where it goes.
    pub back: AppReturn,
}

/// The way back to an app that asked: to a registered place and to no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppReturn {
    /// What the app is called.
    pub app: String,
    /// Where it hears how the sign-in went.
    pub to: AppReturnUrl,
}

/// What sort of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// Entra, or we, refused a sign-in.
    SignInFailed,
    /// A form was sent while signed out.
    SignInNeeded,
    /// Signed in, and not allowed.
    Forbidden,
    /// Nothing of ours has this address.
    NotFound,
    /// A request that cannot be answered as it was sent.
    BadRequest,
    /// The app, Entra or we are not there at the moment.
    Unavailable,
    /// Signing in went round in circles and was stopped.
    Loop,
}

/// Whose move it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeParty {
    /// The person who reads the page.
    You,
    /// The admin of the person's company.
    Admin,
    /// Whoever runs the app.
    AppOwner,
    /// Microsoft.
    Entra,
    /// Whoever runs the sign-in that Entra itself asks.
    IdentityProvider,
    /// Us: the sign-in service has a fault.
    SignInService,
    /// Nobody's: it passes.
    Nobody,
}

/// What an admin or the app's owner does about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NoticeRemedy {
    /// For whom it is.
    pub reader: NoticeParty,
    /// What to do, in a sentence.
    pub what: String,
    /// The menus that lead there.
    pub place: String,
    /// A command that does it or shows more.
    pub command: Option<String>,
}

/// A link that is shown as a button.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NoticeAction {
    /// What the button says.
    pub label: String,
    /// Where it leads: a path of ours, or an address with http or https.
    pub href: String,
}

impl Page {
    /// The file name of the template.
    pub(super) fn template(&self) -> &'static str {
        match self {
            Self::Notice(_) => "notice.html",
            Self::SignIn(_) => "sign_in.html",
            Self::Identify(_) => "identify.html",
            Self::SetUp(it) => it.template(),
            Self::SignedOut { .. } => "signed_out.html",
            Self::ConfirmSignOut { .. } => "confirm_sign_out.html",
            Self::People(_) => "setup_people.html",
            Self::OnePerson(_) => "setup_person.html",
            Self::SignIns(_) => "setup_sign_ins.html",
            Self::History(_) => "setup_history.html",
            Self::Credential(_) => "setup_credential.html",
            Self::NativeConfirm(_) => "native_confirm.html",
            Self::NativeOpen(_) => "native_open.html",
        }
    }

    /// What the template may name.
    pub(super) fn context(&self, phrases: &NoticePhrases) -> Value {
        match self {
            Self::Notice(it) => it.context(phrases),
            Self::SignIn(it) => context! { start => link(&it.start), app => it.app.as_str() },
            Self::Identify(it) => it.context(),
            Self::SetUp(it) => it.context(),
            Self::SignedOut { sign_in } => context! { sign_in => link(sign_in) },
            Self::ConfirmSignOut { action, rd } => context! { action => link(action), rd => link(rd) },
            Self::People(it) => it.context(),
            Self::OnePerson(it) => it.context(),
            Self::SignIns(it) => it.context(),
            Self::History(it) => it.context(),
            Self::Credential(it) => it.context(),
            Self::NativeConfirm(it) => context! { action => link(&it.action), app => it.app.as_str(), site => it.site.as_str() },
            Self::NativeOpen(it) => context! { good => it.good, app => it.back.app.as_str(), href => it.back.to.as_str() },
        }
    }
}

impl IdentifyPage {
    fn context(&self) -> Value {
        let last = self.last.as_ref().and_then(|it| Some(context! { code => it.code.as_str(), href => link(&it.href)? }));
        let typed = self.unknown.as_deref().unwrap_or_default();
        context! { action => link(&self.action), app => self.app.as_str(), unknown => self.unknown.is_some(), typed, last }
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
        let back = self.back.as_ref().map(|it| context! { app => it.app.as_str(), href => it.to.as_str() });
        let details: Vec<_> = self.details.iter().map(|(name, value)| context! { name => name.as_str(), value => value.as_str() }).collect();
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
    /// As programs and templates read it.
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
