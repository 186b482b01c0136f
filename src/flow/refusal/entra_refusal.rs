//! The texts for people and the log lines for the operator when Entra refuses a sign-in.

use super::notice::{NoticeShape, RefusalWords};
use crate::base::calendar;
use crate::base::language::Language;
use crate::entra::aadsts::{self, AadstsEntry, RefusalReaction, RemedyNames, ResponsibleParty};
use crate::entra::failure::EntraRefusal;
use crate::entra::invalid::InvalidToken;
use crate::entra::{self, EntraRegistration};
use crate::pages::phrases::{NoticePhrases, NoticeText};
use crate::pages::{NoticeKind, NoticeParty, NoticeRemedy};
use crate::sidecar::Sidecar;
use crate::sidecar::app::App;
use crate::telemetry::log;
use http::StatusCode;

/// Returns the texts for a failed sign-in. `again` is the URL for another attempt.
pub(in crate::flow) fn words(
    sidecar: &Sidecar,
    app: &App,
    entra: &EntraRegistration,
    language: Language,
    error: &entra::Error,
    again: Option<&str>,
) -> RefusalWords {
    let phrases = sidecar.pages.phrases(language);
    match error {
        entra::Error::Refused(refusal) => {
            let words = refused(phrases, language, &names(app, entra), refusal, again);
            with_details(words, sidecar, &names(app, entra), refusal)
        }
        entra::Error::Token(
            invalid @ (InvalidToken::Stranger(_) | InvalidToken::Personal | InvalidToken::Guest),
        ) => foreign_account(phrases, *invalid, again),
        entra::Error::Token(invalid) => {
            let clock = entra
                .clock_ahead()
                .filter(|_| matches!(invalid, InvalidToken::Expired | InvalidToken::NotYet));
            let shape = sign_in_failed(NoticeParty::AppOwner);
            let words =
                RefusalWords::under(&phrases.title.not_you, shape, &phrases.sign_in.bad_answer)
                    .detail("Check", "check", Some(&invalid.to_string()));
            with_retry(
                phrases,
                words.detail(
                    "Clock ahead of Microsoft’s (s)",
                    "clock_ahead",
                    clock.map(|it| it.to_string()).as_deref(),
                ),
                again,
            )
        }
        entra::Error::UnknownKey => {
            with_retry(phrases, unknown_key(phrases, &names(app, entra)), again)
        }
        entra::Error::Credential(_) => {
            let shape = unavailable(NoticeParty::AppOwner);
            with_retry(
                phrases,
                RefusalWords::under(&phrases.title.not_now, shape, &phrases.sign_in.no_proof),
                again,
            )
        }
        error => with_retry(phrases, no_answer(phrases, error, entra.was_reached()), again),
    }
}

/// Entra did not answer as it does. People are told that it passes only if it is known to.
fn no_answer(phrases: &NoticePhrases, error: &entra::Error, was_reached: bool) -> RefusalWords {
    let title = &phrases.title.not_now;
    if error.passes(was_reached) {
        let shape = unavailable(NoticeParty::Nobody);
        return RefusalWords::under(title, shape, &phrases.sign_in.unreachable);
    }
    RefusalWords::under(title, unavailable(NoticeParty::AppOwner), &phrases.sign_in.not_reached)
        .detail("Cause", "cause", Some(&error.diagnosis()))
}

/// The key of the token is published neither for the tenant nor for this app.
fn unknown_key(phrases: &NoticePhrases, names: &RemedyNames) -> RefusalWords {
    let (shape, said) = (unavailable(NoticeParty::AppOwner), &phrases.sign_in.unknown_key);
    RefusalWords::under(&phrases.title.not_now, shape, said)
        .with_remedy(NoticeParty::AppOwner, &phrases.sign_in.unknown_key_remedy)
        .detail("Client ID", "client_id", Some(&names.client_id))
}

/// The person signed in at Entra with an account that has no access here. Unless another account is
/// chosen, Entra would return the same one at once.
fn foreign_account(
    phrases: &NoticePhrases,
    invalid: InvalidToken,
    again: Option<&str>,
) -> RefusalWords {
    let (whose, said) = match invalid {
        InvalidToken::Personal => (NoticeParty::You, &phrases.sign_in.personal),
        InvalidToken::Guest => (NoticeParty::AppOwner, &phrases.sign_in.guest),
        _ => (NoticeParty::AppOwner, &phrases.sign_in.stranger),
    };
    let words = RefusalWords::under(&phrases.title.not_this_account, sign_in_failed(whose), said);
    let tenant =
        if let InvalidToken::Stranger(tid) = invalid { Some(tid.to_string()) } else { None };
    let words = words.detail("Tenant ID", "tenant", tenant.as_deref()).detail(
        "Check",
        "check",
        Some(&invalid.to_string()),
    );
    let words = match invalid {
        InvalidToken::Personal => words,
        InvalidToken::Guest => {
            words.with_remedy(NoticeParty::AppOwner, &phrases.sign_in.guest_remedy)
        }
        _ => words.with_remedy(NoticeParty::AppOwner, &phrases.sign_in.stranger_remedy),
    };
    match again {
        Some(again) => {
            words.with(&phrases.action.other_account, &format!("{again}&prompt=select_account"))
        }
        None => words,
    }
}

