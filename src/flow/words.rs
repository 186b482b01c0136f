//! What people read when something did not work: what happened, whose move it is, what to do.

use crate::entra::failure::Refusal as AtEntra;
use crate::entra::{self, aadsts};
use crate::pages::{Action, Kind, Whose};
use crate::upstream::{self, Fault};
use crate::wire::inbound::Refused;
use http::StatusCode;

/// Under this name the AADSTS code stands among the details.
pub(super) const CODE: &str = "Code";

/// What keeps a browser going round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loop {
    /// Our cookies do not come back at all.
    Cookie,
    /// They do, but the session's does not, or it ends at once.
    Session,
    /// The public address is https, and the browser came by http.
    Scheme,
}

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
    pub(super) details: Vec<(String, String)>,
}

impl Words {
    fn new(kind: Kind, status: StatusCode, whose: Whose, title: &str, what: &str) -> Self {
        Self { kind, status, title: title.to_owned(), what: what.to_owned(), whose, next: Vec::new(), action: None, details: Vec::new() }
    }

    fn then(mut self, next: &str) -> Self {
        self.next.push(next.to_owned());
        self
    }

    fn with(mut self, label: &str, href: &str) -> Self {
        self.action = Some(Action { label: label.to_owned(), href: href.to_owned() });
        self
    }

    fn detail(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.details.push((name.to_owned(), value.to_owned()));
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

pub(super) fn forbidden() -> Words {
    Words::new(Kind::Forbidden, StatusCode::FORBIDDEN, Whose::Admin, "You may not open this page", "You are signed in, but this page is for others.")
        .then("If you need it for your work, ask your admin to give you access and tell them the reference below.")
        .with("Go to the start page", "/")
}

pub(super) fn groups_unknown() -> Words {
    let what = "You belong to more groups than a sign-in can carry, so whether you may open this page could not be decided.";
    Words::new(Kind::Unavailable, StatusCode::SERVICE_UNAVAILABLE, Whose::AppOwner, "Your groups are not known", what)
        .then("The app's owner can use app roles instead of groups, or send only groups assigned to the app (Token configuration > Edit groups claim).")
}

pub(super) fn closed() -> Words {
    let what = "Microsoft Entra could not be asked whether you may still be here. You are not signed out: this goes on as soon as Entra answers.";
    Words::new(Kind::Unavailable, StatusCode::SERVICE_UNAVAILABLE, Whose::Nobody, "Your sign-in cannot be checked at the moment", what)
        .then("Try again in a few minutes.")
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

pub(super) fn turning(cause: Loop) -> Words {
    let (what, whose, next) = match cause {
        Loop::Cookie => (
            "Your browser was sent to sign in again and again, since it does not send our cookies back.",
            Whose::You,
            "Allow cookies for this site, or open it in its own tab instead of inside another page.",
        ),
        Loop::Session => (
            "Your sign-in worked several times within a minute, but your browser comes back without it.",
            Whose::AppOwner,
            "The app's owner can look for a second service under the same host name that removes cookies, or for several replicas without a shared store.",
        ),
        Loop::Scheme => (
            "The sign-in is for https, but this browser's requests arrive as http, so its cookies are not sent back.",
            Whose::AppOwner,
            "The app's owner can make the proxy in front redirect http to https, send X-Forwarded-Proto, and be listed in [server] trusted_proxies.",
        ),
    };
    Words::new(Kind::Loop, StatusCode::BAD_REQUEST, whose, "Signing in goes round in circles", what).then(next).then("Wait a minute before you try again.")
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

pub(super) fn entra(error: &entra::Error, again: Option<&str>) -> Words {
    let words = match error {
        entra::Error::Refused(refusal) => refused(refusal),
        entra::Error::Token(invalid) => {
            let what = "Microsoft Entra's answer did not pass our checks, so nobody was signed in.";
            Words::new(Kind::SignInFailed, StatusCode::FORBIDDEN, Whose::AppOwner, "You could not be signed in", what)
                .detail("Check", Some(&invalid.to_string()))
        }
        _ => {
            let what = "Microsoft Entra, which signs people in here, cannot be reached right now. Whoever is signed in stays so.";
            Words::new(Kind::Unavailable, StatusCode::SERVICE_UNAVAILABLE, Whose::Nobody, "Signing in does not work at the moment", what)
                .then("Try again in a few minutes.")
        }
    };
    match again {
        Some(again) => words.with("Try again", again),
        None => words,
    }
}

fn refused(refusal: &AtEntra) -> Words {
    let entry = refusal.code.and_then(aadsts::find);
    let whose = entry.map_or(Whose::AppOwner, |it| whose(it.who));
    let (title, what) = told(refusal, entry);
    let code = refusal.code.map(|it| format!("AADSTS{it}"));
    let mut words = Words::new(Kind::SignInFailed, StatusCode::FORBIDDEN, whose, title, &what)
        .detail(CODE, code.as_deref())
        .detail("Name", entry.map(|it| it.name))
        .detail("Error", Some(&refusal.error))
        .detail("Correlation ID", refusal.correlation_id.as_deref())
        .detail("Trace ID", refusal.trace_id.as_deref())
        .detail("Time", refusal.timestamp.as_deref());
    if let Some(entry) = entry {
        words = words.then(&format!("For whoever can mend it: {}", entry.remedy));
    }
    words
}

/// The few that people meet every week have words of their own; the others say what the table says.
fn told(refusal: &AtEntra, entry: Option<&aadsts::Entry>) -> (&'static str, String) {
    let own = |text: &str| text.to_owned();
    match (refusal.code, refusal.error.as_str(), entry) {
        (Some(50105), ..) => ("You are not assigned to this app", own("Your account is fine, but nobody has assigned this app to you yet. Ask your admin.")),
        (Some(65004), ..) | (None, "access_denied", _) => ("You stopped the sign-in", own("The sign-in was cancelled before it was done.")),
        (Some(65001), ..) => ("This app was not accepted yet", own("Neither you nor your admin has agreed to what this app may read.")),
        (Some(53003), ..) => ("Your company does not allow this sign-in", own("A rule of your company (conditional access) blocks it from here.")),
        (Some(50055), ..) => ("Your password has expired", own("Change your password, then sign in again.")),
        (_, _, Some(entry)) => ("You could not be signed in", format!("Microsoft Entra says: {}.", entry.meaning)),
        _ => ("You could not be signed in", own("Microsoft Entra refused the sign-in.")),
    }
}

fn whose(who: &str) -> Whose {
    match who.split('/').next().unwrap_or_default() {
        "USER" => Whose::You,
        "TADM" | "IDP" => Whose::Admin,
        "MS" => Whose::Entra,
        _ => Whose::AppOwner,
    }
}
