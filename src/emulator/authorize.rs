//! The authorization endpoint: picker, consent, and the redirect back to the app.

use http::StatusCode;
use url::Url;

use super::authorization_request::{check, correlation, read};
use super::claims::opaque_hint;
use super::page;
use super::people::{EmulatedPerson, SignInObstacle};
use super::refusal::{EmulatedRefusal, TracedRefusal};
use super::refusals::{self, RefusalStage};
use super::state::{AuthorizationRequest, EmulatorSession, EmulatorState, IssuedGrant};
use super::tenants::{EmulatedTenant, PERSONAL, TenantAddress};
use super::web::{self, EmulatorReply, EmulatorRequest};

/// Maximum time that a page may stay open, in seconds.
const MAX_PAGE_AGE_SECONDS: u64 = 3600;

/// Answers an authorization request (OpenID Connect Core section 3.1.2.1).
pub(super) fn authorize(
    state: &EmulatorState,
    tenant: TenantAddress,
    request: &EmulatorRequest,
) -> EmulatorReply {
    let correlation = correlation(state, request);
    let asked = match read(state, tenant, request, &correlation) {
        Ok(asked) => asked,
        Err(refusal) => return page::refusal(&refusal.at(state, &correlation)),
    };
    if let Err(refusal) = check(request) {
        return send_error(&asked, &refusal.at(state, &correlation));
    }
    let prompt = request.value("prompt").unwrap_or_default();
    let hint = request.value("login_hint");
    let session = request.session().and_then(|id| state.signed_in(id));
    let known = session.as_ref().and_then(|who| Some((who, state.person(&who.oid)?)));
    let silent = known.filter(|(_, person)| {
        hint.is_none_or(|hint| is_named(person, hint))
            && seen_from(state, tenant, person).is_ok_and(|it| it.oid == person.oid)
    });
    match (prompt, silent) {
        ("none", Some((who, person))) => silently(state, &asked, who, &person),
        ("none", None) => send_error(&asked, &not_signed_in().at(state, &correlation)),
        ("", Some((who, person))) if hint.is_some() && obstacle(state, &person).is_none() => {
            code(state, &asked, who)
        }
        _ => pick(state, tenant, asked, hint),
    }
}

fn not_signed_in() -> EmulatedRefusal {
    EmulatedRefusal::new(
        50_058,
        "login_required",
        "A silent sign-in request was sent but no user is signed in.",
    )
}

fn is_named(person: &EmulatedPerson, hint: &str) -> bool {
    person.user_name.eq_ignore_ascii_case(hint) || opaque_hint(person) == hint
}

fn pick(
    state: &EmulatorState,
    tenant: TenantAddress,
    asked: AuthorizationRequest,
    hint: Option<&str>,
) -> EmulatorReply {
    let transaction = state.random.text::<24>();
    state.requests.put(transaction.clone(), state.clock.now(), asked);
    let action = format!("/{}/pick", tenant.segment());
    let first = |person: &&EmulatedPerson| hint.is_some_and(|hint| is_named(person, hint));
    // A guest is a different object with the same name in the home tenant; the picker shows that
    // object there.
    let home = tenant.home().map(|it| it.id);
    let here = state.people.iter().filter(|it| home.is_none() || it.home_tenant.as_deref() != home);
    let here = here.chain(state.guests_at_home.iter().filter(|it| home == Some(&it.tenant)));
    // People in the requested tenant come before the others.
    let own = |person: &&EmulatedPerson| home.is_none_or(|home| person.tenant == home);
    let people = || here.clone();
    let rest = people()
        .filter(|it| !first(it) && own(it))
        .chain(people().filter(|it| !first(it) && !own(it)));
    let people = people().filter(first).chain(rest);
    page::picker(&action, &transaction, people, &state.of_codes)
}

