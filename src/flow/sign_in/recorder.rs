//! Records sign-ins and refused sign-ins at an organization for its admin. This runs in the
//! background and does not delay the response.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use crate::base::guid::Guid;
use crate::base::identity::{DirectoryMember, Identity};
use crate::directory::recent::FinishedSignIn;
use crate::session::pending::PendingSignIn;
use crate::sidecar::guesses::GuessingClient;
use std::sync::Arc;

/// The facts about a sign-in that become known along the way.
#[derive(Debug)]
pub(in crate::flow) struct SignInRecorder {
    organization: Option<Guid>,
    name: Option<String>,
    person: Option<Guid>,
    client: GuessingClient,
}

impl SignInRecorder {
    /// Creates the recorder of a pending sign-in that this client began.
    pub(in crate::flow) fn of(pending: &PendingSignIn, client: GuessingClient) -> Self {
        Self {
            organization: pending.organization.as_deref().and_then(Guid::parse),
            name: None,
            person: None,
            client,
        }
    }

    /// Notes the identity from Entra.
    pub(in crate::flow) fn note_identity(&mut self, who: &Identity) {
        self.name = who.preferred_username.as_deref().map(str::to_owned);
    }

    /// Notes the person from the directory.
    pub(in crate::flow) fn note_person(&mut self, member: &DirectoryMember) {
        self.person = Some(member.person);
    }

    /// Records the outcome.
    ///
    /// Refusals are limited per address and minute, with the same limit as wrong names, because the
    /// Entra response that causes one can be forged.
    pub(in crate::flow) fn record(self, exchange: &Exchange<'_>, outcome: Result<(), &Refusal>) {
        let Exchange { sidecar, inbound, .. } = *exchange;
        let (Some(all), Some(organization)) = (&sidecar.organizations, self.organization) else {
            return;
        };
        let (person, refused) = match outcome {
            Ok(()) => (self.person, None),
            Err(refusal) => match refusal.reason() {
                Some(reason)
                    if sidecar.process.recorded_refusals.was_wrong(self.client).is_ok() =>
                {
                    (None, Some(reason))
                }
                Some(_) => return,
                None => return,
            },
        };
        let sign_in = FinishedSignIn {
            organization,
            person,
            name: self.name,
            refused,
            reference: inbound.reference().to_owned(),
        };
        let all = Arc::clone(all);
        sidecar.process.background.spawn(async move { all.record_sign_in(&sign_in).await });
    }
}
