//! Sessions that are sealed in the browser: several processes, keys, ends, and bytes from strangers.

mod fitting;
mod sealing;

use super::*;
use crate::base::clock::Clock;
use crate::base::guid::Guid;
use crate::base::identity::{Identity, PersonGroups};
use crate::base::string_list::StringList;
use crate::config::session::SessionConfig;
use crate::entra::verified::VerifiedUser;
use crate::seal::keyring::Keyring;
use crate::session::live::NewSession;
use crate::session::store::SessionStore;
use futures_util::FutureExt as _;

const HOME: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const MAYA: &str = "00aa00aa-bb11-cc22-dd33-44ee44ee0001";
const SECRET: &str = "a secret of at least thirty-two bytes";
const NEW_SECRET: &str = "another secret of thirty-two bytes or more";

fn keyring(secrets: &[&str]) -> Keyring {
    let secrets: Vec<_> = secrets.iter().map(|it| Secret::new(*it)).collect();
    Keyring::new(&secrets, &crate::seal::random::system())
}

fn seal(secrets: &[&str], basis: &str) -> CookieSeal {
    CookieSeal::new(&keyring(secrets), basis, &crate::seal::random::system())
}

fn settings(secrets: &[&str], named: &[&str]) -> CookieStoreSettings {
    let named = named.iter().map(|it| (*it).to_owned());
    CookieStoreSettings::new(seal(secrets, "the registration"), named)
}

/// A store for these live sessions, whose rules name these groups and roles.
pub(in crate::session::store) fn store(live: Arc<LiveSessions>, named: &[&str]) -> SessionStore {
    SessionStore::Cookie(CookieStore::new(live, None, settings(&[SECRET], named)))
}

/// One process.
struct Replica {
    live: Arc<LiveSessions>,
    store: CookieStore,
}

/// The cookies of one browser.
#[derive(Clone, Debug)]
struct BrowserCookies {
    id: String,
    record: String,
}

impl Replica {
    fn new(clock: &Clock, secrets: &[&str], named: &[&str]) -> Self {
        Self::with(clock, secrets, named, |config| config)
    }

    fn with(
        clock: &Clock,
        secrets: &[&str],
        named: &[&str],
        change: impl FnOnce(SessionConfig) -> SessionConfig,
    ) -> Self {
        let config = SessionConfig {
            secrets: secrets.iter().map(|it| Secret::new(*it)).collect(),
            ..SessionConfig::sample()
        };
        let random = crate::seal::random::system();
        let live = LiveSessions::new(&change(config), clock.clone(), random);
        let live = Arc::new(live);
        let settings = settings(secrets, named);
        Self { store: CookieStore::new(Arc::clone(&live), None, settings), live }
    }

    fn signs_in(&self, who: Identity, token: Option<&str>) -> (BrowserCookies, Arc<Session>) {
        let refresh_token = token.map(Secret::new);
        let user = VerifiedUser::pretended(who);
        let (id, session) = self.live.prepare(NewSession { refresh_token, ..user.into() });
        let id = self.store.save(id, &session).expose().to_owned();
        let record = self.record(&session).expect("no record");
        (BrowserCookies { id, record }, session)
    }

    fn record(&self, session: &Session) -> Option<String> {
        self.store.record_for_answer(session).map(|it| it.expose().to_owned())
    }

    fn loads(&self, cookies: &BrowserCookies) -> Option<Arc<Session>> {
        self.presents(&cookies.id, Some(&cookies.record))
    }

    fn presents(&self, id: &str, record: Option<&str>) -> Option<Arc<Session>> {
        let presented = PresentedSession { id, record };
        self.store.load(&presented).now_or_never().expect("it waits").unwrap()
    }

    fn ends(&self, cookies: &BrowserCookies) -> Option<Arc<Session>> {
        self.store.end(&PresentedSession { id: &cookies.id, record: Some(&cookies.record) })
    }
}

/// A way to end a session.
type SessionAction<'a> = dyn Fn(&BrowserCookies, &Arc<Session>) + 'a;

fn maya() -> Identity {
    Identity {
        name: Some("Maya Okafor".into()),
        preferred_username: Some("maya@contoso.example".into()),
        email: Some("maya@contoso.example".into()),
        email_verified: true,
        roles: ["Admin", "Reader"].into_iter().collect(),
        groups: PersonGroups::Known([group(1), group(2)].into_iter().collect()),
        entra_sid: Some("the session at Entra".into()),
        login_hint: Some("O.CiRmaya".into()),
        acrs: ["c1"].into_iter().collect(),
        auth_time: 1_700_000_000,
        has_auth_time: true,
        custom: vec![("department".to_owned(), "R&D".to_owned())].into(),
        ..Identity::new(Guid::parse(MAYA).unwrap(), Guid::parse(HOME).unwrap())
    }
}

