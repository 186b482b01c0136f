//! Which companies and people there are cannot be found out by counting or timing.

use super::behind_a_front;
use crate::organizations::OrganizationsWorld;
use crate::world::CLIENT_SECRET;
use crate::world::browser::{FORM, NAVIGATION, SCRIPT};
use crate::world::samples::{FABRIKAM, MAYA};
use entrada::base::guid::Guid;
use entrada::base::username::Username;
use entrada::directory::change::{NewOrganization, NewPerson, OrganizationChange};
use entrada::directory::organization::OrganizationState;
use entrada::directory::organization_credential::OrganizationCredential;
use std::io::Write as _;
use std::time::{Duration, Instant};

#[tokio::test]
async fn guesses_are_counted_for_a_whole_network_in_every_form() {
    let world = OrganizationsWorld::with("", behind_a_front).await;
    let from = async |address: String, kind: usize, typed: &str| {
        let mut browser = world.world.browser();
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
        // Links are not looked up either, and lead to the page that asks.
        assert_eq!(page.status, if kind < 2 { 429 } else { 200 }, "{kind}");
        assert!(
            kind >= 2 || (1..=60).contains(&page.header("retry-after").parse::<u32>().unwrap()),
            "{kind}"
        );
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
    let world = OrganizationsWorld::with("", behind_a_front).await;
    let code = world
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
    world.directory().add_person(&code, &nora, "story").await.unwrap();
    world
        .changes(
            code.as_str(),
            OrganizationChange {
                state: Some(OrganizationState::Off),
                ..OrganizationChange::default()
            },
        )
        .await;
    world.knows(MAYA, "contoso", "worker").await;
    let mut took: Vec<Vec<Duration>> = vec![Vec::new(); KINDS.len()];
    for round in 0..120_u32 {
        // Each round in another order: what comes behind something slow would always be so.
        for at in 0..KINDS.len() {
            let kind = (at + round as usize) % KINDS.len();
            let address = format!("10.{}.{}.{kind}", round / 200, round % 200);
            let headers = [FORM, &[("x-forwarded-for", address.as_str())]].concat();
            // Without the sign-ins before, which are cookies.
            let mut browser = world.world.browser();
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
            more.checked_sub(less).unwrap() < Duration::from_millis(5),
            "{} takes {:?}, {} {:?}",
            KINDS[one].0,
            fast[one],
            KINDS[other].0,
            fast[other]
        );
    }
}
