//! Maps causes to responses. Only this module turns errors of other modules into a status, texts
//! for the person and a cause for the log.

mod admin_consent;
pub(in crate::flow) mod challenge;
pub(in crate::flow) mod entra_refusal;
pub(in crate::flow) mod for_customers;
pub(in crate::flow) mod loops;
mod notice;
pub(in crate::flow) mod refused_person;
pub(in crate::flow) mod unregistered;
mod words;

use super::sign_in_url;
use crate::base::language::Language;
use crate::base::return_to::ReturnTo;
use crate::bearer::access_token::BadAccessToken;
use crate::directory::{self, first_sign_in};
use crate::entra::failure::EntraRefusal;
use crate::entra::{self, EntraRegistration, graph};
use crate::pages::{AppReturn, IdentifyPage, NoticeParty, Page};
use crate::seal::jwk::KeyDerivationError;
use crate::sidecar::Sidecar;
use crate::sidecar::app::App;
use crate::sidecar::organizations;
use crate::upstream;
use crate::wire::body::Body;
use crate::wire::form;
use crate::wire::forwarded::ForwardAuthError;
use crate::wire::inbound::{CallerKind, InboundError};
use crate::wire::reply;
use challenge::{RequiredProof, SIGN_IN_CHALLENGE, insufficient, invalid_token};
use http::header::{ALLOW, CONNECTION, REFRESH, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use loops::LoopEvidence;
use notice::RefusalWords;
use std::sync::Arc;
use unregistered::Unregistered;

/// Entrada's own reason words. The page's catalog has a sentence for each of them.
pub(in crate::flow) const REASONS: [&str; 13] = [
    "canceled",
    "no_answer",
    "other_tenant",
    "organization_off",
    "guest",
    "person_off",
    "not_known",
    "waits",
    "denied",
    "not_set_up",
    "personal",
    "clock",
    "token",
];

/// Why a request is not served as intended. A text inside is for the log or is an Entrada URL.
#[derive(Debug)]
pub(in crate::flow) enum Refusal {
    /// The request head is ambiguous.
    Unread(InboundError),
    /// The host is not one of Entrada's.
    Misdirected,
    /// No endpoint exists at this path.
    NotFound,
    /// The method is not allowed; the text lists the allowed ones.
    Method(&'static str),
    /// The client is signed out, and a redirect would not help; contains the sign-in URL.
    SignedOut(String),
    /// The session ended after the app had received the request or a part of it; contains the
    /// sign-in URL.
    SessionEnded(String),
    /// The person must prove something first, and a redirect would not help; contains the sign-in
    /// URL.
    StepUp(String, RequiredProof),
    /// Entra returned the person without proof for any of these authentication contexts.
    ContextMissing(Vec<String>),
    /// The access rules deny the request.
    Forbidden,
    /// The access rules deny the request of a signed-in person, who can choose another account.
    ForbiddenTo(Box<refused_person::RefusedPerson>),
    /// The access rules no longer allow a request of which the app already has a part.
    NoLongerAllowed,
    /// A rule needs groups, and neither Entra's token nor Microsoft Graph provided them.
    GroupsUnknown(graph::Error),
    /// A WebSocket from a page of another site.
    ForeignOrigin,
    /// Another site sent the browser to sign out.
    CrossSite,
    /// The callback belongs to no pending sign-in; contains the URL to begin again.
    NoPendingSignIn(String),
    /// The callback belongs to no pending sign-in, and an app on the device asked for the sign-in.
    /// Only that app can begin again.
    AppWaits,
    /// An admin came back from a request for consent; contains what Entra refused.
    AdminConsent(Option<Box<EntraRefusal>>),
    /// The callback repeats a parameter.
    DuplicateParameter,
    /// The posted callback is not a valid form.
    BadForm,
    /// A sign-in loop.
    Loop(Box<LoopEvidence>),
    /// A sign-in cannot begin because Entra is unreachable.
    Entra(entra::Error),
    /// A sign-in returned from Entra and failed; contains the URL to try again.
    SignIn(entra::Error, String, Arc<EntraRegistration>),
    /// The typed text leads to no organization; contains the page that asks again.
    Unknown(Box<IdentifyPage>),
    /// Too many wrong attempts from one address; contains the seconds until the next attempt is
    /// allowed.
    TooMany(u64),
    /// Links have used up the limit on wrong attempts of this address; contains the seconds until
    /// links are looked up again and the page that asks, which people can submit meanwhile.
    LinkMustWait(u64, Box<IdentifyPage>),
    /// Entra refused too many sign-in codes of one client; contains the seconds until the same code
    /// may be sent again.
    TooManyCodes(u64),
    /// Entra identified the person, but the directory does not admit them; contains the URL to try
    /// another account.
    NotAdmitted(first_sign_in::MembershipRefusal, String),
    /// A client or redirect URI of an app's request is not registered.
    Unregistered(Unregistered),
    /// A sign-in that an app requested was refused; contains the redirect back to the app.
    ForApp(Box<Self>, Box<AppReturn>),
    /// The directory is unavailable, or the organization is not set up.
    Organization(organizations::Error),
    /// Entra was unreachable for longer than the grace period; contains the seconds until the next
    /// attempt, and whether a new sign-in can help.
    Closed(u64, bool),
    /// The same for a person who can sign in again; contains the URL.
    ClosedUntilSignIn(u64, String),
    /// Like `Closed`, but the app's owner can fix the cause.
    NotCheckable(u64),
    /// The session store does not answer; contains the seconds until the next attempt.
    NoSessionStore(u64),
    /// An Entrada access token that is rejected.
    BadToken(BadAccessToken),
    /// The request to the app failed.
    Upstream(upstream::Error),
    /// A front proxy's request is not valid.
    BadForwardAuth(ForwardAuthError),
    /// A bug in Entrada.
    Internal(&'static str),
}

impl From<form::Error> for Refusal {
    fn from(error: form::Error) -> Self {
        match error {
            form::Error::Broken => Self::BadForm,
            form::Error::DuplicateField => Self::DuplicateParameter,
        }
    }
}

impl From<entra::Error> for Refusal {
    fn from(error: entra::Error) -> Self {
        Self::Entra(error)
    }
}

impl From<organizations::Error> for Refusal {
    fn from(error: organizations::Error) -> Self {
        Self::Organization(error)
    }
}

impl From<directory::Error> for Refusal {
    fn from(error: directory::Error) -> Self {
        Self::Organization(error.into())
    }
}

impl From<upstream::Error> for Refusal {
    fn from(error: upstream::Error) -> Self {
        Self::Upstream(error)
    }
}

impl From<ForwardAuthError> for Refusal {
    fn from(error: ForwardAuthError) -> Self {
        Self::BadForwardAuth(error)
    }
}

impl From<KeyDerivationError> for Refusal {
    fn from(_: KeyDerivationError) -> Self {
        Self::Internal("the assertion could not be signed")
    }
}

impl Refusal {
    /// The cause for the log.
    pub(in crate::flow) fn cause(&self) -> String {
        match self {
            Self::Unread(it) => it.to_string(),
            Self::Misdirected => "the host is not one of ours".to_owned(),
            Self::NotFound => "no such path".to_owned(),
            Self::Method(allow) => format!("only {allow}"),
            Self::SignedOut(_) => "signed out".to_owned(),
            Self::SessionEnded(_) => "the session ended before the app answered".to_owned(),
            Self::StepUp(_, proof) if proof.claims.is_some() => format!("proof required: {}", proof.name()),
            Self::StepUp(_, proof) => format!("authentication context {} required", proof.name()),
            Self::ContextMissing(acrs) => format!("Entra did not confirm authentication context {}", acrs.join(" or ")),
            Self::Forbidden | Self::ForbiddenTo(_) => "denied by the access rules".to_owned(),
            Self::NoLongerAllowed => "denied by the access rules before the app answered".to_owned(),
            Self::GroupsUnknown(it) => format!("a rule needs groups that are unknown: {it}"),
            Self::ForeignOrigin => "upgrade from a page of another origin".to_owned(),
            Self::CrossSite => "sign-out sent by another site".to_owned(),
            Self::NoPendingSignIn(_) => "callback without a pending sign-in".to_owned(),
            Self::AppWaits => "callback without a pending sign-in, started by a native client".to_owned(),
            Self::AdminConsent(None) => "return from a request for admin consent".to_owned(),
            Self::AdminConsent(Some(it)) => format!("admin consent was not given: {it}"),
            Self::DuplicateParameter => "callback without exactly one code, or with a repeated parameter".to_owned(),
            Self::BadForm => "posted callback is not a form".to_owned(),
            Self::Loop(it) => format!("sign-in loop: {}", it.cause().name()),
            Self::Unknown(_) => "unknown username or company code".to_owned(),
            Self::TooManyCodes(_) => "too many sign-in codes rejected by Entra from one address or person".to_owned(),
            Self::TooMany(_) => "too many wrong usernames and codes from one address".to_owned(),
            Self::LinkMustWait(..) => "too many wrong usernames and codes in links from one address".to_owned(),
            Self::NotAdmitted(it, _) => it.to_string(),
            Self::Unregistered(it) => it.to_string(),
            Self::ForApp(it, _) => it.cause(),
            Self::Organization(it) => it.to_string(),
            Self::Entra(it) | Self::SignIn(it, ..) => format!("entra: {}", it.diagnosis()),
            Self::Closed(..) | Self::ClosedUntilSignIn(..) => "Entra could not be asked about the session for longer than [entra] recheck_grace, or not now".to_owned(),
            Self::NotCheckable(_) => "Entra could not be asked about the session for longer than [entra] recheck_grace, because of an error of the app registration or the set-up".to_owned(),
            Self::NoSessionStore(_) => "the session store does not answer".to_owned(),
            Self::BadToken(it) => it.to_string(),
            Self::Upstream(it) => format!("upstream: {it}"),
            Self::BadForwardAuth(it) => it.to_string(),
            Self::Internal(it) => (*it).to_owned(),
        }
    }

    /// Returns the response for the person or the program that sent the request.
    pub(in crate::flow) fn answer(
        self,
        sidecar: &Sidecar,
        app: &App,
        caller: CallerKind,
        language: Language,
        reference: &str,
    ) -> Response<Body> {
        if let Self::BadForwardAuth(_) = self {
            return reply::empty(StatusCode::FORBIDDEN);
        }
        if let (Some((status, page)), CallerKind::Navigation | CallerKind::Form) =
            (self.page_that_asks(), caller)
        {
            let page = Page::Identify(page.clone());
            let html = sidecar.pages.render(&page, language);
            return reply::page(status, html, sidecar.pages.policy(&page));
        }
        // Clients that send a token are programs, regardless of their `Accept` header.
        let is_program = matches!(caller, CallerKind::Script) || matches!(self, Self::BadToken(_));
        // Programs always receive English, so that their error texts can be searched for.
        let language = if is_program { Language::English } else { language };
        let words = self.words(sidecar, app, language);
        let is_unavailable = words.status == StatusCode::SERVICE_UNAVAILABLE;
        let mut response = if is_program {
            words.as_problem(self.sign_in_url(app), reference)
        } else if sidecar.organizations.is_some() {
            let customer = &sidecar.pages.phrases(language).customer;
            words.for_customers(customer).as_page(sidecar, language, reference)
        } else {
            words.as_page(sidecar, language, reference)
        };
        let headers = response.headers_mut();
        match &self {
            Self::SignedOut(_) | Self::SessionEnded(_) => {
                headers.insert(WWW_AUTHENTICATE, SIGN_IN_CHALLENGE);
            }
            Self::BadToken(it) => {
                headers.insert(WWW_AUTHENTICATE, invalid_token(*it));
            }
            Self::StepUp(_, proof) => {
                headers.insert(WWW_AUTHENTICATE, insufficient(proof));
            }
            // A proxy in front of Entrada may see a different end of this request, so the
            // connection is closed and nothing more is read.
            Self::Unread(InboundError::Framing) => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Self::Method(allow) => drop(headers.insert(ALLOW, HeaderValue::from_static(allow))),
            // The page tries again by itself. A form would be sent again as a GET.
            Self::NoSessionStore(seconds) if caller == CallerKind::Navigation => {
                headers.insert(REFRESH, (*seconds).into());
            }
            _ => {}
        }
        if let Some(seconds) = self.wait_seconds().or(is_unavailable.then_some(5)) {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn wait_seconds(&self) -> Option<u64> {
        match self {
            Self::Closed(seconds, _)
            | Self::ClosedUntilSignIn(seconds, _)
            | Self::NotCheckable(seconds)
            | Self::NoSessionStore(seconds)
            | Self::TooMany(seconds)
            | Self::LinkMustWait(seconds, _)
            | Self::TooManyCodes(seconds) => Some(*seconds),
            _ => None,
        }
    }

    /// Returns the page that asks for the organization again, which a browser gets instead of a
    /// notice.
    fn page_that_asks(&self) -> Option<(StatusCode, &IdentifyPage)> {
        match self {
            Self::Unknown(page) => Some((StatusCode::NOT_FOUND, page)),
            Self::LinkMustWait(_, page) => Some((StatusCode::OK, page)),
            _ => None,
        }
    }

    /// Whether the response has its own way to go on, also for an app's sign-in.
    pub(in crate::flow) fn continues_itself(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::LinkMustWait(..) | Self::TooManyCodes(_))
    }

    /// Returns the URL at which a program's user can sign in.
    fn sign_in_url(&self, app: &App) -> Option<String> {
        match self {
            Self::SignedOut(start) | Self::SessionEnded(start) | Self::StepUp(start, _) => {
                Some(format!("{}{start}", app.site.origin()))
            }
            _ => None,
        }
    }

    /// Returns who can fix the cause.
    pub(in crate::flow) fn whose(&self, sidecar: &Sidecar, app: &App) -> NoticeParty {
        self.words(sidecar, app, Language::English).whose
    }

    fn words(&self, sidecar: &Sidecar, app: &App, language: Language) -> RefusalWords {
        let phrases = sidecar.pages.phrases(language);
        match self {
            Self::Unread(it) => words::unread(phrases, *it),
            Self::Misdirected => words::misdirected(phrases, &app.site.origin()),
            Self::NotFound => words::not_found(phrases),
            Self::Method(allow) => words::method(phrases, allow),
            Self::SignedOut(start) => words::signed_out(phrases, start),
            Self::SessionEnded(start) => words::session_ended(phrases, start),
            Self::StepUp(start, proof) => words::step_up(phrases, start, proof),
            Self::ContextMissing(acrs) => words::contexts_missing(phrases, acrs),
            Self::Forbidden => words::forbidden(phrases),
            Self::ForbiddenTo(it) => words::forbidden_to(phrases, it),
            Self::NoLongerAllowed => words::no_longer_allowed(phrases),
            Self::GroupsUnknown(it) => {
                let has_answered = sidecar.process.memberships.has_answered();
                words::groups_unknown(phrases, it, has_answered, || {
                    entra_refusal::consent_to_graph(sidecar, app, language)
                })
            }
            Self::ForeignOrigin => words::foreign_origin(phrases),
            Self::CrossSite => words::cross_site(phrases),
            Self::NoPendingSignIn(start) => words::no_pending_sign_in(phrases, start),
            Self::AppWaits => words::app_waits(phrases),
            Self::AdminConsent(it) => admin_consent::words(
                phrases,
                it.as_deref(),
                &sign_in_url::start_url(&app.site, &ReturnTo::home()),
            ),
            Self::DuplicateParameter | Self::BadForm => words::bad_callback(phrases),
            Self::Loop(it) => it.words(phrases, &app.site),
            Self::Entra(it) => {
                entra_refusal::words(sidecar, app, &sidecar.entra, language, it, None)
            }
            Self::SignIn(it, again, entra) => {
                entra_refusal::words(sidecar, app, entra, language, it, Some(again))
            }
            Self::Unknown(_) => words::unknown(phrases),
            Self::TooMany(_) | Self::LinkMustWait(..) => words::too_many(phrases),
            Self::TooManyCodes(_) => words::too_many_codes(phrases),
            Self::NotAdmitted(it, again) => words::not_admitted(phrases, it, again),
            Self::Unregistered(it) => words::unregistered(phrases, *it),
            Self::ForApp(it, back) => RefusalWords {
                back: Some(AppReturn::clone(back)),
                ..it.words(sidecar, app, language)
            },
            Self::Organization(it) => words::organization(phrases, it),
            Self::Closed(..) => words::closed(phrases),
            Self::ClosedUntilSignIn(_, start) => words::closed_until_sign_in(phrases, start),
            Self::NotCheckable(_) => words::not_checkable(phrases),
            Self::NoSessionStore(_) => words::no_session_store(phrases),
            Self::BadToken(it) => words::bad_token(phrases, *it),
            Self::Upstream(it) => words::upstream(phrases, it),
            Self::BadForwardAuth(_) | Self::Internal(_) => words::internal(phrases),
        }
    }
}
