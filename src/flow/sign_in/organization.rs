//! At which organization somebody signs in, and who that makes them.
//!
//! What is typed only chooses the place. Who comes back from there is told by that organization's Entra and by the directory.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::super::sign_in_url::page_url;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use crate::base::identity::DirectoryMember;
use crate::base::own_path;
use crate::base::return_to::ReturnTo;
use crate::base::username::Username;
use crate::directory::organization::{Organization, OrganizationState};
use crate::directory::{self, first_sign_in};
use crate::entra::Entra;
use crate::entra::registration_credentials::CredentialUsed;
use crate::entra::verified::VerifiedUser;
use crate::pages::{IdentifyPage, LastSignIn};
use crate::session::pending::PendingSignIn;
use crate::session::record::Session;
use crate::sidecar::Sidecar;
use crate::sidecar::guesses::GuessingClient;
use crate::sidecar::organizations::{self, OrganizationRegistry};
use crate::wire::cookies::{CookieMatch, find};
use crate::wire::form::FormFields;
use http::HeaderValue;
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The longest text that may be a username or a code, in bytes.
const MAX_IDENTIFIER_BYTES: usize = 256;
/// What somebody typed is looked up in this time, whatever is found: what is there takes some microseconds longer than what is not.
const LOOKUP_DELAY: Duration = Duration::from_millis(20);
/// For how long a device remembers the last organization, in seconds: a year.
const LAST_SIGN_IN_SECONDS: u64 = 365 * 24 * 60 * 60;

/// What a sign-in says of the organization it is for.
pub(in crate::flow) enum OrganizationHint {
    /// Nothing.
    None,
    /// What somebody typed, or the company code of a link.
    Typed(String),
    /// It was found already.
    Found(Box<Organization>),
    /// Entra is to say first whose account it is.
    Account,
}

/// Where somebody signs in: an organization's Entra, or that of `[entra]` where there are none.
pub(in crate::flow) struct SignInPlace {
    pub(in crate::flow) entra: Arc<Entra>,
    pub(in crate::flow) organization: Option<Organization>,
}

