//! One of every page, with the words people meet.

use super::page::{Action, Back, Identify, Kind, Last, NativeConfirm, NativeOpen, Notice, Page, Remedy, SignIn, Whose};
use super::samples_setup::samples_of_setup;
use crate::base::redirect_uri::RedirectUri;

const CLIENT: &str = "11112222-bbbb-3333-cccc-4444dddd5555";
const START: &str = "/oauth2/start?rd=%2Freports%3Fyear%3D2026";

/// A name and a page for each case; an operator's templates are tried with them, and so are the built-in ones.
pub fn samples() -> Vec<(&'static str, Page)> {
    let mut all = vec![
        ("sign-in", Page::SignIn(SignIn { start: START.to_owned(), app: "reports.contoso.example".to_owned() })),
        ("identify", Page::Identify(identify(None))),
        ("identify-unknown", Page::Identify(identify(Some("maya@contoso.exmaple")))),
        ("signed-out", Page::SignedOut { sign_in: START.to_owned() }),
        ("confirm-sign-out", Page::ConfirmSignOut { action: "/oauth2/sign_out?rd=%2F".to_owned(), rd: "/".to_owned() }),
    ];
    all.push(("native-confirm", Page::NativeConfirm(confirm())));
    for (name, good) in [("native-open", true), ("native-open-stopped", false)] {
        all.extend(back().map(|back| (name, Page::NativeOpen(NativeOpen { good, back }))));
    }
    all.extend(samples_of_setup().into_iter().map(|(name, page)| (name, Page::SetUp(Box::new(page)))));
    all.extend(notices().into_iter().map(|(name, notice)| (name, Page::Notice(notice))));
    all
}

fn identify(unknown: Option<&str>) -> Identify {
    Identify {
        action: "/oauth2/sign_in?rd=%2Freports%3Fyear%3D2026".to_owned(),
        app: "reports.contoso.example".to_owned(),
        unknown: unknown.map(str::to_owned),
        last: Some(Last { code: "contoso".to_owned(), href: "/oauth2/start?rd=%2F&organization=contoso".to_owned() }),
    }
}

fn confirm() -> NativeConfirm {
    let action = "/oauth2/native/authorize?client_id=fleet-phone".to_owned();
    NativeConfirm { action, app: "Fleet for phones".to_owned(), site: "reports.contoso.example".to_owned() }
}

fn back() -> Option<Back> {
    let uri = "com.example.fleet:/signed-in";
    let to = RedirectUri::parse(uri).ok()?.admits(uri)?.answer(&[("code", "aG9yc2U"), ("state", "af0ifjsldkj"), ("iss", "https://reports.contoso.example")]);
    Some(Back { app: "Fleet for phones".to_owned(), to })
}

