//! Attacks on sign-in at companies and on the directory behind it.
//!
//! | class | kept by |
//! |---|---|
//! | takeover by a typed name | `organizations::attack_whoever_types_a_colleagues_name_and_signs_in_is_still_oneself` |
//! | takeover by a name or an address changed at Entra | `a_name_or_an_address_changed_at_entra_takes_nobody_over`; on both databases `linking` in `src/directory/tests` |
//! | a guest with the same name, and a guest where none may come | `a_guest_with_somebodys_name_is_a_guest`, `a_guest_stays_outside_where_none_may_come` |
//! | a second tenant that verified nothing, or only says so | `a_second_tenant_takes_nobody_over_whatever_it_says` |
//! | a code redeemed at another company | `organizations::attack_a_code_of_one_company_is_never_redeemed_for_another` |
//! | which companies and people there are, by time | `no_clock_tells_what_the_answer_does_not` |
//! | guessing codes | `guesses_are_counted_for_a_whole_network_in_every_form`, `organizations::whoever_guesses_waits_by_address_and_nobody_else_does` |
//! | SQL in a text field | `no_text_of_a_browser_is_taken_for_sql`; by commands and in files `cli::directory::no_text_is_taken_for_sql` |
//! | formulas in an export | `cli::directory::a_file_is_taken_in_and_what_is_wrong_is_told_by_line`, `importing` in `src/directory/tests` |
//! | letters that look alike or turn around | `letters_that_look_alike_are_nobodys_name` |
//! | a client secret read back | `a_client_secret_stands_in_no_file_page_or_answer`; of commands, each story of `cli`; of logs, the end of each world |

use crate::organizations::{OrganizationsWorld, query};
use crate::world::browser::{FORM, NAVIGATION, SCRIPT};
use crate::world::company::{CONTOSO, FABRIKAM, FRIDA, MAYA, TOM};
use crate::world::{CLIENT_ID, CLIENT_SECRET, WorldPlan};
use entrada::base::company_code::CompanyCode;
use entrada::base::guid::Guid;
use entrada::base::username::Username;
use entrada::directory::change::{NewOrganization, NewPerson, OrganizationChange};
use entrada::directory::organization::OrganizationState;
use entrada::directory::organization_credential::OrganizationCredential;
use std::io::Write as _;
use std::time::{Duration, Instant};

const INES: &str = "ines@contoso.example";
const FELIX: &str = "felix@fabrikam.example";
const PRIYA: &str = "priya@fabrikam.example";

impl OrganizationsWorld {
    fn oid(&self, name: &str) -> String {
        self.world.emulator.people().iter().find(|it| it.user_name == name).unwrap().oid.clone()
    }

    /// Whether nobody has signed in as that person yet.
    async fn is_unlinked(&self, name: &str) -> bool {
        self.directory()
            .person(&Username::parse(name).unwrap())
            .await
            .unwrap()
            .unwrap()
            .linked
            .is_none()
    }

    /// An organization that stands in the database.
    async fn founds(&self, code: &str, new: NewOrganization) -> CompanyCode {
        let code = CompanyCode::parse(code).unwrap();
        let new = NewOrganization {
            code: Some(code.clone()),
            name: code.to_string(),
            client_id: Guid::parse(CLIENT_ID),
            on: true,
            ..new
        };
        self.directory().add_organization(new, "story").await.unwrap();
        code
    }
}

fn behind_a_front(plan: WorldPlan) -> WorldPlan {
    WorldPlan { server: "trusted_proxies = [\"127.0.0.1\"]".to_owned(), ..plan }
}

