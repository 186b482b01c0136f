//! Redeems the code of a sign-in at Entra.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::super::sign_in_url::native_url;
use super::organization::{self, SignInPlace};
use super::returned::ReturnedSignIn;
use super::start_link::StartLink;
use crate::entra::failure::EntraRefusal;
use crate::entra::registration_credentials::CredentialUsed;
use crate::entra::{self, EntraRegistration, SignInFailure, VerifiedSignIn};
use crate::session::browser_secret::BoundValues;
use crate::sidecar::code_attempts::{CodeAttempt, CodeNotRedeemable, CodeSource, SentCode};
use std::sync::Arc;

/// A sign-in whose code was redeemed.
pub(in crate::flow) struct RedeemedSignIn {
    /// Where the sign-in began.
    pub(in crate::flow) place: SignInPlace,
    /// The verified result from Entra.
    pub(in crate::flow) redeemed: VerifiedSignIn,
    /// The URL to try again.
    pub(in crate::flow) again: String,
}

/// Redeems the code only where the sign-in began.
pub(in crate::flow) async fn redeem(
    exchange: &Exchange<'_>,
    returned: &ReturnedSignIn<'_>,
) -> Result<RedeemedSignIn, Refusal> {
    let Exchange { sidecar, app, .. } = *exchange;
    let ReturnedSignIn { pending, bound, parameters: answer, .. } = returned;
    let return_to = &returned.return_to(exchange);
    let Some(place) = organization::place_of_pending(sidecar, pending).await? else {
        let link = StartLink::of(exchange, return_to, &[]).await;
        return Err(Refusal::NoPendingSignIn(link.start(None)));
    };
    let code = place.organization.as_ref().map(|it| it.code.as_str()).or(pending.purpose.typed());
    let again = match pending.purpose.app() {
        Some(native) => native_url(&app.site, native, code),
        None => StartLink::of(exchange, return_to, pending.purpose.acrs()).await.start(code),
    };
    if let Some(error) = answer.error.as_deref() {
        let refusal = EntraRefusal::of_callback(error, answer.description.as_deref())
            .because(answer.subcode.as_deref());
        return Err(Refusal::SignIn(refusal.into(), again, place.entra));
    }
    let code = answer.code().ok_or(Refusal::DuplicateParameter)?;
    let sent = SentCode { code, state: answer.state() };
    let attempt = match sidecar.process.code_attempts.start(code_source(exchange), sent).await {
        Ok(attempt) => attempt,
        Err(CodeNotRedeemable::MustWait(seconds)) => return Err(Refusal::TooManyCodes(seconds)),
        Err(CodeNotRedeemable::RefusedBefore(refusal)) => {
            return Err(Refusal::SignIn(refusal.into(), again, place.entra));
        }
    };
    match redeem_in_background(exchange, &place.entra, code, bound, attempt).await? {
        Ok(redeemed) => {
            organization::credential_worked(sidecar, &place, redeemed.by.clone());
            Ok(RedeemedSignIn { place, redeemed, again })
        }
        Err(SignInFailure { error, by }) => {
            // Both credentials were refused. The admin who set the new one can read the reason.
            if let CredentialUsed::CurrentAfterRefusal(_) | CredentialUsed::NewUnreadable = by {
                organization::credential_worked(sidecar, &place, by);
            }
            Err(Refusal::SignIn(error, again, place.entra))
        }
    }
}

/// Redeems a code in its own task: if the client disconnects first, Entra's answer still determines
/// whether the code counts as refused. Each client has a limited number of attempts.
async fn redeem_in_background(
    exchange: &Exchange<'_>,
    entra: &Arc<EntraRegistration>,
    code: &str,
    bound: &BoundValues,
    attempt: CodeAttempt,
) -> Result<Result<VerifiedSignIn, SignInFailure>, Refusal> {
    let (entra, code, nonce, verifier) =
        (Arc::clone(entra), code.to_owned(), bound.nonce.clone(), bound.verifier.clone());
    let redirect_uri = exchange.app.site.redirect_uri();
    let task = exchange.sidecar.process.background.spawn(async move {
        let outcome = entra.redeem(&redirect_uri, &code, &nonce, &verifier).await;
        match outcome.as_ref().err().and_then(|it| code_refusal(&it.error)) {
            Some(refusal) => attempt.refuse(refusal),
            None => attempt.release(),
        }
        outcome
    });
    task.await.map_err(|_| Refusal::Internal("redeeming the code failed"))
}

/// Returns the source whose refused codes are counted together.
fn code_source(exchange: &Exchange<'_>) -> CodeSource {
    exchange.session_of_cookie().map_or(
        CodeSource::Address(exchange.inbound.origin.client),
        |session| {
            let who = session.identity();
            CodeSource::Person(who.tid, who.oid)
        },
    )
}

/// Returns the refusal if the code itself is at fault, rather than the app's credential or an outage
/// (RFC 6749 section 5.2).
fn code_refusal(error: &entra::Error) -> Option<&EntraRefusal> {
    let entra::Error::Refused(refusal) = error else { return None };
    matches!(refusal.error.as_str(), "invalid_grant" | "invalid_request").then_some(refusal)
}
