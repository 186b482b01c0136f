//! The page of people: who is found there, what an admin may do to them, and who is no admin there.

use super::*;
use crate::world::samples::{FRIDA, GRACE, MAYA, TOM};
use entrada::directory::people;

const PEOPLE: &str = "/oauth2/setup/people";

impl AdminPagesWorld {
    /// Sends a form of the page of a person.
    async fn does(
        &self,
        browser: &mut TestBrowser,
        person: &Person,
        fields: &[(&str, &str)],
    ) -> BrowserPage {
        let id = person.id.to_string();
        let fields: Vec<_> =
            [("person", id.as_str())].into_iter().chain(fields.iter().copied()).collect();
        browser.fills(PEOPLE, &fields).await
    }
}

#[tokio::test]
async fn an_admin_finds_people_page_by_page_and_by_how_they_begin() {
    let world = AdminPagesWorld::start().await;
    world.knows(MAYA, "contoso", "admin").await;
    for at in 0..30 {
        world.knows(&format!("anna{at:02}"), "contoso", "worker").await;
    }
    world.knows("an_x", "contoso", "worker").await;
    world.knows("annabel", "fabrikam", "worker").await;
    let mut maya = world.signed_in(MAYA).await;
    let first = maya.visits(PEOPLE).await;
    assert!(
        first.status == 200 && first.body.contains("anna23") && !first.body.contains("anna24"),
        "{}",
        first.body
    );
    let next = text(&first)
        .split("href=\"")
        .map(|it| it.split('"').next().unwrap().to_owned())
        .find(|it| it.contains("after="))
        .unwrap();
    let second = maya.visits(&next).await;
    assert!(
        second.body.contains("anna24")
            && second.body.contains(MAYA)
            && !second.body.contains("anna23"),
        "{}",
        second.body
    );
    for (asked, found) in [
        ("ANNA1", 10),
        ("an_", 1),
        ("maya@", 1),
        ("%", 0),
        ("annabel", 0),
        ("' OR 1=1 --", 0),
        ("\\", 0),
        ("<b>", 0),
    ] {
        let query: String =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("q", asked).finish();
        let page = maya.visits(&format!("{PEOPLE}?{query}")).await;
        assert_eq!(
            (page.status, page.body.matches("<p class=\"main\">").count()),
            (200, found),
            "{asked}"
        );
        assert!(!page.body.contains("<b>"), "{}", page.body);
    }
    for page in ["", "sign_ins", "history"] {
        assert!(!maya.visits(&format!("/oauth2/setup/{page}")).await.body.contains("annabel"));
    }
}

#[tokio::test]
async fn a_role_is_given_by_hand_and_never_above_ones_own() {
    let world = AdminPagesWorld::start().await;
    let (maya, tom) =
        (world.knows(MAYA, "contoso", "admin").await, world.knows(TOM, "contoso", "worker").await);
    let owner = world.knows("olga", "contoso", "owner").await;
    let mut browser = world.signed_in(MAYA).await;
    let shown = browser.visits(&format!("{PEOPLE}?person={}", tom.id)).await;
    assert!(
        shown.body.contains("<option>admin</option>") && !shown.body.contains("<option>owner"),
        "{}",
        shown.body
    );
    let page = world.does(&mut browser, &tom, &[("do", "role"), ("role", "admin")]).await;
    assert!(
        page.status == 200 && page.body.contains("The role is now admin."),
        "{} {}",
        page.status,
        page.body
    );
    let tom = world.person(TOM).await;
    assert_eq!((tom.role.as_str(), tom.role_source.as_str()), ("admin", "hand"));
    assert!(
        world.history("contoso").await[0]
            .ends_with("tom@contoso.example: role worker became admin")
    );
    // What the page does not offer is refused as well.
    for (whom, role) in [(&tom, "owner"), (&owner, "worker"), (&maya, "worker")] {
        assert_eq!(
            world.does(&mut browser, whom, &[("do", "role"), ("role", role)]).await.status,
            403,
            "{role}"
        );
    }
    assert_eq!(world.does(&mut browser, &owner, &[("do", "off")]).await.status, 403);
    assert_eq!(world.does(&mut browser, &maya, &[("do", "off")]).await.status, 403);
    for fields in [&[("do", "role"), ("role", "boss")][..], &[("do", "what")], &[]] {
        assert_eq!(world.does(&mut browser, &tom, fields).await.status, 400);
    }
    let shown = browser.visits(&format!("{PEOPLE}?person={}", owner.id)).await;
    assert!(
        shown.body.contains("higher role than you") && !shown.body.contains("<form"),
        "{}",
        shown.body
    );
    let shown = browser.visits(&format!("{PEOPLE}?person={}", maya.id)).await;
    assert!(
        shown.body.contains("This is you.") && !shown.body.contains("value=\"off\""),
        "{}",
        shown.body
    );
    assert_eq!(
        (world.person("olga").await, world.person(MAYA).await.role),
        (owner, "admin".to_owned())
    );
}

