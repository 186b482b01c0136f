//! A sign-in under way, sealed in a cookie of the browser.

use super::rounds::SignInAim;
use crate::base::return_to::ReturnTo;
use crate::base::site::Site;
use serde::{Deserialize, Serialize};

/// Maximum duration of a sign-in, in seconds.
pub const PENDING_LIFETIME_SECONDS: u64 = 600;

/// Maximum number of sign-ins under way in one browser; the oldest is dropped first.
pub const MAX_PENDING_SIGN_INS: usize = 5;

/// Data that must return together: the state, the nonce, the PKCE verifier, and the purpose of the
/// sign-in.
#[derive(Deserialize, Serialize)]
pub struct PendingSignIn {
    /// Sent to Entra, which returns it.
    pub state: String,
    /// Must be in the ID token.
    pub nonce: String,
    /// Proves to Entra that Entrada started this sign-in (RFC 7636).
    pub verifier: String,
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
    /// The purpose of the sign-in.
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
}

impl SignInPurpose {
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
        self.session().map_or_else(ReturnTo::home, |it| ReturnTo::parse(&it.return_to, site))
    }

    /// Returns the authentication contexts, one of which must be proven; empty if none is required.
    pub fn acrs(&self) -> &[String] {
        self.session().map_or(&[], |it| &it.acrs)
    }

    /// Returns the short form of the purpose for `state`, which has no room for more.
    pub fn aim(&self) -> SignInAim {
        match self {
            Self::Session(_) => SignInAim::Session,
            Self::App(_) => SignInAim::App,
            Self::Trial(_) => SignInAim::Trial,
            Self::Account { then, .. } => then.aim(),
        }
    }
}

impl SessionRequest {
    /// Creates a request without further requirements.
    pub fn to(return_to: &ReturnTo) -> Self {
        Self { return_to: return_to.as_str().to_owned(), acrs: Vec::new(), challenge: None }
    }
}

/// The request of a native app or a command-line program (RFC 6749 4.1.1, RFC 7636).
#[derive(Clone, Deserialize, Serialize)]
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

    /// Parses the unsealed bytes; returns `None` if the sign-in is too old.
    pub fn read(bytes: &[u8], now: u64) -> Option<Self> {
        let pending: Self = serde_json::from_slice(bytes).ok()?;
        (now < pending.started_at.saturating_add(PENDING_LIFETIME_SECONDS)).then_some(pending)
    }
}

impl PendingSignIn {
    /// Whether the `state` of a callback belongs to this sign-in; compared in constant time.
    pub fn is_for(&self, state: &str) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.state.as_bytes(), state.as_bytes())
            .is_ok()
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
        let text = || "x".to_owned();
        let organization = None;
        PendingSignIn {
            state: text(),
            nonce: text(),
            verifier: text(),
            started_at: 1,
            organization,
            prompt_login: false,
            by_other_site: false,
            answers_challenge: false,
            typed: None,
            purpose,
        }
    }

    #[test]
    fn a_purpose_comes_back_from_its_cookie_and_is_seen_through_the_question_whose_account_it_is() {
        let site = Site::parse("https://app.example", "/oauth2", None).unwrap();
        let session = || {
            SignInPurpose::Session(SessionRequest {
                return_to: "/a".to_owned(),
                acrs: vec!["c1".to_owned()],
                challenge: Some("m".into()),
            })
        };
        let trial = SignInPurpose::Trial(SignInTrial { by: "person x".to_owned(), mark: None });
        let asked =
            |then| SignInPurpose::Account { typed: "maya".to_owned(), then: Box::new(then) };
        let c1: &[&str] = &["c1"];
        for (purpose, aim, return_to, acrs, typed) in [
            (session(), SignInAim::Session, "/a", c1, None),
            (asked(session()), SignInAim::Session, "/a", c1, Some("maya")),
            (SignInPurpose::App(native()), SignInAim::App, "/", &[], None),
            (asked(SignInPurpose::App(native())), SignInAim::App, "/", &[], Some("maya")),
            (trial, SignInAim::Trial, "/", &[], None),
        ] {
            let read = PendingSignIn::read(&pending(purpose).write(), 1).unwrap().purpose;
            assert_eq!((read.aim(), read.typed()), (aim, typed));
            assert_eq!(read.acrs(), acrs);
            assert_eq!(read.return_to(&site).as_str(), return_to);
            assert_eq!(
                (read.app().is_some(), read.session().is_some()),
                (aim == SignInAim::App, aim == SignInAim::Session)
            );
        }
    }

    #[test]
    fn a_sign_in_that_takes_too_long_is_none() {
        let bytes = pending(SignInPurpose::App(native())).write();
        assert!(PendingSignIn::read(&bytes, PENDING_LIFETIME_SECONDS).is_some());
        assert!(PendingSignIn::read(&bytes, PENDING_LIFETIME_SECONDS + 1).is_none());
    }

    #[test]
    fn a_callback_belongs_to_the_sign_in_with_exactly_its_state() {
        let sign_in =
            PendingSignIn { state: "a state".to_owned(), ..pending(SignInPurpose::App(native())) };
        for (state, belongs) in [
            ("a state", true),
            ("A state", false),
            ("a stat", false),
            ("a state ", false),
            ("", false),
            ("x", false),
        ] {
            assert_eq!(sign_in.is_for(state), belongs, "{state:?}");
        }
    }

    #[test]
    fn the_content_of_a_sign_in_is_not_printed() {
        assert_eq!(format!("{:?}", native()), "Native");
        assert_eq!(format!("{:?}", pending(SignInPurpose::App(native()))), "Pending");
    }
}
