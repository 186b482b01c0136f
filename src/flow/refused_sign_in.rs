//! Counts and logs refused sign-ins.

use super::refusal::Refusal;
use super::refusal::entra_refusal::{self, RefusedSignIn};
use crate::sidecar::Sidecar;
use crate::sidecar::app::App;

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
}
