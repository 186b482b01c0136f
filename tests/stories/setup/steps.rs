//! What is entered, and what is refused on the spot.

use super::*;
use crate::world::samples::{CONTOSO, FABRIKAM, FRIDA, MAYA};

const NEW: &str = "b~another.Value_of_the_stories-45678901";

#[tokio::test]
async fn a_secret_id_is_refused_on_the_spot_and_nothing_is_saved() {
    let world = SetUpWorld::start().await;
    let mut admin = world.invited("contoso").await;
    let page = enters(&mut admin, CONTOSO, CLIENT_ID, "0a1b2c3d-1111-2222-3333-444455556666").await;
    assert_eq!(page.status, 422);
    assert!(page.body.contains("This is the Secret ID. Copy the Value"), "{}", page.body);
    assert!(
        page.body.contains(&format!("value=\"{CONTOSO}\""))
            && page.body.contains(&format!("value=\"{CLIENT_ID}\"")),
        "what was typed is lost: {}",
        page.body
    );
    assert!(
        page.body.contains("The client secret you entered was not kept")
            && !page.body.contains("0a1b2c3d-1111-2222"),
        "{}",
        page.body
    );
    assert_eq!(world.organization("contoso").await.tenant, None);
    for (tenant, client_id, secret, says) in [
        // First: from then on, the secret that is typed is kept.
        (CONTOSO, CLIENT_ID, "", "Enter the Value of a client secret"),
        ("nowhere.example", CLIENT_ID, NEW, "Microsoft has no tenant with this domain"),
        ("our tenant", CLIENT_ID, NEW, "Copy the Directory (tenant) ID"),
        (CONTOSO, "my app", NEW, "Copy the Application (client) ID"),
        (CONTOSO, CONTOSO, NEW, "This is the tenant ID again"),
        (CONTOSO, CLIENT_ID, "with space in it", "This is not the Value of a client secret"),
        (CONTOSO, CLIENT_ID, "\u{202e}aaaaaaaaaaaa", "This is not the Value of a client secret"),
    ] {
        let page = enters(&mut admin, tenant, client_id, secret).await;
        assert!(
            page.status == 422 && page.body.contains(says),
            "{says}: {} {}",
            page.status,
            page.body
        );
    }
    let fields = [
        ("tenant", CONTOSO),
        ("client_id", CLIENT_ID),
        ("client_secret", NEW),
        ("ends", "2001-02-03"),
    ];
    assert!(
        admin
            .fills("/oauth2/setup/connection", &fields)
            .await
            .body
            .contains("This date is in the past")
    );
    assert_eq!(world.organization("contoso").await.tenant, None);
}

#[tokio::test]
async fn what_is_saved_shows_what_microsoft_says_and_never_the_secret() {
    let world = SetUpWorld::start().await;
    let mut admin = world.invited("contoso").await;
    let page = enters(&mut admin, CONTOSO, CLIENT_ID, NEW).await;
    assert_eq!(
        (page.status, page.path_and_query().as_str()),
        (200, "/oauth2/setup?done=saved"),
        "{}",
        page.body
    );
    let issuer = format!("{}/{CONTOSO}/v2.0", world.world.emulator.authority());
    assert!(page.body.contains("Tenant found") && page.body.contains(&issuer), "{}", page.body);
    assert!(
        page.body.contains("value=\"2099-11-30\"")
            && page.body.contains("A secret is saved (encrypted, never displayed)"),
        "{}",
        page.body
    );
    let now = world.organization("contoso").await;
    assert_eq!(
        (now.tenant, now.client_id, now.has_credential, now.state),
        (Guid::parse(CONTOSO), Guid::parse(CLIENT_ID), true, OrganizationState::Draft)
    );
    assert_eq!(now.credential_ends, Some(4_099_680_000));
    // The other fields change without it, and an unknown tenant is told in plain words.
    let page = enters(&mut admin, CONTOSO, CLIENT_ID, "").await;
    assert_eq!(page.path_and_query(), "/oauth2/setup?done=saved");
    let fields = [
        ("tenant", CONTOSO),
        ("client_id", CLIENT_ID),
        ("client_secret", ""),
        ("ends", "2098-01-31"),
    ];
    assert!(
        admin
            .fills("/oauth2/setup/connection", &fields)
            .await
            .body
            .contains("value=\"2098-01-31\"")
    );
    let page = enters(&mut admin, FABRIKAM, CLIENT_ID, "").await;
    assert!(
        page.status == 422 && page.body.contains("needs its own client secret"),
        "{}",
        page.body
    );
    let page = enters(&mut admin, "cccccccc-2222-dddd-3333-eeee4444ffff", CLIENT_ID, NEW).await;
    assert!(
        page.body.contains("Microsoft has no tenant with this ID")
            && page.body.contains("AADSTS90002"),
        "{}",
        page.body
    );
    // It stands on no page, in no log, in no byte of the database, and in no history.
    for path in ["/oauth2/setup", "/oauth2/setup/sheet"] {
        assert!(!admin.visits(path).await.body.contains(NEW));
    }
    assert!(!world.world.logged().await.contains(NEW) && !world.is_in_the_database(NEW).await);
    let history = world.history("contoso").await;
    assert!(
        history.iter().all(|it| !it.contains(NEW))
            && history
                .iter()
                .any(|it| it.starts_with("invitation ") && it.contains("new client secret set")),
        "{history:?}"
    );
}

