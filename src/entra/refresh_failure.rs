//! Maps a failed refresh to its consequence for the session, in one table.
//!
//! Sources: RFC 6749 section 5.2, `learn:/reference-error-codes`, `learn:/refresh-tokens`. It is
//! not documented which OAuth error comes with which AADSTS code, so a known code takes precedence
//! over the error.

use super::aadsts::{self, ResponsibleParty};
use super::claims_challenge::ClaimsChallenge;
use super::error::Error;
use super::failure::EntraRefusal;
use super::invalid::InvalidToken;

/// The consequence of a failed refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshFailure {
    /// The person has lost access, or the grant was revoked.
    Ended,
    /// The person still has access, but must prove something first.
    InteractionRequired {
        /// A claims challenge for the next sign-in, if Entra sent one.
        claims: Option<ClaimsChallenge>,
    },
    /// The failure says nothing about the person.
    Later {
        /// Seconds until the next attempt, if Entra says so.
        retry_after: Option<u64>,
        /// Whether this app registration or machine is at fault, not Entra.
        ours: bool,
    },
}

/// The scope of a failure that is not about the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureScope {
    /// Every registration of the tenant: the authority does not answer, or throttles the tenant.
    Authority,
    /// This registration; the authority answered.
    Registration,
    /// This registration, whose request was not sent.
    NotSent,
}

/// Accounts that are deleted, disabled, blocked or not assigned; grants that are revoked or
/// expired; policies that block the person in any case.
const SESSION_ENDING_CODES: [u32; 20] = [
    50_034, 50_053, 50_057, 500_571, 50_105, 50_020, 50_132, 50_133, 50_173, 53_003, 530_032,
    530_034, 530_035, 530_084, 53_011, 700_082, 700_084, 70_008, 50_089, 70_000,
];

/// Another factor, a new sign-in, consent, a password, another device.
const INTERACTION_CODES: [u32; 31] = [
    50_055, 50_056, 50_058, 50_072, 50_074, 50_076, 50_078, 50_079, 50_097, 50_125, 50_126, 50_129,
    50_131, 50_135, 50_144, 50_155, 50_158, 53_000, 53_001, 53_002, 53_004, 53_010, 530_021,
    530_036, 65_001, 65_004, 70_043, 700_003, 700_020, 90_072, 135_011,
];

/// Entra throttles clients that send the same request for one person too often.
const ASKED_TOO_OFTEN: u32 = 50_196;

/// Temporary problems of Entra.
const TEMPORARY_CODES: [u32; 9] =
    [50_000, 50_033, ASKED_TOO_OFTEN, 90_006, 90_012, 90_024, 90_033, 90_055, 90_090];

/// Returns the consequence of an error. An error that is not known to concern the person never
/// signs them out.
pub fn of(error: &Error) -> RefreshFailure {
    match error {
        Error::Refused(refusal) => refused(refusal),
        // Caused by a difference between the two clocks, not by the person.
        Error::Token(InvalidToken::Expired | InvalidToken::NotYet | InvalidToken::Times) => OURS,
        Error::Token(_) => RefreshFailure::Ended,
        Error::Status { retry_after, .. } => {
            RefreshFailure::Later { retry_after: *retry_after, ours: false }
        }
        Error::Paused(seconds) => {
            RefreshFailure::Later { retry_after: Some(*seconds), ours: false }
        }
        Error::Unreachable { .. } => LATER_ON,
        // Nothing says that these pass: a proxy or a portal answers, or the set-up is wrong.
        Error::Metadata(_)
        | Error::Keys(_)
        | Error::UnknownKey
        | Error::Foreign(_)
        | Error::Answer
        | Error::Address(_)
        | Error::Credential(_) => OURS,
    }
}

const OURS: RefreshFailure = RefreshFailure::Later { retry_after: None, ours: true };
const LATER_ON: RefreshFailure = RefreshFailure::Later { retry_after: None, ours: false };

