//! The phone's requests, over plain HTTP on this machine.

use super::super::fetch::LocalAddress;
use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use serde_json::Value;

/// The result of a request.
#[derive(Clone, Debug)]
pub(super) enum PhoneResponse {
    /// A status, and its JSON; `null` if it has none.
    Answer(u16, Value),
    /// The reason that there is no response.
    Nothing(String),
}

impl PhoneResponse {
    /// Returns the JSON of a successful response.
    pub(super) fn good(&self) -> Option<&Value> {
        if let Self::Answer(200, json) = self { Some(json) } else { None }
    }
}

/// Sends a `GET`, with a bearer token if there is one.
pub(super) async fn get(url: &str, bearer: Option<&str>) -> PhoneResponse {
    let mut request = Request::get("/").header(ACCEPT, "application/json");
    if let Some(token) = bearer {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    send(url, request.body(Bytes::new())).await
}

/// Sends a form with `POST`.
pub(super) async fn post(url: &str, fields: &[(&str, &str)]) -> PhoneResponse {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = Request::post("/")
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    send(url, request.body(Bytes::from(body))).await
}

async fn send(url: &str, request: http::Result<Request<Bytes>>) -> PhoneResponse {
    let place = match LocalAddress::read(url) {
        Ok(place) => place,
        Err(bad) => return PhoneResponse::Nothing(format!("{url}: {bad}")),
    };
    let Ok(request) = request else {
        return PhoneResponse::Nothing("the request cannot be written".to_owned());
    };
    match place.send(request).await {
        Ok(answer) => PhoneResponse::Answer(
            answer.status().as_u16(),
            serde_json::from_slice(answer.body()).unwrap_or(Value::Null),
        ),
        Err(failed) => PhoneResponse::Nothing(failed.to_string()),
    }
}