/// Where a sign-in goes; nothing where the person has to be asked. `asks` is the page that asks, for a code that is none.
pub(in crate::flow) async fn place(exchange: &Exchange<'_>, at: OrganizationHint, asks: impl FnOnce() -> IdentifyPage) -> Result<Option<SignInPlace>, Refusal> {
    let Some(all) = &exchange.sidecar.organizations else { return Ok(Some(SignInPlace { entra: Arc::clone(&exchange.sidecar.entra), organization: None })) };
    let organization = match at {
        OrganizationHint::Found(it) => *it,
        OrganizationHint::Account => return Ok(Some(SignInPlace { entra: Arc::clone(&exchange.sidecar.entra), organization: None })),
        OrganizationHint::Typed(it) => find_by(exchange, all, &it, asks).await?,
        OrganizationHint::None => match signed_in(exchange) {
            // Whoever proves more, or has to sign in again, does it where they did before.
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

async fn of_session(all: &OrganizationRegistry, session: &Session) -> Result<Option<Organization>, Refusal> {
    let Some(member) = session.identity().member.clone() else { return Ok(None) };
    let found = all.directory().organization_by_id(member.organization).await?;
    Ok(found.filter(|it| it.state == OrganizationState::On))
}

/// The organization of what somebody typed. Whoever types what leads nowhere too often waits: for their address, never for an organization.
pub(in crate::flow) async fn find_by(
    exchange: &Exchange<'_>,
    all: &OrganizationRegistry,
    identifier: &str,
    asks: impl FnOnce() -> IdentifyPage,
) -> Result<Organization, Refusal> {
    // Its visitors' addresses would be made to wait by pictures that lead here.
    if exchange.is_part_of_another_sites_page() {
        return Err(Refusal::ForeignOrigin);
    }
    let look_up = async || if is_short(identifier) { all.directory().organization_of(identifier).await } else { Ok(None) };
    found(exchange.sidecar, exchange.typing_client(), look_up).await?.ok_or_else(|| unknown(identifier, asks()))
}

/// The organization of what was typed by somebody who has proven an account of that tenant: the one that it names, or else the only one there is
/// of the tenant. Of the organizations of other tenants this tells nothing.
pub(in crate::flow) async fn find_by_account(
    sidecar: &Sidecar,
    client: GuessingClient,
    identifier: &str,
    tenant: Guid,
    asks: impl FnOnce() -> IdentifyPage,
) -> Result<Organization, Refusal> {
    let all = sidecar.organizations.as_ref().ok_or(Refusal::NotFound)?;
    let look_up = async || {
        let named = all.directory().organization_of(identifier).await?.filter(|it| it.tenant == Some(tenant) && it.state == OrganizationState::On);
        let only = all.directory().only_organization_of(tenant).await?;
        Ok(named.or(only))
    };
    found(sidecar, client, look_up).await?.ok_or_else(|| unknown(identifier, asks()))
}

/// Whether it can be a username or a code at all.
pub(in crate::flow) fn is_short(identifier: &str) -> bool {
    identifier.len() <= MAX_IDENTIFIER_BYTES
}

/// The page that asks, which says that nobody signs in by that.
pub(in crate::flow) fn unknown(identifier: &str, page: IdentifyPage) -> Refusal {
    Refusal::Unknown(Box::new(IdentifyPage { unknown: Some(identifier.chars().take(MAX_IDENTIFIER_BYTES).collect()), ..page }))
}

/// The account that Entra is to begin with, where an address was typed: a code says nothing of the person.
pub(in crate::flow) fn hint(identifier: &str) -> Option<String> {
    Username::parse(identifier).filter(|it| it.domain().is_some()).map(|it| it.as_str().to_owned())
}

/// Looks up at the pace of all look-ups, for an address that has not guessed too often.
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
    // One that is off is nobody's to know of.
    let found = look_up().await?.filter(|it| it.state == OrganizationState::On);
    // Before the wait, and after the look-up: those who ask at the same time are judged one after the other.
    let may_tell = guesses.record(client, found.is_some());
    tokio::time::sleep_until(turn).await;
    may_tell.map_err(|seconds| {
        metrics.looked_up("rate_limited");
        Refusal::TooMany(seconds)
    })?;
    metrics.looked_up(if found.is_some() { "found" } else { "unknown" });
    Ok(found)
}

/// The page that asks.
pub(in crate::flow) fn identify_page(exchange: &Exchange<'_>, return_to: &ReturnTo, acrs: &[String]) -> IdentifyPage {
    let last = last(exchange, |code| page_url(&exchange.sidecar.site, own_path::START, return_to, acrs, Some(code)));
    IdentifyPage {
        action: page_url(&exchange.sidecar.site, own_path::SIGN_IN, return_to, acrs, None),
        app: exchange.sidecar.site.authority().to_owned(),
        unknown: None,
        last,
    }
}

/// Where somebody signed in last on this device.
pub(in crate::flow) fn last(exchange: &Exchange<'_>, href: impl FnOnce(&str) -> String) -> Option<LastSignIn> {
    let code = match find(exchange.headers, &exchange.sidecar.names.organization()) {
        CookieMatch::One(code) => CompanyCode::parse(code),
        CookieMatch::None | CookieMatch::Several => None,
    };
    // Only what the browser itself says is shown: a name from the directory would tell a forger which codes there are.
    code.map(|it| LastSignIn { href: href(it.as_str()), code: it.to_string() })
}

/// What was typed into the page; nothing where nothing was.
pub(in crate::flow) async fn typed(body: Incoming) -> Result<Option<String>, Refusal> {
    Ok(FormFields::read(body).await?.typed("identifier").map(str::to_owned))
}

/// Where a sign-in under way began, and where alone its code may be redeemed.
pub(in crate::flow) async fn place_of_pending(sidecar: &Sidecar, pending: &PendingSignIn) -> Result<Option<SignInPlace>, Refusal> {
    let (all, id) = match (&sidecar.organizations, &pending.organization) {
        (None, None) => return Ok(Some(SignInPlace { entra: Arc::clone(&sidecar.entra), organization: None })),
        (Some(_), None) if pending.purpose.typed().is_some() && sidecar.asks_entra => {
            return Ok(Some(SignInPlace { entra: Arc::clone(&sidecar.entra), organization: None }));
        }
        (Some(all), Some(id)) => (all, id),
        // It began under another configuration.
        _ => return Ok(None),
    };
    let Some(id) = Guid::parse(id) else { return Ok(None) };
    let organization = all.directory().organization_by_id(id).await?.ok_or(organizations::Error::NotSetUp)?;
    Ok(Some(SignInPlace { entra: all.entra(&organization).await?, organization: Some(organization) }))
}

/// Who somebody is to the directory; nothing where there is none. `again` is where another account may be tried.
pub(in crate::flow) async fn admit(sidecar: &Sidecar, user: &VerifiedUser, place: &SignInPlace, again: &str) -> Result<Option<DirectoryMember>, Refusal> {
    let (Some(all), Some(organization)) = (&sidecar.organizations, &place.organization) else { return Ok(None) };
    let person = all.directory().admit(user, organization).await.map_err(|it| match it {
        first_sign_in::MembershipRefusal::Directory(it) => it.into(),
        other => Refusal::NotAdmitted(other, again.to_owned()),
    })?;
    Ok(Some(DirectoryMember { person: person.id, role: person.role.into(), organization: person.organization, code: person.code.as_str().into() }))
}

/// Tells by which client secret somebody was signed in, apart from the answer to them.
pub(in crate::flow) fn credential_worked(sidecar: &Sidecar, place: &SignInPlace, by: CredentialUsed) {
    let (Some(all), Some(organization)) = (&sidecar.organizations, &place.organization) else { return };
    if by != CredentialUsed::Current {
        let (all, id, entra) = (Arc::clone(all), organization.id, Arc::clone(&place.entra));
        sidecar.process.background.spawn(async move { all.credential_used(id, &entra, &by).await });
    }
}

/// The cookie by which a device remembers where somebody signed in last: the company's code, and nothing of the person.
pub(in crate::flow) fn remembered(sidecar: &Sidecar, member: Option<&DirectoryMember>) -> Option<HeaderValue> {
    sidecar.names.set(&sidecar.names.organization(), &member?.code, Some(LAST_SIGN_IN_SECONDS))
}
