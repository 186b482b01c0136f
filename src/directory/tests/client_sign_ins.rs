//! Sign-ins on the app's own clients: codes, the rows that are kept, and their ends.

use super::*;
use crate::directory::admin::{AdminScope, PersonAction};
use crate::directory::change::OrganizationChange;
use crate::directory::client_sign_in::NewClientSignIn;
use crate::directory::client_sign_ins::{AcceptedClientSignIn, RedeemError};
use crate::directory::organization::OrganizationState;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const HOME: &str = "com.example.fleet:/signed-in";
pub(super) const IDLE: u64 = 30 * 86_400;
const LIFETIME: u64 = 90 * 86_400;
/// Returns a person of Contoso who comes back from Entra.
pub(super) async fn maya(directory: &Directory) -> (Person, Identity) {
    let contoso = match directory.organization(&code("contoso")).await.unwrap() {
        Some(it) => it,
        None => organization(directory, "contoso", CONTOSO, &[]).await,
    };
    let who = Identity {
        groups: PersonGroups::Known(["one"].into_iter().collect()),
        ..who(CONTOSO, 1, "maya@contoso.com")
    };
    // The stored form has no user principal name.
    let stored = Identity { member_upn: None, ..who.clone() };
    (directory.admit_identity(&who, &contoso).await.unwrap(), stored)
}

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()))
}

async fn begun(directory: &Directory) -> Secret {
    let (person, identity) = maya(directory).await;
    let (challenge, grant) = (challenge(), Secret::new("a refresh token of Entra's"));
    let new = NewClientSignIn {
        client: "phone",
        redirect_uri: HOME,
        challenge: &challenge,
        scope: Some("jobs"),
        person: person.id,
        organization: person.organization,
        identity: &identity,
        refresh_token: Some(&grant),
        lifetime: LIFETIME,
    };
    directory.start_sign_in(new).await.unwrap()
}

pub(super) async fn signed_in(directory: &Directory) -> AcceptedClientSignIn {
    let code = begun(directory).await;
    directory.redeem_code(&code, "phone", Some(HOME), VERIFIER, 100).await.unwrap()
}

#[tokio::test]
async fn a_code_is_good_once_for_its_client_its_place_and_its_proof() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let AcceptedClientSignIn { sign_in, .. } = signed_in(&directory).await;
        let (person, who) = maya(&directory).await;
        let member = sign_in.identity().member.clone().unwrap();
        assert_eq!((member.person, &*member.role, &*member.code), (person.id, "worker", "contoso"));
        assert_eq!(Identity { member: None, ..sign_in.identity().clone() }, who);
        assert_eq!((sign_in.client.as_str(), sign_in.scope.as_deref()), ("phone", Some("jobs")));
        assert_eq!(
            sign_in.entra_refresh_token.as_ref().unwrap().expose(),
            "a refresh token of Entra's"
        );
        let other = "a-verifier-of-somebody-else-who-saw-the-code-only";
        let wrong = [
            ("tablet", Some(HOME), VERIFIER),
            ("phone", Some("com.example.fleet:/signed-in/"), VERIFIER),
            ("phone", Some(HOME), other),
            ("phone", Some(HOME), ""),
            // The challenge that the method `plain` would use (RFC 7636 4.2).
            ("phone", Some(HOME), &challenge()),
        ];
        for (client, place, verifier) in wrong {
            let code = begun(&directory).await;
            let refused =
                directory.redeem_code(&code, client, place, verifier, 100).await.unwrap_err();
            assert!(matches!(refused, RedeemError::Code(..)), "{refused}");
            // The failed attempt has used it up.
            assert!(
                directory.redeem_code(&code, "phone", Some(HOME), VERIFIER, 100).await.is_err()
            );
        }
        assert!(matches!(
            directory.redeem_code(&Secret::new("x"), "phone", Some(HOME), VERIFIER, 100).await,
            Err(RedeemError::Unknown)
        ));
        let late = begun(&directory).await;
        fixture.clock.shift(60);
        assert!(matches!(
            directory.redeem_code(&late, "phone", Some(HOME), VERIFIER, 100).await,
            Err(RedeemError::Code(..))
        ));
    })
    .await;
}

