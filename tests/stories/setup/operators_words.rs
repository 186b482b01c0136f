//! No page of a customer names the operator's keys, commands, files or variables: only the log does.

use super::*;
use crate::world::browser::NAVIGATION;
use crate::world::samples::{CONTOSO, FABRIKAM, FRIDA, MAYA};
use entrada::emulator::{InjectedRefusal, TokenDefect};
use entrada::entra::aadsts;
use std::collections::BTreeSet;

const ASK: &str = "Ask the person who runs this program and give them the reference.";

/// What an operator reads and types: marks, and every key of the configuration.
fn operators_words() -> Vec<String> {
    let marks = ["entrada ", "entrada.toml", "config.toml", "ENTRADA_", "AZURE_", "HTTPS_PROXY"];
    let keys = entrada::config::keys();
    let sections: BTreeSet<_> =
        keys.iter().map(|it| format!("[{}]", it.name.rsplit_once('.').unwrap().0)).collect();
    marks
        .map(str::to_owned)
        .into_iter()
        .chain(sections)
        .chain(keys.into_iter().map(|it| it.name))
        .collect()
}

/// The text of a page, without its style sheet and its script.
fn text(page: &BrowserPage) -> String {
    let mut out = page.body.clone();
    for name in ["style", "script"] {
        while let Some((before, rest)) = out.split_once(&format!("<{name}>")) {
            let after = rest.split_once(&format!("</{name}>")).unwrap().1;
            out = format!("{before}{after}");
        }
    }
    [
        ("&#x2f;", "/"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(out, |text, (from, to)| text.replace(from, to))
}

/// Collects what pages say that they should not.
struct Reader {
    words: Vec<String>,
    wrong: Vec<String>,
    pages: usize,
}

impl Reader {
    fn new() -> Self {
        Self { words: operators_words(), wrong: Vec::new(), pages: 0 }
    }

    fn reads(&mut self, name: &str, page: &BrowserPage) {
        let text = text(page);
        assert!(text.contains("<!doctype html>"), "{name} is no page: {}", page.body);
        self.pages += 1;
        for word in self.words.iter().filter(|it| text.contains(it.as_str())) {
            let (before, after) = text.split_once(word.as_str()).unwrap();
            let near: String =
                before.chars().rev().take(60).collect::<Vec<_>>().iter().rev().collect();
            let then: String = after.chars().take(40).collect();
            self.wrong.push(format!("{name}: {near}>>{word}<<{then}"));
        }
    }

    fn found_nothing(self, pages: usize) {
        assert!(self.pages >= pages, "{} pages only", self.pages);
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }
}

/// The address with which Entra refuses the sign-in under way.
fn refused(shown: &BrowserPage, code: u32) -> String {
    assert!(shown.is_the_sign_in_at_entra(), "{} {}", shown.status, shown.body);
    let state = shown.url.query_pairs().find(|it| it.0 == "state").unwrap().1.into_owned();
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("error", "access_denied")
        .append_pair("error_description", &format!("AADSTS{code}: Words of Entra."))
        .append_pair("state", &state)
        .finish();
    format!("/oauth2/callback?{query}")
}

#[tokio::test]
async fn whatever_entra_refuses_no_page_of_a_customer_names_the_operators_things() {
    let world = SetUpWorld::start().await;
    let mut admin = world.invited("contoso").await;
    enters(&mut admin, CONTOSO, CLIENT_ID, CLIENT_SECRET).await;
    let mut worker = world.world.browser();
    let (mut reader, mut asked) = (Reader::new(), 0);
    let german =
        [("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("accept-language", "de")];
    let codes: BTreeSet<_> = aadsts::all().map(|it| it.code).chain([999_999]).collect();
    for (at, code) in codes.into_iter().enumerate() {
        let headers = if at % 2 == 0 { NAVIGATION } else { &german };
        let shown = admin.fills("/oauth2/setup/trial", &[]).await;
        let page = admin.asks("GET", &refused(&shown, code), headers).await;
        reader.reads(&format!("test, {code}"), &page);
        asked += usize::from(page.body.contains(ASK));
        worker.forgets();
        let shown = worker.visits("/oauth2/start?organization=fabrikam").await;
        let page = worker.asks("GET", &refused(&shown, code), headers).await;
        assert!(page.status >= 400 && page.body.contains(page.header("x-request-id")), "{code}");
        reader.reads(&format!("sign-in, {code}"), &page);
    }
    assert!(asked > 10, "{asked}");
    // The reason of each, as the admin of fabrikam reads it later.
    world.knows(FRIDA, "fabrikam", "owner").await;
    let mut frida = world.signed_in("fabrikam", FRIDA).await;
    let mut next = Some("/oauth2/setup/sign_ins?refused=1".to_owned());
    while let Some(path) = next {
        let page = frida.visits(&path).await;
        reader.reads(&path, &page);
        next = text(&page)
            .split("href=\"")
            .map(|it| it.split('"').next().unwrap().to_owned())
            .find(|it| it.contains("before="));
    }
    // The operator has the whole remedy.
    let logged = world.world.logged().await;
    assert!(logged.contains("entra.scopes") && logged.contains("entra.cloud"), "{logged}");
    reader.found_nothing(350);
}

#[tokio::test]
async fn no_page_of_the_set_up_and_no_other_refusal_names_them_either() {
    let native = "[[native.client]]\nid = \"phone\"\nname = \"Phone\"\nredirect_uris = [\"http://127.0.0.1/signed-in\"]\n";
    let plan = WorldPlan::of_directory("").with_native(native).with_organizations([
        NewOrganization {
            code: CompanyCode::parse("contoso"),
            name: "Contoso Freight".to_owned(),
            ..NewOrganization::default()
        },
        company("fabrikam", FABRIKAM),
    ]);
    let rules = "[[access.rule]]\npath = \"/group/**\"\nallow = { groups = [\"0a1b2c3d-0000-4000-8000-000000000001\"], organizations = [\"fabrikam\"] }\n[[access.rule]]\npath = \"/nobody/**\"\nallow = \"nobody\"\n";
    let world =
        SetUpWorld { world: World::with(WorldPlan { more: rules.to_owned(), ..plan }).await };
    let mut reader = Reader::new();
    set_up_pages(&world, &mut reader).await;
    admin_pages(&world, &mut reader).await;
    refusals(&world, &mut reader).await;
    reader.found_nothing(50);
}

/// The pages of a visit with a link, and what is refused there.
async fn set_up_pages(world: &SetUpWorld, reader: &mut Reader) {
    let token = world.token("contoso").await;
    let mut admin = world.world.browser();
    reader.reads("link", &admin.visits(&format!("/oauth2/setup/invitation?token={token}")).await);
    reader.reads("no link", &admin.visits("/oauth2/setup/invitation").await);
    let page = admin.fills("/oauth2/setup/invitation", &[("token", &token)]).await;
    reader.reads("steps", &page);
    let page = world.world.browser().fills("/oauth2/setup/invitation", &[("token", &token)]).await;
    reader.reads("used link", &page);
    for (tenant, client_id, secret) in [
        ("x", "y", ""),
        ("nowhere.example", CONTOSO, "***"),
        (CLIENT_ID, CONTOSO, CLIENT_SECRET),
        (CONTOSO, CONTOSO, "AZURE_SECRET=abc"),
        ("cccccccc-2222-dddd-3333-eeee4444ffff", CLIENT_ID, CLIENT_SECRET),
        (CONTOSO, CLIENT_ID, CLIENT_SECRET),
    ] {
        let page = enters(&mut admin, tenant, client_id, secret).await;
        reader.reads(&format!("entered {tenant} {client_id}"), &page);
    }
    reader.reads("on too early", &admin.fills("/oauth2/setup/on", &[]).await);
    world.world.emulator.control().wrong(TokenDefect::Expired);
    reader.reads("expired token", &tests_as(&mut admin, MAYA).await);
    world.world.emulator.control().wrong(TokenDefect::UnknownKid);
    reader.reads("unknown key", &tests_as(&mut admin, MAYA).await);
    reader.reads("test", &tests_as(&mut admin, MAYA).await);
    world.world.emulator.control().be_down(true);
    reader.reads("Microsoft is down", &admin.visits("/oauth2/setup").await);
    world.world.emulator.control().be_down(false);
    world.world.later(120);
    reader.reads("on", &admin.fills("/oauth2/setup/on", &[]).await);
    for path in ["", "/sheet", "/people", "/requests", "/sign_ins", "/history", "/credential"] {
        reader.reads(path, &admin.visits(&format!("/oauth2/setup{path}")).await);
    }
    for path in ["/nothing", "/people?person=x"] {
        reader.reads(path, &admin.visits(&format!("/oauth2/setup{path}")).await);
    }
    reader.reads("off", &admin.fills("/oauth2/setup/off", &[]).await);
    reader.reads("over", &admin.visits("/oauth2/setup").await);
    world.turns("contoso", OrganizationState::On).await;
}

/// The pages of an admin who is signed in.
async fn admin_pages(world: &SetUpWorld, reader: &mut Reader) {
    let frida = world.knows(FRIDA, "fabrikam", "owner").await;
    let felix = world.adds("felix", "fabrikam", "worker").await;
    world.adds("felix.fabrikam", "fabrikam", "worker").await;
    let mut browser = world.signed_in("fabrikam", FRIDA).await;
    browser.visits("/oauth2/start?organization=fabrikam&prompt=login").await;
    browser.signs_in_as(FRIDA).await;
    let person = format!("/people?person={}", felix.id);
    for path in [
        String::new(),
        "/requests".to_owned(),
        person.clone(),
        format!("{person}&confirm=delete"),
        format!("{person}&confirm=merge"),
        format!("{person}&confirm=merge&with=felix.fabrikam"),
        format!("{person}&confirm=merge&with=nobody"),
        format!("{person}&confirm=else"),
        format!("/people?person={}", frida.id),
        "/history".to_owned(),
    ] {
        reader.reads(&path, &browser.visits(&format!("/oauth2/setup{path}")).await);
    }
    for secret in ["0a1b2c3d-1111-2222-3333-444455556666", "\"quoted\"", "x"] {
        let fields = [("do", "set"), ("secret", secret), ("ends", "2001-01-01")];
        let page = browser.fills("/oauth2/setup/credential", &fields).await;
        reader.reads(&format!("secret {secret}"), &page);
    }
    let fields = [("tenant", CONTOSO), ("client_id", CLIENT_ID), ("client_secret", "")];
    reader.reads("moved while on", &browser.fills("/oauth2/setup/connection", &fields).await);
    reader.reads("bad form", &browser.fills("/oauth2/setup/people", &[("do", "x")]).await);
}

/// Refusals outside the set-up page.
async fn refusals(world: &SetUpWorld, reader: &mut Reader) {
    let mut browser = world.world.browser();
    for path in [
        "/oauth2/nothing",
        "/a//b",
        "/oauth2/callback?code=x&state=y",
        "/oauth2/callback?code=x&code=y",
        "/oauth2/callback?admin_consent=True&tenant=x",
        "/oauth2/callback?error=access_denied&error_description=AADSTS65004&admin_consent=False&state=x",
        "/oauth2/native/authorize?client_id=unknown&redirect_uri=http://127.0.0.1/x&response_type=code",
        "/oauth2/native/authorize?client_id=phone&redirect_uri=http://evil.example/&response_type=code",
        "/oauth2/setup/connection",
    ] {
        let page = browser.asks("GET", path, NAVIGATION).await;
        if !page.body.is_empty() {
            reader.reads(path, &page);
        }
    }
    let fields = [("identifier", "nobody")];
    reader.reads("unknown", &browser.fills("/oauth2/sign_in?rd=%2Fx", &fields).await);
    for defect in [
        TokenDefect::Tid,
        TokenDefect::Stranger,
        TokenDefect::Audience,
        TokenDefect::NotYet,
        TokenDefect::UnknownKid,
        TokenDefect::DuplicateClaim,
    ] {
        world.world.emulator.control().wrong(defect);
        browser.forgets();
        browser.visits("/oauth2/start?organization=fabrikam").await;
        let page = browser.signs_in_as(FRIDA).await;
        assert!(page.status >= 400, "{defect:?} {}", page.body);
        reader.reads(&format!("{defect:?}"), &page);
    }
    for refusal in [
        InjectedRefusal {
            error: "invalid_client".to_owned(),
            code: 7_000_215,
            suberror: None,
            claims: None,
        },
        InjectedRefusal {
            error: "invalid_scope".to_owned(),
            code: 70_011,
            suberror: None,
            claims: None,
        },
    ] {
        world.world.emulator.control().refuse_next_token(refusal);
        browser.forgets();
        browser.visits("/oauth2/start?organization=fabrikam").await;
        reader.reads("refused code", &browser.signs_in_as(FRIDA).await);
    }
    let mut frida = world.signed_in("fabrikam", FRIDA).await;
    for path in ["/nobody/x", "/group/x"] {
        let page = frida.asks("GET", path, NAVIGATION).await;
        assert!(page.status >= 400, "{path}: {}", page.body);
        reader.reads(path, &page);
    }
    // Sent round and round.
    browser.forgets();
    for _ in 0..4 {
        let page = browser.asks("GET", "/x", NAVIGATION).await;
        if page.status == 400 {
            reader.reads("loop", &page);
        }
    }
    world.turns("fabrikam", OrganizationState::Off).await;
    browser.forgets();
    let page = browser.visits("/oauth2/start?organization=fabrikam").await;
    assert!(page.status >= 400, "{}", page.body);
    reader.reads("organization off", &page);
}
