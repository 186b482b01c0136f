//! A client secret is replaced while people sign in.

use super::*;
use crate::world::samples::{MAYA, TOM};

/// What the database says of the one that waits: whether there is one, and what Entra said against it.
async fn waiting(world: &AdminPagesWorld) -> Option<Option<String>> {
    world.organization("contoso").await.pending_credential.map(|it| it.refused)
}

async fn proven(world: &AdminPagesWorld) {
    world
        .until("the new secret in the other's place", async || {
            waiting(world).await.is_none().then_some(())
        })
        .await;
    let history = world.history("contoso").await;
    assert!(history.iter().any(|it| it.starts_with("sign-in: credential proven")), "{history:?}");
}

#[tokio::test]
async fn a_secret_is_replaced_while_people_sign_in() {
    let world = AdminPagesWorld::start().await;
    world.signed_in(MAYA).await;
    // Set before it works at Entra: nobody notices, and it says why it waits.
    world.sets("the-second~Secret.of-contoso-0001").await;
    world.signed_in(TOM).await;
    let refused = world.until("what Entra says", async || waiting(&world).await.flatten()).await;
    assert_eq!(refused, "AADSTS7000215");
    // At Entra both work now; the first sign-in proves it.
    world.world.emulator.control().add_secret("the-second~Secret.of-contoso-0001");
    world.signed_in(MAYA).await;
    proven(&world).await;
    // And the old one is needed no more.
    world.world.emulator.control().expire_secret(CLIENT_SECRET);
    let calls = world.world.emulator.control().code_calls();
    world.signed_in(TOM).await;
    assert_eq!(world.world.emulator.control().code_calls() - calls, 1, "asked by one secret alone");
}

#[tokio::test]
async fn a_wrong_new_secret_locks_nobody_out_and_is_taken_back() {
    let world = AdminPagesWorld::start().await;
    world.sets("never~a.Secret-of_contoso-0002").await;
    for person in [MAYA, TOM, MAYA] {
        world.signed_in(person).await;
    }
    assert!(waiting(&world).await.is_some());
    let back = OrganizationChange { withdraw_new: true, ..OrganizationChange::default() };
    world
        .directory()
        .change_organization(&CompanyCode::parse("contoso").unwrap(), back, "story")
        .await
        .unwrap();
    let calls = world.world.emulator.control().code_calls();
    world.signed_in(TOM).await;
    assert_eq!(
        (waiting(&world).await, world.world.emulator.control().code_calls() - calls),
        (None, 1)
    );
}

#[tokio::test]
async fn where_the_old_secret_has_expired_and_the_new_one_is_wrong_it_is_told_why_each_of_them_failed()
 {
    let world = AdminPagesWorld::start().await;
    world.world.emulator.control().expire_secret(CLIENT_SECRET);
    world.sets("never~a.Secret-of_contoso-0004").await;
    let page = world.comes(&mut world.world.browser(), "contoso", MAYA).await;
    assert!(
        page.status == 503 && page.body.contains("AADSTS7000222"),
        "{} {}",
        page.status,
        page.body
    );
    let refused = world
        .until("what Entra says of the new one", async || waiting(&world).await.flatten())
        .await;
    assert_eq!(refused, "AADSTS7000215");
}

#[tokio::test]
async fn an_expired_secret_keeps_nobody_out_once_a_good_one_waits() {
    let world = AdminPagesWorld::start().await;
    world.world.emulator.control().expire_secret(CLIENT_SECRET);
    let mut maya = world.world.browser();
    let page = world.comes(&mut maya, "contoso", MAYA).await;
    assert!(
        page.status == 503 && page.body.contains("AADSTS7000222"),
        "{} {}",
        page.status,
        page.body
    );
    world.world.emulator.control().add_secret("the-third~Secret.of-contoso-0003");
    world.sets("the-third~Secret.of-contoso-0003").await;
    world.signed_in(MAYA).await;
    proven(&world).await;
}

