//! Error texts for people: what happened, who can fix it and what to do. The texts are in the catalog.

use super::native::unregistered::Unregistered;
use crate::directory::{self, welcome};
use crate::entra::graph;
use crate::headers::pass::Bad;
use crate::pages::phrases::{Mend, Phrases, Said, Told};
use crate::pages::{Action, Back, Kind, Remedy, Whose};
use crate::sidecar::organizations;
use crate::upstream::{self, Fault};
use crate::wire::inbound::Refused;
use http::StatusCode;

/// The texts of one refusal.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) kind: Kind,
    pub(super) status: StatusCode,
    pub(super) title: String,
    pub(super) what: String,
    pub(super) whose: Whose,
    pub(super) next: Vec<String>,
    pub(super) action: Option<Action>,
    pub(super) back: Option<Back>,
    pub(super) remedy: Option<Remedy>,
    pub(super) details: Vec<Detail>,
}

/// A fact for troubleshooting: a name for people, a JSON member for programs, and a value.
#[derive(Debug)]
pub(super) struct Detail {
    pub(super) name: &'static str,
    pub(super) member: &'static str,
    pub(super) value: String,
}

impl Words {
    pub(super) fn new(kind: Kind, status: StatusCode, whose: Whose, told: &Told) -> Self {
        Self {
            kind,
            status,
            title: told.title.clone(),
            what: told.what.clone(),
            whose,
            next: told.next.clone(),
            action: None,
            back: None,
            remedy: None,
            details: Vec::new(),
        }
    }

    pub(super) fn under(title: &str, (kind, status, whose): (Kind, StatusCode, Whose), said: &Said) -> Self {
        Self::new(kind, status, whose, &Told { title: title.to_owned(), what: said.what.clone(), next: vec![said.next.clone()] })
    }

    pub(super) fn with(mut self, label: &str, href: &str) -> Self {
        self.action = Some(Action { label: label.to_owned(), href: href.to_owned() });
        self
    }

    pub(super) fn mended(mut self, reader: Whose, mend: &Mend) -> Self {
        self.remedy = Some(Remedy { reader, what: mend.what.clone(), place: mend.place.clone(), command: None });
        self
    }

    /// Replaces `{name}` with a value in all texts so far.
    pub(super) fn fill(mut self, name: &str, value: &str) -> Self {
        let place = format!("{{{name}}}");
        let mend = self.remedy.as_mut().map(|it| [&mut it.what, &mut it.place]);
        let label = self.action.as_mut().map(|it| &mut it.label);
        for text in [&mut self.title, &mut self.what].into_iter().chain(&mut self.next).chain(mend.into_iter().flatten()).chain(label) {
            if text.contains(&place) {
                *text = text.replace(&place, value);
            }
        }
        self
    }

    pub(super) fn detail(mut self, name: &'static str, member: &'static str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.details.push(Detail { name, member, value: value.to_owned() });
        }
        self
    }
}

pub(super) fn unread(say: &Phrases, refused: &Refused) -> Words {
    let told = match refused {
        Refused::Target(_) => &say.refused.unclear_target,
        Refused::Host => &say.refused.unclear_host,
        Refused::Framing => &say.refused.unclear_end,
    };
    Words::new(Kind::BadRequest, StatusCode::BAD_REQUEST, Whose::You, told)
}

pub(super) fn misdirected(say: &Phrases, origin: &str) -> Words {
    Words::new(Kind::BadRequest, StatusCode::MISDIRECTED_REQUEST, Whose::AppOwner, &say.refused.misdirected)
        .mended(Whose::AppOwner, &say.refused.misdirected_mend)
        .fill("origin", origin)
}

pub(super) fn not_found(say: &Phrases) -> Words {
    Words::new(Kind::NotFound, StatusCode::NOT_FOUND, Whose::You, &say.refused.not_found).with(&say.way.start_page, "/")
}

