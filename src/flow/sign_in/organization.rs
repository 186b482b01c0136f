//! Finds the organization of a sign-in and the person's membership in it.
//!
//! Typed text only selects the organization. The identity comes from that organization's Entra and
//! from the directory.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::start_link::StartLink;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use crate::base::identity::DirectoryMember;
use crate::base::return_to::ReturnTo;
use crate::base::username::Username;
use crate::directory::organization::{Organization, OrganizationState};
use crate::directory::{self, first_sign_in};
use crate::entra::EntraRegistration;
use crate::entra::registration_credentials::CredentialUsed;
use crate::entra::verified::VerifiedUser;
use crate::pages::{IdentifyPage, LastSignIn};
use crate::session::pending::PendingSignIn;
use crate::session::record::Session;
use crate::sidecar::Sidecar;
use crate::sidecar::app::App;
use crate::sidecar::guesses::{GuessingClient, RequestSource};
use crate::sidecar::organizations::{self, OrganizationRegistry};
use crate::wire::cookies::{CookieMatch, find};
use crate::wire::form::FormFields;
use http::HeaderValue;
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Maximum length of a username or a code, in bytes.
const MAX_IDENTIFIER_BYTES: usize = 256;
/// Duration of every lookup of typed text, found or not: without it, an existing entry would take
/// some microseconds longer.
const LOOKUP_DELAY: Duration = Duration::from_millis(20);
/// How long a device remembers the last organization, in seconds: one year.
const LAST_SIGN_IN_SECONDS: u64 = 365 * 24 * 60 * 60;

/// The known information about a sign-in's organization.
pub(in crate::flow) enum OrganizationHint {
    /// Nothing is known.
    None,
    /// Text that the person typed, or the company code of a link.
    Typed(String),
    /// The organization was already found.
    Found(Box<Organization>),
    /// Entra identifies the account first.
    Account,
}

/// Where the person signs in: an organization's Entra, or the Entra of `[entra]` if there are no
/// organizations.
pub(in crate::flow) struct SignInPlace {
    pub(in crate::flow) entra: Arc<EntraRegistration>,
    pub(in crate::flow) organization: Option<Organization>,
}

/// Returns where the sign-in goes, or nothing if the person must be asked. `asks` builds the page
/// that asks again if the code is unknown.
pub(in crate::flow) async fn place(
    exchange: &Exchange<'_>,
    at: OrganizationHint,
    asks: impl AsyncFnOnce() -> IdentifyPage,
) -> Result<Option<SignInPlace>, Refusal> {
    let Some(all) = &exchange.sidecar.organizations else {
        return Ok(Some(SignInPlace {
            entra: Arc::clone(&exchange.sidecar.entra),
            organization: None,
        }));
    };
    let organization = match at {
        OrganizationHint::Found(it) => *it,
        OrganizationHint::Account => {
            return Ok(Some(SignInPlace {
                entra: Arc::clone(&exchange.sidecar.entra),
                organization: None,
            }));
        }
        OrganizationHint::Typed(it) => find_by(exchange, all, &it, asks).await?,
        OrganizationHint::None => match signed_in(exchange) {
            // Step-ups and repeated sign-ins use the same organization as before.
            Some(session) => match of_session(all, &session).await? {
                Some(it) => it,
                None => return Ok(None),
            },
            None => return Ok(None),
        },
    };
    let entra = all.entra(&organization).await?;
    Ok(Some(SignInPlace { entra, organization: Some(organization) }))
}

fn signed_in(exchange: &Exchange<'_>) -> Option<Arc<Session>> {
    exchange.session_of_cookie().or_else(|| exchange.ended_session())
}

async fn of_session(
    all: &OrganizationRegistry,
    session: &Session,
) -> Result<Option<Organization>, Refusal> {
    let Some(member) = session.identity().member.clone() else { return Ok(None) };
    let found = all.directory().organization_by_id(member.organization).await?;
    Ok(found.filter(|it| it.state == OrganizationState::On))
}

/// Returns the organization of typed text. Too many unknown texts delay the client's address, never
/// an organization.
pub(in crate::flow) async fn find_by(
    exchange: &Exchange<'_>,
    all: &OrganizationRegistry,
    identifier: &str,
    asks: impl AsyncFnOnce() -> IdentifyPage,
) -> Result<Organization, Refusal> {
    // Otherwise, images on another site that link here could cause delays for the addresses of its
    // visitors.
    if exchange.is_part_of_another_sites_page() {
        return Err(Refusal::ForeignOrigin);
    }
    let look_up = async || {
        if is_short(identifier) {
            all.directory().organization_of(identifier).await
        } else {
            Ok(None)
        }
    };
    let client = exchange.typing_client();
    let found = found(exchange.sidecar, client, look_up).await;
    found_or_asked(found, client, identifier, asks).await
}

