//! The link: looked at by anybody, used by one.

use super::*;
use crate::world::browser::{FORM, NAVIGATION};
use crate::world::samples::{CONTOSO, FRIDA};

#[tokio::test]
async fn a_mail_scanner_that_looks_at_the_link_does_not_use_it_up() {
    let world = SetUpWorld::start().await;
    let token = world.token("contoso").await;
    let link = format!("/oauth2/setup/invitation?token={token}");
    let mut scanner = world.world.browser();
    for method in ["GET", "HEAD", "GET"] {
        let page = scanner.asks(method, &link, NAVIGATION).await;
        assert_eq!(page.status, 200);
        assert_eq!(page.header("referrer-policy"), "strict-origin");
        assert_eq!(page.header("set-cookie"), "");
    }
    let mut admin = world.world.browser();
    let page = admin.visits(&link).await;
    assert!(
        page.body.contains(&format!("name=\"token\" value=\"{token}\""))
            && page.body.contains("Begin</button>"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("Contoso"), "a link that nobody used tells of no organization");
    let page = admin.fills("/oauth2/setup/invitation", &[("token", &token)]).await;
    assert_eq!((page.status, page.url.path()), (200, "/oauth2/setup"), "{}", page.body);
    assert!(page.body.contains("Single sign-on for Contoso Freight"), "{}", page.body);
    assert!(!world.world.logged().await.contains(&token), "the link stands in the log");
    assert!(!world.is_in_the_database(&token).await, "the link stands in the database");
}

#[tokio::test]
async fn attack_a_link_is_good_once_and_whoever_comes_second_is_told_calmly() {
    let world = SetUpWorld::start().await;
    let token = world.token("contoso").await;
    let (mut first, mut second) = (world.world.browser(), world.world.browser());
    let body = format!("token={token}");
    let (one, two) = tokio::join!(
        first.posts("/oauth2/setup/invitation", FORM, &body),
        second.posts("/oauth2/setup/invitation", FORM, &body)
    );
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 410]);
    let page = world.world.browser().posts("/oauth2/setup/invitation", FORM, &body).await;
    assert!(
        page.status == 410 && page.body.contains("This link has already been used"),
        "{} {}",
        page.status,
        page.body
    );
    for wrong in ["token=", "token=nothing", &format!("token={}", "x".repeat(4000))] {
        let page = world.world.browser().posts("/oauth2/setup/invitation", FORM, wrong).await;
        assert!(
            page.status == 410 && page.body.contains("This link no longer works"),
            "{} {}",
            page.status,
            page.body
        );
    }
    assert_eq!(
        world
            .history("contoso")
            .await
            .iter()
            .filter(|it| it.ends_with("link for the set-up page used"))
            .count(),
        1
    );
}

#[tokio::test]
async fn a_link_ends_after_a_day_and_its_visit_after_two_hours() {
    let world = SetUpWorld::start().await;
    let (late, good) = (world.token("contoso").await, world.token("fabrikam").await);
    // Some of this time passes by itself.
    world.world.later(86_340);
    let mut admin = world.world.browser();
    assert_eq!(
        admin.posts("/oauth2/setup/invitation", FORM, &format!("token={good}")).await.status,
        303
    );
    world.world.later(60);
    assert_eq!(
        world
            .world
            .browser()
            .posts("/oauth2/setup/invitation", FORM, &format!("token={late}"))
            .await
            .status,
        410
    );
    world.world.later(7080);
    assert_eq!(admin.visits("/oauth2/setup").await.status, 200);
    world.world.later(120);
    let page = admin.visits("/oauth2/setup").await;
    assert!(
        page.status == 403 && page.body.contains("Your session has ended"),
        "{} {}",
        page.status,
        page.body
    );
}

#[tokio::test]
async fn another_link_ends_the_one_before_and_its_visit_and_so_does_switching_off() {
    let world = SetUpWorld::start().await;
    let unused = world.token("contoso").await;
    let mut before = world.invited("contoso").await;
    let page = world
        .world
        .browser()
        .posts("/oauth2/setup/invitation", FORM, &format!("token={unused}"))
        .await;
    assert_eq!(page.status, 410, "an older link works on");
    let mut now = world.invited("contoso").await;
    assert_eq!(before.visits("/oauth2/setup").await.status, 403);
    assert_eq!(now.visits("/oauth2/setup").await.status, 200);
    world.turns("contoso", OrganizationState::Off).await;
    assert_eq!(now.visits("/oauth2/setup").await.status, 403);
    // Whoever is to set it up again is invited again.
    let mut again = world.invited("contoso").await;
    assert_eq!(again.visits("/oauth2/setup").await.status, 200);
}