#[tokio::test]
async fn whoever_is_switched_off_is_out_at_once_and_comes_in_again_when_switched_on() {
    let world = AdminPagesWorld::start().await;
    world.knows(MAYA, "contoso", "owner").await;
    let mut admin = world.signed_in(MAYA).await;
    let mut browser = world.signed_in(TOM).await;
    let tom = world.person(TOM).await;
    let page = world.does(&mut admin, &tom, &[("do", "off")]).await;
    assert!(page.body.contains("Disabled and signed out everywhere."), "{}", page.body);
    assert!(!is_in(&mut browser).await && is_in(&mut admin).await);
    let page = world.comes(&mut browser, "contoso", TOM).await;
    assert!(page.status == 403 && page.body.contains("Your access is disabled"), "{}", page.body);
    assert!(admin.visits(PEOPLE).await.body.contains("Disabled"));
    world.does(&mut admin, &tom, &[("do", "on")]).await;
    assert_eq!(world.comes(&mut browser, "contoso", TOM).await.status, 200);
    let history = world.history("contoso").await;
    assert!(
        history[0].ends_with("tom@contoso.example: state on")
            && history[1].ends_with("tom@contoso.example: state off"),
        "{history:?}"
    );
}

#[tokio::test]
async fn signed_out_everywhere_is_every_device_and_only_that_person() {
    let world = AdminPagesWorld::start().await;
    world.knows(MAYA, "contoso", "owner").await;
    // A second company of the same tenant: the same account is another person there.
    let code = CompanyCode::parse("northwind").unwrap();
    let connection =
        world.directory().connection(&world.organization("contoso").await).await.unwrap().unwrap();
    let new = NewOrganization {
        code: Some(code.clone()),
        name: "Northwind".to_owned(),
        tenant: Some(connection.tenant),
        client_id: Some(connection.client_id),
        proof: OrganizationCredential::of_value(CLIENT_SECRET).ok(),
        on: true,
        ..NewOrganization::default()
    };
    world.directory().add_organization(new, "story").await.unwrap();
    let (mut one, mut two, mut elsewhere) =
        (world.world.browser(), world.world.browser(), world.world.browser());
    world.comes(&mut one, "contoso", TOM).await;
    world.comes(&mut two, "contoso", TOM).await;
    world.comes(&mut elsewhere, "northwind", TOM).await;
    let mut admin = world.signed_in(MAYA).await;
    let tom = world.person(TOM).await;
    let page = world.does(&mut admin, &tom, &[("do", "sign_out")]).await;
    assert!(page.body.contains("Signed out everywhere."), "{}", page.body);
    assert_eq!(
        (
            is_in(&mut one).await,
            is_in(&mut two).await,
            is_in(&mut elsewhere).await,
            is_in(&mut admin).await
        ),
        (false, false, true, true)
    );
    assert!(world.history("contoso").await[0].ends_with(entrada::directory::change::SIGNED_OUT));
    assert_eq!(
        world.comes(&mut one, "contoso", TOM).await.status,
        200,
        "signing in again is possible"
    );
}

