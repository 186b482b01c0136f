//! A sign-in under way, sealed in the `state` that Entra returns.

use super::rounds::SignInRounds;
use crate::base::return_to::ReturnTo;
use crate::base::site::Site;
use serde::{Deserialize, Serialize};

/// Maximum duration of a sign-in, in seconds.
pub const PENDING_LIFETIME_SECONDS: u64 = 600;

/// Maximum length of a sealed `state`, in characters: Entra fails at about 1,800 (AADSTS90015).
pub const MAX_STATE_CHARS: usize = 1500;

/// A sign-in under way, without what only its browser leads to.
#[derive(Deserialize, Serialize)]
pub struct PendingSignIn {
    /// Random; the values that only its browser leads to are derived from it.
    pub id: String,
    /// Names the browser that started the sign-in, without revealing its secret.
    pub browser: String,
    /// Start time, in seconds since 1970.
    pub started_at: u64,
    /// ID of the organization at whose Entra it started; the code must not be redeemed at any
    /// other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Whether Entra was asked to authenticate the person again (`prompt=login`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prompt_login: bool,
    /// Whether another site or a link may have made the browser start it: its outcome then does not
    /// count against the limits for Entrada's own pages.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_other_site: bool,
    /// Whether Entra was asked for what its claims challenge requires.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answers_challenge: bool,
    /// The username that was typed before the sign-in. It identifies nobody: an admin sees it who
    /// decides whether an account is a person who was added beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typed: Option<String>,
    /// The hint that Entra got, for another round of the same sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_hint: Option<String>,
    /// The count of rounds, in case that its cookie is lost.
    pub rounds: SignInRounds,
    /// The key under which the whole purpose is kept, if it is too long for `state`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// The purpose of the sign-in; a shortened one if the whole is kept.
    pub purpose: SignInPurpose,
}

/// The purpose of a sign-in, which decides how it ends.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignInPurpose {
    /// A session in this browser.
    Session(SessionRequest),
    /// A code for a native app or a command-line program; no web session starts.
    App(NativeSignIn),
    /// A test from the set-up page; no session starts.
    Trial(SignInTrial),
    /// Entra first identifies the account. No session starts: the sign-in continues at an
    /// organization's own Entra.
    Account {
        /// The identifier that the person typed.
        typed: String,
        /// The purpose of the sign-in that follows.
        then: Box<SignInPurpose>,
    },
}

/// The session that a browser requested.
#[derive(Clone, Deserialize, Serialize)]
pub struct SessionRequest {
    /// The page that the person requested; validated again when it is read.
    pub return_to: String,
    /// Authentication contexts, one of which must be proven; empty if none is required.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acrs: Vec<String>,
    /// The mark of the claims challenge that the sign-in answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Box<str>>,
    /// Whether the rest of the link is missing because it was too long. Nothing else says so: until
    /// the whole purpose is found again, it is also true of what stands in for it in `state`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_shortened: bool,
}

impl SignInPurpose {
    /// Whether it leads to a session of the browser.
    pub fn starts_session(&self) -> bool {
        match self {
            Self::Session(_) => true,
            Self::Account { then, .. } => then.starts_session(),
            Self::App(_) | Self::Trial(_) => false,
        }
    }

    /// Returns the typed identifier, if Entra first identifies the account.
    pub fn typed(&self) -> Option<&str> {
        match self {
            Self::Account { typed, .. } => Some(typed),
            Self::Session(_) | Self::App(_) | Self::Trial(_) => None,
        }
    }

    /// Returns the app's request, if the sign-in finally serves one.
    pub fn app(&self) -> Option<&NativeSignIn> {
        match self {
            Self::App(native) => Some(native),
            Self::Account { then, .. } => then.app(),
            Self::Session(_) | Self::Trial(_) => None,
        }
    }

    /// Returns the browser's request, if the sign-in finally starts a session.
    pub fn session(&self) -> Option<&SessionRequest> {
        match self {
            Self::Session(request) => Some(request),
            Self::Account { then, .. } => then.session(),
            Self::App(_) | Self::Trial(_) => None,
        }
    }

    /// Returns the page that the person finally reaches; the home page if no session starts.
    pub fn return_to(&self, site: &Site) -> ReturnTo {
        self.session().map_or_else(ReturnTo::home, |it| it.return_to(site))
    }

    /// Whether the sign-in can end or go on. Of an app's request and of a choice of an organization,
    /// nothing is left if the whole purpose is no longer kept.
    pub fn can_continue(&self) -> bool {
        match self {
            Self::Session(_) => true,
            Self::App(native) => !native.client.is_empty(),
            Self::Trial(trial) => !trial.by.is_empty(),
            Self::Account { typed, then } => !typed.is_empty() && then.can_continue(),
        }
    }

    /// Returns the authentication contexts, one of which must be proven; empty if none is required.
    pub fn acrs(&self) -> &[String] {
        self.session().map_or(&[], |it| &it.acrs)
    }

    /// Returns what remains if the whole purpose is too long for `state` and is no longer kept: a
    /// browser's sign-in leads to this page, and no other can continue.
    #[must_use]
    pub fn shortened_to(&self, page: &ReturnTo) -> Self {
        match self {
            Self::Session(_) => {
                Self::Session(SessionRequest { is_shortened: true, ..SessionRequest::to(page) })
            }
            Self::App(_) => Self::App(NativeSignIn::default()),
            Self::Trial(_) => Self::Trial(SignInTrial { by: String::new(), mark: None }),
            Self::Account { then, .. } => {
                Self::Account { typed: String::new(), then: Box::new(then.shortened_to(page)) }
            }
        }
    }

