//! What people read, and what the operator's log says, when Entra refuses a sign-in.

use super::words::Words;
use crate::base::calendar;
use crate::base::language::Language;
use crate::entra::aadsts::{self, Entry, Mover, Names, Then};
use crate::entra::failure::Refusal;
use crate::entra::invalid::Invalid;
use crate::entra::{self, Entra};
use crate::pages::phrases::{Phrases, Told};
use crate::pages::{Kind, Remedy, Whose};
use crate::sidecar::Sidecar;
use crate::telemetry::log;
use http::StatusCode;

/// The words of a sign-in that failed; `again` is where it may be tried again.
pub(super) fn words(house: &Sidecar, entra: &Entra, language: Language, error: &entra::Error, again: Option<&str>) -> Words {
    let say = house.pages.phrases(language);
    match error {
        entra::Error::Refused(refusal) => refused((house, say, language), entra, refusal, again),
        entra::Error::Token(invalid @ (Invalid::Stranger(_) | Invalid::Personal | Invalid::Guest)) => outsider(say, *invalid, again),
        entra::Error::Token(invalid) => {
            let clock = entra.clock_ahead().filter(|_| matches!(invalid, Invalid::Expired | Invalid::NotYet));
            let shape = (Kind::SignInFailed, StatusCode::FORBIDDEN, Whose::AppOwner);
            let words = Words::under(&say.title.not_you, shape, &say.sign_in.bad_answer).detail("Check", "check", Some(&invalid.to_string()));
            offered(say, words.detail("Clock ahead of Microsoft’s (s)", "clock_ahead", clock.map(|it| it.to_string()).as_deref()), again)
        }
        entra::Error::Credential(_) => {
            let shape = (Kind::Unavailable, StatusCode::SERVICE_UNAVAILABLE, Whose::AppOwner);
            offered(say, Words::under(&say.title.not_now, shape, &say.sign_in.no_proof), again)
        }
        _ => {
            let shape = (Kind::Unavailable, StatusCode::SERVICE_UNAVAILABLE, Whose::Nobody);
            offered(say, Words::under(&say.title.not_now, shape, &say.sign_in.unreachable), again)
        }
    }
}

/// Signed in well at Entra, as somebody who may not come here. Without another account, Entra would say the same again at once.
fn outsider(say: &Phrases, invalid: Invalid, again: Option<&str>) -> Words {
    let (whose, said) = match invalid {
        Invalid::Personal => (Whose::You, &say.sign_in.personal),
        Invalid::Guest => (Whose::AppOwner, &say.sign_in.guest),
        _ => (Whose::AppOwner, &say.sign_in.stranger),
    };
    let words = Words::under(&say.title.not_this_account, (Kind::SignInFailed, StatusCode::FORBIDDEN, whose), said);
    let tenant = if let Invalid::Stranger(tid) = invalid { Some(tid.to_string()) } else { None };
    let words = words.detail("Tenant ID", "tenant", tenant.as_deref()).detail("Check", "check", Some(&invalid.to_string()));
    let words = match invalid {
        Invalid::Personal => words,
        Invalid::Guest => words.mended(Whose::AppOwner, &say.sign_in.guest_mend),
        _ => words.mended(Whose::AppOwner, &say.sign_in.stranger_mend),
    };
    match again {
        Some(again) => words.with(&say.way.other_account, &format!("{again}&prompt=select_account")),
        None => words,
    }
}

fn offered(say: &Phrases, words: Words, again: Option<&str>) -> Words {
    match again {
        Some(again) => words.with(&say.way.try_again, again),
        None => words,
    }
}