/// Returns the organization of typed text for a person with a verified account in that tenant: the
/// organization that the text names, or else the tenant's only organization. Reveals nothing about
/// organizations of other tenants.
pub(in crate::flow) async fn find_by_account(
    sidecar: &Sidecar,
    client: GuessingClient,
    identifier: &str,
    tenant: Guid,
    asks: impl AsyncFnOnce() -> IdentifyPage,
) -> Result<Organization, Refusal> {
    let all = sidecar.organizations.as_ref().ok_or(Refusal::NotFound)?;
    let look_up = async || {
        let named = all
            .directory()
            .organization_of(identifier)
            .await?
            .filter(|it| it.tenant == Some(tenant) && it.state == OrganizationState::On);
        let only = all.directory().only_organization_of(tenant).await?;
        Ok(named.or(only))
    };
    found_or_asked(found(sidecar, client, look_up).await, client, identifier, asks).await
}

/// Returns the organization that was found, or the page that asks. A link that must wait leads to
/// that page too: other sites can use up the limit of links, but not the limit of people who submit
/// the page. Both pages are the same for existing and unknown text.
async fn found_or_asked(
    found: Result<Option<Organization>, Refusal>,
    client: GuessingClient,
    identifier: &str,
    asks: impl AsyncFnOnce() -> IdentifyPage,
) -> Result<Organization, Refusal> {
    match found {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(unknown(identifier, asks().await)),
        Err(Refusal::TooMany(seconds)) if client.source == RequestSource::Other => {
            let page = IdentifyPage { typed: shown(identifier), ..asks().await };
            Err(Refusal::LinkMustWait(seconds, Box::new(page)))
        }
        Err(refusal) => Err(refusal),
    }
}

/// Whether the text is short enough for a username or a code.
pub(in crate::flow) fn is_short(identifier: &str) -> bool {
    identifier.len() <= MAX_IDENTIFIER_BYTES
}

/// Returns the page that asks again, with the message that the typed text is unknown.
pub(in crate::flow) fn unknown(identifier: &str, page: IdentifyPage) -> Refusal {
    Refusal::Unknown(Box::new(IdentifyPage { typed: shown(identifier), unknown: true, ..page }))
}

/// Returns the part of the text that the page's field shows.
fn shown(identifier: &str) -> String {
    identifier.chars().take(MAX_IDENTIFIER_BYTES).collect()
}

/// Returns the username that was typed, if the text is one and not the code of the organization.
pub(in crate::flow) fn typed_username(found: &Organization, typed: &str) -> Option<Username> {
    Username::parse(typed).filter(|it| it.as_str() != found.code.as_str())
}

/// Returns the login hint for Entra if an address was typed. A company code identifies no account.
pub(in crate::flow) fn hint(identifier: &str) -> Option<String> {
    Username::parse(identifier).filter(|it| it.domain().is_some()).map(|it| it.as_str().to_owned())
}

/// Looks up an organization if the client has not guessed too often. All lookups take the same
/// time.
async fn found(
    sidecar: &Sidecar,
    client: GuessingClient,
    look_up: impl AsyncFnOnce() -> Result<Option<Organization>, directory::Error>,
) -> Result<Option<Organization>, Refusal> {
    let (guesses, metrics) = (&sidecar.process.guesses, &sidecar.process.metrics);
    if let Some(seconds) = guesses.waits(client) {
        metrics.looked_up("rate_limited");
        return Err(Refusal::TooMany(seconds));
    }
    let turn = Instant::now() + LOOKUP_DELAY;
    // An organization that is off is not disclosed.
    let found = look_up().await?.filter(|it| it.state == OrganizationState::On);
    // Recorded after the lookup and before the delay, so that concurrent guesses are counted one
    // after the other.
    let may_tell = guesses.record(client, found.is_some());
    tokio::time::sleep_until(turn).await;
    may_tell.map_err(|seconds| {
        metrics.looked_up("rate_limited");
        Refusal::TooMany(seconds)
    })?;
    metrics.looked_up(if found.is_some() { "found" } else { "unknown" });
    Ok(found)
}

/// Returns the page that asks for the organization.
pub(in crate::flow) async fn identify_page(
    exchange: &Exchange<'_>,
    return_to: &ReturnTo,
    acrs: &[String],
) -> IdentifyPage {
    let link = StartLink::of(exchange, return_to, acrs).await;
    IdentifyPage {
        action: link.page(),
        app: exchange.app.display_name.clone(),
        typed: String::new(),
        unknown: false,
        last: last(exchange, |code| link.start(Some(code))),
    }
}

