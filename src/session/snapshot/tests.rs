//! Restarts: what comes back, and what does not.

mod overlap;
mod stored_form;

use super::folder::UNFINISHED_FILE;
use super::restore::SNAPSHOT_FILE;
use super::*;
use crate::base::clock::Clock;
use crate::base::guid::Guid;
use crate::base::identity::{DirectoryMember, Identity, PersonGroups};
use crate::base::secret::Secret;
use crate::config::session::SessionConfig;
use crate::entra::claims_challenge::ClaimsChallenge;
use crate::entra::verified::VerifiedUser;
use crate::seal::keyring::Keyring;
use crate::session::journal::{segment_files, segments};
use crate::session::live::{LiveSessions, NewSession};
use crate::session::record::{Session, Via};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// A folder, and the processes that have it one after the other.
struct FolderFixture {
    place: tempfile::TempDir,
    clock: Clock,
}

/// A process that has the folder.
struct OpenFolder {
    live: Arc<LiveSessions>,
    folder: SessionFolder,
    restored: RestoredSessions,
}

/// The live sessions of a process that was started again, with what keeps them, and its clock.
pub(in crate::session) fn reopened() -> (Box<dyn std::any::Any>, Arc<LiveSessions>, Clock) {
    let fixture = FolderFixture::new();
    fixture.opens().crashes();
    let opened = fixture.opens();
    let (live, clock) = (Arc::clone(&opened.live), fixture.clock.clone());
    (Box::new((opened, fixture)), live, clock)
}

impl FolderFixture {
    fn new() -> Self {
        Self { place: tempfile::tempdir().unwrap(), clock: Clock::stopped() }
    }

    fn path(&self) -> PathBuf {
        self.place.path().join("deeper/sessions")
    }

    fn opens_with(&self, secrets: &[&str]) -> OpenFolder {
        let config = SessionConfig {
            secrets: secrets.iter().map(|it| Secret::new(*it)).collect(),
            idle: Duration::from_mins(10),
            lifetime: Duration::from_hours(1),
            capacity: 100_000,
            per_person: 100_000,
            ..SessionConfig::sample()
        };
        let random = crate::seal::random::system();
        let live = LiveSessions::new(&config, self.clock.clone(), random.clone());
        let live = Arc::new(live);
        let lock = self.lock();
        let opened = SessionFolder::open(lock, seal(secrets), Arc::clone(&live), random);
        let (folder, restored) = opened.unwrap();
        OpenFolder { live, folder, restored }
    }

    fn opens(&self) -> OpenFolder {
        self.opens_with(&["one"])
    }

