//! Error texts for people: the problem, who can fix it and how. The texts are in the catalog.

use super::challenge::RequiredProof;
use super::notice::RefusalWords;
use super::refused_person::RefusedPerson;
use super::unregistered::Unregistered;
use crate::base::target::AmbiguousTarget;
use crate::bearer::access_token::BadAccessToken;
use crate::directory::{self, first_sign_in};
use crate::entra::graph;
use crate::pages::phrases::{NoticePhrases, NoticeText};
use crate::pages::{NoticeKind, NoticeParty, NoticeRemedy};
use crate::sidecar::organizations;
use crate::upstream::{self, FaultSide};
use crate::wire::inbound::InboundError;
use http::StatusCode;

pub(in crate::flow) fn unread(phrases: &NoticePhrases, refused: InboundError) -> RefusalWords {
    let text = match refused {
        InboundError::Target(AmbiguousTarget::TooLong) => {
            return RefusalWords::new(
                NoticeKind::BadRequest,
                StatusCode::URI_TOO_LONG,
                NoticeParty::You,
                &phrases.refused.long_target,
            );
        }
        InboundError::Target(_) => &phrases.refused.unclear_target,
        InboundError::Host => &phrases.refused.unclear_host,
        InboundError::Framing => &phrases.refused.unclear_end,
    };
    RefusalWords::new(NoticeKind::BadRequest, StatusCode::BAD_REQUEST, NoticeParty::You, text)
}

pub(in crate::flow) fn misdirected(phrases: &NoticePhrases, origin: &str) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::BadRequest,
        StatusCode::MISDIRECTED_REQUEST,
        NoticeParty::AppOwner,
        &phrases.refused.misdirected,
    )
    .with_remedy(NoticeParty::AppOwner, &phrases.refused.misdirected_remedy)
    .fill("origin", origin)
}

pub(in crate::flow) fn not_found(phrases: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::NotFound,
        StatusCode::NOT_FOUND,
        NoticeParty::You,
        &phrases.refused.not_found,
    )
    .with(&phrases.action.start_page, "/")
}

pub(in crate::flow) fn method(phrases: &NoticePhrases, allow: &str) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::BadRequest,
        StatusCode::METHOD_NOT_ALLOWED,
        NoticeParty::AppOwner,
        &phrases.refused.method,
    )
    .fill("allow", allow)
}

pub(in crate::flow) fn signed_out(phrases: &NoticePhrases, start: &str) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::SignInNeeded,
        StatusCode::UNAUTHORIZED,
        NoticeParty::You,
        &phrases.refused.signed_out,
    )
    .with(&phrases.action.sign_in, start)
}

pub(in crate::flow) fn session_ended(phrases: &NoticePhrases, start: &str) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::SignInNeeded,
        StatusCode::UNAUTHORIZED,
        NoticeParty::You,
        &phrases.refused.session_ended,
    )
    .with(&phrases.action.sign_in, start)
}

pub(in crate::flow) fn step_up(
    phrases: &NoticePhrases,
    start: &str,
    proof: &RequiredProof,
) -> RefusalWords {
    let contexts = (!proof.acrs.is_empty()).then(|| proof.acrs.join(" or "));
    RefusalWords::new(
        NoticeKind::SignInNeeded,
        StatusCode::UNAUTHORIZED,
        NoticeParty::You,
        &phrases.refused.step_up,
    )
    .with(&phrases.action.confirm, start)
    .detail("Authentication context", "acrs", contexts.as_deref())
}

pub(in crate::flow) fn contexts_missing(phrases: &NoticePhrases, acrs: &[String]) -> RefusalWords {
    let context = acrs.join(" or ");
    RefusalWords::new(
        NoticeKind::Forbidden,
        StatusCode::FORBIDDEN,
        NoticeParty::Admin,
        &phrases.refused.not_proven,
    )
    .with(&phrases.action.start_page, "/")
    .with_remedy(NoticeParty::Admin, &phrases.refused.not_proven_remedy)
    .fill("context", &context)
    .detail("Authentication context", "acrs", Some(&context))
}

pub(in crate::flow) fn forbidden(phrases: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::Forbidden,
        StatusCode::FORBIDDEN,
        NoticeParty::Admin,
        &phrases.refused.forbidden,
    )
    .with(&phrases.action.start_page, "/")
}

/// Like `forbidden`, for a person who can choose another account or sign out.
pub(in crate::flow) fn forbidden_to(
    phrases: &NoticePhrases,
    person: &RefusedPerson,
) -> RefusalWords {
    let RefusedPerson { name, other_account, sign_out } = person;
    let mut words = forbidden(phrases);
    let who = phrases.advice.signed_in_as.replace("{who}", name);
    words.next.insert(0, who);
    words.or(&phrases.action.other_account, other_account).or(&phrases.action.sign_out, sign_out)
}

