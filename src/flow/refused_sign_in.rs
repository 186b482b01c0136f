//! Counts and logs refused sign-ins.

use super::refusal::Refusal;
use super::refusal::entra_refusal::{self, RefusedSignIn};
use crate::directory::{self, first_sign_in};
use crate::entra;
use crate::entra::invalid::InvalidToken;
use crate::sidecar::Sidecar;
use crate::sidecar::app::App;
use crate::sidecar::organizations;

impl Refusal {
    /// Counts and logs the refusal if it is one of a sign-in that was under way or could not begin.
    pub(super) fn record(&self, sidecar: &Sidecar, app: &App, reference: &str) {
        let (entra, error) = match self {
            Refusal::ForApp(it, _) => return it.record(sidecar, app, reference),
            Refusal::SignIn(error, _, entra) => (&**entra, Some(error)),
            Refusal::Entra(error) => (&*sidecar.entra, Some(error)),
            Refusal::NotAdmitted(..)
            | Refusal::ContextMissing(_)
            | Refusal::Loop(_)
            | Refusal::TooManyCodes(_)
            | Refusal::Organization(_)
            | Refusal::Internal(_) => (&*sidecar.entra, None),
            _ => return,
        };
        let whose = self.whose(sidecar, app);
        let reason = self.reason().unwrap_or_else(|| self.name().to_owned());
        let cause = self.cause();
        let refused = RefusedSignIn { entra, error, whose, reason, cause };
        entra_refusal::record_refusal(sidecar, app, reference, refused);
    }

    /// Whether the refusal ends a sign-in, although the callback did not return it: one that could
    /// not begin.
    pub(super) fn is_of_sign_in(&self, is_sign_in_route: bool) -> bool {
        match self {
            Refusal::ForApp(it, _) => it.is_of_sign_in(is_sign_in_route),
            Refusal::SignIn(..) | Refusal::Entra(_) | Refusal::Loop(_) => true,
            Refusal::NotAdmitted(..) | Refusal::TooManyCodes(_) | Refusal::Organization(_) => {
                is_sign_in_route
            }
            _ => false,
        }
    }

    /// A word for a refused sign-in without an error of Entra.
    fn name(&self) -> &'static str {
        match self {
            Refusal::ContextMissing(_) => "context_missing",
            Refusal::Loop(_) => "loop",
            Refusal::TooManyCodes(_) => "too_many_codes",
            Refusal::Organization(_) | Refusal::NotAdmitted(..) => "directory",
            Refusal::Entra(_) => "no_answer",
            _ => "internal",
        }
    }

    /// Returns the reason as a stable word: an Entra error code or one of `REASONS`. Returns
    /// nothing if the sign-in was not refused but did not finish.
    pub(in crate::flow) fn reason(&self) -> Option<String> {
        let ours = match self {
            Self::SignIn(entra::Error::Refused(it), ..) if it.is_cancelled() => "canceled",
            Self::SignIn(entra::Error::Refused(it), ..) => {
                return Some(it.code.map_or_else(|| it.error.clone(), |it| format!("AADSTS{it}")));
            }
            Self::SignIn(entra::Error::Token(it), ..) => reason_of_token(*it),
            Self::SignIn(..) => "no_answer",
            Self::NotAdmitted(it, _) => match it {
                first_sign_in::MembershipRefusal::OtherTenant => "other_tenant",
                first_sign_in::MembershipRefusal::OrganizationOff => "organization_off",
                first_sign_in::MembershipRefusal::Guest => "guest",
                first_sign_in::MembershipRefusal::PersonOff => "person_off",
                first_sign_in::MembershipRefusal::Unknown => "not_known",
                first_sign_in::MembershipRefusal::Waits(_)
                | first_sign_in::MembershipRefusal::QueueFull(_) => "waits",
                first_sign_in::MembershipRefusal::Denied => "denied",
                first_sign_in::MembershipRefusal::Directory(_) => return None,
            },
            Self::Organization(
                organizations::Error::NotSetUp
                | organizations::Error::NoToken
                | organizations::Error::Directory(directory::Error::Unopened(_)),
            ) => "not_set_up",
            _ => return None,
        };
        Some(ours.to_owned())
    }
}

fn reason_of_token(invalid: InvalidToken) -> &'static str {
    match invalid {
        InvalidToken::Stranger(_) | InvalidToken::Tenant | InvalidToken::Issuer => "other_tenant",
        InvalidToken::Personal => "personal",
        InvalidToken::Guest => "guest",
        InvalidToken::Expired | InvalidToken::NotYet => "clock",
        _ => "token",
    }
}