fn group(number: usize) -> String {
    format!("0a1b2c3d-0000-4000-8000-{number:012}")
}

fn groups(numbers: impl IntoIterator<Item = usize>) -> PersonGroups {
    PersonGroups::Known(numbers.into_iter().map(group).collect::<StringList>())
}

fn token_of(session: &Session) -> Option<String> {
    let lease = session.standing().lease().now_or_never().unwrap();
    lease.refresh_token().map(|it| it.expose().to_owned())
}

#[test]
fn another_process_has_the_same_session_from_the_cookies() {
    let clock = Clock::stopped();
    let here = Replica::new(&clock, &[SECRET], &[]);
    let there = Replica::new(&clock, &[SECRET], &[]);
    // As Entra writes it, and texts that are no base64url or not written the same again.
    for token in
        ["1.AXoAaGVsbG8.AgABAwEAAADnfolhJpSnRYB1SVj-Hgd8_w", "a token!", ".", "QQ.QR.=", "é"]
    {
        let (cookies, session) = here.signs_in(maya(), Some(token));
        session.set_reauthenticated();
        session.standing().set_due_in(clock.now(), 1800);
        here.store.release(&session);
        let record = here.record(&session).unwrap();
        let cookies = BrowserCookies { record, ..cookies };
        let loaded = there.loads(&cookies).unwrap();
        assert!(Arc::ptr_eq(&loaded, &there.loads(&cookies).unwrap()), "it is live");
        assert_eq!(**loaded.identity(), maya());
        assert_eq!(token_of(&loaded).as_deref(), Some(token));
        assert!(loaded.is_reauthenticated() && !loaded.standing().ends_at_recheck());
        assert_eq!(
            (loaded.started_at(), loaded.ends(), loaded.last_seen(), loaded.sid()),
            (session.started_at(), session.ends(), session.last_seen(), session.sid())
        );
        assert_eq!(loaded.standing().due_at(), clock.now() + 1800);
        assert_eq!(loaded.secret, session.secret);
        assert_eq!(there.live.end_by_sid("the session at Entra"), 1, "it is in the index");
    }
}

#[test]
fn a_record_is_due_once_a_minute_and_after_a_recheck() {
    let clock = Clock::stopped();
    let (here, there) =
        (Replica::new(&clock, &[SECRET], &[]), Replica::new(&clock, &[SECRET], &[]));
    let (cookies, session) = here.signs_in(maya(), Some("token"));
    assert_eq!(here.record(&session), None);
    clock.shift(59);
    assert_eq!(here.record(&session), None);
    clock.shift(1);
    assert!(here.record(&session).is_some_and(|it| it != cookies.record));
    assert_eq!(here.record(&session), None);
    here.live.find(&cookies.id);
    // A recheck has the refresh token: its record waits for it.
    let mut lease = session.standing().lease().now_or_never().unwrap();
    lease.store_refresh_token(Secret::new("next"));
    here.store.release(&session);
    assert_eq!(here.record(&session), None);
    drop(lease);
    let record = here.record(&session).unwrap();
    let loaded = there.loads(&BrowserCookies { record, ..cookies }).unwrap();
    assert_eq!(token_of(&loaded).as_deref(), Some("next"));
    // The browser has a record that is as old as the last use in it.
    assert_eq!(there.record(&loaded), None);
    clock.shift(60);
    assert!(there.record(&loaded).is_some());
    here.live.end_held(&session);
    clock.shift(60);
    assert_eq!(here.record(&session), None, "it is over");
}

#[test]
fn a_session_ends_in_another_process_by_its_times() {
    let clock = Clock::stopped();
    let here = Replica::new(&clock, &[SECRET], &[]);
    let replica = || Replica::new(&clock, &[SECRET], &[]);
    let (cookies, _) = here.signs_in(maya(), None);
    clock.shift(599);
    assert!(replica().loads(&cookies).is_some());
    clock.shift(1);
    assert!(replica().loads(&cookies).is_none());
    // A session that is used in one process goes on in another that did not see it for long.
    let (mut cookies, session) = here.signs_in(maya(), None);
    let idle = replica();
    assert!(idle.loads(&cookies).is_some());
    for _ in 0..6 {
        clock.shift(590);
        assert!(here.live.find(&cookies.id).is_some());
        cookies.record = here.record(&session).unwrap();
        assert!(idle.loads(&cookies).is_some());
    }
    let lifetime = std::time::Duration::from_mins(59);
    let shorter = |it| SessionConfig { lifetime, ..it };
    assert!(Replica::with(&clock, &[SECRET], &[], shorter).loads(&cookies).is_none());
    clock.shift(59);
    assert!(replica().loads(&cookies).is_some());
    clock.shift(1);
    assert!(replica().loads(&cookies).is_none(), "its lifetime is over");
}