/// `consent` is the remedy for an admin if the app does not have consent to read groups yet.
pub(in crate::flow) fn groups_unknown(
    phrases: &NoticePhrases,
    error: &graph::Error,
    has_graph_answered: bool,
    consent: impl FnOnce() -> Option<NoticeRemedy>,
) -> RefusalWords {
    let words = |whose, text| {
        RefusalWords::new(NoticeKind::Unavailable, StatusCode::SERVICE_UNAVAILABLE, whose, text)
    };
    match error {
        it if it.is_consent() => RefusalWords {
            remedy: consent(),
            ..words(NoticeParty::Admin, &phrases.down.groups_without_consent)
        },
        it if it.passes(has_graph_answered) => {
            words(NoticeParty::Nobody, &phrases.down.groups_unavailable)
        }
        it if it.challenge().is_some() => {
            words(NoticeParty::Admin, &phrases.down.groups_need_proof)
                .with_remedy(NoticeParty::Admin, &phrases.down.groups_need_proof_remedy)
        }
        it if !matches!(it, graph::Error::TooMany | graph::Error::NoRefreshToken) => words(
            NoticeParty::AppOwner,
            &phrases.down.groups_refused,
        )
        .detail("Cause", "cause", Some(&it.to_string())),
        _ => words(NoticeParty::AppOwner, &phrases.down.groups_too_many)
            .with_remedy(NoticeParty::AppOwner, &phrases.down.groups_too_many_remedy),
    }
}

pub(in crate::flow) fn closed(phrases: &NoticePhrases) -> RefusalWords {
    unavailable(NoticeParty::Nobody, &phrases.down.not_checked)
}

/// Like `closed`, where a new sign-in can help.
pub(in crate::flow) fn closed_until_sign_in(phrases: &NoticePhrases, start: &str) -> RefusalWords {
    let mut words = closed(phrases);
    words.next.push(phrases.advice.new_sign_in.clone());
    words.with(&phrases.action.sign_in_again, start)
}

/// Like `closed`, but the cause is not known to pass.
pub(in crate::flow) fn not_checkable(phrases: &NoticePhrases) -> RefusalWords {
    unavailable(NoticeParty::AppOwner, &phrases.down.not_checkable)
}

pub(in crate::flow) fn no_session_store(phrases: &NoticePhrases) -> RefusalWords {
    unavailable(NoticeParty::Nobody, &phrases.down.no_session_store)
}

fn unavailable(whose: NoticeParty, text: &NoticeText) -> RefusalWords {
    RefusalWords::new(NoticeKind::Unavailable, StatusCode::SERVICE_UNAVAILABLE, whose, text)
}

pub(in crate::flow) fn no_longer_allowed(phrases: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::Forbidden,
        StatusCode::FORBIDDEN,
        NoticeParty::Admin,
        &phrases.refused.no_longer_allowed,
    )
}

pub(in crate::flow) fn bad_token(phrases: &NoticePhrases, bad: BadAccessToken) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::SignInNeeded,
        StatusCode::UNAUTHORIZED,
        NoticeParty::You,
        &phrases.refused.bad_token,
    )
    .fill("bad", &bad.to_string())
}

pub(in crate::flow) fn unknown(phrases: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::NotFound,
        StatusCode::NOT_FOUND,
        NoticeParty::You,
        &phrases.sign_in.unknown,
    )
}

pub(in crate::flow) fn too_many(phrases: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::Unavailable,
        StatusCode::TOO_MANY_REQUESTS,
        NoticeParty::You,
        &phrases.sign_in.too_many,
    )
}

pub(in crate::flow) fn too_many_codes(phrases: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::Unavailable,
        StatusCode::TOO_MANY_REQUESTS,
        NoticeParty::You,
        &phrases.sign_in.too_many_codes,
    )
}

/// The person signed in at Entra but does not have access here.
pub(in crate::flow) fn not_admitted(
    phrases: &NoticePhrases,
    refused: &first_sign_in::MembershipRefusal,
    again: &str,
) -> RefusalWords {
    let (whose, text) = match refused {
        first_sign_in::MembershipRefusal::OtherTenant => {
            (NoticeParty::You, &phrases.entry.other_tenant)
        }
        first_sign_in::MembershipRefusal::Guest => (NoticeParty::Admin, &phrases.entry.guest),
        first_sign_in::MembershipRefusal::PersonOff => {
            (NoticeParty::Admin, &phrases.entry.person_off)
        }
        first_sign_in::MembershipRefusal::Waits(_)
        | first_sign_in::MembershipRefusal::QueueFull(_) => {
            (NoticeParty::Admin, &phrases.entry.waits)
        }
        first_sign_in::MembershipRefusal::Denied => (NoticeParty::Admin, &phrases.entry.denied),
        first_sign_in::MembershipRefusal::Unknown => (NoticeParty::Admin, &phrases.entry.not_known),
        first_sign_in::MembershipRefusal::OrganizationOff
        | first_sign_in::MembershipRefusal::Directory(_) => {
            (NoticeParty::AppOwner, &phrases.entry.organization_off)
        }
    };
    let other = format!("{again}&prompt=select_account");
    RefusalWords::new(NoticeKind::SignInFailed, StatusCode::FORBIDDEN, whose, text)
        .with(&phrases.action.other_account, &other)
}

