//! The pages of the secret, of recent sign-ins and of the history.

use super::*;
use crate::world::samples::{FABRIKAM, FRIDA, MAYA, TOM};
use entrada::emulator::TokenDefect;

const SECRET: &str = "/oauth2/setup/credential";

impl AdminPagesWorld {
    async fn admin(&self) -> TestBrowser {
        self.knows(MAYA, "contoso", "admin").await;
        let mut maya = self.signed_in(MAYA).await;
        self.shows_that_it_is_her(&mut maya).await;
        maya
    }

    /// Signs in again as Entra is asked to have her show that it is her.
    async fn shows_that_it_is_her(&self, maya: &mut TestBrowser) {
        maya.visits("/oauth2/start?organization=contoso&prompt=login").await;
        assert_eq!(maya.signs_in_as(MAYA).await.status, 200);
    }
}

#[tokio::test]
async fn an_admin_replaces_the_secret_on_its_page_and_reads_how_it_stands() {
    let world = AdminPagesWorld::start().await;
    let mut maya = world.admin().await;
    let page = maya.visits(SECRET).await;
    assert!(page.status == 200 && page.body.contains("No expiry date is set."), "{}", page.body);
    // The Secret ID first, then dates that cannot be.
    for (secret, ends, says) in [
        ("0a0a0a0a-1b1b-2c2c-3d3d-4e4e4e4e4e4e", "", "This is the Secret ID."),
        ("short", "", "This does not look like a client secret."),
        ("with a blank in-between", "", "This does not look like a client secret."),
        ("the-next~Secret.of-contoso-0001", "31.05.2027", "This is not a date."),
        ("the-next~Secret.of-contoso-0001", "2020-01-01", "That date is in the past"),
    ] {
        let page = maya.fills(SECRET, &[("do", "set"), ("secret", secret), ("ends", ends)]).await;
        assert!(
            page.status == 422
                && page.body.contains(says)
                && page.body.contains("aria-invalid=\"true\""),
            "{says}: {}",
            page.body
        );
        assert!(!page.body.contains(secret), "it is shown again");
    }
    assert_eq!(world.organization("contoso").await.pending_credential, None);

    let secret = "the-next~Secret.of-contoso-0001";
    SECRETS.lock().unwrap().push(secret.to_owned());
    let page =
        maya.fills(SECRET, &[("do", "set"), ("secret", secret), ("ends", "2031-05-31")]).await;
    assert!(
        page.status == 200
            && page.body.contains("A new client secret is waiting")
            && page.body.contains(&format!("by {MAYA}")),
        "{}",
        page.body
    );
    // It does not work at Entra yet, and nobody notices but the admin.
    world.signed_in(TOM).await;
    world
        .until("what Entra says", async || {
            maya_reads(&mut world.signed_in(MAYA).await, "AADSTS7000215").await
        })
        .await;
    world.world.emulator.control().add_secret(secret);
    world.signed_in(TOM).await;
    let page = world
        .until("the new secret in place", async || {
            maya_reads(&mut world.signed_in(MAYA).await, "expires on 2031-05-31").await
        })
        .await;
    assert!(!page.contains("A new client secret is waiting"), "{page}");
    for path in ["", "/people", "/sign_ins", "/history", "/credential"] {
        let page = maya.visits(&format!("/oauth2/setup{path}")).await;
        assert!(
            page.status == 200 && !page.body.contains(secret) && !page.body.contains(CLIENT_SECRET),
            "{path}"
        );
    }
    assert!(
        world.history("contoso").await.iter().any(|it| it.contains("new client secret pending"))
    );
}

async fn maya_reads(maya: &mut TestBrowser, text: &str) -> Option<String> {
    let page = maya.visits(SECRET).await;
    page.body.contains(text).then_some(page.body)
}

#[tokio::test]
async fn the_secret_is_changed_only_soon_after_signing_in() {
    let world = AdminPagesWorld::start().await;
    let mut maya = world.admin().await;
    world.world.later(11 * 60);
    let page = maya.visits(SECRET).await;
    assert!(
        text(&page).contains("prompt=login") && !page.body.contains("name=\"secret\""),
        "{}",
        page.body
    );
    for fields in [
        &[("do", "set"), ("secret", "the-late~Secret.of-contoso-0002")][..],
        &[("do", "take_back")],
    ] {
        assert_eq!(maya.fills(SECRET, fields).await.status, 403);
    }
    assert_eq!(world.organization("contoso").await.pending_credential, None);
    // Signing in again leads back here.
    let again = text(&page)
        .split("href=\"")
        .map(|it| it.split('"').next().unwrap().replace("&amp;", "&"))
        .find(|it| it.contains("prompt=login"))
        .unwrap();
    maya.visits(&again).await;
    let page = maya.signs_in_as(MAYA).await;
    assert!(
        page.path_and_query() == SECRET && page.body.contains("name=\"secret\""),
        "{}",
        page.body
    );
    maya.fills(SECRET, &[("do", "set"), ("secret", "the-late~Secret.of-contoso-0002")]).await;
    let page = maya.fills(SECRET, &[("do", "take_back")]).await;
    assert!(page.body.contains("The new secret is discarded."), "{}", page.body);
    assert_eq!(world.organization("contoso").await.pending_credential, None);
    let other = [
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
    ];
    assert_eq!(
        maya.posts(SECRET, &other, "do=set&secret=an-evil~Secret.of-contoso-0003").await.status,
        403
    );
    assert_eq!(world.organization("contoso").await.pending_credential, None);
}

