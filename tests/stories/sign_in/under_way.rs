//! A sign-in under way: sealed in `state`, in one browser, with the page that was wanted.

use crate::world::browser::{BrowserPage, FORM, NAVIGATION, SCRIPT, TestBrowser};
use crate::world::company::full;
use crate::world::samples::{MAYA, TOM};
use crate::world::{World, WorldPlan};
use std::time::Duration;
use url::Url;

/// Starts a sign-in for a page and returns its callback.
async fn callback_for(browser: &mut TestBrowser, page: &str, person: &str) -> Url {
    let shown = browser.visits(page).await;
    browser.stops_at_the_callback(person, shown).await
}

fn target(url: &Url) -> &str {
    &url[url::Position::BeforePath..]
}

fn state(url: &Url) -> String {
    url.query_pairs().find(|it| it.0 == "state").unwrap().1.into_owned()
}

/// Whoever clicked twice saw an error in the window that stays: Entra redeems a code once.
#[tokio::test]
async fn the_same_callback_twice_has_the_same_outcome() {
    let world = World::start().await;
    let mut maya = world.browser();
    let callback = callback_for(&mut maya, "/x?a=b", MAYA).await;
    let cookie = maya.cookie_header();
    let before = world.emulator.control().code_calls();
    // At the same time, as a double click sends it, and once more.
    let sends = || async {
        let mut tab = world.browser();
        tab.says.push(("cookie", cookie.clone()));
        let page = tab.asks("GET", target(&callback), NAVIGATION).await;
        (page.status, page.header("location").to_owned(), tab.cookie("entrada").unwrap())
    };
    let outcomes = futures_util::future::join_all((0..5).map(|_| sends())).await;
    assert!(outcomes.iter().all(|it| *it == outcomes[0]), "{outcomes:?}");
    assert_eq!((outcomes[0].0, outcomes[0].1.as_str()), (303, "/x?a=b"));
    world.later(9);
    assert_eq!(sends().await, outcomes[0]);
    assert_eq!(world.emulator.control().code_calls(), before + 1);
    maya.plants("entrada", &outcomes[0].2);
    assert_eq!(maya.visits("/x").await.app_heard("x-forwarded-name"), "Maya Okafor");
    assert!(world.logged().await.contains("the same callback again"));
}

/// The window that stays is the second one: the browser has dropped the first request.
#[tokio::test]
async fn a_callback_whose_first_request_was_dropped_has_its_outcome() {
    use tokio::io::AsyncWriteExt as _;
    let world = World::start().await;
    let mut maya = world.browser();
    let callback = callback_for(&mut maya, "/x", MAYA).await;
    let before = world.emulator.control().code_calls();
    world.emulator.control().be_slow(400);
    let mut first = tokio::net::TcpStream::connect(world.address).await.unwrap();
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: localhost:{}\r\nCookie: {}\r\n\r\n",
        target(&callback),
        world.address.port(),
        maya.cookie_header()
    );
    first.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(first);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let page = maya.opens(&callback).await;
    assert_eq!((page.status, page.path_and_query().as_str()), (200, "/x"), "{}", page.body);
    assert_eq!(world.emulator.control().code_calls(), before + 1);
}

/// A refusal that is no verdict about the code, such as of a token that is wrong, is the same too.
#[tokio::test]
async fn a_refused_callback_twice_shows_the_same_page() {
    let world = World::start().await;
    let mut maya = world.browser();
    let callback = callback_for(&mut maya, "/x", MAYA).await;
    world.emulator.control().wrong(entrada::emulator::TokenDefect::Audience);
    let first = maya.asks("GET", target(&callback), NAVIGATION).await;
    let second = maya.asks("GET", target(&callback), NAVIGATION).await;
    assert_eq!((first.status, second.status, &first.body), (403, 403, &second.body));
    assert_eq!(first.header("x-request-id"), second.header("x-request-id"));
    assert!(second.body.contains(second.header("x-request-id")));
}

#[tokio::test]
async fn attack_a_saved_outcome_is_for_the_same_code_in_the_same_browser_only() {
    let world = World::start().await;
    let mut maya = world.browser();
    let callback = callback_for(&mut maya, "/x", MAYA).await;
    let secret = maya.cookie("entrada-b").unwrap();
    let session = {
        maya.opens(&callback).await;
        maya.cookie("entrada").unwrap()
    };
    let before = world.emulator.control().code_calls();
    // Who has seen the address, without the browser or with a secret of their own.
    let mut eve = world.browser();
    eve.opens(&callback).await;
    assert!(eve.cookie("entrada").is_none());
    eve.asks("GET", target(&callback), NAVIGATION).await;
    assert!(eve.cookie("entrada").is_none());
    // In the same browser, another code.
    let mut other = world.browser();
    other.plants("entrada-b", &secret);
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("code", "another"), ("state", &state(&callback))])
        .finish();
    let page = other.asks("GET", &format!("/oauth2/callback?{query}"), NAVIGATION).await;
    assert!(page.status == 302 && other.cookie("entrada").is_none(), "{}", page.body);
    assert_eq!(world.emulator.control().code_calls(), before, "the sign-in has ended");
    // After a sign-out, the browser has another secret.
    maya.posts("/oauth2/sign_out", FORM, "").await;
    assert!(maya.cookie("entrada").is_none() && maya.cookie("entrada-b").as_ref() != Some(&secret));
    maya.asks("GET", target(&callback), NAVIGATION).await;
    assert!(maya.cookie("entrada").is_none());
    maya.plants("entrada", &session);
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 401);
}

