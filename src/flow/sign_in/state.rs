//! The sign-in under way in `state`, and the browser that it belongs to.
//!
//! Nothing about a sign-in is stored before it succeeds, except what is too long for `state`. One
//! cookie holds the secret of the browser, for all its tabs.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use crate::base::return_to::ReturnTo;
use crate::session::browser_secret::{BoundValues, BrowserSecret};
use crate::session::pending::{MAX_STATE_CHARS, PendingSignIn, SessionRequest, SignInPurpose};
use crate::wire::cookies::{CookieMatch, find};
use http::HeaderValue;

/// The name under which every `state` is sealed.
const STATE_NAME: &str = "state";

/// A sign-in as it is about to start, sealed.
pub(super) struct SealedSignIn {
    pub(super) state: String,
    pub(super) bound: BoundValues,
    /// The cookie with the browser's secret, if the browser has none yet.
    pub(super) cookie: Option<HeaderValue>,
}

/// Seals a sign-in that this browser starts. A purpose that is too long for `state` is kept in the
/// session store. Fills in the ID, the browser and the key of the kept purpose.
pub(super) async fn seal(
    exchange: &Exchange<'_>,
    mut pending: PendingSignIn,
) -> Result<SealedSignIn, Refusal> {
    let Exchange { sidecar, app, .. } = *exchange;
    let failed = || Refusal::Internal("sealing failed");
    let (browser, is_new) = match browser_secret(exchange) {
        Some(it) => (it, false),
        None => (BrowserSecret::generate(&sidecar.process.random), true),
    };
    let cookie = if is_new {
        let name = app.names.browser();
        Some(app.names.set(&name, browser.expose(), None).ok_or_else(failed)?)
    } else {
        None
    };
    pending.id = sidecar.process.random.text::<16>();
    let bound = sidecar.browsers.bind(&browser, &pending.id).ok_or_else(failed)?;
    pending.browser.clone_from(&bound.mark);
    let sealed = |it: &PendingSignIn| sidecar.pending.seal(STATE_NAME, &it.write());
    let fits = |it: &String| it.len() <= MAX_STATE_CHARS;
    let mut state = sealed(&pending).ok_or_else(failed)?;
    if !fits(&state) {
        keep(exchange, &mut pending).await;
        state = sealed(&pending).ok_or_else(failed)?;
    }
    if !fits(&state) {
        // Without the hint, another round asks for the name once more.
        pending.login_hint = None;
        state = sealed(&pending).ok_or_else(failed)?;
    }
    if !fits(&state) {
        // Even the path is too long. An app's sign-in has no page.
        pending.purpose = pending.purpose.shortened_to(&ReturnTo::home());
        state = sealed(&pending).ok_or_else(failed)?;
    }
    Ok(SealedSignIn { state, bound, cookie })
}

/// Keeps the purpose of a sign-in and replaces it by a shortened one.
async fn keep(exchange: &Exchange<'_>, pending: &mut PendingSignIn) {
    let app = exchange.app;
    pending.kept = Some(keep_purpose(exchange, &pending.purpose).await);
    pending.purpose =
        pending.purpose.shortened_to(&pending.purpose.return_to(&app.site).without_query());
}

async fn keep_purpose(exchange: &Exchange<'_>, purpose: &SignInPurpose) -> String {
    let process = &exchange.sidecar.process;
    let key = process.random.text::<16>();
    process.store.keep_purpose(&key, purpose.write(), process.clock.now()).await;
    key
}

/// Keeps what a link to `/start` is too long for. Returns its key.
pub(super) async fn keep_link(
    exchange: &Exchange<'_>,
    return_to: &ReturnTo,
    acrs: &[String],
) -> String {
    let request = SessionRequest { acrs: acrs.to_vec(), ..SessionRequest::to(return_to) };
    keep_purpose(exchange, &SignInPurpose::Session(request)).await
}

/// Returns the link with this key, if it is still kept. The key of an app's sign-in or of a choice
/// leads nowhere.
pub(super) async fn kept_link(exchange: &Exchange<'_>, key: &str) -> Option<SessionRequest> {
    let kept = exchange.sidecar.process.store.purpose(key).await;
    match kept.and_then(|it| SignInPurpose::read(&it)) {
        Some(SignInPurpose::Session(request)) => Some(request),
        _ => None,
    }
}

/// Opens a `state` that Entrada sealed, of any age and for any browser: it only says what was
/// wanted until `bound` confirms its browser. If the whole purpose is no longer kept, the shortened
/// one remains.
pub(in crate::flow) async fn open(exchange: &Exchange<'_>, state: &str) -> Option<PendingSignIn> {
    let sidecar = exchange.sidecar;
    if state.len() > MAX_STATE_CHARS {
        return None;
    }
    let mut pending = PendingSignIn::read(&sidecar.pending.open(STATE_NAME, state)?)?;
    if let Some(key) = &pending.kept {
        let kept = sidecar.process.store.purpose(key).await;
        if let Some(purpose) = kept.and_then(|it| SignInPurpose::read(&it)) {
            pending.purpose = purpose;
        }
    }
    Some(pending)
}

/// Returns the values that this browser leads to, if it started the sign-in less than ten minutes
/// ago.
pub(in crate::flow) fn bound(
    exchange: &Exchange<'_>,
    pending: &PendingSignIn,
) -> Option<(BrowserSecret, BoundValues)> {
    let sidecar = exchange.sidecar;
    let browser = browser_secret(exchange)?;
    let values = sidecar.browsers.open(&browser, &pending.id, &pending.browser)?;
    (!pending.is_over(sidecar.process.clock.now())).then_some((browser, values))
}

/// Returns the secret of the browser. If there are two cookies with that name, one was planted, so
/// both are ignored.
pub(in crate::flow) fn browser_secret(exchange: &Exchange<'_>) -> Option<BrowserSecret> {
    match find(exchange.headers, &exchange.app.names.browser()) {
        CookieMatch::One(text) => BrowserSecret::parse(text),
        CookieMatch::None | CookieMatch::Several => None,
    }
}
