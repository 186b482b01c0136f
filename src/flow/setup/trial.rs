//! The trial sign-in: a real sign-in at the organization's own Entra. It begins no session and
//! shows the result.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::super::refusal::entra_refusal::{self, RefusedSignIn};
use super::super::sign_in::begin::{self, SignInStart};
use super::super::sign_in::organization;
use super::super::sign_in::redeem::RedeemedSignIn;
use super::domains;
use super::entered_ids;
use super::first_admin;
use super::frame::{self, SetUpMessage};
use super::gate::{self, SetUpDenied, SetUpVisit};
use super::steps;
use crate::base::identity::Identity;
use crate::directory::first_sign_in::{self, AccountMatch, PersonMatch};
use crate::directory::organization::{OrganizationSource, OrganizationState};
use crate::directory::trial::PassedTrial;
use crate::entra::authorize::SignInHints;
use crate::entra::{self, EntraRegistration};
use crate::pages::setup::{SetUpPage, TrialFailure, TrialPage, TrialPerson};
use crate::session::pending::{SignInPurpose, SignInTrial};
use crate::sidecar::organizations::{self, OrganizationRegistry};
use crate::wire::body::Body;
use http::{Response, StatusCode};

/// `POST /setup/trial`: redirects to Entra with the saved connection.
pub(super) async fn start(
    exchange: &Exchange<'_>,
    all: &OrganizationRegistry,
    visit: &SetUpVisit,
) -> Result<Response<Body>, Refusal> {
    let organization = visit.organization();
    let mark = all.directory().connection_mark(organization).await?;
    let start = SignInStart {
        // The admin chooses which account to test.
        hints: SignInHints { prompt: Some("select_account".to_owned()), ..SignInHints::default() },
        at: organization::OrganizationHint::Found(Box::new(organization.clone())),
        ..SignInStart::new(SignInPurpose::Trial(SignInTrial { by: visit.by(), mark }))
    };
    match begin::start_sign_in(exchange, start).await {
        Err(Refusal::Organization(organizations::Error::NotSetUp)) => {
            steps::again(exchange, all, visit, "incomplete").await
        }
        Err(Refusal::SignIn(error, _, entra)) => {
            Ok(failed(exchange, all, visit, &entra, &error).await)
        }
        other => other,
    }
}

/// Handles the return from Entra. Only the visit that began the trial sees the result.
pub(in crate::flow) async fn finish(
    exchange: &Exchange<'_>,
    trial: &SignInTrial,
    outcome: Result<RedeemedSignIn, Refusal>,
) -> Result<Response<Body>, Refusal> {
    let all = exchange.sidecar.organizations.as_deref().ok_or(Refusal::NotFound)?;
    let visit =
        match gate::enter(exchange, all, &mut super::super::facts::RequestFacts::default()).await {
            Ok(visit) if visit.by() == trial.by => visit,
            Err(SetUpDenied::Not(
                refusal @ (Refusal::Organization(_)
                | Refusal::Closed(..)
                | Refusal::NotCheckable(_)
                | Refusal::NoSessionStore(_)),
            )) => {
                return Err(refusal);
            }
            _ => return Ok(frame::message_page(exchange, SetUpMessage::TrialOver)),
        };
    let RedeemedSignIn { place, redeemed, .. } = match outcome {
        Ok(it) => it,
        Err(Refusal::SignIn(error, _, entra)) => {
            return Ok(failed(exchange, all, &visit, &entra, &error).await);
        }
        Err(other) => return Err(other),
    };
    let Some(organization) =
        place.organization.as_ref().filter(|it| it.id == visit.organization().id)
    else {
        return Ok(frame::message_page(exchange, SetUpMessage::TrialOver));
    };
    let met = match all.directory().preview(&redeemed.user, organization).await {
        Ok(it) => Ok(trial_person(it)),
        Err(first_sign_in::MembershipRefusal::Directory(error)) => return Err(error.into()),
        // The connection works, although this account is not admitted.
        Err(refused) => Err(why(&refused)),
    };
    // If the connection has changed since the trial began, the mark no longer matches.
    let passed = PassedTrial {
        mark: trial.mark.as_deref(),
        by: &visit.by(),
        who: redeemed.user.identity(),
        invitation: visit.invitation(),
    };
    all.directory().note_trial(organization, &passed).await?;
    tracing::info!(organization = %organization.code, by = visit.by(), "organization's test sign-in succeeded");
    domains::note_trial(all.directory(), &visit, trial, redeemed.user.identity()).await?;
    let offer = first_admin::offer(all, &visit, trial, redeemed.user.identity()).await?;
    let trial = TrialPage {
        head: frame::head(exchange.app, &visit),
        claims: claims(redeemed.user.identity()),
        met: Some(met),
        failed: None,
        offer,
    };
    Ok(frame::show(exchange, StatusCode::OK, SetUpPage::Trial(Box::new(trial))))
}