    /// Serializes the purpose to keep it outside of `state`.
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Parses a purpose that was kept.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl SessionRequest {
    /// Creates a request without further requirements.
    pub fn to(return_to: &ReturnTo) -> Self {
        Self {
            return_to: return_to.as_str().to_owned(),
            acrs: Vec::new(),
            challenge: None,
            is_shortened: return_to.is_shortened(),
        }
    }

    /// Returns the page that the person reaches, which remembers whether it is shortened.
    pub fn return_to(&self, site: &Site) -> ReturnTo {
        let page = ReturnTo::parse(&self.return_to, site);
        if self.is_shortened { page.shortened() } else { page }
    }
}

/// The request of a native app or a command-line program (RFC 6749 4.1.1, RFC 7636).
#[derive(Clone, Default, Deserialize, Serialize)]
pub struct NativeSignIn {
    /// `client_id`.
    pub client: String,
    /// `redirect_uri`, exactly as requested; validated again when it is read.
    pub redirect_uri: String,
    /// `code_challenge`, with the method S256.
    pub challenge: String,
    /// The client's own `state`, which is returned to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The granted part of `scope`; `None` if none was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// A test from the set-up page.
#[derive(Clone, Deserialize, Serialize)]
pub struct SignInTrial {
    /// The visitor who started the test, as named in the history.
    pub by: String,
    /// Identifies the connection that is tested.
    pub mark: Option<String>,
}

impl PendingSignIn {
    /// Serializes the sign-in before it is sealed.
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Parses the unsealed bytes, of any age.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Whether the sign-in has taken longer than it may.
    pub fn is_over(&self, now: u64) -> bool {
        now >= self.started_at.saturating_add(PENDING_LIFETIME_SECONDS)
    }
}

impl std::fmt::Debug for NativeSignIn {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Native")
    }
}

impl std::fmt::Debug for PendingSignIn {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Pending")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native() -> NativeSignIn {
        NativeSignIn {
            client: "phone".to_owned(),
            redirect_uri: "app:/back".to_owned(),
            challenge: "c".to_owned(),
            state: None,
            scope: None,
        }
    }

    fn pending(purpose: SignInPurpose) -> PendingSignIn {
        PendingSignIn {
            id: "i".to_owned(),
            browser: "b".to_owned(),
            started_at: 1,
            organization: None,
            prompt_login: false,
            by_other_site: false,
            answers_challenge: false,
            typed: None,
            login_hint: None,
            rounds: SignInRounds::default(),
            kept: None,
            purpose,
        }
    }

    fn session(return_to: &str) -> SignInPurpose {
        SignInPurpose::Session(SessionRequest {
            return_to: return_to.to_owned(),
            acrs: vec!["c1".to_owned()],
            challenge: Some("m".into()),
            is_shortened: false,
        })
    }

    fn is_page(purpose: &SignInPurpose) -> bool {
        matches!(purpose, SignInPurpose::Session(_))
    }

    fn asked(then: SignInPurpose) -> SignInPurpose {
        SignInPurpose::Account { typed: "maya".to_owned(), then: Box::new(then) }
    }

    #[test]
    fn a_purpose_comes_back_from_its_state_and_is_seen_through_the_question_whose_account_it_is() {
        let site = Site::parse("https://app.example", "/oauth2", None).unwrap();
        let trial = SignInPurpose::Trial(SignInTrial { by: "person x".to_owned(), mark: None });
        let c1: &[&str] = &["c1"];
        for (purpose, is_app, return_to, acrs, typed) in [
            (session("/a"), false, "/a", c1, None),
            (asked(session("/a")), false, "/a", c1, Some("maya")),
            (SignInPurpose::App(native()), true, "/", &[], None),
            (asked(SignInPurpose::App(native())), true, "/", &[], Some("maya")),
            (trial, false, "/", &[], None),
        ] {
            let is_session = !acrs.is_empty();
            let read = PendingSignIn::read(&pending(purpose).write()).unwrap().purpose;
            let kept = SignInPurpose::read(&read.write()).unwrap();
            for read in [read, kept] {
                assert_eq!((read.typed(), read.acrs().len()), (typed, acrs.len()));
                assert_eq!(read.return_to(&site).as_str(), return_to);
                assert_eq!((read.app().is_some(), read.session().is_some()), (is_app, is_session));
            }
        }
    }

    #[test]
    fn of_a_purpose_that_is_no_longer_kept_only_the_page_without_its_query_remains() {
        let site = Site::parse("https://app.example", "/oauth2", None).unwrap();
        for (purpose, return_to) in [
            (session("/a?b=c#d"), "/a"),
            (asked(session("/a?b")), "/a"),
            (SignInPurpose::App(native()), "/"),
        ] {
            let rest = purpose.shortened_to(&purpose.return_to(&site).without_query());
            assert_eq!(rest.return_to(&site).as_str(), return_to);
            assert_eq!(rest.return_to(&site).is_shortened(), rest.session().is_some());
            assert_eq!((purpose.can_continue(), rest.can_continue()), (true, is_page(&purpose)));
            assert!(rest.acrs().is_empty() && rest.typed().is_none_or(str::is_empty));
            assert_eq!(rest.app().is_some(), purpose.app().is_some());
            assert!(rest.app().is_none_or(|it| it.client.is_empty()));
        }
    }

    #[test]
    fn a_sign_in_that_takes_too_long_is_over() {
        let pending = pending(SignInPurpose::App(native()));
        assert!(!pending.is_over(PENDING_LIFETIME_SECONDS));
        assert!(pending.is_over(PENDING_LIFETIME_SECONDS + 1));
    }

    #[test]
    fn the_content_of_a_sign_in_is_not_printed() {
        assert_eq!(format!("{:?}", native()), "Native");
        assert_eq!(format!("{:?}", pending(SignInPurpose::App(native()))), "Pending");
    }
}