pub(super) fn method(say: &Phrases, allow: &str) -> Words {
    Words::new(Kind::BadRequest, StatusCode::METHOD_NOT_ALLOWED, Whose::AppOwner, &say.refused.method).fill("allow", allow)
}

pub(super) fn signed_out(say: &Phrases, start: &str) -> Words {
    Words::new(Kind::SignInNeeded, StatusCode::UNAUTHORIZED, Whose::You, &say.refused.signed_out).with(&say.way.sign_in, start)
}

pub(super) fn session_ended(say: &Phrases, start: &str) -> Words {
    Words::new(Kind::SignInNeeded, StatusCode::UNAUTHORIZED, Whose::You, &say.refused.session_ended).with(&say.way.sign_in, start)
}

pub(super) fn step_up(say: &Phrases, start: &str, acrs: &[String]) -> Words {
    Words::new(Kind::SignInNeeded, StatusCode::UNAUTHORIZED, Whose::You, &say.refused.step_up).with(&say.way.confirm, start).detail(
        "Authentication context",
        "acrs",
        Some(&acrs.join(" or ")),
    )
}

pub(super) fn not_proven(say: &Phrases, acrs: &[String]) -> Words {
    let context = acrs.join(" or ");
    Words::new(Kind::Forbidden, StatusCode::FORBIDDEN, Whose::Admin, &say.refused.not_proven)
        .with(&say.way.start_page, "/")
        .mended(Whose::Admin, &say.refused.not_proven_mend)
        .fill("context", &context)
        .detail("Authentication context", "acrs", Some(&context))
}

pub(super) fn forbidden(say: &Phrases) -> Words {
    Words::new(Kind::Forbidden, StatusCode::FORBIDDEN, Whose::Admin, &say.refused.forbidden).with(&say.way.start_page, "/")
}

/// `consent` is the remedy for an admin if the app does not have consent to read groups yet.
pub(super) fn groups_unknown(say: &Phrases, error: &graph::Error, consent: impl FnOnce() -> Option<Remedy>) -> Words {
    let words = |whose, told| Words::new(Kind::Unavailable, StatusCode::SERVICE_UNAVAILABLE, whose, told);
    match error {
        it if it.is_consent() => Words { remedy: consent(), ..words(Whose::Admin, &say.down.groups_not_agreed) },
        it if it.is_outage() => words(Whose::Nobody, &say.down.groups_not_told),
        _ => words(Whose::AppOwner, &say.down.groups_too_many).mended(Whose::AppOwner, &say.down.groups_too_many_mend),
    }
}

pub(super) fn closed(say: &Phrases) -> Words {
    Words::new(Kind::Unavailable, StatusCode::SERVICE_UNAVAILABLE, Whose::Nobody, &say.down.not_checked)
}

pub(super) fn no_longer_allowed(say: &Phrases) -> Words {
    Words::new(Kind::Forbidden, StatusCode::FORBIDDEN, Whose::Admin, &say.refused.no_longer_allowed)
}

pub(super) fn bad_token(say: &Phrases, bad: Bad) -> Words {
    Words::new(Kind::SignInNeeded, StatusCode::UNAUTHORIZED, Whose::You, &say.refused.bad_token).fill("bad", &bad.to_string())
}

pub(super) fn unknown(say: &Phrases) -> Words {
    Words::new(Kind::NotFound, StatusCode::NOT_FOUND, Whose::You, &say.sign_in.unknown)
}

pub(super) fn too_many(say: &Phrases) -> Words {
    Words::new(Kind::Unavailable, StatusCode::TOO_MANY_REQUESTS, Whose::You, &say.sign_in.too_many)
}

pub(super) fn too_many_codes(say: &Phrases) -> Words {
    Words::new(Kind::Unavailable, StatusCode::TOO_MANY_REQUESTS, Whose::You, &say.sign_in.too_many_codes)
}

