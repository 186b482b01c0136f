//! What an admin hears of sign-ins that are over.

use super::*;
use crate::world::samples::{MAYA, TOM};
use entrada::emulator::TokenDefect;

#[tokio::test]
async fn sign_ins_and_refusals_are_kept_with_their_reason_and_the_reference_of_the_log() {
    let world = AdminPagesWorld::start().await;
    world.knows(MAYA, "contoso", "worker").await;
    world.signed_in(MAYA).await;
    world.sign_ins("contoso", 1).await;
    world.turns(MAYA, false).await;
    let page = world.comes(&mut world.world.browser(), MAYA, MAYA).await;
    assert_eq!(page.status, 403);
    world.sign_ins("contoso", 2).await;
    let refused = entrada::emulator::InjectedRefusal {
        error: "invalid_grant".to_owned(),
        code: 50_105,
        suberror: None,
        claims: None,
    };
    world.world.emulator.control().refuse_next_token(refused);
    world.comes(&mut world.world.browser(), "contoso", TOM).await;
    world.sign_ins("contoso", 3).await;
    world.world.emulator.control().wrong(TokenDefect::Tid);
    world.comes(&mut world.world.browser(), "contoso", TOM).await;
    let all = world.sign_ins("contoso", 4).await;
    let told: Vec<_> = all
        .iter()
        .map(|it| {
            (it.sign_in.refused.as_deref(), it.sign_in.name.as_deref(), it.sign_in.person.is_some())
        })
        .collect();
    let expected = [
        (Some("other_tenant"), None, false),
        (Some("AADSTS50105"), None, false),
        (Some("person_off"), Some(MAYA), false),
        (None, Some(MAYA), true),
    ];
    assert_eq!(told, expected);
    let log = world.world.logged().await;
    for it in &all {
        assert!(log.contains(&it.sign_in.reference), "{it:?}");
    }
    assert!(
        world
            .directory()
            .sign_ins(
                world.organization("fabrikam").await.id,
                RecentSignInQuery { before: None, refused_only: false, limit: 9 }
            )
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn whoever_stops_at_entra_is_kept_as_one_who_stopped_and_a_stale_callback_is_not_kept() {
    let world = AdminPagesWorld::start().await;
    let mut frida = world.world.browser();
    let shown = frida.until("/oauth2/start?organization=fabrikam", "/authorize").await;
    let state = shown.url.query_pairs().find(|it| it.0 == "state").unwrap().1.into_owned();
    let callback =
        format!("/oauth2/callback?error=access_denied&error_subcode=cancel&state={state}");
    assert_eq!(frida.asks("GET", &callback, SCRIPT).await.status, 403);
    assert_eq!(world.sign_ins("fabrikam", 1).await[0].sign_in.refused.as_deref(), Some("canceled"));
    // Once more, and with a state that nobody has.
    for again in [callback.as_str(), "/oauth2/callback?error=access_denied&state=x"] {
        frida.asks("GET", again, SCRIPT).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(world.sign_ins("fabrikam", 1).await.len(), 1);
}

#[tokio::test]
async fn attack_whoever_makes_refusals_up_fills_no_page_and_keeps_no_writer_busy() {
    let world = AdminPagesWorld::start().await;
    for _ in 0..40 {
        let mut browser = world.world.browser();
        let shown = browser.until("/oauth2/start?organization=fabrikam", "/authorize").await;
        let state = shown.url.query_pairs().find(|it| it.0 == "state").unwrap().1.into_owned();
        let made_up = format!(
            "/oauth2/callback?error=access_denied&error_description=AADSTS50105%3A+x&state={state}"
        );
        assert_eq!(browser.asks("GET", &made_up, SCRIPT).await.status, 403);
    }
    assert_eq!(world.sign_ins("fabrikam", 30).await.len(), 30);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(world.sign_ins("fabrikam", 30).await.len(), 30);
    // A minute later there is room again, and who comes in well is kept all the time.
    world.comes(&mut world.world.browser(), "contoso", MAYA).await;
    assert_eq!(world.sign_ins("contoso", 1).await.len(), 1);
    world.world.later(61);
    let mut browser = world.world.browser();
    let shown = browser.until("/oauth2/start?organization=fabrikam", "/authorize").await;
    let state = shown.url.query_pairs().find(|it| it.0 == "state").unwrap().1.into_owned();
    browser
        .asks("GET", &format!("/oauth2/callback?error=access_denied&state={state}"), SCRIPT)
        .await;
    assert_eq!(world.sign_ins("fabrikam", 31).await.len(), 31);
}
