//! A process that ends, and the one that follows, both with the sessions.

use super::*;
use crate::session::journal::Tombstones;
use crate::session::person::PersonKey;
use crate::session::standing::LeaseTurn;
use crate::session::store::{PresentedSession, SessionStore, StoreUnavailable};
use std::sync::Weak;

/// Maximum time until a sign-out in one process counts in the other.
const PROMISED: Duration = Duration::from_secs(1);

fn presented(id: &Secret) -> PresentedSession<'_> {
    PresentedSession { id: id.expose(), record: None }
}

impl OpenFolder {
    fn store(&self) -> SessionStore {
        SessionStore::memory(Arc::clone(&self.live))
    }

    /// Signs in as a browser does: the answer waits until the session is recorded.
    async fn begins(&self, number: u8) -> Secret {
        let identity = Identity {
            entra_sid: Some(format!("sid {number}").into()),
            ..Identity::new(Guid::of_bytes([number; 16]), Guid::of_bytes([9; 16]))
        };
        let user = VerifiedUser::pretended(identity);
        let refresh_token = Some(Secret::new("the first token"));
        let (id, session) = self.live.prepare(NewSession { refresh_token, ..user.into() });
        self.store().save(id, &session).await
    }

    async fn loads(&self, id: &Secret) -> Result<bool, StoreUnavailable> {
        self.store().load(&presented(id)).await.map(|it| it.is_some())
    }

    async fn hands_over(&self) -> hand_over::HandedOver {
        tokio::task::block_in_place(|| self.folder.hand_over().unwrap())
    }

    fn tombstones(&self) -> &Tombstones {
        &self.folder.journal.tombstones
    }
}