#[tokio::test]
async fn a_code_used_twice_ends_what_it_began() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let code = begun(&directory).await;
        let AcceptedClientSignIn { sign_in, refresh, .. } =
            directory.redeem_code(&code, "phone", Some(HOME), VERIFIER, 100).await.unwrap();
        assert!(directory.sign_in(sign_in.id).await.unwrap().is_some());
        assert!(matches!(
            directory.redeem_code(&code, "phone", Some(HOME), VERIFIER, 100).await,
            Err(RedeemError::Code("was used already", _))
        ));
        assert!(directory.sign_in(sign_in.id).await.unwrap().is_none());
        assert!(matches!(
            directory.rotate(&refresh, "phone", IDLE).await,
            Err(RedeemError::SignInEnded)
        ));
        // Informs all processes.
        let changes = directory.changed(0, None).await.unwrap();
        let member = sign_in.identity().member.clone().unwrap();
        assert_eq!(
            changes.last().map(|it| (it.person, it.organization)),
            Some((Some(member.person), Some(member.organization)))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_code_that_many_redeem_gives_tokens_once_at_most_and_they_end() {
    on_both(async |fixture: DatabaseFixture| {
        let (one, other) = (fixture.open().await, fixture.open().await);
        let code = begun(&one).await;
        let all: Vec<_> = (0..20)
            .map(|at| {
                let (directory, code) =
                    (if at % 2 == 0 { one.clone() } else { other.clone() }, code.clone());
                tokio::spawn(async move {
                    directory.redeem_code(&code, "phone", Some(HOME), VERIFIER, 100).await.ok()
                })
            })
            .collect();
        let mut given = Vec::new();
        for it in all {
            given.extend(it.await.unwrap());
        }
        assert!(given.len() <= 1, "{}", given.len());
        for AcceptedClientSignIn { refresh, .. } in given {
            assert!(matches!(
                one.rotate(&refresh, "phone", IDLE).await,
                Err(RedeemError::SignInEnded)
            ));
        }
    })
    .await;
}

#[tokio::test]
async fn a_person_who_is_switched_off_or_unlinked_is_signed_out_of_every_client() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let (person, _) = maya(&directory).await;
        let change = |on| PersonChange { on: Some(on), ..PersonChange::default() };
        let AcceptedClientSignIn { sign_in, refresh, .. } = signed_in(&directory).await;
        directory.change_person(&person.username, change(false), "a story").await.unwrap();
        assert!(directory.sign_in(sign_in.id).await.unwrap().is_none());
        directory.change_person(&person.username, change(true), "a story").await.unwrap();
        assert!(
            matches!(
                directory.rotate(&refresh, "phone", IDLE).await,
                Err(RedeemError::SignInEnded)
            ),
            "on again is no sign-in"
        );
        let refresh = signed_in(&directory).await.refresh;
        directory
            .change_person(
                &person.username,
                PersonChange { unlink: true, ..PersonChange::default() },
                "a story",
            )
            .await
            .unwrap();
        assert!(matches!(
            directory.rotate(&refresh, "phone", IDLE).await,
            Err(RedeemError::SignInEnded)
        ));
        let link = PersonChange { link: Some(sign_in.identity().oid), ..PersonChange::default() };
        directory.change_person(&person.username, link, "a story").await.unwrap();
        let refresh = signed_in(&directory).await.refresh;
        let off = OrganizationChange {
            state: Some(OrganizationState::Off),
            ..OrganizationChange::default()
        };
        directory.change_organization(&code("contoso"), off, "a story").await.unwrap();
        assert!(matches!(
            directory.rotate(&refresh, "phone", IDLE).await,
            Err(RedeemError::SignInEnded)
        ));
        let on = OrganizationChange {
            state: Some(OrganizationState::On),
            ..OrganizationChange::default()
        };
        directory.change_organization(&code("contoso"), on, "a story").await.unwrap();
        assert!(matches!(
            directory.rotate(&refresh, "phone", IDLE).await,
            Err(RedeemError::SignInEnded)
        ));
        let (person, _) = maya(&directory).await;
        let acting = AdminScope::operator(person.organization, "a story");
        let (first, second) =
            (signed_in(&directory).await.sign_in.id, signed_in(&directory).await.sign_in.id);
        assert_eq!(directory.live_sign_ins(&[first, second, sign_in.id]).await.unwrap().len(), 2);
        directory.apply_action(&acting, person.id, &PersonAction::SignOut).await.unwrap();
        assert!(
            directory.live_sign_ins(&[first, second]).await.unwrap().is_empty(),
            "signed out everywhere"
        );
        for (tenant, left) in [(FABRIKAM, 1), (CONTOSO, 0)] {
            let id = signed_in(&directory).await.sign_in.id;
            let oid = sign_in.identity().oid;
            directory.end_sign_ins_of_account(oid, Guid::parse(tenant), "a story").await.unwrap();
            assert_eq!(directory.live_sign_ins(&[id]).await.unwrap().len(), left, "{tenant}");
            directory.end_sign_ins_of_account(oid, None, "a story").await.unwrap();
            assert!(directory.live_sign_ins(&[id]).await.unwrap().is_empty());
        }
    })
    .await;
}

