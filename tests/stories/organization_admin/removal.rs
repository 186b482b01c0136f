//! People are deleted and merged by an admin, after a page has named what goes.

use super::*;
use crate::world::browser::FORM;
use crate::world::samples::{FRIDA, GRACE, MAYA, TOM};

const PEOPLE: &str = "/oauth2/setup/people";

impl AdminPagesWorld {
    async fn is_there(&self, person: &Person) -> bool {
        self.directory().person_by_id(person.id).await.unwrap().is_some()
    }
}

/// The fields of the form with which a page asks for confirmation.
fn confirmed(page: &BrowserPage) -> Vec<(String, String)> {
    let body = text(page);
    let (_, rest) =
        body.split_once("<form class=\"way\" method=\"post\"").unwrap_or_else(|| panic!("{body}"));
    let form = rest.split("</form>").next().unwrap();
    let value = |input: &str, name: &str| {
        input.split_once(&format!("{name}=\"")).unwrap().1.split('"').next().unwrap().to_owned()
    };
    form.split("<input ").skip(1).map(|it| (value(it, "name"), value(it, "value"))).collect()
}

async fn presses(browser: &mut TestBrowser, fields: &[(String, String)]) -> BrowserPage {
    let fields: Vec<_> = fields.iter().map(|it| (it.0.as_str(), it.1.as_str())).collect();
    browser.fills(PEOPLE, &fields).await
}

#[tokio::test]
async fn a_person_is_deleted_after_the_page_has_named_what_goes() {
    let world = AdminPagesWorld::start().await;
    let mut admin = world.owner().await;
    let mut browser = world.signed_in(TOM).await;
    let tom = world.person(TOM).await;
    let shown = admin.visits(&format!("{PEOPLE}?person={}", tom.id)).await;
    let confirm = format!("{PEOPLE}?person={}&confirm=delete", tom.id);
    assert!(text(&shown).contains(&confirm.replace('&', "&amp;")), "{}", shown.body);
    let page = admin.visits(&confirm).await;
    for says in [
        "Tom Becker",
        &format!("Delete {TOM}?"),
        &tom.linked.unwrap().1.to_string(),
        "<dd>worker</dd>",
        "The entries of the history stay, without the name.",
        "The account may sign in again, as a new person.",
    ] {
        assert!(page.body.contains(says), "{says}: {}", page.body);
    }
    assert!(world.is_there(&tom).await && is_in(&mut browser).await, "looking deletes nobody");
    let page = presses(&mut admin, &confirmed(&page)).await;
    assert_eq!(page.path_and_query(), "/oauth2/setup/people?done=deleted", "{}", page.body);
    assert!(page.body.contains("The person is deleted."), "{}", page.body);
    assert!(!world.is_there(&tom).await && !is_in(&mut browser).await);
    let history = world.history("contoso").await;
    assert!(
        history[0].starts_with("person ") && history.iter().all(|it| !it.contains(TOM)),
        "{history:?}"
    );
    // The account comes back as a new person.
    assert_eq!(world.comes(&mut browser, "contoso", TOM).await.status, 200);
    assert_ne!(world.person(TOM).await.id, tom.id);
}

#[tokio::test]
async fn a_disabled_person_who_is_deleted_stays_outside_and_the_page_says_so() {
    let world = AdminPagesWorld::start().await;
    let mut admin = world.owner().await;
    world.signed_in(TOM).await;
    let tom = world.person(TOM).await;
    world.turns(TOM, false).await;
    let page = admin.visits(&format!("{PEOPLE}?person={}&confirm=delete", tom.id)).await;
    assert!(page.body.contains("so the account stays outside"), "{}", page.body);
    presses(&mut admin, &confirmed(&page)).await;
    let page = world.comes(&mut world.world.browser(), "contoso", TOM).await;
    assert_eq!(page.status, 403, "{}", page.body);
}