/// Word opens a link by itself, follows it to Entra's page, and hands that address to the browser:
/// the cookie is in Word. So do previews in mail and chats.
#[tokio::test]
async fn a_sign_in_that_began_elsewhere_leads_to_its_page() {
    let world = World::start().await;
    let mut word = world.browser();
    let shown = word.visits("/reports?year=2026").await;
    let mut browser = world.browser();
    let callback = browser.stops_at_the_callback(MAYA, shown).await;
    let before = world.emulator.control().code_calls();
    let page = browser.opens(&callback).await;
    assert!(page.is_the_sign_in_at_entra(), "{}", page.body);
    assert_eq!(world.emulator.control().code_calls(), before, "Word's code is not redeemed");
    assert_eq!(browser.signs_in_as(MAYA).await.path_and_query(), "/reports?year=2026");
    assert!(word.cookie("entrada").is_none());
}

#[tokio::test]
async fn a_sign_out_ends_the_sign_ins_under_way_and_keeps_their_pages() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    let callback = callback_for(&mut maya, "/oauth2/start?rd=/y&prompt=login", TOM).await;
    let secret = maya.cookie("entrada-b").unwrap();
    maya.posts("/oauth2/sign_out", FORM, "").await;
    let before = world.emulator.control().code_calls();
    let page = maya.asks("GET", target(&callback), NAVIGATION).await;
    assert!(page.status == 302 && page.header("location").contains("/authorize?"));
    assert_eq!(world.emulator.control().code_calls(), before);
    assert!(maya.cookie("entrada-b").is_some_and(|it| it != secret));
}

/// Links over 2,048 bytes ended at `/`, without a word.
#[tokio::test]
async fn long_links_survive_a_sign_in() {
    let world = World::start().await;
    let long = |bytes: usize| {
        let filters = (0..).map(|it| format!("&filter%5B{it}%5D=%22a%20b%22"));
        let mut link = "/reports?year=2026".to_owned();
        filters
            .take_while(|it| {
                link.push_str(it);
                link.len() < bytes
            })
            .for_each(drop);
        link.truncate(bytes);
        link
    };
    for bytes in [500, 900, 1200, 2000, 2047, 2048, 2049, 3000, 5000, 6500] {
        let link = long(bytes);
        let mut maya = world.browser();
        let callback = callback_for(&mut maya, &link, MAYA).await;
        let state = state(&callback);
        assert!(state.len() <= 1500, "{bytes}: {}", state.len());
        assert_eq!(maya.opens(&callback).await.path_and_query(), link, "{bytes}");
    }
    // By the page with the button, and by a script's link.
    let link = long(3000);
    let mut maya = world.browser();
    let said =
        maya.asks("GET", &link, SCRIPT).await.json()["sign_in_url"].as_str().unwrap().to_owned();
    maya.opens(&Url::parse(&said).unwrap()).await;
    assert_eq!(maya.signs_in_as(MAYA).await.path_and_query(), link);
}

/// Where a long link is no longer kept, or is too long to keep, its path is left, and the page says
/// so.
#[tokio::test]
async fn a_link_that_is_not_kept_leads_to_its_page_and_says_so() {
    let world = World::start().await;
    let link = |bytes: usize| format!("/reports?q={}", "a".repeat(bytes));
    for (length, is_kept) in [(3000, true), (9000, false)] {
        let mut maya = world.browser();
        let callback = callback_for(&mut maya, &link(length), MAYA).await;
        if is_kept {
            // Strangers with long links of their own.
            let store = &world.internals().process.store;
            for at in 0..10_000 {
                store.keep_purpose(&at.to_string(), b"{}".to_vec(), world.clock.now()).await;
            }
        }
        let page = maya.opens(&callback).await;
        assert!(
            page.status == 200
                && page.body.contains("too long to keep")
                && page.body.contains("href=\"/reports\""),
            "{}",
            page.body
        );
        assert!(page.onward().is_none() && maya.cookie("entrada").is_some());
        assert_eq!(maya.visits("/reports").await.app_heard("x-forwarded-name"), "Maya Okafor");
    }
}

