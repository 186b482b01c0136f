//! What people read when something did not work: what happened, whose move it is, what to do.

use super::native::unregistered::Unregistered;
use crate::directory::{self, welcome};
use crate::entra::graph;
use crate::headers::pass::Bad;
use crate::pages::{Action, Back, Kind, Remedy, Whose};
use crate::sidecar::organizations;
use crate::upstream::{self, Fault};
use crate::wire::inbound::Refused;
use http::StatusCode;

/// The words of one refusal.
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

/// A fact for whoever looks into it: a name for people, a member for programs, a value.
#[derive(Debug)]
pub(super) struct Detail {
    pub(super) name: &'static str,
    pub(super) member: &'static str,
    pub(super) value: String,
}

impl Words {
    pub(super) fn new(kind: Kind, status: StatusCode, whose: Whose, title: &str, what: &str) -> Self {
        Self {
            kind,
            status,
            title: title.to_owned(),
            what: what.to_owned(),
            whose,
            next: Vec::new(),
            action: None,
            back: None,
            remedy: None,
            details: Vec::new(),
        }
    }

    pub(super) fn then(mut self, next: &str) -> Self {
        self.next.push(next.to_owned());
        self
    }

    pub(super) fn with(mut self, label: &str, href: &str) -> Self {
        self.action = Some(Action { label: label.to_owned(), href: href.to_owned() });
        self
    }

    pub(super) fn detail(mut self, name: &'static str, member: &'static str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.details.push(Detail { name, member, value: value.to_owned() });
        }
        self
    }
}

pub(super) fn unread(refused: &Refused) -> Words {
    let what = match refused {
        Refused::Target(_) => "The address can be read in two ways, so it was not passed on.",
        Refused::Host => "The request does not say clearly which host it is for.",
        Refused::Framing => "The request does not say clearly where it ends.",
    };
    Words::new(Kind::BadRequest, StatusCode::BAD_REQUEST, Whose::You, "This address is not clear", what).then("Check the link or the address you typed.")
}

pub(super) fn misdirected(origin: &str) -> Words {
    let what = format!("This service answers under {origin} only.");
    Words::new(Kind::BadRequest, StatusCode::MISDIRECTED_REQUEST, Whose::AppOwner, "Wrong address", &what)
        .then("If this host name is meant to work, its name belongs into [server] hosts.")
}

pub(super) fn not_found() -> Words {
    Words::new(Kind::NotFound, StatusCode::NOT_FOUND, Whose::You, "There is nothing here", "No page of the sign-in service has this address.")
        .with("Go to the start page", "/")
}

pub(super) fn method(allow: &str) -> Words {
    let what = format!("This address can be asked with {allow} only.");
    Words::new(Kind::BadRequest, StatusCode::METHOD_NOT_ALLOWED, Whose::AppOwner, "Not with this method", &what)
}

pub(super) fn signed_out(start: &str) -> Words {
    Words::new(Kind::SignInNeeded, StatusCode::UNAUTHORIZED, Whose::You, "You are signed out", "To go on, sign in. What you just sent was not passed on.")
        .then("Sign in, go back to the form and send it again.")
        .with("Sign in", start)
}

pub(super) fn step_up(start: &str, acrs: &[String]) -> Words {
    let what = "You are signed in, but this needs a stronger proof of who you are. What you just sent was not passed on.";
    Words::new(Kind::SignInNeeded, StatusCode::UNAUTHORIZED, Whose::You, "Please confirm that it is you", what)
        .then("Confirm at Microsoft, go back to the form and send it again.")
        .with("Confirm", start)
        .detail("Authentication context", "acrs", Some(&acrs.join(" or ")))
}

pub(super) fn not_proven(acrs: &[String]) -> Words {
    let context = acrs.join(" or ");
    let what = "This page needs a stronger proof of who you are, and Microsoft brought you back without it.";
    let mut words = Words::new(Kind::Forbidden, StatusCode::FORBIDDEN, Whose::Admin, "You may not open this page yet", what)
        .then("Ask your administrator, and send them this page. You are signed in for the rest of the app.")
        .with("Go to the start page", "/")
        .detail("Authentication context", "acrs", Some(&context));
    words.remedy = Some(Remedy {
        reader: Whose::Admin,
        what: format!("Publish authentication context {context} to apps, and let a Conditional Access policy for it apply to this person."),
        place: "Entra admin center > Conditional Access > Authentication contexts; Policies > Target resources > Authentication context".to_owned(),
        command: None,
    });
    words
}

