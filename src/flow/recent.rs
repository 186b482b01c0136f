//! Keeps who signed in at an organization, or was refused why, for its admin: apart from the answer, for which nobody waits longer.

use super::refusal::Refusal;
use crate::base::guid::Guid;
use crate::base::identity::{Identity, Member};
use crate::directory::recent::SignIn;
use crate::directory::{self, welcome};
use crate::entra;
use crate::entra::invalid::Invalid;
use crate::session::pending::Pending;
use crate::sidecar::Sidecar;
use crate::sidecar::guesses::GuessingClient;
use crate::sidecar::organizations;
use crate::wire::inbound::Inbound;
use std::sync::Arc;

/// Our own words for why, each of which the catalog of the page has a sentence for.
pub(super) const REASONS: [&str; 11] =
    ["canceled", "no_answer", "other_tenant", "organization_off", "guest", "person_off", "not_known", "not_set_up", "personal", "clock", "token"];

/// What becomes known of a sign-in on its way.
#[derive(Debug)]
pub(super) struct Trail {
    organization: Option<Guid>,
    name: Option<String>,
    person: Option<Guid>,
    client: GuessingClient,
}

impl Trail {
    /// Of a sign-in under way, which that client began.
    pub(super) fn of(pending: &Pending, client: GuessingClient) -> Self {
        Self { organization: pending.organization.as_deref().and_then(Guid::parse), name: None, person: None, client }
    }

    /// Entra says who it is.
    pub(super) fn is_of(&mut self, who: &Identity) {
        self.name = who.preferred_username.as_deref().map(str::to_owned);
    }

    /// The directory says who that is here.
    pub(super) fn is_made(&mut self, member: &Member) {
        self.person = Some(member.person);
    }

    /// It is over.
    ///
    /// Of refusals at one address as many are kept in a minute as wrong names are borne: the answer of Entra that brings one about can be made up.
    pub(super) fn ends(self, house: &Sidecar, outcome: Result<(), &Refusal>, inbound: &Inbound) {
        let (Some(all), Some(organization)) = (&house.organizations, self.organization) else { return };
        let (person, refused) = match outcome {
            Ok(()) => (self.person, None),
            Err(refusal) => match reason(refusal) {
                Some(reason) if house.lasting.kept_refusals.was_wrong(self.client).is_ok() => (None, Some(reason)),
                Some(_) => return,
                None => return,
            },
        };
        let sign_in = SignIn { organization, person, name: self.name, refused, reference: inbound.reference().to_owned() };
        let all = Arc::clone(all);
        house.lasting.background.spawn(async move { all.keep_sign_in(&sign_in).await });
    }
}

/// Why, in a word that stays the same: a code of Entra's, or one of ours. Nothing where a sign-in was not refused but never came to its end.
fn reason(refusal: &Refusal) -> Option<String> {
    let ours = match refusal {
        Refusal::SignIn(entra::Error::Refused(it), ..) if it.is_cancelled() => "canceled",
        Refusal::SignIn(entra::Error::Refused(it), ..) => return Some(it.code.map_or_else(|| it.error.clone(), |it| format!("AADSTS{it}"))),
        Refusal::SignIn(entra::Error::Token(it), ..) => of_token(*it),
        Refusal::SignIn(..) => "no_answer",
        Refusal::NotWelcome(it, _) => match it {
            welcome::Refused::OtherTenant => "other_tenant",
            welcome::Refused::OrganizationOff => "organization_off",
            welcome::Refused::Guest => "guest",
            welcome::Refused::PersonOff => "person_off",
            welcome::Refused::Unknown => "not_known",
            welcome::Refused::Directory(_) => return None,
        },
        Refusal::Organization(
            organizations::Error::NotSetUp | organizations::Error::NoToken | organizations::Error::Directory(directory::Error::Unopened(_)),
        ) => "not_set_up",
        _ => return None,
    };
    Some(ours.to_owned())
}

fn of_token(invalid: Invalid) -> &'static str {
    match invalid {
        Invalid::Stranger(_) | Invalid::Tenant | Invalid::Issuer => "other_tenant",
        Invalid::Personal => "personal",
        Invalid::Guest => "guest",
        Invalid::Expired | Invalid::NotYet => "clock",
        _ => "token",
    }
}
