//! Class 11: nobody is sent to another site, whatever `rd` says, on the way in or out.

use super::{BOTH, HttpVersion, ask};
use crate::world::browser::NAVIGATION;
use crate::world::samples::MAYA;
use crate::world::{World, WorldPlan};
use std::collections::BTreeSet;
use url::Url;

const PUBLIC: &str = "https://app.example.com";

fn listed() -> WorldPlan {
    WorldPlan {
        server: "return_hosts = [\".example.com\", \"one.example.org\"]\ntrusted_proxies = [\"127.0.0.1\"]".into(),
        public_url: Some(PUBLIC.into()),
        ..WorldPlan::default()
    }
}

const FRONT: [(&str, &str); 2] =
    [("x-forwarded-host", "app.example.com"), ("x-forwarded-proto", "https")];

/// Every way to begin times every way to name another host, and what stands between.
fn corpus() -> BTreeSet<String> {
    let begins = [
        "//",
        "///",
        "////",
        "/\\",
        "\\/",
        "\\\\",
        "/\\/",
        "/\t/",
        "/\n/",
        "/\r/",
        "/\u{b}/",
        "/\u{a0}/",
        "/%09/",
        "/%0a/",
        "/%5c",
        "/%2f",
        "/%2f%2f",
        "/.//",
        "/..//",
        "/./\\",
        "/../..//",
        "/;//",
        "/?//../",
        "https:",
        "https:/",
        "https://",
        "https:///",
        "https:\\\\",
        "HTTPS://",
        "hTTpS:",
        "http://",
        "http:",
        "ftp://",
        " https://",
        "\thttps://",
        "\u{1}https://",
        "ht\ntps://",
        "https%3a//",
        "https://app.example.com@",
        "https://app.example.com:x@",
        "https://app.example.com%00@",
        "https://app.example.com\\@",
        "https://app.example.com%2f@",
        "https://app.example.com.",
        "https://app.example.com:443@",
        "https://[",
        "@",
        ":",
        "/@",
        "javascript://",
        "data:text/html,",
        "//app.example.com@",
        "https:app.example.com@",
        "/\u{2028}/",
        "\u{feff}//",
        "https:\u{ff0f}\u{ff0f}",
        "",
    ];
    let hosts = [
        "evil.example",
        "evil.example/x",
        "evil.example:443/",
        "evil%E3%80%82example",
        "evil。example",
        "ｅｖｉｌ.example",
        "evil.example?app.example.com",
        "evil.example#app.example.com",
        "badexample.com",
        "example.com.evil.example",
        "app.example.com.evil.example",
        "one.example.org.evil.example",
        "x.one.example.org",
        "evil.example\\.example.com",
        "evil.example%2f.example.com",
        "evil.example\0.example.com",
        "1113982867",
        "0x42.0x0.1",
        "[::1]",
    ];
    let mut out: BTreeSet<_> = begins
        .iter()
        .flat_map(|begin| hosts.iter().map(move |host| format!("{begin}{host}")))
        .collect();
    let single = [
        "javascript:alert(1)",
        "javascript:%0aalert(1)//https://app.example.com/",
        "JaVaScRiPt:alert(1)",
        "data:text/html,<script>",
        "vbscript:x",
        "/x\r\nSet-Cookie: a=b",
        "/x\r\n\r\n<html>",
        "/oauth2/sign_out",
        "/oauth2/start?rd=/",
        "\0/evil.example",
    ];
    out.extend(single.map(str::to_owned));
    out.insert(format!("/{}", "a".repeat(5000)));
    out
}

fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Where a browser goes that is on our site.
fn lands_at_home(place: &str) -> bool {
    let home = Url::parse(PUBLIC).unwrap();
    let Ok(url) = home.join(place) else { return false };
    let host = url.host_str().unwrap_or_default();
    let below = host.strip_suffix(".example.com").is_some_and(|it| !it.is_empty());
    url.scheme() == "https" && url.username().is_empty() && (below || host == "one.example.org")
}

/// The `rd` that a page of ours carries on.
fn carried(body: &str) -> String {
    let text = body.replace("&#x2f;", "/").replace("&#x3d;", "=").replace("&amp;", "&");
    let rd = text
        .split_once("rd=")
        .unwrap_or_else(|| panic!("no rd: {body}"))
        .1
        .split(['"', '&', '<'])
        .next()
        .unwrap()
        .to_owned();
    url::form_urlencoded::parse(format!("rd={rd}").as_bytes()).next().unwrap().1.into_owned()
}