pub(super) fn forbidden() -> Words {
    Words::new(Kind::Forbidden, StatusCode::FORBIDDEN, Whose::Admin, "You may not open this page", "You are signed in, but this page is for others.")
        .then("If you need it for your work, ask your administrator to give you access and tell them the reference below.")
        .with("Go to the start page", "/")
}

/// `consent` is what an admin does where nobody has agreed yet that the app reads groups.
pub(super) fn groups_unknown(error: &graph::Error, consent: impl FnOnce() -> Option<Remedy>) -> Words {
    let words = |whose, what| Words::new(Kind::Unavailable, StatusCode::SERVICE_UNAVAILABLE, whose, "Your groups are not known", what);
    if error.is_consent() {
        let what = "Whether you may open this page depends on your groups, and nobody has agreed yet that this app reads them.";
        let words = words(Whose::Admin, what).then("Ask your admin to agree for everyone.");
        return Words { remedy: consent(), ..words };
    }
    if error.is_outage() {
        let what = "Whether you may open this page depends on your groups, and Microsoft Graph, which knows them, does not tell them right now.";
        return words(Whose::Nobody, what).then("Try again in a few minutes.");
    }
    let what = "You belong to more groups than a sign-in can carry, so whether you may open this page could not be decided.";
    words(Whose::AppOwner, what)
        .then("Sign out and in again.")
        .then("The app’s owner can use app roles instead of groups, or send only groups assigned to the app (Token configuration > Edit groups claim).")
}

pub(super) fn closed() -> Words {
    let what = "Microsoft Entra could not be asked whether you may still be here. You are not signed out: this goes on as soon as Entra answers.";
    Words::new(Kind::Unavailable, StatusCode::SERVICE_UNAVAILABLE, Whose::Nobody, "Your sign-in cannot be checked at the moment", what)
        .then("Try again in a few minutes.")
}

pub(super) fn bad_token(bad: Bad) -> Words {
    Words::new(Kind::SignInNeeded, StatusCode::UNAUTHORIZED, Whose::You, "The access token is not taken", &format!("What is wrong: {bad}."))
        .then("Ask for a new one by the refresh token, or sign in again.")
}

pub(super) fn unknown() -> Words {
    let what = "Nobody signs in here by that username or company code.";
    Words::new(Kind::NotFound, StatusCode::NOT_FOUND, Whose::You, "Nobody signs in by that", what)
        .then("Look for a slip of the keys, or ask your company for its code.")
}

pub(super) fn too_many() -> Words {
    let what = "Too many usernames and company codes that nobody has were tried from where you are.";
    Words::new(Kind::Unavailable, StatusCode::TOO_MANY_REQUESTS, Whose::You, "Please wait a moment", what).then("Try again in a minute.")
}

/// Signed in well at Entra, as somebody who may not come in.
pub(super) fn not_welcome(refused: &welcome::Refused, again: &str) -> Words {
    const NO: (Kind, StatusCode) = (Kind::SignInFailed, StatusCode::FORBIDDEN);
    const ASK: &str = "Ask your administrator, and send them this page.";
    let words = match refused {
        welcome::Refused::OtherTenant => {
            let what = "You signed in with an account of another company than the one that you chose here.";
            Words::new(NO.0, NO.1, Whose::You, "This account is of another company", what).then("Sign in with the account of your own company.")
        }
        welcome::Refused::Guest => {
            let what = "You are a guest of this company’s directory, and the company lets no guests in here.";
            Words::new(NO.0, NO.1, Whose::Admin, "You are a guest of this company", what).then(ASK)
        }
        welcome::Refused::PersonOff => {
            let what = "You are known here, and your access was switched off.";
            Words::new(NO.0, NO.1, Whose::Admin, "Your access is switched off", what).then(ASK)
        }
        welcome::Refused::Unknown => {
            let what = "Your account is fine, but nobody has added you to this app yet.";
            Words::new(NO.0, NO.1, Whose::Admin, "You are not known here yet", what).then(ASK)
        }
        welcome::Refused::OrganizationOff | welcome::Refused::Directory(_) => {
            let what = "Signing in is switched off for your company.";
            Words::new(NO.0, NO.1, Whose::AppOwner, "Your company cannot sign in here", what).then("Ask the app’s owner, and send them this page.")
        }
    };
    words.with("Use another account", &format!("{again}&prompt=select_account"))
}

