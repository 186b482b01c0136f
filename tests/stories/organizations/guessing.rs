//! Guesses of usernames and codes are counted, and only against those who guess.

use super::OrganizationsWorld;
use crate::world::WorldPlan;
use crate::world::browser::{FORM, NAVIGATION, SCRIPT};

#[tokio::test]
async fn what_nobody_is_called_leads_back_to_the_page_with_one_calm_sentence() {
    let world = OrganizationsWorld::start().await;
    let mut someone = world.world.browser();
    for typed in
        ["nobody@nowhere.example", "not-there", "\u{202e}evil", "' OR 1=1 --", &"x".repeat(300)]
    {
        let page = world.types(&mut someone, typed).await;
        assert_eq!(page.status, 404, "{typed}");
        assert!(
            page.body.contains("We could not find that username or company code.")
                && page.body.contains("aria-invalid=\"true\""),
            "{}",
            page.body
        );
    }
    let page = someone.posts("/oauth2/sign_in?rd=%2Fz", SCRIPT, "identifier=not-there").await;
    assert_eq!(
        (page.status, page.json()["status"].as_u64(), page.header("content-type")),
        (404, Some(404), "application/problem+json")
    );
    let page = someone.posts("/oauth2/sign_in?rd=%2Fz", SCRIPT, "identifier=contoso").await;
    assert_eq!(
        (page.status, page.json()["sign_in_url"].as_str().unwrap()),
        (200, &*format!("{}/oauth2/start?rd=%2Fz&organization=contoso", world.world.public_url))
    );
    // Another site's page types for nobody; nothing typed asks again; what is typed twice has no one reading.
    let other = [
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
    ];
    assert_eq!(someone.posts("/oauth2/sign_in", &other, "identifier=contoso").await.status, 403);
    assert_eq!(someone.posts("/oauth2/sign_in", FORM, "identifier=+").await.status, 200);
    assert_eq!(
        someone.posts("/oauth2/sign_in", FORM, "identifier=a&identifier=b").await.status,
        400
    );
    assert_eq!(world.world.app.seen.count(), 0);
}

#[tokio::test]
async fn whoever_guesses_waits_by_address_and_nobody_else_does() {
    let world = OrganizationsWorld::with("", |it| WorldPlan {
        server: "trusted_proxies = [\"127.0.0.1\"]".to_owned(),
        time_stands: true,
        ..it
    })
    .await;
    let from = async |address: &str, headers: &[(&str, &str)], typed: &str| {
        let headers: Vec<_> =
            headers.iter().copied().chain([("x-forwarded-for", address)]).collect();
        world
            .world
            .browser()
            .posts("/oauth2/sign_in", &headers, &format!("identifier={typed}"))
            .await
    };
    for at in 0..30 {
        assert_eq!(from("192.0.2.7", FORM, &format!("guess-{at}")).await.status, 404);
    }
    // Right or wrong makes no difference then, and says nothing.
    for typed in ["guess-again", "contoso"] {
        let page = from("192.0.2.7", FORM, typed).await;
        assert_eq!(page.status, 429);
        assert!((1..=60).contains(&page.header("retry-after").parse::<u32>().unwrap()));
        assert!(page.body.contains("Please wait a moment"), "{}", page.body);
        assert_eq!(from("192.0.2.7", SCRIPT, typed).await.json()["status"], 429);
    }
    // A link is not looked up either: it leads to the page, where typing waits.
    let link = [NAVIGATION, &[("x-forwarded-for", "192.0.2.7")]].concat();
    let page = world.world.browser().asks("GET", "/oauth2/start?organization=contoso", &link).await;
    assert_eq!((page.status, page.header("location")), (200, ""));
    assert_eq!(from("192.0.2.8", FORM, "contoso").await.status, 302);
    world.world.later(60);
    assert_eq!(from("192.0.2.7", FORM, "contoso").await.status, 302);
}

