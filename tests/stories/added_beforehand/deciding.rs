//! Who decides, and where.

use super::*;
use crate::world::browser::{FORM, NAVIGATION};
use crate::world::samples::INES;
use entrada::emulator::InjectedRefusal;

#[tokio::test]
async fn an_admin_approves_on_the_page_soon_after_signing_in_and_nobody_else_does() {
    let world = AddedWorld::start().await;
    world.knows(MAYA, "contoso", "admin").await;
    world.adds("tom-b", "contoso", "worker").await;
    world.adds(INES, "contoso", "owner").await;
    world.waits("tom-b", TOM).await;
    world.waits("contoso", INES).await;
    let mut maya = world.browser();
    world.comes(&mut maya, "contoso", MAYA).await;
    let page = maya.visits("/oauth2/setup/people").await;
    assert!(page.body.contains("To confirm: 2"), "{}", page.body);
    let page = maya.visits("/oauth2/setup/requests").await;
    for says in [
        "Asks to sign in as tom-b, with the role worker",
        "Only the typed username matches",
        TOM,
        "Member of your tenant",
        &world.oid(TOM),
        "This person has a higher role than you",
    ] {
        assert!(page.body.contains(says), "{says}: {}", page.body);
    }
    let all = world.requests().await;
    let form =
        |at: usize, act: &str| format!("request={}&mark={}&do={act}", all[at].id, all[at].mark());
    // Not with an old sign-in, not about a higher role, and only from our own page.
    assert!(page.body.contains("Sign in again to decide"), "{}", page.body);
    let refused = maya.posts("/oauth2/setup/requests", FORM, &form(0, "link")).await;
    assert_eq!(refused.status, 403);
    maya.visits("/oauth2/start?organization=contoso&prompt=login&rd=%2Foauth2%2Fsetup").await;
    maya.signs_in_as(MAYA).await;
    for act in ["link", "separate", "deny"] {
        assert_eq!(maya.posts("/oauth2/setup/requests", FORM, &form(1, act)).await.status, 403);
    }
    let foreign = maya.posts("/oauth2/setup/requests", NAVIGATION, &form(0, "link")).await;
    assert_eq!(foreign.status, 403);
    assert_eq!(world.linked("tom-b").await, None);
    // Stale: the person changed after the page was shown.
    world
        .changes_person(
            "tom-b",
            PersonChange { email: Some("t@contoso.example".to_owned()), ..Default::default() },
        )
        .await;
    let page = maya.fills("/oauth2/setup/requests", &fields(&form(0, "link"))).await;
    assert!(page.body.contains("Nothing was changed"), "{}", page.body);
    let now = world.requests().await;
    let form = format!("request={}&mark={}&do=link", now[0].id, now[0].mark());
    let page = maya.fills("/oauth2/setup/requests", &fields(&form)).await;
    assert!(page.body.contains("The person can sign in now"), "{}", page.body);
    assert_eq!(world.linked("tom-b").await, Guid::parse(&world.oid(TOM)));
    assert_eq!(world.comes(&mut world.browser(), "tom-b", TOM).await.status, 200);
    let maya = world.person(MAYA).await.id;
    let history = world.history("contoso").await;
    assert!(
        history.iter().any(|it| it.starts_with(&format!("person {maya}: tom-b linked"))),
        "{history:?}"
    );
    // A worker has no such page.
    let mut tom = world.browser();
    world.comes(&mut tom, "tom-b", TOM).await;
    assert_eq!(tom.visits("/oauth2/setup/requests").await.status, 403);
}

#[tokio::test]
async fn attack_a_set_up_link_shows_requests_and_decides_none() {
    let world = AddedWorld::start().await;
    world.adds(MAYA, "contoso", "owner").await;
    world.waits("contoso", MAYA).await;
    let made =
        world.directory().invite(&CompanyCode::parse("contoso").unwrap(), "story").await.unwrap();
    let mut visitor = world.browser();
    visitor.fills("/oauth2/setup/invitation", &[("token", made.token.expose())]).await;
    let page = visitor.visits("/oauth2/setup/requests").await;
    assert!(page.body.contains("You opened a set-up link"), "{}", page.body);
    let request = &world.requests().await[0];
    let form = format!("request={}&mark={}&do=link", request.id, request.mark());
    let page = visitor.posts("/oauth2/setup/requests", FORM, &form).await;
    assert_eq!((page.status, world.linked(MAYA).await), (403, None));
}

#[tokio::test]
async fn a_merge_on_the_page_shows_the_account_and_is_of_the_two_people_as_shown() {
    let world = AddedWorld::start().await;
    let name = "tom.becker@partner.example";
    world.knows(MAYA, "contoso", "owner").await;
    world.adds(name, "contoso", "worker").await;
    world.comes(&mut world.browser(), "contoso", TOM).await;
    let organization = world.organization("contoso").await.id;
    let shown = async || world.directory().possible_merges(organization).await.unwrap().remove(0);
    let mut maya = world.browser();
    world.comes(&mut maya, "contoso", MAYA).await;
    maya.visits("/oauth2/start?organization=contoso&prompt=login&rd=%2Foauth2%2Fsetup").await;
    maya.signs_in_as(MAYA).await;
    let page = maya.visits("/oauth2/setup/requests").await;
    let mark = shown().await.mark();
    for says in ["Possibly the same person", &world.oid(TOM), "First sign-in", &mark] {
        assert!(page.body.contains(says), "{says}: {}", page.body);
    }
    let email = Some("t.b@partner.example".to_owned());
    world.changes_person(name, PersonChange { email, ..PersonChange::default() }).await;
    let merge = shown().await;
    let (added, created) = (merge.added.id.to_string(), merge.created.id.to_string());
    let form = |mark: &str| format!("added={added}&created={created}&mark={mark}&do=merge");
    let stale = form(&mark);
    let page = maya.fills("/oauth2/setup/requests", &fields(&stale)).await;
    assert!(page.body.contains("Nothing was changed"), "{}", page.body);
    assert_eq!(world.linked(name).await, None);
    let current = form(&merge.mark());
    let page = maya.fills("/oauth2/setup/requests", &fields(&current)).await;
    assert!(page.body.contains("The two people are one now"), "{}", page.body);
    assert_eq!(world.linked(name).await, Guid::parse(&world.oid(TOM)));
}

/// The fields of a form.
fn fields(form: &str) -> Vec<(&str, &str)> {
    form.split('&').filter_map(|it| it.split_once('=')).collect()
}

/// In the second round, what was typed was forgotten: another person was created.
#[tokio::test]
async fn what_was_typed_counts_also_when_entra_asks_for_another_proof() {
    let world = AddedWorld::start().await;
    world.adds("tom-b", "contoso", "worker").await;
    world.emulator.control().refuse_next_token(InjectedRefusal {
        error: "interaction_required".to_owned(),
        code: 50_076,
        suberror: None,
        claims: Some(r#"{"access_token":{"polids":{"essential":true,"values":["p1"]}}}"#.into()),
    });
    let mut browser = world.browser();
    let page = world.comes(&mut browser, "tom-b", TOM).await;
    assert!(page.is_the_sign_in_at_entra(), "{} {}", page.status, page.body);
    let page = browser.signs_in_as(TOM).await;
    assert_eq!((page.status, browser.cookie("entrada")), (403, None), "{}", page.body);
    assert!(page.body.contains("needs to confirm your account"), "{}", page.body);
    let [request] = &world.requests().await[..] else { panic!() };
    assert_eq!(request.typed.as_deref(), Some("tom-b"));
}
