//! `POST <prefix>/native/token`: a code or a refresh token for an access token (OAuth 2.1 section 3.2).

use super::super::facts::Facts;
use super::super::origin::request_source;
use super::super::recheck;
use super::super::refusal::Refusal;
use super::super::sign_in::only;
use super::bearer::of_family;
use super::form::{Form, Told};
use crate::base::guid::Guid;
use crate::base::secret::Secret;
use crate::config::native::{Client, Native};
use crate::directory::families::{Granted, Refused};
use crate::directory::{self, Directory};
use crate::headers::pass::For;
use crate::session::store::Seen;
use crate::sidecar::Sidecar;
use crate::sidecar::guesses::{GuessingClient, RequestSource};
use crate::wire::body::Body;
use crate::wire::inbound::Inbound;
use crate::wire::reply;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;

const UNKNOWN: Told = Told::new("invalid_grant", "the code or refresh token is unknown");
const OVER: Told = Told::new("invalid_grant", "the sign-in has ended; sign in again");
const AGAIN: Told = Told::new("invalid_grant", "Microsoft Entra requires the person to sign in again");
const NO_DATABASE: Told = Told::later(5, "the directory is not available right now");

/// RFC 6749 section 5.1.
#[derive(Serialize)]
struct Answer<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    refresh_token: &'a str,
    /// Wherever one was asked for: the client learns what it was not granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
}

/// Answers a client; what goes wrong it hears as JSON.
pub(in crate::flow) async fn token(
    house: &Sidecar,
    inbound: &Inbound,
    headers: &HeaderMap,
    body: &mut Option<Incoming>,
    facts: &mut Facts,
) -> Result<Response<Body>, Refusal> {
    only(inbound, &[Method::POST], "POST")?;
    let granted = match Form::read(headers, body).await {
        Ok(form) => grant(house, inbound, headers, &form, facts).await,
        Err(told) => Err(told),
    };
    Ok(granted.unwrap_or_else(|told| {
        facts.cause = Some(told.cause());
        told.answer()
    }))
}

async fn grant(house: &Sidecar, inbound: &Inbound, headers: &HeaderMap, form: &Form, facts: &mut Facts) -> Result<Response<Body>, Told> {
    let client = form.client(house)?;
    let (Some(native), Some(directory)) = (&house.native, &house.lasting.directory) else { return Err(UNKNOWN) };
    let granted = match form.needed("grant_type", "grant_type is missing")? {
        "authorization_code" => redeem(house, directory, form, client).await,
        "refresh_token" => refresh(house, (native, directory), form, client).await,
        _ => Err(Wrong::Told(Told::new("unsupported_grant_type", "authorization_code and refresh_token are supported"))),
    };
    let reused = matches!(granted, Err(Wrong::Refused(Refused::Reused(_))));
    let answer = match granted {
        Ok(granted) => {
            let scope = scope_of(&granted, form, client);
            give(house, &granted, scope.as_deref(), facts).await
        }
        Err(wrong) => Err(wrong.told(house, inbound, request_source(house, headers))),
    };
    house.lasting.metrics.granted(match &answer {
        Ok(_) => "granted",
        // Two have the same refresh token: one of them may have stolen it.
        Err(_) if reused => "reused",
        Err(told) if told.is_passing() => "unavailable",
        Err(_) => "refused",
    });
    answer
}

/// Why nothing is given.
enum Wrong {
    Told(Told),
    Refused(Refused),
}

impl From<Told> for Wrong {
    fn from(told: Told) -> Self {
        Self::Told(told)
    }
}

