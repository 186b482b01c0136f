//! What people read, and what the operator's log says, when Entra refuses a sign-in.

use super::words::Words;
use crate::base::calendar;
use crate::entra::aadsts::{self, Entry, Mover, Names, Then};
use crate::entra::failure::Refusal;
use crate::entra::invalid::Invalid;
use crate::entra::{self, Entra};
use crate::pages::{Kind, Remedy, Whose};
use crate::sidecar::Sidecar;
use crate::telemetry::log;
use http::StatusCode;

const NOT_NOW: &str = "Signing in does not work at the moment";
const NOT_YOU: &str = "You could not be signed in";
const STOPPED: &str = "You stopped the sign-in";

const ASK: &str = "Ask your administrator, and send them this page.";
const TELL: &str = "You cannot mend this yourself. Tell the app’s owner, and send them this page.";

/// The words of a sign-in that failed; `again` is where it may be tried again.
pub(super) fn words(house: &Sidecar, entra: &Entra, error: &entra::Error, again: Option<&str>) -> Words {
    match error {
        entra::Error::Refused(refusal) => refused(house, entra, refusal, again),
        entra::Error::Token(invalid @ (Invalid::Stranger(_) | Invalid::Personal | Invalid::Guest)) => outsider(*invalid, again),
        entra::Error::Token(invalid) => {
            let what = "Microsoft’s answer did not pass our checks, so nobody was signed in.";
            let words = Words::new(Kind::SignInFailed, StatusCode::FORBIDDEN, Whose::AppOwner, NOT_YOU, what);
            let clock = entra.clock_ahead().filter(|_| matches!(invalid, Invalid::Expired | Invalid::NotYet));
            let words = words.then(TELL).detail("Check", "check", Some(&invalid.to_string()));
            offered(words.detail("Clock ahead of Microsoft’s (s)", "clock_ahead", clock.map(|it| it.to_string()).as_deref()), again)
        }
        _ => {
            let what = "Microsoft, which signs people in here, cannot be reached right now. Whoever is signed in stays so.";
            let words = Words::new(Kind::Unavailable, StatusCode::SERVICE_UNAVAILABLE, Whose::Nobody, NOT_NOW, what);
            offered(words.then("Try again in a few minutes."), again)
        }
    }
}

/// Signed in well at Entra, as somebody who may not come here. Without another account, Entra would say the same again at once.
fn outsider(invalid: Invalid, again: Option<&str>) -> Words {
    let words = |whose, what| Words::new(Kind::SignInFailed, StatusCode::FORBIDDEN, whose, "This account may not sign in here", what);
    let words = match invalid {
        Invalid::Personal => words(Whose::You, "This is a personal account, and this app is for work and school accounts.")
            .then("Sign in with the account of your company or school."),
        Invalid::Guest => words(Whose::AppOwner, "You are a guest of this company’s directory, and this app is not open to guests.")
            .then("If you need it for your work, ask the app’s owner: guests are let in by entra.guests."),
        _ => words(Whose::AppOwner, "Your company or school is not among those whose people may use this app.")
            .then("Ask the app’s owner to let your tenant in, and send them this page: its ID belongs into entra.allowed_tenants."),
    };
    let tenant = if let Invalid::Stranger(tid) = invalid { Some(tid.to_string()) } else { None };
    let words = words.detail("Tenant ID", "tenant", tenant.as_deref()).detail("Check", "check", Some(&invalid.to_string()));
    match again {
        Some(again) => words.with("Use another account", &format!("{again}&prompt=select_account")),
        None => words,
    }
}

fn offered(words: Words, again: Option<&str>) -> Words {
    match again {
        Some(again) => words.with("Try again", again),
        None => words,
    }
}

/// `error` and `suberror` decide the status; the code chooses the words.
fn refused(house: &Sidecar, entra: &Entra, refusal: &Refusal, again: Option<&str>) -> Words {
    let entry = entry(refusal);
    let (kind, status) = shape(refusal);
    let told = entry.map_or_else(|| general(refusal), known);
    let title = told.title.unwrap_or(if kind == Kind::Unavailable { NOT_NOW } else { NOT_YOU });
    let mut words = Words::new(kind, status, told.whose, title, told.what).then(told.next);
    words.remedy = remedy(house, entra, refusal, entry);
    if let Some(again) = again {
        words = match entry.map(|it| it.then) {
            Some(Then::Other) => words.with("Use another account", &format!("{again}&prompt=select_account")),
            _ if refusal.is_cancelled() => words.with("Sign in again", again),
            _ => words.with("Try again", again),
        };
    }
    traced(words, house, entra, refusal, entry)
}

/// What whoever looks into it needs.
fn traced(words: Words, house: &Sidecar, entra: &Entra, refusal: &Refusal, entry: Option<&Entry>) -> Words {
    let names = names(house, entra);
    let time = refusal.timestamp.as_deref().map_or_else(|| calendar::utc(house.lasting.clock.now()), str::to_owned);
    let code = refusal.code.map(|it| format!("AADSTS{it}"));
    // Microsoft's own page about a code is for admins and developers.
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

fn entry(refusal: &Refusal) -> Option<&'static Entry> {
    // A person who cancels is told so, whatever else is said.
    refusal.code.filter(|_| !refusal.is_cancelled()).and_then(aadsts::find)
}

