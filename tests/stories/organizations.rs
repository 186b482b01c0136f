//! Companies with tenants of their own: who types what, who that makes them, and what it does not make them.

use crate::world::browser::{BrowserPage, FORM, NAVIGATION, SCRIPT, TestBrowser};
use crate::world::company::{CONTOSO, FABRIKAM, FRIDA, MAYA, TOM, company_of_file};
use crate::world::{CLIENT_ID, CLIENT_SECRET, World, WorldPlan};
use entrada::base::company_code::CompanyCode;
use entrada::base::guid::Guid;
use entrada::base::username::Username;
use entrada::directory::change::{NewOrganization, OrganizationChange, PersonChange};
use entrada::directory::organization::OrganizationState;
use entrada::directory::organization_credential::OrganizationCredential;
use entrada::emulator::TokenDefect;
use std::ops::Deref;
use std::time::Duration;

/// A world with two companies, and the directory that its database is in.
pub struct OrganizationsWorld {
    pub world: World,
    pub place: tempfile::TempDir,
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
        let place = tempfile::tempdir().unwrap();
        let database = format!("sqlite:{}", place.path().join("people.db").display());
        Self::at(&database, place, directory, plan).await
    }

    pub async fn at(
        database: &str,
        place: tempfile::TempDir,
        directory: &str,
        plan: impl FnOnce(WorldPlan) -> WorldPlan,
    ) -> Self {
        let more = format!(
            "[directory]\ndatabase = \"{database}\"\n{directory}\n{}{}",
            company_of_file("contoso", CONTOSO),
            company_of_file("fabrikam", FABRIKAM)
        );
        let world = World::with(plan(WorldPlan {
            more,
            headers: "send = [\"x-forwarded\", \"x-auth-request\"]".to_owned(),
            ..WorldPlan::default()
        }))
        .await;
        Self { world, place }
    }

    /// Somebody whom the directory knows, and the id that the app hears.
    pub async fn knows(&self, username: &str, company: &str, role: &str) -> String {
        self.world.knows(username, company, role).await.id.to_string()
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

fn assertion(page: &BrowserPage) -> serde_json::Value {
    jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(
        &page.app_heard("x-entrada-assertion"),
    )
    .unwrap()
    .claims
}

pub fn query(url: &url::Url, name: &str) -> Option<String> {
    url.query_pairs().find(|it| it.0 == name).map(|it| it.1.into_owned())
}

#[tokio::test]
async fn a_known_person_signs_in_by_username_and_the_app_hears_who_it_is() {
    let town = OrganizationsWorld::start().await;
    let id = town.knows(MAYA, "contoso", "admin").await;
    let mut maya = town.world.browser();
    let page = town.comes(&mut maya, " Maya@Contoso.example ", MAYA).await;
    assert_eq!((page.status, page.path_and_query().as_str()), (200, "/x?y=1"), "{}", page.body);
    for (name, value) in [
        ("x-entrada-person", id.as_str()),
        ("x-entrada-role", "admin"),
        ("x-entrada-organization", "contoso"),
        ("x-forwarded-tenant", CONTOSO),
    ] {
        assert_eq!(page.app_heard(name), value, "{name}");
    }
    let said = assertion(&page);
    assert_eq!(
        (said["person"].as_str(), said["role"].as_str(), said["organization"].as_str()),
        (Some(id.as_str()), Some("admin"), Some("contoso"))
    );
    let user = maya.asks("GET", "/oauth2/userinfo", SCRIPT).await.json();
    assert_eq!(
        (&user["person"], &user["role"], &user["organization"]),
        (&said["person"], &said["role"], &said["organization"])
    );
}

#[tokio::test]
async fn somebody_unknown_signs_in_by_company_code_and_is_made_a_worker() {
    let town = OrganizationsWorld::start().await;
    let mut frida = town.world.browser();
    let page = town.comes(&mut frida, "Fabrikam", FRIDA).await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert_eq!(
        (
            page.app_heard("x-entrada-role").as_str(),
            page.app_heard("x-entrada-organization").as_str()
        ),
        ("worker", "fabrikam")
    );
    let made = town.directory().person(&Username::parse(FRIDA).unwrap()).await.unwrap().unwrap();
    assert_eq!(
        (made.id.to_string(), made.role.as_str()),
        (page.app_heard("x-entrada-person"), "worker")
    );
    assert_eq!(assertion(&page)["person"], made.id.to_string());
    // Once more is the same person.
    let mut again = town.world.browser();
    assert_eq!(
        town.comes(&mut again, FRIDA, FRIDA).await.app_heard("x-entrada-person"),
        made.id.to_string()
    );
}

#[tokio::test]
async fn a_typed_username_is_a_hint_for_entra_and_a_code_is_none() {
    let town = OrganizationsWorld::start().await;
    town.knows(MAYA, "contoso", "worker").await;
    let mut someone = town.world.browser();
    for (typed, tenant, hint) in [
        (MAYA, CONTOSO, Some(MAYA)),
        // Nobody is called so yet, but the domain is bound.
        ("New@Fabrikam.example", FABRIKAM, Some("new@fabrikam.example")),
        ("contoso", CONTOSO, None),
    ] {
        let page = town.types(&mut someone, typed).await;
        let at = page
            .way
            .iter()
            .find(|it| it.path().contains("/authorize"))
            .unwrap_or_else(|| panic!("{typed}: {:#?}", page.way));
        assert!(at.path().starts_with(&format!("/{tenant}/")), "{typed}: {at}");
        assert_eq!(query(at, "login_hint").as_deref(), hint, "{typed}");
    }
    // A link names the company, and nobody is asked.
    for path in
        ["/oauth2/start?organization=fabrikam", "/oauth2/sign_in?organization=fabrikam&rd=/z"]
    {
        let page = town.world.browser().until(path, "/authorize").await;
        assert!(page.url.path().starts_with(&format!("/{FABRIKAM}/")), "{}", page.url);
    }
}

#[tokio::test]
async fn attack_whoever_types_a_colleagues_name_and_signs_in_is_still_oneself() {
    let town = OrganizationsWorld::start().await;
    let maya = town.knows(MAYA, "contoso", "owner").await;
    let mut tom = town.world.browser();
    let page = town.comes(&mut tom, MAYA, TOM).await;
    assert_eq!(
        (page.status, page.app_heard("x-entrada-role").as_str()),
        (200, "worker"),
        "{}",
        page.body
    );
    assert_ne!(page.app_heard("x-entrada-person"), maya);
    assert_eq!(
        town.directory().person(&Username::parse(MAYA).unwrap()).await.unwrap().unwrap().linked,
        None,
        "her name was taken"
    );
    // Nor does an address that another company's tenant only claims make one its owner: Felix's is Maya's.
    let mut felix = town.world.browser();
    let page = town.comes(&mut felix, "fabrikam", "felix@fabrikam.example").await;
    assert_eq!(
        (
            page.app_heard("x-entrada-organization").as_str(),
            page.app_heard("x-entrada-role").as_str()
        ),
        ("fabrikam", "worker")
    );
    assert_eq!(page.app_heard("x-forwarded-email"), "", "an address that nobody vouches for");
    let mut herself = town.world.browser();
    let page = town.comes(&mut herself, MAYA, MAYA).await;
    assert_eq!(
        (page.app_heard("x-entrada-person").as_str(), page.app_heard("x-entrada-role").as_str()),
        (maya.as_str(), "owner")
    );
}

#[tokio::test]
async fn attack_a_code_of_one_company_is_never_redeemed_for_another() {
    let town = OrganizationsWorld::start().await;
    let mut frida = town.world.browser();
    let callback = async |browser: &mut TestBrowser, typed: &str, person: &str| {
        let shown = town.types(browser, typed).await;
        browser.stops_at_the_callback(person, shown).await
    };
    let contoso = callback(&mut frida, "contoso", MAYA).await;
    let fabrikam = callback(&mut frida, "fabrikam", FRIDA).await;
    for (code, state) in [(&fabrikam, &contoso), (&contoso, &fabrikam)] {
        let mixed = format!(
            "/oauth2/callback?code={}&state={}",
            query(code, "code").unwrap(),
            query(state, "state").unwrap()
        );
        let page = frida.asks("GET", &mixed, NAVIGATION).await;
        assert!(matches!(page.status, 403 | 503), "{} {}", page.status, page.body);
        assert_eq!(frida.cookie("entrada"), None);
    }
    // A token of another tenant than the company's is nobody's, whatever was typed.
    for wrong in [TokenDefect::Tid, TokenDefect::Issuer, TokenDefect::Stranger] {
        town.world.emulator.control().wrong(wrong);
        let page = town.comes(&mut town.world.browser(), "contoso", MAYA).await;
        assert_eq!(page.status, 403, "{wrong:?}");
    }
    assert_eq!(town.world.app.seen.count(), 0);
    assert!(town.directory().person(&Username::parse(MAYA).unwrap()).await.unwrap().is_none());
}

/// Contoso could call somebody by an address of Northwind, a company whose domain nobody had bound yet, and then got Northwind's sign-ins.
#[tokio::test]
async fn attack_an_address_at_a_domain_that_is_not_bound_leads_to_no_company_that_took_it_as_a_username()
 {
    let town = OrganizationsWorld::start().await;
    let northwind = "ceo@northwind.example";
    town.knows(northwind, "contoso", "worker").await;
    let file = "username,name\ncfo@northwind.example,The CFO\n";
    town.directory()
        .import(&town.organization("contoso").await, file.as_bytes(), "story", |_| ())
        .await
        .unwrap();
    for typed in
        [northwind, "cfo@northwind.example", "cto@northwind.example", "ceo@NORTHWIND.example"]
    {
        let form = format!(
            "identifier={}",
            url::form_urlencoded::byte_serialize(typed.as_bytes()).collect::<String>()
        );
        assert_eq!(
            town.world.browser().posts("/oauth2/sign_in", FORM, &form).await.status,
            404,
            "{typed}"
        );
        let link = format!("/oauth2/start?organization={}", form.split_once('=').unwrap().1);
        assert_eq!(
            town.world.browser().asks("GET", &link, NAVIGATION).await.status,
            404,
            "{typed}"
        );
    }
    // They still are who they are at the company that calls them so, and an address at a bound domain leads to its company.
    assert_eq!(town.person(northwind).await.code.as_str(), "contoso");
    assert!(town.types(&mut town.world.browser(), "contoso").await.is_the_sign_in_at_entra());
    assert!(
        town.types(&mut town.world.browser(), "anybody@fabrikam.example")
            .await
            .url
            .path()
            .contains(FABRIKAM)
    );
    // A name without an address leads to its company still.
    town.knows("the-ceo", "contoso", "worker").await;
    assert!(town.types(&mut town.world.browser(), "the-ceo").await.url.path().contains(CONTOSO));
}

#[tokio::test]
async fn what_nobody_is_called_leads_back_to_the_page_with_one_calm_sentence() {
    let town = OrganizationsWorld::start().await;
    let mut someone = town.world.browser();
    for typed in
        ["nobody@nowhere.example", "not-there", "\u{202e}evil", "' OR 1=1 --", &"x".repeat(300)]
    {
        let page = town.types(&mut someone, typed).await;
        assert_eq!(page.status, 404, "{typed}");
        assert!(
            page.body.contains("We could not find that username or company code.")
                && page.body.contains("aria-invalid=\"true\""),
            "{}",
            page.body
        );
    }
    let page = someone.posts("/oauth2/sign_in?rd=%2Fz", SCRIPT, "identifier=not-there").await;
    assert_eq!(
        (page.status, page.json()["status"].as_u64(), page.header("content-type")),
        (404, Some(404), "application/problem+json")
    );
    let page = someone.posts("/oauth2/sign_in?rd=%2Fz", SCRIPT, "identifier=contoso").await;
    assert_eq!(
        (page.status, page.json()["sign_in_url"].as_str().unwrap()),
        (200, &*format!("{}/oauth2/start?rd=%2Fz&organization=contoso", town.world.public_url))
    );
    // Another site's page types for nobody; nothing typed asks again; what is typed twice has no one reading.
    let other = [
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
    ];
    assert_eq!(someone.posts("/oauth2/sign_in", &other, "identifier=contoso").await.status, 403);
    assert_eq!(someone.posts("/oauth2/sign_in", FORM, "identifier=+").await.status, 200);
    assert_eq!(
        someone.posts("/oauth2/sign_in", FORM, "identifier=a&identifier=b").await.status,
        400
    );
    assert_eq!(town.world.app.seen.count(), 0);
}

#[tokio::test]
async fn whoever_guesses_waits_by_address_and_nobody_else_does() {
    let town = OrganizationsWorld::with("", |it| WorldPlan {
        server: "trusted_proxies = [\"127.0.0.1\"]".to_owned(),
        time_stands: true,
        ..it
    })
    .await;
    let from = async |address: &str, headers: &[(&str, &str)], typed: &str| {
        let headers: Vec<_> =
            headers.iter().copied().chain([("x-forwarded-for", address)]).collect();
        town.world
            .browser()
            .posts("/oauth2/sign_in", &headers, &format!("identifier={typed}"))
            .await
    };
    for at in 0..30 {
        assert_eq!(from("192.0.2.7", FORM, &format!("guess-{at}")).await.status, 404);
    }
    // Right or wrong makes no difference then, and says nothing.
    for typed in ["guess-again", "contoso"] {
        let page = from("192.0.2.7", FORM, typed).await;
        assert_eq!(page.status, 429);
        assert!((1..=60).contains(&page.header("retry-after").parse::<u32>().unwrap()));
        assert!(page.body.contains("Please wait a moment"), "{}", page.body);
        assert_eq!(from("192.0.2.7", SCRIPT, typed).await.json()["status"], 429);
    }
    assert_eq!(
        town.world
            .browser()
            .asks(
                "GET",
                "/oauth2/start?organization=contoso",
                &[NAVIGATION, &[("x-forwarded-for", "192.0.2.7")]].concat()
            )
            .await
            .status,
        429
    );
    assert_eq!(from("192.0.2.8", FORM, "contoso").await.status, 302);
    town.world.later(60);
    assert_eq!(from("192.0.2.7", FORM, "contoso").await.status, 302);
}

#[tokio::test]
async fn of_many_guesses_at_once_no_more_are_told_than_one_after_the_other_and_many_right_ones_all_pass()
 {
    let town = OrganizationsWorld::with("", |it| WorldPlan {
        server: "trusted_proxies = [\"127.0.0.1\"]".to_owned(),
        time_stands: true,
        ..it
    })
    .await;
    let from = async |address: &'static str, typed: &str| {
        let headers = [FORM, &[("x-forwarded-for", address)]].concat();
        town.world
            .browser()
            .posts("/oauth2/sign_in", &headers, &format!("identifier={typed}"))
            .await
            .status
    };
    let right =
        futures_util::future::join_all((0..100).map(|_| from("192.0.2.9", "contoso"))).await;
    assert!(right.iter().all(|it| *it == 302), "{right:?}");
    let guesses: Vec<_> = (0..200).map(|it| format!("guess-{it}")).collect();
    let told = futures_util::future::join_all(guesses.iter().map(|it| from("192.0.2.7", it))).await;
    assert_eq!(
        (
            told.iter().filter(|it| **it == 404).count(),
            told.iter().filter(|it| **it == 429).count()
        ),
        (30, 170)
    );
}

