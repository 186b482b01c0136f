//! Everybody at once.

use super::*;

/// Two pools, as two processes have them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_first_sign_ins_at_once_make_one_person() {
    on_both(async |ground: Ground| {
        let (one, other) = (ground.open().await, ground.open().await);
        let contoso = organization(&one, "contoso", CONTOSO, &[]).await;
        let all: Vec<_> = (0..100)
            .map(|at| {
                let directory = if at % 2 == 0 { one.clone() } else { other.clone() };
                let contoso = contoso.clone();
                tokio::spawn(async move { directory.welcome_identity(&who(CONTOSO, 1, "maya@contoso.com"), &contoso).await.unwrap().id })
            })
            .collect();
        let mut ids = std::collections::HashSet::new();
        for it in all {
            ids.insert(it.await.unwrap());
        }
        assert_eq!((ids.len(), one.count(contoso.id).await.unwrap()), (1, 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_unlinked_person_is_linked_once_and_by_one_alone() {
    on_both(async |ground: Ground| {
        let (one, other) = (ground.open().await, ground.open().await);
        let contoso = organization(&one, "contoso", CONTOSO, &["contoso.com"]).await;
        let known = person(&one, &contoso, "maya@contoso.com", None).await;
        let all: Vec<_> = (0..40)
            .map(|at: u8| {
                let directory = if at.is_multiple_of(2) { one.clone() } else { other.clone() };
                let contoso = contoso.clone();
                // Four accounts that had the same name one after the other.
                tokio::spawn(async move { (at % 4, directory.welcome_identity(&who(CONTOSO, at % 4, "maya@contoso.com"), &contoso).await.unwrap().id) })
            })
            .collect();
        let mut ids = std::collections::HashMap::new();
        for it in all {
            let (account, id) = it.await.unwrap();
            assert_eq!(*ids.entry(account).or_insert(id), id, "one account is one person");
        }
        let distinct: std::collections::HashSet<_> = ids.values().collect();
        assert_eq!((distinct.len(), one.count(contoso.id).await.unwrap()), (4, 4));
        assert!(distinct.contains(&known.id));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replicas_that_start_at_once_migrate_once() {
    on_both(async |ground: Ground| {
        let starts = (0..6).map(|_| ground.open());
        for directory in futures_util::future::join_all(starts).await {
            assert!(directory.organizations().await.unwrap().is_empty());
        }
    })
    .await;
}
