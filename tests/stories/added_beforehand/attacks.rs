//! Nobody takes over a person who was added beforehand (`companies.md`, section 2).

use super::*;
use crate::world::samples::{FELIX, INES};

#[tokio::test]
async fn attack_an_account_that_only_bears_a_name_is_never_linked() {
    let world = AddedWorld::start().await;
    let control = world.emulator.control();
    world.adds(INES, "contoso", "worker").await;
    let zoe = world.oid("zoe@contoso.example");
    // The sign-in name of another person, as with an alternate login address.
    control.set_user_name(&zoe, INES);
    world.waits("contoso", "zoe@contoso.example").await;
    // The mail attribute, verified or not.
    control.set_email(&world.oid("grace@contoso.example"), INES, true);
    world.waits("contoso", "grace@contoso.example").await;
    // A guest, by sign-in name and by the name that guests have here.
    control.set_user_name(&world.oid(PRIYA), INES);
    world.waits("contoso", PRIYA).await;
    assert_eq!(world.linked(INES).await, None);
    assert_eq!(world.requests().await.len(), 3);
    let page = world.comes(&mut world.browser(), "contoso", INES).await;
    assert_eq!((page.status, world.requests().await.len()), (200, 0), "{}", page.body);
}

#[tokio::test]
async fn attack_external_members_guests_and_agents_are_never_linked_by_a_upn() {
    let world = AddedWorld::start().await;
    let control = world.emulator.control();
    world.adds(INES, "contoso", "worker").await;
    // A member whose home is another tenant, with acct 0.
    let zoe = world.oid("zoe@contoso.example");
    control.set_upn(&zoe, Some(INES));
    control.set_home_tenant(&zoe, FABRIKAM);
    world.waits_as_guest("zoe@contoso.example", INES).await;
    // An agent's own user account, whose maker chose the name.
    let grace = world.oid("grace@contoso.example");
    control.set_upn(&grace, Some(INES));
    control.set_user_name(&grace, INES);
    control.make_agent(&grace);
    world.waits("contoso", "grace@contoso.example").await;
    // A guest whose directory leaves out the markers.
    control.set_upn(&world.oid(PRIYA), Some(INES));
    control.set_user_name(&world.oid(PRIYA), INES);
    world.waits("contoso", PRIYA).await;
    assert_eq!(world.linked(INES).await, None);
}

#[tokio::test]
async fn attack_another_tenant_reaches_nobody_whatever_its_tokens_say() {
    let world = AddedWorld::start().await;
    let control = world.emulator.control();
    world.adds(MAYA, "contoso", "worker").await;
    let felix = world.oid(FELIX);
    control.set_upn(&felix, Some(MAYA));
    control.set_user_name(&felix, MAYA);
    control.set_email(&felix, MAYA, true);
    let page = world.comes(&mut world.browser(), "fabrikam", FELIX).await;
    assert_eq!(page.app_heard("x-entrada-organization"), "fabrikam");
    assert_eq!((world.linked(MAYA).await, world.requests().await.len()), (None, 0));
}

#[tokio::test]
async fn attack_a_name_given_again_after_somebody_left_is_not_that_person() {
    let world = AddedWorld::start().await;
    let control = world.emulator.control();
    let tom = world.adds(TOM, "contoso", "worker").await;
    world.comes(&mut world.browser(), "contoso", TOM).await;
    // Tom left: his account at Entra is gone, and his name was given to Ines.
    control.set_upn(&world.oid(INES), Some(TOM));
    control.set_user_name(&world.oid(INES), TOM);
    let page = world.comes(&mut world.browser(), "contoso", INES).await;
    assert_ne!(page.app_heard("x-entrada-person"), tom.id.to_string());
    // Also after the operator removed the link.
    let unlink = PersonChange { unlink: true, ..PersonChange::default() };
    world.changes_person(TOM, unlink).await;
    let zoe = world.oid("zoe@contoso.example");
    control.set_upn(&zoe, Some(TOM));
    world.waits("contoso", "zoe@contoso.example").await;
    assert_eq!(world.linked(TOM).await, None);
}

#[tokio::test]
async fn attack_two_browsers_at_once_link_one_account_and_nobody_twice() {
    let world = AddedWorld::start().await;
    world.adds(TOM, "contoso", "worker").await;
    let zoe = "zoe@contoso.example";
    world.emulator.control().set_upn(&world.oid(zoe), Some(TOM));
    let (mut one, mut two, mut three) = (world.browser(), world.browser(), world.browser());
    let (first, second, third) = tokio::join!(
        world.comes(&mut one, "contoso", TOM),
        world.comes(&mut two, "contoso", zoe),
        world.comes(&mut three, "contoso", TOM)
    );
    assert_eq!(first.app_heard("x-entrada-person"), third.app_heard("x-entrada-person"));
    assert_ne!(first.app_heard("x-entrada-person"), second.app_heard("x-entrada-person"));
    let added = world.person(TOM).await;
    let linked = added.linked.unwrap().1.to_string();
    assert!([world.oid(TOM), world.oid(zoe)].contains(&linked));
}

impl AddedWorld {
    /// An external member is a guest for Entrada.
    async fn waits_as_guest(&self, person: &str, username: &str) {
        self.emulator.control().set_user_name(&self.oid(person), username);
        self.waits("contoso", person).await;
        let all = self.requests().await;
        assert!(all.last().is_some_and(|it| it.guest), "{all:?}");
    }
}
