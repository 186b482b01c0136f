//! Reads the parts of a call: body, query and actor. All sizes are limited, and unknown values are
//! rejected.

use super::refused::ApiError;
use crate::server::gate::is_of_type;
use bytes::Bytes;
use http::request::Parts;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use std::time::Duration;

/// Maximum length of a JSON body, in bytes.
const MAX_JSON_BYTES: usize = 64 * 1024;
const JSON_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum length of a file of people, in bytes: about 300 000 people.
const MAX_CSV_BYTES: usize = 32 * 1024 * 1024;
const CSV_TIMEOUT: Duration = Duration::from_mins(2);

/// The header in which the app names the person who made the change there.
const ACTOR_HEADER: &str = "x-entrada-actor";
/// Maximum length of this name, in bytes.
const MAX_ACTOR_BYTES: usize = 128;

/// Reads the body of a call as JSON.
pub(super) async fn json<T: DeserializeOwned>(
    parts: &Parts,
    body: Incoming,
) -> Result<T, ApiError> {
    let bytes = whole(parts, body, "application/json", MAX_JSON_BYTES, JSON_TIMEOUT).await?;
    serde_json::from_slice(&bytes).map_err(|it| ApiError::Body(why(&it)))
}

/// Reads the body of a call as a file of people.
pub(super) async fn csv(parts: &Parts, body: Incoming) -> Result<Bytes, ApiError> {
    whole(parts, body, "text/csv", MAX_CSV_BYTES, CSV_TIMEOUT).await
}

async fn whole(
    parts: &Parts,
    body: Incoming,
    kind: &'static str,
    max_bytes: usize,
    time: Duration,
) -> Result<Bytes, ApiError> {
    if !is_of_type(parts, kind) {
        return Err(ApiError::Type(kind));
    }
    match tokio::time::timeout(time, Limited::new(body, max_bytes).collect()).await {
        Err(_) => Err(ApiError::TooSlow),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::TooLong(max_bytes)),
        Ok(Err(_)) => Err(ApiError::Body("it is incomplete".to_owned())),
        Ok(Ok(it)) => Ok(it.to_bytes()),
    }
}

/// Returns which field is wrong, but never its value, which may be a secret.
fn why(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let named =
        ["unknown field", "missing field", "duplicate field"].iter().any(|it| text.starts_with(it));
    if named && text.len() < 400 {
        text
    } else {
        format!("wrong type of value at line {} column {}", error.line(), error.column())
    }
}

/// Reads a field that may be omitted, which leaves the value unchanged. `null` is rejected.
pub(super) fn some<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// Returns the actor for the history.
pub(super) fn actor(parts: &Parts) -> Result<String, ApiError> {
    let mut named = parts.headers.get_all(ACTOR_HEADER).iter();
    let Some(first) = named.next() else { return Ok("admin api".to_owned()) };
    let text = first
        .to_str()
        .ok()
        .map(str::trim)
        .filter(|it| (1..=MAX_ACTOR_BYTES).contains(&it.len()) && named.next().is_none());
    let text = text.ok_or(ApiError::Field(
        "X-Entrada-Actor",
        "must be up to 128 visible ASCII characters, sent once",
    ))?;
    Ok(format!("admin api for {text}"))
}

/// Returns the values of a query. Repeated and unknown names are rejected.
pub(super) fn query<const N: usize>(
    parts: &Parts,
    names: [&str; N],
) -> Result<[Option<String>; N], ApiError> {
    let mut out = [const { None }; N];
    for (name, value) in
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
    {
        let slot = names
            .iter()
            .zip(&mut out)
            .find(|it| *it.0 == name)
            .ok_or(ApiError::Query("it has an unknown parameter"))?
            .1;
        if slot.replace(value.into_owned()).is_some() {
            return Err(ApiError::Query("a parameter is repeated"));
        }
    }
    Ok(out)
}

/// Returns the requested number of entries, 100 by default.
pub(super) fn limit(text: Option<&str>) -> Result<u32, ApiError> {
    let Some(text) = text else { return Ok(100) };
    text.parse()
        .ok()
        .filter(|it| (1..=1000).contains(it))
        .ok_or(ApiError::Query("limit must be a number from 1 to 1000"))
}

/// Parses an optional value.
pub(super) fn parsed<T>(
    name: &'static str,
    why: &'static str,
    text: Option<&str>,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, ApiError> {
    text.map(|it| read(it).ok_or(ApiError::Field(name, why))).transpose()
}
