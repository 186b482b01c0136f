//! `POST <prefix>/native/token`: exchanges a code or a refresh token for an access token (OAuth 2.1
//! section 3.2).

use super::super::bearer::{MAX_SESSIONS_PER_REQUEST, session_of_sign_in};
use super::super::exchange::Exchange;
use super::super::facts::RequestFacts;
use super::super::refusal::Refusal;
use super::super::upkeep::recheck;
use super::form::{OAuthError, TokenForm};
use crate::base::guid::Guid;
use crate::base::secret::Secret;
use crate::bearer::access_token::AccessTokenGrant;
use crate::config::native::{NativeClient, NativeConfig};
use crate::directory::client_sign_ins::{AcceptedClientSignIn, RedeemError};
use crate::directory::{self, Directory};
use crate::session::live::SeenSession;
use crate::sidecar::Sidecar;
use crate::sidecar::guesses::{GuessingClient, RequestSource};
use crate::wire::body::Body;
use crate::wire::reply;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;

const UNKNOWN_TOKEN: OAuthError =
    OAuthError::new("invalid_grant", "the code or refresh token is unknown");
const SIGN_IN_OVER: OAuthError =
    OAuthError::new("invalid_grant", "the sign-in has ended; sign in again");
const SIGN_IN_NEEDED: OAuthError =
    OAuthError::new("invalid_grant", "Microsoft Entra requires the person to sign in again");
const NO_DATABASE: OAuthError = OAuthError::later(5, "the directory is not available right now");

/// RFC 6749 section 5.1.
#[derive(Serialize)]
struct TokenAnswer<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    refresh_token: &'a str,
    /// Present if a scope was requested, so that the client learns which scopes it was not granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
}

/// Handles a token request. Errors are returned to the client as JSON.
pub(in crate::flow) async fn token(
    exchange: &Exchange<'_>,
    body: &mut Option<Incoming>,
    facts: &mut RequestFacts,
) -> Result<Response<Body>, Refusal> {
    exchange.require_method(&[Method::POST], "POST")?;
    let granted = match TokenForm::read(exchange.headers, body).await {
        Ok(form) => issue(exchange, &form, facts).await,
        Err(error) => Err(error),
    };
    Ok(granted.unwrap_or_else(|error| {
        facts.cause = Some(error.cause());
        error.answer()
    }))
}

async fn issue(
    exchange: &Exchange<'_>,
    form: &TokenForm,
    facts: &mut RequestFacts,
) -> Result<Response<Body>, OAuthError> {
    let Exchange { sidecar, .. } = *exchange;
    let client = form.client(sidecar)?;
    let (Some(native), Some(directory)) = (&sidecar.native, &sidecar.process.directory) else {
        return Err(UNKNOWN_TOKEN);
    };
    let granted = match form.needed("grant_type", "grant_type is missing")? {
        "authorization_code" => redeem(sidecar, directory, form, client).await,
        "refresh_token" => refresh(sidecar, native, directory, form, client).await,
        _ => Err(TokenError::Reported(OAuthError::new(
            "unsupported_grant_type",
            "authorization_code and refresh_token are supported",
        ))),
    };
    let reused = matches!(granted, Err(TokenError::Refused(RedeemError::Reused(_))));
    let answer = match granted {
        Ok(granted) => {
            let scope = scope_of(&granted, form, client);
            issue_tokens(sidecar, &granted, scope.as_deref(), facts).await
        }
        Err(wrong) => Err(wrong.oauth_error(exchange, exchange.request_source())),
    };
    sidecar.process.metrics.granted(match &answer {
        Ok(_) => "granted",
        // Two clients have the same refresh token: one of them may have stolen it.
        Err(_) if reused => "reused",
        Err(error) if error.is_passing() => "unavailable",
        Err(_) => "refused",
    });
    answer
}

/// Why no tokens are issued.
enum TokenError {
    Reported(OAuthError),
    Refused(RedeemError),
}

