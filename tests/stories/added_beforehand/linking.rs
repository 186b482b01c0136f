//! Who is linked by itself, and who waits.

use super::*;
use crate::world::CapturedEvents;
use crate::world::raw::talk;
use crate::world::samples::INES;

#[tokio::test]
async fn a_worker_is_linked_by_the_upn_without_a_domain_and_an_owner_waits_for_the_operator() {
    let world = AddedWorld::start().await;
    let tom = world.adds(TOM, "contoso", "worker").await;
    let maya = world.adds(MAYA, "contoso", "owner").await;
    let page = world.comes(&mut world.browser(), "contoso", TOM).await;
    assert_eq!(page.app_heard("x-entrada-person"), tom.id.to_string());
    assert_eq!(world.linked(TOM).await, Guid::parse(&world.oid(TOM)));
    world.waits("contoso", MAYA).await;
    assert_eq!((world.linked(MAYA).await, world.app.seen.count()), (None, 1));
    // However often she tries, it is one request.
    world.waits("contoso", MAYA).await;
    let [request] = &world.requests().await[..] else { panic!() };
    assert_eq!(
        (request.person.id, request.upn.as_deref(), request.reason.as_str()),
        (maya.id, Some(MAYA), "role")
    );
    world.decides(LinkDecision::Link).await;
    let mut browser = world.browser();
    let page = world.comes(&mut browser, "contoso", MAYA).await;
    assert_eq!(
        (page.app_heard("x-entrada-person"), page.app_heard("x-entrada-role").as_str()),
        (maya.id.to_string(), "owner")
    );
    assert_eq!(browser.visits("/oauth2/setup").await.status, 200);
    assert_eq!(world.directory().count(world.organization("contoso").await.id).await.unwrap(), 2);
    let history = world.history("contoso").await;
    for what in ["linked by its UPN", "approval needed", "approved"] {
        assert_eq!(history.iter().filter(|it| it.contains(what)).count(), 1, "{what}: {history:?}");
    }
    assert!(history.iter().any(|it| it.starts_with("operator olga:")), "{history:?}");
}

#[tokio::test]
async fn without_the_optional_claims_everyone_who_was_added_waits() {
    let world = AddedWorld::start().await;
    world.adds(TOM, "contoso", "worker").await;
    let control = world.emulator.control();
    control.set_upn(&world.oid(TOM), None);
    world.waits("contoso", TOM).await;
    control.set_upn(&world.oid(TOM), Some(TOM));
    control.set_acct(&world.oid(TOM), None);
    world.waits("contoso", TOM).await;
    control.set_acct(&world.oid(TOM), Some(0));
    assert_eq!(world.comes(&mut world.browser(), "contoso", TOM).await.status, 200);
    assert!(world.requests().await.is_empty(), "the request is over");
}

#[tokio::test]
async fn a_username_that_is_no_address_signs_in_after_one_approval() {
    let world = AddedWorld::start().await;
    let tom = world.adds("tom-b", "contoso", "worker").await;
    world.waits("Tom-B", TOM).await;
    let [request] = &world.requests().await[..] else { panic!() };
    assert_eq!(
        (request.typed.as_deref(), request.upn.as_deref(), request.guest),
        (Some("tom-b"), Some(TOM), false)
    );
    // It waits also where nothing is typed.
    world.waits("contoso", TOM).await;
    world.decides(LinkDecision::Link).await;
    for typed in ["tom-b", "contoso"] {
        let page = world.comes(&mut world.browser(), typed, TOM).await;
        assert_eq!(page.app_heard("x-entrada-person"), tom.id.to_string());
    }
}

#[tokio::test]
async fn where_unknown_people_are_refused_a_person_who_was_added_is_not_called_unknown() {
    let world = AddedWorld::start().await;
    let refuse = OrganizationChange {
        first_sign_in: change::first_sign_in("refuse"),
        ..OrganizationChange::default()
    };
    world.changes("contoso", refuse).await;
    world.adds(TOM, "contoso", "worker").await;
    world.adds(MAYA, "contoso", "owner").await;
    world.adds("ines.duarte@partner.example", "contoso", "worker").await;
    assert_eq!(world.comes(&mut world.browser(), "contoso", TOM).await.status, 200);
    world.waits("contoso", MAYA).await;
    // A mere likeness.
    world.waits("contoso", "ines@contoso.example").await;
    let zoe = "zoe@contoso.example";
    let page = world.comes(&mut world.browser(), "contoso", zoe).await;
    assert!(page.status == 403 && page.body.contains("You are not known here yet"));
    let reasons: Vec<_> =
        world.requests().await.iter().map(|it| it.reason.as_str()).collect::<Vec<_>>();
    assert_eq!(reasons, ["role", "alike"]);
}

#[tokio::test]
async fn unlink_has_an_effect_and_a_denied_account_stays_outside() {
    let world = AddedWorld::start().await;
    let tom = world.adds(TOM, "contoso", "worker").await;
    let mut browser = world.browser();
    world.comes(&mut browser, "contoso", TOM).await;
    let unlink = PersonChange { unlink: true, ..PersonChange::default() };
    world.changes_person(TOM, unlink).await;
    world.waits("contoso", TOM).await;
    world.decides(LinkDecision::Deny).await;
    let page = world.comes(&mut world.browser(), "contoso", TOM).await;
    assert!(page.status == 403 && page.body.contains("Your account was not confirmed"));
    assert!(world.requests().await.is_empty(), "a denied pair does not ask again");
    assert_eq!(world.linked(TOM).await, None);
    // The operator knows the object ID of the account that was created anew.
    let link = Guid::parse(&world.oid(TOM));
    world.changes_person(TOM, PersonChange { link, ..PersonChange::default() }).await;
    let page = world.comes(&mut world.browser(), "contoso", TOM).await;
    assert_eq!(page.app_heard("x-entrada-person"), tom.id.to_string());
}

#[tokio::test]
async fn an_account_that_looks_like_a_person_who_was_added_is_created_logged_and_listed_as_a_merge()
{
    let world = AddedWorld::start().await;
    let events = CapturedEvents::listens();
    world.adds("tom.becker@partner.example", "contoso", "worker").await;
    let page = world.comes(&mut world.browser(), "contoso", TOM).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let organization = world.organization("contoso").await.id;
    let [merge] = &world.directory().possible_merges(organization).await.unwrap()[..] else {
        panic!()
    };
    assert_eq!(
        (merge.added.username.as_str(), merge.created.username.as_str()),
        ("tom.becker@partner.example", TOM)
    );
    assert_eq!(events.times("looks like a person who was added beforehand"), 1);
    assert!(world.history("contoso").await.iter().any(|it| it.contains("created, and looks like")));
}

#[tokio::test]
async fn a_full_queue_is_logged_and_counted_and_the_page_stays_the_same() {
    let world = AddedWorld::start().await;
    let events = CapturedEvents::listens();
    world.adds("desk", "contoso", "worker").await;
    let grace = "grace@contoso.example";
    for person in [MAYA, TOM, INES, PRIYA, "zoe@contoso.example", grace, grace] {
        world.waits("desk", person).await;
    }
    let requests = world.requests().await;
    assert!(
        requests.len() == 5
            && requests.iter().all(|it| it.account.1.to_string() != world.oid(grace))
    );
    assert_eq!(events.times("no request was opened"), 2);
    let metrics = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let metrics = talk(world.admin, metrics).await;
    assert!(metrics.contains("entrada_link_requests_not_opened_total 2"), "{metrics}");
}
