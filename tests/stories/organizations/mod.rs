//! Companies with tenants of their own: who types what, who that makes them, and what it does not make them.

mod attacks;
mod database;
mod deployment;
mod guessing;
mod sign_in;
mod switched_off;

use crate::world::browser::{BrowserPage, SCRIPT, TestBrowser};
use crate::world::{World, WorldPlan};
use std::ops::Deref;
use std::time::Duration;

/// A world with two companies.
pub struct OrganizationsWorld {
    pub world: World,
}

impl Deref for OrganizationsWorld {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl OrganizationsWorld {
    pub async fn start() -> Self {
        Self::with("", |it| it).await
    }

    pub async fn with(directory: &str, plan: impl FnOnce(WorldPlan) -> WorldPlan) -> Self {
        let usual = WorldPlan::of_directory(directory)
            .with_organizations_of_file()
            .sending(&["x-forwarded", "x-auth-request"]);
        Self { world: World::with(plan(usual)).await }
    }

    /// Somebody whom the directory knows, and the id that the app hears.
    pub async fn knows(&self, username: &str, company: &str, role: &str) -> String {
        self.world.knows(username, company, role).await.id.to_string()
    }

    /// Somebody who was added beforehand, without an account.
    pub async fn adds(&self, username: &str, company: &str, role: &str) -> String {
        self.world.adds(username, company, role).await.id.to_string()
    }

    /// Asks the app until its answer is so.
    pub async fn until(
        &self,
        browser: &mut TestBrowser,
        what: &str,
        is_so: impl Fn(&BrowserPage) -> bool,
    ) {
        for _ in 0..200 {
            if is_so(&browser.asks("GET", "/api/x", SCRIPT).await) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{what} did not come about");
    }

    /// Goes to a page of the app signed out, and types that.
    pub async fn types(&self, browser: &mut TestBrowser, typed: &str) -> BrowserPage {
        let page = browser.visits("/x?y=1").await;
        assert_eq!(
            (page.status, page.path_and_query().as_str()),
            (200, "/oauth2/sign_in?rd=%2Fx%3Fy%3D1"),
            "{}",
            page.body
        );
        assert!(
            page.body.contains("<label for=\"identifier\">Username or company code</label>"),
            "{}",
            page.body
        );
        browser.fills("/oauth2/sign_in?rd=%2Fx%3Fy%3D1", &[("identifier", typed)]).await
    }

    /// Types that and signs in as somebody.
    pub async fn comes(&self, browser: &mut TestBrowser, typed: &str, person: &str) -> BrowserPage {
        let shown = self.types(browser, typed).await;
        assert!(shown.is_the_sign_in_at_entra(), "{} {}", shown.status, shown.body);
        browser.signs_in_as(person).await
    }
}

pub fn query(url: &url::Url, name: &str) -> Option<String> {
    url.query_pairs().find(|it| it.0 == name).map(|it| it.1.into_owned())
}