#[tokio::test]
async fn a_code_that_is_not_redeemed_leaves_no_sign_in() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        begun(&directory).await;
        let count = async || {
            directory
                .database
                .row("SELECT COUNT(*) AS count FROM family", Vec::new())
                .await
                .unwrap()
                .unwrap()
                .number("count")
                .unwrap()
        };
        assert_eq!(count().await, 1);
        fixture.clock.shift(31 * 86_400);
        for _ in 0..64 {
            begun(&directory).await;
        }
        assert_eq!(count().await, 64, "old rows are taken out now and then");
    })
    .await;
}

#[tokio::test]
async fn nothing_that_opens_anything_lies_in_the_table_and_a_row_opens_as_itself_only() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let code = begun(&directory).await;
        let AcceptedClientSignIn { sign_in, refresh, .. } = directory.redeem_code(&code, "phone", Some(HOME), VERIFIER, 100).await.unwrap();
        let columns = ["code", "salt", "token", "identity", "entra_grant", "challenge"];
        let row = directory.database.row("SELECT code, salt, token, identity, entra_grant, challenge FROM family", Vec::new()).await.unwrap().unwrap();
        for column in columns {
            let text = row.text(column).unwrap();
            for secret in [code.expose(), refresh.expose(), VERIFIER, "a refresh token of Entra's", "Maya", "maya@contoso.com"] {
                assert!(!text.contains(secret), "{column}");
            }
        }
        // An attacker with write access to the database replaces one person with another.
        let other = signed_in(&directory).await.sign_in.id;
        let mut changes = directory.database.begin_transaction().await.unwrap();
        let values = vec![sign_in.id.to_string().into(), other.to_string().into()];
        changes.run("UPDATE family SET identity = (SELECT identity FROM family WHERE id = $2) WHERE id = $1", values).await.unwrap();
        changes.commit().await.unwrap();
        assert!(matches!(directory.sign_in(sign_in.id).await, Err(Error::UnopenedSignIn)));
        assert!(directory.sign_in(other).await.unwrap().is_some());
    })
    .await;
}

