//! Nobody becomes somebody else, and no company gets another's sign-ins.

use super::{OrganizationsWorld, query};
use crate::world::browser::{FORM, NAVIGATION, TestBrowser};
use crate::world::samples::{CONTOSO, FABRIKAM, FELIX, FRIDA, MAYA, MAYA_ID, TOM};
use entrada::base::guid::Guid;
use entrada::base::username::Username;
use entrada::directory::change::PersonChange;
use entrada::emulator::TokenDefect;

#[tokio::test]
async fn attack_whoever_types_a_colleagues_name_and_signs_in_is_still_oneself() {
    let world = OrganizationsWorld::start().await;
    let maya = world.adds(MAYA, "contoso", "owner").await;
    let mut tom = world.world.browser();
    let page = world.comes(&mut tom, MAYA, TOM).await;
    assert_eq!(
        (page.status, page.app_heard("x-entrada-role").as_str()),
        (200, "worker"),
        "{}",
        page.body
    );
    assert_ne!(page.app_heard("x-entrada-person"), maya);
    assert_eq!(
        world.directory().person(&Username::parse(MAYA).unwrap()).await.unwrap().unwrap().linked,
        None,
        "her name was taken"
    );
    // Nor does an address that another company's tenant only claims make one its owner: Felix's is Maya's.
    let mut felix = world.world.browser();
    let page = world.comes(&mut felix, "fabrikam", FELIX).await;
    assert_eq!(
        (
            page.app_heard("x-entrada-organization").as_str(),
            page.app_heard("x-entrada-role").as_str()
        ),
        ("fabrikam", "worker")
    );
    assert_eq!(page.app_heard("x-forwarded-email"), "", "an address that nobody vouches for");
    // Nor does anybody become an owner by a name alone: she waits until the operator knows her.
    let mut herself = world.world.browser();
    let page = world.comes(&mut herself, MAYA, MAYA).await;
    assert_eq!((page.status, herself.cookie("entrada")), (403, None), "{}", page.body);
    let link = PersonChange { link: Guid::parse(MAYA_ID), ..PersonChange::default() };
    world.changes_person(MAYA, link).await;
    let page = world.comes(&mut world.world.browser(), MAYA, MAYA).await;
    assert_eq!(
        (page.app_heard("x-entrada-person").as_str(), page.app_heard("x-entrada-role").as_str()),
        (maya.as_str(), "owner")
    );
}

#[tokio::test]
async fn attack_a_code_of_one_company_is_never_redeemed_for_another() {
    let world = OrganizationsWorld::start().await;
    let mut frida = world.world.browser();
    let callback = async |browser: &mut TestBrowser, typed: &str, person: &str| {
        let shown = world.types(browser, typed).await;
        browser.stops_at_the_callback(person, shown).await
    };
    let contoso = callback(&mut frida, "contoso", MAYA).await;
    let fabrikam = callback(&mut frida, "fabrikam", FRIDA).await;
    for (code, state) in [(&fabrikam, &contoso), (&contoso, &fabrikam)] {
        let mixed = format!(
            "/oauth2/callback?code={}&state={}",
            query(code, "code").unwrap(),
            query(state, "state").unwrap()
        );
        let page = frida.asks("GET", &mixed, NAVIGATION).await;
        assert!(matches!(page.status, 403 | 503), "{} {}", page.status, page.body);
        assert_eq!(frida.cookie("entrada"), None);
    }
    // A token of another tenant than the company's is nobody's, whatever was typed.
    for wrong in [TokenDefect::Tid, TokenDefect::Issuer, TokenDefect::Stranger] {
        world.world.emulator.control().wrong(wrong);
        let page = world.comes(&mut world.world.browser(), "contoso", MAYA).await;
        assert_eq!(page.status, 403, "{wrong:?}");
    }
    assert_eq!(world.world.app.seen.count(), 0);
    assert!(world.directory().person(&Username::parse(MAYA).unwrap()).await.unwrap().is_none());
}

/// Contoso could call somebody by an address of Northwind, a company whose domain nobody had bound yet, and then got Northwind's sign-ins.
#[tokio::test]
async fn attack_an_address_at_a_domain_that_is_not_bound_leads_to_no_company_that_took_it_as_a_username()
 {
    let world = OrganizationsWorld::start().await;
    let northwind = "ceo@northwind.example";
    world.knows(northwind, "contoso", "worker").await;
    let file = "username,name\ncfo@northwind.example,The CFO\n";
    world
        .directory()
        .import(&world.organization("contoso").await, file.as_bytes(), "story", |_| ())
        .await
        .unwrap();
    for typed in
        [northwind, "cfo@northwind.example", "cto@northwind.example", "ceo@NORTHWIND.example"]
    {
        let form = format!(
            "identifier={}",
            url::form_urlencoded::byte_serialize(typed.as_bytes()).collect::<String>()
        );
        assert_eq!(
            world.world.browser().posts("/oauth2/sign_in", FORM, &form).await.status,
            404,
            "{typed}"
        );
        let link = format!("/oauth2/start?organization={}", form.split_once('=').unwrap().1);
        assert_eq!(
            world.world.browser().asks("GET", &link, NAVIGATION).await.status,
            404,
            "{typed}"
        );
    }
    // They still are who they are at the company that calls them so, and an address at a bound domain leads to its company.
    assert_eq!(world.person(northwind).await.code.as_str(), "contoso");
    assert!(world.types(&mut world.world.browser(), "contoso").await.is_the_sign_in_at_entra());
    assert!(
        world
            .types(&mut world.world.browser(), "anybody@fabrikam.example")
            .await
            .url
            .path()
            .contains(FABRIKAM)
    );
    // A name without an address leads to its company still.
    world.knows("the-ceo", "contoso", "worker").await;
    assert!(world.types(&mut world.world.browser(), "the-ceo").await.url.path().contains(CONTOSO));
}
