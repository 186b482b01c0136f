//! What an admin reads who comes back from a request for consent.

use super::notice::RefusalWords;
use crate::entra::failure::EntraRefusal;
use crate::pages::phrases::NoticePhrases;
use crate::pages::{NoticeKind, NoticeParty};
use http::StatusCode;

/// The answer to a request for consent. `start` is the URL of a sign-in, which shows the truth.
pub(super) fn words(
    phrases: &NoticePhrases,
    refused: Option<&EntraRefusal>,
    start: &str,
) -> RefusalWords {
    let (status, whose, text) = match refused {
        None => (StatusCode::OK, NoticeParty::You, &phrases.sign_in.consent_given),
        Some(_) => (StatusCode::FORBIDDEN, NoticeParty::Admin, &phrases.sign_in.consent_refused),
    };
    let code = refused.and_then(|it| it.code).map(|it| format!("AADSTS{it}"));
    let correlation_id = refused.and_then(|it| it.correlation_id.as_deref());
    RefusalWords::new(NoticeKind::SignInNeeded, status, whose, text)
        .with(&phrases.action.sign_in, start)
        .detail("Code", "code", code.as_deref())
        .detail("Error", "error", refused.map(|it| it.error.as_str()))
        .detail("Correlation ID", "correlation_id", correlation_id)
}