#[tokio::test]
async fn pictures_and_frames_of_another_site_look_nobody_up_and_make_nobody_wait() {
    let town = OrganizationsWorld::start().await;
    let of = |site: &'static str, dest: &'static str| {
        [
            ("accept", "*/*"),
            ("sec-fetch-mode", "no-cors"),
            ("sec-fetch-site", site),
            ("sec-fetch-dest", dest),
        ]
    };
    let paths = [
        "/oauth2/start?organization=guess",
        "/oauth2/sign_in?organization=guess",
        "/oauth2/sign_in?organization=contoso",
    ];
    for at in 0..12 {
        for path in paths {
            for says in
                [of("cross-site", "image"), of("same-site", "iframe"), of("cross-site", "empty")]
            {
                assert_eq!(
                    town.world.browser().asks("GET", path, &says).await.status,
                    403,
                    "{at} {path} {says:?}"
                );
            }
        }
    }
    // A link in a mail, and a call of our own page.
    for says in [
        [
            ("accept", "text/html"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-dest", "document"),
        ],
        [
            ("accept", "text/html"),
            ("sec-fetch-mode", "cors"),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-dest", "empty"),
        ],
    ] {
        assert_eq!(
            town.world
                .browser()
                .asks("GET", "/oauth2/start?organization=contoso", &says)
                .await
                .status,
            302,
            "{says:?}"
        );
    }
    assert!(
        figures_of(&town).await.contains("entrada_directory_lookups_total{outcome=\"found\"} 2")
    );
    assert!(!figures_of(&town).await.contains("outcome=\"unknown\"} 1"));
}

/// Thirty-one navigations that another site's page caused used up the limit of the address, and whoever typed there then waited: behind a
/// front proxy that is not trusted, everybody.
#[tokio::test]
async fn attack_requests_that_other_sites_cause_make_nobody_wait_who_types_on_our_own_page() {
    let town = OrganizationsWorld::with("", |it| WorldPlan { time_stands: true, ..it }).await;
    let html = ("accept", "text/html");
    let links: [&[(&str, &str)]; 6] = [
        &[
            html,
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-dest", "document"),
        ],
        &[
            html,
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-dest", "document"),
        ],
        &[html, ("referer", "https://evil.example/")],
        // Links in mails, and browsers that say nothing.
        NAVIGATION,
        &[html],
        // A page can make its own visitors go around by our site.
        &[
            html,
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-dest", "document"),
        ],
    ];
    for path in ["/oauth2/start?organization=guess", "/oauth2/sign_in?organization=guess"] {
        for says in links {
            for _ in 0..8 {
                let status = town.world.browser().asks("GET", path, says).await.status;
                assert!([404, 429].contains(&status), "{status}");
            }
        }
    }
    for says in [
        &[html, ("sec-fetch-mode", "navigate"), ("sec-fetch-site", "cross-site")][..],
        &[html, ("origin", "https://evil.example")],
    ] {
        for _ in 0..31 {
            assert_eq!(
                town.world
                    .browser()
                    .posts("/oauth2/sign_in", says, "identifier=guess")
                    .await
                    .status,
                403
            );
        }
    }
    assert_eq!(
        town.world
            .browser()
            .asks("GET", "/oauth2/start?organization=contoso", links[0])
            .await
            .status,
        429,
        "links have a limit of their own"
    );
    for at in 0..30 {
        let answer =
            town.world.browser().posts("/oauth2/sign_in", FORM, "identifier=contoso").await.status;
        let mistyped =
            town.world.browser().posts("/oauth2/sign_in", FORM, "identifier=contosso").await.status;
        assert_eq!((answer, mistyped), (302, 404), "{at}");
    }
    assert_eq!(
        town.world.browser().posts("/oauth2/sign_in", FORM, "identifier=contoso").await.status,
        429,
        "typing has its limit still"
    );
}

async fn figures_of(town: &OrganizationsWorld) -> String {
    crate::world::raw::talk(
        town.world.admin,
        "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    .await
}

#[tokio::test]
async fn a_person_who_is_switched_off_is_out_at_the_next_recheck_and_reads_why() {
    let town = OrganizationsWorld::start().await;
    town.knows(MAYA, "contoso", "worker").await;
    let mut maya = town.world.browser();
    town.comes(&mut maya, MAYA, MAYA).await;
    let name = Username::parse(MAYA).unwrap();
    // What changes of her reaches the app at a recheck, too.
    town.directory()
        .change_person(
            &name,
            PersonChange { role: Some("admin".to_owned()), ..PersonChange::default() },
            "story",
        )
        .await
        .unwrap();
    town.world.later(30 * 60);
    town.until(&mut maya, "the new role", |it| {
        it.status == 200 && it.app_heard("x-entrada-role") == "admin"
    })
    .await;
    town.directory()
        .change_person(&name, PersonChange { on: Some(false), ..PersonChange::default() }, "story")
        .await
        .unwrap();
    town.world.later(30 * 60);
    town.until(&mut maya, "the end of her session", |it| it.status == 401).await;
    // Entra knows her still, and brings her back at once.
    let page = town.types(&mut maya, MAYA).await;
    assert_eq!(page.status, 403);
    assert!(
        page.body.contains("Your access is disabled")
            && page.body.contains("prompt=select_account"),
        "{}",
        page.body
    );
    let at_entra = maya
        .until(&format!("/oauth2/start?organization=contoso&login_hint={MAYA}"), "/oauth2/callback")
        .await;
    let problem = maya.asks("GET", &at_entra.url[url::Position::BeforePath..], SCRIPT).await.json();
    assert_eq!((&problem["status"], &problem["whose"]), (&403.into(), &"admin".into()));
}

#[tokio::test]
async fn an_organization_that_is_switched_off_is_out_and_nobodys_to_know_of() {
    let town = OrganizationsWorld::start().await;
    let code = CompanyCode::parse("northwind").unwrap();
    let new = NewOrganization {
        code: Some(code.clone()),
        name: "Northwind".to_owned(),
        tenant: Guid::parse(FABRIKAM),
        client_id: Guid::parse(CLIENT_ID),
        proof: Some(OrganizationCredential::of_value("not~the~secret").unwrap()),
        on: true,
        ..NewOrganization::default()
    };
    town.directory().add_organization(new, "story").await.unwrap();
    // Another secret counts at once.
    let mut frida = town.world.browser();
    let page = town.comes(&mut frida, "northwind", FRIDA).await;
    assert!(
        page.status == 503 && page.body.contains("AADSTS7000215") && page.body.contains(FABRIKAM),
        "{}",
        page.body
    );
    town.changes(
        code.as_str(),
        OrganizationChange {
            proof: Some(OrganizationCredential::of_value(CLIENT_SECRET).unwrap()),
            ..OrganizationChange::default()
        },
    )
    .await;
    let page = town.comes(&mut frida, "northwind", FRIDA).await;
    assert_eq!(
        (page.status, page.app_heard("x-entrada-organization").as_str()),
        (200, "northwind"),
        "{}",
        page.body
    );
    // Switched off while somebody is at Entra, and while somebody is here.
    let mut felix = town.world.browser();
    let shown = town.types(&mut felix, "northwind").await;
    let callback = felix.stops_at_the_callback("felix@fabrikam.example", shown).await;
    town.changes(
        code.as_str(),
        OrganizationChange { state: Some(OrganizationState::Off), ..OrganizationChange::default() },
    )
    .await;
    let page = felix.opens(&callback).await;
    assert!(
        page.status == 403 && page.body.contains("Your company cannot sign in here"),
        "{}",
        page.body
    );
    town.world.later(30 * 60);
    town.until(&mut frida, "the end of her session", |it| it.status == 401).await;
    assert_eq!(town.types(&mut frida, "northwind").await.status, 404);
}

#[tokio::test]
async fn the_device_remembers_the_company_and_nothing_of_the_person() {
    let town = OrganizationsWorld::start().await;
    let mut maya = town.world.browser();
    let page = town.comes(&mut maya, "contoso", MAYA).await;
    assert_eq!(maya.cookie("entrada-o").as_deref(), Some("contoso"));
    assert!(!page.app_heard("cookie").contains("entrada"), "the app sees it");
    let page = maya.visits("/oauth2/sign_in?rd=/z").await;
    assert!(
        page.body.contains("Continue with contoso")
            && page.body.contains("/oauth2/start?rd=%2Fz&amp;organization=contoso"),
        "{}",
        page.body
    );
    // What is planted there leads nowhere and is not shown.
    maya.plants("entrada-o", "<script>");
    assert!(!maya.visits("/oauth2/sign_in").await.body.contains("Continue with"));
    // Signing out leads to the company's own Entra.
    let page = maya.until("/oauth2/sign_out", "/logout").await;
    assert!(page.url.path().starts_with(&format!("/{CONTOSO}/")), "{}", page.url);
}

#[tokio::test]
async fn where_first_sign_in_refuses_nobody_is_made() {
    let town = OrganizationsWorld::with("first_sign_in = \"refuse\"", |it| it).await;
    let page = town.comes(&mut town.world.browser(), "contoso", TOM).await;
    assert!(
        page.status == 403 && page.body.contains("You are not known here yet"),
        "{}",
        page.body
    );
    assert!(town.directory().person(&Username::parse(TOM).unwrap()).await.unwrap().is_none());
    town.knows(TOM, "contoso", "worker").await;
    // A bound domain's sign-in name is believed.
    assert_eq!(town.comes(&mut town.world.browser(), TOM, TOM).await.status, 200);
}

#[tokio::test]
async fn a_database_that_is_gone_is_503_and_signs_nobody_out() {
    let town = OrganizationsWorld::start().await;
    let mut maya = town.world.browser();
    town.comes(&mut maya, "contoso", MAYA).await;
    let shown = town.types(&mut town.world.browser(), "contoso").await;
    assert!(shown.is_the_sign_in_at_entra());
    town.directory().close().await;
    let page = town.world.browser().posts("/oauth2/sign_in", FORM, "identifier=contoso").await;
    assert_eq!((page.status, page.header("retry-after")), (503, "5"), "{}", page.body);
    assert!(
        page.body
            .contains("is not available right now. People already signed in are not affected."),
        "{}",
        page.body
    );
    assert_eq!(
        town.world.browser().posts("/oauth2/sign_in", SCRIPT, "identifier=contoso").await.json()["status"],
        503
    );
    town.world.later(30 * 60);
    for _ in 0..20 {
        assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_database_that_somebody_else_holds_is_503_and_the_next_try_finds_it_free() {
    use sqlx::Connection as _;
    let town = OrganizationsWorld::start().await;
    let mut frida = town.world.browser();
    let shown = town.types(&mut frida, "fabrikam").await;
    let callback = frida.stops_at_the_callback(FRIDA, shown).await;
    let mut other = sqlx::SqliteConnection::connect(&format!(
        "sqlite:{}",
        town.place.path().join("people.db").display()
    ))
    .await
    .unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let page = frida.opens(&callback).await;
    assert_eq!(page.status, 503, "{}", page.body);
    assert!(
        page.body
            .contains("is not available right now. People already signed in are not affected."),
        "{}",
        page.body
    );
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(
        frida
            .until(
                "/oauth2/start?organization=fabrikam&login_hint=frida@fabrikam.example",
                "/oauth2/callback"
            )
            .await
            .status,
        302
    );
    assert!(
        town.directory().person(&Username::parse(FRIDA).unwrap()).await.unwrap().is_none(),
        "half a person"
    );
}

#[tokio::test]
async fn rules_name_organizations_and_what_people_are_there() {
    const RULES: &str = "[[access.rule]]\npath = \"/fleet/**\"\nallow = { organizations = [\"contoso\"], directory_roles = [\"owner\", \"admin\"] }\n\
        [[access.rule]]\npath = \"/fabrikam/**\"\nallow = { organizations = [\"Fabrikam\"] }\n\
        [[access.rule]]\npath = \"/roles/**\"\nallow = { roles = [\"Admin\"], organizations = [\"contoso\"] }\n";
    let town =
        OrganizationsWorld::with("", |it| WorldPlan { more: format!("{}{RULES}", it.more), ..it })
            .await;
    let frida_id =
        town.world.emulator.people().iter().find(|it| it.user_name == FRIDA).unwrap().oid.clone();
    town.world.emulator.control().set_roles(&frida_id, vec!["Admin".to_owned()]);
    town.knows(MAYA, "contoso", "admin").await;
    town.knows(TOM, "contoso", "worker").await;
    town.knows(FRIDA, "fabrikam", "admin").await;
    for (person, statuses) in
        [(MAYA, [200, 403, 200]), (TOM, [403, 403, 403]), (FRIDA, [403, 200, 403])]
    {
        let mut browser = town.world.browser();
        town.comes(&mut browser, person, person).await;
        for (path, status) in ["/fleet/x", "/fabrikam/x", "/roles/x"].into_iter().zip(statuses) {
            assert_eq!(browser.asks("GET", path, SCRIPT).await.status, status, "{person} {path}");
        }
    }
}

#[tokio::test]
async fn companies_need_no_registration_of_the_operators_own_and_outlive_a_reload_while_entra_is_down()
 {
    let town = OrganizationsWorld::start().await;
    let mut maya = town.world.browser();
    town.comes(&mut maya, "contoso", MAYA).await;
    let own = format!(
        "tenant = \"{CONTOSO}\"\nclient_id = \"{CLIENT_ID}\"\nclient_secret = {{ env = \"STORY_CLIENT_SECRET\" }}\nauthority"
    );
    let changed = town.world.changed(&own, "authority");
    town.world.emulator.control().be_down(true);
    assert_eq!(town.world.service.reload(&changed).await.unwrap(), Vec::<String>::new());
    town.world.emulator.control().be_down(false);
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200);
    town.world.later(30 * 60);
    assert_eq!(maya.asks("POST", "/oauth2/session/refresh", SCRIPT).await.status, 200);
    let page = town.comes(&mut town.world.browser(), "fabrikam", FRIDA).await;
    assert_eq!(
        (page.status, page.app_heard("x-entrada-organization").as_str()),
        (200, "fabrikam"),
        "{}",
        page.body
    );
    // What stands in the file of companies is read at the start.
    let changed = town.world.changed("domains = [\"fabrikam.example\"]", "guests = false");
    assert_eq!(
        town.world.service.reload(&changed).await.unwrap(),
        ["directory changed; restart entrada to apply it"]
    );
}

#[tokio::test]
async fn a_socket_ends_with_the_person_and_more_proof_is_asked_where_they_signed_in() {
    let town = OrganizationsWorld::start().await;
    town.knows(FRIDA, "fabrikam", "worker").await;
    let mut frida = town.world.browser();
    town.comes(&mut frida, FRIDA, FRIDA).await;
    let page = frida.until("/oauth2/start?rd=/x&acrs=c1", "/authorize").await;
    assert!(page.url.path().starts_with(&format!("/{FABRIKAM}/")), "{}", page.url);
    let mut socket = crate::standing::tunnel(&town.world, &frida.cookie_header()).await;
    assert!(crate::standing::carries(&mut socket).await);
    town.directory()
        .change_person(
            &Username::parse(FRIDA).unwrap(),
            PersonChange { on: Some(false), ..PersonChange::default() },
            "story",
        )
        .await
        .unwrap();
    town.world.later(30 * 60);
    crate::standing::ends(&mut socket, Duration::from_secs(10)).await;
    assert_eq!(frida.asks("GET", "/api/x", SCRIPT).await.status, 401);
}

#[tokio::test]
async fn a_front_proxy_hears_of_the_person_and_readiness_asks_no_entra() {
    let town = OrganizationsWorld::with("", |it| WorldPlan {
        server: "trusted_proxies = [\"127.0.0.1\"]".to_owned(),
        entra_down: true,
        ..it
    })
    .await;
    let ready = "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(
        crate::world::raw::status(&crate::world::raw::talk(town.world.admin, ready).await),
        200
    );
    // Entra is down: the page asks all the same, and what follows says whose fault it is.
    let mut maya = town.world.browser();
    assert_eq!(maya.posts("/oauth2/sign_in", FORM, "identifier=contoso").await.status, 503);
    town.world.emulator.control().be_down(false);
    // What was asked while it was down has come back, and is forgotten.
    tokio::time::sleep(Duration::from_millis(300)).await;
    town.world.later(60);
    let id = town.knows(MAYA, "contoso", "owner").await;
    town.comes(&mut maya, MAYA, MAYA).await;
    let asked = |path: &str| format!("{}{path}", town.world.public_url);
    let page = maya
        .asks(
            "GET",
            "/oauth2/auth",
            &[("x-original-url", &asked("/x")), ("x-original-method", "GET")],
        )
        .await;
    assert_eq!(page.status, 200);
    for (name, value) in [
        ("x-entrada-person", id.as_str()),
        ("x-entrada-role", "owner"),
        ("x-entrada-organization", "contoso"),
    ] {
        assert_eq!(page.header(name), value, "{name}");
    }
    // A stranger is led to the page that asks.
    let page = town
        .world
        .browser()
        .asks(
            "GET",
            "/oauth2/auth",
            &[NAVIGATION, &[("x-original-url", &asked("/x")), ("x-original-method", "GET")]]
                .concat(),
        )
        .await;
    assert_eq!(page.status, 401);
    let place = url::Url::parse(page.header("location")).unwrap();
    let page = town.world.browser().opens(&place).await;
    assert_eq!((page.status, page.path_and_query().as_str()), (200, "/oauth2/sign_in?rd=%2Fx"));
    // What a client says of itself under these names never arrives.
    let said = [
        SCRIPT,
        &[
            ("x-entrada-role", "owner"),
            ("x_entrada_person", "me"),
            ("X-Entrada-Organization", "fabrikam"),
        ],
    ]
    .concat();
    assert_eq!(maya.asks("GET", "/x", &said).await.app_heard_all("x-entrada-role"), ["owner"]);
}