#[tokio::test]
async fn of_many_guesses_at_once_no_more_are_told_than_one_after_the_other_and_many_right_ones_all_pass()
 {
    let world = OrganizationsWorld::with("", |it| WorldPlan {
        server: "trusted_proxies = [\"127.0.0.1\"]".to_owned(),
        time_stands: true,
        ..it
    })
    .await;
    let from = async |address: &'static str, typed: &str| {
        let headers = [FORM, &[("x-forwarded-for", address)]].concat();
        world
            .world
            .browser()
            .posts("/oauth2/sign_in", &headers, &format!("identifier={typed}"))
            .await
            .status
    };
    let right =
        futures_util::future::join_all((0..100).map(|_| from("192.0.2.9", "contoso"))).await;
    assert!(right.iter().all(|it| *it == 302), "{right:?}");
    let guesses: Vec<_> = (0..200).map(|it| format!("guess-{it}")).collect();
    let told = futures_util::future::join_all(guesses.iter().map(|it| from("192.0.2.7", it))).await;
    assert_eq!(
        (
            told.iter().filter(|it| **it == 404).count(),
            told.iter().filter(|it| **it == 429).count()
        ),
        (30, 170)
    );
}

#[tokio::test]
async fn pictures_and_frames_of_another_site_look_nobody_up_and_make_nobody_wait() {
    let world = OrganizationsWorld::start().await;
    let of = |site: &'static str, dest: &'static str| {
        [
            ("accept", "*/*"),
            ("sec-fetch-mode", "no-cors"),
            ("sec-fetch-site", site),
            ("sec-fetch-dest", dest),
        ]
    };
    let paths = [
        "/oauth2/start?organization=guess",
        "/oauth2/sign_in?organization=guess",
        "/oauth2/sign_in?organization=contoso",
    ];
    for at in 0..12 {
        for path in paths {
            for says in
                [of("cross-site", "image"), of("same-site", "iframe"), of("cross-site", "empty")]
            {
                assert_eq!(
                    world.world.browser().asks("GET", path, &says).await.status,
                    403,
                    "{at} {path} {says:?}"
                );
            }
        }
    }
    // A link in a mail, and a call of our own page.
    for says in [
        [
            ("accept", "text/html"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-dest", "document"),
        ],
        [
            ("accept", "text/html"),
            ("sec-fetch-mode", "cors"),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-dest", "empty"),
        ],
    ] {
        assert_eq!(
            world
                .world
                .browser()
                .asks("GET", "/oauth2/start?organization=contoso", &says)
                .await
                .status,
            302,
            "{says:?}"
        );
    }
    assert!(
        figures_of(&world).await.contains("entrada_directory_lookups_total{outcome=\"found\"} 2")
    );
    assert!(!figures_of(&world).await.contains("outcome=\"unknown\"} 1"));
}

/// Thirty-one navigations that another site's page caused used up the limit of the address, and whoever typed there then waited: behind a
/// front proxy that is not trusted, everybody.
#[tokio::test]
async fn attack_requests_that_other_sites_cause_make_nobody_wait_who_types_on_our_own_page() {
    let world = OrganizationsWorld::with("", |it| WorldPlan { time_stands: true, ..it }).await;
    let html = ("accept", "text/html");
    let links: [&[(&str, &str)]; 6] = [
        &[
            html,
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-dest", "document"),
        ],
        &[
            html,
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-dest", "document"),
        ],
        &[html, ("referer", "https://evil.example/")],
        // Links in mails, and browsers that say nothing.
        NAVIGATION,
        &[html],
        // A page can make its own visitors go around by our site.
        &[
            html,
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-dest", "document"),
        ],
    ];
    for path in ["/oauth2/start?organization=guess", "/oauth2/sign_in?organization=guess"] {
        for says in links {
            for _ in 0..8 {
                let status = world.world.browser().asks("GET", path, says).await.status;
                assert!([404, 200].contains(&status), "{status}");
            }
        }
    }
    for says in [
        &[html, ("sec-fetch-mode", "navigate"), ("sec-fetch-site", "cross-site")][..],
        &[html, ("origin", "https://evil.example")],
    ] {
        for _ in 0..31 {
            assert_eq!(
                world
                    .world
                    .browser()
                    .posts("/oauth2/sign_in", says, "identifier=guess")
                    .await
                    .status,
                403
            );
        }
    }
    assert_ne!(
        world
            .world
            .browser()
            .asks("GET", "/oauth2/start?organization=contoso", links[0])
            .await
            .status,
        302,
        "links have a limit of their own"
    );
    for at in 0..30 {
        let answer =
            world.world.browser().posts("/oauth2/sign_in", FORM, "identifier=contoso").await.status;
        let mistyped = world
            .world
            .browser()
            .posts("/oauth2/sign_in", FORM, "identifier=contosso")
            .await
            .status;
        assert_eq!((answer, mistyped), (302, 404), "{at}");
    }
    assert_eq!(
        world.world.browser().posts("/oauth2/sign_in", FORM, "identifier=contoso").await.status,
        429,
        "typing has its limit still"
    );
}

/// Thirty wrong links of other sites within a minute made right links of the same address end at
/// 429, although nobody there had done anything wrong.
#[tokio::test]
async fn attack_links_of_other_sites_stop_no_right_link_which_leads_to_the_page_that_asks() {
    let world = OrganizationsWorld::with("", |it| WorldPlan { time_stands: true, ..it }).await;
    let link = [
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-dest", "document"),
    ];
    for at in 0..30 {
        let wrong = format!("/oauth2/start?organization=guess-{at}");
        assert_eq!(world.world.browser().asks("GET", &wrong, &link).await.status, 404);
    }
    for path in ["/oauth2/start?rd=%2Fz&organization", "/oauth2/sign_in?rd=%2Fz&organization"] {
        let asked = async |code: &str| {
            let page = world.world.browser().asks("GET", &format!("{path}={code}"), &link).await;
            assert_eq!((page.status, page.header("location")), (200, ""), "{path}={code}");
            page.body.replace(code, "CODE")
        };
        let (right, wrong) = (asked("contoso").await, asked("guess-0").await);
        assert!(
            right.contains("action=\"/oauth2/sign_in?rd=%2Fz\"")
                && right.contains("value=\"CODE\""),
            "{right}"
        );
        assert_eq!(right, wrong, "the page does not say which codes exist");
        // Programs have no page to submit.
        let script = [("accept", "application/json"), ("sec-fetch-site", "cross-site")];
        let told = world.world.browser().asks("GET", &format!("{path}=contoso"), &script).await;
        assert_eq!(told.status, 429);
        assert!((1..=60).contains(&told.header("retry-after").parse::<u32>().unwrap()));
    }
    // One submit later, the person is at Entra.
    let mut person = world.world.browser();
    let page = person.posts("/oauth2/sign_in?rd=%2Fz", FORM, "identifier=contoso").await;
    assert_eq!(page.status, 302, "{}", page.body);
}

/// A script that sends no Fetch Metadata, over links and the form, learns of no more codes than both
/// limits allow together, and its links take nothing away from the form.
#[tokio::test]
async fn attack_whoever_says_nothing_of_the_page_it_comes_from_has_both_limits_and_no_third() {
    let world = OrganizationsWorld::with("", |it| WorldPlan { time_stands: true, ..it }).await;
    let html: &[(&str, &str)] = &[("accept", "text/html")];
    let links = async || {
        let mut told = 0;
        for at in 0..40 {
            let path = format!("/oauth2/start?organization=guess-{at}");
            told += u32::from(world.world.browser().asks("GET", &path, html).await.status == 404);
        }
        told
    };
    let typed = async || {
        let mut told = 0;
        for at in 0..40 {
            let form = format!("identifier=guess-{at}");
            let page = world.world.browser().posts("/oauth2/sign_in", html, &form).await;
            told += u32::from(page.status == 404);
        }
        told
    };
    assert_eq!((links().await, typed().await, links().await, typed().await), (30, 30, 0, 0));
    world.world.later(60);
    assert_eq!((typed().await, links().await), (30, 0), "who types wrongly gets no more by links");
}

async fn figures_of(world: &OrganizationsWorld) -> String {
    crate::world::raw::talk(
        world.world.admin,
        "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    .await
}