impl From<OAuthError> for TokenError {
    fn from(error: OAuthError) -> Self {
        Self::Reported(error)
    }
}

impl From<RedeemError> for TokenError {
    fn from(refused: RedeemError) -> Self {
        Self::Refused(refused)
    }
}

impl TokenError {
    fn oauth_error(self, exchange: &Exchange<'_>, source: RequestSource) -> OAuthError {
        match self {
            Self::Reported(error) => error,
            // Only clients that send wrong tokens are delayed: 256 random bits cannot be guessed,
            // and a valid token is not refused because other clients at the same address send wrong
            // ones.
            Self::Refused(RedeemError::Unknown) => {
                let client = GuessingClient { address: exchange.inbound.origin.client, source };
                exchange
                    .sidecar
                    .process
                    .guessed_tokens
                    .was_wrong(client)
                    .map_or_else(OAuthError::too_many, |()| UNKNOWN_TOKEN)
            }
            Self::Refused(RedeemError::Directory(cause)) => directory_unavailable(&cause),
            Self::Refused(RedeemError::Code(cause, client_sign_in)) => {
                ended(exchange, client_sign_in, cause)
            }
            Self::Refused(RedeemError::Reused(client_sign_in)) => ended(
                exchange,
                client_sign_in,
                "the refresh token has already been used; sign in again",
            ),
            Self::Refused(RedeemError::OtherClient) => {
                OAuthError::new("invalid_grant", "the refresh token belongs to another client")
            }
            Self::Refused(RedeemError::SignInEnded) => SIGN_IN_OVER,
        }
    }
}

/// The code or token may have been stolen: everything that was issued from it ends at once here,
/// and within seconds in other processes.
fn ended(exchange: &Exchange<'_>, client_sign_in: Guid, cause: &'static str) -> OAuthError {
    tracing::warn!(%client_sign_in, cause, client = ?exchange.inbound.origin.client, "native client sign-in ended");
    exchange.sidecar.process.live.end_client_sign_in(client_sign_in);
    OAuthError::new("invalid_grant", cause)
}

fn directory_unavailable(cause: &directory::Error) -> OAuthError {
    tracing::error!(%cause, "directory unreachable; cannot check a native client sign-in");
    NO_DATABASE
}

async fn redeem(
    sidecar: &Sidecar,
    directory: &Directory,
    form: &TokenForm,
    client: &NativeClient,
) -> Result<AcceptedClientSignIn, TokenError> {
    let code = Secret::new(form.needed("code", "code is missing")?);
    let verifier =
        form.needed("code_verifier", "code_verifier is missing: PKCE with S256 is required")?;
    let max_per_person = sidecar.process.live.max_per_person();
    let granted = directory
        .redeem_code(&code, &client.id, form.text("redirect_uri"), verifier, max_per_person)
        .await?;
    // Other processes learn of it from the history.
    granted.ended.iter().for_each(|it| sidecar.process.live.end_client_sign_in(*it));
    Ok(granted)
}

/// Checks whether the person is still allowed before the token is used up: a client that receives
/// no response retries with the same token.
async fn refresh(
    sidecar: &Sidecar,
    native: &NativeConfig,
    directory: &Directory,
    form: &TokenForm,
    client: &NativeClient,
) -> Result<AcceptedClientSignIn, TokenError> {
    let token = Secret::new(form.needed("refresh_token", "refresh_token is missing")?);
    let idle = native.refresh_idle.as_secs();
    let client_sign_in = directory.sign_in_of_token(&token, &client.id, idle).await?;
    let was_granted = |scope: &str| {
        client_sign_in.scope.as_deref().is_some_and(|all| all.split(' ').any(|it| it == scope))
    };
    // RFC 6749 section 6. Scopes that are not listed for the client are dropped, as at sign-in.
    if form
        .text("scope")
        .is_some_and(|it| it.split(' ').any(|it| client.lists(it) && !was_granted(it)))
    {
        return Err(OAuthError::new(
            "invalid_scope",
            "a refresh cannot request more scope than the sign-in was granted",
        )
        .into());
    }
    recheck_session(sidecar, client_sign_in.id).await?;
    Ok(directory.rotate(&token, &client.id, idle).await?)
}