#[tokio::test]
async fn a_name_or_an_address_changed_at_entra_takes_nobody_over() {
    let town = OrganizationsWorld::start().await;
    let control = town.world.emulator.control();
    let maya = town.knows(MAYA, "contoso", "owner").await;
    town.comes(&mut town.world.browser(), MAYA, MAYA).await;
    let tom =
        town.comes(&mut town.world.browser(), "contoso", TOM).await.app_heard("x-entrada-person");
    // Tom's mail attribute, then even his sign-in name, become those of Maya, who is linked.
    control.set_email(&town.oid(TOM), MAYA, true);
    let page = town.comes(&mut town.world.browser(), MAYA, TOM).await;
    assert_eq!(
        (page.app_heard("x-entrada-person"), page.app_heard("x-entrada-role").as_str()),
        (tom.clone(), "worker")
    );
    control.set_user_name(&town.oid(TOM), MAYA);
    let page = town.comes(&mut town.world.browser(), MAYA, TOM).await;
    assert_eq!(
        (page.app_heard("x-entrada-person"), page.app_heard("x-entrada-role").as_str()),
        (tom, "worker")
    );
    // Zoë never signed in, and writes Ines's address into her own account: nobody vouches for it.
    let ines = town.knows(INES, "contoso", "owner").await;
    control.set_email(&town.oid("zoe@contoso.example"), INES, false);
    let page = town.comes(&mut town.world.browser(), INES, "zoe@contoso.example").await;
    assert_eq!(
        (page.status, page.app_heard("x-entrada-role").as_str()),
        (200, "worker"),
        "{}",
        page.body
    );
    assert!(page.app_heard("x-entrada-person") != ines && town.is_unlinked(INES).await);
    // Maya, renamed, is Maya.
    control.set_user_name(&town.oid(MAYA), "maya.adler@contoso.example");
    assert_eq!(
        town.comes(&mut town.world.browser(), "contoso", MAYA).await.app_heard("x-entrada-person"),
        maya
    );
}

#[tokio::test]
async fn a_guest_with_somebodys_name_is_a_guest() {
    let town = OrganizationsWorld::start().await;
    let control = town.world.emulator.control();
    town.knows(MAYA, "contoso", "owner").await;
    let at_home = town.knows(PRIYA, "fabrikam", "owner").await;
    // Priya is a guest at Contoso: under her own name she is not whom Fabrikam knows by it, and under Maya's name not Maya.
    let page = town.comes(&mut town.world.browser(), "contoso", PRIYA).await;
    assert_eq!(
        (page.status, page.app_heard("x-entrada-organization").as_str()),
        (200, "contoso"),
        "{}",
        page.body
    );
    assert_ne!(page.app_heard("x-entrada-person"), at_home);
    let guest = page.app_heard("x-entrada-person");
    control.set_user_name(&town.oid(PRIYA), MAYA);
    control.set_email(&town.oid(PRIYA), MAYA, false);
    let page = town.comes(&mut town.world.browser(), MAYA, PRIYA).await;
    assert_eq!(
        (page.app_heard("x-entrada-person"), page.app_heard("x-entrada-role").as_str()),
        (guest, "worker")
    );
    // The same where the guest comes under her name the first time.
    let town = OrganizationsWorld::start().await;
    town.knows(MAYA, "contoso", "owner").await;
    let control = town.world.emulator.control();
    control.set_user_name(&town.oid(PRIYA), MAYA);
    control.set_email(&town.oid(PRIYA), MAYA, false);
    let page = town.comes(&mut town.world.browser(), MAYA, PRIYA).await;
    assert_eq!(
        (page.status, page.app_heard("x-entrada-role").as_str()),
        (200, "worker"),
        "{}",
        page.body
    );
    assert!(town.is_unlinked(MAYA).await);
}

#[tokio::test]
async fn a_guest_stays_outside_where_none_may_come() {
    let town = OrganizationsWorld::start().await;
    let secret = Some(OrganizationCredential::of_value(CLIENT_SECRET).unwrap());
    town.founds(
        "northwind",
        NewOrganization {
            tenant: Guid::parse(CONTOSO),
            proof: secret,
            no_guests: true,
            ..NewOrganization::default()
        },
    )
    .await;
    let mut priya = town.world.browser();
    let page = town.comes(&mut priya, "northwind", PRIYA).await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert!(page.body.to_lowercase().contains("guest"), "{}", page.body);
    assert_eq!((priya.cookie("entrada"), town.world.app.seen.count()), (None, 0));
    assert_eq!(town.comes(&mut town.world.browser(), "northwind", TOM).await.status, 200);
}