fn shape(refusal: &Refusal) -> (Kind, StatusCode) {
    match refusal {
        it if it.is_cancelled() => (Kind::SignInNeeded, StatusCode::FORBIDDEN),
        it if it.is_passing() || it.is_of_the_app() => (Kind::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
        _ => (Kind::SignInFailed, StatusCode::FORBIDDEN),
    }
}

struct Told {
    title: Option<&'static str>,
    what: &'static str,
    whose: Whose,
    next: &'static str,
}

fn known(entry: &'static Entry) -> Told {
    let whose = whose(entry.whose);
    let next = entry.next.as_deref().unwrap_or(if matches!(whose, Whose::Admin) { ASK } else { TELL });
    let title = entry.title.as_deref().or(matches!(entry.whose, Mover::Owner | Mover::Us | Mover::Entra).then_some(NOT_NOW));
    Told { title, what: &entry.what, whose, next }
}

/// A code that nobody here knows, or none at all.
fn general(refusal: &Refusal) -> Told {
    let told = |what, whose, next| Told { title: None, what, whose, next };
    match refusal.error.as_str() {
        _ if refusal.is_cancelled() => {
            let what = "The sign-in was canceled before it was done. Nothing has happened.";
            Told { title: Some(STOPPED), ..told(what, Whose::You, "Sign in again whenever you like.") }
        }
        _ if refusal.is_passing() => told("Microsoft cannot sign you in just now.", Whose::Entra, "Try again in a few minutes."),
        "login_required" | "interaction_required" | "consent_required" | "invalid_grant" => {
            told("Microsoft wants you to sign in anew.", Whose::You, "Sign in again. If that does not help, ask your administrator and send them this page.")
        }
        "access_denied" => told("Microsoft did not let you in.", Whose::Admin, ASK),
        _ => told("Microsoft did not accept how the app asked it to sign you in.", Whose::AppOwner, TELL),
    }
}

fn whose(mover: Mover) -> Whose {
    match mover {
        Mover::Person => Whose::You,
        Mover::Admin => Whose::Admin,
        Mover::Owner => Whose::AppOwner,
        Mover::Entra => Whose::Entra,
        Mover::IdentityProvider => Whose::IdentityProvider,
        Mover::Us => Whose::SignInService,
    }
}

fn names(house: &Sidecar, entra: &Entra) -> Names {
    entra.names(house.site.origin())
}

fn remedy(house: &Sidecar, entra: &Entra, refusal: &Refusal, entry: Option<&Entry>) -> Option<Remedy> {
    if refusal.is_cancelled() {
        return None;
    }
    let (names, correlation) = (names(house, entra), refusal.correlation_id.as_deref());
    let found = match entry {
        Some(entry) => entry.remedy(&names, correlation)?,
        None => aadsts::in_the_log(&names, correlation)?,
    };
    Some(shown(found))
}

/// What lets the app read the groups of the people, where nobody has agreed to it yet.
pub(super) fn consent_to_graph(house: &Sidecar) -> Option<Remedy> {
    // Of many registrations, which one is not known here.
    let one = house.organizations.is_none();
    one.then(|| aadsts::consent_to_graph(&names(house, &house.entra)).map(shown)).flatten()
}

fn shown(found: aadsts::Remedy) -> Remedy {
    let reader = if found.for_owner { Whose::AppOwner } else { Whose::Admin };
    Remedy { reader, what: found.fix, place: found.place, command: found.command }
}

/// Counts a refusal and writes the operator's line; everything else that went wrong stands in the request's line.
pub(super) fn write_down(house: &Sidecar, entra: &Entra, error: &entra::Error, request_id: &str) {
    let entra::Error::Refused(refusal) = error else { return };
    let entry = entry(refusal);
    let whose = entry.map_or_else(|| general(refusal).whose, |it| whose(it.whose));
    house.lasting.metrics.refused(whose.name());
    let ours = refusal.is_of_the_app() || matches!(whose, Whose::AppOwner | Whose::SignInService);
    let remedy = remedy(house, entra, refusal, entry);
    house.lasting.log.refused(&log::Refused {
        time_ms: house.lasting.clock.now_millis(),
        event: "sign_in_refused",
        level: if ours { "WARN" } else { "INFO" },
        request_id,
        whose: whose.name(),
        aadsts: refusal.code,
        error: &refusal.error,
        suberror: refusal.suberror.as_deref(),
        correlation_id: refusal.correlation_id.as_deref(),
        trace_id: refusal.trace_id.as_deref(),
        remedy: remedy.as_ref().map(|it| it.what.as_str()),
        place: remedy.as_ref().map(|it| it.place.as_str()),
    });
}