#[tokio::test]
async fn a_recheck_finds_the_new_secret_where_the_old_one_has_expired() {
    let world = AdminPagesWorld::start().await;
    let mut maya = world.signed_in(MAYA).await;
    world.world.emulator.control().add_secret("the-fourth~Secret.of-contoso-04");
    world.sets("the-fourth~Secret.of-contoso-04").await;
    world.world.emulator.control().expire_secret(CLIENT_SECRET);
    world.world.later(30 * 60);
    assert_eq!(maya.asks("POST", "/oauth2/session/refresh", SCRIPT).await.status, 200);
    proven(&world).await;
    assert!(is_in(&mut maya).await);
}

#[tokio::test]
async fn a_code_refused_for_the_person_is_not_tried_by_the_other_secret() {
    let world = AdminPagesWorld::start().await;
    world.world.emulator.control().add_secret("the-fifth~Secret.of-contoso-005");
    world.sets("the-fifth~Secret.of-contoso-005").await;
    let calls = world.world.emulator.control().code_calls();
    let refused = entrada::emulator::InjectedRefusal {
        error: "invalid_grant".to_owned(),
        code: 50_057,
        suberror: None,
        claims: None,
    };
    world.world.emulator.control().refuse_next_token(refused);
    let page = world.comes(&mut world.world.browser(), "contoso", MAYA).await;
    assert!(page.body.contains("AADSTS50057"), "{}", page.body);
    assert_eq!(world.world.emulator.control().code_calls() - calls, 1);
}

#[tokio::test]
async fn fifty_who_sign_in_by_a_new_secret_at_once_all_come_in_and_it_is_proven_once() {
    let world = AdminPagesWorld::start().await;
    world.signed_in(MAYA).await;
    world.world.emulator.control().add_secret("the-sixth~Secret.of-contoso-006");
    world.sets("the-sixth~Secret.of-contoso-006").await;
    let all = (0..50).map(|at| {
        let mut browser = world.world.browser();
        let (world, person) = (&world, if at % 2 == 0 { MAYA } else { TOM });
        async move { world.comes(&mut browser, "contoso", person).await.status }
    });
    assert_eq!(futures_util::future::join_all(all).await, vec![200; 50]);
    proven(&world).await;
    assert_eq!(world.history("contoso").await.iter().filter(|it| it.contains("proven")).count(), 1);
}

#[tokio::test]
async fn a_replica_follows_once_another_one_has_proven_the_new_secret() {
    let world = AdminPagesWorld::start().await;
    world.signed_in(MAYA).await;
    world.world.emulator.control().add_secret("the-eighth~Secret.of-contoso-08");
    world.sets("the-eighth~Secret.of-contoso-08").await;
    // Somebody signs in there, and the old one is deleted at Entra.
    let contoso = world.organization("contoso").await;
    let new = world.directory().connection(&contoso).await.unwrap().unwrap().new.unwrap();
    assert!(world.directory().confirm_credential(contoso.id, &new).await.unwrap());
    world.world.emulator.control().expire_secret(CLIENT_SECRET);
    let calls = world.world.emulator.control().code_calls();
    world.signed_in(TOM).await;
    assert_eq!(world.world.emulator.control().code_calls() - calls, 1);
}

#[tokio::test]
async fn attack_no_secret_stands_in_the_database_as_it_is() {
    let world = AdminPagesWorld::start().await;
    world.sets("the-seventh~Secret.of-contoso-7").await;
    world.signed_in(MAYA).await;
    let mut bytes = Vec::new();
    for it in std::fs::read_dir(world.folder.path()).unwrap() {
        bytes.extend(std::fs::read(it.unwrap().path()).unwrap());
    }
    for secret in ["the-seventh~Secret.of-contoso-7", CLIENT_SECRET] {
        assert!(
            !bytes.windows(secret.len()).any(|it| it == secret.as_bytes()),
            "a secret stands in the database"
        );
    }
    assert!(
        bytes.windows(MAYA.len()).any(|it| it == MAYA.as_bytes()),
        "the database was looked at"
    );
}
