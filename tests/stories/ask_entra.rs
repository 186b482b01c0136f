//! `[directory] unknown = "ask-entra"`: whatever is typed goes to Entra first, and only an account of its own tenant leads on to a company.

use crate::organizations::{OrganizationsWorld, query};
use crate::world::browser::{BrowserPage, NAVIGATION, SCRIPT, TestBrowser};
use crate::world::raw::talk;
use crate::world::samples::{CONTOSO, FRIDA, MAYA, TOM};
use crate::world::{CLIENT_ID, WorldPlan};
use entrada::emulator::TokenDefect;
use url::Url;

const CALM: &str = "We could not find that username or company code.";

async fn world() -> OrganizationsWorld {
    with("").await
}

async fn with(more: &str) -> OrganizationsWorld {
    let entra = "tenant = \"organizations\"\nallowed_tenants = [\"*\"]".to_owned();
    OrganizationsWorld::with(&format!("unknown = \"ask-entra\"\n{more}"), |it| WorldPlan {
        entra,
        time_stands: true,
        ..it
    })
    .await
}

/// Where a redirect to Entra leads, without what is new each time.
fn asked(page: &BrowserPage) -> Url {
    let mut url = Url::parse(page.header("location"))
        .unwrap_or_else(|it| panic!("{it}: {} {}", page.status, page.body));
    let kept: Vec<_> = url
        .query_pairs()
        .into_owned()
        .filter(|it| !["state", "nonce", "code_challenge", "login_hint"].contains(&it.0.as_str()))
        .collect();
    url.query_pairs_mut().clear().extend_pairs(kept);
    url
}

/// Types that, and picks an account at both legs.
async fn comes(
    world: &OrganizationsWorld,
    browser: &mut TestBrowser,
    typed: &str,
    person: &str,
) -> BrowserPage {
    let shown = world.types(browser, typed).await;
    assert!(
        shown.is_the_sign_in_at_entra() && shown.url.path().starts_with("/organizations/"),
        "{} {}",
        shown.status,
        shown.url
    );
    let shown = browser.signs_in_as(person).await;
    if shown.is_the_sign_in_at_entra() { browser.signs_in_as(person).await } else { shown }
}

/// Types that, and comes back from Entra with an account of a tenant that no company has.
async fn stranger_comes(
    world: &OrganizationsWorld,
    browser: &mut TestBrowser,
    typed: &str,
) -> BrowserPage {
    let shown = world.types(browser, typed).await;
    assert!(shown.is_the_sign_in_at_entra(), "{} {}", shown.status, shown.body);
    world.world.emulator.control().wrong(TokenDefect::Stranger);
    browser.signs_in_as(MAYA).await
}