#[tokio::test]
async fn a_second_tenant_takes_nobody_over_whatever_it_says() {
    let town = OrganizationsWorld::start().await;
    let control = town.world.emulator.control();
    town.knows(MAYA, "contoso", "owner").await;
    // Fabrikam's own directory calls Maya's address verified, and her name its member's: the domain is bound to Contoso.
    control.set_email(&town.oid(FELIX), MAYA, true);
    control.set_user_name(&town.oid(FELIX), MAYA);
    let page = town.comes(&mut town.world.browser(), "fabrikam", FELIX).await;
    assert_eq!(
        (page.status, page.app_heard("x-entrada-organization").as_str()),
        (200, "fabrikam"),
        "{}",
        page.body
    );
    assert_eq!(page.app_heard("x-entrada-role"), "worker");
    let all = town.directory();
    let made = all
        .person_by_id(Guid::parse(&page.app_heard("x-entrada-person")).unwrap())
        .await
        .unwrap()
        .unwrap();
    assert!(!made.username.as_str().contains("contoso.example"), "{}", made.username);
    assert_eq!(page.app_heard("x-forwarded-tenant"), FABRIKAM);
    assert!(town.is_unlinked(MAYA).await);
}

#[tokio::test]
async fn guesses_are_counted_for_a_whole_network_in_every_form() {
    let town = OrganizationsWorld::with("", behind_a_front).await;
    let from = async |address: String, kind: usize, typed: &str| {
        let mut browser = town.world.browser();
        let with = |it: &[(&'static str, &'static str)]| {
            it.iter().map(|(name, value)| (*name, (*value).to_owned())).collect::<Vec<_>>()
        };
        let mut headers = with(if kind == 0 {
            FORM
        } else if kind == 1 {
            SCRIPT
        } else {
            NAVIGATION
        });
        headers.push(("x-forwarded-for", address));
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        match kind {
            0 | 1 => {
                browser.posts("/oauth2/sign_in", &headers, &format!("identifier={typed}")).await
            }
            2 => {
                browser.asks("GET", &format!("/oauth2/start?organization={typed}"), &headers).await
            }
            _ => {
                browser
                    .asks("GET", &format!("/oauth2/sign_in?organization={typed}"), &headers)
                    .await
            }
        }
    };
    // Each guess comes from another address of one /64, by page, script, and both kinds of link.
    // What another site can make a browser ask for is counted apart.
    for at in 0..60 {
        let kind = if at < 30 { 2 + at % 2 } else { at % 2 };
        assert_eq!(
            from(format!("2001:db8:0:7:{at:x}::{at:x}"), kind, &format!("guess-{at}")).await.status,
            404,
            "{at}"
        );
    }
    for kind in 0..4 {
        let page = from("2001:db8:0:7:ffff::1".to_owned(), kind, "contoso").await;
        assert_eq!(page.status, 429, "{kind}");
        assert!((1..=60).contains(&page.header("retry-after").parse::<u32>().unwrap()), "{kind}");
    }
    assert_eq!(
        from("2001:db8:0:8::1".to_owned(), 0, "contoso").await.status,
        302,
        "the network beside it"
    );
    // An IPv4 address written as IPv6 is that address.
    for at in 0..30 {
        let address = if at % 2 == 0 { "192.0.2.9" } else { "::ffff:192.0.2.9" };
        assert_eq!(from(address.to_owned(), 1, &format!("guess-{at}")).await.status, 404, "{at}");
    }
    assert_eq!(from("192.0.2.9".to_owned(), 1, "contoso").await.status, 429);
}