/// Whether the same failure is to be expected for other people. With several tenants, each tenant
/// can refuse this app for its own people, have their tokens signed with its own key, or be
/// throttled alone (AADSTS90055): that must not stop the questions about people of other tenants.
pub fn is_of_all(error: &Error, are_many: bool) -> bool {
    match error {
        _ if !are_many => true,
        Error::Refused(refusal) if refusal.code == Some(ASKED_TOO_OFTEN) => false,
        Error::Refused(refusal) => {
            refusal.error == "invalid_client" || refused(refusal) == LATER_ON
        }
        Error::UnknownKey | Error::Status { status: 429, .. } => false,
        _ => true,
    }
}

/// Returns the scope of a failure. A failure that may concern only one registration must not stop
/// the questions about the people of others, so it counts for the authority only if it is certain;
/// otherwise each registration finds out with a request of its own.
pub fn scope(error: &Error) -> FailureScope {
    match error {
        // The response does not say whether the tenant or the app sent too many requests.
        Error::Status { status: 429, .. } => FailureScope::Registration,
        Error::Unreachable { .. }
        | Error::Foreign(_)
        | Error::Status { .. }
        | Error::Metadata(_)
        | Error::Keys(_) => FailureScope::Authority,
        Error::Refused(refusal) if refusal.code == Some(ASKED_TOO_OFTEN) => {
            FailureScope::Registration
        }
        Error::Refused(refusal)
            if refusal.is_passing()
                || refusal.code.is_some_and(|it| TEMPORARY_CODES.contains(&it)) =>
        {
            FailureScope::Authority
        }
        Error::Credential(_) | Error::Address(_) => FailureScope::NotSent,
        _ => FailureScope::Registration,
    }
}

fn refused(refusal: &EntraRefusal) -> RefreshFailure {
    let again = || RefreshFailure::InteractionRequired { claims: refusal.claims.clone() };
    match refusal.code {
        Some(code) if SESSION_ENDING_CODES.contains(&code) => return RefreshFailure::Ended,
        Some(code) if INTERACTION_CODES.contains(&code) => return again(),
        Some(code) if TEMPORARY_CODES.contains(&code) => return LATER_ON,
        _ => {}
    }
    match refusal.error.as_str() {
        "temporarily_unavailable" | "server_error" | "unknown" => LATER_ON,
        "interaction_required"
        | "login_required"
        | "consent_required"
        | "account_selection_required" => again(),
        "access_denied" => RefreshFailure::Ended,
        "invalid_grant" => invalid_grant(refusal),
        // `invalid_client`, `unauthorized_client`, `invalid_scope` and similar errors: the request
        // is wrong for every person.
        _ => OURS,
    }
}

