//! From a cause to an answer: the one place where a module's error becomes a status, words for the person and a cause for the log.

pub(in crate::flow) mod entra_refusal;
pub(in crate::flow) mod loops;
pub(in crate::flow) mod unregistered;
mod words;

use crate::base::language::Language;
use crate::config::access::AuthContexts;
use crate::directory::{self, first_sign_in};
use crate::entra::authorize::claims_for;
use crate::entra::invalid::InvalidToken;
use crate::entra::{self, Entra, graph};
use crate::headers::access_token::BadAccessToken;
use crate::pages::{AppReturn, IdentifyPage, Notice, NoticeParty, NoticeRemedy, Page};
use crate::seal::jwk::KeyDerivationError;
use crate::sidecar::Sidecar;
use crate::sidecar::organizations;
use crate::upstream;
use crate::wire::body::Body;
use crate::wire::form;
use crate::wire::forwarded::ForwardAuthError;
use crate::wire::inbound::{CallerKind, InboundError};
use crate::wire::reply;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ALLOW, CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use loops::LoopEvidence;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use unregistered::Unregistered;
use words::RefusalWords;

/// What a 401 asks for (RFC 9110 11.6.1): a sign-in in a browser, for which no registered scheme exists.
pub(in crate::flow) const SIGN_IN_CHALLENGE: HeaderValue = HeaderValue::from_static("Entrada realm=\"app\"");

/// What a 401 asks for where a signed-in person has to prove one of these: the form that Microsoft gives a claims challenge.
pub(in crate::flow) fn insufficient(acrs: &[String]) -> HeaderValue {
    let claims = STANDARD.encode(claims_for(acrs).unwrap_or_default());
    HeaderValue::from_str(&format!("Bearer error=\"insufficient_claims\", claims=\"{claims}\"")).unwrap_or(SIGN_IN_CHALLENGE)
}

/// What a 401 tells a client whose access token is not taken (RFC 6750 3.1).
fn invalid_token(bad: BadAccessToken) -> HeaderValue {
    HeaderValue::from_str(&format!("Bearer error=\"invalid_token\", error_description=\"{bad}\"")).unwrap_or(SIGN_IN_CHALLENGE)
}

/// Our own words for why, each of which the catalog of the page has a sentence for.
pub(in crate::flow) const REASONS: [&str; 11] =
    ["canceled", "no_answer", "other_tenant", "organization_off", "guest", "person_off", "not_known", "not_set_up", "personal", "clock", "token"];

