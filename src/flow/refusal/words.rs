//! Error texts for people: the problem, who can fix it and how. The texts are in the catalog.

use super::notice::RefusalWords;
use super::unregistered::Unregistered;
use crate::base::target::AmbiguousTarget;
use crate::bearer::access_token::BadAccessToken;
use crate::directory::{self, first_sign_in};
use crate::entra::graph;
use crate::pages::phrases::NoticePhrases;
use crate::pages::{NoticeKind, NoticeParty, NoticeRemedy};
use crate::sidecar::organizations;
use crate::upstream::{self, FaultSide};
use crate::wire::inbound::InboundError;
use http::StatusCode;

pub(in crate::flow) fn unread(say: &NoticePhrases, refused: &InboundError) -> RefusalWords {
    let text = match refused {
        InboundError::Target(_) => &say.refused.unclear_target,
        InboundError::Host => &say.refused.unclear_host,
        InboundError::Framing => &say.refused.unclear_end,
    };
    RefusalWords::new(NoticeKind::BadRequest, StatusCode::BAD_REQUEST, NoticeParty::You, text)
}

pub(in crate::flow) fn misdirected(say: &NoticePhrases, origin: &str) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::BadRequest,
        StatusCode::MISDIRECTED_REQUEST,
        NoticeParty::AppOwner,
        &say.refused.misdirected,
    )
    .with_remedy(NoticeParty::AppOwner, &say.refused.misdirected_remedy)
    .fill("origin", origin)
}

pub(in crate::flow) fn not_found(say: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::NotFound,
        StatusCode::NOT_FOUND,
        NoticeParty::You,
        &say.refused.not_found,
    )
    .with(&say.action.start_page, "/")
}

pub(in crate::flow) fn method(say: &NoticePhrases, allow: &str) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::BadRequest,
        StatusCode::METHOD_NOT_ALLOWED,
        NoticeParty::AppOwner,
        &say.refused.method,
    )
    .fill("allow", allow)
}

pub(in crate::flow) fn signed_out(say: &NoticePhrases, start: &str) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::SignInNeeded,
        StatusCode::UNAUTHORIZED,
        NoticeParty::You,
        &say.refused.signed_out,
    )
    .with(&say.action.sign_in, start)
}

pub(in crate::flow) fn session_ended(say: &NoticePhrases, start: &str) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::SignInNeeded,
        StatusCode::UNAUTHORIZED,
        NoticeParty::You,
        &say.refused.session_ended,
    )
    .with(&say.action.sign_in, start)
}

pub(in crate::flow) fn step_up(say: &NoticePhrases, start: &str, acrs: &[String]) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::SignInNeeded,
        StatusCode::UNAUTHORIZED,
        NoticeParty::You,
        &say.refused.step_up,
    )
    .with(&say.action.confirm, start)
    .detail("Authentication context", "acrs", Some(&acrs.join(" or ")))
}

pub(in crate::flow) fn contexts_missing(say: &NoticePhrases, acrs: &[String]) -> RefusalWords {
    let context = acrs.join(" or ");
    RefusalWords::new(
        NoticeKind::Forbidden,
        StatusCode::FORBIDDEN,
        NoticeParty::Admin,
        &say.refused.not_proven,
    )
    .with(&say.action.start_page, "/")
    .with_remedy(NoticeParty::Admin, &say.refused.not_proven_remedy)
    .fill("context", &context)
    .detail("Authentication context", "acrs", Some(&context))
}

pub(in crate::flow) fn forbidden(say: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::Forbidden,
        StatusCode::FORBIDDEN,
        NoticeParty::Admin,
        &say.refused.forbidden,
    )
    .with(&say.action.start_page, "/")
}

/// `consent` is the remedy for an admin if the app does not have consent to read groups yet.
pub(in crate::flow) fn groups_unknown(
    say: &NoticePhrases,
    error: &graph::Error,
    consent: impl FnOnce() -> Option<NoticeRemedy>,
) -> RefusalWords {
    let words = |whose, text| {
        RefusalWords::new(NoticeKind::Unavailable, StatusCode::SERVICE_UNAVAILABLE, whose, text)
    };
    match error {
        it if it.is_consent() => RefusalWords {
            remedy: consent(),
            ..words(NoticeParty::Admin, &say.down.groups_without_consent)
        },
        it if it.is_outage() => words(NoticeParty::Nobody, &say.down.groups_unavailable),
        _ => words(NoticeParty::AppOwner, &say.down.groups_too_many)
            .with_remedy(NoticeParty::AppOwner, &say.down.groups_too_many_remedy),
    }
}

pub(in crate::flow) fn closed(say: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::Unavailable,
        StatusCode::SERVICE_UNAVAILABLE,
        NoticeParty::Nobody,
        &say.down.not_checked,
    )
}

pub(in crate::flow) fn no_longer_allowed(say: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::Forbidden,
        StatusCode::FORBIDDEN,
        NoticeParty::Admin,
        &say.refused.no_longer_allowed,
    )
}

pub(in crate::flow) fn bad_token(say: &NoticePhrases, bad: BadAccessToken) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::SignInNeeded,
        StatusCode::UNAUTHORIZED,
        NoticeParty::You,
        &say.refused.bad_token,
    )
    .fill("bad", &bad.to_string())
}

pub(in crate::flow) fn unknown(say: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::NotFound,
        StatusCode::NOT_FOUND,
        NoticeParty::You,
        &say.sign_in.unknown,
    )
}

