//! What a customer keeps in order after its organization is on: the secret, its people, and what happened.

mod deletion;
mod page;
mod people;
mod removal;
mod secret;
mod sign_in_history;

use crate::world::browser::{BrowserPage, SCRIPT, SECRETS, TestBrowser};
use crate::world::company::companies;
use crate::world::samples::{FRIDA, MAYA};
use crate::world::{CLIENT_ID, CLIENT_SECRET, World, WorldPlan};
use entrada::base::company_code::CompanyCode;
use entrada::base::username::Username;
use entrada::directory::change::{NewOrganization, OrganizationChange, PersonChange};
use entrada::directory::organization_credential::OrganizationCredential;
use entrada::directory::person::Person;
use entrada::directory::recent::{RecentSignIn, RecentSignInQuery};
use std::ops::Deref;
use std::time::Duration;

/// A world with two companies that stand in the database.
struct AdminPagesWorld {
    world: World,
}

impl Deref for AdminPagesWorld {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl AdminPagesWorld {
    async fn start() -> Self {
        Self::with("").await
    }

    async fn with(directory: &str) -> Self {
        Self::with_entra(directory, "").await
    }

    async fn with_entra(directory: &str, entra: &str) -> Self {
        let plan = WorldPlan::of_directory(directory)
            .with_organizations(companies())
            .sending(&["x-forwarded", "x-auth-request"]);
        Self { world: World::with(WorldPlan { entra: entra.to_owned(), ..plan }).await }
    }

    async fn turns(&self, username: &str, on: bool) {
        let change = PersonChange { on: Some(on), ..PersonChange::default() };
        self.directory()
            .change_person(&Username::parse(username).unwrap(), change, "story")
            .await
            .unwrap();
    }

    /// A new secret, as an operator sets it. It may stand in no log.
    async fn sets(&self, secret: &str) {
        SECRETS.lock().unwrap().push(secret.to_owned());
        let change = OrganizationChange {
            proof: Some(OrganizationCredential::of_value(secret).unwrap()),
            ..OrganizationChange::default()
        };
        self.directory()
            .change_organization(&CompanyCode::parse("contoso").unwrap(), change, "story")
            .await
            .unwrap();
    }

    /// Types that, and signs in as somebody.
    async fn comes(&self, browser: &mut TestBrowser, typed: &str, person: &str) -> BrowserPage {
        browser.visits("/x").await;
        let shown = browser.fills("/oauth2/sign_in?rd=%2Fx", &[("identifier", typed)]).await;
        assert!(shown.is_the_sign_in_at_entra(), "{} {}", shown.status, shown.body);
        browser.signs_in_as(person).await
    }

    /// An owner of contoso who confirmed the password a moment ago.
    async fn owner(&self) -> TestBrowser {
        self.knows(MAYA, "contoso", "owner").await;
        self.confirmed(MAYA).await
    }

    async fn confirmed(&self, person: &str) -> TestBrowser {
        let mut browser = self.world.browser();
        let code = if person == FRIDA { "fabrikam" } else { "contoso" };
        browser.visits(&format!("/oauth2/start?organization={code}&prompt=login")).await;
        let page = browser.signs_in_as(person).await;
        assert_eq!(page.status, 200, "{}", page.body);
        browser
    }

    /// A browser in which a set-up link of contoso was used.
    async fn invited(&self) -> TestBrowser {
        let code = CompanyCode::parse("contoso").unwrap();
        let link = self.directory().invite(&code, "story").await.unwrap();
        SECRETS.lock().unwrap().push(link.token.expose().to_owned());
        let mut browser = self.world.browser();
        browser.fills("/oauth2/setup/invitation", &[("token", link.token.expose())]).await;
        browser
    }

    async fn signed_in(&self, person: &str) -> TestBrowser {
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
    async fn sign_ins(&self, code: &str, count: usize) -> Vec<RecentSignIn> {
        let id = self.organization(code).await.id;
        self.until("the sign-ins", async || {
            let all = self
                .directory()
                .sign_ins(id, RecentSignInQuery { before: None, refused_only: false, limit: 50 })
                .await
                .unwrap();
            (all.len() >= count).then_some(all)
        })
        .await
    }
}

/// What a page says, as text of a browser.
fn text(page: &BrowserPage) -> String {
    page.body.replace("&#x2f;", "/")
}

async fn is_in(browser: &mut TestBrowser) -> bool {
    browser.asks("GET", "/api/x", SCRIPT).await.status == 200
}
