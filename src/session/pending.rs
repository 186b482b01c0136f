//! A sign-in under way, as it waits sealed in the browser's own cookie.

use serde::{Deserialize, Serialize};

/// Seconds that a sign-in may take.
pub const PENDING_LIFETIME_SECONDS: u64 = 600;

/// Sign-ins under way in one browser at most; the oldest makes room.
pub const MAX_PENDING_SIGN_INS: usize = 5;

/// What must come back together: the state, the nonce, the PKCE verifier, and the page the person was going to.
#[derive(Deserialize, Serialize)]
pub struct PendingSignIn {
    /// Sent to Entra and back.
    pub state: String,
    /// Must stand in the ID token.
    pub nonce: String,
    /// Proves to Entra that we began this sign-in (RFC 7636).
    pub verifier: String,
    /// Where the person was going; judged again when it is read.
    pub return_to: String,
    /// When it began, seconds since 1970.
    pub started_at: u64,
    /// The authentication contexts of which one has to be proven; empty is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acrs: Vec<String>,
    /// The mark of the app's claims challenge that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Box<str>>,
    /// The id of the organization at whose Entra it began, and at no other may its code be redeemed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// What was typed, where Entra is to say first whose account it is: then it begins no session, and leads on to an organization's own Entra.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typed: Option<String>,
    /// The request of an app of a phone or a command line that it answers; no web session comes of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<NativeSignIn>,
    /// Whether Entra was asked to have the person prove again who they are (`prompt=login`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prompt_login: bool,
    /// Whether another site or a link may have made the browser begin it: what comes of it then uses up no limit of our own pages.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_other_site: bool,
    /// The set-up page that it is a trial for: then it begins no session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<SignInTrial>,
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
