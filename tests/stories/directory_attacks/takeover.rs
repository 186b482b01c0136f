//! Nobody takes over a person of the directory.

use crate::organizations::OrganizationsWorld;
use crate::world::CLIENT_SECRET;
use crate::world::samples::{CONTOSO, FABRIKAM, FELIX, INES, MAYA, PRIYA, TOM};
use entrada::base::guid::Guid;
use entrada::directory::change::NewOrganization;
use entrada::directory::organization_credential::OrganizationCredential;

#[tokio::test]
async fn a_name_or_an_address_changed_at_entra_takes_nobody_over() {
    let world = OrganizationsWorld::start().await;
    let control = world.world.emulator.control();
    let maya = world.knows(MAYA, "contoso", "owner").await;
    world.comes(&mut world.world.browser(), MAYA, MAYA).await;
    let tom =
        world.comes(&mut world.world.browser(), "contoso", TOM).await.app_heard("x-entrada-person");
    // Tom's mail attribute, then even his sign-in name, become those of Maya, who is linked.
    control.set_email(&world.oid(TOM), MAYA, true);
    let page = world.comes(&mut world.world.browser(), MAYA, TOM).await;
    assert_eq!(
        (page.app_heard("x-entrada-person"), page.app_heard("x-entrada-role").as_str()),
        (tom.clone(), "worker")
    );
    control.set_user_name(&world.oid(TOM), MAYA);
    let page = world.comes(&mut world.world.browser(), MAYA, TOM).await;
    assert_eq!(
        (page.app_heard("x-entrada-person"), page.app_heard("x-entrada-role").as_str()),
        (tom, "worker")
    );
    // Zoë never signed in, and writes Ines's address into her own account: nobody vouches for it.
    let ines = world.adds(INES, "contoso", "owner").await;
    control.set_email(&world.oid("zoe@contoso.example"), INES, false);
    let page = world.comes(&mut world.world.browser(), INES, "zoe@contoso.example").await;
    assert_eq!(
        (page.status, page.app_heard("x-entrada-role").as_str()),
        (200, "worker"),
        "{}",
        page.body
    );
    assert!(page.app_heard("x-entrada-person") != ines && world.is_unlinked(INES).await);
    // Maya, renamed, is Maya.
    control.set_user_name(&world.oid(MAYA), "maya.adler@contoso.example");
    assert_eq!(
        world
            .comes(&mut world.world.browser(), "contoso", MAYA)
            .await
            .app_heard("x-entrada-person"),
        maya
    );
}

#[tokio::test]
async fn a_guest_with_somebodys_name_is_a_guest() {
    let world = OrganizationsWorld::start().await;
    let control = world.world.emulator.control();
    world.adds(MAYA, "contoso", "owner").await;
    let at_home = world.knows(PRIYA, "fabrikam", "owner").await;
    // Priya is a guest at Contoso: under her own name she is not whom Fabrikam knows by it, and under Maya's name not Maya.
    let page = world.comes(&mut world.world.browser(), "contoso", PRIYA).await;
    assert_eq!(
        (page.status, page.app_heard("x-entrada-organization").as_str()),
        (200, "contoso"),
        "{}",
        page.body
    );
    assert_ne!(page.app_heard("x-entrada-person"), at_home);
    let guest = page.app_heard("x-entrada-person");
    control.set_user_name(&world.oid(PRIYA), MAYA);
    control.set_email(&world.oid(PRIYA), MAYA, false);
    let page = world.comes(&mut world.world.browser(), MAYA, PRIYA).await;
    assert_eq!(
        (page.app_heard("x-entrada-person"), page.app_heard("x-entrada-role").as_str()),
        (guest, "worker")
    );
    // The same where the guest comes under her name the first time.
    let world = OrganizationsWorld::start().await;
    world.adds(MAYA, "contoso", "owner").await;
    let control = world.world.emulator.control();
    control.set_user_name(&world.oid(PRIYA), MAYA);
    control.set_email(&world.oid(PRIYA), MAYA, false);
    let mut priya = world.world.browser();
    let page = world.comes(&mut priya, MAYA, PRIYA).await;
    assert_eq!((page.status, priya.cookie("entrada")), (403, None), "{}", page.body);
    assert!(page.body.contains("needs to confirm your account"), "{}", page.body);
    assert!(world.is_unlinked(MAYA).await);
}

#[tokio::test]
async fn a_guest_stays_outside_where_none_may_come() {
    let world = OrganizationsWorld::start().await;
    let secret = Some(OrganizationCredential::of_value(CLIENT_SECRET).unwrap());
    world
        .founds(
            "northwind",
            NewOrganization {
                tenant: Guid::parse(CONTOSO),
                proof: secret,
                no_guests: true,
                ..NewOrganization::default()
            },
        )
        .await;
    let mut priya = world.world.browser();
    let page = world.comes(&mut priya, "northwind", PRIYA).await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert!(page.body.to_lowercase().contains("guest"), "{}", page.body);
    assert_eq!((priya.cookie("entrada"), world.world.app.seen.count()), (None, 0));
    assert_eq!(world.comes(&mut world.world.browser(), "northwind", TOM).await.status, 200);
}

#[tokio::test]
async fn a_second_tenant_takes_nobody_over_whatever_it_says() {
    let world = OrganizationsWorld::start().await;
    let control = world.world.emulator.control();
    world.adds(MAYA, "contoso", "owner").await;
    // Fabrikam's own directory calls Maya's address verified, and her name its member's: the domain is bound to Contoso.
    control.set_email(&world.oid(FELIX), MAYA, true);
    control.set_user_name(&world.oid(FELIX), MAYA);
    let page = world.comes(&mut world.world.browser(), "fabrikam", FELIX).await;
    assert_eq!(
        (page.status, page.app_heard("x-entrada-organization").as_str()),
        (200, "fabrikam"),
        "{}",
        page.body
    );
    assert_eq!(page.app_heard("x-entrada-role"), "worker");
    let all = world.directory();
    let made = all
        .person_by_id(Guid::parse(&page.app_heard("x-entrada-person")).unwrap())
        .await
        .unwrap()
        .unwrap();
    assert!(!made.username.as_str().contains("contoso.example"), "{}", made.username);
    assert_eq!(page.app_heard("x-forwarded-tenant"), FABRIKAM);
    assert!(world.is_unlinked(MAYA).await);
}