#[tokio::test]
async fn whatever_is_typed_leads_to_the_same_place_and_nothing_is_looked_up() {
    let world = world().await;
    world.knows(MAYA, "contoso", "admin").await;
    let mut seen = Vec::new();
    for typed in [
        MAYA,
        "contoso",
        "nobody-at-all",
        "nobody@contoso.example",
        "nobody@nowhere.example",
        "fabrikam",
        "' OR 1=1 --",
    ] {
        let form = format!(
            "identifier={}",
            url::form_urlencoded::byte_serialize(typed.as_bytes()).collect::<String>()
        );
        let by_form = world
            .world
            .browser()
            .posts("/oauth2/sign_in?rd=%2Fx", crate::world::browser::FORM, &form)
            .await;
        let link =
            format!("/oauth2/start?rd=%2Fx&organization={}", form.split_once('=').unwrap().1);
        let by_link = world.world.browser().asks("GET", &link, NAVIGATION).await;
        for page in [by_form, by_link] {
            assert_eq!(page.status, 302, "{typed}: {}", page.body);
            let hint = query(&Url::parse(page.header("location")).unwrap(), "login_hint");
            assert_eq!(hint.as_deref(), Some(typed).filter(|it| it.contains('@')), "{typed}");
            seen.push(asked(&page));
        }
        let told = world.world.browser().posts("/oauth2/sign_in?rd=%2Fx", SCRIPT, &form).await;
        assert!(told.json()["sign_in_url"].as_str().unwrap().ends_with(&link), "{}", told.body);
    }
    assert!(
        seen.iter().all(|it| *it == seen[0] && it.path() == "/organizations/oauth2/v2.0/authorize"),
        "{seen:#?}"
    );
    assert_eq!(
        (query(&seen[0], "scope").as_deref(), query(&seen[0], "client_id").as_deref()),
        (Some("openid profile"), Some(CLIENT_ID))
    );
    let figures =
        talk(world.world.admin, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await;
    assert!(!figures.contains("entrada_directory_lookups_total{"), "{figures}");
}

#[tokio::test]
async fn a_known_person_and_an_unknown_one_come_in_by_two_steps_at_entra() {
    let world = world().await;
    let id = world.knows(MAYA, "contoso", "admin").await;
    let mut maya = world.world.browser();
    let page = comes(&world, &mut maya, " Maya@Contoso.example", MAYA).await;
    assert_eq!((page.status, page.path_and_query().as_str()), (200, "/x?y=1"), "{}", page.body);
    assert_eq!(
        (page.app_heard("x-entrada-person"), page.app_heard("x-entrada-role").as_str()),
        (id, "admin")
    );
    // By the company's code, by its domain, and by nothing that anybody is called: there is one company of her tenant.
    for (typed, person, company) in [
        ("Fabrikam", FRIDA, "fabrikam"),
        (TOM, TOM, "contoso"),
        ("a slip of the keys", MAYA, "contoso"),
    ] {
        let page = comes(&world, &mut world.world.browser(), typed, person).await;
        assert_eq!(
            (page.status, page.app_heard("x-entrada-organization").as_str()),
            (200, company),
            "{typed}: {}",
            page.body
        );
    }
    let page = comes(&world, &mut world.world.browser(), "fabrikam", FRIDA).await;
    assert_eq!(page.app_heard("x-entrada-role"), "worker");
    // The second step is at the company's own tenant, with the account of the first.
    let page = comes(&world, &mut world.world.browser(), "contoso", MAYA).await;
    let second = page
        .way
        .iter()
        .find(|it| it.path().starts_with(&format!("/{CONTOSO}/")))
        .unwrap_or_else(|| panic!("{:#?}", page.way));
    assert_eq!(query(second, "login_hint").as_deref(), Some(MAYA));
    assert!(query(second, "scope").unwrap().contains("offline_access"));
}

#[tokio::test]
async fn attack_of_another_companys_people_and_codes_an_account_tells_nothing() {
    let world = world().await;
    world.knows(MAYA, "contoso", "admin").await;
    let mut pages = Vec::new();
    // Of that tenant there is no company: its people may type what they like.
    for typed in [MAYA, "contoso", "nobody", "fabrikam", "nobody@contoso.example"] {
        let mut nora = world.world.browser();
        let page = stranger_comes(&world, &mut nora, typed).await;
        assert!(
            page.status == 404 && page.body.contains(CALM),
            "{typed}: {} {}",
            page.status,
            page.body
        );
        assert_eq!(
            nora.asks("GET", "/oauth2/userinfo", SCRIPT).await.status,
            401,
            "{typed}: a session began"
        );
        let escaped = typed.replace('@', "&#x40;");
        pages.push(page.body.replace(typed, "TYPED").replace(&escaped, "TYPED"));
    }
    assert!(pages.iter().all(|it| *it == pages[0]), "{pages:#?}");
    assert_eq!(world.world.app.seen.count(), 0);
}

#[tokio::test]
async fn attack_the_first_step_begins_no_session_and_its_code_is_good_for_no_other_step() {
    let world = world().await;
    let mut maya = world.world.browser();
    let shown = world.types(&mut maya, "contoso").await;
    let first = maya.stops_at_the_callback(MAYA, shown).await;
    let calls = world.world.emulator.control().code_calls();
    let second = maya.asks("GET", first.as_str(), NAVIGATION).await;
    assert_eq!(
        (second.status, world.world.emulator.control().code_calls()),
        (302, calls + 1),
        "{}",
        second.body
    );
    assert_eq!(maya.asks("GET", "/oauth2/userinfo", SCRIPT).await.status, 401);
    // Sent twice, it has the same outcome, and Entra hears nothing of it.
    let again = maya.asks("GET", first.as_str(), NAVIGATION).await;
    assert_eq!((again.status, again.header("location")), (302, second.header("location")));
    // Later it is nothing under way, and does not begin again by itself.
    world.world.later(11);
    let again = maya.asks("GET", first.as_str(), NAVIGATION).await;
    assert!(
        again.status == 400 && again.body.contains("/oauth2/start?rd="),
        "{} {}",
        again.status,
        again.body
    );
    assert_eq!(
        (
            maya.asks("GET", "/oauth2/userinfo", SCRIPT).await.status,
            world.world.emulator.control().code_calls()
        ),
        (401, calls + 1)
    );
    // Its code under the state of the second step: Entra refuses it, and nobody is signed in.
    let state = query(&Url::parse(second.header("location")).unwrap(), "state").unwrap();
    let mut other = world.world.browser();
    let shown = world.types(&mut other, "contoso").await;
    let code = query(&other.stops_at_the_callback(MAYA, shown).await, "code").unwrap();
    let mixed = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("code", &code), ("state", &state)])
        .finish();
    let page = maya.asks("GET", &format!("/oauth2/callback?{mixed}"), NAVIGATION).await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert_eq!(maya.asks("GET", "/oauth2/userinfo", SCRIPT).await.status, 401);
}