#[tokio::test]
async fn two_people_whom_an_admin_chooses_become_one() {
    let world = AdminPagesWorld::start().await;
    let mut admin = world.owner().await;
    // Nothing about the two looks alike, so nobody proposed it.
    let added = world.adds("t.b", "contoso", "admin").await;
    let mut browser = world.signed_in(TOM).await;
    let tom = world.person(TOM).await;
    let choose = format!("{PEOPLE}?person={}&confirm=merge", added.id);
    let page = admin.visits(&choose).await;
    assert!(page.body.contains("Username of the person who goes"), "{}", page.body);
    for (typed, says) in [
        ("nobody", "Your company has no person with this username"),
        (FRIDA, "Your company has no person with this username"),
        ("t.b", "This is the same person"),
        ("' OR 1=1 --", "Your company has no person with this username"),
    ] {
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("with", typed)
            .finish();
        let page = admin.visits(&format!("{choose}&{query}")).await;
        assert!(page.status == 200 && page.body.contains(says), "{typed}: {}", page.body);
    }
    let page = admin.visits(&format!("{choose}&with=tom%40contoso.example")).await;
    for says in [
        "t.b keeps username and role (admin)",
        &format!("{TOM} is deleted, and t.b takes over the account"),
        &format!("{TOM} is signed out everywhere"),
        "Tom Becker",
    ] {
        assert!(page.body.contains(says), "{says}: {}", page.body);
    }
    assert!(world.is_there(&tom).await);
    let page = presses(&mut admin, &confirmed(&page)).await;
    assert!(
        page.path_and_query().ends_with(&format!("person={}&done=merged", added.id))
            && page.body.contains("The two people are one now."),
        "{} {}",
        page.url,
        page.body
    );
    assert!(!world.is_there(&tom).await && !is_in(&mut browser).await);
    let now = world.person("t.b").await;
    assert_eq!((now.linked, now.role.as_str(), now.id), (tom.linked, "admin", added.id));
    assert_eq!(world.comes(&mut browser, "contoso", TOM).await.status, 200);
    assert!(world.person("t.b").await.last_sign_in.is_some());
}

#[tokio::test]
async fn two_people_with_accounts_of_their_own_are_not_merged() {
    let world = AdminPagesWorld::start().await;
    let mut admin = world.owner().await;
    world.signed_in(TOM).await;
    world.signed_in(GRACE).await;
    let (tom, grace) = (world.person(TOM).await, world.person(GRACE).await);
    let confirm = format!("{PEOPLE}?person={}&confirm=merge&with=grace%40contoso.example", tom.id);
    let page = admin.visits(&confirm).await;
    assert!(
        page.body.contains("Both people sign in with an account of their own")
            && !page.body.contains("value=\"merge\">\n<button"),
        "{}",
        page.body
    );
    let fields = [
        ("person", tom.id.to_string()),
        ("shown", TOM.to_owned()),
        ("other", grace.id.to_string()),
        ("other_shown", GRACE.to_owned()),
        ("do", "merge".to_owned()),
    ]
    .map(|it| (it.0.to_owned(), it.1));
    let page = presses(&mut admin, &fields).await;
    assert!(page.status == 409 && page.body.contains("Both people sign in"), "{}", page.body);
    assert!(world.is_there(&tom).await && world.is_there(&grace).await);
}

#[tokio::test]
async fn what_was_confirmed_is_what_was_shown() {
    let world = AdminPagesWorld::start().await;
    let mut admin = world.owner().await;
    let tom = world.adds(TOM, "contoso", "worker").await;
    let page = admin.visits(&format!("{PEOPLE}?person={}&confirm=delete", tom.id)).await;
    let change = PersonChange { username: Username::parse("thomas"), ..PersonChange::default() };
    world.changes_person(TOM, change).await;
    let page = presses(&mut admin, &confirmed(&page)).await;
    assert!(
        page.status == 409
            && page.body.contains("the person changed in the meantime")
            && page.body.contains("Delete thomas?"),
        "{} {}",
        page.status,
        page.body
    );
    assert!(world.is_there(&tom).await);
}