/// Why a request is not answered as it was meant. A text inside is for the log or is a place of ours.
#[derive(Debug)]
pub(in crate::flow) enum Refusal {
    /// The head has no single reading.
    Unread(InboundError),
    /// A host that is not ours.
    Misdirected,
    /// Nothing of ours under this path.
    NotFound,
    /// Not with this method; these are allowed.
    Method(&'static str),
    /// Nobody is signed in, and a redirect would not help; the place to begin.
    SignedOut(String),
    /// The session ended when the app had the request already, or a part of it; the place to begin.
    SessionEnded(String),
    /// Signed in, but one of these has to be proven, and a redirect would not help; the place to begin.
    StepUp(String, AuthContexts),
    /// Entra brought the person back without the proof of one of these.
    ContextMissing(Vec<String>),
    /// The rules say no.
    Forbidden,
    /// The rules say no since the app had a part of the request.
    NoLongerAllowed,
    /// A rule asks for groups that neither Entra listed nor Graph told.
    GroupsUnknown(graph::Error),
    /// A WebSocket from another site's page.
    ForeignOrigin,
    /// Another site sent the browser to sign out.
    CrossSite,
    /// A callback that belongs to nothing under way; the place to begin again.
    NoPendingSignIn(String),
    /// The same, of a sign-in that an app on the device asked for: only that app can begin again.
    AppWaits,
    /// A callback whose parameters have no one reading.
    DuplicateParameter,
    /// A posted callback that is no form.
    BadForm,
    /// Round and round.
    Loop(Box<LoopEvidence>),
    /// Entra cannot be asked to begin a sign-in.
    Entra(entra::Error),
    /// A sign-in came back, and failed; the place to try again.
    SignIn(entra::Error, String, Arc<Entra>),
    /// Nobody signs in by what was typed; the page that asks again.
    Unknown(Box<IdentifyPage>),
    /// Too many wrong ones of one address; so many seconds until it may go on.
    TooMany(u64),
    /// Too many sign-in codes of one client that Entra refused; so many seconds until it may go on with the same one.
    TooManyCodes(u64),
    /// Entra says who it is, and the directory that they may not come in; the place to try another account.
    NotAdmitted(first_sign_in::MembershipRefusal, String),
    /// An app asks that is not registered, or to be answered where it is not.
    Unregistered(Unregistered),
    /// A sign-in that an app asked for is refused; the way back to it.
    ForApp(Box<Self>, Box<AppReturn>),
    /// The directory cannot be asked, or the organization is not set up.
    Organization(organizations::Error),
    /// Entra could not be asked about the session for longer than the grace; so many seconds until it may be.
    Closed(u64),
    /// An access token of ours that is not taken.
    BadToken(BadAccessToken),
    /// The app.
    Upstream(upstream::Error),
    /// A front proxy's question that is none.
    BadForwardAuth(ForwardAuthError),
    /// Ours to mend.
    Internal(&'static str),
}

impl From<form::Error> for Refusal {
    fn from(error: form::Error) -> Self {
        match error {
            form::Error::Broken => Self::BadForm,
            form::Error::Twice => Self::DuplicateParameter,
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
    /// For the log.
    pub(in crate::flow) fn cause(&self) -> String {
        match self {
            Self::Unread(it) => it.to_string(),
            Self::Misdirected => "the host is not one of ours".to_owned(),
            Self::NotFound => "no such path".to_owned(),
            Self::Method(allow) => format!("only {allow}"),
            Self::SignedOut(_) => "signed out".to_owned(),
            Self::SessionEnded(_) => "the session ended before the app answered".to_owned(),
            Self::StepUp(_, acrs) => format!("authentication context {} required", acrs.join(" or ")),
            Self::ContextMissing(acrs) => format!("Entra did not confirm authentication context {}", acrs.join(" or ")),
            Self::Forbidden => "denied by the access rules".to_owned(),
            Self::NoLongerAllowed => "denied by the access rules before the app answered".to_owned(),
            Self::GroupsUnknown(it) => format!("a rule needs groups that are unknown: {it}"),
            Self::ForeignOrigin => "upgrade from a page of another origin".to_owned(),
            Self::CrossSite => "sign-out sent by another site".to_owned(),
            Self::NoPendingSignIn(_) => "callback without a pending sign-in".to_owned(),
            Self::AppWaits => "callback without a pending sign-in, started by a native client".to_owned(),
            Self::DuplicateParameter => "callback without exactly one code, or with a repeated parameter".to_owned(),
            Self::BadForm => "posted callback is not a form".to_owned(),
            Self::Loop(it) => format!("sign-in loop: {}", it.cause().name()),
            Self::Unknown(_) => "unknown username or company code".to_owned(),
            Self::TooManyCodes(_) => "too many sign-in codes rejected by Entra from one address or person".to_owned(),
            Self::TooMany(_) => "too many wrong usernames and codes from one address".to_owned(),
            Self::NotAdmitted(it, _) => it.to_string(),
            Self::Unregistered(it) => it.to_string(),
            Self::ForApp(it, _) => it.cause(),
            Self::Organization(it) => it.to_string(),
            Self::Entra(it) | Self::SignIn(it, ..) => format!("entra: {it}"),
            Self::Closed(_) => "Entra could not be asked about the session for longer than [entra] recheck_grace, or not now".to_owned(),
            Self::BadToken(it) => it.to_string(),
            Self::Upstream(it) => format!("upstream: {it}"),
            Self::BadForwardAuth(it) => it.to_string(),
            Self::Internal(it) => (*it).to_owned(),
        }
    }

    /// Why, in a word that stays the same: a code of Entra's, or one of ours. Nothing where a sign-in was not refused but never came to its end.
    pub(in crate::flow) fn reason(&self) -> Option<String> {
        let ours = match self {
            Self::SignIn(entra::Error::Refused(it), ..) if it.is_cancelled() => "canceled",
            Self::SignIn(entra::Error::Refused(it), ..) => return Some(it.code.map_or_else(|| it.error.clone(), |it| format!("AADSTS{it}"))),
            Self::SignIn(entra::Error::Token(it), ..) => reason_of_token(*it),
            Self::SignIn(..) => "no_answer",
            Self::NotAdmitted(it, _) => match it {
                first_sign_in::MembershipRefusal::OtherTenant => "other_tenant",
                first_sign_in::MembershipRefusal::OrganizationOff => "organization_off",
                first_sign_in::MembershipRefusal::Guest => "guest",
                first_sign_in::MembershipRefusal::PersonOff => "person_off",
                first_sign_in::MembershipRefusal::Unknown => "not_known",
                first_sign_in::MembershipRefusal::Directory(_) => return None,
            },
            Self::Organization(
                organizations::Error::NotSetUp | organizations::Error::NoToken | organizations::Error::Directory(directory::Error::Unopened(_)),
            ) => "not_set_up",
            _ => return None,
        };
        Some(ours.to_owned())
    }

    /// For the person or the program that asked.
    pub(in crate::flow) fn answer(self, sidecar: &Sidecar, caller: CallerKind, language: Language, reference: &str) -> Response<Body> {
        if let Self::BadForwardAuth(_) = self {
            return reply::empty(StatusCode::FORBIDDEN);
        }
        if let (Self::Unknown(page), CallerKind::Navigation | CallerKind::Form) = (&self, caller) {
            let page = Page::Identify(IdentifyPage::clone(page));
            return reply::page(StatusCode::NOT_FOUND, sidecar.pages.render(&page, language), sidecar.pages.policy(&page));
        }
        // Whoever sends a token is a program, whatever it accepts.
        let is_program = matches!(caller, CallerKind::Script) || matches!(self, Self::BadToken(_));
        // Programs, and those who search for what they say, hear one language.
        let language = if is_program { Language::English } else { language };
        let words = self.words(sidecar, language);
        let mut response = if is_program { words.as_problem(&self, sidecar, reference) } else { words.as_page(sidecar, language, reference) };
        let headers = response.headers_mut();
        match &self {
            Self::SignedOut(_) | Self::SessionEnded(_) => {
                headers.insert(WWW_AUTHENTICATE, SIGN_IN_CHALLENGE);
            }
            Self::BadToken(it) => {
                headers.insert(WWW_AUTHENTICATE, invalid_token(*it));
            }
            Self::StepUp(_, acrs) => {
                headers.insert(WWW_AUTHENTICATE, insufficient(acrs));
            }
            // Whoever stands before us may see another end of this request than we do: nothing more is read here.
            Self::Unread(InboundError::Framing) => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Self::Method(allow) => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            Self::Closed(seconds) | Self::TooMany(seconds) | Self::TooManyCodes(seconds) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(*seconds));
            }
            _ if words.status == StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        response
    }

    fn words(&self, sidecar: &Sidecar, language: Language) -> RefusalWords {
        let say = sidecar.pages.phrases(language);
        match self {
            Self::Unread(it) => words::unread(say, it),
            Self::Misdirected => words::misdirected(say, &sidecar.site.origin()),
            Self::NotFound => words::not_found(say),
            Self::Method(allow) => words::method(say, allow),
            Self::SignedOut(start) => words::signed_out(say, start),
            Self::SessionEnded(start) => words::session_ended(say, start),
            Self::StepUp(start, acrs) => words::step_up(say, start, acrs),
            Self::ContextMissing(acrs) => words::contexts_missing(say, acrs),
            Self::Forbidden => words::forbidden(say),
            Self::NoLongerAllowed => words::no_longer_allowed(say),
            Self::GroupsUnknown(it) => words::groups_unknown(say, it, || entra_refusal::consent_to_graph(sidecar, language)),
            Self::ForeignOrigin => words::foreign_origin(say),
            Self::CrossSite => words::cross_site(say),
            Self::NoPendingSignIn(start) => words::no_pending_sign_in(say, start),
            Self::AppWaits => words::app_waits(say),
            Self::DuplicateParameter | Self::BadForm => words::bad_callback(say),
            Self::Loop(it) => it.words(say, &sidecar.site),
            Self::Entra(it) => entra_refusal::words(sidecar, &sidecar.entra, language, it, None),
            Self::SignIn(it, again, entra) => entra_refusal::words(sidecar, entra, language, it, Some(again)),
            Self::Unknown(_) => words::unknown(say),
            Self::TooMany(_) => words::too_many(say),
            Self::TooManyCodes(_) => words::too_many_codes(say),
            Self::NotAdmitted(it, again) => words::not_admitted(say, it, again),
            Self::Unregistered(it) => words::unregistered(say, *it),
            Self::ForApp(it, back) => RefusalWords { back: Some(AppReturn::clone(back)), ..it.words(sidecar, language) },
            Self::Organization(it) => words::organization(say, it),
            Self::Closed(_) => words::closed(say),
            Self::BadToken(it) => words::bad_token(say, *it),
            Self::Upstream(it) => words::upstream(say, it),
            Self::BadForwardAuth(_) | Self::Internal(_) => words::internal(say),
        }
    }
}

fn reason_of_token(invalid: InvalidToken) -> &'static str {
    match invalid {
        InvalidToken::Stranger(_) | InvalidToken::Tenant | InvalidToken::Issuer => "other_tenant",
        InvalidToken::Personal => "personal",
        InvalidToken::Guest => "guest",
        InvalidToken::Expired | InvalidToken::NotYet => "clock",
        _ => "token",
    }
}

/// RFC 9457.
#[derive(Serialize)]
struct ProblemDetails<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    reference: &'a str,
    whose: NoticeParty,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    next: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'a NoticeRemedy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sign_in_url: Option<String>,
    /// What else is known: `code`, `correlation_id`, `cause` and the like.
    #[serde(flatten)]
    details: BTreeMap<&'a str, &'a str>,
}

impl RefusalWords {
    fn as_problem(&self, refusal: &Refusal, sidecar: &Sidecar, reference: &str) -> Response<Body> {
        let sign_in_url = match refusal {
            Refusal::SignedOut(start) | Refusal::SessionEnded(start) | Refusal::StepUp(start, _) => Some(format!("{}{start}", sidecar.site.origin())),
            _ => None,
        };
        let problem = ProblemDetails {
            r#type: "about:blank",
            title: &self.title,
            status: self.status.as_u16(),
            detail: &self.what,
            reference,
            whose: self.whose,
            next: &self.next,
            remedy: self.remedy.as_ref(),
            sign_in_url,
            details: self.details.iter().map(|it| (it.member, it.value.as_str())).collect(),
        };
        reply::problem(self.status, &problem)
    }

    fn as_page(&self, sidecar: &Sidecar, language: Language, reference: &str) -> Response<Body> {
        let page = Page::Notice(Notice {
            kind: self.kind,
            status: self.status.as_u16(),
            title: self.title.clone(),
            what: self.what.clone(),
            whose: self.whose,
            next: self.next.clone(),
            action: self.action.clone(),
            back: self.back.clone(),
            remedy: self.remedy.clone().map(Box::new),
            details: self.details.iter().map(|it| (it.name.to_owned(), it.value.clone())).collect(),
            reference: reference.to_owned(),
        });
        reply::page(self.status, sidecar.pages.render(&page, language), sidecar.pages.policy(&page))
    }
}