#[tokio::test]
async fn attack_a_code_of_the_second_step_does_not_pass_for_one_of_the_first() {
    let world = world().await;
    let mut maya = world.world.browser();
    let shown = world.types(&mut maya, "contoso").await;
    let first = maya.stops_at_the_callback(MAYA, shown).await;
    let second = maya.asks("GET", first.as_str(), NAVIGATION).await;
    let back = maya.asks("GET", second.header("location"), NAVIGATION).await;
    let code = query(&Url::parse(back.header("location")).unwrap(), "code").unwrap();
    let begun = maya
        .posts("/oauth2/sign_in?rd=%2Fx", crate::world::browser::FORM, "identifier=fabrikam")
        .await;
    let state = query(&Url::parse(begun.header("location")).unwrap(), "state").unwrap();
    let mixed = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("code", &code), ("state", &state)])
        .finish();
    let page = maya.asks("GET", &format!("/oauth2/callback?{mixed}"), NAVIGATION).await;
    assert_eq!(page.status, 403, "{}", page.body);
}

#[tokio::test]
async fn what_entra_refuses_at_the_first_step_is_told_and_leads_back() {
    let world = world().await;
    for wrong in [
        TokenDefect::Nonce,
        TokenDefect::Signature,
        TokenDefect::Audience,
        TokenDefect::Tid,
        TokenDefect::Expired,
    ] {
        let mut maya = world.world.browser();
        world.types(&mut maya, "contoso").await;
        world.world.emulator.control().wrong(wrong);
        let page = maya.signs_in_as(MAYA).await;
        assert!(
            page.status == 403 && page.body.contains("organization=contoso"),
            "{wrong:?}: {} {}",
            page.status,
            page.body
        );
        assert_eq!(maya.asks("GET", "/oauth2/userinfo", SCRIPT).await.status, 401);
    }
    // Who guesses after having signed in waits as well.
    for at in 0..31 {
        let page = stranger_comes(&world, &mut world.world.browser(), &format!("guess-{at}")).await;
        assert_eq!(page.status, if at < 30 { 404 } else { 429 }, "{at}");
    }
}

