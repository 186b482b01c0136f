//! How a sign-in on a phone ends.

use super::*;
use crate::world::samples::{MAYA, MAYA_ID, TOM};
use entrada::base::username::Username;
use entrada::directory::change::PersonChange;
use std::time::{Duration, Instant};

/// Two replicas of one installation.
async fn pair() -> (NativeWorld, World) {
    let world = NativeWorld::start().await;
    let other = world.replica().await;
    (world, other)
}

async fn ends_soon(client: &mut TestBrowser, token: &str) {
    let began = Instant::now();
    loop {
        let page = calls(client, token, SCRIPT).await;
        if page.status == 401 {
            return is_no_longer_taken(&page);
        }
        assert!(began.elapsed() < Duration::from_millis(5500), "not within five seconds");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_client_gives_a_token_back_and_everything_of_that_sign_in_is_over_everywhere() {
    let (world, other) = pair().await;
    let (kept, first, second) =
        (world.signed_in(MAYA).await, world.signed_in(MAYA).await, world.signed_in(MAYA).await);
    let mut there = world.world.browser_at(other.address);
    for it in [&first, &second, &kept] {
        assert_eq!(calls(&mut there, &it.access, SCRIPT).await.status, 200);
        assert_eq!(world.calls(&it.access).await.status, 200);
    }
    let mut client = world.world.browser();
    for (given, token) in [(&first, &first.refresh), (&second, &second.access)] {
        let other_client =
            posts(&mut client, "revoke", &[("client_id", "tablet"), ("token", token)]).await;
        assert_eq!(
            (other_client.status, world.calls(&given.access).await.status),
            (200, 200),
            "another client's is left alone"
        );
        let page = posts(
            &mut client,
            "revoke",
            &[("client_id", "phone"), ("token", token), ("token_type_hint", "nonsense")],
        )
        .await;
        assert_eq!((page.status, page.header("cache-control")), (200, "no-store"));
        is_no_longer_taken(&world.calls(&given.access).await);
        is_refused(&world.refreshes(&given.refresh).await, "invalid_grant");
        ends_soon(&mut there, &given.access).await;
    }
    assert_eq!(
        (
            world.calls(&kept.access).await.status,
            calls(&mut there, &kept.access, SCRIPT).await.status
        ),
        (200, 200)
    );
    for token in ["x", &first.refresh, &format!("{}x", first.access)] {
        assert_eq!(
            posts(&mut client, "revoke", &[("client_id", "phone"), ("token", token)]).await.status,
            200
        );
    }
    is_refused(
        &posts(&mut client, "revoke", &[("client_id", "nobody"), ("token", "x")]).await,
        "invalid_client",
    );
    // An access token whose time is over opens nothing, and still signs out.
    world.world.later(11 * 60);
    is_no_longer_taken(&world.calls(&kept.access).await);
    assert_eq!(
        posts(&mut client, "revoke", &[("client_id", "phone"), ("token", &kept.access)])
            .await
            .status,
        200
    );
    is_refused(&world.refreshes(&kept.refresh).await, "invalid_grant");
    is_refused(&posts(&mut client, "revoke", &[("client_id", "phone")]).await, "invalid_request");
}

/// While the database was busy, a client that disconnected right after it had asked undid its own sign-out: the change was dropped with its request.
#[tokio::test]
async fn a_revocation_takes_effect_although_its_client_disconnects_while_the_database_is_busy() {
    use sqlx::Connection as _;
    use tokio::io::AsyncWriteExt as _;
    let world = NativeWorld::start().await;
    let (first, second) = (world.signed_in(MAYA).await, world.signed_in(MAYA).await);
    let mut other = sqlx::SqliteConnection::connect(&world.database()).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let background = world.world.internals().process.background.clone();
    let under_way = async |count: usize| {
        for _ in 0..500 {
            if background.len() == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} under way instead of {count}", background.len());
    };
    for (at, token) in [&first.refresh, &second.access].into_iter().enumerate() {
        let body = format!("client_id=phone&token={token}");
        let head = format!(
            "Host: {}\r\nContent-Type: application/x-www-form-urlencoded",
            &world.world.public_url["http://".len()..]
        );
        let mut stream = tokio::net::TcpStream::connect(world.world.address).await.unwrap();
        let request = format!(
            "POST /oauth2/native/revoke HTTP/1.1\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        under_way(at + 1).await;
        drop(stream);
    }
    // For the program to notice that they are gone.
    tokio::time::sleep(Duration::from_millis(200)).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    under_way(0).await;
    for given in [&first, &second] {
        is_refused(&world.refreshes(&given.refresh).await, "invalid_grant");
        is_no_longer_taken(&world.calls(&given.access).await);
    }
}

#[tokio::test]
async fn whoever_is_switched_off_is_out_of_the_phone_within_five_seconds_on_every_replica() {
    let (world, other) = pair().await;
    let given = world.signed_in(MAYA).await;
    let mut there = world.world.browser_at(other.address);
    assert_eq!(
        (
            world.calls(&given.access).await.status,
            calls(&mut there, &given.access, SCRIPT).await.status
        ),
        (200, 200)
    );
    let off = PersonChange { on: Some(false), ..PersonChange::default() };
    world.directory().change_person(&Username::parse(MAYA).unwrap(), off, "story").await.unwrap();
    is_refused(&world.refreshes(&given.refresh).await, "invalid_grant");
    ends_soon(&mut there, &given.access).await;
    ends_soon(&mut world.world.browser(), &given.access).await;
}

#[tokio::test]
async fn whom_entra_has_no_more_is_out_at_the_next_refresh_and_for_good() {
    let world = NativeWorld::start().await;
    let (maya, tom) = (world.signed_in(MAYA).await, world.signed_in(TOM).await);
    world.world.emulator.control().disable(MAYA_ID, true);
    let maya = given(&world.refreshes(&maya.refresh).await);
    assert_eq!(
        world.calls(&maya.access).await.status,
        200,
        "Entra is asked when it is due, as for a web session"
    );
    world.world.later(1900);
    is_refused(&world.refreshes(&maya.refresh).await, "invalid_grant");
    assert_eq!(world.refreshes(&tom.refresh).await.status, 200);
    world.world.emulator.control().disable(MAYA_ID, false);
    is_refused(&world.refreshes(&maya.refresh).await, "invalid_grant");
}

#[tokio::test]
async fn who_has_to_sign_in_again_is_told_so() {
    let world = NativeWorld::start().await;
    let given = world.signed_in(MAYA).await;
    world.world.later(1900);
    assert!(world.world.emulator.control().refuse_refresh(MAYA_ID, 50_076));
    let page = world.refreshes(&given.refresh).await;
    is_refused(&page, "invalid_grant");
    assert!(page.body.contains("sign in again"), "{}", page.body);
    assert_eq!(world.directory().live_sign_ins(&[family(&given)]).await.unwrap().len(), 0);
}

#[tokio::test]
async fn an_entra_that_is_silent_signs_nobody_out_within_the_grace_and_a_token_is_not_used_up_beyond()
 {
    let world = NativeWorld::start().await;
    let first = world.signed_in(MAYA).await;
    world.world.emulator.control().be_down(true);
    world.world.later(1900);
    let second = given(&world.refreshes(&first.refresh).await);
    assert_eq!(world.calls(&second.access).await.status, 200);
    world.world.later(5 * 3600);
    for _ in 0..2 {
        let page = world.refreshes(&second.refresh).await;
        assert_eq!(
            (page.status, page.json()["error"].as_str()),
            (503, Some("temporarily_unavailable")),
            "{}",
            page.body
        );
        assert!(page.header("retry-after").parse::<u64>().unwrap() >= 1);
        world.world.later(40);
    }
    world.world.emulator.control().be_down(false);
    world.world.later(120);
    given(&world.refreshes(&second.refresh).await);
}

/// A session that ended while Entra was asked counted as ended by Entra, whatever Entra answered; and the client whose refresh had asked was told that its sign-in had ended.
#[tokio::test]
async fn a_session_that_goes_idle_while_entra_confirms_it_leaves_its_sign_in_as_it_is() {
    let plan = WorldPlan { session: "idle = \"10m\"".to_owned(), ..plan("") };
    let world = NativeWorld::of(plan).await;
    let first = world.signed_in(MAYA).await;
    world.world.later(1900);
    let control = world.world.emulator.control();
    control.be_slow(1500);
    let background = world.world.internals().process.background.clone();
    let while_entra_is_asked = async {
        while background.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world.world.later(601);
        world.refreshes(&first.refresh).await
    };
    let (asked, second) = tokio::join!(world.refreshes(&first.refresh), while_entra_is_asked);
    assert!(control.refresh_calls() >= 1, "Entra was not asked");
    control.be_slow(0);
    let second = given(&second);
    assert_eq!(given(&asked).refresh, second.refresh, "the same successor for both");
    assert_eq!(world.calls(&second.access).await.status, 200);
    given(&world.refreshes(&second.refresh).await);
    assert_eq!(world.directory().live_sign_ins(&[family(&first)]).await.unwrap().len(), 1);
}

/// A call that waited for its own recheck was told that its sign-in had ended when the session went idle meanwhile.
#[tokio::test]
async fn a_call_whose_session_goes_idle_while_entra_confirms_it_is_served_from_the_next_one() {
    let mut plan = WorldPlan { session: "idle = \"1m\"".to_owned(), ..plan("") };
    plan.entra += "\nrecheck = \"1m\"\nrecheck_grace = \"0s\"\n";
    let world = NativeWorld::of(plan).await;
    let given = world.signed_in(MAYA).await;
    // Beyond the grace, so that a call waits for Entra; the access token lives on.
    world.world.later(100);
    let control = world.world.emulator.control();
    control.be_slow(1500);
    let background = world.world.internals().process.background.clone();
    let while_entra_is_asked = async {
        while background.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world.world.later(61);
        world.calls(&given.access).await.status
    };
    let (asked, second) = tokio::join!(world.calls(&given.access), while_entra_is_asked);
    assert!(control.refresh_calls() >= 1, "Entra was not asked");
    assert_eq!((asked.status, second), (200, 200), "{}", asked.body);
}

fn family(given: &IssuedTokens) -> entrada::base::guid::Guid {
    entrada::base::guid::Guid::parse(part(&given.access, 1)["sid"].as_str().unwrap()).unwrap()
}

/// Signs in at the company in a browser.
async fn signed_in_browser(world: &NativeWorld) -> TestBrowser {
    let mut browser = world.world.browser();
    let shown =
        browser.fills("/oauth2/sign_in?rd=%2Fpublic%2Fx", &[("identifier", "contoso")]).await;
    assert!(shown.is_the_sign_in_at_entra(), "{} {}", shown.status, shown.body);
    assert_eq!(browser.signs_in_as(MAYA).await.status, 200);
    browser
}

async fn is_in(browser: &mut TestBrowser) -> bool {
    browser.asks("GET", "/api/x", SCRIPT).await.status == 200
}

/// Native sessions counted for nothing: they pushed other people's sessions out once memory was full, and a person had any number of them.
#[tokio::test]
async fn sessions_of_browsers_and_phones_count_together_and_the_one_unused_longest_ends_for_good() {
    let plan = WorldPlan { session: "per_person = 3".to_owned(), ..plan("") };
    let world = NativeWorld::of(plan).await;
    let first = world.signed_in(MAYA).await;
    assert_eq!(world.calls(&first.access).await.status, 200);
    world.world.later(1);
    let mut second = signed_in_browser(&world).await;
    world.world.later(1);
    let third = world.signed_in(MAYA).await;
    assert_eq!((world.calls(&third.access).await.status, is_in(&mut second).await), (200, true));
    world.world.later(1);
    let mut fourth = signed_in_browser(&world).await;
    is_no_longer_taken(&world.calls(&first.access).await);
    // Neither does the first one push another one out when its client goes on trying, nor do the others take each other's place.
    for _ in 0..5 {
        world.world.later(1);
        is_no_longer_taken(&world.calls(&first.access).await);
        is_refused(&world.refreshes(&first.refresh).await, "invalid_grant");
        assert_eq!(
            (
                is_in(&mut second).await,
                world.calls(&third.access).await.status,
                is_in(&mut fourth).await
            ),
            (true, 200, true)
        );
    }
    // A phone that comes again after its session rested is the newest, and the browser unused longest makes room.
    world.world.later(1);
    assert!(is_in(&mut second).await && is_in(&mut fourth).await);
    world.world.later(1);
    let fifth = world.signed_in(MAYA).await;
    is_no_longer_taken(&world.calls(&third.access).await);
    assert_eq!(
        (
            is_in(&mut second).await,
            world.calls(&fifth.access).await.status,
            is_in(&mut fourth).await
        ),
        (true, 200, true)
    );
}

#[tokio::test]
async fn more_sign_ins_on_phones_than_per_person_end_the_one_unused_longest_on_every_replica() {
    let plan = || WorldPlan { session: "per_person = 3".to_owned(), ..plan("") };
    let world = NativeWorld::of(plan()).await;
    let other = World::with(plan().replica_of(&world.world)).await;
    let mut there = world.world.browser_at(other.address);
    let first = world.signed_in(MAYA).await;
    assert_eq!(calls(&mut there, &first.access, SCRIPT).await.status, 200);
    let mut others = Vec::new();
    for _ in 0..3 {
        world.world.later(1);
        others.push(world.signed_in(MAYA).await);
    }
    is_no_longer_taken(&world.calls(&first.access).await);
    is_refused(&world.refreshes(&first.refresh).await, "invalid_grant");
    ends_soon(&mut there, &first.access).await;
    for given in &others {
        assert_eq!(world.calls(&given.access).await.status, 200);
    }
    // Another person's are not counted.
    let tom = world.signed_in(TOM).await;
    assert_eq!(
        (world.calls(&tom.access).await.status, world.calls(&others[0].access).await.status),
        (200, 200)
    );
}