#[tokio::test]
async fn no_place_of_the_corpus_leads_away_by_our_pages() {
    let world = World::with(listed()).await;
    let corpus = corpus();
    assert!(corpus.len() >= 1000, "{}", corpus.len());
    let mut http2 = crate::world::raw::http2(world.address).await;
    for place in &corpus {
        for page in ["sign_in", "sign_out"] {
            let target = format!("https://app.example.com/oauth2/{page}?rd={}", encode(place));
            let mut request = http::Request::get(target);
            for (name, value) in FRONT {
                request = request.header(name, value);
            }
            let answer = crate::world::raw::ask2(
                &mut http2,
                request.body(http_body_util::Full::default()).unwrap(),
            )
            .await;
            assert_eq!(answer.status(), 200);
            let carried = carried(answer.body());
            assert!(lands_at_home(&carried), "{page} {place:?} -> {carried:?}");
            assert!(
                !carried.contains("evil") || lands_at_home(place),
                "{page} {place:?} -> {carried:?}"
            );
        }
    }
}

#[tokio::test]
async fn no_place_of_the_corpus_leads_away_after_a_sign_in_or_a_sign_out() {
    let world = World::with(listed()).await;
    let some: Vec<_> = corpus().into_iter().step_by(23).collect();
    assert!(some.len() >= 40);
    for place in &some {
        world.later(61);
        let mut maya = world.browser();
        maya.says = FRONT.map(|(name, value)| (name, value.to_owned())).to_vec();
        maya.visits(&format!("/oauth2/start?rd={}", encode(place))).await;
        let shown = maya.page.clone();
        let callback = maya.stops_at_the_callback(MAYA, shown).await;
        let page = maya.asks("GET", &callback[url::Position::BeforePath..], NAVIGATION).await;
        assert_eq!(page.status, 303, "{place:?}: {}", page.body);
        assert!(lands_at_home(page.header("location")), "{place:?} -> {}", page.header("location"));
        let page =
            maya.posts(&format!("/oauth2/sign_out?rd={}", encode(place)), NAVIGATION, "").await;
        let entra = Url::parse(page.header("location")).unwrap();
        assert!(entra.as_str().starts_with(&world.emulator.authority()), "{entra}");
        // Entra leads back to our own page, which knows the place.
        let page = maya.asks("GET", entra.as_str(), NAVIGATION).await;
        let back = page.header("location").to_owned();
        assert!(back.starts_with(&format!("{PUBLIC}/oauth2/sign_out?state=")), "{back}");
        let page = maya.asks("GET", &back[PUBLIC.len()..], NAVIGATION).await;
        assert_eq!(page.status, 303, "{place:?}: {}", page.body);
        assert!(lands_at_home(page.header("location")), "{place:?} -> {}", page.header("location"));
    }
}

#[tokio::test]
async fn listed_hosts_end_at_a_label_and_honest_places_survive() {
    let world = World::with(listed()).await;
    let carried_to = async |place: &str| {
        let target = format!("/oauth2/sign_in?rd={}", encode(place));
        carried(
            &ask(
                &world,
                HttpVersion::One,
                "GET",
                &target,
                &[("Host", "app.example.com"), FRONT[1]],
            )
            .await
            .body,
        )
    };
    for place in [
        "https://badexample.com/",
        "https://example.com/",
        "https://xone.example.org/",
        "https://x.one.example.org/",
        "https://one.example.org.evil.example/",
        "https://a.example.com.evil.example/",
        "https://a.example.com@evil.example/",
        "http://a.example.com/",
    ] {
        assert_eq!(carried_to(place).await, "/", "{place}");
    }
    for place in [
        "/",
        "/reports?year=2026&next=https://other.example//x",
        "/a?next=//evil.example",
        "/a;b=c/d#part",
        "/@maya",
        "/caf%C3%A9",
        "/a?x=%2F%2Fevil.example#//y",
        "https://a.example.com/x?y#z",
        "https://a.b.example.com/",
        "https://one.example.org/x",
    ] {
        assert_eq!(carried_to(place).await, place);
    }
    assert_eq!(carried_to("https://app.example.com/x").await, "/x");
}

/// The page that was asked for comes back as `rd`: it cannot be bent into another site's either.
#[tokio::test]
async fn the_path_that_was_asked_for_is_no_way_out() {
    let world = World::start().await;
    for http in BOTH {
        for target in [
            "//evil.example/x",
            "/\\evil.example",
            "/%5cevil.example",
            "/%2fevil.example",
            "/;//evil.example",
            "/.//evil.example",
            "/x//evil.example",
        ] {
            if http == HttpVersion::Two && target.contains('\\') {
                continue;
            }
            let answer = ask(&world, http, "GET", target, NAVIGATION).await;
            assert_eq!(answer.status, 400, "{target}: {answer:?}");
            assert_eq!(answer.header("location"), "", "{target}");
        }
    }
}