/// `invalid_grant` stands for almost everything; the `suberror` is more specific, and otherwise the
/// party that can fix the code decides.
fn invalid_grant(refusal: &EntraRefusal) -> RefreshFailure {
    let whose = refusal.code.and_then(aadsts::find).map(|it| it.whose);
    match (refusal.suberror.as_deref(), whose) {
        (Some("bad_token" | "token_expired"), _) => RefreshFailure::Ended,
        (Some("client_mismatch"), _) => OURS,
        // The others require something that only the person can provide.
        (Some(_), _) => RefreshFailure::InteractionRequired { claims: refusal.claims.clone() },
        (None, Some(ResponsibleParty::Entra)) => LATER_ON,
        (None, Some(ResponsibleParty::Owner | ResponsibleParty::Entrada)) => OURS,
        (None, _) => RefreshFailure::Ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::client;

    fn means(error: &str, code: Option<u32>, suberror: Option<&str>) -> RefreshFailure {
        let mut refusal = EntraRefusal::of_callback(error, None).because(suberror);
        refusal.code = code;
        of(&refusal.into())
    }

    #[test]
    fn whoever_may_not_be_here_any_longer_is_out() {
        let codes = [
            50_034, 50_053, 50_057, 500_571, 50_105, 50_020, 50_132, 50_133, 50_173, 53_003,
            530_032, 530_034, 530_035, 530_084, 53_011, 700_082, 700_084, 70_008, 50_089, 70_000,
        ];
        for code in codes {
            for error in ["invalid_grant", "interaction_required", "access_denied"] {
                assert_eq!(means(error, Some(code), None), RefreshFailure::Ended, "{error} {code}");
            }
        }
        assert_eq!(means("invalid_grant", None, None), RefreshFailure::Ended);
        assert_eq!(means("invalid_grant", Some(1), None), RefreshFailure::Ended);
        assert_eq!(
            means("invalid_grant", Some(9_002_313), Some("bad_token")),
            RefreshFailure::Ended
        );
        assert_eq!(means("invalid_grant", None, Some("token_expired")), RefreshFailure::Ended);
        assert_eq!(means("access_denied", None, None), RefreshFailure::Ended);
    }

    #[test]
    fn whoever_has_to_prove_something_signs_in_again() {
        let again = RefreshFailure::InteractionRequired { claims: None };
        let codes = [
            50_055, 50_056, 50_058, 50_072, 50_074, 50_076, 50_078, 50_079, 50_097, 50_125, 50_126,
            50_129, 50_131, 50_135, 50_144, 50_155, 50_158, 53_000, 53_001, 53_002, 53_004, 53_010,
            530_021, 530_036, 65_001, 65_004, 70_043, 700_003, 700_020, 90_072, 135_011,
        ];
        for code in codes {
            for error in ["invalid_grant", "interaction_required"] {
                assert_eq!(means(error, Some(code), None), again, "{error} {code}");
            }
        }
        assert_eq!(means("invalid_grant", Some(70_043), Some("bad_token")), again);
        for error in [
            "interaction_required",
            "login_required",
            "consent_required",
            "account_selection_required",
        ] {
            assert_eq!(means(error, None, None), again, "{error}");
            assert_eq!(means(error, Some(1), None), again, "{error}");
        }
        for suberror in [
            "basic_action",
            "additional_action",
            "message_only",
            "consent_required",
            "user_password_expired",
            "protection_policy_required",
            "device_authentication_failed",
            "new_one",
        ] {
            assert_eq!(means("invalid_grant", None, Some(suberror)), again, "{suberror}");
        }
    }

    #[test]
    fn a_claims_challenge_is_kept() {
        let body = br#"{"error":"interaction_required","error_codes":[50079],"claims":"{\"id_token\":{}}"}"#;
        let refusal = EntraRefusal::of_body(body).unwrap();
        assert_eq!(
            of(&refusal.into()),
            RefreshFailure::InteractionRequired {
                claims: ClaimsChallenge::of_json(r#"{"id_token":{}}"#)
            }
        );
    }

    #[test]
    fn entras_own_trouble_signs_nobody_out() {
        for code in [50_000, 50_033, 50_196, 90_006, 90_012, 90_024, 90_033, 90_055, 90_090] {
            for error in ["temporarily_unavailable", "server_error", "invalid_grant"] {
                assert_eq!(means(error, Some(code), None), LATER_ON, "{error} {code}");
            }
        }
        for error in ["temporarily_unavailable", "server_error", "<html>"] {
            assert_eq!(means(error, None, None), LATER_ON, "{error}");
        }
        let unreachable =
            Error::Unreachable { endpoint: "token endpoint", cause: client::Error::Timeout };
        assert_eq!(of(&unreachable), LATER_ON);
        for (status, retry_after) in [(429, Some(17)), (503, None), (500, None)] {
            let error = Error::Status { endpoint: "token endpoint", status, retry_after };
            assert_eq!(of(&error), RefreshFailure::Later { retry_after, ours: false });
        }
        assert_eq!(
            of(&Error::Paused(9)),
            RefreshFailure::Later { retry_after: Some(9), ours: false }
        );
    }

    #[test]
    fn our_own_mistakes_sign_nobody_out() {
        let errors = [
            "invalid_client",
            "unauthorized_client",
            "invalid_request",
            "invalid_scope",
            "invalid_resource",
            "invalid_tenant",
            "unsupported_grant_type",
        ];
        for error in errors {
            assert_eq!(means(error, None, None), OURS, "{error}");
        }
        for code in [7_000_215, 7_000_222, 7_000_218, 700_016, 7_000_112, 700_027, 90_002] {
            assert_eq!(means("invalid_client", Some(code), None), OURS, "{code}");
        }
        for code in [500_112, 700_005, 28_003] {
            assert_eq!(means("invalid_grant", Some(code), None), OURS, "{code}");
        }
        assert_eq!(means("invalid_grant", None, Some("client_mismatch")), OURS);
        for error in [Error::Answer, Error::UnknownKey] {
            assert_eq!(of(&error), OURS, "{error}");
        }
        for invalid in [InvalidToken::Expired, InvalidToken::NotYet, InvalidToken::Times] {
            assert_eq!(of(&Error::Token(invalid)), OURS, "{invalid}");
        }
    }

    #[test]
    fn of_many_tenants_one_cannot_speak_for_the_others() {
        let refused = |error: &str, code| {
            let mut refusal = EntraRefusal::of_callback(error, None);
            refusal.code = Some(code);
            Error::from(refusal)
        };
        let status =
            |status| Error::Status { endpoint: "token endpoint", status, retry_after: None };
        for error in [
            refused("invalid_client", 7_000_222),
            refused("temporarily_unavailable", 90_033),
            status(503),
            Error::Answer,
        ] {
            assert!(is_of_all(&error, true) && is_of_all(&error, false), "{error}");
        }
        let own = [
            ("unauthorized_client", 700_016),
            ("unauthorized_client", 7_000_112),
            ("invalid_resource", 500_011),
            ("invalid_grant", 50_196),
        ];
        for error in own
            .map(|(error, code)| refused(error, code))
            .into_iter()
            .chain([Error::UnknownKey, status(429)])
        {
            assert!(!is_of_all(&error, true) && is_of_all(&error, false), "{error}");
        }
    }

    #[test]
    fn only_what_is_certain_counts_for_all_registrations_of_a_tenant() {
        let refused = |error: &str, code| {
            let mut refusal = EntraRefusal::of_callback(error, None);
            refusal.code = code;
            Error::from(refusal)
        };
        let status =
            |status| Error::Status { endpoint: "token endpoint", status, retry_after: None };
        let silent =
            Error::Unreachable { endpoint: "token endpoint", cause: client::Error::Timeout };
        for error in [
            silent,
            status(503),
            refused("temporarily_unavailable", None),
            refused("server_error", Some(1)),
            refused("invalid_grant", Some(90_055)),
            refused("invalid_request", Some(90_033)),
        ] {
            assert_eq!(scope(&error), FailureScope::Authority, "{error}");
        }
        for error in [
            refused("invalid_client", Some(7_000_222)),
            refused("unauthorized_client", Some(700_016)),
            refused("invalid_grant", Some(50_196)),
            refused("temporarily_unavailable", Some(50_196)),
            refused("<html>", None),
            status(429),
            Error::UnknownKey,
            Error::Answer,
            Error::Token(InvalidToken::Expired),
        ] {
            assert_eq!(scope(&error), FailureScope::Registration, "{error}");
        }
        assert_eq!(scope(&Error::Credential(String::new())), FailureScope::NotSent);
    }

    #[test]
    fn a_token_that_breaks_a_rule_ends_the_session() {
        for invalid in [
            InvalidToken::Signature,
            InvalidToken::Issuer,
            InvalidToken::Tenant,
            InvalidToken::Audience,
            InvalidToken::DuplicateClaim,
            InvalidToken::Algorithm,
        ] {
            assert_eq!(of(&Error::Token(invalid)), RefreshFailure::Ended, "{invalid}");
        }
    }

    #[test]
    fn no_code_stands_in_two_lists() {
        let mut all: Vec<u32> = SESSION_ENDING_CODES
            .into_iter()
            .chain(INTERACTION_CODES)
            .chain(TEMPORARY_CODES)
            .collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