/// `error` and `suberror` decide the status; the code chooses the words.
fn refused((house, say, language): (&Sidecar, &Phrases, Language), entra: &Entra, refusal: &Refusal, again: Option<&str>) -> Words {
    let entry = entry(refusal);
    let (kind, status) = shape(refusal);
    let told = match entry {
        Some(entry) => known(say, language, entry),
        None => general(say, refusal),
    };
    let title = told.title.unwrap_or(if kind == Kind::Unavailable { &say.title.not_now } else { &say.title.not_you });
    let what = Told { title: title.to_owned(), what: told.what.to_owned(), next: vec![told.next.to_owned()] };
    let mut words = Words::new(kind, status, told.whose, &what);
    words.remedy = remedy(house, entra, language, refusal, entry);
    if let Some(again) = again {
        words = match entry.map(|it| it.then) {
            Some(Then::Other) => words.with(&say.way.other_account, &format!("{again}&prompt=select_account")),
            _ if refusal.is_cancelled() => words.with(&say.way.sign_in_again, again),
            _ => words.with(&say.way.try_again, again),
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

struct Choice<'a> {
    title: Option<&'a str>,
    what: &'a str,
    whose: Whose,
    next: &'a str,
}

fn known<'a>(say: &'a Phrases, language: Language, entry: &'static Entry) -> Choice<'a> {
    let whose = whose(entry.whose);
    let next = entry.next(language).unwrap_or(if matches!(whose, Whose::Admin) { &say.advice.ask_admin } else { &say.advice.tell_owner });
    let not_now = matches!(entry.whose, Mover::Owner | Mover::Us | Mover::Entra).then_some(say.title.not_now.as_str());
    Choice { title: entry.title(language).or(not_now), what: entry.what(language), whose, next }
}

/// A code that nobody here knows, or none at all.
fn general<'a>(say: &'a Phrases, refusal: &Refusal) -> Choice<'a> {
    let all = &say.sign_in;
    let (said, whose) = match refusal.error.as_str() {
        _ if refusal.is_cancelled() => (&all.canceled, Whose::You),
        _ if refusal.is_passing() => (&all.passing, Whose::Entra),
        "login_required" | "interaction_required" | "consent_required" | "invalid_grant" => (&all.anew, Whose::You),
        "access_denied" => (&all.denied, Whose::Admin),
        _ => (&all.not_accepted, Whose::AppOwner),
    };
    let title = refusal.is_cancelled().then_some(say.title.stopped.as_str());
    Choice { title, what: &said.what, whose, next: &said.next }
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

fn remedy(house: &Sidecar, entra: &Entra, language: Language, refusal: &Refusal, entry: Option<&'static Entry>) -> Option<Remedy> {
    if refusal.is_cancelled() {
        return None;
    }
    let (names, correlation) = (names(house, entra), refusal.correlation_id.as_deref());
    let found = match entry {
        Some(entry) => entry.remedy(&names, correlation, language)?,
        None => aadsts::in_the_log(&names, correlation, language)?,
    };
    Some(shown(found))
}

/// What lets the app read the groups of the people, where nobody has agreed to it yet.
pub(super) fn consent_to_graph(house: &Sidecar, language: Language) -> Option<Remedy> {
    // Of many registrations, which one is not known here.
    let one = house.organizations.is_none();
    one.then(|| aadsts::consent_to_graph(&names(house, &house.entra), language).map(shown)).flatten()
}

fn shown(found: aadsts::Remedy) -> Remedy {
    let reader = if found.for_owner { Whose::AppOwner } else { Whose::Admin };
    Remedy { reader, what: found.fix, place: found.place, command: found.command }
}

/// Counts a refusal and writes the operator's line; everything else that went wrong stands in the request's line.
pub(super) fn write_down(house: &Sidecar, entra: &Entra, error: &entra::Error, request_id: &str) {
    let entra::Error::Refused(refusal) = error else { return };
    let entry = entry(refusal);
    let language = Language::English;
    let whose = entry.map_or_else(|| general(house.pages.phrases(language), refusal).whose, |it| whose(it.whose));
    house.lasting.metrics.refused(whose.name());
    let ours = refusal.is_of_the_app() || matches!(whose, Whose::AppOwner | Whose::SignInService);
    let remedy = remedy(house, entra, language, refusal, entry);
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
