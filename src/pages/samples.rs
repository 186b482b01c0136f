//! One sample of every page, with realistic texts.

use super::page::{
    AppReturn, IdentifyPage, LastSignIn, NativeConfirmPage, NativeOpenPage, Notice, NoticeAction,
    NoticeKind, NoticeParty, NoticeRemedy, Page, SignInPage,
};
use super::samples_admin;
use super::samples_deletion;
use super::samples_domains;
use super::samples_setup::samples_of_setup;
use crate::base::redirect_uri::RedirectUri;

const CLIENT: &str = "11112222-bbbb-3333-cccc-4444dddd5555";
const START: &str = "/oauth2/start?rd=%2Freports%3Fyear%3D2026";

/// Returns a name and a page for each case; operators' templates and the built-in ones are tested
/// with them.
pub fn samples() -> Vec<(&'static str, Page)> {
    let mut all = vec![
        (
            "sign-in",
            Page::SignIn(SignInPage {
                start: START.to_owned(),
                app: "reports.contoso.example".to_owned(),
            }),
        ),
        ("identify", Page::Identify(identify(None))),
        ("identify-unknown", Page::Identify(identify(Some("maya@contoso.exmaple")))),
        ("signed-out", Page::SignedOut { sign_in: START.to_owned() }),
        (
            "confirm-sign-out",
            Page::ConfirmSignOut {
                action: "/oauth2/sign_out?rd=%2F".to_owned(),
                rd: "/".to_owned(),
            },
        ),
    ];
    all.extend(samples_admin::samples());
    all.extend(samples_deletion::samples());
    all.extend(samples_domains::samples());
    all.push(("native-confirm", Page::NativeConfirm(confirm())));
    for (name, good) in [("native-open", true), ("native-open-stopped", false)] {
        all.extend(
            app_return().map(|back| (name, Page::NativeOpen(NativeOpenPage { good, back }))),
        );
    }
    let start = "/oauth2/start?rd=%2Freports&fragment=kept".to_owned();
    all.push(("framed", Page::Framed { start: START.to_owned() }));
    all.push(("fragment", Page::Fragment { start }));
    for (name, is_company_unknown) in
        [("signed-out-here", false), ("signed-out-company-unknown", true)]
    {
        let at_entra =
            "https://login.microsoftonline.com/organizations/oauth2/v2.0/logout".to_owned();
        all.push((name, Page::SignedOutHere { at_entra, is_company_unknown }));
    }
    for (name, is_shortened) in [("onward", false), ("onward-shortened", true)] {
        all.push((name, Page::Onward { to: "/reports".to_owned(), is_shortened }));
    }
    all.extend(
        samples_of_setup().into_iter().map(|(name, page)| (name, Page::SetUp(Box::new(page)))),
    );
    all.extend(notices().into_iter().map(|(name, notice)| (name, Page::Notice(notice))));
    all
}

fn identify(unknown: Option<&str>) -> IdentifyPage {
    IdentifyPage {
        action: "/oauth2/sign_in?rd=%2Freports%3Fyear%3D2026".to_owned(),
        app: "reports.contoso.example".to_owned(),
        typed: unknown.unwrap_or_default().to_owned(),
        unknown: unknown.is_some(),
        last: Some(LastSignIn {
            code: "contoso".to_owned(),
            href: "/oauth2/start?rd=%2F&organization=contoso".to_owned(),
        }),
    }
}

fn confirm() -> NativeConfirmPage {
    let action = "/oauth2/native/authorize?client_id=fleet-phone".to_owned();
    NativeConfirmPage {
        action,
        app: "Fleet for phones".to_owned(),
        site: "reports.contoso.example".to_owned(),
    }
}

