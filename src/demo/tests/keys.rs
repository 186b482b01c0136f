//! The source of the keys.

use super::*;

#[tokio::test]
async fn keys_are_kept_and_asked_for_again_when_a_new_one_signs() {
    let world = World::start().await;
    for _ in 0..3 {
        assert!(world.page(&world.token(|_, _| {})).await.contains("Hello, Maya"));
    }
    assert_eq!(world.fetches.load(Ordering::Relaxed), 1);
    let second = Key::new("second");
    *world.published.lock().unwrap() =
        json!({"keys": [second.public(), world.key.public()]}).to_string();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(world.page(&second.sign(&header("second"), &claims())).await.contains("Hello, Maya"));
    assert!(world.page(&world.token(|_, _| {})).await.contains("Hello, Maya"));
    assert_eq!(world.fetches.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn unknown_kids_do_not_make_the_demo_ask_more_than_once_a_second() {
    let world = World::start().await;
    for _ in 0..20 {
        let html = world.page(&world.token(|header, _| header["kid"] = json!("other"))).await;
        assert_eq!(steps(&html, "failed"), ["Key found"]);
    }
    assert!(world.fetches.load(Ordering::Relaxed) <= 3, "{:?}", world.fetches);
}

#[tokio::test]
async fn a_key_set_that_is_too_large_or_none_is_said_so() {
    for document in ["{}".to_owned(), format!("{{\"keys\":[\"{}\"]}}", "x".repeat(70_000))] {
        let world = World::start().await;
        *world.published.lock().unwrap() = document;
        let html = world.page(&world.token(|_, _| {})).await;
        assert_eq!(steps(&html, "failed"), ["Keys fetched"]);
        assert_eq!(steps(&html, "skipped"), ["Key found", "Signature"]);
        assert!(is_nobody(&html));
    }
}