pub(super) fn organization(error: &organizations::Error) -> Words {
    let down = |whose, what| Words::new(Kind::Unavailable, StatusCode::SERVICE_UNAVAILABLE, whose, "Signing in does not work at the moment", what);
    match error {
        organizations::Error::NotSetUp | organizations::Error::NoToken | organizations::Error::Directory(directory::Error::Unopened(_)) => {
            let what = "The sign-in of your company is not set up completely.";
            down(Whose::AppOwner, what).then("You cannot mend this yourself. Tell the app’s owner, and send them this page.")
        }
        organizations::Error::Directory(_) => {
            down(Whose::AppOwner, "The list of companies and people cannot be asked right now. Whoever is signed in stays so.")
                .then("Try again in a few minutes.")
        }
    }
}

pub(super) fn unregistered(what: Unregistered) -> Words {
    let (what, next) = match what {
        Unregistered::Client => ("The app that sent you here is not registered with this service.", "Its id belongs into [[native.client]] as id."),
        Unregistered::Place => (
            "The app that sent you here wants its answer at an address that is not registered for it.",
            "The very address belongs into redirect_uris of its [[native.client]].",
        ),
    };
    Words::new(Kind::BadRequest, StatusCode::BAD_REQUEST, Whose::AppOwner, "This app may not ask you to sign in", what)
        .then("Tell the app’s owner, and send them this page.")
        .then(next)
}

pub(super) fn foreign_origin() -> Words {
    Words::new(
        Kind::Forbidden,
        StatusCode::FORBIDDEN,
        Whose::AppOwner,
        "Not from another site",
        "A page of another site tried to open a connection with your sign-in.",
    )
}

pub(super) fn cross_site() -> Words {
    Words::new(Kind::Forbidden, StatusCode::FORBIDDEN, Whose::You, "You are still signed in", "Another site tried to sign you out. Nothing was changed.")
        .with("Go to the start page", "/")
}

pub(super) fn nothing_under_way(start: &str) -> Words {
    let what = "This address is the last step of a sign-in, and no sign-in that belongs to it is under way in this browser.";
    Words::new(Kind::BadRequest, StatusCode::BAD_REQUEST, Whose::You, "This sign-in is over", what)
        .then("It happens with a bookmark or a copied address of the sign-in, or when signing in took more than ten minutes.")
        .with("Sign in again", start)
}

pub(super) fn bad_callback() -> Words {
    Words::new(
        Kind::BadRequest,
        StatusCode::BAD_REQUEST,
        Whose::You,
        "This answer cannot be read",
        "What came back from the sign-in is incomplete or says something twice.",
    )
    .with("Go to the start page", "/")
}

pub(super) fn upstream(error: &upstream::Error) -> Words {
    match error.fault() {
        Fault::Slow => {
            let what = "The app behind this address took too long to answer.";
            Words::new(Kind::Unavailable, StatusCode::GATEWAY_TIMEOUT, Whose::AppOwner, "The app does not answer", what).then("Try again in a moment.")
        }
        Fault::Unreachable => {
            let what = "The app behind this address cannot be reached right now.";
            Words::new(Kind::Unavailable, StatusCode::BAD_GATEWAY, Whose::AppOwner, "The app is not available", what).then("Try again in a moment.")
        }
        Fault::Client => {
            let what = "What you sent did not arrive whole, so it was not passed on.";
            Words::new(Kind::BadRequest, StatusCode::REQUEST_TIMEOUT, Whose::You, "The upload stopped", what).then("Send it again.")
        }
        Fault::NotSupported => {
            let what = "The app behind this address speaks HTTP/2, which has no such upgrade.";
            Words::new(Kind::BadRequest, StatusCode::NOT_IMPLEMENTED, Whose::AppOwner, "This connection cannot be changed", what)
        }
    }
}

pub(super) fn internal() -> Words {
    Words::new(Kind::Unavailable, StatusCode::INTERNAL_SERVER_ERROR, Whose::AppOwner, "Something went wrong here", "The request could not be completed.")
}