#[tokio::test]
async fn in_a_session_the_secret_changes_within_ten_minutes_after_signing_in() {
    let world = SetUpWorld::start().await;
    world.knows(FRIDA, "fabrikam", "admin").await;
    let mut frida = world.signed_in("fabrikam", FRIDA).await;
    assert!(
        !frida.visits("/oauth2/setup").await.body.contains("name=\"client_secret\""),
        "a sign-in that asks nothing"
    );
    frida.visits("/oauth2/start?organization=fabrikam&prompt=login").await;
    frida.signs_in_as(FRIDA).await;
    let page = frida.visits("/oauth2/setup").await;
    assert!(
        page.body.contains("name=\"client_secret\"") && !page.body.contains("prompt=login"),
        "{}",
        page.body
    );
    world.world.later(601);
    let page = frida.visits("/oauth2/setup").await;
    assert!(
        !page.body.contains("name=\"client_secret\"") && page.body.contains("prompt=login"),
        "{}",
        page.body
    );
    let page = enters(&mut frida, FABRIKAM, CLIENT_ID, NEW).await;
    assert!(
        page.status == 422 && page.body.contains("you signed in more than ten minutes ago"),
        "{} {}",
        page.status,
        page.body
    );
    assert_eq!(world.organization("fabrikam").await.pending_credential, None);
    let at_entra =
        frida.visits("/oauth2/start?rd=%2Foauth2%2Fsetup&organization=fabrikam&prompt=login").await;
    assert!(
        at_entra.is_the_sign_in_at_entra()
            && at_entra.url.query().unwrap().contains("prompt=login"),
        "{}",
        at_entra.url
    );
    let page = frida.signs_in_as(FRIDA).await;
    assert!(
        page.url.path() == "/oauth2/setup" && page.body.contains("name=\"client_secret\""),
        "{}",
        page.body
    );
    assert_eq!(
        enters(&mut frida, FABRIKAM, CLIENT_ID, NEW).await.path_and_query(),
        "/oauth2/setup?done=saved"
    );
    assert!(
        world.organization("fabrikam").await.pending_credential.is_some(),
        "of an organization that is on, it waits"
    );
    assert!(
        world
            .history("fabrikam")
            .await
            .iter()
            .any(|it| it.starts_with("person ") && it.contains("new client secret"))
    );
}

#[tokio::test]
async fn a_company_of_the_configuration_is_only_read() {
    let organization = format!(
        "[[organization]]\ncode = \"woodgrove\"\ntenant = \"{CONTOSO}\"\nclient_id = \"{CLIENT_ID}\"\nclient_secret = {{ env = \"STORY_CLIENT_SECRET\" }}\ndomains = [\"contoso.example\"]"
    );
    let world = SetUpWorld::with(&organization).await;
    world.knows(MAYA, "woodgrove", "owner").await;
    let mut maya = world.signed_in("woodgrove", MAYA).await;
    let page = maya.visits("/oauth2/setup").await;
    assert!(
        page.status == 200 && page.body.contains("set in the app’s configuration"),
        "{}",
        page.body
    );
    assert!(
        !page.body.contains("name=\"tenant\"")
            && !page.body.contains("setup/connection")
            && !page.body.contains(CLIENT_SECRET),
        "{}",
        page.body
    );
    for path in ["connection", "off"] {
        let fields = [("tenant", FABRIKAM), ("client_id", CLIENT_ID), ("client_secret", NEW)];
        let page = maya.fills(&format!("/oauth2/setup/{path}"), &fields).await;
        assert!(
            page.status == 409 && page.body.contains("Nothing was changed"),
            "{path} {} {}",
            page.status,
            page.body
        );
    }
    let now = world.organization("woodgrove").await;
    assert_eq!((now.tenant, now.state), (Guid::parse(CONTOSO), OrganizationState::On));
    let page = tests_as(&mut maya, MAYA).await;
    assert!(page.body.contains("The sign-in works"), "{}", page.body);
}

#[tokio::test]
async fn a_domain_that_is_verified_there_stands_for_the_tenant() {
    let world = SetUpWorld::start().await;
    let mut admin = world.invited("contoso").await;
    let page = enters(&mut admin, " Contoso.example ", CLIENT_ID, NEW).await;
    assert_eq!(page.path_and_query(), "/oauth2/setup?done=saved", "{}", page.body);
    assert_eq!(world.organization("contoso").await.tenant, Guid::parse(CONTOSO));
    world.world.emulator.control().be_down(true);
    let page = enters(&mut admin, "fabrikam.example", CLIENT_ID, NEW).await;
    assert!(
        page.status == 422
            && page.body.contains("Microsoft did not answer, so there is no information"),
        "{} {}",
        page.status,
        page.body
    );
}