#[tokio::test]
async fn attack_a_link_without_a_role_makes_no_owner_of_someone_who_signed_in() {
    let world = AdminPagesWorld::start().await;
    world.signed_in(TOM).await;
    let tom = world.person(TOM).await;
    assert_eq!(tom.role, "worker");
    let link = world
        .directory()
        .invite(&CompanyCode::parse("contoso").unwrap(), "operator olga")
        .await
        .unwrap();
    SECRETS.lock().unwrap().push(link.token.expose().to_owned());
    let mut invited = world.world.browser();
    let page = invited.fills("/oauth2/setup/invitation", &[("token", link.token.expose())]).await;
    assert_eq!(
        (page.status, page.path_and_query().as_str()),
        (200, "/oauth2/setup"),
        "{}",
        page.body
    );
    let shown = invited.visits(&format!("{PEOPLE}?person={}", tom.id)).await;
    assert!(!shown.body.contains("value=\"owner\""), "{}", shown.body);
    for role in ["owner", "admin"] {
        let page = world.does(&mut invited, &tom, &[("do", "role"), ("role", role)]).await;
        assert_eq!(page.status, 403, "{}", page.body);
    }
    assert_eq!(world.person(TOM).await.role, "worker");
    // Nor does it switch an owner off.
    let grace = world.knows(GRACE, "contoso", "owner").await;
    assert_eq!(world.does(&mut invited, &grace, &[("do", "off")]).await.status, 403);
    let page = world.does(&mut invited, &tom, &[("do", "off")]).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let page = invited.visits("/oauth2/setup/history").await;
    assert!(page.body.contains("by a set-up link"), "{}", page.body);
    // Of that company alone.
    world.signed_in(FRIDA).await;
    let frida = world.person(FRIDA).await;
    assert_eq!(world.does(&mut invited, &frida, &[("do", "off")]).await.status, 404);
}

#[tokio::test]
async fn attack_nobody_but_an_admin_of_that_company_changes_its_people() {
    let world = AdminPagesWorld::start().await;
    world.knows(FRIDA, "fabrikam", "owner").await;
    let tom = world.knows(TOM, "contoso", "worker").await;
    let person = format!("{PEOPLE}?person={}", tom.id);
    // An owner of another company: as if there were nobody.
    let mut frida = world.signed_in(FRIDA).await;
    assert_eq!(frida.visits(&person).await.status, 404);
    for fields in
        [&[("do", "off")][..], &[("do", "role"), ("role", "admin")], &[("do", "sign_out")]]
    {
        assert_eq!(world.does(&mut frida, &tom, fields).await.status, 404);
    }
    // A worker of that company, about themselves.
    let mut browser = world.signed_in(TOM).await;
    for path in
        [PEOPLE, "/oauth2/setup/sign_ins", "/oauth2/setup/history", "/oauth2/setup/credential"]
    {
        assert_eq!(browser.visits(path).await.status, 403, "{path}");
    }
    assert_eq!(
        world.does(&mut browser, &tom, &[("do", "role"), ("role", "owner")]).await.status,
        403
    );
    // Nobody at all.
    let mut nobody = world.world.browser();
    assert!(nobody.visits(PEOPLE).await.path_and_query().starts_with("/oauth2/sign_in?rd="));
    assert_ne!(world.does(&mut nobody, &tom, &[("do", "off")]).await.status, 303);
    // An admin whose browser another site's page drives.
    world.knows(MAYA, "contoso", "owner").await;
    let mut maya = world.signed_in(MAYA).await;
    let form = format!("person={}&do=off", tom.id);
    let other = [
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
    ];
    let sibling = [
        ("accept", "text/html"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://other.localhost"),
    ];
    for headers in [&other[..], &sibling, &[("accept", "text/html"), ("origin", "null")]] {
        assert_eq!(maya.posts(PEOPLE, headers, &form).await.status, 403);
    }
    assert_eq!(
        maya.posts(PEOPLE, crate::world::browser::FORM, &format!("{form}&person={}", tom.id))
            .await
            .status,
        400,
        "said twice"
    );
    let now = world.person(TOM).await;
    assert_eq!((now.on, now.role.as_str()), (true, "worker"));
    assert!(is_in(&mut browser).await, "he was signed out");
    // An admin who is one no more is none at once, whatever the session says.
    let change = PersonChange { role: Some("worker".to_owned()), ..PersonChange::default() };
    world
        .directory()
        .change_person(&Username::parse(MAYA).unwrap(), change, "story")
        .await
        .unwrap();
    assert_eq!(world.does(&mut maya, &tom, &[("do", "off")]).await.status, 403);
    let all = world
        .directory()
        .people(&people::PeopleQuery { organization: None, prefix: None, after: None, limit: 50 })
        .await
        .unwrap();
    assert!(all.iter().all(|it| it.on), "{all:?}");
}