#[tokio::test]
async fn attack_nobody_else_deletes_or_merges() {
    let world = AdminPagesWorld::start().await;
    let mut owner = world.owner().await;
    let (tom, grace) = (
        world.adds("tom", "contoso", "worker").await,
        world.adds("grace", "contoso", "owner").await,
    );
    let maya = world.person(MAYA).await;
    let delete = |person: &Person| {
        [
            ("person", person.id.to_string()),
            ("shown", person.username.to_string()),
            ("do", "delete".to_owned()),
        ]
        .map(|it| (it.0.to_owned(), it.1))
    };
    // Oneself, a person of another company, and from another site's page.
    assert_eq!(presses(&mut owner, &delete(&maya)).await.status, 403);
    let frida = world.knows(FRIDA, "fabrikam", "owner").await;
    assert_eq!(presses(&mut owner, &delete(&frida)).await.status, 404);
    let foreign = [
        ("accept", "text/html"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("origin", "https://evil.example"),
    ];
    let form = format!("person={}&shown=tom&do=delete", tom.id);
    assert_eq!(owner.posts(PEOPLE, &foreign, &form).await.status, 403);
    // An owner of another company, and a visitor with a link.
    let mut other = world.confirmed(FRIDA).await;
    assert_eq!(presses(&mut other, &delete(&tom)).await.status, 404);
    assert_eq!(
        other.visits(&format!("{PEOPLE}?person={}&confirm=delete", tom.id)).await.status,
        404
    );
    let mut invited = world.invited().await;
    let page = invited.visits(&format!("{PEOPLE}?person={}&confirm=delete", tom.id)).await;
    assert!(
        page.body.contains("You opened a set-up link, so you cannot decide here")
            && !page.body.contains("<form"),
        "{}",
        page.body
    );
    assert_eq!(presses(&mut invited, &delete(&tom)).await.status, 403);
    // An admin, about an owner: neither deleted, nor merged into somebody else.
    let change = PersonChange { role: Some("admin".to_owned()), ..PersonChange::default() };
    world.changes_person(MAYA, change).await;
    let mut admin = world.confirmed(MAYA).await;
    assert_eq!(presses(&mut admin, &delete(&grace)).await.status, 403);
    let page = admin.visits(&format!("{PEOPLE}?person={}&confirm=delete", grace.id)).await;
    assert_eq!(page.status, 403);
    let merge = [
        ("person", tom.id.to_string()),
        ("shown", "tom".to_owned()),
        ("other", grace.id.to_string()),
        ("other_shown", "grace".to_owned()),
        ("do", "merge".to_owned()),
    ]
    .map(|it| (it.0.to_owned(), it.1));
    let page = presses(&mut admin, &merge).await;
    assert!(page.status == 409 && page.body.contains("a higher role than you"), "{}", page.body);
    // A session that is older than ten minutes confirms the password first.
    world.world.later(601);
    let page = admin.visits(&format!("{PEOPLE}?person={}&confirm=delete", tom.id)).await;
    assert!(
        page.body.contains("Sign in again to decide") && !page.body.contains("<form class=\"way\""),
        "{}",
        page.body
    );
    let form = format!("person={}&shown=tom&do=delete", tom.id);
    assert_eq!(admin.posts(PEOPLE, FORM, &form).await.status, 403);
    assert!(world.is_there(&tom).await && world.is_there(&grace).await);
}

#[tokio::test]
async fn switching_somebody_off_names_the_twin_who_can_still_come_in() {
    let world = AdminPagesWorld::start().await;
    let mut admin = world.owner().await;
    // Of the same name, but under a username that links to no account.
    let added = world.adds("tom", "contoso", "worker").await;
    let mut browser = world.signed_in(TOM).await;
    let tom = world.person(TOM).await;
    assert_ne!(tom.id, added.id);
    let twin = format!("<a href=\"{PEOPLE}?person={}\">{TOM}</a>", tom.id);
    let shown = admin.visits(&format!("{PEOPLE}?person={}", added.id)).await;
    assert!(
        text(&shown).contains(&twin)
            && shown.body.contains("Disabling one of them does not keep the other one out."),
        "{}",
        shown.body
    );
    let fields = [("person", added.id.to_string()), ("do", "off".to_owned())]
        .map(|it| (it.0.to_owned(), it.1));
    let page = presses(&mut admin, &fields).await;
    assert!(
        page.body.contains("Disabled and signed out everywhere.")
            && text(&page).contains(&twin)
            && page.body.contains("but the other one can sign in"),
        "{}",
        page.body
    );
    assert!(is_in(&mut browser).await, "it was true");
    // Once both are off, nobody is named.
    world.turns(TOM, false).await;
    let shown = admin.visits(&format!("{PEOPLE}?person={}", added.id)).await;
    assert!(!shown.body.contains("This may be the same person as"), "{}", shown.body);
}
