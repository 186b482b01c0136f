//! Addresses in the configuration.

pub(super) use crate::base::domains::is_domain;

use super::problem::{InvalidValue, quote};
use crate::base::pattern::PathPattern;
use crate::base::site::is_loopback;
use url::Url;

/// Parses an absolute URL that has only scheme, host and port. `schemes` behave like http or https.
/// Messages do not contain the text, because it may hold a password.
pub(super) fn origin(text: &str, schemes: &[&str]) -> Result<Url, InvalidValue> {
    let example = schemes.first().unwrap_or(&"https");
    let refused = || {
        InvalidValue::new("is not an address")
            .hint(format!("write scheme, host and port, like {example}://host.example:8080"))
    };
    let graphic = text.bytes().all(|it| it.is_ascii_graphic() && it != b'\\');
    let (scheme, rest) = text.split_once("://").ok_or_else(refused)?;
    if !graphic || rest.is_empty() || rest.starts_with('/') || !schemes.contains(&scheme) {
        return Err(refused());
    }
    let url = Url::parse(text).map_err(|_| refused())?;
    if !url.username().is_empty() || url.password().is_some() || rest.contains('@') {
        return Err(InvalidValue::new("contains a user or a password")
            .hint("write only scheme, host and port"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(InvalidValue::new("contains a path or a query")
            .hint("write only scheme, host and port"));
    }
    if url.port() == Some(0) || url.host_str().is_none() {
        return Err(refused());
    }
    Ok(url)
}

/// Whether the URL is https, or http to this machine.
pub(super) fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || url.host_str().is_some_and(is_loopback)
}

/// Parses the path of a `unix:` address, which must be absolute.
pub(super) fn socket_path(path: &str) -> Result<std::path::PathBuf, InvalidValue> {
    let plain = path.starts_with('/')
        && !path.starts_with("//")
        && path.len() < 108
        && !path.contains('\0');
    let refused = || {
        InvalidValue::new(format!("{} is not the path of a socket", quote(path)))
            .hint("write an absolute path of at most 107 bytes, like unix:/run/entrada.sock")
    };
    if plain { Ok(path.into()) } else { Err(refused()) }
}

/// Parses the path of a rule or a route.
pub(super) fn pattern(text: &str) -> Result<PathPattern, InvalidValue> {
    PathPattern::parse(text)
        .map_err(|it| InvalidValue::new(format!("{} is not a valid path: {it}", quote(text))))
}
