//! Text that people type.

use super::behind_a_front;
use crate::organizations::{OrganizationsWorld, query};
use crate::world::browser::{FORM, NAVIGATION};
use crate::world::samples::{MAYA, TOM};
use entrada::base::guid::Guid;

#[tokio::test]
async fn no_text_of_a_browser_is_taken_for_sql() {
    let world = OrganizationsWorld::with("", behind_a_front).await;
    world.adds(MAYA, "contoso", "owner").await;
    let hostile = [
        "' OR '1'='1",
        "contoso' --",
        "contoso'/**/OR/**/1=1",
        "x'; DROP TABLE person; --",
        "' UNION SELECT id, code FROM organization_code --",
        "maya@contoso.example' AND '1'='1",
        "%",
        "m%@contoso.example%",
        "_ontoso",
        "$1",
        "contoso\0",
        "contoso\u{2019}",
        "\\'; SELECT 1; --",
    ];
    for (at, text) in hostile.iter().enumerate() {
        let (address, encoded) = (
            format!("192.0.2.{at}"),
            url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>(),
        );
        let mut browser = world.world.browser();
        let page = browser
            .posts(
                "/oauth2/sign_in",
                &[FORM, &[("x-forwarded-for", &address)]].concat(),
                &format!("identifier={encoded}"),
            )
            .await;
        assert_eq!(page.status, 404, "{text:?}");
        for place in [
            format!("/oauth2/start?organization={encoded}"),
            format!("/oauth2/sign_in?organization={encoded}&rd=/x"),
        ] {
            let page = browser
                .asks("GET", &place, &[NAVIGATION, &[("x-forwarded-for", &address)]].concat())
                .await;
            assert!(matches!(page.status, 400 | 404), "{place}: {}", page.status);
        }
        // What a device remembers, and a hint for Entra, are text too.
        browser.plants("entrada-o", &encoded);
        assert_eq!(browser.visits("/oauth2/sign_in").await.status, 200);
        let page = browser
            .asks(
                "GET",
                &format!("/oauth2/start?organization=contoso&login_hint={encoded}"),
                NAVIGATION,
            )
            .await;
        assert!(matches!(page.status, 302 | 400), "{text:?}: {}", page.status);
    }
    // Nor is what Entra says of somebody.
    world.world.emulator.control().set_user_name(&world.oid(TOM), "x'; DROP TABLE person; --");
    world.world.emulator.control().set_email(&world.oid(TOM), "o'x'||'@contoso.example", true);
    assert_eq!(world.comes(&mut world.world.browser(), "contoso", TOM).await.status, 200);
    assert_eq!(world.directory().organizations().await.unwrap().len(), 2);
    assert!(world.is_unlinked(MAYA).await);
}

#[tokio::test]
async fn letters_that_look_alike_are_nobodys_name() {
    let world = OrganizationsWorld::start().await;
    let maya = world.adds(MAYA, "contoso", "owner").await;
    for typed in [
        "m\u{430}ya@contoso.example",
        "\u{202e}maya@contoso.example",
        "ma\u{202e}ya@contoso.example",
        "maya@cont\u{43e}so.example",
        "maya@con\u{2013}toso.example",
        "cont\u{43e}so",
    ] {
        assert_eq!(world.types(&mut world.world.browser(), typed).await.status, 404, "{typed:?}");
    }
    // The wide form is the same name, not one beside it; so is one with what is not seen.
    for typed in
        ["\u{ff2d}\u{ff21}\u{ff39}\u{ff21}@contoso.example", "ma\u{200b}ya@contoso.example,"]
    {
        let page = world.types(&mut world.world.browser(), typed).await;
        let at = page.way.iter().find(|it| it.path().contains("/authorize")).unwrap();
        assert_eq!(query(at, "login_hint").as_deref(), Some(MAYA), "{typed:?}");
    }
    // A name of Entra's in other letters is not hers, and the username that is made of it can be told from hers.
    for (name, person) in [
        ("m\u{430}ya@contoso.example", TOM),
        ("\u{202e}maya@contoso.example", "zoe@contoso.example"),
    ] {
        world.world.emulator.control().set_user_name(&world.oid(person), name);
        let page = world.comes(&mut world.world.browser(), "contoso", person).await;
        assert_eq!(
            (page.status, page.app_heard("x-entrada-role").as_str()),
            (200, "worker"),
            "{}",
            page.body
        );
        let id = Guid::parse(&page.app_heard("x-entrada-person")).unwrap();
        let made = world.directory().person_by_id(id).await.unwrap().unwrap();
        assert!(
            made.id.to_string() != maya
                && made.username.as_str().is_ascii()
                && made.username.as_str() != MAYA,
            "{}",
            made.username
        );
    }
    assert!(world.is_unlinked(MAYA).await);
}