/// Returns the organization of the last sign-in on this device.
pub(in crate::flow) fn last(
    exchange: &Exchange<'_>,
    href: impl FnOnce(&str) -> String,
) -> Option<LastSignIn> {
    let code = match find(exchange.headers, &exchange.app.names.organization()) {
        CookieMatch::One(code) => CompanyCode::parse(code),
        CookieMatch::None | CookieMatch::Several => None,
    };
    // Shows only the content of the cookie: a name from the directory would reveal valid codes to
    // someone who forges the cookie.
    code.map(|it| LastSignIn { href: href(it.as_str()), code: it.to_string() })
}

/// Reads the text that was typed into the page. Returns nothing if it is empty.
pub(in crate::flow) async fn typed(body: Incoming) -> Result<Option<String>, Refusal> {
    Ok(FormFields::read(body).await?.typed("identifier").map(str::to_owned))
}

/// Returns where a pending sign-in began, which is the only place where its code may be redeemed.
pub(in crate::flow) async fn place_of_pending(
    sidecar: &Sidecar,
    pending: &PendingSignIn,
) -> Result<Option<SignInPlace>, Refusal> {
    let (all, id) = match (&sidecar.organizations, &pending.organization) {
        (None, None) => {
            return Ok(Some(SignInPlace { entra: Arc::clone(&sidecar.entra), organization: None }));
        }
        (Some(_), None) if pending.purpose.typed().is_some() && sidecar.asks_entra => {
            return Ok(Some(SignInPlace { entra: Arc::clone(&sidecar.entra), organization: None }));
        }
        (Some(all), Some(id)) => (all, id),
        // The sign-in began under a different configuration.
        _ => return Ok(None),
    };
    let Some(id) = Guid::parse(id) else { return Ok(None) };
    let organization =
        all.directory().organization_by_id(id).await?.ok_or(organizations::Error::NotSetUp)?;
    Ok(Some(SignInPlace {
        entra: all.entra(&organization).await?,
        organization: Some(organization),
    }))
}

/// Returns the person's membership from the directory, or nothing without a directory. `again` is
/// the URL to try another account, and `typed` the username that was typed.
pub(in crate::flow) async fn admit(
    sidecar: &Sidecar,
    user: &VerifiedUser,
    place: &SignInPlace,
    again: &str,
    typed: Option<&str>,
) -> Result<Option<DirectoryMember>, Refusal> {
    let (Some(all), Some(organization)) = (&sidecar.organizations, &place.organization) else {
        return Ok(None);
    };
    let admitted =
        all.directory().admit(user, organization, typed).await.map_err(|it| match it {
            first_sign_in::MembershipRefusal::Directory(it) => it.into(),
            other => {
                if matches!(other, first_sign_in::MembershipRefusal::QueueFull(_)) {
                    sidecar.process.metrics.link_request_not_opened();
                    tracing::warn!(organization = %organization.code, oid = %user.identity().oid, "an account may be a person who was added beforehand, but no request was opened because too many accounts wait for that person; decide about them with entrada person requests");
                }
                Refusal::NotAdmitted(other, again.to_owned())
            }
        })?;
    let person = admitted.person;
    for other in &admitted.alike {
        tracing::warn!(organization = %person.code, person = %person.username, added_before = %other.username, "person created at the first sign-in looks like a person who was added beforehand and never signed in; if they are the same, merge them with entrada person merge");
    }
    Ok(Some(DirectoryMember {
        person: person.id,
        role: person.role.into(),
        organization: person.organization,
        code: person.code.as_str().into(),
    }))
}

/// Records in the background which client secret worked for a sign-in.
pub(in crate::flow) fn credential_worked(
    sidecar: &Sidecar,
    place: &SignInPlace,
    by: CredentialUsed,
) {
    let (Some(all), Some(organization)) = (&sidecar.organizations, &place.organization) else {
        return;
    };
    if by != CredentialUsed::Current {
        let (all, id, entra) = (Arc::clone(all), organization.id, Arc::clone(&place.entra));
        sidecar.process.background.spawn(async move { all.credential_used(id, &entra, &by).await });
    }
}

/// Returns the cookie that remembers the organization of the last sign-in on this device. It
/// contains the company code and no data about the person.
pub(in crate::flow) fn remembered(
    app: &App,
    member: Option<&DirectoryMember>,
) -> Option<HeaderValue> {
    app.names.set(&app.names.organization(), &member?.code, Some(LAST_SIGN_IN_SECONDS))
}