/// The rest of a link that is too long is missing in the next sign-in for it too, and the page still
/// said nothing.
#[tokio::test]
async fn that_a_link_was_shortened_is_said_at_the_end_of_whatever_sign_in_it_leads_to() {
    let world = World::start().await;
    let link = format!("/reports?q={}", "a".repeat(9000));
    let is_said = |page: &BrowserPage| page.status == 200 && page.body.contains("too long to keep");
    let mut maya = world.browser();
    let callback = callback_for(&mut maya, &link, MAYA).await;
    // Too late, so another sign-in begins.
    world.later(601);
    let shown = maya.opens(&callback).await;
    let again = maya.stops_at_the_callback(MAYA, shown).await;
    let page = maya.opens(&again).await;
    assert!(is_said(&page) && page.body.contains("href=\"/reports\""), "{}", page.body);
    // Nobody has to sign in again, but the page is not the one that was asked for.
    world.later(11);
    let page = maya.opens(&callback).await;
    assert!(is_said(&page) && page.body.contains("href=\"/reports\""), "{}", page.body);
}

/// The address of the page that asks for the company was as long as the link, and front proxies
/// reject such a request.
#[tokio::test]
async fn a_long_link_goes_through_the_page_that_asks_and_back_whole() {
    let world = World::with(full()).await;
    let link = format!("/reports?q={}", "%20a".repeat(1500));
    let mut maya = world.browser();
    let page = maya.visits(&link).await;
    let asking = page.path_and_query();
    assert!(asking.starts_with("/oauth2/sign_in?rd=%2Freports&kept="), "{asking}");
    let shown = maya.fills(&asking, &[("identifier", "contoso")]).await;
    assert!(shown.is_the_sign_in_at_entra(), "{}", shown.body);
    assert_eq!(maya.signs_in_as(MAYA).await.path_and_query(), link);
    // So does a wrong entry first, whose page asks again.
    let mut maya = world.browser();
    let asking = maya.visits(&link).await.path_and_query();
    let page = maya.fills(&asking, &[("identifier", "nobody-knows")]).await;
    let action = page.body.split_once("action=\"").unwrap().1.split_once('"').unwrap().0;
    let action = action.replace("&amp;", "&").replace("&#x3d;", "=");
    assert!(page.status == 404 && action.len() < 2300, "{action}");
    maya.fills(&action, &[("identifier", "contoso")]).await;
    assert_eq!(maya.signs_in_as(MAYA).await.path_and_query(), link);
}

/// A `state` that Eve chose to start at a company, or in her own browser, starts nowhere but at our
/// own page that asks.
#[tokio::test]
async fn attack_a_state_of_another_browser_chooses_no_company() {
    let world = World::with(full()).await;
    let mut eve = world.browser();
    let shown = eve.visits("/oauth2/start?rd=/x&organization=contoso").await;
    let callback = eve.stops_at_the_callback(MAYA, shown).await;
    let mut victim = world.browser();
    let page = victim.asks("GET", target(&callback), NAVIGATION).await;
    assert_eq!((page.status, page.header("location")), (302, "/oauth2/sign_in?rd=%2Fx"));
    // Nor does it after ten minutes in her own.
    world.later(601);
    let page = eve.asks("GET", target(&callback), NAVIGATION).await;
    assert_eq!((page.status, page.header("location")), (302, "/oauth2/sign_in?rd=%2Fx"));
}

/// The page in `state` is one of ours, or of a listed host, also when the list has become shorter.
#[tokio::test]
async fn attack_a_sealed_page_is_judged_again_when_it_is_used() {
    let plan = || WorldPlan {
        server: "return_hosts = [\"other.example\"]".into(),
        ..WorldPlan::default()
    };
    let world = World::with(plan()).await;
    let mut maya = world.browser();
    let callback = callback_for(&mut maya, "/oauth2/start?rd=http://other.example/x", MAYA).await;
    let config = world.changed("return_hosts = [\"other.example\"]", "return_hosts = []");
    world.service.reload(&config).await.unwrap();
    let page = maya.asks("GET", target(&callback), NAVIGATION).await;
    assert_eq!((page.status, page.header("location")), (303, "/"));
}

