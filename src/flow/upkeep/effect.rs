//! What a due recheck and Entra's answer mean for a session: decisions without I/O.

use super::renewal::RefusalCause;
use crate::entra::claims_challenge::ClaimsChallenge;
use crate::entra::refresh_failure::{self, RefreshFailure};

/// Maximum wait that Entra may request for one session, in seconds.
const MAX_RECHECK_RETRY_AFTER_SECONDS: u64 = 3600;

/// How a request for a session is served while a recheck is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DueRecheck {
    /// It is served while Entra is asked in the background.
    InBackground,
    /// It is served, and Entra is left alone for this many seconds.
    PutOff(u64),
    /// The grace period is over: it waits for the answer.
    Wait,
}

/// The effect of a recheck that did not renew the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RefusalEffect {
    /// The session ends.
    Ends,
    /// The session ends, and the person must sign in again.
    SignInRequired {
        /// The proof that Entra requires at the next sign-in, as a claims challenge.
        claims: Option<ClaimsChallenge>,
    },
    /// The session continues within the grace period.
    Continues {
        /// Minimum number of seconds until the next attempt.
        rest_seconds: u64,
        /// Whether the operator can fix the cause.
        ours: bool,
    },
}

/// Returns until when a session is served without an answer from Entra, in seconds since 1970.
/// `every` is the interval of rechecks, `grace` the time after it.
pub(super) fn grace_deadline(answered: u64, every: u64, grace: u64) -> u64 {
    answered.saturating_add(every).saturating_add(grace)
}

impl DueRecheck {
    /// `backoff_seconds` is how long no request is sent to Entra because it does not answer.
    pub(super) fn of(now: u64, grace_deadline: u64, backoff_seconds: u64) -> Self {
        match backoff_seconds {
            _ if now >= grace_deadline => Self::Wait,
            0 => Self::InBackground,
            seconds => Self::PutOff(seconds),
        }
    }
}

impl RefusalEffect {
    pub(super) fn of(cause: &RefusalCause, backoff_seconds: u64) -> Self {
        match cause {
            RefusalCause::Off | RefusalCause::SignedOut => Self::Ends,
            // The database or the connection is at fault, not the person.
            RefusalCause::Organization(_) => Self::Continues { rest_seconds: 0, ours: true },
            RefusalCause::Entra(cause) => match refresh_failure::of(cause) {
                RefreshFailure::Ended => Self::Ends,
                RefreshFailure::InteractionRequired { claims } => Self::SignInRequired { claims },
                RefreshFailure::Later { retry_after, ours } => Self::Continues {
                    rest_seconds: backoff_seconds
                        .max(retry_after.unwrap_or(0).min(MAX_RECHECK_RETRY_AFTER_SECONDS)),
                    ours,
                },
            },
        }
    }