#[tokio::test]
async fn no_text_of_a_browser_is_taken_for_sql() {
    let town = OrganizationsWorld::with("", behind_a_front).await;
    town.knows(MAYA, "contoso", "owner").await;
    let hostile = [
        "' OR '1'='1",
        "contoso' --",
        "contoso'/**/OR/**/1=1",
        "x'; DROP TABLE person; --",
        "' UNION SELECT id, code FROM organization_code --",
        "maya@contoso.example' AND '1'='1",
        "%",
        "m%@contoso.example%",
        "_ontoso",
        "$1",
        "contoso\0",
        "contoso\u{2019}",
        "\\'; SELECT 1; --",
    ];
    for (at, text) in hostile.iter().enumerate() {
        let (address, encoded) = (
            format!("192.0.2.{at}"),
            url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>(),
        );
        let mut browser = town.world.browser();
        let page = browser
            .posts(
                "/oauth2/sign_in",
                &[FORM, &[("x-forwarded-for", &address)]].concat(),
                &format!("identifier={encoded}"),
            )
            .await;
        assert_eq!(page.status, 404, "{text:?}");
        for place in [
            format!("/oauth2/start?organization={encoded}"),
            format!("/oauth2/sign_in?organization={encoded}&rd=/x"),
        ] {
            let page = browser
                .asks("GET", &place, &[NAVIGATION, &[("x-forwarded-for", &address)]].concat())
                .await;
            assert!(matches!(page.status, 400 | 404), "{place}: {}", page.status);
        }
        // What a device remembers, and a hint for Entra, are text too.
        browser.plants("entrada-o", &encoded);
        assert_eq!(browser.visits("/oauth2/sign_in").await.status, 200);
        let page = browser
            .asks(
                "GET",
                &format!("/oauth2/start?organization=contoso&login_hint={encoded}"),
                NAVIGATION,
            )
            .await;
        assert!(matches!(page.status, 302 | 400), "{text:?}: {}", page.status);
    }
    // Nor is what Entra says of somebody.
    town.world.emulator.control().set_user_name(&town.oid(TOM), "x'; DROP TABLE person; --");
    town.world.emulator.control().set_email(&town.oid(TOM), "o'x'||'@contoso.example", true);
    assert_eq!(town.comes(&mut town.world.browser(), "contoso", TOM).await.status, 200);
    assert_eq!(town.directory().organizations().await.unwrap().len(), 2);
    assert!(town.is_unlinked(MAYA).await);
}

#[tokio::test]
async fn letters_that_look_alike_are_nobodys_name() {
    let town = OrganizationsWorld::start().await;
    let maya = town.knows(MAYA, "contoso", "owner").await;
    for typed in [
        "m\u{430}ya@contoso.example",
        "\u{202e}maya@contoso.example",
        "ma\u{200b}ya@contoso.example",
        "maya@cont\u{43e}so.example",
        "cont\u{43e}so",
    ] {
        assert_eq!(town.types(&mut town.world.browser(), typed).await.status, 404, "{typed:?}");
    }
    // The wide form is the same name, not one beside it.
    let page = town
        .types(&mut town.world.browser(), "\u{ff2d}\u{ff21}\u{ff39}\u{ff21}@contoso.example")
        .await;
    let at = page.way.iter().find(|it| it.path().contains("/authorize")).unwrap();
    assert_eq!(query(at, "login_hint").as_deref(), Some(MAYA));
    // A name of Entra's in other letters is not hers, and the username that is made of it can be told from hers.
    for (name, person) in [
        ("m\u{430}ya@contoso.example", TOM),
        ("\u{202e}maya@contoso.example", "zoe@contoso.example"),
    ] {
        town.world.emulator.control().set_user_name(&town.oid(person), name);
        let page = town.comes(&mut town.world.browser(), "contoso", person).await;
        assert_eq!(
            (page.status, page.app_heard("x-entrada-role").as_str()),
            (200, "worker"),
            "{}",
            page.body
        );
        let id = Guid::parse(&page.app_heard("x-entrada-person")).unwrap();
        let made = town.directory().person_by_id(id).await.unwrap().unwrap();
        assert!(
            made.id.to_string() != maya
                && made.username.as_str().is_ascii()
                && made.username.as_str() != MAYA,
            "{}",
            made.username
        );
    }
    assert!(town.is_unlinked(MAYA).await);
}