/// Cookies do not distinguish ports: two programs on one machine deleted each other's.
#[tokio::test]
async fn programs_at_two_ports_of_one_host_leave_each_others_cookies_alone() {
    let (one, two) = (World::start().await, World::start().await);
    let mut maya = one.signed_in(MAYA).await;
    let callback = callback_for(&mut maya, "/oauth2/start?rd=/one&prompt=login", TOM).await;
    maya.moves_to(&two);
    maya.visits("/two").await;
    assert_eq!(maya.signs_in_as(TOM).await.app_heard("x-forwarded-name"), "Tom Becker");
    let page = maya.posts("/oauth2/sign_out", FORM, "").await;
    let other = format!("entrada-{}", one.address.port());
    for line in page.headers.get_all("set-cookie") {
        assert!(!line.to_str().unwrap().starts_with(&other), "{line:?}");
    }
    let header = maya.cookie_header();
    assert!(!header.contains(&format!("entrada-{}=", two.address.port())), "{header}");
    maya.moves_to(&one);
    assert_eq!(maya.visits("/x").await.app_heard("x-forwarded-name"), "Maya Okafor");
    assert_eq!(maya.opens(&callback).await.path_and_query(), "/one");
    // Nothing of either reaches an app.
    assert!(!maya.visits("/x").await.app_heard("cookie").contains("entrada"));
}

/// Everything that makes an address to Entra long at once: hints, contexts and a long link. The
/// browser of the stories checks each head.
#[tokio::test]
async fn no_redirect_of_ours_has_a_long_head() {
    let world = World::start().await;
    let mut maya = world.browser();
    let acrs: String = (1..100).map(|it| format!("&acrs=c{it}")).collect();
    let hints =
        format!("login_hint={}&domain_hint={}{acrs}", "%C3%A9".repeat(128), "%22".repeat(256));
    for rd in ["/x".to_owned(), format!("/x?{}", "%2526".repeat(300))] {
        let page = maya.visits(&format!("/oauth2/start?rd={rd}&{hints}")).await;
        assert!(page.is_the_sign_in_at_entra(), "{} {}", page.status, page.body);
    }
}

/// An app with `#/orders/5` in its address loses it at Entra: browsers send it to nobody. What the
/// page's script does is done here by hand.
#[tokio::test]
async fn a_fragment_comes_back_where_it_is_kept() {
    let plan = WorldPlan { session: "keep_fragment = true".into(), ..WorldPlan::default() };
    let world = World::with(plan).await;
    let mut maya = world.browser();
    let page = maya.asks("GET", "/shop?a=b", NAVIGATION).await;
    assert!(page.status == 401 && page.header("set-cookie").is_empty(), "{}", page.body);
    let policy = page.header("content-security-policy");
    assert!(policy.contains("script-src 'sha256-") && policy.contains("frame-ancestors 'none'"));
    assert!(page.body.contains("<script>const start ="), "{}", page.body);
    // Without a script, the sign-in starts all the same.
    let start = page.onward().unwrap();
    assert!(start.starts_with("/oauth2/start?rd=%2Fshop%3Fa%3Db"), "{start}");
    for (hash, back) in [("", "/shop?a=b"), ("#/orders/5?x=y", "/shop?a=b#/orders/5?x=y")] {
        let mut url = Url::parse(&format!("{}{start}", world.public_url)).unwrap();
        let pairs: Vec<_> = url.query_pairs().into_owned().collect();
        url.query_pairs_mut().clear().extend_pairs(pairs.iter().map(|(name, value)| {
            (name, if name == "rd" { format!("{value}{hash}") } else { value.clone() })
        }));
        let mut maya = world.browser();
        let shown = maya.opens(&url).await;
        let callback = maya.stops_at_the_callback(MAYA, shown).await;
        let page = maya.asks("GET", target(&callback), NAVIGATION).await;
        assert_eq!((page.status, page.header("location")), (303, back));
    }
    // A front proxy redirects to the start, where browsers keep the fragment; hints go along.
    let page = maya.asks("GET", "/oauth2/start?rd=%2Fx&login_hint=m%26x&evil=y", NAVIGATION).await;
    assert_eq!(page.status, 200);
    let start = page.onward().unwrap();
    assert_eq!(start, "/oauth2/start?rd=%2Fx&login_hint=m%26x&fragment=kept");
    // A link that is too long for another comes back whole, with its fragment.
    let link = format!("/shop?q={}", "a".repeat(3000));
    let mut tom = world.browser();
    let start = tom.asks("GET", &link, NAVIGATION).await.onward().unwrap();
    assert!(start.starts_with("/oauth2/start?rd=%2Fshop&kept="), "{start}");
    let start = start.replacen("rd=%2Fshop", "rd=%2Fshop%23%2Forders%2F5", 1);
    let callback = callback_for(&mut tom, &start, TOM).await;
    // The page leads there, because a redirect would be too long.
    let page = tom.asks("GET", target(&callback), NAVIGATION).await;
    assert_eq!((page.status, page.onward()), (200, Some(format!("{link}#/orders/5"))));
    // Scripts are told as ever, and a plain redirect is what others get.
    assert_eq!(maya.asks("GET", "/shop", SCRIPT).await.status, 401);
    let usual = World::start().await;
    assert_eq!(usual.browser().asks("GET", "/shop", NAVIGATION).await.status, 302);
}
