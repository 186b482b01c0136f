//! A company is deleted by its highest admin, after a page has named what goes.

use super::*;
use crate::world::CapturedEvents;
use crate::world::browser::FORM;
use crate::world::samples::{FABRIKAM, TOM};
use entrada::directory::organization::OrganizationState;
use sqlx::Connection as _;

const DELETION: &str = "/oauth2/setup/deletion";

impl AdminPagesWorld {
    async fn exists(&self, code: &str) -> bool {
        let code = CompanyCode::parse(code).unwrap();
        self.directory().organization(&code).await.unwrap().is_some()
    }
}

/// Types a code into the form of a page that showed so many people.
async fn confirms(browser: &mut TestBrowser, code: &str, people: &str) -> BrowserPage {
    browser.fills(DELETION, &[("people", people), ("code", code)]).await
}

#[tokio::test]
async fn an_owner_deletes_the_company_after_the_page_has_named_what_goes() {
    let events = CapturedEvents::listens();
    let world = AdminPagesWorld::start().await;
    let mut maya = world.owner().await;
    let (mut tom, mut frida) = (world.signed_in(TOM).await, world.signed_in(FRIDA).await);
    let id = world.organization("contoso").await.id;
    let shown = maya.visits("/oauth2/setup").await;
    assert!(text(&shown).contains(&format!("href=\"{DELETION}\"")), "{}", shown.body);
    let page = maya.visits(DELETION).await;
    for says in [
        "Delete contoso?",
        "It cannot be undone.",
        "<dt>People</dt><dd>2</dd>",
        "<dt>E-mail domains</dt><dd>contoso.example</dd>",
        "All people go",
        "The recent sign-ins",
        "Your company can no longer read them.",
        "type the company code contoso",
    ] {
        assert!(page.body.contains(says), "{says}: {}", page.body);
    }
    for typed in ["", "contos", "fabrikam", "yes"] {
        let page = confirms(&mut maya, typed, "2").await;
        assert_eq!(page.status, 422, "{typed}: {}", page.body);
        assert!(page.body.contains("this is not the company code"), "{}", page.body);
    }
    assert!(is_in(&mut tom).await && is_in(&mut maya).await, "nothing happened yet");
    let page = confirms(&mut maya, " Contoso ", "2").await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("The company was deleted"), "{}", page.body);
    // At once, and nobody else.
    assert!(!is_in(&mut tom).await && !is_in(&mut maya).await && is_in(&mut frida).await);
    assert_eq!(maya.cookie_names(), Vec::<String>::new());
    let page = maya.visits("/oauth2/setup").await;
    assert!(
        page.body.contains("Username or company code") && !page.body.contains("contoso"),
        "{}",
        page.body
    );
    for typed in ["contoso", MAYA, TOM] {
        let page = tom.fills("/oauth2/sign_in?rd=%2Fx", &[("identifier", typed)]).await;
        assert_eq!(page.status, 404, "{typed}: {}", page.body);
    }
    assert!(!world.exists("contoso").await && world.exists("fabrikam").await);
    assert_eq!(world.directory().count(id).await.unwrap(), 0);
    let history = world.directory().history(id, None, 100).await.unwrap();
    assert_eq!(history[0].what, "state off, deleted with 2 people");
    assert!(history[0].by.starts_with("person "), "{history:?}");
    assert!(!history.iter().any(|it| it.what.contains(TOM) || it.what.contains(MAYA)));
    assert!(events.text().contains("an admin deleted their organization"), "{}", events.text());
}

