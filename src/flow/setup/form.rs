//! What was typed into a form.

use super::super::refusal::Refusal;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use std::time::Duration;
use zeroize::Zeroizing;

/// The largest form, in bytes, and how long it may take.
const FORM: usize = 16 * 1024;
const FORM_TIME: Duration = Duration::from_secs(10);

/// Names and values; a secret may be among them.
#[derive(Default)]
pub(super) struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    /// Reads a posted form. A name that stands twice has no one reading.
    pub(super) async fn read(body: Incoming) -> Result<Self, Refusal> {
        let body = Limited::new(body, FORM).collect();
        let body = tokio::time::timeout(FORM_TIME, body).await.map_err(|_| Refusal::BadForm)?.map_err(|_| Refusal::BadForm)?.to_bytes();
        let mut out: Vec<(String, Zeroizing<String>)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(&body) {
            if out.iter().any(|it| it.0 == name) {
                return Err(Refusal::SaidTwice);
            }
            out.push((name.into_owned(), Zeroizing::new(value.into_owned())));
        }
        Ok(Self(out))
    }

    /// What stands under a name, without space around it; empty where nothing does.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|it| it.0 == name).map_or("", |it| it.1.trim())
    }
}
