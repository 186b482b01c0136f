//! Reads and validates an app's authorization request (RFC 6749 section 4.1.1, RFC 7636 section
//! 4.3).
//!
//! The client and its redirect URI are checked first: if one is not registered, Entrada's own page
//! reports it, and the browser is not redirected.

use super::super::refusal::unregistered::Unregistered;
use super::app_return::RequestingApp;
use crate::config::native::{self, MAX_SCOPE_BYTES, NativeClient};
use crate::session::pending::NativeSignIn;
use std::borrow::Cow;

/// Maximum length of `state`, in bytes: it is kept until the sign-in is over.
const MAX_STATE_BYTES: usize = 512;
/// Maximum length of a username, code or hint, in bytes.
const MAX_TYPED_BYTES: usize = 256;

/// All parameters that are read. None of them may be repeated (RFC 6749 section 3.1).
const KNOWN_PARAMETERS: [&str; 13] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "code_challenge",
    "code_challenge_method",
    "state",
    "scope",
    "login_hint",
    "organization",
    "prompt",
    "request",
    "request_uri",
];

/// A valid authorization request.
#[derive(Debug)]
pub(in crate::flow) struct NativeRequest<'a> {
    pub(in crate::flow) app: RequestingApp<'a>,
    pub(in crate::flow) native: NativeSignIn,
    /// The company code that the person typed into the app.
    pub(in crate::flow) organization: Option<String>,
    /// The username that the person typed into the app, or a hint from the app itself.
    pub(in crate::flow) login_hint: Option<String>,
    /// `login` or `select_account`.
    pub(in crate::flow) prompt: Option<String>,
}

/// Why an authorization request is rejected.
#[derive(Debug)]
pub(in crate::flow) enum NativeRequestError<'a> {
    /// The client or its redirect URI is not registered, so only the person can be informed.
    Unregistered(Unregistered),
    /// The error is reported to the client: the app, an error code from RFC 6749 section 4.1.2.1,
    /// and the reason.
    Reported(RequestingApp<'a>, &'static str, &'static str),
}

struct AuthorizeParameters<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl AuthorizeParameters<'_> {
    fn is_twice(&self, name: &str) -> bool {
        self.0.iter().filter(|it| it.0 == name).count() > 1
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|it| it.0 == name)
    }

    /// Returns a parameter that occurs once. An empty value counts as absent.
    fn one(&self, name: &str) -> Option<&str> {
        let mut all = self.0.iter().filter(|it| it.0 == name);
        let first = all.next()?;
        all.next().is_none().then_some(&*first.1).filter(|it| !it.is_empty())
    }
}

/// Reads the query of an authorization request.
pub(in crate::flow) fn read<'a>(
    native: &'a native::NativeConfig,
    query: &'a str,
) -> Result<NativeRequest<'a>, NativeRequestError<'a>> {
    let all = AuthorizeParameters(url::form_urlencoded::parse(query.as_bytes()).collect());
    let client: &NativeClient = all
        .one("client_id")
        .and_then(|it| native.client(it))
        .ok_or(NativeRequestError::Unregistered(Unregistered::Client))?;
    let target = all
        .one("redirect_uri")
        .and_then(|it| client.target(it))
        .ok_or(NativeRequestError::Unregistered(Unregistered::RedirectUri))?;
    let redirect_uri = target.as_str().to_owned();
    let state = all.one("state").filter(|it| it.len() <= MAX_STATE_BYTES).map(str::to_owned);
    let asker = RequestingApp { name: &client.name, target, state: state.clone() };
    if let Err((error, why)) = judge(&all) {
        return Err(NativeRequestError::Reported(asker, error, why));
    }
    let text = |name: &str| all.one(name).map(str::to_owned);
    // Scopes that are not listed for the client are dropped here, so that they are never stored or
    // signed. An empty scope differs from an absent one: the client must learn that it was granted
    // nothing (RFC 6749 section 5.1).
    let scope = all.has("scope").then(|| client.granted(all.one("scope").unwrap_or_default()));
    let native = NativeSignIn {
        client: client.id.clone(),
        redirect_uri,
        challenge: text("code_challenge").unwrap_or_default(),
        state,
        scope,
    };
    let short = |name: &str| text(name).filter(|it| it.len() <= MAX_TYPED_BYTES);
    let prompt = text("prompt").filter(|it| matches!(it.as_str(), "login" | "select_account"));
    Ok(NativeRequest {
        app: asker,
        native,
        organization: short("organization"),
        login_hint: short("login_hint"),
        prompt,
    })
}

fn judge(all: &AuthorizeParameters<'_>) -> Result<(), (&'static str, &'static str)> {
    let invalid = |why| Err(("invalid_request", why));
    if KNOWN_PARAMETERS.iter().any(|it| all.is_twice(it)) {
        return invalid("a parameter is repeated");
    }
    match all.one("response_type") {
        Some("code") => {}
        None => return invalid("response_type is missing"),
        Some(_) => {
            return Err(("unsupported_response_type", "only response_type=code is supported"));
        }
    }
    if all.one("request").is_some() {
        return Err(("request_not_supported", "request objects are not supported"));
    }
    if all.one("request_uri").is_some() {
        return Err(("request_uri_not_supported", "request_uri is not supported"));
    }
    if all.one("response_mode").is_some_and(|it| it != "query") {
        return invalid("only response_mode=query is supported");
    }
    // Without a method the default is `plain` (RFC 7636 section 4.3), which exposes the verifier to
    // anyone who sees the request.
    if all.one("code_challenge_method") != Some("S256")
        || !all.one("code_challenge").is_some_and(is_challenge)
    {
        return invalid(
            "PKCE is required: code_challenge of 43 to 128 characters, and code_challenge_method=S256",
        );
    }
    if all.one("state").is_some_and(|it| it.len() > MAX_STATE_BYTES) {
        return invalid("state is too long");
    }
    if all.one("scope").is_some_and(|it| !is_scope(it)) {
        return Err(("invalid_scope", "scope is too long or contains an invalid character"));
    }
    if all.one("prompt") == Some("none") {
        return Err(("login_required", "prompt=none is not supported: a sign-in needs a page"));
    }
    Ok(())
}

/// RFC 7636 section 4.2.
fn is_challenge(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.' | b'_' | b'~'))
}

/// RFC 6749 section 3.3.
fn is_scope(text: &str) -> bool {
    text.len() <= MAX_SCOPE_BYTES
        && text.bytes().all(|it| matches!(it, b' ' | 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}