#[tokio::test]
async fn a_session_that_began_by_a_sign_in_of_an_hour_ago_changes_no_secret() {
    let world = AdminPagesWorld::start().await;
    world.knows(MAYA, "contoso", "admin").await;
    world.world.emulator.control().wrong(TokenDefect::ProvedLongAgo);
    let mut maya = world.signed_in(MAYA).await;
    let page = maya.visits(SECRET).await;
    assert!(
        text(&page).contains("prompt=login") && !page.body.contains("name=\"secret\""),
        "{}",
        page.body
    );
    assert_eq!(
        maya.fills(SECRET, &[("do", "set"), ("secret", "the-early~Secret.of-contoso-0002")])
            .await
            .status,
        403
    );
    assert_eq!(world.organization("contoso").await.pending_credential, None);
    // Also not by a sign-in that was asked to show the person: her browser could leave that out on the way to Entra.
    world.world.emulator.control().wrong(TokenDefect::ProvedLongAgo);
    world.shows_that_it_is_her(&mut maya).await;
    assert!(text(&maya.visits(SECRET).await).contains("prompt=login"));
    // One that the token says was just now opens it without being asked for.
    world.world.emulator.control().wrong(TokenDefect::ProvedJustNow);
    let mut maya = world.signed_in(MAYA).await;
    assert!(maya.visits(SECRET).await.body.contains("name=\"secret\""));
}

/// Without the optional claim `auth_time`, any sign-in opened the page, also one that Entra did without asking the person anything.
#[tokio::test]
async fn attack_without_auth_time_a_silent_sign_in_changes_no_secret_and_one_with_prompt_login_does()
 {
    let world = AdminPagesWorld::start().await;
    world.knows(MAYA, "contoso", "admin").await;
    let mut maya = world.signed_in(MAYA).await;
    let secret = [("do", "set"), ("secret", "the-silent~Secret.of-contoso-0002")];
    // Neither does a query that names the prompt once the sign-in is done, nor one with another prompt.
    for path in [SECRET.to_owned(), format!("{SECRET}?prompt=login")] {
        let page = maya.visits(&path).await;
        assert!(
            text(&page).contains("prompt=login") && !page.body.contains("name=\"secret\""),
            "{}",
            page.body
        );
        assert_eq!(maya.fills(&path, &secret).await.status, 403);
    }
    maya.visits("/oauth2/start?organization=contoso&prompt=select_account").await;
    maya.signs_in_as(MAYA).await;
    let page = maya.visits(SECRET).await;
    assert!(!page.body.contains("name=\"secret\""), "{}", page.body);
    // The page itself leads to where she gets through.
    let again = text(&page)
        .split("href=\"")
        .map(|it| it.split('"').next().unwrap().replace("&amp;", "&"))
        .find(|it| it.contains("prompt=login"))
        .unwrap();
    let at_entra = maya.visits(&again).await;
    assert!(at_entra.url.query().unwrap().contains("prompt=login"), "{}", at_entra.url);
    let page = maya.signs_in_as(MAYA).await;
    assert!(
        page.path_and_query() == SECRET && page.body.contains("name=\"secret\""),
        "{}",
        page.body
    );
    world.world.later(9 * 60);
    assert!(
        maya.visits(SECRET).await.body.contains("name=\"secret\""),
        "for all of the ten minutes"
    );
    // A silent sign-in afterwards takes it away again.
    maya.visits("/oauth2/start?organization=contoso").await;
    maya.signs_in_as(MAYA).await;
    assert_eq!(maya.fills(SECRET, &secret).await.status, 403);
    assert_eq!(world.organization("contoso").await.pending_credential, None);
}

/// Where Entra is asked first whose account it is, the second sign-in is the one that counts.
#[tokio::test]
async fn with_ask_entra_the_page_leads_through_a_sign_in_that_opens_it_too() {
    let world = AdminPagesWorld::with_entra(
        "unknown = \"ask-entra\"",
        "tenant = \"organizations\"\nallowed_tenants = [\"*\"]",
    )
    .await;
    world.knows(MAYA, "contoso", "admin").await;
    let mut maya = world.world.browser();
    for path in [
        "/oauth2/start?organization=contoso".to_owned(),
        format!("/oauth2/start?rd={SECRET}&organization=contoso&prompt=login"),
    ] {
        maya.visits(&path).await;
        while maya.page.is_the_sign_in_at_entra() {
            maya.signs_in_as(MAYA).await;
        }
        let opens = maya.visits(SECRET).await.body.contains("name=\"secret\"");
        assert_eq!(opens, path.ends_with("prompt=login"), "{path}");
    }
}