/// Handles the form from the picker or the consent page.
pub(super) fn picked(
    state: &EmulatorState,
    tenant: TenantAddress,
    request: &EmulatorRequest,
    tls: bool,
) -> EmulatorReply {
    if !request.is_own() {
        return page::notice(
            StatusCode::FORBIDDEN,
            "Refused",
            "This form did not come from a page of the emulator.",
        );
    }
    let taken = request.form.value("transaction").and_then(|id| state.requests.take(id));
    let Some((_, asked)) =
        taken.filter(|(born, _)| state.clock.now() <= born.saturating_add(MAX_PAGE_AGE_SECONDS))
    else {
        return page::notice(
            StatusCode::BAD_REQUEST,
            "Start again",
            "This page is no longer valid. Go back to the app and sign in again.",
        );
    };
    if request.form.value("cancel").is_some() {
        return send(
            &asked,
            vec![("error", "access_denied".to_owned()), ("error_subcode", "cancel".to_owned())],
        );
    }
    let agreed = asked.consenting.is_some() && request.form.value("consent") == Some("yes");
    if asked.consenting.is_some() && !agreed {
        return declined(state, &asked);
    }
    let oid = asked.consenting.as_deref().or_else(|| request.form.value("person"));
    let Some(person) = oid.and_then(|oid| state.person(oid)) else {
        return page::notice(
            StatusCode::BAD_REQUEST,
            "Account not found",
            "There is no such account.",
        );
    };
    let person = match seen_from(state, tenant, &person) {
        Ok(person) => person,
        Err(refusal) => return page::refusal(&refusal.at(state, &asked.correlation)),
    };
    match obstacle(state, &person) {
        Some(SignInObstacle::MustConsent) if !agreed => {
            let transaction = state.random.text::<24>();
            let reply = page::consent(
                &format!("/{}/pick", tenant.segment()),
                &transaction,
                &person,
                &asked.scope,
            );
            state.requests.put(
                transaction,
                state.clock.now(),
                AuthorizationRequest { consenting: Some(person.oid.clone()), ..asked },
            );
            reply
        }
        Some(SignInObstacle::MustConsent) | None => sign_in(state, request, &asked, &person, tls),
        Some(SignInObstacle::Code(code)) => {
            sign_in_of_code(state, request, &asked, &person, code, tls)
        }
        Some(obstacle) => {
            page::refusal(&refusal_for(state, obstacle, &person).at(state, &asked.correlation))
        }
    }
}

/// Returns the object that represents this person in the tenant of the sign-in.
///
/// A guest who does not name the tenant signs in at home (`learn:/v2-oauth2-auth-code-flow`); a
/// person without an object in the tenant is refused.
fn seen_from(
    state: &EmulatorState,
    tenant: TenantAddress,
    person: &EmulatedPerson,
) -> Result<EmulatedPerson, EmulatedRefusal> {
    let is_personal = person.tenant == PERSONAL.id;
    let at_home = || {
        state.guests_at_home.iter().find(|it| {
            Some(&it.tenant) == person.home_tenant.as_ref() && it.user_name == person.user_name
        })
    };
    match (tenant, tenant.home()) {
        (_, Some(home)) if person.tenant == home.id => Ok(person.clone()),
        (TenantAddress::Organizations, _) if is_personal => Err(EmulatedRefusal::new(
            500_208,
            "invalid_request",
            "The domain is not a valid login domain for the account type.",
        )),
        (TenantAddress::Consumers, _) => Err(EmulatedRefusal::new(
            500_208,
            "invalid_request",
            "The domain is not a valid login domain for the account type.",
        )),
        (_, Some(home)) => Err(not_in(home, person)),
        (_, None) => Ok(at_home().unwrap_or(person).clone()),
    }
}

fn not_in(home: &EmulatedTenant, person: &EmulatedPerson) -> EmulatedRefusal {
    let text = format!(
        "User account '{}' from identity provider 'https://sts.windows.net/{}/' does not exist in tenant '{}' and cannot access the application in that tenant. \
The account needs to be added as an external user in the tenant first. Sign out and sign in again with a different Azure Active Directory user account.",
        person.user_name, person.tenant, home.domain
    );
    EmulatedRefusal::new(50_020, "interaction_required", text)
}

/// Signs in a person who stands for an error code: the sign-in ends at the stage of this code.
fn sign_in_of_code(
    state: &EmulatorState,
    request: &EmulatorRequest,
    asked: &AuthorizationRequest,
    person: &EmulatedPerson,
    code: u32,
    tls: bool,
) -> EmulatorReply {
    let refusal =
        refusal_for(state, SignInObstacle::Code(code), person).at(state, &asked.correlation);
    match refusals::of(code).map(|it| it.stage) {
        Some(RefusalStage::Page) => page::refusal(&refusal),
        Some(RefusalStage::Token) => sign_in(state, request, asked, person, tls),
        Some(RefusalStage::Callback) | None => send_error(asked, &refusal),
    }
}

/// Returns the current obstacle between this person and the app.
fn obstacle(state: &EmulatorState, person: &EmulatedPerson) -> Option<SignInObstacle> {
    let disabled = state.control.changed.of(&person.oid).disabled;
    if disabled { Some(SignInObstacle::Disabled) } else { person.obstacle }
}