pub(in crate::flow) fn too_many(say: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::Unavailable,
        StatusCode::TOO_MANY_REQUESTS,
        NoticeParty::You,
        &say.sign_in.too_many,
    )
}

pub(in crate::flow) fn too_many_codes(say: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::Unavailable,
        StatusCode::TOO_MANY_REQUESTS,
        NoticeParty::You,
        &say.sign_in.too_many_codes,
    )
}

/// The person signed in at Entra but does not have access here.
pub(in crate::flow) fn not_admitted(
    say: &NoticePhrases,
    refused: &first_sign_in::MembershipRefusal,
    again: &str,
) -> RefusalWords {
    let (whose, text) = match refused {
        first_sign_in::MembershipRefusal::OtherTenant => {
            (NoticeParty::You, &say.entry.other_tenant)
        }
        first_sign_in::MembershipRefusal::Guest => (NoticeParty::Admin, &say.entry.guest),
        first_sign_in::MembershipRefusal::PersonOff => (NoticeParty::Admin, &say.entry.person_off),
        first_sign_in::MembershipRefusal::Unknown => (NoticeParty::Admin, &say.entry.not_known),
        first_sign_in::MembershipRefusal::OrganizationOff
        | first_sign_in::MembershipRefusal::Directory(_) => {
            (NoticeParty::AppOwner, &say.entry.organization_off)
        }
    };
    let other = format!("{again}&prompt=select_account");
    RefusalWords::new(NoticeKind::SignInFailed, StatusCode::FORBIDDEN, whose, text)
        .with(&say.action.other_account, &other)
}

pub(in crate::flow) fn organization(
    say: &NoticePhrases,
    error: &organizations::Error,
) -> RefusalWords {
    let text = match error {
        organizations::Error::NotSetUp
        | organizations::Error::NoToken
        | organizations::Error::Directory(directory::Error::Unopened(_)) => &say.down.not_set_up,
        organizations::Error::Directory(_) => &say.down.directory,
    };
    RefusalWords::new(
        NoticeKind::Unavailable,
        StatusCode::SERVICE_UNAVAILABLE,
        NoticeParty::AppOwner,
        text,
    )
}

pub(in crate::flow) fn unregistered(say: &NoticePhrases, what: Unregistered) -> RefusalWords {
    let (text, remedy) = match what {
        Unregistered::Client => (&say.entry.app_unknown, &say.entry.app_unknown_remedy),
        Unregistered::RedirectUri => (&say.entry.app_elsewhere, &say.entry.app_elsewhere_remedy),
    };
    RefusalWords::new(NoticeKind::BadRequest, StatusCode::BAD_REQUEST, NoticeParty::AppOwner, text)
        .with_remedy(NoticeParty::AppOwner, remedy)
}

pub(in crate::flow) fn foreign_origin(say: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::Forbidden,
        StatusCode::FORBIDDEN,
        NoticeParty::AppOwner,
        &say.refused.foreign_origin,
    )
}

pub(in crate::flow) fn cross_site(say: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::Forbidden,
        StatusCode::FORBIDDEN,
        NoticeParty::You,
        &say.refused.cross_site,
    )
    .with(&say.action.start_page, "/")
}

pub(in crate::flow) fn no_pending_sign_in(say: &NoticePhrases, start: &str) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::BadRequest,
        StatusCode::BAD_REQUEST,
        NoticeParty::You,
        &say.sign_in.nothing_under_way,
    )
    .with(&say.action.sign_in_again, start)
}

pub(in crate::flow) fn app_waits(say: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::BadRequest,
        StatusCode::BAD_REQUEST,
        NoticeParty::You,
        &say.sign_in.app_waits,
    )
}

pub(in crate::flow) fn bad_callback(say: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::BadRequest,
        StatusCode::BAD_REQUEST,
        NoticeParty::You,
        &say.sign_in.unreadable,
    )
    .with(&say.action.start_page, "/")
}

pub(in crate::flow) fn upstream(say: &NoticePhrases, error: &upstream::Error) -> RefusalWords {
    let (kind, status, whose, text) = match error.fault() {
        FaultSide::Slow => (
            NoticeKind::Unavailable,
            StatusCode::GATEWAY_TIMEOUT,
            NoticeParty::AppOwner,
            &say.down.app_slow,
        ),
        FaultSide::Busy => (
            NoticeKind::Unavailable,
            StatusCode::SERVICE_UNAVAILABLE,
            NoticeParty::You,
            &say.down.app_busy,
        ),
        FaultSide::Unreachable => (
            NoticeKind::Unavailable,
            StatusCode::BAD_GATEWAY,
            NoticeParty::AppOwner,
            &say.down.app_unreachable,
        ),
        FaultSide::Client => (
            NoticeKind::BadRequest,
            StatusCode::REQUEST_TIMEOUT,
            NoticeParty::You,
            &say.down.upload_stopped,
        ),
        FaultSide::NotSupported => (
            NoticeKind::BadRequest,
            StatusCode::NOT_IMPLEMENTED,
            NoticeParty::AppOwner,
            &say.down.no_upgrade,
        ),
    };
    RefusalWords::new(kind, status, whose, text)
}

pub(in crate::flow) fn internal(say: &NoticePhrases) -> RefusalWords {
    RefusalWords::new(
        NoticeKind::Unavailable,
        StatusCode::INTERNAL_SERVER_ERROR,
        NoticeParty::AppOwner,
        &say.down.internal,
    )
}
