//! Keeps who signed in at an organization, or was refused why, for its admin: apart from the answer, for which nobody waits longer.

use super::refusal::Refusal;
use crate::base::guid::Guid;
use crate::base::identity::{DirectoryMember, Identity};
use crate::directory::recent::FinishedSignIn;
use crate::directory::{self, first_sign_in};
use crate::entra;
use crate::entra::invalid::InvalidToken;
use crate::session::pending::PendingSignIn;
use crate::sidecar::Sidecar;
use crate::sidecar::guesses::GuessingClient;
use crate::sidecar::organizations;
use crate::wire::inbound::InboundRequest;
use std::sync::Arc;

/// Our own words for why, each of which the catalog of the page has a sentence for.
pub(super) const REASONS: [&str; 11] =
    ["canceled", "no_answer", "other_tenant", "organization_off", "guest", "person_off", "not_known", "not_set_up", "personal", "clock", "token"];

/// What becomes known of a sign-in on its way.
#[derive(Debug)]
pub(super) struct SignInTrail {
    organization: Option<Guid>,
    name: Option<String>,
    person: Option<Guid>,
    client: GuessingClient,
}

impl SignInTrail {
    /// Of a sign-in under way, which that client began.
    pub(super) fn of(pending: &PendingSignIn, client: GuessingClient) -> Self {
        Self { organization: pending.organization.as_deref().and_then(Guid::parse), name: None, person: None, client }
    }

    /// Entra says who it is.
    pub(super) fn is_of(&mut self, who: &Identity) {
        self.name = who.preferred_username.as_deref().map(str::to_owned);
    }

    /// The directory says who that is here.
    pub(super) fn is_made(&mut self, member: &DirectoryMember) {
        self.person = Some(member.person);
    }

    /// It is over.
    ///
    /// Of refusals at one address as many are kept in a minute as wrong names are borne: the answer of Entra that brings one about can be made up.
    pub(super) fn ends(self, sidecar: &Sidecar, outcome: Result<(), &Refusal>, inbound: &InboundRequest) {
        let (Some(all), Some(organization)) = (&sidecar.organizations, self.organization) else { return };
        let (person, refused) = match outcome {
            Ok(()) => (self.person, None),
            Err(refusal) => match reason(refusal) {
                Some(reason) if sidecar.process.recorded_refusals.was_wrong(self.client).is_ok() => (None, Some(reason)),
                Some(_) => return,
                None => return,
            },
        };
        let sign_in = FinishedSignIn { organization, person, name: self.name, refused, reference: inbound.reference().to_owned() };
        let all = Arc::clone(all);
        sidecar.process.background.spawn(async move { all.record_sign_in(&sign_in).await });
    }
}

/// Why, in a word that stays the same: a code of Entra's, or one of ours. Nothing where a sign-in was not refused but never came to its end.
fn reason(refusal: &Refusal) -> Option<String> {
    let ours = match refusal {
        Refusal::SignIn(entra::Error::Refused(it), ..) if it.is_cancelled() => "canceled",
        Refusal::SignIn(entra::Error::Refused(it), ..) => return Some(it.code.map_or_else(|| it.error.clone(), |it| format!("AADSTS{it}"))),
        Refusal::SignIn(entra::Error::Token(it), ..) => of_token(*it),
        Refusal::SignIn(..) => "no_answer",
        Refusal::NotAdmitted(it, _) => match it {
            first_sign_in::MembershipRefusal::OtherTenant => "other_tenant",
            first_sign_in::MembershipRefusal::OrganizationOff => "organization_off",
            first_sign_in::MembershipRefusal::Guest => "guest",
            first_sign_in::MembershipRefusal::PersonOff => "person_off",
            first_sign_in::MembershipRefusal::Unknown => "not_known",
            first_sign_in::MembershipRefusal::Directory(_) => return None,
        },
        Refusal::Organization(
            organizations::Error::NotSetUp | organizations::Error::NoToken | organizations::Error::Directory(directory::Error::Unopened(_)),
        ) => "not_set_up",
        _ => return None,
    };
    Some(ours.to_owned())
}

fn of_token(invalid: InvalidToken) -> &'static str {
    match invalid {
        InvalidToken::Stranger(_) | InvalidToken::Tenant | InvalidToken::Issuer => "other_tenant",
        InvalidToken::Personal => "personal",
        InvalidToken::Guest => "guest",
        InvalidToken::Expired | InvalidToken::NotYet => "clock",
        _ => "token",
    }
}