fn sign_in(
    state: &EmulatorState,
    request: &EmulatorRequest,
    asked: &AuthorizationRequest,
    person: &EmulatedPerson,
    tls: bool,
) -> EmulatorReply {
    if let Some(old) = request.session() {
        state.sessions.take(old);
    }
    let who = EmulatorSession {
        oid: person.oid.clone(),
        sid: state.guid(),
        round: state.control.changed.of(&person.oid).revoked,
    };
    let id = state.random.text::<32>();
    state.sessions.put(id.clone(), state.clock.now(), who.clone());
    web::with_session(code(state, asked, &who), Some(&id), tls)
}

fn declined(state: &EmulatorState, asked: &AuthorizationRequest) -> EmulatorReply {
    let refusal = EmulatedRefusal::new(
        65_004,
        "access_denied",
        "User declined to consent to access the app.",
    )
    .at(state, &asked.correlation);
    let mut pairs = error_pairs(&refusal);
    pairs.push(("admin_consent", "True".to_owned()));
    send(asked, pairs)
}

fn refusal_for(
    state: &EmulatorState,
    obstacle: SignInObstacle,
    person: &EmulatedPerson,
) -> EmulatedRefusal {
    let client = &state.client_id;
    match obstacle {
        SignInObstacle::NotAssigned => {
            let text = format!(
                "Your administrator has configured the application Entrada ('{client}') to block users unless they are specifically granted ('assigned') \
access to the application. The signed-in user '{}' is blocked because they are not a direct member of a group with access, nor had access directly assigned by \
an administrator. Please contact your administrator to assign access to this application.",
                person.user_name
            );
            EmulatedRefusal::new(50_105, "interaction_required", text)
        }
        SignInObstacle::MustConsent => {
            let text = format!(
                "The user or administrator has not consented to use the application with ID '{client}' named 'Entrada'. Send an interactive authorization \
request for this user and resource."
            );
            EmulatedRefusal::new(65_001, "consent_required", text).finer("consent_required")
        }
        SignInObstacle::Blocked => {
            let text = "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.";
            EmulatedRefusal::new(53_003, "interaction_required", text).finer("message_only")
        }
        SignInObstacle::PasswordExpired => {
            EmulatedRefusal::new(50_055, "interaction_required", "The password is expired.")
                .finer("user_password_expired")
        }
        SignInObstacle::Code(code) => refusals::of(code).map_or_else(
            || EmulatedRefusal::new(code, "server_error", "There is no such code."),
            EmulatedRefusal::at_callback,
        ),
        SignInObstacle::Disabled => {
            EmulatedRefusal::new(50_057, "interaction_required", "The user account is disabled.")
        }
    }
}

/// Completes a `prompt=none` request from a signed-in person.
fn silently(
    state: &EmulatorState,
    asked: &AuthorizationRequest,
    who: &EmulatorSession,
    person: &EmulatedPerson,
) -> EmulatorReply {
    match obstacle(state, person) {
        Some(obstacle) => {
            send_error(asked, &refusal_for(state, obstacle, person).at(state, &asked.correlation))
        }
        None => code(state, asked, who),
    }
}

fn code(
    state: &EmulatorState,
    asked: &AuthorizationRequest,
    who: &EmulatorSession,
) -> EmulatorReply {
    let code = format!("1.{}", state.random.text::<160>());
    state.codes.put(
        code.clone(),
        state.clock.now(),
        IssuedGrant { request: asked.clone(), session: who.clone(), used: false },
    );
    send_with_session(asked, vec![("code", code)], Some(&who.sid))
}

fn error_pairs(traced: &TracedRefusal) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("error", traced.refusal.error.to_string()),
        ("error_description", traced.description()),
    ];
    pairs.extend(traced.uri.clone().map(|uri| ("error_uri", uri)));
    pairs
}

fn send_error(asked: &AuthorizationRequest, traced: &TracedRefusal) -> EmulatorReply {
    send(asked, error_pairs(traced))
}

fn send(asked: &AuthorizationRequest, pairs: Vec<(&'static str, String)>) -> EmulatorReply {
    send_with_session(asked, pairs, None)
}

/// Sends the browser back to the app, without an `iss` parameter, as Entra does.
fn send_with_session(
    asked: &AuthorizationRequest,
    mut pairs: Vec<(&'static str, String)>,
    sid: Option<&str>,
) -> EmulatorReply {
    pairs.extend(asked.state.clone().map(|state| ("state", state)));
    pairs.extend(sid.map(|sid| ("session_state", sid.to_owned())));
    if asked.form_post {
        return page::form_post(&asked.redirect_uri, &pairs);
    }
    let Ok(mut url) = Url::parse(&asked.redirect_uri) else {
        return page::notice(
            StatusCode::BAD_REQUEST,
            "Refused",
            "The redirect URI is not a valid address.",
        );
    };
    url.query_pairs_mut().extend_pairs(pairs);
    web::redirect(url.as_str())
}