fn trial_person(met: AccountMatch) -> TrialPerson {
    let (how, person, waits, alike) = match met {
        AccountMatch::Person(PersonMatch::Known, person, alike) => {
            ("met_known", person, None, alike)
        }
        AccountMatch::Person(PersonMatch::Linked, person, alike) => {
            ("met_linked", person, None, alike)
        }
        AccountMatch::Person(PersonMatch::Made, person, alike) => ("met_made", person, None, alike),
        AccountMatch::Waits(person, why) => ("met_waits", person, Some(why.as_str()), Vec::new()),
    };
    TrialPerson {
        how,
        username: person.username.to_string(),
        role: person.role,
        waits,
        alike: alike.iter().map(|it| it.username.to_string()).collect(),
    }
}

fn why(refused: &first_sign_in::MembershipRefusal) -> &'static str {
    match refused {
        first_sign_in::MembershipRefusal::Guest => "not_guest",
        first_sign_in::MembershipRefusal::PersonOff => "not_on",
        first_sign_in::MembershipRefusal::Unknown => "not_known",
        first_sign_in::MembershipRefusal::Denied => "not_confirmed",
        _ => "not_tenant",
    }
}

/// Returns the relevant claims: a word for each, and its value.
fn claims(who: &Identity) -> Vec<(&'static str, String)> {
    let text = |it: &Option<Box<str>>| it.as_deref().unwrap_or("–").to_owned();
    let roles = who.roles.iter().collect::<Vec<_>>().join(", ");
    vec![
        ("claim_name", text(&who.name)),
        ("claim_username", text(&who.preferred_username)),
        (if who.email_verified { "claim_email_verified" } else { "claim_email" }, text(&who.email)),
        ("claim_roles", if roles.is_empty() { "–".to_owned() } else { roles }),
        (if who.guest { "claim_guest" } else { "claim_member" }, String::new()),
        ("claim_oid", who.oid.to_string()),
        ("claim_tid", who.tid.to_string()),
    ]
}

/// Entra's codes for a tenant that does not exist, and for an app registration that is not in it.
const UNKNOWN_IDS: [u32; 2] = [90_002, 700_016];

/// Returns the tenant ID and the client ID, if Entra does not know one of them, they are swapped, and
/// the visitor may swap them.
async fn swapped(
    all: &OrganizationRegistry,
    visit: &SetUpVisit,
    code: Option<u32>,
) -> Option<(String, String)> {
    let organization = visit.organization();
    let (tenant, client_id) = (organization.tenant?, organization.client_id?);
    let may_swap = organization.source == OrganizationSource::Database
        && (visit.invitation().is_some() || organization.state != OrganizationState::On);
    if !may_swap || !code.is_some_and(|it| UNKNOWN_IDS.contains(&it)) {
        return None;
    }
    let are_swapped = entered_ids::are_swapped(all, tenant, client_id).await;
    are_swapped.then(|| (tenant.to_string(), client_id.to_string()))
}

async fn failed(
    exchange: &Exchange<'_>,
    all: &OrganizationRegistry,
    visit: &SetUpVisit,
    entra: &EntraRegistration,
    error: &entra::Error,
) -> Response<Body> {
    let Exchange { sidecar, app, inbound, .. } = *exchange;
    let customer = &sidecar.pages.phrases(exchange.language()).customer;
    let words = entra_refusal::words(sidecar, app, entra, exchange.language(), error, None)
        .for_customers(customer);
    let refused = RefusedSignIn {
        entra,
        error: Some(error),
        whose: words.whose,
        reason: "trial".to_owned(),
        cause: error.diagnosis(),
    };
    entra_refusal::record_refusal(sidecar, app, inbound.reference(), refused);
    let code = match error {
        entra::Error::Refused(it) => it.code,
        _ => None,
    };
    tracing::info!(organization = %visit.organization().code, by = visit.by(), code, "organization's test sign-in failed");
    let failed = TrialFailure {
        code: code.map(|it| format!("AADSTS{it}")),
        title: words.title,
        what: words.what,
        next: words.next,
        place: words.remedy.as_ref().map(|it| it.place.clone()),
        fix: words.remedy.map(|it| it.what),
        details: words.details.into_iter().map(|it| (it.name.to_owned(), it.value)).collect(),
        reference: inbound.reference().to_owned(),
        swapped: swapped(all, visit, code).await,
    };
    let trial = TrialPage {
        head: frame::head(app, visit),
        claims: Vec::new(),
        met: None,
        failed: Some(failed),
        offer: None,
    };
    frame::show(exchange, StatusCode::OK, SetUpPage::Trial(Box::new(trial)))
}