/// Rechecks the session of a sign-in, if that is due.
async fn recheck_session(sidecar: &Sidecar, client_sign_in: Guid) -> Result<(), TokenError> {
    for _ in 0..MAX_SESSIONS_PER_REQUEST {
        let Some(SeenSession { session, is_due }) = session_of_sign_in(sidecar, client_sign_in)
            .await
            .map_err(|it| directory_unavailable(&it))?
        else {
            return Err(SIGN_IN_OVER.into());
        };
        if is_due {
            recheck::wait_for_answer(sidecar, &session)
                .await
                .map_err(|closed| later(closed.seconds))?;
        }
        if !session.is_over() {
            return Ok(());
        }
        if session.standing().again().is_some() {
            return Err(SIGN_IN_NEEDED.into());
        }
        // The session may have become idle or been evicted during the recheck. Only the row says
        // whether the sign-in has ended; if not, its next session may be due too.
    }
    Err(later(1).into())
}

fn later(seconds: u64) -> OAuthError {
    OAuthError::later(seconds, "Microsoft Entra is not available right now")
}

/// Returns the scope of the access token: the scopes that were granted at sign-in and are still
/// listed, limited to the requested ones for a refresh. Returns nothing if no scope was ever
/// requested.
fn scope_of(
    granted: &AcceptedClientSignIn,
    form: &TokenForm,
    client: &NativeClient,
) -> Option<String> {
    let all = granted.sign_in.scope.as_deref().map(|it| client.granted(it));
    let asked = form.text("scope").filter(|_| form.text("grant_type") == Some("refresh_token"));
    match asked.map(|it| client.granted(it)) {
        Some(asked) => Some(
            asked
                .split(' ')
                .filter(|it| all.as_deref().is_some_and(|all| all.split(' ').any(|of| of == *it)))
                .collect::<Vec<_>>()
                .join(" "),
        ),
        None => all,
    }
}

async fn issue_tokens(
    sidecar: &Sidecar,
    AcceptedClientSignIn { sign_in: client_sign_in, refresh, .. }: &AcceptedClientSignIn,
    scope: Option<&str>,
    facts: &mut RequestFacts,
) -> Result<Response<Body>, OAuthError> {
    let tokens = sidecar.bearer.as_ref().ok_or(UNKNOWN_TOKEN)?.tokens();
    let seen = session_of_sign_in(sidecar, client_sign_in.id)
        .await
        .map_err(|it| directory_unavailable(&it))?
        .ok_or(SIGN_IN_OVER)?;
    let wanted =
        AccessTokenGrant { client: &client_sign_in.client, sign_in: client_sign_in.id, scope };
    let access = tokens
        .mint(&seen.session, wanted)
        .map_err(|_| OAuthError::later(5, "the access token could not be signed"))?;
    facts.session = Some(seen.session);
    let answer = TokenAnswer {
        access_token: access.expose(),
        token_type: "Bearer",
        expires_in: tokens.lifetime(),
        refresh_token: refresh.expose(),
        scope,
    };
    Ok(reply::json(StatusCode::OK, &answer))
}

/// `GET <prefix>/native/jwks.json`: the public keys of access tokens. They differ from those of the
/// assertion.
pub(in crate::flow) fn keys(exchange: &Exchange<'_>) -> Result<Response<Body>, Refusal> {
    exchange.require_method(&[Method::GET, Method::HEAD], "GET, HEAD")?;
    let bearer = exchange.sidecar.bearer.as_ref().ok_or(Refusal::NotFound)?;
    let mut response = Response::new(Body::full(bearer.tokens().jwks().to_owned()));
    let out = response.headers_mut();
    out.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    out.insert(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
    out.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    Ok(response)
}
