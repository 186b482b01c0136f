//! The company's e-mail domains: proven by its tenant or by DNS, and what they change.

use super::*;
use crate::world::name_server::{NameAnswer, NameServer};
use crate::world::samples::{CONTOSO, FABRIKAM, FRIDA, MAYA, PRIYA};
use entrada::directory::domain::DomainStanding;
use entrada::emulator::EmulatedRegistration;

pub(super) const PAGE: &str = "/oauth2/setup/domains";
const OWN_CLIENT_ID: &str = "66667777-eeee-8888-ffff-9999aaaa0000";
/// A domain that Entra does not know.
pub(super) const MAIL: &str = "contoso-mail.example";
pub(super) const RECORD: &str = "_entrada-challenge.contoso-mail.example";

/// A world with a name server of its own.
pub(super) struct DomainWorld {
    pub(super) world: SetUpWorld,
    pub(super) dns: NameServer,
}

impl DomainWorld {
    pub(super) async fn start() -> Self {
        let dns = NameServer::start().await;
        Self { world: SetUpWorld::with(&dns.line()).await, dns }
    }

    /// A browser in which a link to contoso was used, which is connected and not tested.
    pub(super) async fn connected(&self) -> TestBrowser {
        let mut admin = self.world.invited("contoso").await;
        enters(&mut admin, CONTOSO, CLIENT_ID, CLIENT_SECRET).await;
        admin
    }

    /// Acts on the page, after the pause between two look-ups.
    pub(super) async fn acts(
        &self,
        admin: &mut TestBrowser,
        act: &str,
        domain: &str,
    ) -> BrowserPage {
        self.world.world.later(6);
        admin.fills(PAGE, &[("do", act), ("domain", domain)]).await
    }

    /// The domains of a company, and how each one is known.
    pub(super) async fn domains(&self, code: &str) -> Vec<(String, DomainStanding)> {
        let id = self.world.organization(code).await.id;
        let all = self.world.directory().domain_list(id).await.unwrap();
        all.into_iter().map(|it| (it.domain, it.standing)).collect()
    }

    /// The text of the record that proves domains of a company.
    pub(super) async fn value(&self, code: &str) -> String {
        let id = self.world.organization(code).await.id;
        self.world.directory().domain_record(id).await.unwrap().unwrap()
    }

    pub(super) fn publishes(&self, text: &str) {
        self.dns.answers(RECORD, NameAnswer::Texts(vec!["v=spf1 -all".into(), text.to_owned()]));
    }
}

pub(super) fn one(domain: &str, standing: DomainStanding) -> Vec<(String, DomainStanding)> {
    vec![(domain.to_owned(), standing)]
}

#[track_caller]
pub(super) fn says(page: &BrowserPage, status: u16, text: &str) {
    assert!(page.status == status && page.body.contains(text), "{} {}", page.status, page.body);
}

#[tokio::test]
async fn a_domain_of_the_tested_tenant_is_proven_and_then_an_address_is_enough() {
    let domains = DomainWorld::start().await;
    let world = &domains.world;
    let mut admin = world.invited("contoso").await;
    let page = domains.acts(&mut admin, "add", "contoso.example").await;
    says(&page, 409, "Save the connection first");
    enters(&mut admin, CONTOSO, CLIENT_ID, CLIENT_SECRET).await;
    says(&admin.visits("/oauth2/setup").await, 200, "Your e-mail domains");
    let page = domains.acts(&mut admin, "add", " @Contoso.Example. ").await;
    says(&page, 409, "Test the sign-in with an account of your tenant");
    assert_eq!(domains.domains("contoso").await, one("contoso.example", DomainStanding::Pending));
    // A claim leads nowhere: people type the code.
    says(&admin.visits("/oauth2/setup/sheet").await, 200, "Type the company code contoso.");
    tests_as(&mut admin, MAYA).await;
    admin.fills("/oauth2/setup/on", &[]).await;
    says(
        &admin.visits("/oauth2/setup").await,
        200,
        "People in your company type this company code",
    );
    let typed = [("identifier", "whoever@contoso.example")];
    assert_eq!(world.world.browser().fills("/oauth2/sign_in?rd=%2F", &typed).await.status, 404);
    let page = domains.acts(&mut admin, "check", "contoso.example").await;
    says(&page, 200, "E-mail addresses at this domain now lead to your company");
    says(&page, 200, "Microsoft knows it as a domain of your tenant");
    assert_eq!(domains.domains("contoso").await, one("contoso.example", DomainStanding::Tenant));
    assert_eq!(domains.dns.asked(), Vec::<String>::new(), "DNS was not needed");
    let sheet = admin.visits("/oauth2/setup/sheet").await;
    says(&sheet, 200, "Type your e-mail address (@contoso.example), or the company code contoso.");
    assert!(!sheet.body.contains("Type the company code"), "{}", sheet.body);
    let page = admin.visits("/oauth2/setup").await;
    says(&page, 200, "sign in with their e-mail address (@contoso.example)");
    let mut tom = world.world.browser();
    let shown = tom.fills("/oauth2/sign_in?rd=%2F", &typed).await;
    assert!(shown.is_the_sign_in_at_entra(), "{} {}", shown.status, shown.body);
    let history = world.history("contoso").await;
    for what in ["domain contoso.example claimed", "domain contoso.example proven by the tenant"] {
        assert!(
            history.iter().any(|it| it.starts_with("invitation ") && it.contains(what)),
            "{what}: {history:?}"
        );
    }
    // A second domain of the tenant would need no second test; and what is removed leads nowhere.
    says(&domains.acts(&mut admin, "remove", "contoso.example").await, 200, "Removed.");
    assert_eq!(world.world.browser().fills("/oauth2/sign_in?rd=%2F", &typed).await.status, 404);
    let page = domains.acts(&mut admin, "add", "contoso.example").await;
    says(&page, 200, "E-mail addresses at this domain now lead to your company");
}