    pub(super) fn log(&self, user: &str, cause: &RefusalCause) {
        match (self, cause) {
            (Self::Ends, RefusalCause::Entra(_)) => {
                tracing::warn!(user, %cause, "session ended by Entra");
            }
            (Self::Ends, _) => tracing::info!(user, %cause, "session ended"),
            (Self::SignInRequired { .. }, _) => {
                tracing::info!(user, %cause, "session ended: sign-in required");
            }
            (Self::Continues { .. }, RefusalCause::Organization(_)) => {
                tracing::error!(user, %cause, "recheck failed; session continues");
            }
            (Self::Continues { ours: true, .. }, _) => {
                tracing::error!(user, %cause, "cannot ask Entra about a session; session continues");
            }
            (Self::Continues { ours: false, .. }, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entra::Error;
    use crate::entra::failure::EntraRefusal;
    use crate::entra::invalid::InvalidToken;
    use crate::sidecar::organizations;
    use crate::wire::client;

    const BACKOFF_SECONDS: u64 = 40;

    /// Entra's answer to a refresh.
    fn answer(body: &str) -> RefusalCause {
        Error::from(EntraRefusal::of_body(body.as_bytes()).unwrap()).into()
    }

    fn throttled(retry_after: Option<u64>) -> RefusalCause {
        Error::Status { endpoint: "token endpoint", status: 429, retry_after }.into()
    }

    fn continues(rest_seconds: u64, ours: bool) -> RefusalEffect {
        RefusalEffect::Continues { rest_seconds, ours }
    }

    #[test]
    fn a_refusal_ends_the_session_only_if_it_is_about_the_person() {
        let sign_in = || RefusalEffect::SignInRequired { claims: None };
        let table = [
            ("switched off in the directory", RefusalCause::Off, RefusalEffect::Ends),
            ("signed out elsewhere", RefusalCause::SignedOut, RefusalEffect::Ends),
            (
                "account disabled",
                answer(r#"{"error":"invalid_grant","error_codes":[50057]}"#),
                RefusalEffect::Ends,
            ),
            (
                "refresh token revoked",
                answer(r#"{"error":"invalid_grant","suberror":"bad_token"}"#),
                RefusalEffect::Ends,
            ),
            (
                "a token that breaks a rule",
                Error::Token(InvalidToken::Issuer).into(),
                RefusalEffect::Ends,
            ),
            (
                "a new sign-in",
                answer(r#"{"error":"invalid_grant","error_codes":[70043]}"#),
                sign_in(),
            ),
            ("consent", answer(r#"{"error":"consent_required"}"#), sign_in()),
            (
                "step-up: the challenge goes along to the next sign-in",
                answer(
                    r#"{"error":"interaction_required","error_codes":[50076],"claims":"{\"id_token\":{}}"}"#,
                ),
                RefusalEffect::SignInRequired {
                    claims: ClaimsChallenge::of_json(r#"{"id_token":{}}"#),
                },
            ),
            (
                "a wrong client secret",
                answer(r#"{"error":"invalid_client","error_codes":[7000215]}"#),
                continues(BACKOFF_SECONDS, true),
            ),
            (
                "the clocks differ",
                Error::Token(InvalidToken::Expired).into(),
                continues(BACKOFF_SECONDS, true),
            ),
            (
                "no credential",
                Error::Credential("no file".to_owned()).into(),
                continues(BACKOFF_SECONDS, true),
            ),
            (
                "Entra has a problem",
                answer(r#"{"error":"temporarily_unavailable"}"#),
                continues(BACKOFF_SECONDS, false),
            ),
            (
                "no answer",
                Error::Unreachable { endpoint: "token endpoint", cause: client::Error::Timeout }
                    .into(),
                continues(BACKOFF_SECONDS, false),
            ),
            (
                "an organization without a connection",
                organizations::Error::NotSetUp.into(),
                continues(0, true),
            ),
        ];
        for (name, cause, effect) in table {
            assert_eq!(RefusalEffect::of(&cause, BACKOFF_SECONDS), effect, "{name}");
        }
    }

    #[test]
    fn entra_is_left_alone_for_the_longer_time_of_backoff_and_retry_after_up_to_an_hour() {
        let table = [
            (None, 0, 0),
            (None, 40, 40),
            (Some(120), 0, 120),
            (Some(120), 300, 300),
            (Some(300), 120, 300),
            (Some(3601), 0, 3600),
            (Some(u64::MAX), 0, 3600),
        ];
        for (retry_after, backoff_seconds, rest_seconds) in table {
            assert_eq!(
                RefusalEffect::of(&throttled(retry_after), backoff_seconds),
                continues(rest_seconds, false),
                "{retry_after:?} {backoff_seconds}"
            );
        }
    }

    #[test]
    fn a_due_session_is_served_until_its_grace_period_ends() {
        let table = [
            (1_000, 0, DueRecheck::InBackground),
            (1_999, 0, DueRecheck::InBackground),
            (1_999, 30, DueRecheck::PutOff(30)),
            (2_000, 0, DueRecheck::Wait),
            // Entra's silence does not extend the grace period.
            (2_000, 30, DueRecheck::Wait),
            (u64::MAX, 0, DueRecheck::Wait),
        ];
        for (now, backoff_seconds, decision) in table {
            assert_eq!(
                DueRecheck::of(now, 2_000, backoff_seconds),
                decision,
                "{now} {backoff_seconds}"
            );
        }
    }

    #[test]
    fn the_grace_period_follows_the_interval_and_never_wraps_around() {
        for (answered, every, grace, deadline) in [
            (1_000, 1_800, 900, 3_700),
            (1_000, 1_800, 0, 2_800),
            (1_000, u64::MAX, 900, u64::MAX),
            (u64::MAX, 1_800, 900, u64::MAX),
        ] {
            assert_eq!(grace_deadline(answered, every, grace), deadline);
        }
    }
}