/// The person signed in at Entra but does not have access here.
pub(super) fn not_welcome(say: &Phrases, refused: &welcome::Refused, again: &str) -> Words {
    let (whose, told) = match refused {
        welcome::Refused::OtherTenant => (Whose::You, &say.entry.other_tenant),
        welcome::Refused::Guest => (Whose::Admin, &say.entry.guest),
        welcome::Refused::PersonOff => (Whose::Admin, &say.entry.person_off),
        welcome::Refused::Unknown => (Whose::Admin, &say.entry.not_known),
        welcome::Refused::OrganizationOff | welcome::Refused::Directory(_) => (Whose::AppOwner, &say.entry.organization_off),
    };
    let other = format!("{again}&prompt=select_account");
    Words::new(Kind::SignInFailed, StatusCode::FORBIDDEN, whose, told).with(&say.way.other_account, &other)
}

pub(super) fn organization(say: &Phrases, error: &organizations::Error) -> Words {
    let told = match error {
        organizations::Error::NotSetUp | organizations::Error::NoToken | organizations::Error::Directory(directory::Error::Unopened(_)) => &say.down.not_set_up,
        organizations::Error::Directory(_) => &say.down.directory,
    };
    Words::new(Kind::Unavailable, StatusCode::SERVICE_UNAVAILABLE, Whose::AppOwner, told)
}

pub(super) fn unregistered(say: &Phrases, what: Unregistered) -> Words {
    let (told, mend) = match what {
        Unregistered::Client => (&say.entry.app_unknown, &say.entry.app_unknown_mend),
        Unregistered::Place => (&say.entry.app_elsewhere, &say.entry.app_elsewhere_mend),
    };
    Words::new(Kind::BadRequest, StatusCode::BAD_REQUEST, Whose::AppOwner, told).mended(Whose::AppOwner, mend)
}

pub(super) fn foreign_origin(say: &Phrases) -> Words {
    Words::new(Kind::Forbidden, StatusCode::FORBIDDEN, Whose::AppOwner, &say.refused.foreign_origin)
}

pub(super) fn cross_site(say: &Phrases) -> Words {
    Words::new(Kind::Forbidden, StatusCode::FORBIDDEN, Whose::You, &say.refused.cross_site).with(&say.way.start_page, "/")
}

pub(super) fn nothing_under_way(say: &Phrases, start: &str) -> Words {
    Words::new(Kind::BadRequest, StatusCode::BAD_REQUEST, Whose::You, &say.sign_in.nothing_under_way).with(&say.way.sign_in_again, start)
}

pub(super) fn app_waits(say: &Phrases) -> Words {
    Words::new(Kind::BadRequest, StatusCode::BAD_REQUEST, Whose::You, &say.sign_in.app_waits)
}

pub(super) fn bad_callback(say: &Phrases) -> Words {
    Words::new(Kind::BadRequest, StatusCode::BAD_REQUEST, Whose::You, &say.sign_in.unreadable).with(&say.way.start_page, "/")
}

pub(super) fn upstream(say: &Phrases, error: &upstream::Error) -> Words {
    let (kind, status, whose, told) = match error.fault() {
        Fault::Slow => (Kind::Unavailable, StatusCode::GATEWAY_TIMEOUT, Whose::AppOwner, &say.down.app_slow),
        Fault::Unreachable => (Kind::Unavailable, StatusCode::BAD_GATEWAY, Whose::AppOwner, &say.down.app_unreachable),
        Fault::Client => (Kind::BadRequest, StatusCode::REQUEST_TIMEOUT, Whose::You, &say.down.upload_stopped),
        Fault::NotSupported => (Kind::BadRequest, StatusCode::NOT_IMPLEMENTED, Whose::AppOwner, &say.down.no_upgrade),
    };
    Words::new(kind, status, whose, told)
}

pub(super) fn internal(say: &Phrases) -> Words {
    Words::new(Kind::Unavailable, StatusCode::INTERNAL_SERVER_ERROR, Whose::AppOwner, &say.down.internal)
}