#[tokio::test]
async fn a_guest_of_the_tenant_proves_nothing_about_its_domains() {
    let domains = DomainWorld::start().await;
    let mut admin = domains.connected().await;
    let page = tests_as(&mut admin, PRIYA).await;
    assert!(page.body.contains("The sign-in works"), "{}", page.body);
    for act in ["add", "check"] {
        let page = domains.acts(&mut admin, act, "contoso.example").await;
        says(&page, 409, "not a guest’s");
    }
    assert_eq!(domains.domains("contoso").await, one("contoso.example", DomainStanding::Pending));
    tests_as(&mut admin, MAYA).await;
    let page = domains.acts(&mut admin, "check", "contoso.example").await;
    says(&page, 200, "now lead to your company");
}

#[tokio::test]
async fn a_registration_of_the_tenants_own_needs_the_record_too() {
    let dns = NameServer::start().await;
    let own = EmulatedRegistration {
        tenant: CONTOSO.to_owned(),
        client_id: OWN_CLIENT_ID.to_owned(),
        client_secret: CLIENT_SECRET.to_owned(),
        secret_id: "77778888-ffff-9999-aaaa-0000bbbb1111".to_owned(),
    };
    let draft = NewOrganization {
        code: CompanyCode::parse("contoso"),
        name: "Contoso Freight".to_owned(),
        ..NewOrganization::default()
    };
    let plan = WorldPlan { registrations: vec![own], ..WorldPlan::of_directory(&dns.line()) };
    let plan = plan.with_organizations([draft]).where_time_stands();
    let domains = DomainWorld { world: SetUpWorld { world: World::with(plan).await }, dns };
    let mut admin = domains.world.invited("contoso").await;
    enters(&mut admin, CONTOSO, OWN_CLIENT_ID, CLIENT_SECRET).await;
    assert!(tests_as(&mut admin, MAYA).await.body.contains("The sign-in works"));
    // In an unmanaged tenant, a mailbox at the domain suffices to register an app.
    let page = domains.acts(&mut admin, "add", "contoso.example").await;
    says(&page, 200, "Added. Prove now that it is yours.");
    let page = domains.acts(&mut admin, "check", "contoso.example").await;
    says(&page, 409, "The record is not visible yet");
    assert_eq!(domains.domains("contoso").await, one("contoso.example", DomainStanding::Pending));
    let value = domains.value("contoso").await;
    domains.dns.answers("_entrada-challenge.contoso.example", NameAnswer::Texts(vec![value]));
    let page = domains.acts(&mut admin, "check", "contoso.example").await;
    says(&page, 200, "Proven by the TXT record in its DNS");
    assert_eq!(domains.domains("contoso").await, one("contoso.example", DomainStanding::Dns));
}

