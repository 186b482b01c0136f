//! A sign-in on trial: a real one, at the organization's own Entra, which begins no session and shows what it brought.

use super::super::organization::Place;
use super::super::refusal::Refusal;
use super::super::sign_in::{self, Start};
use super::super::{organization, refused};
use super::frame::{self, Say};
use super::gate::{self, NoEntry, Visit};
use super::steps;
use crate::base::identity::Identity;
use crate::base::return_to::ReturnTo;
use crate::directory::welcome::{self, How};
use crate::entra::authorize::Hints;
use crate::entra::{self, Entra, Redeemed};
use crate::pages::setup::{Failed, Met, SetUp, Trial};
use crate::session::pending;
use crate::sidecar::Sidecar;
use crate::sidecar::organizations::{self, Organizations};
use crate::wire::body::Body;
use crate::wire::inbound::Inbound;
use http::{HeaderMap, Response, StatusCode};

/// `POST /setup/trial`: off to Entra, with the connection as it is saved.
pub(super) async fn begin(house: &Sidecar, all: &Organizations, inbound: &Inbound, headers: &HeaderMap, visit: &Visit) -> Result<Response<Body>, Refusal> {
    let organization = visit.organization();
    let mark = all.directory().connection_mark(organization).await?;
    let start = Start {
        // Which account is tried is for the admin to say.
        hints: Hints { prompt: Some("select_account".to_owned()), ..Hints::default() },
        at: organization::At::This(Box::new(organization.clone())),
        trial: Some(pending::Trial { by: visit.by(), mark }),
        ..Start::at(ReturnTo::home())
    };
    match sign_in::begin(house, inbound, headers, start).await {
        Err(Refusal::Organization(organizations::Error::NotSetUp)) => steps::again(house, all, inbound, visit, "incomplete").await,
        Err(Refusal::SignIn(error, _, entra)) => Ok(failed(house, inbound, visit, &entra, &error)),
        other => other,
    }
}

/// Back from Entra: what it brought is shown to the visit that began it, and to no other.
pub(in crate::flow) async fn came_back(
    house: &Sidecar,
    inbound: &Inbound,
    headers: &HeaderMap,
    trial: &pending::Trial,
    outcome: Result<(Place, Redeemed), Refusal>,
) -> Result<Response<Body>, Refusal> {
    let all = house.organizations.as_deref().ok_or(Refusal::NotFound)?;
    let visit = match gate::enter(house, all, headers, &mut super::super::facts::Facts::default()).await {
        Ok(visit) if visit.by() == trial.by => visit,
        Err(NoEntry::Not(refusal @ (Refusal::Organization(_) | Refusal::Closed(_)))) => return Err(refusal),
        _ => return Ok(frame::told(house, inbound, Say::TrialOver)),
    };
    let (place, redeemed) = match outcome {
        Ok(it) => it,
        Err(Refusal::SignIn(error, _, entra)) => return Ok(failed(house, inbound, &visit, &entra, &error)),
        Err(other) => return Err(other),
    };
    let Some(organization) = place.organization.as_ref().filter(|it| it.id == visit.organization().id) else {
        return Ok(frame::told(house, inbound, Say::TrialOver));
    };
    let met = all.directory().preview(&redeemed.user, organization).await;
    let met = match met {
        Ok(it) => {
            note(all, &visit, trial).await?;
            let how = match it.how {
                How::Known => "met_known",
                How::Linked => "met_linked",
                How::Made => "met_made",
            };
            Ok(Met { how, username: it.person.username.to_string(), role: it.person.role })
        }
        Err(welcome::Refused::Directory(error)) => return Err(error.into()),
        // The connection has done well all the same: this account may not come in.
        Err(refused) => {
            note(all, &visit, trial).await?;
            Err(why(&refused))
        }
    };
    tracing::info!(organization = %organization.code, by = visit.by(), "organization's test sign-in succeeded");
    let trial = Trial { head: frame::head(house, &visit), claims: claims(redeemed.user.identity()), met: Some(met), failed: None };
    Ok(frame::show(house, inbound, StatusCode::OK, SetUp::Trial(Box::new(trial))))
}

/// Notes it for the connection that was tried, unless that has changed meanwhile: then the mark fits no more.
async fn note(all: &Organizations, visit: &Visit, trial: &pending::Trial) -> Result<(), Refusal> {
    match &trial.mark {
        Some(mark) => Ok(all.directory().note_trial(visit.organization(), mark, &visit.by()).await?),
        None => Ok(()),
    }
}

fn why(refused: &welcome::Refused) -> &'static str {
    match refused {
        welcome::Refused::Guest => "not_guest",
        welcome::Refused::PersonOff => "not_on",
        welcome::Refused::Unknown => "not_known",
        _ => "not_tenant",
    }
}

/// The claims that count: a word for each and its value.
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

fn failed(house: &Sidecar, inbound: &Inbound, visit: &Visit, entra: &Entra, error: &entra::Error) -> Response<Body> {
    refused::write_down(house, entra, error, inbound.reference());
    let words = refused::words(house, entra, inbound.language, error, None);
    let code = match error {
        entra::Error::Refused(it) => it.code,
        _ => None,
    };
    tracing::info!(organization = %visit.organization().code, by = visit.by(), code, "organization's test sign-in failed");
    let failed = Failed {
        code: code.map(|it| format!("AADSTS{it}")),
        title: words.title,
        what: words.what,
        next: words.next,
        place: words.remedy.as_ref().map(|it| it.place.clone()),
        fix: words.remedy.map(|it| it.what),
        details: words.details.into_iter().map(|it| (it.name.to_owned(), it.value)).collect(),
        reference: inbound.reference().to_owned(),
    };
    let trial = Trial { head: frame::head(house, visit), claims: Vec::new(), met: None, failed: Some(failed) };
    frame::show(house, inbound, StatusCode::OK, SetUp::Trial(Box::new(trial)))
}