#[tokio::test]
async fn a_company_that_changed_since_the_page_was_shown_is_not_deleted() {
    let world = AdminPagesWorld::start().await;
    let mut maya = world.owner().await;
    let mut tom = world.signed_in(TOM).await;
    assert!(maya.visits(DELETION).await.body.contains("<dd>2</dd>"));
    world.adds("grace", "contoso", "worker").await;
    let page = confirms(&mut maya, "contoso", "2").await;
    assert!(
        page.status == 409
            && page.body.contains("your company changed in the meantime")
            && page.body.contains("name=\"people\" value=\"3\""),
        "{} {}",
        page.status,
        page.body
    );
    for people in ["", "-1", "three", "99999999999999999999"] {
        assert_eq!(confirms(&mut maya, "contoso", people).await.status, 400, "{people}");
    }
    // Under another code than the one that was typed.
    let (old, new) = ("contoso", "contoso-eu");
    let [before, after] = [old, new].map(|it| CompanyCode::parse(it).unwrap());
    world.directory().change_code(&before, &after, 9, "story").await.unwrap();
    assert_eq!(confirms(&mut maya, old, "3").await.status, 422);
    assert!(world.exists(new).await && is_in(&mut tom).await);
    // The operator was first.
    world.world.turns(new, OrganizationState::Off).await;
    assert_eq!(confirms(&mut maya, new, "3").await.status, 403);
    assert!(world.exists(new).await);
}

#[tokio::test]
async fn a_deletion_that_fails_changes_nothing() {
    let world = AdminPagesWorld::start().await;
    let mut maya = world.owner().await;
    let mut tom = world.signed_in(TOM).await;
    let before = world.history("contoso").await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(world.database_file());
    let mut database = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    // The last statement of the deletion.
    let fails = "CREATE TRIGGER fails BEFORE INSERT ON audit WHEN NEW.what LIKE '%deleted%' \
                 BEGIN SELECT RAISE(ABORT, 'a story'); END";
    sqlx::raw_sql(fails).execute(&mut database).await.unwrap();
    let page = confirms(&mut maya, "contoso", "2").await;
    assert_eq!(page.status, 503, "{}", page.body);
    assert!(is_in(&mut maya).await && is_in(&mut tom).await);
    assert_eq!(world.organization("contoso").await.state, OrganizationState::On);
    assert_eq!(world.history("contoso").await, before);
    world.person(TOM).await;
    // Once it works again, the same form does it.
    sqlx::raw_sql("DROP TRIGGER fails").execute(&mut database).await.unwrap();
    assert_eq!(confirms(&mut maya, "contoso", "2").await.status, 200);
    assert!(!world.exists("contoso").await);
}

