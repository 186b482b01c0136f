//! A sign-in under way, as it waits sealed in the browser's own cookie.

use super::rounds::SignInAim;
use crate::base::return_to::ReturnTo;
use crate::base::site::Site;
use serde::{Deserialize, Serialize};

/// Seconds that a sign-in may take.
pub const PENDING_LIFETIME_SECONDS: u64 = 600;

/// Sign-ins under way in one browser at most; the oldest makes room.
pub const MAX_PENDING_SIGN_INS: usize = 5;

/// What must come back together: the state, the nonce, the PKCE verifier, and what the sign-in is for.
#[derive(Deserialize, Serialize)]
pub struct PendingSignIn {
    /// Sent to Entra and back.
    pub state: String,
    /// Must stand in the ID token.
    pub nonce: String,
    /// Proves to Entra that we began this sign-in (RFC 7636).
    pub verifier: String,
    /// When it began, seconds since 1970.
    pub started_at: u64,
    /// The id of the organization at whose Entra it began, and at no other may its code be redeemed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Whether Entra was asked to have the person prove again who they are (`prompt=login`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prompt_login: bool,
    /// Whether another site or a link may have made the browser begin it: what comes of it then uses up no limit of our own pages.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_other_site: bool,
    /// What it is for.
    pub purpose: SignInPurpose,
}

/// What a sign-in is for, and so how it ends.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignInPurpose {
    /// A session of this browser.
    Session(SessionRequest),
    /// A code for an app of a phone or a command line; no web session comes of it.
    App(NativeSignIn),
    /// A trial of the set-up page; no session comes of it.
    Trial(SignInTrial),
    /// Entra is to say first whose account it is. No session comes of it: it leads on to an organization's own Entra.
    Account {
        /// What the person typed.
        typed: String,
        /// What the sign-in there is for.
        then: Box<SignInPurpose>,
    },
}

/// The session that a browser asked for.
#[derive(Clone, Deserialize, Serialize)]
pub struct SessionRequest {
    /// Where the person was going; judged again when it is read.
    pub return_to: String,
    /// The authentication contexts of which one has to be proven; empty is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acrs: Vec<String>,
    /// The mark of the app's claims challenge that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Box<str>>,
}

impl SignInPurpose {
    /// What was typed, where Entra is to say first whose account it is.
    pub fn typed(&self) -> Option<&str> {
        match self {
            Self::Account { typed, .. } => Some(typed),
            Self::Session(_) | Self::App(_) | Self::Trial(_) => None,
        }
    }

    /// The app's request, where it is for one in the end.
    pub fn app(&self) -> Option<&NativeSignIn> {
        match self {
            Self::App(native) => Some(native),
            Self::Account { then, .. } => then.app(),
            Self::Session(_) | Self::Trial(_) => None,
        }
    }

    /// The browser's request, where it is for a session in the end.
    pub fn session(&self) -> Option<&SessionRequest> {
        match self {
            Self::Session(request) => Some(request),
            Self::Account { then, .. } => then.session(),
            Self::App(_) | Self::Trial(_) => None,
        }
    }

    /// Where the person goes in the end; what brings no session goes nowhere.
    pub fn return_to(&self, site: &Site) -> ReturnTo {
        self.session().map_or_else(ReturnTo::home, |it| ReturnTo::parse(&it.return_to, site))
    }

    /// The authentication contexts of which one has to be proven; empty is none.
    pub fn acrs(&self) -> &[String] {
        self.session().map_or(&[], |it| &it.acrs)
    }

    /// For `state`, which has room for no more.
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
    /// One that asks for no more than being signed in.
    pub fn to(return_to: &ReturnTo) -> Self {
        Self { return_to: return_to.as_str().to_owned(), acrs: Vec::new(), challenge: None }
    }
}

/// What an app of a phone or a command line asked for (RFC 6749 4.1.1, RFC 7636).
#[derive(Clone, Deserialize, Serialize)]
pub struct NativeSignIn {
    /// `client_id`.
    pub client: String,
    /// `redirect_uri`, as it was asked for; judged again when it is read.
    pub redirect_uri: String,
    /// `code_challenge`, by S256.
    pub challenge: String,
    /// `state`: the client's own, for the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// What of `scope` is granted; nothing where none was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// A trial of the set-up page.
#[derive(Clone, Deserialize, Serialize)]
pub struct SignInTrial {
    /// The visit that began it, as the history calls it.
    pub by: String,
    /// Names the connection that is tried.
    pub mark: Option<String>,
}

impl PendingSignIn {
    /// As bytes to seal.
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what was sealed; too old is nothing.
    pub fn read(bytes: &[u8], now: u64) -> Option<Self> {
        let pending: Self = serde_json::from_slice(bytes).ok()?;
        (now < pending.started_at.saturating_add(PENDING_LIFETIME_SECONDS)).then_some(pending)
    }
}

impl PendingSignIn {
    /// Whether this is the sign-in that a callback's `state` belongs to; compared in constant time.
    pub fn is_for(&self, state: &str) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.state.as_bytes(), state.as_bytes()).is_ok()
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
        NativeSignIn { client: "phone".to_owned(), redirect_uri: "app:/back".to_owned(), challenge: "c".to_owned(), state: None, scope: None }
    }

    fn pending(purpose: SignInPurpose) -> PendingSignIn {
        let text = || "x".to_owned();
        let organization = None;
        PendingSignIn { state: text(), nonce: text(), verifier: text(), started_at: 1, organization, prompt_login: false, by_other_site: false, purpose }
    }

    #[test]
    fn a_purpose_comes_back_from_its_cookie_and_is_seen_through_the_question_whose_account_it_is() {
        let site = Site::parse("https://app.example", "/oauth2", None).unwrap();
        let session = || SignInPurpose::Session(SessionRequest { return_to: "/a".to_owned(), acrs: vec!["c1".to_owned()], challenge: Some("m".into()) });
        let trial = SignInPurpose::Trial(SignInTrial { by: "person x".to_owned(), mark: None });
        let asked = |then| SignInPurpose::Account { typed: "maya".to_owned(), then: Box::new(then) };
        for (purpose, aim, return_to, acrs, is_typed) in [
            (session(), SignInAim::Session, "/a", 1, false),
            (asked(session()), SignInAim::Session, "/a", 1, true),
            (SignInPurpose::App(native()), SignInAim::App, "/", 0, false),
            (asked(SignInPurpose::App(native())), SignInAim::App, "/", 0, true),
            (trial, SignInAim::Trial, "/", 0, false),
        ] {
            let read = PendingSignIn::read(&pending(purpose).write(), 1).unwrap().purpose;
            assert_eq!((read.aim(), read.acrs().len(), read.typed().is_some()), (aim, acrs, is_typed));
            assert_eq!(read.return_to(&site).as_str(), return_to);
            assert_eq!((read.app().is_some(), read.session().is_some()), (aim == SignInAim::App, aim == SignInAim::Session));
        }
    }

    #[test]
    fn a_sign_in_that_takes_too_long_is_none() {
        let bytes = pending(SignInPurpose::App(native())).write();
        assert!(PendingSignIn::read(&bytes, PENDING_LIFETIME_SECONDS).is_some());
        assert!(PendingSignIn::read(&bytes, PENDING_LIFETIME_SECONDS + 1).is_none());
    }
}