fn app_return() -> Option<AppReturn> {
    let uri = "com.example.fleet:/signed-in";
    let to = RedirectUri::parse(uri).ok()?.admits(uri)?.answer(&[
        ("code", "aG9yc2U"),
        ("state", "af0ifjsldkj"),
        ("iss", "https://reports.contoso.example"),
    ]);
    Some(AppReturn { app: "Fleet for phones".to_owned(), to })
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

fn notice(kind: NoticeKind, status: u16, whose: NoticeParty, title: &str, what: &str) -> Notice {
    Notice {
        kind,
        status,
        title: title.to_owned(),
        what: what.to_owned(),
        whose,
        next: Vec::new(),
        action: None,
        further: Vec::new(),
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
fn action(label: &str, href: &str) -> Option<NoticeAction> {
    Some(NoticeAction { label: label.to_owned(), href: href.to_owned() })
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where a remedy may be absent")]
fn remedy(it: NoticeRemedy) -> Option<Box<NoticeRemedy>> {
    Some(Box::new(it))
}

fn not_assigned() -> Notice {
    let what = "Your account is fine, but it has not been given access to this app yet.";
    Notice {
        next: texts(&["Ask your administrator to assign you to this app and send them this page."]),
        remedy: remedy(NoticeRemedy {
            reader: NoticeParty::Admin,
            what: "Assign the person, or a group with the person as a direct member; nested groups do not count.".to_owned(),
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
        ..notice(NoticeKind::SignInFailed, 403, NoticeParty::Admin, "You are not assigned to this app", what)
    }
}

fn cancelled() -> Notice {
    Notice {
        back: app_return(),
        next: texts(&["Sign in again whenever you like."]),
        action: action("Sign in again", START),
        details: pairs(&[
            ("Error", "access_denied"),
            ("Reason", "cancel"),
            ("Time (UTC)", "2026-11-24 20:31:07Z"),
        ]),
        ..notice(
            NoticeKind::SignInNeeded,
            403,
            NoticeParty::You,
            "You canceled the sign-in",
            "The sign-in was canceled before it finished. Nothing has changed.",
        )
    }
}

fn secret_expired() -> Notice {
    let what = "The app could not prove its identity to Microsoft: its credential has expired.";
    Notice {
        next: texts(&["You cannot fix this yourself. Contact the app’s owner and send them this page."]),
        remedy: remedy(NoticeRemedy {
            reader: NoticeParty::AppOwner,
            what: "Create a new client secret, store its Value where entra.client_secret is read, and only then delete the old one.".to_owned(),
            place: format!(
                "App registrations > All applications > the app with client ID {CLIENT} > Certificates & secrets > Client secrets > New client secret"
            ),
            command: Some(format!("az ad app credential reset --id {CLIENT} --append --years 1")),
        }),
        action: action("Try again", START),
        details: pairs(&[("Code", "AADSTS7000222"), ("Error", "invalid_client"), ("Time (UTC)", "2026-11-24 20:31:07Z")]),
        ..notice(NoticeKind::Unavailable, 503, NoticeParty::AppOwner, "Sign-in is not available right now", what)
    }
}

fn sign_in_failed() -> Notice {
    let what = "Microsoft’s answer failed our checks, so you were not signed in.";
    Notice {
        details: pairs(&[("Check", "the token is for another audience")]),
        action: action("Try again", START),
        ..notice(
            NoticeKind::SignInFailed,
            403,
            NoticeParty::AppOwner,
            "We could not sign you in",
            what,
        )
    }
}

fn sign_in_needed() -> Notice {
    Notice {
        next: texts(&["Sign in, go back to the form and send it again."]),
        action: action("Sign in", START),
        ..notice(
            NoticeKind::SignInNeeded,
            401,
            NoticeParty::You,
            "You are signed out",
            "To continue, sign in. The data you just sent was not forwarded.",
        )
    }
}

fn forbidden() -> Notice {
    Notice {
        next: texts(&[
            "If you need it for your work, ask your administrator for access and include the reference below.",
        ]),
        action: action("Go to the start page", "/"),
        ..notice(
            NoticeKind::Forbidden,
            403,
            NoticeParty::Admin,
            "You do not have access to this page",
            "You are signed in, but your account is not allowed to open this page.",
        )
    }
}

fn not_found() -> Notice {
    Notice {
        action: action("Go to the start page", "/"),
        ..notice(
            NoticeKind::NotFound,
            404,
            NoticeParty::You,
            "Page not found",
            "The sign-in service has no page at this address.",
        )
    }
}

fn bad_request() -> Notice {
    Notice {
        next: texts(&["Check the link or the address you typed."]),
        ..notice(
            NoticeKind::BadRequest,
            400,
            NoticeParty::You,
            "This address is ambiguous",
            "The address can be read in two ways, so it was not forwarded.",
        )
    }
}

fn bad_gateway() -> Notice {
    Notice {
        next: texts(&["Try again in a moment."]),
        ..notice(
            NoticeKind::Unavailable,
            502,
            NoticeParty::AppOwner,
            "The app is not available",
            "The app at this address cannot be reached right now.",
        )
    }
}

fn entra_unreachable() -> Notice {
    let what = "Microsoft Entra, which signs people in here, cannot be reached right now. People already signed in are not affected.";
    Notice {
        next: texts(&["Try again in a few minutes."]),
        action: action("Try again", START),
        ..notice(
            NoticeKind::Unavailable,
            503,
            NoticeParty::Nobody,
            "Sign-in is not available right now",
            what,
        )
    }
}

fn gateway_timeout() -> Notice {
    notice(
        NoticeKind::Unavailable,
        504,
        NoticeParty::Entra,
        "The app is not responding",
        "The app at this address took too long to respond.",
    )
}

fn turning() -> Notice {
    let what = "You were sent to sign in three times within a minute, because your browser does not return our cookies.";
    Notice {
        next: texts(&["Allow cookies for this site, or open it in its own tab instead of inside another page.", "Then wait a minute and try again."]),
        remedy: remedy(NoticeRemedy {
            reader: NoticeParty::AppOwner,
            what: "If many people see this page: look for a proxy in front that removes Set-Cookie or Cookie, or that people use with a different host name."
                .to_owned(),
            place: "The proxies and load balancers in front of this service".to_owned(),
            command: None,
        }),
        details: pairs(&[("Cause", "cookie-not-returned"), ("Cookies", "sent, but not returned"), ("Host", "the public one"), ("Scheme", "https")]),
        ..notice(NoticeKind::Loop, 400, NoticeParty::You, "Sign-in keeps looping", what)
    }
}

fn long_words() -> Notice {
    let long = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft";
    Notice {
        next: texts(&[long, "<b>Markup</b> & \"quotes\" stay text."]),
        action: action(long, "/"),
        remedy: remedy(NoticeRemedy {
            reader: NoticeParty::Admin,
            what: long.to_owned(),
            place: long.to_owned(),
            command: Some(long.to_owned()),
        }),
        details: pairs(&[(long, long), ("山田", "Zoë Łukasiewicz")]),
        ..notice(NoticeKind::BadRequest, 400, NoticeParty::You, long, long)
    }
}
