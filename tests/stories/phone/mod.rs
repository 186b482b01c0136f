//! Apps of phones and command lines send somebody's browser to sign in: what they may ask, and what they hear.

mod asking;
mod coming_back;

use crate::world::browser::{BrowserPage, NAVIGATION, TestBrowser};
use crate::world::{World, WorldPlan};
use std::ops::Deref;
use url::Url;

/// Where the phone app hears its answer: a scheme of its own, a claimed address, and loopback.
const SCHEME: &str = "com.example.fleet:/signed-in";
const CLAIMED: &str = "https://app.example.com/phone/signed-in";
const LOOPBACK: &str = "http://127.0.0.1:51234/signed-in";

/// The verifier of RFC 7636 appendix B, and its challenge.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

const NATIVE: &str = r#"
[[native.client]]
id = "fleet-phone"
name = "Fleet for phones"
redirect_uris = ["com.example.fleet:/signed-in", "https://app.example.com/phone/signed-in", "http://127.0.0.1/signed-in"]
scopes = ["jobs"]
[[native.client]]
id = "other"
name = "Another app"
redirect_uris = ["com.example.other:/signed-in"]
"#;

/// A world with two companies and two apps.
struct PhoneWorld {
    world: World,
}

impl Deref for PhoneWorld {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl PhoneWorld {
    async fn start() -> Self {
        Self::with(NATIVE).await
    }

    async fn with(native: &str) -> Self {
        let plan = WorldPlan::of_directory("")
            .with_organizations_of_file()
            .with_native(native)
            .sending(&["x-forwarded"])
            .where_time_stands();
        Self { world: World::with(plan).await }
    }

    fn issuer(&self) -> &str {
        &self.world.public_url
    }
}

/// A request as a good client sends it, with that instead of its own; `None` leaves it out.
fn asks(changes: &[(&str, Option<&str>)]) -> String {
    let usual = [
        ("client_id", "fleet-phone"),
        ("redirect_uri", LOOPBACK),
        ("response_type", "code"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "the app's own = 1&2"),
    ];
    let change = |name: &str| changes.iter().find(|it| it.0 == name);
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in usual {
        query.extend_pairs(change(name).map_or(Some(value), |it| it.1).map(|it| (name, it)));
    }
    for (name, value) in changes.iter().filter(|it| usual.iter().all(|usual| usual.0 != it.0)) {
        query.extend_pairs(value.map(|it| (*name, it)));
    }
    format!("/oauth2/native/authorize?{}", query.finish())
}

/// Where a redirect leads.
fn location(page: &BrowserPage) -> Url {
    Url::parse(page.header("location"))
        .unwrap_or_else(|it| panic!("{it}: {} {}", page.status, page.body))
}

/// The one value of a parameter.
fn said(url: &Url, name: &str) -> Option<String> {
    let all: Vec<_> =
        url.query_pairs().filter(|it| it.0 == name).map(|it| it.1.into_owned()).collect();
    assert!(all.len() <= 1, "{name} stands twice in {url}");
    all.into_iter().next()
}

/// Signs in at the emulator's page that is shown, and stops where the app is told.
async fn comes_back(browser: &mut TestBrowser, person: &str, shown: BrowserPage) -> BrowserPage {
    let callback = browser.stops_at_the_callback(person, shown).await;
    browser.asks("GET", callback.as_str(), NAVIGATION).await
}
