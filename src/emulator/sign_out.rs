//! The sign-out at the emulator, and its notification to the app.

use http::StatusCode;
use url::Url;

use super::claims::opaque_hint;
use super::page;
use super::state::EmulatorState;
use super::web::{self, EmulatorReply, EmulatorRequest};

/// Signs out (OpenID Connect RP-Initiated Logout), and redirects to known addresses only.
///
/// If a front-channel URL is registered, a page loads it in a frame first, as Entra's does, and a
/// link on that page continues.
pub(super) fn logout(state: &EmulatorState, request: &EmulatorRequest, tls: bool) -> EmulatorReply {
    let session = request.session().and_then(|id| Some((id, state.sessions.get(id)?.1)));
    let hinted = request.value("logout_hint");
    let meant = session.filter(|(_, who)| {
        hinted.is_none_or(|hint| state.person(&who.oid).is_some_and(|it| opaque_hint(&it) == hint))
    });
    let onward = request
        .value("post_logout_redirect_uri")
        .filter(|it| state.knows_origin(it))
        .and_then(|it| onward(it, request.value("state")));
    let frame = meant.as_ref().and_then(|(_, who)| front_channel(state, &who.sid));
    let reply = match (frame, onward) {
        (Some(frame), onward) => page::signing_out(&frame, onward.as_ref()),
        (None, Some(onward)) => web::redirect(onward.as_str()),
        (None, None) => page::notice(
            StatusCode::OK,
            "You signed out of your account",
            "It is a good idea to close all browser windows.",
        ),
    };
    let Some((id, _)) = meant else { return reply };
    state.sessions.take(id);
    web::with_session(reply, None, tls)
}

fn onward(uri: &str, state: Option<&str>) -> Option<Url> {
    let mut url = Url::parse(uri).ok()?;
    if let Some(state) = state {
        url.query_pairs_mut().append_pair("state", state);
    }
    Some(url)
}

/// Returns the app's address for the notification: with `sid` and without `iss`, which Entra never
/// sends.
fn front_channel(state: &EmulatorState, sid: &str) -> Option<Url> {
    let mut url = Url::parse(&state.control.front_channel()?).ok()?;
    url.query_pairs_mut().append_pair("sid", sid);
    Some(url)
}
