//! Who may open the page.

use super::*;
use crate::world::browser::NAVIGATION;
use crate::world::samples::{CONTOSO, FABRIKAM, FRIDA};

#[tokio::test]
async fn an_admin_who_is_signed_out_signs_in_and_comes_back_to_the_page() {
    let world = SetUpWorld::start().await;
    world.knows(FRIDA, "fabrikam", "admin").await;
    let mut frida = world.world.browser();
    let page = frida.visits("/oauth2/setup/sheet").await;
    assert_eq!(page.path_and_query(), "/oauth2/sign_in?rd=%2Foauth2%2Fsetup%2Fsheet");
    frida.fills("/oauth2/sign_in?rd=%2Foauth2%2Fsetup%2Fsheet", &[("identifier", FRIDA)]).await;
    let page = frida.signs_in_as(FRIDA).await;
    assert_eq!((page.status, page.url.path()), (200, "/oauth2/setup/sheet"), "{}", page.body);
    assert!(
        page.body.contains("Fabrikam &lt;Rail&gt;") && page.body.contains("fabrikam</code>"),
        "{}",
        page.body
    );
    let page = frida.visits("/oauth2/setup").await;
    assert!(
        page.body.contains("Single sign-on for Fabrikam &lt;Rail&gt;")
            && !page.body.contains("Contoso"),
        "{}",
        page.body
    );
    assert!(!page.body.contains(CLIENT_SECRET));
}

#[tokio::test]
async fn a_worker_a_stranger_and_whoever_is_no_admin_any_more_do_not_come_in() {
    let world = SetUpWorld::start().await;
    world.knows(FRIDA, "fabrikam", "worker").await;
    let mut frida = world.signed_in("fabrikam", FRIDA).await;
    let refused = async |browser: &mut TestBrowser| {
        let page = browser.visits("/oauth2/setup").await;
        assert!(!page.body.contains("Fabrikam") && !page.body.contains("Contoso"), "{}", page.body);
        page.status
    };
    assert_eq!(refused(&mut frida).await, 403);
    let role = |role: &str| PersonChange { role: Some(role.to_owned()), ..PersonChange::default() };
    // At once, in the session that she has.
    world.changes_person(FRIDA, role("owner")).await;
    assert_eq!(frida.visits("/oauth2/setup").await.status, 200);
    world.changes_person(FRIDA, role("worker")).await;
    assert_eq!(refused(&mut frida).await, 403);
    world.changes_person(FRIDA, role("admin")).await;
    world.changes_person(FRIDA, PersonChange { on: Some(false), ..PersonChange::default() }).await;
    assert_eq!(refused(&mut frida).await, 403);
    world.changes_person(FRIDA, PersonChange { on: Some(true), ..PersonChange::default() }).await;
    world.turns("fabrikam", OrganizationState::Off).await;
    assert_eq!(refused(&mut frida).await, 403);
    // A script hears where to sign in.
    let page = world.world.browser().asks("GET", "/oauth2/setup", SCRIPT).await;
    assert_eq!(
        (
            page.status,
            page.json()["sign_in_url"]
                .as_str()
                .unwrap()
                .ends_with("/oauth2/sign_in?rd=%2Foauth2%2Fsetup")
        ),
        (401, true)
    );
}

#[tokio::test]
async fn an_installation_names_the_roles_that_set_up() {
    let world = SetUpWorld::with("roles = [\"boss\", \"worker\"]\nsetup_roles = [\"boss\"]").await;
    world.knows(FRIDA, "fabrikam", "boss").await;
    assert_eq!(world.signed_in("fabrikam", FRIDA).await.visits("/oauth2/setup").await.status, 200);
}

#[tokio::test]
async fn attack_an_admin_of_one_company_changes_nothing_of_another() {
    let world = SetUpWorld::start().await;
    world.knows(FRIDA, "fabrikam", "owner").await;
    let before = world.organization("contoso").await;
    let mut frida = world.signed_in("fabrikam", FRIDA).await;
    for extra in [("organization", "contoso"), ("code", "contoso"), ("id", &before.id.to_string())]
    {
        let fields = [
            ("tenant", CONTOSO),
            ("client_id", CLIENT_ID),
            ("client_secret", "a-secret-of-her-own-0123456789"),
            extra,
        ];
        frida.fills(&format!("/oauth2/setup/connection?{}={}", extra.0, extra.1), &fields).await;
        frida.fills("/oauth2/setup/off?organization=contoso", &[extra]).await;
        world.turns("fabrikam", OrganizationState::On).await;
    }
    assert_eq!(world.organization("contoso").await, before);
    assert_eq!(
        world.organization("fabrikam").await.tenant,
        Guid::parse(FABRIKAM),
        "and her own stays where it is while it is on"
    );
}

