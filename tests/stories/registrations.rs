//! Two organizations in one tenant, each with its own app registration: what one registration says is worth nothing in the other,
//! and what is the same for both is asked for once.

use crate::organizations::OrganizationsWorld;
use crate::world::browser::{SCRIPT, TestBrowser};
use crate::world::company::company_of_file;
use crate::world::samples::{CONTOSO, FIRST_GROUP, FRIDA, MAYA, TOM};
use crate::world::{CLIENT_ID, CLIENT_SECRET, World, WorldPlan};
use entrada::base::domains::TenantName;
use entrada::base::guid::Guid;
use entrada::config::access::Allow;
use entrada::emulator::{EmulatedRegistration, InjectedRefusal, TokenFault};
use std::time::Duration;

const EVILCO_CLIENT_ID: &str = "66667777-eeee-8888-ffff-9999aaaa0000";

const RULES: &str = "[[access.rule]]\npath = \"/admin/**\"\nallow = { roles = [\"Admin\"], organizations = [\"contoso\"] }\n\
    [[access.rule]]\npath = \"/group/**\"\nallow = { groups = [\"0a1b2c3d-0000-4000-8000-000000000001\"], tenants = [\"aaaabbbb-0000-cccc-1111-dddd2222eeee\"] }\n";

async fn world() -> OrganizationsWorld {
    let evilco = company_of_file("evilco", CONTOSO).replace(CLIENT_ID, EVILCO_CLIENT_ID);
    let more = format!("{}{evilco}{RULES}", company_of_file("contoso", CONTOSO));
    let evilco = EmulatedRegistration {
        tenant: CONTOSO.to_owned(),
        client_id: EVILCO_CLIENT_ID.to_owned(),
        client_secret: CLIENT_SECRET.to_owned(),
        secret_id: "77778888-ffff-9999-aaaa-0000bbbb1111".to_owned(),
    };
    let registrations = vec![evilco];
    let plan = WorldPlan { more, registrations, ..WorldPlan::of_directory("") };
    OrganizationsWorld { world: World::with(plan).await }
}

impl OrganizationsWorld {
    /// The role Admin and a group, as a registration's owner gives them to anyone.
    fn gives_everything(&self, person: &str) {
        let oid = self
            .world
            .emulator
            .people()
            .iter()
            .find(|it| it.user_name == person)
            .unwrap()
            .oid
            .clone();
        self.world.emulator.control().set_roles(&oid, vec!["Admin".to_owned()]);
        self.world.emulator.control().set_groups(&oid, vec![FIRST_GROUP.to_owned()]);
    }

    async fn signed_in_at(&self, company: &str, person: &str) -> TestBrowser {
        let mut browser = self.world.browser();
        let page = self.comes(&mut browser, company, person).await;
        assert_eq!(
            (page.status, page.app_heard("x-entrada-organization").as_str()),
            (200, company),
            "{}",
            page.body
        );
        browser
    }
}

async fn statuses(browser: &mut TestBrowser) -> [u16; 2] {
    [
        browser.asks("GET", "/admin/x", SCRIPT).await.status,
        browser.asks("GET", "/group/x", SCRIPT).await.status,
    ]
}

// A rule with `roles` and `tenants` accepted the app roles of every registration in the tenant.
#[tokio::test]
async fn attack_an_app_role_of_another_registration_in_the_same_tenant_opens_nothing() {
    let world = world().await;
    world.gives_everything(TOM);
    let (mut maya, mut tom) =
        (world.signed_in_at("contoso", MAYA).await, world.signed_in_at("evilco", TOM).await);
    assert_eq!(statuses(&mut maya).await, [200, 200]);
    // The group is the tenant's, whichever registration tells it.
    assert_eq!(statuses(&mut tom).await, [403, 200]);
    let named = "organizations = [\"contoso\"]";
    // The rules do not depend on `check`: a table without organizations lets nobody in by a role.
    let mut config = world.world.changed(named, &format!("{named}, tenants = [\"{CONTOSO}\"]"));
    let Allow::Tables(tables) = &mut config.access.rules[0].allow else { panic!("a table") };
    assert_eq!(
        (tables[0].organizations.drain(..).count(), tables[0].tenants.as_slice()),
        (1, &[TenantName::Id(Guid::parse(CONTOSO).unwrap())][..])
    );
    assert_eq!(world.world.service.reload(&config).await.unwrap(), Vec::<String>::new());
    assert_eq!(statuses(&mut tom).await, [403, 200]);
    assert_eq!(statuses(&mut maya).await, [403, 200]);
}