#[tokio::test]
async fn new_secrets_of_a_reload_seal_what_is_kept_and_the_old_ones_still_open_it() {
    on_both(async |fixture: DatabaseFixture| {
        let (old, new) = (
            "a secret of the stories, longer than 32 bytes",
            "another secret of the stories, long enough",
        );
        let before = fixture.opened_with(&[old]).await.unwrap();
        let AcceptedClientSignIn { sign_in: first, refresh, .. } = signed_in(&before).await;
        let keyring = Keyring::new(&[Secret::new(new), Secret::new(old)], &random::system());
        let after = before.sealed_by(&keyring);
        assert!(after.sign_in(first.id).await.unwrap().is_some());
        assert!(after.rotate(&refresh, "phone", IDLE).await.is_ok());
        let second = signed_in(&after).await;
        // Without the old secret, data that it sealed is only unreadable, and data that the new one
        // sealed stays valid.
        let fresh = fixture.opened_with(&[new]).await.unwrap();
        assert!(fresh.sign_in(second.sign_in.id).await.unwrap().is_some());
        assert!(fresh.rotate(&second.refresh, "phone", IDLE).await.is_ok());
        assert!(matches!(fresh.sign_in(first.id).await, Err(Error::UnopenedSignIn)));
        // The old secret can be restored.
        assert!(
            fixture
                .opened_with(&[new, old])
                .await
                .unwrap()
                .sign_in(first.id)
                .await
                .unwrap()
                .is_some()
        );
    })
    .await;
}

/// `session.per_person` used to limit only sessions in browsers: a person could start any number of
/// sign-ins on clients, each a row for 90 days.
#[tokio::test]
async fn a_person_has_no_more_live_sign_ins_on_clients_than_allowed_and_the_one_unused_longest_ends()
 {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let mut all = Vec::new();
        for _ in 0..3 {
            let code = begun(&directory).await;
            all.push(directory.redeem_code(&code, "phone", Some(HOME), VERIFIER, 3).await.unwrap());
            fixture.clock.shift(1);
        }
        assert!(all.iter().all(|it| it.ended.is_empty()));
        // The first is used again, so the second is the one unused longest. A code that was never
        // redeemed does not count.
        let used = directory.rotate(&all[0].refresh, "phone", IDLE).await.unwrap();
        let _unused = begun(&directory).await;
        fixture.clock.shift(1);
        let code = begun(&directory).await;
        let fourth = directory.redeem_code(&code, "phone", Some(HOME), VERIFIER, 3).await.unwrap();
        assert_eq!(fourth.ended, [all[1].sign_in.id]);
        let live = async |id| directory.sign_in(id).await.unwrap().is_some();
        let lives = [
            live(all[0].sign_in.id).await,
            live(all[1].sign_in.id).await,
            live(all[2].sign_in.id).await,
            live(fourth.sign_in.id).await,
        ];
        assert_eq!(lives, [true, false, true, true]);
        assert!(
            directory.rotate(&used.refresh, "phone", IDLE).await.is_ok()
                && directory.rotate(&all[1].refresh, "phone", IDLE).await.is_err()
        );
        let history = directory
            .history(fourth.sign_in.identity().member.clone().unwrap().organization, None, 10)
            .await
            .unwrap();
        assert_eq!(
            history
                .iter()
                .filter(|it| it
                    .what
                    .ends_with(crate::directory::client_sign_ins::MORE_THAN_PER_PERSON))
                .count(),
            1,
            "replicas hear of it"
        );
        // Ten concurrent sign-ins are counted one after the other.
        let mut codes = Vec::new();
        for _ in 0..10 {
            codes.push(begun(&directory).await);
        }
        let redeem = async |code: Secret| {
            directory.redeem_code(&code, "phone", Some(HOME), VERIFIER, 3).await.unwrap().sign_in.id
        };
        let mut ids = futures_util::future::join_all(codes.into_iter().map(redeem)).await;
        // The first was used in the same second, and can be one of those that stay.
        ids.extend(all.iter().chain([&fourth]).map(|it| it.sign_in.id));
        assert_eq!(directory.live_sign_ins(&ids).await.unwrap().len(), 3);
    })
    .await;
}
