//! Refresh tokens of the app's own clients: each is used once, and returns the next.

use super::client_sign_ins::{IDLE, signed_in};
use super::*;
use crate::directory::client_sign_ins::{AcceptedClientSignIn, RedeemError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const SECRETS: [&str; 1] = ["a secret of the stories, longer than 32 bytes"];

#[tokio::test]
async fn a_refresh_token_is_sent_again_for_half_a_minute_and_used_later_ends_all() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let first = signed_in(&directory).await.refresh;
        let second = directory.rotate(&first, "phone", IDLE).await.unwrap().refresh;
        assert!(matches!(
            directory.rotate(&first, "tablet", IDLE).await,
            Err(RedeemError::OtherClient)
        ));
        fixture.clock.shift(15);
        assert_eq!(
            directory.rotate(&first, "phone", IDLE).await.unwrap().refresh.expose(),
            second.expose(),
            "the same successor"
        );
        assert!(directory.sign_in_of_token(&first, "phone", IDLE).await.is_ok());
        let third = directory.rotate(&second, "phone", IDLE).await.unwrap();
        assert_ne!(third.refresh.expose(), second.expose());
        // Two tokens back, even immediately.
        assert!(matches!(
            directory.rotate(&first, "phone", IDLE).await,
            Err(RedeemError::Reused(_))
        ));
        assert!(matches!(
            directory.rotate(&third.refresh, "phone", IDLE).await,
            Err(RedeemError::SignInEnded)
        ));
        let again = signed_in(&directory).await.refresh;
        directory.rotate(&again, "phone", IDLE).await.unwrap();
        fixture.clock.shift(31);
        assert!(
            matches!(
                directory.sign_in_of_token(&again, "phone", IDLE).await,
                Err(RedeemError::Reused(_))
            ),
            "too late, asked or used"
        );
    })
    .await;
}

#[tokio::test]
async fn what_somebody_makes_up_ends_nothing() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let AcceptedClientSignIn { sign_in, refresh, .. } = signed_in(&directory).await;
        let newest = directory.rotate(&refresh, "phone", IDLE).await.unwrap().refresh;
        let bytes = URL_SAFE_NO_PAD.decode(refresh.expose()).unwrap();
        for generation in 0_u32..4 {
            let mut forged = bytes.clone();
            forged[16..20].copy_from_slice(&generation.to_be_bytes());
            forged[51] ^= 1;
            let forged = Secret::new(URL_SAFE_NO_PAD.encode(forged));
            assert!(
                matches!(directory.rotate(&forged, "phone", IDLE).await, Err(RedeemError::Unknown)),
                "{generation}"
            );
            assert_eq!(directory.end_by_token(&forged, "phone", "a story").await.unwrap(), None);
        }
        for text in ["", "x", &"A".repeat(70), &"é".repeat(35)] {
            assert!(
                matches!(
                    directory.rotate(&Secret::new(text), "phone", IDLE).await,
                    Err(RedeemError::Unknown)
                ),
                "{text}"
            );
        }
        assert_eq!(directory.end_by_token(&newest, "tablet", "a story").await.unwrap(), None);
        assert!(directory.rotate(&newest, "phone", IDLE).await.is_ok());
        assert_eq!(
            directory.end_by_token(&refresh, "phone", "a story").await.unwrap(),
            Some(sign_in.id),
            "an old one ends it too"
        );
        assert!(directory.live_sign_ins(&[sign_in.id]).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_refreshes_at_once_by_two_processes_have_one_successor() {
    on_both(async |fixture: DatabaseFixture| {
        let (one, other) = (fixture.open().await, fixture.open().await);
        let first = signed_in(&one).await.refresh;
        let all: Vec<_> = (0..100)
            .map(|at| {
                let (directory, token) =
                    (if at % 2 == 0 { one.clone() } else { other.clone() }, first.clone());
                tokio::spawn(async move {
                    directory
                        .rotate(&token, "phone", IDLE)
                        .await
                        .unwrap()
                        .refresh
                        .expose()
                        .to_owned()
                })
            })
            .collect();
        let mut next = std::collections::HashSet::new();
        for it in all {
            next.insert(it.await.unwrap());
        }
        assert_eq!(next.len(), 1);
        assert!(
            one.rotate(&Secret::new(next.into_iter().next().unwrap()), "phone", IDLE).await.is_ok()
        );
    })
    .await;
}

#[tokio::test]
async fn it_ends_without_a_refresh_and_when_its_time_is_over() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let idle = signed_in(&directory).await.refresh;
        let mut busy = signed_in(&directory).await.refresh;
        for _ in 0..4 {
            fixture.clock.shift(i64::try_from(IDLE / 2).unwrap());
            busy = directory.rotate(&busy, "phone", IDLE).await.unwrap().refresh;
        }
        assert!(matches!(
            directory.rotate(&idle, "phone", IDLE).await,
            Err(RedeemError::SignInEnded)
        ));
        // The clock also advances in real time, so this leaves a margin.
        fixture.clock.shift(i64::try_from(IDLE).unwrap() - 60);
        busy = directory.rotate(&busy, "phone", IDLE).await.unwrap().refresh;
        fixture.clock.shift(60);
        assert!(
            matches!(directory.rotate(&busy, "phone", IDLE).await, Err(RedeemError::SignInEnded)),
            "ninety days, however busy"
        );
    })
    .await;
}

#[tokio::test]
async fn a_new_secret_in_front_keeps_people_signed_in_and_answers_a_retry_alike() {
    on_both(async |fixture: DatabaseFixture| {
        let before = fixture.opened_with(&SECRETS).await.unwrap();
        let first = signed_in(&before).await.refresh;
        let second = before.rotate(&first, "phone", IDLE).await.unwrap().refresh;
        let after = fixture
            .opened_with(&["a newer secret of the stories, as long as the other", SECRETS[0]])
            .await
            .unwrap();
        assert_eq!(
            after.rotate(&first, "phone", IDLE).await.unwrap().refresh.expose(),
            second.expose()
        );
        let third = after.rotate(&second, "phone", IDLE).await.unwrap().refresh;
        assert!(after.rotate(&third, "phone", IDLE).await.is_ok());
    })
    .await;
}
