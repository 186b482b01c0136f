//! Companies with tenants of their own: who types what, who that makes them, and what it does not make them.

use crate::world::browser::{Browser, FORM, NAVIGATION, Page, SCRIPT};
use crate::world::{CLIENT_ID, Plan, World};
use entrada::base::code::Code;
use entrada::base::username::Username;
use entrada::directory::Directory;
use entrada::directory::change::{NewPerson, PersonChange};

const CONTOSO: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const FABRIKAM: &str = "bbbbcccc-1111-dddd-2222-eeee3333ffff";
const MAYA: &str = "maya@contoso.example";
const TOM: &str = "tom@contoso.example";
const FRIDA: &str = "frida@fabrikam.example";

/// A world with two companies, and the directory that its database is in.
struct Town {
    world: World,
    place: tempfile::TempDir,
}

impl Town {
    async fn start() -> Self {
        Self::with("", |it| it).await
    }

    async fn with(directory: &str, plan: impl FnOnce(Plan) -> Plan) -> Self {
        let place = tempfile::tempdir().unwrap();
        let organization = |code: &str, tenant: &str| {
            let head = format!("[[organization]]\ncode = \"{code}\"\ntenant = \"{tenant}\"\nclient_id = \"{CLIENT_ID}\"\n");
            format!("{head}client_secret = {{ env = \"STORY_CLIENT_SECRET\" }}\ndomains = [\"{code}.example\"]\n")
        };
        let more = format!(
            "[directory]\ndatabase = \"sqlite:{}\"\n{directory}\n{}{}",
            place.path().join("people.db").display(),
            organization("contoso", CONTOSO),
            organization("fabrikam", FABRIKAM)
        );
        let world = World::with(plan(Plan { more, headers: "send = [\"x-forwarded\", \"x-auth-request\"]".to_owned(), ..Plan::default() })).await;
        Self { world, place }
    }

    fn directory(&self) -> Directory {
        self.world.service.house().organizations.as_ref().unwrap().directory().clone()
    }

    async fn knows(&self, username: &str, company: &str, role: &str) -> String {
        let new = NewPerson { username: Username::parse(username).unwrap(), name: None, email: None, role: Some(role.to_owned()) };
        self.directory().add_person(&Code::parse(company).unwrap(), &new, "story").await.unwrap().id.to_string()
    }

    /// Goes to a page of the app signed out, and types that.
    async fn types(&self, browser: &mut Browser, typed: &str) -> Page {
        let page = browser.visits("/x?y=1").await;
        assert_eq!((page.status, page.path_and_query().as_str()), (200, "/oauth2/sign_in?rd=%2Fx%3Fy%3D1"), "{}", page.body);
        assert!(page.body.contains("<label for=\"identifier\">Username or company code</label>"), "{}", page.body);
        browser.fills("/oauth2/sign_in?rd=%2Fx%3Fy%3D1", &[("identifier", typed)]).await
    }

    /// Types that and signs in as somebody.
    async fn comes(&self, browser: &mut Browser, typed: &str, person: &str) -> Page {
        let shown = self.types(browser, typed).await;
        assert!(shown.is_the_sign_in_at_entra(), "{} {}", shown.status, shown.body);
        browser.signs_in_as(person).await
    }
}

fn assertion(page: &Page) -> serde_json::Value {
    jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(&page.app_heard("x-entrada-assertion")).unwrap().claims
}

fn query(url: &url::Url, name: &str) -> Option<String> {
    url.query_pairs().find(|it| it.0 == name).map(|it| it.1.into_owned())
}

#[tokio::test]
async fn a_known_person_signs_in_by_username_and_the_app_hears_who_it_is() {
    let town = Town::start().await;
    let id = town.knows(MAYA, "contoso", "admin").await;
    let mut maya = town.world.browser();
    let page = town.comes(&mut maya, " Maya@Contoso.example ", MAYA).await;
    assert_eq!((page.status, page.path_and_query().as_str()), (200, "/x?y=1"), "{}", page.body);
    for (name, value) in [("x-entrada-person", id.as_str()), ("x-entrada-role", "admin"), ("x-entrada-organization", "contoso"), ("x-forwarded-tenant", CONTOSO)]
    {
        assert_eq!(page.app_heard(name), value, "{name}");
    }
    let said = assertion(&page);
    assert_eq!((said["person"].as_str(), said["role"].as_str(), said["organization"].as_str()), (Some(id.as_str()), Some("admin"), Some("contoso")));
    let user = maya.asks("GET", "/oauth2/userinfo", SCRIPT).await.json();
    assert_eq!((&user["person"], &user["role"], &user["organization"]), (&said["person"], &said["role"], &said["organization"]));
}

#[tokio::test]
async fn somebody_unknown_signs_in_by_company_code_and_is_made_a_worker() {
    let town = Town::start().await;
    let mut frida = town.world.browser();
    let page = town.comes(&mut frida, "Fabrikam", FRIDA).await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert_eq!((page.app_heard("x-entrada-role").as_str(), page.app_heard("x-entrada-organization").as_str()), ("worker", "fabrikam"));
    let made = town.directory().person(&Username::parse(FRIDA).unwrap()).await.unwrap().unwrap();
    assert_eq!((made.id.to_string(), made.role.as_str()), (page.app_heard("x-entrada-person"), "worker"));
    assert_eq!(assertion(&page)["person"], made.id.to_string());
    // Once more is the same person.
    let mut again = town.world.browser();
    assert_eq!(town.comes(&mut again, FRIDA, FRIDA).await.app_heard("x-entrada-person"), made.id.to_string());
}