#[tokio::test]
async fn attack_what_was_proven_for_one_organization_is_not_taken_over_by_another() {
    let world = world().await;
    let mut maya = world.world.browser();
    let proves = async |browser: &mut TestBrowser, company: &str, acrs: &str| {
        let shown = browser
            .visits(&format!("/oauth2/start?rd=/x&organization={company}&acrs={acrs}"))
            .await;
        let page =
            if shown.is_the_sign_in_at_entra() { browser.signs_in_as(MAYA).await } else { shown };
        assert_eq!(
            (page.status, page.app_heard("x-entrada-organization").as_str()),
            (200, company),
            "{}",
            page.body
        );
        let claims = jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(
            &page.app_heard("x-entrada-assertion"),
        )
        .unwrap()
        .claims;
        claims["acrs"].to_string()
    };
    assert_eq!(proves(&mut maya, "evilco", "c1").await, "[\"c1\"]");
    assert_eq!(proves(&mut maya, "contoso", "c2").await, "[\"c2\"]");
    // Within one organization it is.
    assert_eq!(proves(&mut maya, "contoso", "c3").await, "[\"c2\",\"c3\"]");
}

const REFRESH: &str = "/oauth2/session/refresh";

// Each organization used to ask for the tenant's documents itself, every hour.
#[tokio::test]
async fn organizations_of_one_tenant_ask_for_its_documents_once() {
    let world = world().await;
    world.signed_in_at("contoso", MAYA).await;
    world.signed_in_at("evilco", TOM).await;
    // A refresh in the background would have begun by now.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let control = world.world.emulator.control();
    assert_eq!((control.discovery_calls(), control.keys_calls()), (1, 1));
}

#[tokio::test]
async fn attack_a_registration_that_entra_refuses_keeps_nobody_of_another_from_being_asked_about() {
    let world = world().await;
    let (mut maya, mut tom) =
        (world.signed_in_at("contoso", MAYA).await, world.signed_in_at("evilco", TOM).await);
    world.world.later(31 * 60);
    let control = world.world.emulator.control();
    control.refuse_next_token(InjectedRefusal {
        error: "invalid_client".to_owned(),
        code: 7_000_222,
        suberror: None,
        claims: None,
    });
    assert_eq!(tom.asks("POST", REFRESH, SCRIPT).await.status, 503);
    assert_eq!(control.refresh_calls(), 1);
    let people = world.world.emulator.people();
    control.disable(&people.iter().find(|it| it.user_name == MAYA).unwrap().oid, true);
    assert_eq!(maya.asks("POST", REFRESH, SCRIPT).await.status, 401);
}

#[tokio::test]
async fn an_outage_of_the_operators_own_tenant_keeps_nobody_of_another_from_being_asked_about() {
    let world = OrganizationsWorld::start().await;
    let (mut maya, mut frida) =
        (world.signed_in_at("contoso", MAYA).await, world.signed_in_at("fabrikam", FRIDA).await);
    world.world.later(31 * 60);
    world.world.emulator.control().token_answer(TokenFault::Html(503), 1);
    assert_eq!(maya.asks("POST", REFRESH, SCRIPT).await.status, 503);
    assert_eq!(frida.asks("POST", REFRESH, SCRIPT).await.status, 200);
}

// Keys that are published for one app only were not read at all; they must not become the tenant's.
#[tokio::test]
async fn a_key_of_one_app_verifies_no_token_of_another_in_the_same_tenant() {
    let there = world().await;
    let control = there.world.emulator.control();
    assert!(control.add_own_key(EVILCO_CLIENT_ID).await);
    // Evilco's own people sign in with it.
    there.signed_in_at("evilco", MAYA).await;
    // Contoso's do not, although its registration is in the same tenant.
    control.sign_with_key_of(CLIENT_ID, EVILCO_CLIENT_ID);
    let mut browser = there.world.browser();
    let page = there.comes(&mut browser, "contoso", MAYA).await;
    assert_eq!(page.status, 503, "{}", page.body);
    assert!(page.body.contains("claims mapping"), "{}", page.body);
    // With a key of its own it is still not Evilco's that counts.
    assert!(control.add_own_key(CLIENT_ID).await);
    there.world.later(31);
    let page = there.comes(&mut browser, "contoso", MAYA).await;
    assert_eq!(page.status, 503, "{}", page.body);
    control.sign_with_key_of(CLIENT_ID, CLIENT_ID);
    there.signed_in_at("contoso", MAYA).await;
}