/// A reload that changes what seals keeps everybody signing in, whether it was sealed before or after.
#[tokio::test]
async fn client_secrets_open_under_the_secrets_of_the_newest_configuration() {
    let town = OrganizationsWorld::start().await;
    let new = || NewOrganization {
        tenant: Guid::parse(FABRIKAM),
        proof: Some(OrganizationCredential::of_value(CLIENT_SECRET).unwrap()),
        ..NewOrganization::default()
    };
    town.founds("northwind", new()).await;
    // The secret of the stories stands for a newer one that seals from now on.
    let seal = "secrets = [{ env = \"STORY_SEAL\" }]";
    let both = town
        .world
        .changed(seal, "secrets = [{ env = \"STORY_CLIENT_SECRET\" }, { env = \"STORY_SEAL\" }]");
    assert_eq!(town.world.service.reload(&both).await.unwrap(), Vec::<String>::new());
    assert_eq!(town.comes(&mut town.world.browser(), "northwind", FRIDA).await.status, 200);
    assert_eq!(town.directory().reseal("story").await.unwrap(), 1);
    town.founds("tailspin", new()).await;
    let only = town.world.changed(seal, "secrets = [{ env = \"STORY_CLIENT_SECRET\" }]");
    assert_eq!(town.world.service.reload(&only).await.unwrap(), Vec::<String>::new());
    for code in ["northwind", "tailspin"] {
        assert_eq!(town.comes(&mut town.world.browser(), code, FRIDA).await.status, 200, "{code}");
    }
    // Dropped too early: nobody signs in there, and the others do.
    let dropped = town.world.changed(seal, seal);
    assert_eq!(town.world.service.reload(&dropped).await.unwrap(), Vec::<String>::new());
    assert_eq!(
        town.world.browser().posts("/oauth2/sign_in", FORM, "identifier=northwind").await.status,
        503
    );
    assert_eq!(town.comes(&mut town.world.browser(), "fabrikam", FRIDA).await.status, 200);
}

#[tokio::test]
async fn a_client_secret_stands_in_no_file_page_or_answer() {
    use sqlx::Connection as _;
    const OTHER: &str = "b~another.client.secret-Value_of_a_story-4567";
    let town = OrganizationsWorld::start().await;
    let secret = |it: &str| Some(OrganizationCredential::of_value(it).unwrap());
    let code = town
        .founds(
            "northwind",
            NewOrganization {
                tenant: Guid::parse(FABRIKAM),
                proof: secret(CLIENT_SECRET),
                ..NewOrganization::default()
            },
        )
        .await;
    let mut frida = town.world.browser();
    let mut said = vec![town.comes(&mut frida, "northwind", FRIDA).await.body];
    // A second one, which Entra refuses, waits beside it.
    town.changes(
        code.as_str(),
        OrganizationChange { proof: secret(OTHER), ..OrganizationChange::default() },
    )
    .await;
    said.push(town.comes(&mut town.world.browser(), "northwind", FRIDA).await.body);
    town.world.emulator.control().expire_secret(CLIENT_SECRET);
    let page = town.comes(&mut town.world.browser(), "northwind", FRIDA).await;
    assert_ne!(page.status, 200);
    said.push(page.body);
    for path in ["/oauth2/userinfo", "/oauth2/session", "/oauth2/setup", "/oauth2/sign_in"] {
        said.push(frida.asks("GET", path, SCRIPT).await.body);
        said.push(frida.asks("GET", path, NAVIGATION).await.body);
    }
    said.push(format!("{:?}", town.directory()));
    said.push(town.world.logged().await);
    for text in &said {
        assert!(!text.contains(CLIENT_SECRET) && !text.contains(OTHER), "{text}");
    }
    // The files as they lie there, and a backup made as the documentation says.
    let backup = town.place.path().join("backup.db");
    let mut other = sqlx::SqliteConnection::connect(&format!(
        "sqlite:{}",
        town.place.path().join("people.db").display()
    ))
    .await
    .unwrap();
    sqlx::query("VACUUM INTO $1")
        .bind(backup.display().to_string())
        .execute(&mut other)
        .await
        .unwrap();
    let mut sizes = 0;
    for it in std::fs::read_dir(town.place.path()).unwrap() {
        let bytes = std::fs::read(it.unwrap().path()).unwrap();
        sizes += bytes.len();
        for value in [CLIENT_SECRET, OTHER] {
            assert!(
                !bytes.windows(value.len()).any(|it| it == value.as_bytes()),
                "a secret lies in a file"
            );
        }
    }
    let sealed = std::fs::read(&backup).unwrap();
    assert!(sizes > 0 && sealed.windows(9).any(|it| it == b"northwind"), "the backup is empty");
}