fn with_retry(phrases: &NoticePhrases, words: RefusalWords, again: Option<&str>) -> RefusalWords {
    match again {
        Some(again) => words.with(&phrases.action.try_again, again),
        None => words,
    }
}

/// `error` and `suberror` determine the status; the error code selects the texts.
fn refused(
    phrases: &NoticePhrases,
    language: Language,
    names: &RemedyNames,
    refusal: &EntraRefusal,
    again: Option<&str>,
) -> RefusalWords {
    let entry = entry(refusal);
    let chosen = match entry {
        Some(entry) => known(phrases, language, entry),
        None => general(phrases, refusal),
    };
    let NoticeShape { kind, status, whose } = shape(refusal, chosen.whose);
    let title = chosen.title.unwrap_or(if kind == NoticeKind::Unavailable {
        &phrases.title.not_now
    } else {
        &phrases.title.not_you
    });
    let what = NoticeText {
        title: title.to_owned(),
        what: chosen.what.to_owned(),
        next: vec![chosen.next.to_owned()],
    };
    let mut words = RefusalWords::new(kind, status, whose, &what);
    words.remedy = remedy(names, language, refusal, entry);
    if let Some(again) = again {
        words = match entry.map(|it| it.then) {
            Some(RefusalReaction::OtherAccount) => {
                words.with(&phrases.action.other_account, &format!("{again}&prompt=select_account"))
            }
            _ if refusal.is_cancelled() => words.with(&phrases.action.sign_in_again, again),
            _ => words.with(&phrases.action.try_again, again),
        };
    }
    words
}

/// Adds the details that troubleshooting needs.
fn with_details(
    words: RefusalWords,
    sidecar: &Sidecar,
    names: &RemedyNames,
    refusal: &EntraRefusal,
) -> RefusalWords {
    let entry = entry(refusal);
    let time = refusal
        .timestamp
        .as_deref()
        .map_or_else(|| calendar::utc(sidecar.process.clock.now()), str::to_owned);
    let code = refusal.code.map(|it| format!("AADSTS{it}"));
    // Microsoft's page about an error code is for admins and developers.
    let more = refusal.code.map(|it| format!("https://login.microsoftonline.com/error?code={it}"));
    words
        .detail("Code", "code", code.as_deref())
        .detail("Name", "name", entry.and_then(|it| it.name.as_deref()))
        .detail("Error", "error", Some(&refusal.error))
        .detail("Reason", "suberror", refusal.suberror.as_deref())
        .detail("Correlation ID", "correlation_id", refusal.correlation_id.as_deref())
        .detail("Trace ID", "trace_id", refusal.trace_id.as_deref())
        .detail("Time (UTC)", "time", Some(&time))
        .detail("Client ID", "client_id", Some(&names.client_id))
        .detail("Tenant", "tenant", Some(&names.tenant))
        .detail("More", "more", more.as_deref())
}

fn entry(refusal: &EntraRefusal) -> Option<&'static AadstsEntry> {
    // A cancellation is reported as such, even if there is an error code.
    refusal.code.filter(|_| !refusal.is_cancelled()).and_then(aadsts::find)
}

fn shape(refusal: &EntraRefusal, whose: NoticeParty) -> NoticeShape {
    if refusal.is_cancelled() {
        NoticeShape { kind: NoticeKind::SignInNeeded, status: StatusCode::FORBIDDEN, whose }
    } else if refusal.is_passing() || refusal.is_of_the_app() {
        unavailable(whose)
    } else {
        sign_in_failed(whose)
    }
}

fn sign_in_failed(whose: NoticeParty) -> NoticeShape {
    NoticeShape { kind: NoticeKind::SignInFailed, status: StatusCode::FORBIDDEN, whose }
}

fn unavailable(whose: NoticeParty) -> NoticeShape {
    NoticeShape { kind: NoticeKind::Unavailable, status: StatusCode::SERVICE_UNAVAILABLE, whose }
}

struct ChosenWords<'a> {
    title: Option<&'a str>,
    what: &'a str,
    whose: NoticeParty,
    next: &'a str,
}

fn known<'a>(
    phrases: &'a NoticePhrases,
    language: Language,
    entry: &'static AadstsEntry,
) -> ChosenWords<'a> {
    let whose = party_of(entry.whose);
    let next = entry.next(language).unwrap_or(if matches!(whose, NoticeParty::Admin) {
        &phrases.advice.ask_admin
    } else {
        &phrases.advice.tell_owner
    });
    let not_now = matches!(
        entry.whose,
        ResponsibleParty::Owner | ResponsibleParty::Entrada | ResponsibleParty::Entra
    )
    .then_some(phrases.title.not_now.as_str());
    ChosenWords {
        title: entry.title(language).or(not_now),
        what: entry.what(language),
        whose,
        next,
    }
}