#[tokio::test]
async fn attack_a_visit_is_of_one_organization_and_its_cookie_is_good_for_nothing_else() {
    let world = SetUpWorld::start().await;
    let mut contoso = world.invited("contoso").await;
    let cookie = contoso.cookie("entrada-v").unwrap();
    let page = contoso.visits("/oauth2/setup?organization=fabrikam&code=fabrikam").await;
    assert!(
        page.body.contains("Contoso Freight") && !page.body.contains("Fabrikam"),
        "{}",
        page.body
    );
    assert!(!is_signed_in(&mut contoso).await);
    // Altered, or under another name, it is nothing. The last character may stand for bits that count for nothing.
    let altered = format!("{}{}", if cookie.starts_with('A') { 'B' } else { 'A' }, &cookie[1..]);
    for (name, value) in
        [("entrada-v", altered), ("entrada-v", "x".to_owned()), ("entrada", cookie.clone())]
    {
        let mut thief = world.world.browser();
        thief.plants(name, &value);
        let page = thief.asks("GET", "/oauth2/setup", NAVIGATION).await;
        assert_eq!(
            (page.status, page.header("location")),
            (302, "/oauth2/sign_in?rd=%2Foauth2%2Fsetup")
        );
    }
    let set = world
        .world
        .browser()
        .posts("/oauth2/setup/invitation", FORM, &format!("token={}", world.token("contoso").await))
        .await;
    let set = set.header("set-cookie").to_owned();
    assert!(
        set.contains("HttpOnly") && set.contains("SameSite=Lax") && set.contains("Max-Age=7200"),
        "{set}"
    );
}

#[tokio::test]
async fn attack_another_sites_page_uses_no_link_and_changes_nothing() {
    let world = SetUpWorld::start().await;
    let token = world.token("fabrikam").await;
    let mut admin = world.invited("contoso").await;
    let page = ("accept", "text/html");
    let foreign: [&[(&str, &str)]; 4] = [
        &[
            page,
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("origin", "https://evil.example"),
        ],
        &[page, ("sec-fetch-site", "same-site"), ("sec-fetch-mode", "navigate")],
        &[page, ("origin", "null")],
        &[page, ("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")],
    ];
    for headers in foreign {
        for (path, body) in [
            ("invitation", format!("token={token}")),
            (
                "connection",
                format!("tenant={CONTOSO}&client_id={CLIENT_ID}&client_secret=stolen-secret-value"),
            ),
            ("trial", String::new()),
            ("on", String::new()),
            ("off", String::new()),
        ] {
            let page = admin.posts(&format!("/oauth2/setup/{path}"), headers, &body).await;
            assert_eq!(page.status, 403, "{path} {headers:?} {}", page.body);
        }
    }
    assert_eq!(world.organization("contoso").await.tenant, None);
    let good = world
        .world
        .browser()
        .posts("/oauth2/setup/invitation", FORM, &format!("token={token}"))
        .await;
    assert_eq!(good.status, 303, "a foreign page used the link up");
}

#[tokio::test]
async fn whoever_came_by_a_link_ends_the_visit() {
    let world = SetUpWorld::start().await;
    let mut admin = world.invited("contoso").await;
    let cookie = admin.cookie("entrada-v").unwrap();
    let page = admin.fills("/oauth2/setup/leave", &[]).await;
    assert!(
        page.status == 200
            && page.body.contains("The session has ended")
            && admin.cookie("entrada-v").is_none(),
        "{}",
        page.body
    );
    // Nor does the cookie that somebody kept.
    admin.plants("entrada-v", &cookie);
    assert_eq!(admin.visits("/oauth2/setup").await.status, 403);
}

#[tokio::test]
async fn attack_whoever_guesses_links_waits() {
    let world = SetUpWorld::start().await;
    let mut thief = world.world.browser();
    for at in 0..30 {
        assert_eq!(
            thief
                .posts("/oauth2/setup/invitation", FORM, &format!("token=guess-{at}"))
                .await
                .status,
            410
        );
    }
    assert_eq!(thief.posts("/oauth2/setup/invitation", FORM, "token=guess").await.status, 429);
    // Whoever has a link, or signs in, from the same address waits for nobody.
    world.invited("contoso").await;
    world.signed_in("fabrikam", FRIDA).await;
}