#[tokio::test]
async fn a_txt_record_proves_a_domain_that_entra_does_not_know() {
    let domains = DomainWorld::start().await;
    let mut admin = domains.connected().await;
    let page = domains.acts(&mut admin, "add", MAIL).await;
    says(&page, 200, "Added. Prove now that it is yours.");
    let value = domains.value("contoso").await;
    let random = value.strip_prefix("entrada-verification=").unwrap();
    assert_eq!(random.len(), 22, "128 bits in base64url");
    says(&page, 200, RECORD);
    says(&page, 200, &value);
    let check = async |admin: &mut TestBrowser| domains.acts(admin, "check", MAIL).await;
    says(&check(&mut admin).await, 409, "The record is not visible yet");
    domains.publishes("entrada-verification=AAAAAAAAAAAAAAAAAAAAAA");
    says(&check(&mut admin).await, 409, "with another value");
    domains.publishes(&format!("{value}x"));
    says(&check(&mut admin).await, 409, "with another value");
    for code in [2, 5] {
        domains.dns.answers(RECORD, NameAnswer::Code(code));
        says(&check(&mut admin).await, 409, "it is not known whether the record is there");
    }
    // Whoever owns the other name is not whoever owns this one.
    domains.dns.answers(RECORD, NameAnswer::Alias("verify.hosting.example", vec![value.clone()]));
    says(&check(&mut admin).await, 409, "The record is not visible yet");
    domains.dns.answers(RECORD, NameAnswer::Texts(vec![format!("{}{value}", "x".repeat(1030))]));
    says(&check(&mut admin).await, 409, "The record is not visible yet");
    assert_eq!(domains.domains("contoso").await, one(MAIL, DomainStanding::Pending));
    domains.publishes(&value);
    let page = check(&mut admin).await;
    assert_eq!(page.path_and_query(), format!("{PAGE}?done=dns"));
    says(&page, 200, "Proven by the TXT record in its DNS");
    assert_eq!(domains.domains("contoso").await, one(MAIL, DomainStanding::Dns));
    assert!(domains.world.history("contoso").await.iter().any(|it| it.starts_with("invitation ")
        && it.ends_with("domain contoso-mail.example proven by its TXT record")));
    // Nothing else was asked for, and no name of a search list.
    assert!(domains.dns.asked().iter().all(|it| it == RECORD), "{:?}", domains.dns.asked());
}

#[tokio::test]
async fn a_name_server_that_says_nothing_costs_seconds_and_proves_nothing() {
    let domains = DomainWorld::start().await;
    let mut admin = domains.connected().await;
    domains.acts(&mut admin, "add", MAIL).await;
    domains.dns.answers(RECORD, NameAnswer::Silence);
    let began = std::time::Instant::now();
    let page = domains.acts(&mut admin, "check", MAIL).await;
    says(&page, 409, "it is not known whether the record is there");
    assert!(began.elapsed().as_secs() < 7, "{:?}", began.elapsed());
    assert_eq!(domains.domains("contoso").await, one(MAIL, DomainStanding::Pending));
}

#[tokio::test]
async fn a_claim_ends_after_thirty_days_and_look_ups_are_seconds_apart() {
    let domains = DomainWorld::start().await;
    let mut admin = domains.connected().await;
    domains.acts(&mut admin, "add", MAIL).await;
    domains.publishes(&domains.value("contoso").await);
    let at_once = admin.fills(PAGE, &[("do", "check"), ("domain", MAIL)]).await;
    says(&at_once, 409, "Wait a few seconds before the next check.");
    assert_eq!(domains.dns.asked().len(), 0);
    domains.world.world.later(30 * 86_400);
    let mut admin = domains.world.invited("contoso").await;
    let page = domains.acts(&mut admin, "check", MAIL).await;
    says(&page, 409, "This domain is not listed any more");
    assert!(!page.body.contains(RECORD) && domains.dns.asked().is_empty(), "{}", page.body);
    // Claimed again, the record is the same.
    says(&domains.acts(&mut admin, "add", MAIL).await, 200, RECORD);
    let page = domains.acts(&mut admin, "check", MAIL).await;
    says(&page, 200, "Proven by the TXT record in its DNS");
}

#[tokio::test]
async fn what_cannot_be_a_company_s_own_domain_is_refused_in_words() {
    let domains = DomainWorld::start().await;
    let mut admin = domains.connected().await;
    for (typed, why) in [
        ("contoso", "This is not a domain"),
        ("müller.example", "This is not a domain"),
        ("maya@contoso.example", "This is not a domain"),
        ("co.uk", "Different organizations have names below this domain"),
        ("gmail.com", "Anyone can have an e-mail address at this domain"),
        ("contoso.onmicrosoft.com", "Domains of Microsoft cannot be added"),
    ] {
        let page = domains.acts(&mut admin, "add", typed).await;
        says(&page, 422, why);
        assert!(
            page.body.contains(&format!("value=\"{typed}\"")),
            "{typed} is lost: {}",
            page.body
        );
    }
    assert_eq!(domains.domains("contoso").await, Vec::new());
    assert_eq!(admin.fills(PAGE, &[("do", "bind"), ("domain", MAIL)]).await.status, 400);
}

#[tokio::test]
async fn while_entra_says_nothing_nothing_is_claimed_or_proven() {
    let domains = DomainWorld::start().await;
    let mut admin = domains.connected().await;
    domains.acts(&mut admin, "add", MAIL).await;
    domains.publishes(&domains.value("contoso").await);
    domains.world.world.emulator.control().be_down(true);
    for (act, domain) in [("add", "contoso.example"), ("check", MAIL)] {
        let page = domains.acts(&mut admin, act, domain).await;
        says(&page, 409, "Microsoft did not say in which tenant this domain is");
    }
    assert_eq!(domains.domains("contoso").await, one(MAIL, DomainStanding::Pending));
}

