//! What a customer keeps in order after its organization is on: the secret, its people, and what happened.

mod page;
mod people;
mod secret;
mod seen;

use crate::world::browser::{Browser, Page, SCRIPT, SECRETS};
use crate::world::company::{CONTOSO, FABRIKAM, FRIDA, MAYA, TOM, company};
use crate::world::{CLIENT_ID, CLIENT_SECRET, Plan, World};
use entrada::base::code::Code;
use entrada::base::username::Username;
use entrada::directory::change::{NewOrganization, OrganizationChange, PersonChange};
use entrada::directory::person::Person;
use entrada::directory::proof::Proof;
use entrada::directory::recent::{Asked, Kept};
use std::ops::Deref;
use std::time::Duration;

/// A world with two companies that stand in the database.
struct Town {
    world: World,
    place: tempfile::TempDir,
}

impl Deref for Town {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Town {
    async fn start() -> Self {
        Self::with("").await
    }

    async fn with(directory: &str) -> Self {
        Self::with_entra(directory, "").await
    }

    async fn with_entra(directory: &str, entra: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let more = format!("[directory]\ndatabase = \"sqlite:{}\"\n{directory}\n", place.path().join("people.db").display());
        let headers = "send = [\"x-forwarded\", \"x-auth-request\"]".to_owned();
        let world = World::with(Plan { more, headers, entra: entra.to_owned(), ..Plan::default() }).await;
        let town = Self { world, place };
        for (code, tenant) in [("contoso", CONTOSO), ("fabrikam", FABRIKAM)] {
            town.directory().add_organization(company(code, tenant), "story").await.unwrap();
        }
        town
    }

    async fn turns(&self, username: &str, on: bool) {
        let change = PersonChange { on: Some(on), ..PersonChange::default() };
        self.directory().change_person(&Username::parse(username).unwrap(), change, "story").await.unwrap();
    }

    /// A new secret, as an operator sets it. It may stand in no log.
    async fn sets(&self, secret: &str) {
        SECRETS.lock().unwrap().push(secret.to_owned());
        let change = OrganizationChange { proof: Some(Proof::of_value(secret).unwrap()), ..OrganizationChange::default() };
        self.directory().change_organization(&Code::parse("contoso").unwrap(), change, "story").await.unwrap();
    }

    /// Types that, and signs in as somebody.
    async fn comes(&self, browser: &mut Browser, typed: &str, person: &str) -> Page {
        browser.visits("/x").await;
        let shown = browser.fills("/oauth2/sign_in?rd=%2Fx", &[("identifier", typed)]).await;
        assert!(shown.is_the_sign_in_at_entra(), "{} {}", shown.status, shown.body);
        browser.signs_in_as(person).await
    }

    async fn signed_in(&self, person: &str) -> Browser {
        let mut browser = self.world.browser();
        let page = self.comes(&mut browser, person, person).await;
        assert_eq!(page.status, 200, "{}", page.body);
        browser
    }

    /// Looks until it is so: what happens apart from an answer takes a moment.
    async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        for _ in 0..300 {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{what} did not come about");
    }

    /// The newest sign-ins of a company, once there are so many.
    async fn sign_ins(&self, code: &str, count: usize) -> Vec<Kept> {
        let id = self.organization(code).await.id;
        self.until("the sign-ins", async || {
            let all = self.directory().sign_ins(id, Asked { before: None, refused_only: false, most: 50 }).await.unwrap();
            (all.len() >= count).then_some(all)
        })
        .await
    }
}

/// What a page says, as text of a browser.
fn text(page: &Page) -> String {
    page.body.replace("&#x2f;", "/")
}

async fn is_in(browser: &mut Browser) -> bool {
    browser.asks("GET", "/api/x", SCRIPT).await.status == 200
}