#[tokio::test]
async fn where_two_companies_share_a_tenant_the_code_says_which() {
    let other = format!(
        "[[organization]]\ncode = \"contoso-eu\"\ntenant = \"{CONTOSO}\"\nclient_id = \"{CLIENT_ID}\"\nclient_secret = {{ env = \"STORY_CLIENT_SECRET\" }}\n"
    );
    let world = with(&other).await;
    let page = comes(&world, &mut world.world.browser(), "contoso-eu", MAYA).await;
    assert_eq!(
        (page.status, page.app_heard("x-entrada-organization").as_str()),
        (200, "contoso-eu"),
        "{}",
        page.body
    );
    let page = comes(&world, &mut world.world.browser(), "nobody", MAYA).await;
    assert!(page.status == 404 && page.body.contains(CALM), "{} {}", page.status, page.body);
}

#[tokio::test]
async fn an_app_of_a_phone_gets_its_code_by_two_steps_and_a_calm_page_where_nobody_signs_in() {
    let client = "[native]\n[[native.client]]\nid = \"fleet-phone\"\nname = \"Fleet for phones\"\nredirect_uris = [\"https://app.example.com/phone/signed-in\"]\n";
    let world = with(client).await;
    let asked = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("client_id", "fleet-phone"),
            ("redirect_uri", "https://app.example.com/phone/signed-in"),
            ("response_type", "code"),
        ])
        .extend_pairs([
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
            ("state", "mine"),
        ])
        .extend_pairs([("organization", "contoso")])
        .finish();
    let mut browser = world.world.browser();
    let shown = browser.visits(&format!("/oauth2/native/authorize?{asked}")).await;
    assert!(shown.url.path().starts_with("/organizations/"), "{}", shown.url);
    let first = browser.stops_at_the_callback(MAYA, shown).await;
    let second = browser.asks("GET", first.as_str(), NAVIGATION).await;
    assert!(second.header("location").contains(CONTOSO), "{} {}", second.status, second.body);
    let callback = browser.asks("GET", second.header("location"), NAVIGATION).await;
    let told = browser.asks("GET", callback.header("location"), NAVIGATION).await;
    let told = Url::parse(told.header("location"))
        .unwrap_or_else(|it| panic!("{it}: {} {}", told.status, told.body));
    assert_eq!(
        (told.host_str(), query(&told, "state").as_deref()),
        (Some("app.example.com"), Some("mine"))
    );
    assert!(query(&told, "code").is_some(), "{told}");
    assert_eq!(browser.asks("GET", "/oauth2/userinfo", SCRIPT).await.status, 401);
    // Nobody signs in by it: the page asks again on behalf of the app.
    let mut browser = world.world.browser();
    browser.visits(&format!("/oauth2/native/authorize?{asked}")).await;
    world.world.emulator.control().wrong(TokenDefect::Stranger);
    let page = browser.signs_in_as(MAYA).await;
    assert!(
        page.status == 404 && page.body.contains(CALM) && page.body.contains("Fleet for phones"),
        "{} {}",
        page.status,
        page.body
    );
    let action = page
        .body
        .split("action=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .replace("&amp;", "&");
    assert!(
        action.starts_with("/oauth2/native/authorize?client_id=fleet-phone")
            && !action.contains("organization="),
        "{action}"
    );
}

/// A page of another site can lead a browser whose person Entra remembers through the whole first step, as often as it wants.
#[tokio::test]
async fn attack_links_of_other_sites_make_nobody_wait_who_types_on_our_own_page() {
    let world = world().await;
    let link = [
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-dest", "document"),
    ];
    for at in 0..31 {
        let mut browser = world.world.browser();
        let page = browser.asks("GET", "/oauth2/start?organization=guess", &link).await;
        let shown = browser.opens(&Url::parse(page.header("location")).unwrap()).await;
        let callback = browser.stops_at_the_callback(FRIDA, shown).await;
        world.world.emulator.control().wrong(TokenDefect::Stranger);
        let status = browser.asks("GET", callback.as_str(), &link).await.status;
        assert_eq!(
            status,
            if at < 30 { 404 } else { 200 },
            "beyond the limit, the page asks: {at}"
        );
    }
    world.knows(MAYA, "contoso", "admin").await;
    let page = comes(&world, &mut world.world.browser(), MAYA, MAYA).await;
    assert_eq!(page.status, 200, "{}", page.body);
}
