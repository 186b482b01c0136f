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

/// Answers an authorization request (`OpenID` Connect Core section 3.1.2.1).
pub(super) fn authorize(
    world: &EmulatorState,
    tenant: TenantAddress,
    asking: &EmulatorRequest,
) -> EmulatorReply {
    let correlation = correlation(world, asking);
    let asked = match read(world, tenant, asking, &correlation) {
        Ok(asked) => asked,
        Err(refusal) => return page::refusal(&refusal.at(world, &correlation)),
    };
    if let Err(refusal) = check(asking) {
        return send_error(&asked, &refusal.at(world, &correlation));
    }
    let prompt = asking.value("prompt").unwrap_or_default();
    let hint = asking.value("login_hint");
    let session = asking.session().and_then(|id| world.signed_in(id));
    let known = session.as_ref().and_then(|who| Some((who, world.person(&who.oid)?)));
    let silent = known.filter(|(_, person)| {
        hint.is_none_or(|hint| is_named(person, hint))
            && seen_from(world, tenant, person).is_ok_and(|it| it.oid == person.oid)
    });
    match (prompt, silent) {
        ("none", Some((who, person))) => silently(world, &asked, who, &person),
        ("none", None) => send_error(&asked, &not_signed_in().at(world, &correlation)),
        ("", Some((who, person))) if hint.is_some() && trouble(world, &person).is_none() => {
            code(world, &asked, who)
        }
        _ => pick(world, tenant, asked, hint),
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
    world: &EmulatorState,
    tenant: TenantAddress,
    asked: AuthorizationRequest,
    hint: Option<&str>,
) -> EmulatorReply {
    let transaction = world.random.text::<24>();
    world.requests.put(transaction.clone(), world.clock.now(), asked);
    let action = format!("/{}/pick", tenant.segment());
    let first = |person: &&EmulatedPerson| hint.is_some_and(|hint| is_named(person, hint));
    // A guest is a different object with the same name in the home tenant; the picker shows that
    // object there.
    let home = tenant.home().map(|it| it.id);
    let here = world.people.iter().filter(|it| home.is_none() || it.home_tenant.as_deref() != home);
    let here = here.chain(world.abroad.iter().filter(|it| home == Some(&it.tenant)));
    // People in the requested tenant come before the others.
    let own = |person: &&EmulatedPerson| home.is_none_or(|home| person.tenant == home);
    let people = || here.clone();
    let rest = people()
        .filter(|it| !first(it) && own(it))
        .chain(people().filter(|it| !first(it) && !own(it)));
    let people = people().filter(first).chain(rest);
    page::picker(&action, &transaction, people, &world.of_codes)
}

/// Handles the form from the picker or the consent page.
pub(super) fn picked(
    world: &EmulatorState,
    tenant: TenantAddress,
    asking: &EmulatorRequest,
    tls: bool,
) -> EmulatorReply {
    if !asking.is_own() {
        return page::notice(
            StatusCode::FORBIDDEN,
            "Refused",
            "This form did not come from a page of the emulator.",
        );
    }
    let taken = asking.form.value("transaction").and_then(|id| world.requests.take(id));
    let Some((_, asked)) =
        taken.filter(|(born, _)| world.clock.now() <= born.saturating_add(MAX_PAGE_AGE_SECONDS))
    else {
        return page::notice(
            StatusCode::BAD_REQUEST,
            "Start again",
            "This page is no longer valid. Go back to the app and sign in again.",
        );
    };
    if asking.form.value("cancel").is_some() {
        return send(
            &asked,
            vec![("error", "access_denied".to_owned()), ("error_subcode", "cancel".to_owned())],
        );
    }
    let agreed = asked.consenting.is_some() && asking.form.value("consent") == Some("yes");
    if asked.consenting.is_some() && !agreed {
        return declined(world, &asked);
    }
    let oid = asked.consenting.as_deref().or_else(|| asking.form.value("person"));
    let Some(person) = oid.and_then(|oid| world.person(oid)) else {
        return page::notice(
            StatusCode::BAD_REQUEST,
            "Account not found",
            "There is no such account.",
        );
    };
    let person = match seen_from(world, tenant, &person) {
        Ok(person) => person,
        Err(refusal) => return page::refusal(&refusal.at(world, &asked.correlation)),
    };
    match trouble(world, &person) {
        Some(SignInObstacle::MustConsent) if !agreed => {
            let transaction = world.random.text::<24>();
            let reply = page::consent(
                &format!("/{}/pick", tenant.segment()),
                &transaction,
                &person,
                &asked.scope,
            );
            world.requests.put(
                transaction,
                world.clock.now(),
                AuthorizationRequest { consenting: Some(person.oid.clone()), ..asked },
            );
            reply
        }
        Some(SignInObstacle::MustConsent) | None => sign_in(world, asking, &asked, &person, tls),
        Some(SignInObstacle::Code(code)) => {
            sign_in_of_code(world, asking, &asked, &person, code, tls)
        }
        Some(trouble) => {
            page::refusal(&refusal_for(world, trouble, &person).at(world, &asked.correlation))
        }
    }
}

/// Returns the object that represents this person in the tenant of the sign-in.
///
/// A guest who does not name the tenant signs in at home (`learn:/v2-oauth2-auth-code-flow`); a
/// person without an object in the tenant is refused.
fn seen_from(
    world: &EmulatorState,
    tenant: TenantAddress,
    person: &EmulatedPerson,
) -> Result<EmulatedPerson, EmulatedRefusal> {
    let is_personal = person.tenant == PERSONAL.id;
    let at_home = || {
        world.abroad.iter().find(|it| {
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
    world: &EmulatorState,
    asking: &EmulatorRequest,
    asked: &AuthorizationRequest,
    person: &EmulatedPerson,
    code: u32,
    tls: bool,
) -> EmulatorReply {
    let refusal =
        refusal_for(world, SignInObstacle::Code(code), person).at(world, &asked.correlation);
    match refusals::of(code).map(|it| it.stage) {
        Some(RefusalStage::Page) => page::refusal(&refusal),
        Some(RefusalStage::Token) => sign_in(world, asking, asked, person, tls),
        Some(RefusalStage::Callback) | None => send_error(asked, &refusal),
    }
}

/// Returns the current obstacle between this person and the app.
fn trouble(world: &EmulatorState, person: &EmulatedPerson) -> Option<SignInObstacle> {
    let disabled = world.control.changed.of(&person.oid).disabled;
    if disabled { Some(SignInObstacle::Disabled) } else { person.trouble }
}

fn sign_in(
    world: &EmulatorState,
    asking: &EmulatorRequest,
    asked: &AuthorizationRequest,
    person: &EmulatedPerson,
    tls: bool,
) -> EmulatorReply {
    if let Some(old) = asking.session() {
        world.sessions.take(old);
    }
    let who = EmulatorSession {
        oid: person.oid.clone(),
        sid: world.guid(),
        round: world.control.changed.of(&person.oid).revoked,
    };
    let id = world.random.text::<32>();
    world.sessions.put(id.clone(), world.clock.now(), who.clone());
    web::with_session(code(world, asked, &who), Some(&id), tls)
}

fn declined(world: &EmulatorState, asked: &AuthorizationRequest) -> EmulatorReply {
    let refusal = EmulatedRefusal::new(
        65_004,
        "access_denied",
        "User declined to consent to access the app.",
    )
    .at(world, &asked.correlation);
    let mut pairs = error_pairs(&refusal);
    pairs.push(("admin_consent", "True".to_owned()));
    send(asked, pairs)
}

fn refusal_for(
    world: &EmulatorState,
    trouble: SignInObstacle,
    person: &EmulatedPerson,
) -> EmulatedRefusal {
    let client = &world.client_id;
    match trouble {
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
    world: &EmulatorState,
    asked: &AuthorizationRequest,
    who: &EmulatorSession,
    person: &EmulatedPerson,
) -> EmulatorReply {
    match trouble(world, person) {
        Some(trouble) => {
            send_error(asked, &refusal_for(world, trouble, person).at(world, &asked.correlation))
        }
        None => code(world, asked, who),
    }
}

fn code(
    world: &EmulatorState,
    asked: &AuthorizationRequest,
    who: &EmulatorSession,
) -> EmulatorReply {
    let code = format!("1.{}", world.random.text::<160>());
    world.codes.put(
        code.clone(),
        world.clock.now(),
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
