//! URLs where a sign-in begins.

use crate::base::own_path;
use crate::base::return_to::ReturnTo;
use crate::base::site::Site;
use crate::session::pending::NativeSignIn;

/// Returns the URL of an Entrada page that leads to a sign-in.
pub(super) fn page_url(
    site: &Site,
    page: &str,
    return_to: &ReturnTo,
    acrs: &[String],
    code: Option<&str>,
) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("rd", return_to.as_str())
        .extend_pairs(acrs.iter().map(|it| ("acrs", it)))
        .extend_pairs(code.map(|it| ("organization", it)));
    format!("{}{page}?{}", site.prefix(), query.finish())
}

/// Returns the URL that begins a sign-in and then returns to `return_to`.
pub(super) fn start_url(site: &Site, return_to: &ReturnTo) -> String {
    start_url_with_contexts(site, return_to, &[])
}

/// Like `start_url`, and requests one of these authentication contexts.
pub(super) fn start_url_with_contexts(
    site: &Site,
    return_to: &ReturnTo,
    acrs: &[String],
) -> String {
    page_url(site, own_path::START, return_to, acrs, None)
}

/// Returns the URL that repeats an app's authorization request, either at the given organization or
/// with the page that asks for one.
pub(super) fn native_url(site: &Site, native: &NativeSignIn, organization: Option<&str>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("client_id", &native.client)
        .append_pair("redirect_uri", &native.redirect_uri);
    query
        .append_pair("response_type", "code")
        .append_pair("code_challenge", &native.challenge)
        .append_pair("code_challenge_method", "S256");
    query.extend_pairs(native.state.iter().map(|it| ("state", it)));
    query.extend_pairs(native.scope.iter().map(|it| ("scope", it)));
    query.extend_pairs(organization.map(|it| ("organization", it)));
    format!("{}{}?{}", site.prefix(), own_path::NATIVE_AUTHORIZE, query.finish())
}