    /// Waits for the folder.
    fn lock(&self) -> FolderLock {
        let attempt = || {
            std::thread::sleep(Duration::from_millis(1));
            FolderLock::try_acquire(&self.path()).unwrap()
        };
        std::iter::repeat_with(attempt).find_map(|it| it).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> =
            names.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl OpenFolder {
    fn signs_in(&self, number: u8) -> Secret {
        let identity = Identity::new(Guid::of_bytes([number; 16]), Guid::of_bytes([9; 16]));
        self.live.create(VerifiedUser::pretended(identity).into()).0
    }

    fn has(&self, id: &Secret) -> bool {
        self.live.peek(id.expose()).is_some()
    }

    /// Ends as by `kill -9`: nothing more is written.
    fn crashes(self) {
        // As the system does it.
        self.folder.journal.close();
        self.folder.lock.release();
    }
}

fn seal(secrets: &[&str]) -> SnapshotSeal {
    let secrets: Vec<_> = secrets.iter().map(|it| Secret::new(*it)).collect();
    SnapshotSeal::new(Keyring::new(&secrets, &crate::seal::random::system()), "the basis")
}

/// A session in which every field has a value.
fn full_session(live: &LiveSessions) -> (Secret, Arc<Session>) {
    let (oid, tid) = (Guid::of_bytes([1; 16]), Guid::of_bytes([2; 16]));
    let member = DirectoryMember {
        person: Guid::of_bytes([3; 16]),
        role: "worker".into(),
        organization: Guid::of_bytes([4; 16]),
        code: "contoso".into(),
    };
    let groups = [oid.to_string(), tid.to_string().to_uppercase(), "CONTOSO\\Drivers".to_owned()];
    let identity = Identity {
        guest: true,
        name: Some("Maya Lindqvist".into()),
        preferred_username: Some("maya@contoso.com".into()),
        email: Some("maya.l@contoso.com".into()),
        email_verified: true,
        roles: ["Fleet.Admin", "Fleet.Reader"].into_iter().collect(),
        groups: PersonGroups::Known(groups.into_iter().collect()),
        entra_sid: Some("sid".into()),
        login_hint: Some("hint".into()),
        acrs: ["c1"].into_iter().collect(),
        auth_time: 1_000_000,
        has_auth_time: true,
        custom: [("employeeid".to_owned(), "7".to_owned())].into(),
        ..Identity::new(oid, tid)
    };
    let new = NewSession {
        user: VerifiedUser::pretended(identity),
        member: Some(member),
        refresh_token: Some(Secret::new("the refresh token")),
        session_state: Some("another state"),
    };
    let (id, session) = live.create(new);
    session.answers("a mark".into());
    session.set_reauthenticated();
    session.standing().set_due_in(2_000_000, 1800);
    session.standing().record_answer(1_999_000);
    session.standing().set_challenge(ClaimsChallenge::of_json(r#"{"id_token":{}}"#));
    session.groups_age().set(1_500_000, 1_800_000);
    (id, session)
}

fn token(session: &Session) -> Option<String> {
    session.standing().read_refresh_token(|it| it.map(|it| it.expose().to_owned())).unwrap()
}

#[test]
fn a_session_that_ended_after_the_snapshot_does_not_come_back_after_a_crash() {
    let fixture = FolderFixture::new();
    let open = fixture.opens();
    let [stays, out, by_sid, late] = [1, 2, 3, 4].map(|it| open.signs_in(it));
    open.folder.write().unwrap();
    let after = open.signs_in(5);
    open.live.end(out.expose()).unwrap();
    open.live.end_all_of(crate::session::person::PersonKey {
        oid: Guid::of_bytes([3; 16]),
        tid: Guid::of_bytes([9; 16]),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(open.live.confirm_ends());
    open.crashes();
    // Again and again, also where nothing more was saved in between.
    for _ in 0..3 {
        let open = fixture.opens();
        assert!(open.has(&stays) && open.has(&late));
        assert!(!open.has(&out) && !open.has(&by_sid));
        assert!(!open.has(&after), "nobody saved it");
        open.crashes();
    }
    let open = fixture.opens();
    open.live.end_held(&open.live.peek(late.expose()).unwrap());
    runtime.block_on(open.live.confirm_ends());
    open.crashes();
    let open = fixture.opens();
    assert!(open.has(&stays) && !open.has(&late) && !open.has(&out));
}

#[test]
fn what_ends_while_a_snapshot_is_written_is_in_the_journal_that_belongs_to_it() {
    let fixture = FolderFixture::new();
    let open = fixture.opens();
    let ids: Vec<_> = (1..=200).map(|it| open.signs_in(it)).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..20 {
                open.folder.write().unwrap();
            }
        });
        for id in &ids {
            open.live.end(id.expose()).unwrap();
            std::thread::yield_now();
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(open.live.confirm_ends());
    open.crashes();
    assert_eq!(fixture.opens().restored.count, 0);
}

#[test]
fn what_was_idle_or_past_its_lifetime_in_the_meantime_does_not_come_back() {
    let fixture = FolderFixture::new();
    let open = fixture.opens();
    let idle = open.signs_in(1);
    fixture.clock.shift(300);
    let used = open.signs_in(2);
    open.folder.close().unwrap();
    fixture.clock.shift(301);
    let open = fixture.opens();
    assert!(!open.has(&idle) && open.has(&used));
    open.folder.close().unwrap();
    fixture.clock.shift(3600);
    assert_eq!(fixture.opens().restored.count, 0);
}

#[test]
fn a_snapshot_that_cannot_be_read_is_set_aside_and_the_start_goes_on() {
    for damage in ["foreign", "cut", "secrets", "newer", "journal"] {
        let fixture = FolderFixture::new();
        let open = fixture.opens();
        let id = open.signs_in(1);
        open.folder.write().unwrap();
        for number in 2..5 {
            open.live.end(open.signs_in(number).expose()).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(open.live.confirm_ends());
        open.crashes();
        let file = fixture.path().join(SNAPSHOT_FILE);
        let mut bytes = std::fs::read(&file).unwrap();
        match damage {
            "foreign" => std::fs::write(&file, "# not a snapshot").unwrap(),
            "cut" => std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap(),
            "newer" => {
                bytes[16] = 9;
                std::fs::write(&file, &bytes).unwrap();
            }
            "journal" => {
                let segment = segments(&fixture.path()).unwrap().pop_last().unwrap();
                let path = segment_files(&fixture.path(), segment).ended;
                let mut bytes = std::fs::read(&path).unwrap();
                bytes[0] ^= 1;
                std::fs::write(&path, &bytes).unwrap();
            }
            _ => {}
        }
        let open = fixture.opens_with(if damage == "secrets" { &["two"] } else { &["one"] });
        assert_eq!((open.restored.count, open.has(&id)), (0, false), "{damage}");
        let aside = format!("{SNAPSHOT_FILE}.unreadable-{}", fixture.clock.now());
        assert!(fixture.names().contains(&aside), "{damage}: {:?}", fixture.names());
        let id = open.signs_in(7);
        open.folder.close().unwrap();
        let secrets: &[&str] = if damage == "secrets" { &["two"] } else { &["one"] };
        assert!(fixture.opens_with(secrets).has(&id), "{damage}");
    }
}

#[test]
fn secrets_are_replaced_in_two_steps_without_losing_a_session_or_an_end() {
    let fixture = FolderFixture::new();
    let open = fixture.opens_with(&["old"]);
    let [stays, ends] = [1, 2].map(|it| open.signs_in(it));
    open.folder.write().unwrap();
    open.folder.seal_with(seal(&["new", "old"]));
    open.live.end(ends.expose()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(open.live.confirm_ends());
    open.crashes();
    let open = fixture.opens_with(&["new", "old"]);
    assert!(open.has(&stays) && !open.has(&ends));
    open.folder.close().unwrap();
    let open = fixture.opens_with(&["new"]);
    assert!(open.has(&stays) && !open.has(&ends));
}

#[test]
fn only_this_user_can_read_the_files_and_former_segments_are_removed() {
    let fixture = FolderFixture::new();
    for _ in 0..3 {
        let open = fixture.opens();
        open.signs_in(1);
        open.folder.write().unwrap();
        open.folder.close().unwrap();
    }
    let names = fixture.names();
    assert_eq!(names.len(), 3, "lock, snapshot and one segment: {names:?}");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&fixture.path()), 0o700);
    for name in names {
        assert_eq!(mode(&fixture.path().join(&name)), 0o600, "{name}");
    }
}

#[test]
fn one_process_at_a_time_has_the_folder() {
    let fixture = FolderFixture::new();
    let first = fixture.opens();
    let id = first.signs_in(1);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| fixture.opens().has(&id));
        std::thread::sleep(Duration::from_millis(100));
        assert!(!second.is_finished());
        first.folder.close().unwrap();
        assert!(second.join().unwrap(), "it has what the first one saved last");
    });
}

#[test]
fn a_refresh_token_in_use_is_waited_for() {
    let fixture = FolderFixture::new();
    let open = fixture.opens();
    let (id, session) = full_session(&open.live);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    std::thread::scope(|scope| {
        let mut lease = runtime.block_on(session.standing().lease());
        let written = scope.spawn(|| open.folder.close().unwrap());
        std::thread::sleep(Duration::from_millis(100));
        assert!(!written.is_finished());
        lease.store_refresh_token(Secret::new("the next token"));
        drop(lease);
        assert_eq!(written.join().unwrap(), Some(1));
    });
    let open = fixture.opens();
    let after = open.live.peek(id.expose()).unwrap();
    assert_eq!(token(&after).as_deref(), Some("the next token"));
}

#[tokio::test]
async fn the_operator_learns_when_sessions_cannot_be_saved_and_when_they_can_again() {
    let fixture = FolderFixture::new();
    let open = fixture.opens();
    let id = open.signs_in(1);
    let folder = Arc::new(open.folder);
    let (reports, mut reported) = tokio::sync::mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    // A directory in the place of the file, which no user can write over.
    let obstacle = fixture.path().join(UNFINISHED_FILE);
    std::fs::create_dir(&obstacle).unwrap();
    let running = tokio::spawn(Arc::clone(&folder).run(
        Duration::from_millis(10),
        stop.clone(),
        move |is_failing| reports.send(is_failing).unwrap(),
    ));
    assert_eq!(reported.recv().await, Some(true));
    std::fs::remove_dir(&obstacle).unwrap();
    assert_eq!(reported.recv().await, Some(false));
    stop.cancel();
    running.await.unwrap();
    folder.close().unwrap();
    assert!(fixture.opens().has(&id));
}