impl From<Refused> for Wrong {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl Wrong {
    fn told(self, house: &Sidecar, inbound: &Inbound, source: RequestSource) -> Told {
        match self {
            Self::Told(told) => told,
            // Only who is wrong waits: nobody comes upon 256 bits, and a good token is not refused for what others send from the same address.
            Self::Refused(Refused::Unknown) => {
                let client = GuessingClient { address: inbound.way.client, source };
                house.lasting.guessed_tokens.was_wrong(client).map_or_else(Told::too_many, |()| UNKNOWN)
            }
            Self::Refused(Refused::Directory(cause)) => silent(&cause),
            Self::Refused(Refused::Code(cause, family)) => ended(house, inbound, family, cause),
            Self::Refused(Refused::Reused(family)) => ended(house, inbound, family, "the refresh token has already been used; sign in again"),
            Self::Refused(Refused::OtherClient) => Told::new("invalid_grant", "the refresh token belongs to another client"),
            Self::Refused(Refused::Over) => OVER,
        }
    }
}

/// Somebody may have what is another's: whatever came of it is over at once, and elsewhere within seconds.
fn ended(house: &Sidecar, inbound: &Inbound, family: Guid, cause: &'static str) -> Told {
    tracing::warn!(%family, cause, client = ?inbound.way.client, "native client sign-in ended");
    house.lasting.store.end_family(family);
    Told::new("invalid_grant", cause)
}

fn silent(cause: &directory::Error) -> Told {
    tracing::error!(%cause, "directory unreachable; cannot check a native client sign-in");
    NO_DATABASE
}

async fn redeem(house: &Sidecar, directory: &Directory, form: &Form, client: &Client) -> Result<Granted, Wrong> {
    let code = Secret::new(form.needed("code", "code is missing")?);
    let verifier = form.needed("code_verifier", "code_verifier is missing: PKCE with S256 is required")?;
    let most = house.lasting.store.most_of_person();
    let granted = directory.redeem_code(&code, &client.id, form.text("redirect_uri"), verifier, most).await?;
    // Other processes hear of it by the history.
    granted.ended.iter().for_each(|it| house.lasting.store.end_family(*it));
    Ok(granted)
}

/// Whether the person may still be here is asked before the token is used up: a client that hears nothing comes again with the same.
async fn refresh(house: &Sidecar, (native, directory): (&Native, &Directory), form: &Form, client: &Client) -> Result<Granted, Wrong> {
    let token = Secret::new(form.needed("refresh_token", "refresh_token is missing")?);
    let idle = native.refresh_idle.as_secs();
    let family = directory.family_of_token(&token, &client.id, idle).await?;
    let was_granted = |scope: &str| family.scope.as_deref().is_some_and(|all| all.split(' ').any(|it| it == scope));
    // RFC 6749 section 6. What is not listed for the client is dropped, as at sign-in.
    if form.text("scope").is_some_and(|it| it.split(' ').any(|it| client.lists(it) && !was_granted(it))) {
        return Err(Told::new("invalid_scope", "a refresh cannot request more scope than the sign-in was granted").into());
    }
    let Some(Seen { session, is_due }) = of_family(house, family.id).await.map_err(|it| silent(&it))? else { return Err(OVER.into()) };
    if is_due {
        recheck::settle(house, &session).await.map_err(|closed| Told::later(closed.0, "Microsoft Entra is not available right now"))?;
        if session.is_over() {
            return Err(if session.standing().again().is_some() { AGAIN } else { OVER }.into());
        }
    }
    Ok(directory.rotate(&token, &client.id, idle).await?)
}

/// What the access token is for: what was granted at sign-in and is still listed; of that, what a refresh asks for. Nothing where no scope was
/// ever asked for.
fn scope_of(granted: &Granted, form: &Form, client: &Client) -> Option<String> {
    let all = granted.family.scope.as_deref().map(|it| client.granted(it));
    let asked = form.text("scope").filter(|_| form.text("grant_type") == Some("refresh_token"));
    match asked.map(|it| client.granted(it)) {
        Some(asked) => Some(asked.split(' ').filter(|it| all.as_deref().is_some_and(|all| all.split(' ').any(|of| of == *it))).collect::<Vec<_>>().join(" ")),
        None => all,
    }
}

async fn give(house: &Sidecar, Granted { family, refresh, .. }: &Granted, scope: Option<&str>, facts: &mut Facts) -> Result<Response<Body>, Told> {
    let passes = house.passes.as_ref().ok_or(UNKNOWN)?;
    let seen = of_family(house, family.id).await.map_err(|it| silent(&it))?.ok_or(OVER)?;
    let wanted = For { client: &family.client, family: family.id, scope };
    let access = passes.mint(&seen.session, wanted).map_err(|_| Told::later(5, "the access token could not be signed"))?;
    facts.session = Some(seen.session);
    let answer = Answer { access_token: access.expose(), token_type: "Bearer", expires_in: passes.lifetime(), refresh_token: refresh.expose(), scope };
    Ok(reply::json(StatusCode::OK, &answer))
}

/// `GET <prefix>/native/jwks.json`: the public keys of access tokens, which are not those of the assertion.
pub(in crate::flow) fn keys(house: &Sidecar, inbound: &Inbound) -> Result<Response<Body>, Refusal> {
    only(inbound, &[Method::GET, Method::HEAD], "GET, HEAD")?;
    let passes = house.passes.as_ref().ok_or(Refusal::NotFound)?;
    let mut response = Response::new(Body::full(passes.jwks().to_owned()));
    let out = response.headers_mut();
    out.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    out.insert(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
    out.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    Ok(response)
}