/// The texts for an unknown error code, or for a refusal without one.
fn general<'a>(phrases: &'a NoticePhrases, refusal: &EntraRefusal) -> ChosenWords<'a> {
    let all = &phrases.sign_in;
    let (said, whose) = match refusal.error.as_str() {
        _ if refusal.is_cancelled() => (&all.canceled, NoticeParty::You),
        _ if refusal.is_passing() => (&all.passing, NoticeParty::Entra),
        "login_required" | "interaction_required" | "consent_required" | "invalid_grant" => {
            (&all.again, NoticeParty::You)
        }
        "access_denied" => (&all.denied, NoticeParty::Admin),
        _ => (&all.not_accepted, NoticeParty::AppOwner),
    };
    let title = refusal.is_cancelled().then_some(phrases.title.stopped.as_str());
    ChosenWords { title, what: &said.what, whose, next: &said.next }
}

fn party_of(party: ResponsibleParty) -> NoticeParty {
    match party {
        ResponsibleParty::Person => NoticeParty::You,
        ResponsibleParty::Admin => NoticeParty::Admin,
        ResponsibleParty::Owner => NoticeParty::AppOwner,
        ResponsibleParty::Entra => NoticeParty::Entra,
        ResponsibleParty::IdentityProvider => NoticeParty::IdentityProvider,
        ResponsibleParty::Entrada => NoticeParty::SignInService,
    }
}

fn names(app: &App, entra: &EntraRegistration) -> RemedyNames {
    entra.names(&app.site)
}

fn remedy(
    names: &RemedyNames,
    language: Language,
    refusal: &EntraRefusal,
    entry: Option<&'static AadstsEntry>,
) -> Option<NoticeRemedy> {
    if refusal.is_cancelled() {
        return None;
    }
    let correlation = refusal.correlation_id.as_deref();
    let found = match entry {
        Some(entry) => entry.remedy(names, correlation, language)?,
        None => aadsts::in_the_log(names, correlation, language)?,
    };
    Some(to_notice_remedy(found))
}

/// Returns the remedy for missing consent: how an admin lets the app read people's groups.
pub(in crate::flow) fn consent_to_graph(
    sidecar: &Sidecar,
    app: &App,
    language: Language,
) -> Option<NoticeRemedy> {
    // With many app registrations, the affected one is not known here.
    let one = sidecar.organizations.is_none();
    one.then(|| {
        aadsts::consent_to_graph(&names(app, &sidecar.entra), language).map(to_notice_remedy)
    })
    .flatten()
}

fn to_notice_remedy(found: aadsts::Remedy) -> NoticeRemedy {
    let reader = if found.for_owner { NoticeParty::AppOwner } else { NoticeParty::Admin };
    NoticeRemedy { reader, what: found.fix, place: found.place, command: found.command }
}

/// Counts a refused sign-in by who can fix it, and logs it for the operator with the reference that
/// the page shows.
pub(in crate::flow) fn record_refusal(
    sidecar: &Sidecar,
    app: &App,
    reference: &str,
    refused: RefusedSignIn<'_>,
) {
    let RefusedSignIn { entra, error, whose, reason, cause } = refused;
    sidecar.process.metrics.refused(whose.name());
    let refusal = match error {
        Some(entra::Error::Refused(refusal)) => Some(&**refusal),
        _ => None,
    };
    let is_of_the_app = refusal.is_some_and(EntraRefusal::is_of_the_app);
    let ours = is_of_the_app || matches!(whose, NoticeParty::AppOwner | NoticeParty::SignInService);
    let language = Language::English;
    let remedy = refusal.and_then(|it| remedy(&names(app, entra), language, it, entry(it)));
    sidecar.process.log.refused(&log::RefusedSignInRecord {
        time_ms: sidecar.process.clock.now_millis(),
        event: "sign_in_refused",
        level: if ours { "WARN" } else { "INFO" },
        request_id: reference,
        whose: whose.name(),
        aadsts: refusal.and_then(|it| it.code),
        error: refusal.map_or(&reason, |it| &it.error),
        suberror: refusal.and_then(|it| it.suberror.as_deref()),
        correlation_id: refusal.and_then(|it| it.correlation_id.as_deref()),
        trace_id: refusal.and_then(|it| it.trace_id.as_deref()),
        cause: refusal.is_none().then_some(&*cause),
        remedy: remedy.as_ref().map(|it| it.what.as_str()),
        place: remedy.as_ref().map(|it| it.place.as_str()),
    });
}

/// What is known about a refused sign-in.
pub(in crate::flow) struct RefusedSignIn<'a> {
    /// Where the sign-in began.
    pub(in crate::flow) entra: &'a EntraRegistration,
    /// Entra's error, if there is one.
    pub(in crate::flow) error: Option<&'a entra::Error>,
    pub(in crate::flow) whose: NoticeParty,
    /// A stable word.
    pub(in crate::flow) reason: String,
    /// The cause for the log.
    pub(in crate::flow) cause: String,
}