#[tokio::test]
async fn attack_nobody_else_deletes_a_company() {
    let world = AdminPagesWorld::start().await;
    let mut maya = world.owner().await;
    // From another site's page.
    let foreign = [
        ("accept", "text/html"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("origin", "https://evil.example"),
    ];
    let form = "people=1&code=contoso";
    assert_eq!(maya.posts(DELETION, &foreign, form).await.status, 403);
    assert_eq!(maya.visits(&format!("{DELETION}?{form}")).await.status, 200);
    assert!(world.exists("contoso").await, "looking deletes nothing");
    // An owner of another company, whatever the form says of this one.
    world.knows(FRIDA, "fabrikam", "owner").await;
    let mut frida = world.confirmed(FRIDA).await;
    let id = world.organization("contoso").await.id.to_string();
    for extra in [("organization", "contoso"), ("id", id.as_str())] {
        let path = format!("{DELETION}?{}={}", extra.0, extra.1);
        let page = frida.fills(&path, &[("people", "1"), ("code", "contoso"), extra]).await;
        assert_eq!(page.status, 422, "{}", page.body);
    }
    // A visitor with a link, who reads why.
    let mut invited = world.invited().await;
    let page = invited.visits(DELETION).await;
    assert!(
        page.body.contains("You opened a set-up link, so you cannot delete the company")
            && !page.body.contains("<form"),
        "{}",
        page.body
    );
    assert!(!invited.visits("/oauth2/setup").await.body.contains("Delete the company"));
    assert_eq!(confirms(&mut invited, "contoso", "1").await.status, 403);
    // A worker, and an admin where there is an owner.
    let mut tom = world.confirmed(TOM).await;
    assert_eq!(confirms(&mut tom, "contoso", "2").await.status, 403);
    let admin = PersonChange { role: Some("admin".to_owned()), ..PersonChange::default() };
    world.changes_person(TOM, admin).await;
    let page = tom.visits(DELETION).await;
    assert!(
        page.body.contains("Only people with the highest role") && !page.body.contains("<form"),
        "{}",
        page.body
    );
    assert!(!tom.visits("/oauth2/setup").await.body.contains("Delete the company"));
    assert_eq!(confirms(&mut tom, "contoso", "2").await.status, 403);
    // A session that is older than ten minutes confirms the password first, and comes back.
    world.world.later(601);
    let page = maya.visits(DELETION).await;
    assert!(
        page.body.contains("Sign in again to delete it") && !page.body.contains("<form"),
        "{}",
        page.body
    );
    assert_eq!(maya.posts(DELETION, FORM, "people=2&code=contoso").await.status, 403);
    let again = text(&page)
        .split("href=\"")
        .map(|it| it.split('"').next().unwrap().replace("&amp;", "&"))
        .find(|it| it.contains("prompt=login"))
        .unwrap();
    maya.visits(&again).await;
    let page = maya.signs_in_as(MAYA).await;
    assert_eq!(page.path_and_query(), DELETION);
    assert!(page.body.contains("name=\"code\""), "{}", page.body);
    // A stranger, and nobody any more.
    let page = world.world.browser().fills(DELETION, &[("people", "2"), ("code", "contoso")]).await;
    assert_eq!(page.status, 401, "{}", page.body);
    world.changes_person(MAYA, PersonChange { on: Some(false), ..PersonChange::default() }).await;
    assert_eq!(confirms(&mut maya, "contoso", "2").await.status, 403);
    assert!(world.exists("contoso").await && world.exists("fabrikam").await);
}

#[tokio::test]
async fn a_company_of_the_file_is_deleted_there_only() {
    let of_file = format!(
        "[[organization]]\ncode = \"northwind\"\ntenant = \"{FABRIKAM}\"\nclient_id = \"{CLIENT_ID}\"\n"
    );
    let secret = "client_secret = { env = \"STORY_CLIENT_SECRET\" }\n";
    let world = AdminPagesWorld::with(&format!("{of_file}{secret}")).await;
    let mut frida = world.world.browser();
    world.comes(&mut frida, "northwind", FRIDA).await;
    let id = world.organization("northwind").await.id;
    let all = entrada::directory::people::PeopleQuery {
        organization: Some(id),
        prefix: None,
        after: None,
        limit: 9,
    };
    let made = world.directory().people(&all).await.unwrap().remove(0);
    let owner = PersonChange { role: Some("owner".to_owned()), ..PersonChange::default() };
    world.directory().change_person(&made.username, owner, "story").await.unwrap();
    let page = frida.visits(DELETION).await;
    assert!(
        page.body.contains("so only the app’s owner can delete it") && !page.body.contains("<form"),
        "{}",
        page.body
    );
    assert_eq!(confirms(&mut frida, "northwind", "1").await.status, 403);
    assert!(!frida.visits("/oauth2/setup").await.body.contains("Delete the company"));
    assert!(world.exists("northwind").await);
}

#[tokio::test]
async fn after_the_last_company_people_are_still_asked_and_the_operator_can_begin_again() {
    let world = AdminPagesWorld::start().await;
    world.knows(FRIDA, "fabrikam", "owner").await;
    let (mut maya, mut frida) = (world.owner().await, world.confirmed(FRIDA).await);
    assert_eq!(confirms(&mut maya, "contoso", "1").await.status, 200);
    assert_eq!(confirms(&mut frida, "fabrikam", "1").await.status, 200);
    assert!(world.directory().organizations().await.unwrap().is_empty());
    let page = frida.visits("/x").await;
    assert!(page.body.contains("Username or company code"), "{}", page.body);
    assert_eq!(frida.fills("/oauth2/sign_in", &[("identifier", "fabrikam")]).await.status, 404);
    // Under another code, since devices remember the old one.
    let new = crate::world::company::company("fabrikam-rail", FABRIKAM);
    world.directory().add_organization(new, "story").await.unwrap();
    assert_eq!(world.comes(&mut frida, "fabrikam-rail", FRIDA).await.status, 200);
}
