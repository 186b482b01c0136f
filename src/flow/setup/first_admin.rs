//! The first admin: a visitor whose link carries a role takes it with the account that passed the
//! test.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::frame::{self, SetUpMessage};
use super::gate::SetUpVisit;
use crate::base::guid::Guid;
use crate::base::identity::Identity;
use crate::directory::first_admin::FirstAdminError;
use crate::directory::first_sign_in::MembershipRefusal;
use crate::pages::setup::FirstAdminView;
use crate::session::pending::SignInTrial;
use crate::sidecar::organizations::OrganizationRegistry;
use crate::wire::body::Body;
use crate::wire::form::FormFields;
use http::Response;

/// Returns what the owner of the account that passed the test may take.
pub(super) async fn offer(
    all: &OrganizationRegistry,
    visit: &SetUpVisit,
    trial: &SignInTrial,
    who: &Identity,
) -> Result<Option<FirstAdminView>, Refusal> {
    let (Some(invitation), true) = (visit.invitation(), trial.mark.is_some()) else {
        return Ok(None);
    };
    let offer = all.directory().first_admin_offer(invitation).await?;
    Ok(offer.filter(|it| it.account == (who.tid, who.oid)).map(|it| FirstAdminView {
        role: it.role,
        name: it.upn.or(it.name).unwrap_or_default(),
        oid: it.account.1.to_string(),
        tenant: it.account.0.to_string(),
    }))
}

/// `POST /setup/first_admin`: gives the role to the account that was shown.
pub(super) async fn take(
    exchange: &Exchange<'_>,
    all: &OrganizationRegistry,
    visit: &SetUpVisit,
    form: &FormFields,
) -> Result<Response<Body>, Refusal> {
    let invitation = visit.invitation().ok_or(Refusal::Forbidden)?;
    let oid = Guid::parse(form.text("oid")).ok_or(Refusal::BadForm)?;
    match all.directory().become_first_admin(invitation, oid).await {
        Ok(person) => {
            tracing::warn!(organization = %person.code, person = %person.username, role = person.role, %oid, %invitation, "the holder of a set-up link became the first admin");
            Ok(frame::message_page(exchange, SetUpMessage::FirstAdmin))
        }
        Err(FirstAdminError::NoOffer) => Ok(frame::message_page(exchange, SetUpMessage::NoOffer)),
        Err(FirstAdminError::Directory(error)) => Err(error.into()),
        Err(FirstAdminError::Refused(MembershipRefusal::Directory(error))) => Err(error.into()),
        Err(FirstAdminError::Refused(_)) => {
            Ok(frame::message_page(exchange, SetUpMessage::NoOffer))
        }
    }
}