#[tokio::test]
async fn of_a_company_in_the_file_people_are_tended_and_the_secret_is_not() {
    let of_file = format!(
        "[[organization]]\ncode = \"northwind\"\ntenant = \"{FABRIKAM}\"\nclient_id = \"{CLIENT_ID}\"\n"
    );
    let world = AdminPagesWorld::with(&format!(
        "{of_file}client_secret = {{ env = \"STORY_CLIENT_SECRET\" }}\n"
    ))
    .await;
    let felix = "felix@partner.example";
    let (frida, person) = (
        world.knows("frida", "northwind", "owner").await,
        world.knows(felix, "northwind", "worker").await,
    );
    // She is known there once she has come by the code.
    let mut browser = world.world.browser();
    world.comes(&mut browser, "northwind", FRIDA).await;
    let made =
        world.directory().person(&Username::parse("frida.northwind").unwrap()).await.unwrap();
    let made = made
        .or(world.directory().person(&Username::parse(FRIDA).unwrap()).await.unwrap())
        .unwrap_or(frida);
    let change = PersonChange { role: Some("owner".to_owned()), ..PersonChange::default() };
    world.directory().change_person(&made.username, change, "story").await.unwrap();
    let page = browser.visits(SECRET).await;
    assert!(
        page.status == 200
            && page.body.contains("is set in the app’s configuration")
            && !page.body.contains("name=\"secret\""),
        "{}",
        page.body
    );
    assert_eq!(
        browser
            .fills(SECRET, &[("do", "set"), ("secret", "the-other~Secret.of-file-0001")])
            .await
            .status,
        403
    );
    let page = browser
        .fills("/oauth2/setup/people", &[("person", &person.id.to_string()), ("do", "off")])
        .await;
    assert!(page.status == 200 && !world.person(felix).await.on, "{}", page.body);
}

#[tokio::test]
async fn an_admin_reads_who_was_refused_why_and_what_to_do() {
    let world = AdminPagesWorld::start().await;
    let mut maya = world.admin().await;
    let refused = entrada::emulator::InjectedRefusal {
        error: "invalid_grant".to_owned(),
        code: 50_105,
        suberror: None,
        claims: None,
    };
    world.world.emulator.control().refuse_next_token(refused);
    world.comes(&mut world.world.browser(), "contoso", TOM).await;
    // Maya signed in twice, so the third is the refusal.
    world.sign_ins("contoso", 3).await;
    let page = maya.visits("/oauth2/setup/sign_ins").await;
    let says = text(&page);
    for part in [
        "AADSTS50105",
        "Users and groups",
        "https://login.microsoftonline.com/error?code=50105",
        "Signed in",
        MAYA,
        "Reference",
    ] {
        assert!(says.contains(part), "{part}: {says}");
    }
    assert!(
        text(&maya.visits("/oauth2/setup/sign_ins?refused=1").await)
            .matches("<p class=\"main\">")
            .count()
            == 1
    );
    // Of another company, nothing.
    world.knows(FRIDA, "fabrikam", "owner").await;
    assert!(
        !world.signed_in(FRIDA).await.visits("/oauth2/setup/sign_ins").await.body.contains("50105")
    );
}

#[tokio::test]
async fn the_history_is_shown_whole_and_page_by_page() {
    let world = AdminPagesWorld::start().await;
    let mut maya = world.admin().await;
    for at in 0..40 {
        let change =
            PersonChange { name: Some(format!("Maya {at:02} <b>")), ..PersonChange::default() };
        world
            .directory()
            .change_person(&Username::parse(MAYA).unwrap(), change, "operator olga")
            .await
            .unwrap();
    }
    let (mut path, mut all) = ("/oauth2/setup/history".to_owned(), Vec::new());
    loop {
        let page = maya.visits(&path).await;
        assert!(page.status == 200 && !page.body.contains("<b>"), "{}", page.body);
        let says = text(&page);
        assert!(!says.contains("olga"), "the operator's own words are not for customers: {says}");
        all.extend(
            says.split("<p class=\"main\" lang=\"en\">")
                .skip(1)
                .map(|it| it.split("</p>").next().unwrap().to_owned()),
        );
        let next = says
            .split("href=\"")
            .map(|it| it.split('"').next().unwrap().to_owned())
            .find(|it| it.contains("before="));
        let Some(next) = next else { break };
        path = next;
    }
    let expected: Vec<_> =
        world.directory().history(world.organization("contoso").await.id, None, 100).await.unwrap();
    assert_eq!(all.len(), expected.len());
    assert!(
        all[0].contains("Maya 39") && all.last().unwrap().contains("made with the code contoso"),
        "{all:?}"
    );
    // Nothing that a request can do takes a row out.
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(
            maya.asks(method, "/oauth2/setup/history", crate::world::browser::FORM).await.status,
            405,
            "{method}"
        );
    }
}