#[tokio::test]
async fn another_tenant_takes_the_domains_of_the_former_one_along_and_leaves_those_of_dns() {
    let domains = DomainWorld::start().await;
    let mut admin = domains.connected().await;
    tests_as(&mut admin, MAYA).await;
    domains.acts(&mut admin, "add", "contoso.example").await;
    domains.acts(&mut admin, "add", MAIL).await;
    domains.publishes(&domains.value("contoso").await);
    domains.acts(&mut admin, "check", MAIL).await;
    assert_eq!(domains.domains("contoso").await.len(), 2);
    enters(&mut admin, FABRIKAM, CLIENT_ID, CLIENT_SECRET).await;
    assert_eq!(domains.domains("contoso").await, one(MAIL, DomainStanding::Dns));
    let history = domains.world.history("contoso").await;
    let what = "domain contoso.example removed: another tenant is connected";
    assert!(history.iter().any(|it| it.starts_with("invitation ") && it.ends_with(what)));
    // And the former test says nothing about the new tenant.
    let page = domains.acts(&mut admin, "add", "contoso.example").await;
    says(&page, 409, "in another tenant than yours");
}

#[tokio::test]
async fn the_operator_s_word_outweighs_a_proof_and_only_the_operator_takes_it_back() {
    let domains = DomainWorld::start().await;
    let world = &domains.world;
    let mut admin = domains.connected().await;
    domains.acts(&mut admin, "add", MAIL).await;
    domains.publishes(&domains.value("contoso").await);
    domains.acts(&mut admin, "check", MAIL).await;
    let bind = || OrganizationChange { bind: vec![MAIL.to_owned()], ..Default::default() };
    world.changes("contoso", bind()).await;
    assert_eq!(domains.domains("contoso").await, one(MAIL, DomainStanding::Operator));
    says(&domains.acts(&mut admin, "remove", MAIL).await, 409, "only the owner can remove it");
    let unbind = OrganizationChange { unbind: vec![MAIL.to_owned()], ..Default::default() };
    world.changes("contoso", unbind).await;
    domains.acts(&mut admin, "add", MAIL).await;
    domains.acts(&mut admin, "check", MAIL).await;
    assert_eq!(domains.domains("contoso").await, one(MAIL, DomainStanding::Dns));
    world.changes("fabrikam", bind()).await;
    assert_eq!(domains.domains("contoso").await, Vec::new());
    let history = world.history("contoso").await;
    let what = "domain contoso-mail.example removed: the operator bound it elsewhere";
    assert!(history.iter().any(|it| it.ends_with(what)), "{history:?}");
}

#[tokio::test]
async fn an_admin_who_is_signed_in_adds_a_domain_and_one_below_the_owner_does_not() {
    let domains = DomainWorld::start().await;
    let world = &domains.world;
    world.knows(FRIDA, "fabrikam", "admin").await;
    let mut frida = world.signed_in("fabrikam", FRIDA).await;
    let page = domains.acts(&mut frida, "add", "fabrikam-mail.example").await;
    says(&page, 200, "Added. Prove now that it is yours.");
    world.adds("oskar", "fabrikam", "owner").await;
    says(&frida.visits(PAGE).await, 200, "Only people with the highest role in your company");
    for act in ["add", "check", "remove"] {
        let page = domains.acts(&mut frida, act, "fabrikam-mail.example").await;
        says(&page, 409, "Nothing was changed.");
    }
    let history = world.history("fabrikam").await;
    let person = world.person(FRIDA).await.id;
    let claimed = format!("person {person}: domain fabrikam-mail.example claimed");
    assert_eq!(history.iter().filter(|it| **it == claimed).count(), 1, "{history:?}");
}

#[tokio::test]
async fn a_company_of_the_configuration_shows_its_domains_and_changes_none() {
    let dns = NameServer::start().await;
    let plan = WorldPlan::of_directory(&dns.line()).with_organizations_of_file();
    let world = SetUpWorld { world: World::with(plan.where_time_stands()).await };
    let domains = DomainWorld { world, dns };
    let mut admin = domains.world.invited("contoso").await;
    says(&admin.visits(PAGE).await, 200, "set in the app’s configuration");
    says(&admin.visits("/oauth2/setup/sheet").await, 200, "(@contoso.example)");
    for act in ["add", "check", "remove"] {
        let page = domains.acts(&mut admin, act, MAIL).await;
        says(&page, 409, "so nothing was done");
    }
    assert_eq!(domains.domains("contoso").await, one("contoso.example", DomainStanding::Operator));
}
