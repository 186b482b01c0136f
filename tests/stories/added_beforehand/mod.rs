//! People who were added beforehand: who is linked by itself, who waits, who decides, and what
//! becomes of two who are one.

mod attacks;
mod deciding;
mod linking;
mod on_the_page;

use crate::world::browser::{BrowserPage, SCRIPT, TestBrowser};
use crate::world::company::company;
use crate::world::samples::{CONTOSO, FABRIKAM, MAYA, PRIYA, TOM};
use crate::world::{World, WorldPlan};
use entrada::base::company_code::CompanyCode;
use entrada::base::guid::Guid;
use entrada::directory::admin::AdminScope;
use entrada::directory::change::{self, NewOrganization, OrganizationChange, PersonChange};
use entrada::directory::link_request::{LinkDecision, LinkRequest};
use std::ops::Deref;

/// A world with two companies, and no domain is bound.
struct AddedWorld {
    world: World,
}

impl Deref for AddedWorld {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl AddedWorld {
    async fn start() -> Self {
        let unbound = |code, tenant| NewOrganization { domains: vec![], ..company(code, tenant) };
        let plan = WorldPlan::of_directory("")
            .with_organizations([unbound("contoso", CONTOSO), unbound("fabrikam", FABRIKAM)])
            .sending(&["x-forwarded"]);
        Self { world: World::with(plan).await }
    }

    /// Signs in by the company code, or by what was typed.
    async fn comes(&self, browser: &mut TestBrowser, typed: &str, person: &str) -> BrowserPage {
        browser.visits("/x").await;
        let shown = browser.fills("/oauth2/sign_in?rd=%2Fx", &[("identifier", typed)]).await;
        assert!(shown.is_the_sign_in_at_entra(), "{} {}", shown.status, shown.body);
        browser.signs_in_as(person).await
    }

    /// Fails unless somebody waits, without a session.
    async fn waits(&self, typed: &str, person: &str) {
        let mut browser = self.world.browser();
        let page = self.comes(&mut browser, typed, person).await;
        assert_eq!((page.status, browser.cookie("entrada")), (403, None), "{}", page.body);
        assert!(page.body.contains("needs to confirm your account"), "{}", page.body);
        assert_eq!(browser.asks("GET", "/api/x", SCRIPT).await.status, 401);
    }

    async fn requests(&self) -> Vec<LinkRequest> {
        self.directory().link_requests(None, false).await.unwrap()
    }

    /// The operator decides.
    async fn decides(&self, decision: LinkDecision) {
        let request = self.requests().await.remove(0);
        let organization = request.person.organization;
        let by = AdminScope::operator(organization, "operator olga");
        let mark = request.mark();
        self.directory().decide(&by, request.id, decision, Some(&mark)).await.unwrap();
    }

    fn oid(&self, person: &str) -> String {
        self.emulator.people().iter().find(|it| it.user_name == person).unwrap().oid.clone()
    }

    async fn linked(&self, username: &str) -> Option<Guid> {
        self.person(username).await.linked.map(|it| it.1)
    }
}