fn notices() -> [(&'static str, Notice); 13] {
    [
        ("not-assigned", not_assigned()),
        ("cancelled", cancelled()),
        ("secret-expired", secret_expired()),
        ("sign-in-failed", sign_in_failed()),
        ("sign-in-needed", sign_in_needed()),
        ("forbidden", forbidden()),
        ("not-found", not_found()),
        ("bad-request", bad_request()),
        ("bad-gateway", bad_gateway()),
        ("entra-unreachable", entra_unreachable()),
        ("gateway-timeout", gateway_timeout()),
        ("loop", turning()),
        ("long-words", long_words()),
    ]
}

fn notice(kind: Kind, status: u16, whose: Whose, title: &str, what: &str) -> Notice {
    Notice {
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
        reference: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
    }
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|it| (*it).to_owned()).collect()
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where an action may be absent")]
fn action(label: &str, href: &str) -> Option<Action> {
    Some(Action { label: label.to_owned(), href: href.to_owned() })
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where a remedy may be absent")]
fn remedy(it: Remedy) -> Option<Box<Remedy>> {
    Some(Box::new(it))
}

fn not_assigned() -> Notice {
    let what = "Your account is fine, but nobody has given it access to this app yet.";
    Notice {
        next: texts(&["Ask your administrator to assign you to this app, and send them this page."]),
        remedy: remedy(Remedy {
            reader: Whose::Admin,
            what: "Assign the person, or a group that holds the person directly; groups within groups do not count.".to_owned(),
            place: format!("Enterprise applications > the app with client ID {CLIENT} > Users and groups > Add user/group"),
            command: Some(format!("az rest --method POST --url \"https://graph.microsoft.com/v1.0/servicePrincipals(appId='{CLIENT}')/appRoleAssignedTo\"")),
        }),
        action: action("Try again", START),
        details: pairs(&[
            ("Code", "AADSTS50105"),
            ("Name", "EntitlementGrantsNotFound"),
            ("Error", "access_denied"),
            ("Correlation ID", "2f1b4c1e-7f4e-4c1e-9d3a-6a5d0c5c8f11"),
            ("Trace ID", "9c0d6f1a-1b2c-4d3e-8f90-a1b2c3d40500"),
            ("Time (UTC)", "2026-11-24 20:31:07Z"),
            ("Client ID", CLIENT),
            ("Tenant", "contoso.example"),
        ]),
        ..notice(Kind::SignInFailed, 403, Whose::Admin, "You are not assigned to this app", what)
    }
}

fn cancelled() -> Notice {
    Notice {
        back: back(),
        next: texts(&["Sign in again whenever you like."]),
        action: action("Sign in again", START),
        details: pairs(&[("Error", "access_denied"), ("Reason", "cancel"), ("Time (UTC)", "2026-11-24 20:31:07Z")]),
        ..notice(Kind::SignInNeeded, 403, Whose::You, "You stopped the sign-in", "The sign-in was canceled before it was done. Nothing has happened.")
    }
}

fn secret_expired() -> Notice {
    let what = "The app could not prove to Microsoft who it is: its password there has expired.";
    Notice {
        next: texts(&["You cannot mend this yourself. Tell the app’s owner, and send them this page."]),
        remedy: remedy(Remedy {
            reader: Whose::AppOwner,
            what: "Create a new client secret, put its Value where entra.client_secret is read, and only then delete the old one.".to_owned(),
            place: format!(
                "App registrations > All applications > the app with client ID {CLIENT} > Certificates & secrets > Client secrets > New client secret"
            ),
            command: Some(format!("az ad app credential reset --id {CLIENT} --append --years 1")),
        }),
        action: action("Try again", START),
        details: pairs(&[("Code", "AADSTS7000222"), ("Error", "invalid_client"), ("Time (UTC)", "2026-11-24 20:31:07Z")]),
        ..notice(Kind::Unavailable, 503, Whose::AppOwner, "Signing in does not work at the moment", what)
    }
}

fn sign_in_failed() -> Notice {
    let what = "Microsoft Entra’s answer did not pass our checks, so nobody was signed in.";
    Notice {
        details: pairs(&[("Check", "the token is for another audience")]),
        action: action("Try again", START),
        ..notice(Kind::SignInFailed, 403, Whose::AppOwner, "You could not be signed in", what)
    }
}

fn sign_in_needed() -> Notice {
    Notice {
        next: texts(&["Sign in, go back to the form and send it again."]),
        action: action("Sign in", START),
        ..notice(Kind::SignInNeeded, 401, Whose::You, "You are signed out", "To go on, sign in. What you just sent was not passed on.")
    }
}

fn forbidden() -> Notice {
    Notice {
        next: texts(&["If you need it for your work, ask your admin to give you access and tell them the reference below."]),
        action: action("Go to the start page", "/"),
        ..notice(Kind::Forbidden, 403, Whose::Admin, "You may not open this page", "You are signed in, but this page is for others.")
    }
}

fn not_found() -> Notice {
    Notice {
        action: action("Go to the start page", "/"),
        ..notice(Kind::NotFound, 404, Whose::You, "There is nothing here", "No page of the sign-in service has this address.")
    }
}

fn bad_request() -> Notice {
    Notice {
        next: texts(&["Check the link or the address you typed."]),
        ..notice(Kind::BadRequest, 400, Whose::You, "This address is not clear", "The address can be read in two ways, so it was not passed on.")
    }
}

fn bad_gateway() -> Notice {
    Notice {
        next: texts(&["Try again in a moment."]),
        ..notice(Kind::Unavailable, 502, Whose::AppOwner, "The app is not available", "The app behind this address cannot be reached right now.")
    }
}

fn entra_unreachable() -> Notice {
    let what = "Microsoft Entra, which signs people in here, cannot be reached right now. Whoever is signed in stays so.";
    Notice {
        next: texts(&["Try again in a few minutes."]),
        action: action("Try again", START),
        ..notice(Kind::Unavailable, 503, Whose::Nobody, "Signing in does not work at the moment", what)
    }
}

fn gateway_timeout() -> Notice {
    notice(Kind::Unavailable, 504, Whose::Entra, "The app does not answer", "The app behind this address took too long to answer.")
}

fn turning() -> Notice {
    let what = "You were sent to sign in three times within a minute, since your browser does not send our cookies back.";
    Notice {
        next: texts(&["Allow cookies for this site, or open it in its own tab instead of inside another page.", "Then wait a minute and try again."]),
        remedy: remedy(Remedy {
            reader: Whose::AppOwner,
            what: "If many people see this page: look for a proxy in front that drops Set-Cookie or Cookie, or that people reach under another host name."
                .to_owned(),
            place: "The way to this service: proxies and load balancers".to_owned(),
            command: None,
        }),
        details: pairs(&[("Cause", "cookie-not-returned"), ("Cookies", "sent, but not returned"), ("Host", "the public one"), ("Scheme", "https")]),
        ..notice(Kind::Loop, 400, Whose::You, "Signing in goes round in circles", what)
    }
}

fn long_words() -> Notice {
    let long = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft";
    Notice {
        next: texts(&[long, "<b>Markup</b> & \"quotes\" stay text."]),
        action: action(long, "/"),
        remedy: remedy(Remedy { reader: Whose::Admin, what: long.to_owned(), place: long.to_owned(), command: Some(long.to_owned()) }),
        details: pairs(&[(long, long), ("山田", "Zoë Łukasiewicz")]),
        ..notice(Kind::BadRequest, 400, Whose::You, long, long)
    }
}
