//! The test, and turning on.

use super::*;
use crate::world::browser::{FORM, NAVIGATION};
use crate::world::samples::{CONTOSO, FELIX, FRIDA, MAYA};
use entrada::emulator::InjectedRefusal;

#[tokio::test]
async fn an_admin_enters_tests_and_turns_on_and_the_first_worker_comes_in() {
    let world = SetUpWorld::start().await;
    let mut admin = world.invited("contoso").await;
    let page = admin.fills("/oauth2/setup/trial", &[]).await;
    assert!(
        page.status == 409 && page.body.contains("There is nothing to test yet"),
        "{} {}",
        page.status,
        page.body
    );
    assert!(
        !admin.visits("/oauth2/setup?done=on").await.body.contains("Single sign-on is on"),
        "a link from elsewhere says so"
    );
    let page = admin.fills("/oauth2/setup/on", &[]).await;
    assert!(
        page.status == 409 && page.body.contains("Single sign-on is not on yet"),
        "{} {}",
        page.status,
        page.body
    );
    enters(&mut admin, CONTOSO, CLIENT_ID, CLIENT_SECRET).await;
    let page = admin.fills("/oauth2/setup/on", &[]).await;
    assert!(page.status == 409, "what was never tested is not turned on");
    let page = tests_as(&mut admin, MAYA).await;
    assert_eq!((page.status, page.url.path()), (200, "/oauth2/callback"), "{}", page.body);
    for says in [
        "The sign-in works",
        "An account would be created for you as",
        "with the role worker",
        "Maya Okafor",
        MAYA,
        CONTOSO,
        "Object ID",
        "This test changed nothing",
    ] {
        assert!(page.body.contains(says), "{says}: {}", page.body);
    }
    let again = admin.asks("GET", &page.path_and_query(), NAVIGATION).await;
    assert_eq!((again.status, &again.body), (200, &page.body), "sent twice, it is shown twice");
    world.world.later(11);
    let again = admin.asks("GET", &page.path_and_query(), NAVIGATION).await;
    assert_eq!(
        (again.status, again.header("location")),
        (303, "/oauth2/setup"),
        "a later reload of the result leads elsewhere"
    );
    assert!(!is_signed_in(&mut admin).await, "a test began a session");
    assert_eq!(
        world.directory().count(world.organization("contoso").await.id).await.unwrap(),
        0,
        "a test made somebody"
    );
    let page = admin.visits("/oauth2/setup").await;
    assert!(page.body.contains("was tested and works"), "{}", page.body);
    let page = admin.fills("/oauth2/setup/on", &[]).await;
    assert_eq!(
        (page.status, page.path_and_query().as_str()),
        (200, "/oauth2/setup?done=on"),
        "{}",
        page.body
    );
    assert!(
        page.body.contains("contoso</code>")
            && page.body.contains("/oauth2/setup/sheet")
            && page.body.contains("start?organization=contoso"),
        "{}",
        page.body
    );
    let sheet = admin.visits("/oauth2/setup/sheet").await;
    assert!(
        sheet.body.contains("Company code")
            && sheet.body.contains(&world.world.public_url)
            && sheet.body.contains("On your phone"),
        "{}",
        sheet.body
    );
    let mut maya = world.signed_in("contoso", MAYA).await;
    assert!(is_signed_in(&mut maya).await);
    // And off again, by whoever has the link: then the visit has ended, too.
    let page = admin.fills("/oauth2/setup/off", &[]).await;
    assert!(
        page.status == 200 && page.body.contains("Single sign-on is off"),
        "{} {}",
        page.status,
        page.body
    );
    assert_eq!(admin.visits("/oauth2/setup?done=on").await.status, 403);
    assert_eq!(world.organization("contoso").await.state, OrganizationState::Off);
    let history = world.history("contoso").await;
    for what in
        ["link for the set-up page used", "sign-in tested: it works", "state on", "state off"]
    {
        assert!(
            history.iter().any(|it| it.starts_with("invitation ") && it.ends_with(what)),
            "{what}: {history:?}"
        );
    }
}

