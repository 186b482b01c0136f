//! Cookies that were kept, mixed or changed, and answers that arrive after a sign-out.

use super::{set, start, status};
use crate::world::World;
use crate::world::browser::{NAVIGATION, SCRIPT, TestBrowser};
use crate::world::samples::{MAYA, TOM};
use std::time::Duration;

/// A browser with the same cookies, as after they were copied.
fn copied(world: &World, browser: &TestBrowser) -> TestBrowser {
    let mut copy = world.browser();
    for name in ["entrada", "entrada-s"] {
        copy.plants(name, &browser.cookie(name).unwrap());
    }
    copy
}

#[tokio::test]
async fn attack_cookies_that_were_kept_are_worth_nothing_after_the_sign_out() {
    let world = start().await;
    let mut maya = world.signed_in(MAYA).await;
    let mut kept = copied(&world, &maya);
    assert_eq!(status(&mut kept).await, 200);
    maya.posts("/oauth2/sign_out", NAVIGATION, "").await;
    let names = maya.cookie_names();
    assert!(
        !names.iter().any(|it| ["entrada", "entrada-s", "entrada-b"].contains(&it.as_str())),
        "{names:?}"
    );
    for _ in 0..3 {
        assert_eq!((status(&mut kept).await, status(&mut maya).await), (401, 401));
    }
    // The same if this process had never served the session.
    let mut tom = world.signed_in(TOM).await;
    let replica = world.replica().await;
    let mut kept = copied(&world, &tom);
    tom.reaches(replica.address);
    tom.posts("/oauth2/sign_out", NAVIGATION, "").await;
    kept.reaches(replica.address);
    assert_eq!(status(&mut kept).await, 401);
    // The limit of this store: another process knows nothing of the sign-out.
    kept.reaches(world.address);
    assert_eq!(status(&mut kept).await, 200);
}

/// An answer that began before a sign-out arrives after it.
#[tokio::test]
async fn attack_a_late_answer_does_not_sign_in_again() {
    let world = start().await;
    let replica = world.replica().await;
    for address in [world.address, replica.address] {
        let mut maya = world.signed_in(MAYA).await;
        maya.reaches(address);
        assert_eq!(status(&mut maya).await, 200);
        world.later(61);
        let before = copied(&world, &maya);
        let mut late = copied(&world, &maya);
        late.reaches(address);
        let seen = world.app.seen.count();
        let answer = async {
            let page = late.asks("GET", "/public/held", SCRIPT).await;
            set(&late, &page)
        };
        let sign_out = async {
            while world.app.seen.count() == seen {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            maya.reaches(world.address);
            maya.posts("/oauth2/sign_out", NAVIGATION, "").await;
            world.app.seen.released.notify_one();
        };
        let ((record, has_session), ()) = tokio::join!(answer, sign_out);
        assert!(!has_session, "an answer sets the session cookie");
        // The process of the sign-out writes nothing. The other one cannot know of it.
        assert_eq!(record.is_some(), address == replica.address);
        if let Some(record) = record {
            let value = record.split(';').next().unwrap().split_once('=').unwrap().1;
            maya.plants("entrada-s", value);
        }
        for address in [world.address, replica.address] {
            maya.reaches(address);
            assert_eq!(status(&mut maya).await, 401, "the browser was signed in again");
        }
        drop(before);
    }
}

#[tokio::test]
async fn attack_a_record_is_worth_nothing_without_its_id_or_with_another() {
    let mut world = start().await;
    let maya = world.signed_in(MAYA).await;
    let mut tom = world.signed_in(TOM).await;
    world.restarts(async |_| {}).await;
    let mayas = (maya.cookie("entrada").unwrap(), maya.cookie("entrada-s").unwrap());
    let toms = (tom.cookie("entrada").unwrap(), tom.cookie("entrada-s").unwrap());
    for (id, record) in [
        (None, Some(mayas.1.as_str())),
        (Some(mayas.0.as_str()), None),
        (Some(&toms.0), Some(&mayas.1)),
        (Some(&mayas.0), Some(&toms.1)),
        (Some(&mayas.1), Some(&mayas.0)),
        (Some(&mayas.0), Some(&"A".repeat(3000))),
    ] {
        let mut thief = world.browser();
        for (name, value) in [("entrada", id), ("entrada-s", record)] {
            if let Some(value) = value {
                thief.plants(name, value);
            }
        }
        assert_eq!(status(&mut thief).await, 401);
    }
    // Of two cookies of one name, one was planted.
    let twice = format!("{}; {}={}", tom.cookie_header(), tom.with_port("entrada-s"), mayas.1);
    let page = world
        .browser()
        .asks("GET", "/api/x", &[SCRIPT, &[("cookie", twice.as_str())]].concat())
        .await;
    assert_eq!(page.status, 401);
    assert_eq!(status(&mut tom).await, 200);
}

#[tokio::test]
async fn attack_the_app_does_not_replace_a_record() {
    let world = start().await;
    let mut maya = world.signed_in(MAYA).await;
    let before = maya.cookie("entrada-s");
    maya.asks("GET", "/sets-cookies", SCRIPT).await;
    assert_eq!(maya.cookie("entrada-s"), before);
    assert_eq!(maya.cookie("theirs").as_deref(), Some("1"));
}
