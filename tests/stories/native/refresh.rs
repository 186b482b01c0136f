//! A phone that is signed in.

use super::*;
use crate::world::samples::{MAYA, TOM};
use entrada::base::username::Username;

#[tokio::test]
async fn a_phone_signs_in_calls_the_app_and_stays_signed_in() {
    let world = NativeWorld::start().await;
    let first = world.signed_in(MAYA).await;
    let page = world.calls(&first.access).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let maya = world.directory().person(&Username::parse(MAYA).unwrap()).await.unwrap().unwrap();
    assert_eq!(
        page.app_heard("authorization"),
        format!("Bearer {}", first.access),
        "as it was sent"
    );
    assert_eq!(
        (page.app_heard("x-entrada-role"), page.app_heard("x-entrada-organization")),
        ("worker".to_owned(), "contoso".to_owned())
    );
    assert_eq!(
        (page.app_heard("x-entrada-person"), page.app_heard("x-forwarded-user")),
        (maya.id.to_string(), maya.linked.unwrap().1.to_string())
    );
    assert_eq!(part(&page.app_heard("x-entrada-assertion"), 1)["person"], maya.id.to_string());
    let (head, claims) = (part(&first.access, 0), part(&first.access, 1));
    assert_eq!((&head["typ"], &head["alg"]), (&"at+jwt".into(), &"ES256".into()));
    assert_eq!(
        (&claims["iss"], &claims["aud"]),
        (
            &world.world.public_url.as_str().into(),
            &format!("{}/oauth2/native", world.world.public_url).into()
        )
    );
    assert_eq!(
        (&claims["client_id"], &claims["role"], &claims["organization"], &claims["scope"]),
        (&"phone".into(), &"worker".into(), &"contoso".into(), &"jobs".into())
    );
    // The same rules as for a browser.
    let bearer = format!("Bearer {}", first.access);
    let forbidden = world
        .world
        .browser()
        .asks("GET", "/admin/x", &[SCRIPT, &[("authorization", &bearer)]].concat())
        .await;
    assert_eq!(forbidden.status, 403, "{}", forbidden.body);
    let me = world
        .world
        .browser()
        .asks("GET", "/oauth2/userinfo", &[SCRIPT, &[("authorization", &bearer)]].concat())
        .await;
    assert_eq!(
        (me.status, &me.json()["person"]),
        (200, &maya.id.to_string().into()),
        "{}",
        me.body
    );
    // Five minutes later.
    world.world.later(301);
    is_no_longer_taken(&world.calls(&first.access).await);
    let second = given(&world.refreshes(&first.refresh).await);
    assert_eq!(world.calls(&second.access).await.status, 200);
    assert_eq!(
        world.world.internals().process.live.of_person(maya.id).len(),
        1,
        "one session, however many tokens"
    );
    let log = world.world.logged().await;
    assert!(
        [&first, &second].iter().all(|it| !log.contains(&it.access) && !log.contains(&it.refresh))
    );
}

#[tokio::test]
async fn a_repeated_request_asks_no_database() {
    let world = NativeWorld::start().await;
    let given = world.signed_in(MAYA).await;
    assert_eq!(world.calls(&given.access).await.status, 200);
    world.directory().close().await;
    for _ in 0..5 {
        assert_eq!(world.calls(&given.access).await.status, 200);
    }
    let told = world.refreshes(&given.refresh).await;
    assert_eq!(
        (told.status, told.json()["error"].as_str(), told.header("retry-after")),
        (503, Some("temporarily_unavailable"), "5"),
        "{}",
        told.body
    );
}

#[tokio::test]
async fn another_replica_takes_the_token_and_many_at_once_read_the_row_once() {
    let world = NativeWorld::start().await;
    let given = world.signed_in(MAYA).await;
    let other = world.replica().await;
    let all = (0..50).map(|_| async {
        let mut client = world.world.browser_at(other.address);
        calls(&mut client, &given.access, SCRIPT).await.status
    });
    assert_eq!(futures_util::future::join_all(all).await, vec![200; 50]);
    let maya = world.directory().person(&Username::parse(MAYA).unwrap()).await.unwrap().unwrap();
    assert_eq!(other.internals().process.live.of_person(maya.id).len(), 1);
    let told =
        posts(&mut world.world.browser_at(other.address), "token", &refreshing(&given.refresh))
            .await;
    assert_eq!(
        super::given(&told).refresh,
        super::given(&world.refreshes(&given.refresh).await).refresh,
        "a retry at the other replica"
    );
}