pub(in crate::flow) fn organization(
    phrases: &NoticePhrases,
    error: &organizations::Error,
) -> RefusalWords {
    let text = match error {
        organizations::Error::NotSetUp
        | organizations::Error::NoToken
        | organizations::Error::Directory(directory::Error::Unopened(_)) => {
            &phrases.down.not_set_up
        }
        organizations::Error::Directory(_) => &phrases.down.directory,
    };
    RefusalWords::new(
        NoticeKind::Unavailable,
        StatusCode::SERVICE_UNAVAILABLE,
        NoticeParty::AppOwner,
        text,
    )
}

pub(in crate::flow) fn unregistered(phrases: &NoticePhrases, what: Unregistered) -> RefusalWords {
    let (text, remedy) = match what {
        Unregistered::Client => (&phrases.entry.app_unknown, &phrases.entry.app_unknown_remedy),
        Unregistered::RedirectUri => {
            (&phrases.entry.app_elsewhere, &phrases.entry.app_elsewhere_remedy)
        }
    };
    RefusalWords::new(NoticeKind::BadRequest, StatusCode::BAD_REQUEST, NoticeParty::AppOwner, text)
        .with_remedy(NoticeParty::AppOwner, remedy)
}

pub(in crate::flow) fn foreign_origin(phrases: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::Forbidden,
        StatusCode::FORBIDDEN,
        NoticeParty::AppOwner,
        &phrases.refused.foreign_origin,
    )
}

pub(in crate::flow) fn cross_site(phrases: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::Forbidden,
        StatusCode::FORBIDDEN,
        NoticeParty::You,
        &phrases.refused.cross_site,
    )
    .with(&phrases.action.start_page, "/")
}

pub(in crate::flow) fn no_pending_sign_in(phrases: &NoticePhrases, start: &str) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::BadRequest,
        StatusCode::BAD_REQUEST,
        NoticeParty::You,
        &phrases.sign_in.nothing_under_way,
    )
    .with(&phrases.action.sign_in_again, start)
}

pub(in crate::flow) fn app_waits(phrases: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::BadRequest,
        StatusCode::BAD_REQUEST,
        NoticeParty::You,
        &phrases.sign_in.app_waits,
    )
}

pub(in crate::flow) fn bad_callback(phrases: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::BadRequest,
        StatusCode::BAD_REQUEST,
        NoticeParty::You,
        &phrases.sign_in.unreadable,
    )
    .with(&phrases.action.start_page, "/")
}

pub(in crate::flow) fn upstream(phrases: &NoticePhrases, error: &upstream::Error) -> RefusalWords {
    let (kind, status, whose, text) = match error.fault() {
        FaultSide::Slow => (
            NoticeKind::Unavailable,
            StatusCode::GATEWAY_TIMEOUT,
            NoticeParty::AppOwner,
            &phrases.down.app_slow,
        ),
        FaultSide::Busy => (
            NoticeKind::Unavailable,
            StatusCode::SERVICE_UNAVAILABLE,
            NoticeParty::You,
            &phrases.down.app_busy,
        ),
        FaultSide::Unreachable => (
            NoticeKind::Unavailable,
            StatusCode::BAD_GATEWAY,
            NoticeParty::AppOwner,
            &phrases.down.app_unreachable,
        ),
        FaultSide::Client => (
            NoticeKind::BadRequest,
            StatusCode::REQUEST_TIMEOUT,
            NoticeParty::You,
            &phrases.down.upload_stopped,
        ),
        FaultSide::NotSupported => (
            NoticeKind::BadRequest,
            StatusCode::NOT_IMPLEMENTED,
            NoticeParty::AppOwner,
            &phrases.down.no_upgrade,
        ),
    };
    RefusalWords::new(kind, status, whose, text)
}

pub(in crate::flow) fn internal(phrases: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::Unavailable,
        StatusCode::INTERNAL_SERVER_ERROR,
        NoticeParty::AppOwner,
        &phrases.down.internal,
    )
}