#[tokio::test]
async fn attack_nobody_moves_a_company_that_is_on_to_a_tenant_of_their_own_untested() {
    let world = SetUpWorld::start().await;
    world.turns("fabrikam", OrganizationState::On).await;
    world.knows(FRIDA, "fabrikam", "owner").await;
    let mut frida = world.signed_in("fabrikam", FRIDA).await;
    let page = enters(&mut frida, CONTOSO, CLIENT_ID, "a-secret-of-her-own-0123456789").await;
    assert!(
        page.body.contains(
            "Nothing was changed. The tenant and client ID cannot change while single sign-on is on"
        ),
        "{}",
        page.body
    );
    let organization = world.organization("fabrikam").await;
    assert_eq!(
        (organization.tenant, organization.state),
        (Guid::parse(FABRIKAM), OrganizationState::On)
    );
    // By the operator's link it moves, and is off until it was tested again.
    let mut guest = world.invited("fabrikam").await;
    let page = enters(&mut guest, CONTOSO, CLIENT_ID, "a-secret-of-her-own-0123456789").await;
    assert!(page.body.contains("Single sign-on is off until you test"), "{}", page.body);
    let organization = world.organization("fabrikam").await;
    assert_eq!(
        (organization.tenant, organization.state),
        (Guid::parse(CONTOSO), OrganizationState::Off)
    );
    guest.fills("/oauth2/setup/on", &[]).await;
    assert_eq!(world.organization("fabrikam").await.state, OrganizationState::Off);
}

/// An admin could not switch an owner off, but could turn the whole company off.
#[tokio::test]
async fn attack_an_admin_does_not_turn_off_a_company_that_has_an_owner() {
    let world = SetUpWorld::start().await;
    world.turns("fabrikam", OrganizationState::On).await;
    world.knows("olga@fabrikam.example", "fabrikam", "owner").await;
    world.knows(FRIDA, "fabrikam", "admin").await;
    let mut frida = world.signed_in("fabrikam", FRIDA).await;
    let page = frida.visits("/oauth2/setup").await;
    assert!(
        page.body.contains("Only people with the highest role")
            && !page.body.contains("Turn off now"),
        "{}",
        page.body
    );
    let page = frida.fills("/oauth2/setup/off", &[]).await;
    assert!(
        page.status == 409 && page.body.contains("can lock out people with a higher role"),
        "{} {}",
        page.status,
        page.body
    );
    assert_eq!(
        (world.organization("fabrikam").await.state, is_signed_in(&mut frida).await),
        (OrganizationState::On, true)
    );
    // Once nobody stands above her she may.
    world
        .changes_person(
            "olga@fabrikam.example",
            PersonChange { on: Some(false), ..PersonChange::default() },
        )
        .await;
    assert!(frida.visits("/oauth2/setup").await.body.contains("Turn off now"));
    assert_eq!(frida.fills("/oauth2/setup/off", &[]).await.status, 200);
    assert_eq!(world.organization("fabrikam").await.state, OrganizationState::Off);
}

#[tokio::test]
async fn without_a_directory_there_is_no_such_page() {
    let world = World::start().await;
    for path in ["/oauth2/setup", "/oauth2/setup/invitation?token=x", "/oauth2/setup/connection"] {
        assert_eq!(world.browser().asks("GET", path, NAVIGATION).await.status, 404, "{path}");
    }
    let world = SetUpWorld::start().await;
    for (path, status) in [
        ("/oauth2/setup/nothing", 404),
        ("/oauth2/setup/", 404),
        ("/oauth2/setup/on", 405),
        ("/oauth2/setups", 404),
    ] {
        assert_eq!(
            world.world.browser().asks("GET", path, NAVIGATION).await.status,
            status,
            "{path}"
        );
    }
}