/// Waits for what happens within the promised time.
async fn soon(mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PROMISED, "not within {PROMISED:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A process that has handed over three sessions, and the one that follows.
async fn two(fixture: &FolderFixture) -> (OpenFolder, OpenFolder, [Secret; 3]) {
    let old = fixture.opens();
    let ids = [old.begins(1).await, old.begins(2).await, old.begins(3).await];
    assert_eq!(old.hands_over().await.count, 3);
    let new = fixture.opens();
    assert!(new.restored.is_before_serving && new.folder.is_before_serving());
    (old, new, ids)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_in_one_process_ends_in_the_other() {
    let fixture = FolderFixture::new();
    let (old, new, [one, two, three]) = two(&fixture).await;
    assert!(new.has(&one) && new.has(&two) && new.has(&three));
    let dependents = new.live.peek(one.expose()).unwrap().ended();
    old.store().end(&presented(&one)).await.unwrap();
    soon(async || !new.has(&one)).await;
    assert!(dependents.is_cancelled(), "its tunnels end too");
    new.store().end(&presented(&two)).await.unwrap();
    soon(async || !old.has(&two)).await;
    let person = PersonKey { oid: Guid::of_bytes([3; 16]), tid: Guid::of_bytes([9; 16]) };
    assert_eq!(new.store().end_by_person(person).await, 1);
    soon(async || !old.has(&three)).await;
    assert_eq!(new.loads(&three).await, Ok(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_in_one_process_is_known_to_the_other_at_the_next_request() {
    let fixture = FolderFixture::new();
    let (old, new, _) = two(&fixture).await;
    let (there, here) = (old.begins(4).await, new.begins(5).await);
    assert_eq!((new.loads(&there).await, old.loads(&here).await), (Ok(true), Ok(true)));
    let session = new.live.peek(there.expose()).unwrap();
    assert_eq!(token(&session).as_deref(), Some("the first token"));
    // They are found by everything that can end them, in either process.
    let another = new.begins(6).await;
    assert_eq!(old.store().end_by_sid("sid 6").await, 1);
    assert_eq!(new.store().end_by_sid("sid 4").await, 1);
    soon(async || !new.has(&another) && !old.has(&there)).await;
    // Signed out where nobody has seen it yet.
    let unseen = new.begins(7).await;
    assert!(old.store().end(&presented(&unseen)).await.is_some());
    soon(async || !new.has(&unseen)).await;
    assert!(old.has(&here));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_does_not_become_live_by_a_record_that_comes_later() {
    let fixture = FolderFixture::new();
    let (old, new, _) = two(&fixture).await;
    let (id, session) = old.live.prepare(
        VerifiedUser::pretended(Identity::new(Guid::of_bytes([4; 16]), Guid::of_bytes([9; 16])))
            .into(),
    );
    old.live.insert(&session);
    // The new process does not know it when the person signs out there.
    assert!(new.store().end(&presented(&id)).await.is_none());
    assert!(new.tombstones().may_contain(&session.key));
    old.live.share(&session).await;
    assert_eq!(new.loads(&id).await, Ok(false));
    soon(async || !old.has(&id)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_that_ends_asks_entra_no_more() {
    let fixture = FolderFixture::new();
    let old = fixture.opens();
    let id = old.begins(1).await;
    let (store, session) = (old.store(), old.live.peek(id.expose()).unwrap());
    let mut lease = session.standing().lease().await;
    assert_eq!(store.lease(&session, &mut lease).await, LeaseTurn::Held);
    drop(lease);
    old.hands_over().await;
    let mut lease = session.standing().lease().await;
    assert_eq!(store.lease(&session, &mut lease).await, LeaseTurn::Elsewhere);
    let new = fixture.opens();
    let session = new.live.peek(id.expose()).unwrap();
    let mut lease = session.standing().lease().await;
    assert_eq!(new.store().lease(&session, &mut lease).await, LeaseTurn::Held);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_being_rechecked_follows_with_its_new_refresh_token() {
    let fixture = FolderFixture::new();
    let old = fixture.opens();
    let [busy, other] = [old.begins(1).await, old.begins(2).await];
    let session = old.live.peek(busy.expose()).unwrap();
    let mut lease = session.standing().lease().await;
    let handed_over = old.hands_over().await;
    assert_eq!(handed_over.count, 1);
    let new = fixture.opens();
    assert_eq!(new.loads(&other).await, Ok(true));
    // Nobody is signed out, and no stranger learns of it.
    assert_eq!(new.loads(&busy).await, Err(StoreUnavailable { retry_after: 1 }));
    let last = if busy.expose().ends_with('A') { "Q" } else { "A" };
    let forged = Secret::new(format!("{}{last}", &busy.expose()[..busy.expose().len() - 1]));
    assert_eq!(new.loads(&forged).await, Ok(false));
    let missing = old.folder.record_missing(handed_over);
    let recheck = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        lease.store_refresh_token(Secret::new("the next token"));
        drop(lease);
    };
    tokio::join!(missing, recheck);
    assert_eq!(new.loads(&busy).await, Ok(true));
    let session = new.live.peek(busy.expose()).unwrap();
    assert_eq!(token(&session).as_deref(), Some("the next token"));
    // What is unknown now is no session.
    let ended = old.begins(3).await;
    old.store().end(&presented(&ended)).await.unwrap();
    assert_eq!(new.loads(&ended).await, Ok(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_process_before_has_ended_the_folder_is_as_always() {
    let fixture = FolderFixture::new();
    for ends_well in [true, false] {
        let (old, new, [one, two, _]) = two(&fixture).await;
        let late = old.begins(4).await;
        old.store().end(&presented(&one)).await.unwrap();
        if ends_well {
            assert_eq!(old.folder.close().unwrap(), None, "the other process has the sessions");
        } else {
            old.crashes();
        }
        soon(async || !new.folder.is_before_serving()).await;
        // What was recorded last is known.
        assert!(new.has(&late) && new.has(&two) && !new.has(&one));
        new.folder.write().unwrap();
        assert!(new.live.overlap.load().is_none() && !new.folder.journal.records_begun());
        assert!(!new.tombstones().may_contain(&[0; 32]));
        assert_eq!(fixture.names().len(), 3, "lock, snapshot and one segment");
        let number_unknown = new.loads(&one).await;
        assert_eq!(number_unknown, Ok(false));
        for person in 1..=9 {
            let oid = Guid::of_bytes([person; 16]);
            new.live.end_all_of(PersonKey { oid, tid: Guid::of_bytes([9; 16]) });
        }
        assert_eq!(new.folder.close().unwrap(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_the_process_that_follows_brings_nothing_back_and_loses_no_sign_in() {
    for has_saved in [false, true] {
        let fixture = FolderFixture::new();
        let (old, new, [one, two, three]) = two(&fixture).await;
        if has_saved {
            new.folder.write().unwrap();
        }
        let (there, here) = (old.begins(4).await, new.begins(5).await);
        old.store().end(&presented(&one)).await.unwrap();
        new.store().end(&presented(&two)).await.unwrap();
        new.crashes();
        // The old process may still serve, or not.
        let third = fixture.opens();
        assert!(third.restored.is_before_serving);
        let has = [&one, &two, &three, &there, &here].map(|it| third.has(it));
        assert_eq!(has, [false, false, true, true, true], "{has_saved}");
        assert_eq!(old.folder.close().unwrap(), None);
        third.crashes();
        let fourth = fixture.opens();
        assert!(!fourth.restored.is_before_serving);
        let has = [&one, &two, &three, &there, &here].map(|it| fourth.has(it));
        assert_eq!(has, [false, false, true, true, true], "{has_saved}");
        // The old process has ended without writing over what the others saved.
        assert!(fourth.folder.close().unwrap() >= Some(3));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_nobody_follows_saves_what_came_after_the_hand_over() {
    let fixture = FolderFixture::new();
    let old = fixture.opens();
    let [stays, ends] = [old.begins(1).await, old.begins(2).await];
    old.hands_over().await;
    assert!(!old.folder.successor().await);
    let late = old.begins(3).await;
    old.store().end(&presented(&ends)).await.unwrap();
    fixture.clock.shift(60);
    assert!(old.live.find(stays.expose()).is_some());
    assert_eq!(old.folder.close().unwrap(), Some(2));
    let new = fixture.opens();
    assert!(!new.restored.is_before_serving);
    assert!(new.has(&stays) && new.has(&late) && !new.has(&ends));
    let session = new.live.peek(stays.expose()).unwrap();
    assert_eq!(session.last_seen(), fixture.clock.now(), "its use after the hand-over counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_that_ends_waits_until_the_other_one_listens() {
    let fixture = FolderFixture::new();
    let (old, new, _) = two(&fixture).await;
    let old = Arc::new(old.folder);
    let waits = tokio::spawn({
        let old = Arc::clone(&old);
        async move { old.successor().await }
    });
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(!waits.is_finished());
    new.folder.listens();
    assert!(waits.await.unwrap());
    // One that gives up is waited for no longer.
    new.crashes();
    soon(async || !old.successor().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_process_follows_both_that_still_serve() {
    let fixture = FolderFixture::new();
    let (first, second, [one, two, three]) = two(&fixture).await;
    let begun = first.begins(4).await;
    second.hands_over().await;
    let third = fixture.opens();
    assert_eq!(third.loads(&begun).await, Ok(true));
    first.store().end(&presented(&one)).await.unwrap();
    second.store().end(&presented(&two)).await.unwrap();
    soon(async || !third.has(&one) && !third.has(&two)).await;
    third.store().end(&presented(&three)).await.unwrap();
    soon(async || !first.has(&three) && !second.has(&three)).await;
    assert_eq!(first.folder.close().unwrap(), None);
    assert!(third.folder.is_before_serving());
    assert_eq!(second.folder.close().unwrap(), None);
    soon(async || !third.folder.is_before_serving()).await;
    assert!(third.has(&begun));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_cannot_be_written_is_not_handed_over() {
    let fixture = FolderFixture::new();
    let old = fixture.opens();
    let id = old.begins(1).await;
    let obstacle = fixture.path().join(UNFINISHED_FILE);
    std::fs::create_dir(&obstacle).unwrap();
    assert!(tokio::task::block_in_place(|| old.folder.hand_over()).is_err());
    assert!(FolderLock::try_acquire(&fixture.path()).unwrap().is_none(), "it keeps the folder");
    let session = old.live.peek(id.expose()).unwrap();
    let mut lease = session.standing().lease().await;
    assert_eq!(old.store().lease(&session, &mut lease).await, LeaseTurn::Held);
    drop(lease);
    std::fs::remove_dir(&obstacle).unwrap();
    assert_eq!(old.folder.close().unwrap(), Some(1));
    assert!(fixture.opens().has(&id));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_other_secrets_neither_follows_the_other_and_both_go_on() {
    let fixture = FolderFixture::new();
    let old = fixture.opens();
    let id = old.begins(1).await;
    old.hands_over().await;
    let new = fixture.opens_with(&["two"]);
    assert!(!new.restored.is_before_serving && !new.has(&id));
    let here = new.begins(2).await;
    assert_eq!((new.loads(&here).await, old.loads(&id).await), (Ok(true), Ok(true)));
    assert_eq!(old.folder.close().unwrap(), None);
    assert_eq!(new.folder.close().unwrap(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_dropped_leaves_no_thread() {
    let fixture = FolderFixture::new();
    let (old, new, _) = two(&fixture).await;
    let live: Weak<LiveSessions> = Arc::downgrade(&old.live);
    drop(old);
    soon(async || live.strong_count() == 0 && !new.folder.is_before_serving()).await;
}