#[tokio::test]
async fn a_test_that_microsoft_refuses_says_which_code_came_and_what_to_do() {
    let world = SetUpWorld::start().await;
    let mut admin = world.invited("contoso").await;
    enters(&mut admin, CONTOSO, CLIENT_ID, "a~wrong.Value_of_the_stories-0123456789").await;
    let page = tests_as(&mut admin, MAYA).await;
    assert!(
        page.status == 200
            && page.body.contains("AADSTS7000215")
            && page.body.contains("enter the secret’s Value, not its Secret ID"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("was tested and works"));
    let page = admin.visits("/oauth2/setup").await;
    assert!(!page.body.contains("was tested and works"), "{}", page.body);
    assert_eq!(admin.fills("/oauth2/setup/on", &[]).await.status, 409);
    // A tenant that is none: nobody is led anywhere.
    enters(&mut admin, "cccccccc-2222-dddd-3333-eeee4444ffff", CLIENT_ID, CLIENT_SECRET).await;
    let page = admin.fills("/oauth2/setup/trial", &[]).await;
    assert!(
        page.body.contains("AADSTS90002") && page.body.contains("Copy the Directory (tenant) ID"),
        "{} {}",
        page.status,
        page.body
    );
}

#[tokio::test]
async fn what_changed_after_the_test_is_to_be_tested_again() {
    let world = SetUpWorld::start().await;
    let mut admin = world.invited("contoso").await;
    enters(&mut admin, CONTOSO, CLIENT_ID, CLIENT_SECRET).await;
    // It changes while the admin is at Entra: that test is of the one before.
    let shown = admin.fills("/oauth2/setup/trial", &[]).await;
    enters(&mut admin, CONTOSO, CLIENT_ID, CLIENT_SECRET).await;
    admin.page = shown;
    admin.signs_in_as(MAYA).await;
    assert_eq!(admin.fills("/oauth2/setup/on", &[]).await.status, 409);
    tests_as(&mut admin, MAYA).await;
    enters(&mut admin, CONTOSO, CLIENT_ID, "a~wrong.Value_of_the_stories-0123456789").await;
    assert_eq!(admin.fills("/oauth2/setup/on", &[]).await.status, 409);
    // An operator turns on without.
    world.turns("contoso", OrganizationState::On).await;
}

#[tokio::test]
async fn attack_a_test_is_shown_to_the_visit_that_began_it_and_to_no_other() {
    let world = SetUpWorld::start().await;
    let mut admin = world.invited("contoso").await;
    enters(&mut admin, CONTOSO, CLIENT_ID, CLIENT_SECRET).await;
    let shown = admin.fills("/oauth2/setup/trial", &[]).await;
    let callback = admin.stops_at_the_callback(MAYA, shown).await;
    let path = callback[url::Position::BeforePath..].to_owned();
    let page = world.world.browser().asks("GET", &path, NAVIGATION).await;
    assert!(!page.body.contains("Maya") && page.header("set-cookie").is_empty(), "{}", page.body);
    // The visit ends before she comes back.
    world.token("contoso").await;
    let page = admin.asks("GET", &path, NAVIGATION).await;
    assert!(
        page.status == 403
            && page.body.contains("This test belongs to another session")
            && !page.body.contains("Okafor"),
        "{} {}",
        page.status,
        page.body
    );
    assert!(!is_signed_in(&mut admin).await);
    assert_eq!(world.directory().tested(&world.organization("contoso").await).await.unwrap(), None);
}

#[tokio::test]
async fn an_admins_own_session_goes_on_beside_a_test_of_another_account() {
    let world = SetUpWorld::start().await;
    world.knows(FRIDA, "fabrikam", "admin").await;
    let mut frida = world.signed_in("fabrikam", FRIDA).await;
    let before = frida.cookie("entrada");
    let page = tests_as(&mut frida, FELIX).await;
    assert!(
        page.body.contains("An account would be created for you as")
            && page.body.contains("E-mail (not verified)"),
        "{}",
        page.body
    );
    assert_eq!(frida.cookie("entrada"), before);
    assert!(frida.asks("GET", "/oauth2/userinfo", SCRIPT).await.body.contains(FRIDA));
    let page = tests_as(&mut frida, FRIDA).await;
    assert!(page.body.contains("who has signed in before, with the role admin"), "{}", page.body);
    // Somebody added beforehand would be linked, or would wait, and the page says why; nobody is.
    world.adds(FELIX, "fabrikam", "worker").await;
    let page = tests_as(&mut frida, FELIX).await;
    for says in [
        "You would be linked to felix@fabrikam.example",
        "with the role worker",
        "your user principal name is that person’s",
    ] {
        assert!(page.body.contains(says), "{says}: {}", page.body);
    }
    let owner = PersonChange { role: Some("owner".to_owned()), ..PersonChange::default() };
    world.changes_person(FELIX, owner).await;
    let page = tests_as(&mut frida, FELIX).await;
    for says in [
        "You may be felix@fabrikam.example",
        "with the role owner",
        "This role may open the set-up page",
        "waits until an admin of your company",
    ] {
        assert!(page.body.contains(says), "{says}: {}", page.body);
    }
    world.emulator.control().set_upn(&oid(&world, FELIX), None);
    let page = tests_as(&mut frida, FELIX).await;
    assert!(page.body.contains("add the optional claims upn and acct"), "{}", page.body);
    assert!(world.directory().link_requests(None, true).await.unwrap().is_empty());
    assert_eq!(
        world.directory().person(&Username::parse(FELIX).unwrap()).await.unwrap().unwrap().linked,
        None
    );
    // A test that another page began does not count.
    let page = frida.posts("/oauth2/setup/trial", FORM, "x=1&x=2").await;
    assert_eq!(page.status, 400);
}

/// A policy, as Entra names it in a challenge.
const POLICY: &str = r#"{"access_token":{"polids":{"essential":true,"values":["p1"]}}}"#;

fn needs_another_proof(world: &World) {
    world.emulator.control().refuse_next_token(InjectedRefusal {
        error: "interaction_required".to_owned(),
        code: 50_076,
        suberror: Some("basic_action".to_owned()),
        claims: Some(POLICY.to_owned()),
    });
}

/// The claims and the login hint of each visit of Entra on the way to a page.
fn visits_of_entra(page: &BrowserPage) -> Vec<(Option<String>, Option<String>)> {
    let visits = page.way.iter().filter(|it| it.path().ends_with("/authorize"));
    let value = |it: &url::Url, name: &str| {
        it.query_pairs().find(|it| it.0 == name).map(|it| it.1.into_owned())
    };
    visits.map(|it| (value(it, "claims"), value(it, "login_hint"))).collect()
}

#[tokio::test]
async fn a_test_that_needs_another_proof_goes_to_microsoft_with_it_once() {
    let world = SetUpWorld::start().await;
    let mut admin = world.invited("contoso").await;
    enters(&mut admin, CONTOSO, CLIENT_ID, CLIENT_SECRET).await;
    needs_another_proof(&world);
    let page = tests_as(&mut admin, MAYA).await;
    assert_eq!(visits_of_entra(&page), [(Some(POLICY.to_owned()), None)], "{}", page.body);
    let page = admin.signs_in_as(MAYA).await;
    assert!(page.status == 200 && page.body.contains("The sign-in works"), "{}", page.body);
    // Entra that is never satisfied ends on the page of the result.
    needs_another_proof(&world);
    needs_another_proof(&world);
    assert_eq!(visits_of_entra(&tests_as(&mut admin, MAYA).await).len(), 1);
    let page = admin.signs_in_as(MAYA).await;
    assert_eq!((page.status, visits_of_entra(&page).len()), (200, 0));
    assert!(page.body.contains("AADSTS50076"), "{}", page.body);
    let log = world.logged().await;
    let lines = log.lines().filter(|it| it.contains("sign_in_refused"));
    assert_eq!(lines.count(), 1, "{log}");
    assert!(!is_signed_in(&mut admin).await);
}

/// The second round was for the admin's own account, whichever one was tested.
#[tokio::test]
async fn a_test_of_another_account_that_needs_another_proof_is_not_for_the_admins_own() {
    let world = SetUpWorld::start().await;
    world.knows(FRIDA, "fabrikam", "admin").await;
    let mut frida = world.signed_in("fabrikam", FRIDA).await;
    let before = frida.cookie("entrada");
    needs_another_proof(&world);
    let page = tests_as(&mut frida, FELIX).await;
    assert_eq!(visits_of_entra(&page), [(Some(POLICY.to_owned()), None)], "{}", page.body);
    let page = frida.signs_in_as(FELIX).await;
    assert!(page.body.contains("An account would be created for you as"), "{}", page.body);
    assert_eq!(frida.cookie("entrada"), before);
}
