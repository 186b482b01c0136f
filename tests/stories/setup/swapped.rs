//! IDs that stand in each other's field are recognized, and swapped with one click.

use super::*;
use crate::world::samples::{CONTOSO, FRIDA, MAYA};
use entrada::directory::organization_credential::OrganizationCredential;

const SWAPPED: &str = "The two IDs are swapped";
const NOWHERE: &str = "cccccccc-2222-dddd-3333-eeee4444ffff";

/// The hidden form that swaps, as the button on the page sends it.
fn hidden(page: &BrowserPage) -> Vec<(String, String)> {
    let (_, rest) =
        page.body.split_once("<form id=\"swap\"").unwrap_or_else(|| panic!("{}", page.body));
    let form = rest.split("</form>").next().unwrap();
    let value = |input: &str, name: &str| {
        input.split_once(&format!("{name}=\"")).unwrap().1.split('"').next().unwrap().to_owned()
    };
    form.split("<input ").skip(1).map(|it| (value(it, "name"), value(it, "value"))).collect()
}

async fn clicks(browser: &mut TestBrowser, fields: &[(String, String)]) -> BrowserPage {
    let fields: Vec<_> = fields.iter().map(|it| (it.0.as_str(), it.1.as_str())).collect();
    browser.fills("/oauth2/setup/connection", &fields).await
}

#[tokio::test]
async fn swapped_ids_are_said_to_be_so_and_one_click_saves_them_the_right_way_round() {
    let world = SetUpWorld::start().await;
    let mut admin = world.invited("contoso").await;
    let page = enters(&mut admin, CLIENT_ID, CONTOSO, CLIENT_SECRET).await;
    assert!(
        page.status == 422
            && page.body.contains(SWAPPED)
            && page.body.contains("<button class=\"button quiet\" form=\"swap\">"),
        "{}",
        page.body
    );
    assert_eq!(world.organization("contoso").await.tenant, None, "nothing is saved yet");
    let fields = hidden(&page);
    assert!(fields.iter().all(|it| it.1 != CLIENT_SECRET), "{fields:?}");
    let page = clicks(&mut admin, &fields).await;
    assert_eq!(page.path_and_query(), "/oauth2/setup?done=saved", "{}", page.body);
    let now = world.organization("contoso").await;
    assert_eq!(
        (now.tenant, now.client_id, now.has_credential, now.credential_ends),
        (Guid::parse(CONTOSO), Guid::parse(CLIENT_ID), true, Some(4_099_680_000)),
        "the secret and the date were kept"
    );
    let page = tests_as(&mut admin, MAYA).await;
    assert!(page.body.contains("The sign-in works"), "{}", page.body);
}

#[tokio::test]
async fn ids_that_were_saved_swapped_are_recognized_later_and_the_saved_secret_stays() {
    let world = SetUpWorld::start().await;
    world.has(CLIENT_ID, CONTOSO).await;
    let mut admin = world.invited("contoso").await;
    let page = admin.visits("/oauth2/setup").await;
    assert!(page.body.contains("AADSTS90002") && page.body.contains(SWAPPED), "{}", page.body);
    // The test says so as well, and offers the same.
    let tested = admin.fills("/oauth2/setup/trial", &[]).await;
    assert!(
        tested.body.contains("AADSTS90002")
            && tested.body.contains("Microsoft knows the client ID that is saved as a tenant")
            && tested.body.contains("name=\"swap\" value=\"1\""),
        "{}",
        tested.body
    );
    let page = clicks(&mut admin, &hidden(&page)).await;
    assert_eq!(page.path_and_query(), "/oauth2/setup?done=saved", "{}", page.body);
    let now = world.organization("contoso").await;
    assert_eq!((now.tenant, now.client_id), (Guid::parse(CONTOSO), Guid::parse(CLIENT_ID)));
    let page = tests_as(&mut admin, MAYA).await;
    assert!(page.body.contains("The sign-in works"), "{}", page.body);
}

#[tokio::test]
async fn what_is_not_swapped_is_not_said_to_be_so() {
    let world = SetUpWorld::start().await;
    let mut admin = world.invited("contoso").await;
    // Neither is a tenant, both are right, and Microsoft does not answer.
    for (tenant, client_id) in [(NOWHERE, CLIENT_ID), (CONTOSO, CLIENT_ID)] {
        let page = enters(&mut admin, tenant, client_id, CLIENT_SECRET).await;
        assert!(page.status == 200 && !page.body.contains(SWAPPED), "{}", page.body);
    }
    world.world.emulator.control().be_down(true);
    let page = enters(&mut admin, CLIENT_ID, CONTOSO, CLIENT_SECRET).await;
    assert!(page.status == 200 && !page.body.contains(SWAPPED), "{}", page.body);
}

#[tokio::test]
async fn attack_a_swap_keeps_a_saved_secret_for_exactly_the_same_two_ids() {
    let world = SetUpWorld::start().await;
    world.has(NOWHERE, CONTOSO).await;
    let mut admin = world.invited("contoso").await;
    let swap = |tenant: &str, client_id: &str| {
        [("tenant", tenant), ("client_id", client_id), ("swap", "1")]
            .map(|it| (it.0.to_owned(), it.1.to_owned()))
    };
    let page = clicks(&mut admin, &swap(CLIENT_ID, CONTOSO)).await;
    assert!(
        page.status == 422 && page.body.contains("needs its own client secret"),
        "{} {}",
        page.status,
        page.body
    );
    // An admin of an organization that is on cannot move it, this way round or that.
    world.knows(FRIDA, "fabrikam", "owner").await;
    let mut frida = world.signed_in("fabrikam", FRIDA).await;
    let now = world.organization("fabrikam").await;
    let (tenant, client_id) = (now.tenant.unwrap().to_string(), now.client_id.unwrap().to_string());
    let page = clicks(&mut frida, &swap(&tenant, &client_id)).await;
    assert!(matches!(page.status, 409 | 422), "{} {}", page.status, page.body);
    assert_eq!(world.organization("fabrikam").await.tenant, now.tenant);
}

#[tokio::test]
async fn an_app_that_is_not_in_the_tenant_leads_to_where_its_id_is_found() {
    let world = SetUpWorld::start().await;
    let mut admin = world.invited("contoso").await;
    enters(&mut admin, CONTOSO, CLIENT_ID, CLIENT_SECRET).await;
    let refusal = entrada::emulator::InjectedRefusal {
        error: "unauthorized_client".to_owned(),
        code: 700_016,
        suberror: None,
        claims: None,
    };
    world.world.emulator.control().refuse_next_token(refusal);
    let page = tests_as(&mut admin, MAYA).await;
    assert!(
        page.body.contains("AADSTS700016")
            && page.body.contains("copy the Application (client) ID into step 2")
            && page.body.contains("The Object ID below it does not work")
            && !page.body.contains(SWAPPED),
        "{}",
        page.body
    );
    // Where Microsoft shows it on its own page, the set-up page says the same.
    let page = admin.visits("/oauth2/setup").await;
    assert!(page.body.contains("not the Object ID below it"), "{}", page.body);
}

impl SetUpWorld {
    /// Contoso has this connection, as an operator enters it.
    async fn has(&self, tenant: &str, client_id: &str) {
        let change = OrganizationChange {
            tenant: Guid::parse(tenant),
            client_id: Guid::parse(client_id),
            proof: OrganizationCredential::of_value(CLIENT_SECRET).ok(),
            ..OrganizationChange::default()
        };
        self.changes("contoso", change).await;
    }
}