#[tokio::test]
async fn fifty_refreshes_at_once_hear_one_successor_and_entra_is_asked_once() {
    let world = NativeWorld::start().await;
    let first = world.signed_in(MAYA).await;
    world.world.emulator.control().single_use_refresh(true);
    world.world.later(1900);
    let all = (0..50).map(|_| world.refreshes(&first.refresh));
    let all: Vec<_> =
        futures_util::future::join_all(all).await.iter().map(|it| given(it).refresh).collect();
    assert!(all.iter().all(|it| *it == all[0]));
    let control = world.world.emulator.control();
    assert_eq!((control.refresh_calls(), control.reused_refresh_tokens()), (1, 0));
    // Kept for the next time, by whichever process.
    let other = world.replica().await;
    let told =
        posts(&mut world.world.browser_at(other.address), "token", &refreshing(&all[0])).await;
    world.world.later(1900);
    assert_eq!(world.refreshes(&given(&told).refresh).await.status, 200);
    assert_eq!((control.refresh_calls(), control.reused_refresh_tokens()), (2, 0));
}

#[tokio::test]
async fn a_role_that_entra_or_an_admin_gives_is_in_the_next_token() {
    let world = NativeWorld::start().await;
    let first = world.signed_in(MAYA).await;
    let change = entrada::directory::change::PersonChange {
        role: Some("admin".to_owned()),
        ..Default::default()
    };
    world
        .directory()
        .change_person(&Username::parse(MAYA).unwrap(), change, "story")
        .await
        .unwrap();
    world.world.later(1900);
    let second = given(&world.refreshes(&first.refresh).await);
    assert_eq!(part(&second.access, 1)["role"], "admin");
    let bearer = format!("Bearer {}", second.access);
    let page = world
        .world
        .browser()
        .asks("GET", "/admin/x", &[SCRIPT, &[("authorization", &bearer)]].concat())
        .await;
    assert_eq!((page.status, page.app_heard("x-entrada-role")), (200, "admin".to_owned()));
}

#[tokio::test]
async fn a_token_goes_before_a_cookie_and_what_is_no_token_of_ours_is_none_of_our_business() {
    let world = NativeWorld::start().await;
    let given = world.signed_in(MAYA).await;
    let mut browser = world.world.browser();
    browser.visits("/oauth2/start?organization=contoso&rd=/x").await;
    assert_eq!(browser.signs_in_as(TOM).await.status, 200);
    let tom =
        browser.asks("GET", "/api/x", SCRIPT).await.app_heard("x-forwarded-preferred-username");
    assert_eq!(tom, TOM);
    assert_eq!(
        calls(&mut browser, &given.access, SCRIPT)
            .await
            .app_heard("x-forwarded-preferred-username"),
        MAYA
    );
    for foreign in ["eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6IngifQ.e30.AA", "opaque", ""] {
        let page = calls(&mut browser, foreign, SCRIPT).await;
        assert_eq!(
            (page.status, page.app_heard("x-forwarded-preferred-username")),
            (200, TOM.to_owned()),
            "{foreign}"
        );
        assert_eq!(
            page.app_heard("authorization").trim_end(),
            format!("Bearer {foreign}").trim_end()
        );
    }
    // And signing out in the browser signs nobody out of a phone.
    browser.fills("/oauth2/sign_out", &[]).await;
    assert_eq!(calls(&mut browser, &given.access, SCRIPT).await.status, 200);
    let page = browser
        .asks(
            "GET",
            "/oauth2/session",
            &[SCRIPT, &[("authorization", &format!("Bearer {}", given.access))]].concat(),
        )
        .await;
    assert_eq!(page.status, 401, "a phone has no web session");
}