/// Where two answers are the same but for the time they take, the time is the same too.
#[tokio::test]
async fn no_clock_tells_what_the_answer_does_not() {
    const KINDS: [(&str, &str, u16); 8] = [
        ("a code that nobody has", "somewhere", 404),
        ("a code of a company that is off", "northwind", 404),
        ("a username that nobody has", "nils@nowhere.example", 404),
        ("a username at a company that is off", "nora@northwind.example", 404),
        ("an address at a domain of a company that is off", "new@northwind.example", 404),
        ("a username at a bound domain", MAYA, 302),
        ("no username at a bound domain", "mara@contoso.example", 302),
        ("a code", "contoso", 302),
    ];
    let town = OrganizationsWorld::with("", behind_a_front).await;
    let code = town
        .founds(
            "northwind",
            NewOrganization {
                tenant: Guid::parse(FABRIKAM),
                proof: Some(OrganizationCredential::of_value(CLIENT_SECRET).unwrap()),
                domains: vec!["northwind.example".to_owned()],
                ..NewOrganization::default()
            },
        )
        .await;
    let nora = NewPerson {
        username: Username::parse("nora@northwind.example").unwrap(),
        name: None,
        email: None,
        role: None,
    };
    town.directory().add_person(&code, &nora, "story").await.unwrap();
    town.changes(
        code.as_str(),
        OrganizationChange { state: Some(OrganizationState::Off), ..OrganizationChange::default() },
    )
    .await;
    town.knows(MAYA, "contoso", "worker").await;
    let mut took: Vec<Vec<Duration>> = vec![Vec::new(); KINDS.len()];
    for round in 0..120_u32 {
        // Each round in another order: what comes behind something slow would always be so.
        for at in 0..KINDS.len() {
            let kind = (at + round as usize) % KINDS.len();
            let address = format!("10.{}.{}.{kind}", round / 200, round % 200);
            let headers = [FORM, &[("x-forwarded-for", address.as_str())]].concat();
            // Without the sign-ins before, which are cookies.
            let mut browser = town.world.browser();
            let began = Instant::now();
            let page = browser
                .posts("/oauth2/sign_in", &headers, &format!("identifier={}", KINDS[kind].1))
                .await;
            let it = began.elapsed();
            assert_eq!(page.status, KINDS[kind].2, "{}", KINDS[kind].0);
            // The first ones fill caches.
            if round >= 20 {
                took[kind].push(it);
            }
        }
    }
    // The tenth fastest of a hundred: a busy machine makes some slower, and a difference that tells something shows in the fast ones too.
    let fast: Vec<_> = took
        .iter_mut()
        .map(|it| {
            it.sort_unstable();
            it[it.len() / 10]
        })
        .collect();
    for ((what, _, status), fast) in KINDS.iter().zip(&fast) {
        writeln!(std::io::stderr(), "{:>6} us  {status}  {what}", fast.as_micros()).unwrap();
    }
    for (one, other) in [(0, 1), (2, 3), (2, 4), (3, 4), (5, 6)] {
        let (less, more) = (fast[one].min(fast[other]), fast[one].max(fast[other]));
        assert!(
            less >= Duration::from_millis(20),
            "{} is told before its time: {less:?}",
            KINDS[one].0
        );
        // Microseconds of the database are behind the pace; what is left is noise.
        assert!(
            more - less < Duration::from_millis(5),
            "{} takes {:?}, {} {:?}",
            KINDS[one].0,
            fast[one],
            KINDS[other].0,
            fast[other]
        );
    }
}