#[test]
fn what_ended_in_a_process_does_not_come_back_there() {
    let clock = Clock::stopped();
    let here = Replica::with(&clock, &[SECRET], &[], |it| SessionConfig { per_person: 1, ..it });
    let person = PersonKey { oid: maya().oid, tid: maya().tid };
    let all: [(&str, &SessionAction<'_>); 6] = [
        ("a sign-out", &|cookies, _| assert!(here.ends(cookies).is_some())),
        ("Entra reports it", &|_, _| assert_eq!(here.store.end_by_sid("the session at Entra"), 1)),
        ("a revocation", &|_, _| assert_eq!(here.store.end_by_person(person), 1)),
        ("Entra refuses it", &|_, it| here.live.end_refused(it)),
        ("Entra requires a sign-in", &|_, it| here.live.end_for_sign_in(it, None)),
        ("displaced", &|_, _| {
            clock.shift(1);
            drop(here.signs_in(maya(), None));
        }),
    ];
    for (name, end) in all {
        let (cookies, session) = here.signs_in(maya(), Some("token"));
        end(&cookies, &session);
        assert!(session.is_over(), "{name}");
        assert!(here.loads(&cookies).is_none(), "{name}");
        assert!(here.ends(&cookies).is_none() || name == "Entra requires a sign-in", "{name}");
        assert!(here.loads(&cookies).is_none(), "{name}");
        // The limit of this store, which the documentation states.
        assert!(Replica::new(&clock, &[SECRET], &[]).loads(&cookies).is_some(), "{name}");
        here.store.end_by_person(person);
    }
}

#[test]
fn a_session_that_no_request_brought_here_ends_with_a_sign_out_too() {
    let clock = Clock::stopped();
    let here = Replica::new(&clock, &[SECRET], &[]);
    let (cookies, _) = here.signs_in(maya(), None);
    let there = Replica::new(&clock, &[SECRET], &[]);
    let ended = there.ends(&cookies).unwrap();
    assert_eq!(ended.identity().login_hint.as_deref(), Some("O.CiRmaya"), "for Entra's sign-out");
    assert!(there.ends(&cookies).is_none() && there.loads(&cookies).is_none());
    // Without its record too.
    let (cookies, _) = here.signs_in(maya(), None);
    let presented = PresentedSession { id: &cookies.id, record: None };
    assert!(there.store.end(&presented).is_none() && there.loads(&cookies).is_none());
}

#[test]
fn a_revocation_ends_sessions_that_no_request_brought_here() {
    let clock = Clock::stopped();
    let here = Replica::new(&clock, &[SECRET], &[]);
    let there = Replica::new(&clock, &[SECRET], &[]);
    let (cookies, _) = here.signs_in(maya(), None);
    let tom = Identity { oid: Guid::from_random([7; 16]), ..maya() };
    let (toms, _) = here.signs_in(tom, None);
    assert_eq!(there.store.end_by_person(PersonKey { oid: maya().oid, tid: maya().tid }), 0);
    assert!(there.loads(&cookies).is_none() && there.loads(&toms).is_some());
    clock.shift(1);
    let (again, _) = here.signs_in(maya(), None);
    assert!(there.loads(&again).is_some(), "she signed in again");
    assert!(there.loads(&cookies).is_none());
}

#[test]
fn a_session_without_a_refresh_token_ends_at_its_recheck() {
    let clock = Clock::stopped();
    let here = Replica::new(&clock, &[SECRET], &[]);
    for (token, ends) in [(None, true), (Some("token"), false)] {
        let (cookies, session) = here.signs_in(maya(), token);
        let loaded = Replica::new(&clock, &[SECRET], &[]).loads(&cookies).unwrap();
        for session in [session, loaded] {
            assert_eq!(session.standing().ends_at_recheck(), ends, "{token:?}");
            assert_eq!(token_of(&session).as_deref(), token);
        }
    }
}

#[tokio::test]
async fn of_requests_at_the_same_time_all_have_one_session() {
    let clock = Clock::stopped();
    let (cookies, _) = Replica::new(&clock, &[SECRET], &[]).signs_in(maya(), None);
    let there = Replica::new(&clock, &[SECRET], &[]);
    let all: Vec<_> = std::thread::scope(|scope| {
        let load = || there.loads(&cookies).unwrap();
        let all: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
        all.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert!(all.iter().all(|it| Arc::ptr_eq(it, &all[0])));
}
