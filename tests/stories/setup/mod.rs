//! The set-up page: an admin connects the company with its own Entra, by a link or signed in, and nobody else does.

mod chromium;
mod domain_attacks;
mod domains;
mod first_admin;
mod gate;
mod invitation;
mod kept_secret;
mod operators_words;
mod status;
mod steps;
mod swapped;
mod trial;

use crate::world::browser::{BrowserPage, SCRIPT, SECRETS, TestBrowser};
use crate::world::company::company;
use crate::world::samples::FABRIKAM;
use crate::world::{CLIENT_ID, CLIENT_SECRET, World, WorldPlan};
use entrada::base::company_code::CompanyCode;
use entrada::base::guid::Guid;
use entrada::base::username::Username;
use entrada::directory::change::{NewOrganization, OrganizationChange, PersonChange};
use entrada::directory::organization::OrganizationState;
use std::ops::Deref;

/// A world with a draft, contoso, and fabrikam, which is on.
struct SetUpWorld {
    world: World,
}

impl Deref for SetUpWorld {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl SetUpWorld {
    async fn start() -> Self {
        Self::with("").await
    }

    async fn with(more: &str) -> Self {
        let draft = NewOrganization {
            code: CompanyCode::parse("contoso"),
            name: "Contoso Freight".to_owned(),
            ..NewOrganization::default()
        };
        let on =
            NewOrganization { name: "Fabrikam <Rail>".to_owned(), ..company("fabrikam", FABRIKAM) };
        let plan = WorldPlan::of_directory(more).with_organizations([draft, on]);
        Self { world: World::with(plan.where_time_stands()).await }
    }

    /// What a link carries.
    async fn token(&self, code: &str) -> String {
        let made =
            self.directory().invite(&CompanyCode::parse(code).unwrap(), "story").await.unwrap();
        let token = made.token.expose().to_owned();
        SECRETS.lock().unwrap().push(token.clone());
        token
    }

    /// A browser in which a link was used.
    async fn invited(&self, code: &str) -> TestBrowser {
        let token = self.token(code).await;
        let mut browser = self.world.browser();
        let page = browser.fills("/oauth2/setup/invitation", &[("token", &token)]).await;
        assert_eq!((page.status, page.url.path()), (200, "/oauth2/setup"), "{}", page.body);
        browser
    }

    /// A browser in which somebody of a company that is on is signed in.
    async fn signed_in(&self, code: &str, person: &str) -> TestBrowser {
        let mut browser = self.world.browser();
        let shown = browser.visits(&format!("/oauth2/start?organization={code}")).await;
        assert!(shown.is_the_sign_in_at_entra(), "{} {}", shown.status, shown.body);
        let page = browser.signs_in_as(person).await;
        assert_eq!(page.status, 200, "{}", page.body);
        browser
    }

    /// Whether a text stands in any byte of the database.
    async fn is_in_the_database(&self, text: &str) -> bool {
        let files = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|it| std::fs::read(it.unwrap().path()).unwrap());
        files.into_iter().any(|it| it.windows(text.len()).any(|it| it == text.as_bytes()))
    }
}

/// Enters a connection.
async fn enters(
    browser: &mut TestBrowser,
    tenant: &str,
    client_id: &str,
    secret: &str,
) -> BrowserPage {
    if secret.len() > 20 {
        SECRETS.lock().unwrap().push(secret.to_owned());
    }
    let fields = [
        ("provider", "azure-ad"),
        ("tenant", tenant),
        ("client_id", client_id),
        ("client_secret", secret),
        ("ends", "2099-11-30"),
    ];
    browser.fills("/oauth2/setup/connection", &fields).await
}

/// Tests the sign-in as somebody.
async fn tests_as(browser: &mut TestBrowser, person: &str) -> BrowserPage {
    let shown = browser.fills("/oauth2/setup/trial", &[]).await;
    assert!(shown.is_the_sign_in_at_entra(), "{} {}", shown.status, shown.body);
    browser.signs_in_as(person).await
}

/// The object ID of somebody at Entra.
fn oid(world: &World, person: &str) -> String {
    world.emulator.people().iter().find(|it| it.user_name == person).unwrap().oid.clone()
}

async fn is_signed_in(browser: &mut TestBrowser) -> bool {
    browser.asks("GET", "/oauth2/userinfo", SCRIPT).await.status == 200
}
